//! Neighbors: what is declared is what is observed.

use crate::daemon::Release;
use crate::support::*;
use futures::StreamExt;
use sdwan_model::config::{AdminState, Direction, Family, Neighbor};
use sdwan_model::observed::{Peer, SessionState};
use sdwan_model::plan::Op;
use sdwan_server::speaker::{Error, SessionEvent};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(crate) fn everything() -> Neighbor {
    Neighbor {
        description: Some("to the north".to_owned()),
        auth_password: Some("hunter2".to_owned().into()),
        hold_time: Some(9),
        keepalive_interval: Some(2),
        local_address: Some(address("127.0.0.9")),
        passive: Some(true),
        route_reflector_client: Some(true),
        families: Some(BTreeSet::from([Family::Ipv4Unicast, Family::L2vpnEvpn])),
        admin_state: Some(AdminState::Down),
        ..neighbor(65001)
    }
}

pub(crate) fn assert_everything(peer: &Peer) {
    assert_eq!(peer.peer_as, 65001);
    assert_eq!(peer.description, "to the north");
    assert_eq!(peer.auth_password.expose_secret(), "hunter2");
    assert_eq!((peer.hold_time, peer.keepalive_interval), (9, 2));
    assert_eq!(peer.local_address, Some(address("127.0.0.9")));
    assert!(peer.passive && peer.route_reflector_client);
    assert_eq!(peer.ebgp_multihop, 0);
    assert_eq!(
        peer.families,
        BTreeSet::from([Family::Ipv4Unicast, Family::L2vpnEvpn])
    );
    assert_eq!(
        (peer.configured, peer.admin_state),
        (AdminState::Down, AdminState::Down)
    );
    assert_eq!(
        (peer.session, peer.established_at),
        (SessionState::Idle, None)
    );
    assert_eq!(peer.peer_group, "");
}

#[tokio::test]
async fn every_field_of_a_neighbor() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(everything())))
            .await
            .unwrap();
        let far = Neighbor {
            ebgp_multihop: Some(3),
            ..neighbor(65002)
        };
        speaker
            .apply(&Op::AddPeer(address("2001:db8::8"), Box::new(far)))
            .await
            .unwrap();
        let observed = observe(&*speaker).await;
        assert_everything(&observed.peers[&north]);
        let far = &observed.peers[&address("2001:db8::8")];
        assert_eq!((far.ebgp_multihop, far.local_address), (3, None));
        assert_eq!((far.hold_time, far.keepalive_interval), (90, 30));
        assert_eq!(far.families, BTreeSet::from([Family::Ipv6Unicast]));
        assert_eq!(far.configured, AdminState::Up);
        // Known from the iBGP peer since 3.11.
        let minor = match release {
            Release::V3_10 => None,
            Release::V3_36 => Some(36),
            Release::V4_8 => Some(8),
        };
        assert_eq!(observed.version.minor, minor);
    }
}

#[tokio::test]
async fn changes_keep_what_they_do_not_say() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(everything())))
            .await
            .unwrap();
        let kept = Neighbor {
            local_address: Some(address("127.0.0.9")),
            ..neighbor(65001)
        };
        for recreate in [false, true] {
            let changed = Neighbor {
                description: Some("changed".to_owned()),
                ..kept.clone()
            };
            let back = Neighbor {
                description: Some("to the north".to_owned()),
                ..kept.clone()
            };
            for (fields, description) in [(changed, "changed"), (back, "to the north")] {
                let change = change(fields);
                let op = match recreate {
                    false => Op::UpdatePeer(north, change),
                    true => Op::RecreatePeer(north, change),
                };
                speaker.apply(&op).await.unwrap();
                let observed = observe(&*speaker).await;
                assert_eq!(observed.peers[&north].description, description);
            }
            assert_everything(&observe(&*speaker).await.peers[&north]);
        }
        // Taken back to the defaults.
        let defaults = Neighbor {
            description: Some(String::new()),
            auth_password: Some(String::new().into()),
            local_address: Some(address("0.0.0.0")),
            passive: Some(false),
            families: Some(BTreeSet::from([Family::Ipv4Unicast])),
            admin_state: Some(AdminState::Up),
            ..neighbor(65001)
        };
        speaker
            .apply(&Op::UpdatePeer(north, change(defaults)))
            .await
            .unwrap();
        let peer = &observe(&*speaker).await.peers[&north];
        assert_eq!(peer.auth_password.expose_secret(), "");
        assert_eq!((peer.local_address, peer.passive), (None, false));
        assert_eq!(peer.families, BTreeSet::from([Family::Ipv4Unicast]));
        assert_eq!(peer.configured, AdminState::Up);
        assert_eq!(peer.hold_time, 9);
    }
}

