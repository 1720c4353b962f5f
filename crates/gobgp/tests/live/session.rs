//! Two daemons of one version with a BGP session between them, on loopback.

use crate::daemon::{Daemon, Release, free_port};
use futures::StreamExt;
use futures::stream::BoxStream;
use sdwan_gobgp::types::{Global, Peer, PeerEvent, PeerFilter, PeerSettings, SessionState};
use sdwan_gobgp::{Client, Error};
use std::time::Duration;

pub(crate) type Events = BoxStream<'static, Result<PeerEvent, Error>>;

/// No version takes that long, on a machine that is not out of its depth.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Pair {
    /// The listener's, then the caller's.
    pub(crate) daemons: [Daemon; 2],
    /// AS 65001, 127.0.0.1, waits for the other.
    pub(crate) listener: Client,
    /// AS 65002, 127.0.0.2.
    pub(crate) caller: Client,
    /// The listener's.
    pub(crate) events: Events,
}

/// The caller as the listener knows it, and the other way round.
pub(crate) const CALLER: &str = "127.0.0.2";
pub(crate) const LISTENER: &str = "127.0.0.1";

impl Pair {
    /// Waits until the session is up.
    pub(crate) async fn established(release: Release, settings: PeerSettings) -> Self {
        let (a, b) = (Daemon::start(release).await, Daemon::start(release).await);
        let (listener, caller) = (a.client().await, b.client().await);
        let port = free_port();
        let global = |asn, id: &str, listen_port| Global {
            asn,
            router_id: id.to_owned(),
            listen_port,
            listen_addresses: vec![LISTENER.to_owned()],
            ..Global::default()
        };
        listener
            .start_bgp(&global(65001, "192.0.2.1", port.into()))
            .await
            .unwrap();
        caller
            .start_bgp(&global(65002, "192.0.2.2", -1))
            .await
            .unwrap();
        let events = listener.watch_peers().await.unwrap().boxed();
        let waits = PeerSettings {
            peer_asn: Some(65002),
            passive_mode: Some(true),
            idle_hold_time_after_reset: Some(1),
            ..settings.clone()
        };
        let calls = PeerSettings {
            peer_asn: Some(65001),
            local_address: Some(CALLER.parse().unwrap()),
            remote_port: Some(port),
            connect_retry: Some(1),
            idle_hold_time_after_reset: Some(1),
            ..settings
        };
        listener
            .add_peer(CALLER.parse().unwrap(), &waits)
            .await
            .unwrap();
        caller
            .add_peer(LISTENER.parse().unwrap(), &calls)
            .await
            .unwrap();
        let mut pair = Self {
            daemons: [a, b],
            listener,
            caller,
            events,
        };
        pair.until(|peer| peer.state.session == SessionState::Established)
            .await;
        pair
    }

    /// The first event for which this holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Peer) -> bool) -> Peer {
        let found = async {
            loop {
                let event = self.events.next().await.unwrap().unwrap();
                if let Some(peer) = event.peer.filter(&holds) {
                    return peer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap()
    }

    pub(crate) fn stop_listener(&mut self) {
        self.daemons[0].kill();
    }

    pub(crate) fn kill_caller(&mut self) {
        self.daemons[1].kill();
    }

    /// The caller as the listener lists it.
    pub(crate) async fn listed(&self) -> Peer {
        only(&self.listener).await
    }
}

/// The one peer that a daemon has.
pub(crate) async fn only(client: &Client) -> Peer {
    let filter = PeerFilter {
        address: None,
        advertised: true,
    };
    let mut peers = client.list_peers(filter).await.unwrap();
    assert_eq!(peers.len(), 1);
    peers.remove(0)
}

/// Asks again until it holds.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}
