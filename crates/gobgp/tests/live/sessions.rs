//! What only a running BGP session shows: its states and counters, and which
//! calls disturb it.

use crate::daemon::Release;
use crate::daemon::{Daemon, everywhere, free_port};
use crate::peers::started;
use crate::session::{CALLER, LISTENER, Pair, eventually, only};
use futures::StreamExt;
use sdwan_gobgp::Error;
use sdwan_gobgp::types::{AdminState, Peer, PeerEventKind, PeerFilter, PeerSettings, SessionState};
use std::time::SystemTime;

#[tokio::test]
async fn a_session_comes_up_falls_and_is_listed_so() {
    everywhere(async |release| {
        let mut pair = Pair::established(release, PeerSettings::default()).await;
        let peer = pair.listed().await;
        let state = &peer.state;
        assert_eq!(state.session, SessionState::Established);
        assert_eq!(
            (state.neighbor_address.as_str(), state.peer_asn),
            (CALLER, 65002)
        );
        assert_eq!(state.router_id, "192.0.2.2");
        let messages = &state.messages;
        for counts in [&messages.received, &messages.sent] {
            assert_eq!(counts.open, 1);
            assert!(counts.keepalive >= 1);
            assert_eq!(counts.notification + counts.refresh + counts.discarded, 0);
            assert_eq!(counts.total, counts.open + counts.keepalive + counts.update);
        }
        assert_eq!(peer.timers.negotiated_hold_time, 90);
        let age = SystemTime::now()
            .duration_since(peer.timers.uptime.unwrap())
            .unwrap();
        assert!(age.as_secs() < 3600, "{age:?}");
        // Not what was configured.
        assert_eq!(peer.transport.local_address, LISTENER);
        pair.caller.reset_peer(LISTENER).await.unwrap();
        pair.until(|peer| peer.state.session != SessionState::Established)
            .await;
        let peer = pair.listed().await;
        assert_eq!(peer.state.messages.received.notification, 1);
        assert_eq!(peer.state.flaps, u32::from(release > Release::V3_10));
        assert!(peer.timers.downtime.is_some());
        // Disabling a peer that is down already is no event.
        pair.until(|peer| peer.state.session == SessionState::Established)
            .await;
        pair.listener.disable_peer(CALLER).await.unwrap();
        pair.until(|peer| peer.state.admin == AdminState::Down)
            .await;
        pair.listener.enable_peer(CALLER).await.unwrap();
        pair.until(|peer| peer.state.session == SessionState::Established)
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_watch_starts_with_the_peers_that_are_there() {
    everywhere(async |release| {
        let mut pair = Pair::established(release, PeerSettings::default()).await;
        let mut events = pair.listener.watch_peers().await.unwrap().boxed();
        let first = events.next().await.unwrap().unwrap();
        assert_eq!(first.kind, PeerEventKind::Init);
        let peer = first.peer.unwrap();
        assert_eq!(peer.address(), Some(CALLER.parse().unwrap()));
        assert_eq!(peer.state.session, SessionState::Established);
        assert_eq!(peer.state.admin, AdminState::Up);
        let second = events.next().await.unwrap().unwrap();
        assert_eq!(second.kind, PeerEventKind::EndOfInit);
        assert!(second.peer.is_none());
        pair.listener.delete_peer(CALLER).await.unwrap();
        // Whatever its type: 3.10 says 0.
        let third = events.next().await.unwrap().unwrap().peer.unwrap();
        assert_eq!(third.state.session, SessionState::Idle);
        pair.stop_listener();
        let end = loop {
            match events.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(
            matches!(end, Some(Err(Error::Unreachable { .. })) | None),
            "{end:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn states_on_the_way_up() {
    everywhere(async |release| {
        let mut pair = Pair::established(release, PeerSettings::default()).await;
        // Quicker back than after a reset, which 3.10 follows by 30 s of idling.
        pair.listener.disable_peer(CALLER).await.unwrap();
        pair.listener.enable_peer(CALLER).await.unwrap();
        let mut seen = Vec::new();
        while seen.last() != Some(&SessionState::Established) {
            seen.push(pair.until(|_| true).await.state.session);
        }
        for state in [
            SessionState::Idle,
            SessionState::Active,
            SessionState::OpenSent,
            SessionState::OpenConfirm,
        ] {
            assert!(
                seen.contains(&state),
                "{}: {state:?} in {seen:?}",
                release.name()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_echo_with_the_local_address_said_disturbs_nobody() {
    everywhere(async |release| {
        let pair = Pair::established(release, PeerSettings::default()).await;
        let before = [pair.listed().await, only(&pair.caller).await];
        let said = |address: &str| PeerSettings {
            local_address: Some(address.parse().unwrap()),
            ..PeerSettings::default()
        };
        pair.listener
            .update_peer(&before[0], &said("0.0.0.0"))
            .await
            .unwrap();
        pair.caller
            .update_peer(&before[1], &said(CALLER))
            .await
            .unwrap();
        for (before, now) in before
            .iter()
            .zip([pair.listed().await, only(&pair.caller).await])
        {
            assert_eq!(now.state.session, SessionState::Established);
            assert_eq!(now.timers.uptime, before.timers.uptime);
        }
        // The address that is listed is another than the configured one.
        pair.listener
            .update_peer(&before[0], &PeerSettings::default())
            .await
            .unwrap();
        assert_ne!(pair.listed().await.state.session, SessionState::Established);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_nobody_configured() {
    everywhere(async |release| {
        let port = free_port();
        let config = format!(
            "[global.config]\nas = 65001\nrouter-id = \"192.0.2.9\"\nport = {port}\n\
             local-address-list = [\"{LISTENER}\"]\n\
             [[peer-groups]]\n[peer-groups.config]\npeer-group-name = \"g\"\npeer-as = 65001\n\
             [[dynamic-neighbors]]\n[dynamic-neighbors.config]\n\
             prefix = \"127.0.0.0/8\"\npeer-group = \"g\"\n"
        );
        let listener = Daemon::configured(release, &config).await;
        let (caller, calling) = started(release).await;
        let settings = PeerSettings {
            local_address: Some(CALLER.parse().unwrap()),
            remote_port: Some(port),
            connect_retry: Some(1),
            ..PeerSettings::new(65001)
        };
        calling
            .add_peer(LISTENER.parse().unwrap(), &settings)
            .await
            .unwrap();
        let client = listener.client().await;
        let peer = eventually(|| async {
            let mut peers = client.list_peers(PeerFilter::default()).await.unwrap();
            let established = |peer: &Peer| peer.state.session == SessionState::Established;
            peers.pop().filter(established)
        })
        .await;
        assert!(peer.is_dynamic(), "{peer:?}");
        assert_eq!(peer.address(), Some(CALLER.parse().unwrap()));
        assert_eq!(peer.conf.peer_group, "g");
        // One that somebody configured in the same group.
        let member = PeerSettings {
            peer_group: Some("g".to_owned()),
            ..PeerSettings::default()
        };
        client
            .add_peer("192.0.2.7".parse().unwrap(), &member)
            .await
            .unwrap();
        let filter = PeerFilter {
            address: Some("192.0.2.7"),
            advertised: false,
        };
        let peer = client.list_peers(filter).await.unwrap().remove(0);
        assert!(!peer.is_dynamic());
        assert_eq!(
            (peer.conf.peer_group.as_str(), peer.conf.peer_asn),
            ("g", 65001)
        );
        drop(caller);
    })
    .await;
}