#[tokio::test]
async fn many_updates_after_one_observation() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let addresses: Vec<IpAddr> = (1..=64_u8).map(|last| [10, 0, 0, last].into()).collect();
        for neighbor_address in &addresses {
            let passive = Neighbor {
                passive: Some(true),
                ..neighbor(65002)
            };
            speaker
                .apply(&Op::AddPeer(*neighbor_address, Box::new(passive)))
                .await
                .unwrap();
        }
        observe(&*speaker).await;
        let updates: Vec<Op> = addresses
            .iter()
            .map(|neighbor_address| {
                let description = Some(format!("number {neighbor_address}"));
                let fields = Neighbor {
                    description,
                    ..neighbor(65002)
                };
                Op::UpdatePeer(*neighbor_address, change(fields))
            })
            .collect();
        let sent = futures::future::join_all(updates.iter().map(|op| speaker.apply(op))).await;
        assert!(sent.iter().all(Result::is_ok));
        for (address, peer) in observe(&*speaker).await.peers {
            assert_eq!(peer.description, format!("number {address}"));
            assert!(peer.passive);
        }
    }
}

#[tokio::test]
async fn a_peer_is_held_down_and_let_up() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(neighbor(65002))))
            .await
            .unwrap();
        let mut events = speaker.watch().await.unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&SessionEvent::Listed) {
            seen.extend(events.next().await.unwrap().unwrap());
        }
        let told = |event: &SessionEvent, down: bool| {
            matches!(event, SessionEvent::State { neighbor, admin_down, .. }
                if *neighbor == north && *admin_down == down)
        };
        assert!(seen.iter().any(|event| told(event, false)), "{seen:?}");
        speaker.apply(&Op::DisablePeer(north)).await.unwrap();
        let peer = &observe(&*speaker).await.peers[&north];
        assert_eq!(
            (peer.configured, peer.admin_state),
            (AdminState::Up, AdminState::Down)
        );
        while !seen.iter().any(|event| told(event, true)) {
            seen.extend(events.next().await.unwrap().unwrap());
        }
        speaker.apply(&Op::EnablePeer(north)).await.unwrap();
        assert_eq!(
            observe(&*speaker).await.peers[&north].admin_state,
            AdminState::Up
        );
        for op in [
            Op::SoftReset(north, Direction::Import),
            Op::SoftReset(north, Direction::Export),
            Op::HardReset(north),
        ] {
            speaker.apply(&op).await.unwrap();
        }
        let counters = speaker.counters().await.unwrap();
        assert_eq!(counters.len(), 1);
        assert_eq!((counters[0].neighbor, counters[0].uptime), (north, None));
    }
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        for op in [
            Op::DeletePeer(address("192.0.2.7")),
            Op::DeletePolicy("p".to_owned()),
            Op::DeleteNeighborSet("s".to_owned(), None),
            Op::DeleteNeighborSet("s".to_owned(), Some(BTreeSet::from([address("::1")]))),
        ] {
            speaker.apply(&op).await.unwrap();
        }
        let gone = Op::DisablePeer(address("192.0.2.7"));
        let error = speaker.apply(&gone).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        // Version 3 finds a peer by the text that somebody typed.
        daemon.gobgp(&["neighbor", "add", "2001:DB8::0007", "as", "65002"]);
        let typed = address("2001:db8::7");
        assert!(observe(&*speaker).await.peers.contains_key(&typed));
        speaker.apply(&Op::DeletePeer(typed)).await.unwrap();
        assert!(observe(&*speaker).await.peers.is_empty());
    }
}
