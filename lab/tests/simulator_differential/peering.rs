//! Sessions with real gobgpds. When those connect, how often in vain, and how
//! long it takes is chance, so the simulator's neighbors do what the events
//! say that the real ones did, if they could have.

use crate::both::Both;
use crate::call::Call;
use crate::clock;
use crate::neighbor::ROUTER;
use crate::real::start;
use anyhow::Result;
use sdwan_gobgp::types::{Global, PeerSettings};
use sdwan_lab::daemon::Daemon;
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::event::Event;
use sdwan_lab::tools::Release;
use sdwan_model::config;
use sdwan_model::observed::SessionState::{Active, Established, Idle, OpenConfirm, OpenSent};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The router's BGP port.
const PORT: u16 = 1790;

const AS: u32 = 65001;
const NEIGHBORS_AS: u32 = 65002;

/// Neighbors, by what becomes of their sessions.
const DELETED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const DISABLED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);
const UPDATED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 13);
const KILLED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 14);
const RESET: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 15);

/// Sessions come up, fall in every way that there is, and come up again.
pub(crate) async fn sessions(release: Release) -> Result<()> {
    let mut both = Both::start(release, HashMap::new(), outside).await?;
    let global = config::Global {
        asn: AS,
        router_id: [192, 0, 2, 1].into(),
        listen_port: Some(PORT),
    };
    both.call(&Call::StartBgp(global)).await?;

    let mut neighbors = HashMap::new();
    for peer in [DELETED, DISABLED, UPDATED, KILLED] {
        neighbors.insert(peer, caller(peer).await?);
        both.call(&Call::AddPeer(peer.into(), waits())).await?;
    }
    neighbors.insert(RESET, listener(RESET).await?);
    both.call(&Call::AddPeer(RESET.into(), calls())).await?;
    for peer in [DELETED, DISABLED, UPDATED, KILLED, RESET] {
        both.until(peer, Established).await?;
    }

    both.call(&Call::DeletePeer(DELETED.into())).await?;
    both.call(&Call::AddPeer(DELETED.into(), waits())).await?;
    both.call(&Call::DisablePeer(DISABLED.into())).await?;
    both.call(&Call::EnablePeer(DISABLED.into())).await?;
    let described = PeerSettings {
        description: Some("other".to_owned()),
        local_address: Some(Ipv4Addr::UNSPECIFIED.into()),
        ..PeerSettings::default()
    };
    both.call(&Call::UpdatePeer(UPDATED.into(), described))
        .await?;
    neighbors.remove(&KILLED).map_or(Ok(()), Daemon::kill)?;
    both.also(|simulated| simulated.neighbor_leaves(KILLED.into()))
        .await?;
    // It would come up again too, but only after half a minute.
    both.call(&Call::ResetPeer(RESET.into())).await?;

    both.until(KILLED, Active).await?;
    for peer in [DELETED, DISABLED, UPDATED] {
        both.until(peer, Established).await?;
        both.call(&Call::DeletePeer(peer.into())).await?;
    }
    Ok(())
}

/// A peer that waits for its neighbor to connect.
fn waits() -> PeerSettings {
    PeerSettings {
        passive_mode: Some(true),
        ..PeerSettings::new(NEIGHBORS_AS)
    }
}

/// A peer whose neighbor waits.
fn calls() -> PeerSettings {
    PeerSettings {
        connect_retry: Some(1),
        ..PeerSettings::new(NEIGHBORS_AS)
    }
}

/// What neighbors and the clock may do. A session that is up does not fall by
/// itself.
fn outside(simulated: &mut Gobgpd, event: &Event, idle: Duration) -> bool {
    let address = event.address;
    let (IpAddr::V4(id), Some(peer)) = (address, simulated.peers().get(&address)) else {
        return false;
    };
    let own = IpAddr::from(ROUTER);
    match (peer.session, event.session) {
        (Idle, Active) => clock(simulated, event, idle),
        (Active, OpenSent) => simulated.neighbor_connects(address, own),
        (Active, OpenConfirm) => simulated.neighbor_accepts(address, own, NEIGHBORS_AS, id),
        (OpenSent, OpenConfirm) => simulated.neighbor_opens(address, NEIGHBORS_AS, id),
        (OpenConfirm, Established) => {
            simulated.neighbor_confirms(address);
            true
        }
        (OpenSent | OpenConfirm, Idle) => {
            simulated.neighbor_leaves(address);
            true
        }
        _ => false,
    }
}

/// A neighbor that connects to the router.
async fn caller(own: Ipv4Addr) -> Result<Daemon> {
    let settings = PeerSettings {
        remote_port: Some(PORT),
        connect_retry: Some(1),
        ..PeerSettings::new(AS)
    };
    neighbor(own, -1, settings).await
}

/// A neighbor that waits for the router to connect.
async fn listener(own: Ipv4Addr) -> Result<Daemon> {
    let settings = PeerSettings {
        passive_mode: Some(true),
        ..PeerSettings::new(AS)
    };
    neighbor(own, 179, settings).await
}

async fn neighbor(own: Ipv4Addr, listen_port: i32, settings: PeerSettings) -> Result<Daemon> {
    let (daemon, client) = start(Release::V4_8, own).await?;
    let global = Global {
        asn: NEIGHBORS_AS,
        router_id: own.to_string(),
        listen_port,
        listen_addresses: vec![own.to_string()],
        ..Global::default()
    };
    client.start_bgp(&global).await?;
    let settings = PeerSettings {
        local_address: Some(own.into()),
        ..settings
    };
    client.add_peer(ROUTER.into(), &settings).await?;
    Ok(daemon)
}
