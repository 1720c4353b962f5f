//! What only a running BGP session shows: states, counters, routes of
//! neighbors, and which calls disturb it.

use crate::daemon::Release;
use crate::daemon::{Daemon, everywhere, free_port};
use crate::peers::started;
use crate::session::{CALLER, LISTENER, Pair, eventually, only};
use futures::StreamExt;
use ipnet::IpNet;
use sdwan_gobgp::bgp::{Attributes, Origin};
use sdwan_gobgp::types::{
    Actions, AddPaths, AdminState, AfiSafiSettings, Destination, Family, GracefulRestartSettings,
    MedAction, MedActionType, Path, PathFilter, Peer, PeerEventKind, PeerFilter, PeerSettings,
    Policy, PolicyAssignment, PolicyDirection, PrefixLimit, ResetDirection, RouteAction,
    SessionState, Statement, TableType,
};
use sdwan_gobgp::{Client, Error};
use std::time::SystemTime;

/// Not of 127.0.0.0/8: 3.10 takes no route with such a next hop.
const NEXT_HOP: &str = "192.0.2.99";

fn path(prefix: &str) -> Path {
    let prefix: IpNet = prefix.parse().unwrap();
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        next_hop: Some(NEXT_HOP.parse().unwrap()),
        ..Attributes::default()
    };
    Path::new(prefix, attributes)
}

/// The paths to a prefix in a table, once there are any.
async fn arrived(client: &Client, table: TableType, name: &str, prefix: &str) -> Vec<Path> {
    let filter = PathFilter {
        table,
        name: name.to_owned(),
        filtered: table == TableType::AdjIn,
        ..PathFilter::global(Family::IPV4_UNICAST)
    };
    eventually(|| async {
        let mut found = client.list_paths(&filter).await.unwrap();
        let index = found
            .iter()
            .position(|destination| destination.prefix == prefix)?;
        Some(found.swap_remove(index).paths)
    })
    .await
}

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
        pair.caller.reset_peer(LISTENER).await.unwrap();
        for state in [
            SessionState::Idle,
            SessionState::Active,
            SessionState::OpenSent,
            SessionState::OpenConfirm,
            SessionState::Established,
        ] {
            pair.until(|peer| peer.state.session == state).await;
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
async fn routes_of_a_neighbor() {
    everywhere(async |release| {
        let pair = Pair::established(release, PeerSettings::default()).await;
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        pair.listener.add_path(&path("10.2.0.0/16")).await.unwrap();
        let global = arrived(&pair.listener, TableType::Global, "", "10.1.0.0/16").await;
        let [learned] = &global[..] else {
            panic!("{global:?}")
        };
        assert_eq!(
            learned.attributes.as_path.as_ref().unwrap().to_string(),
            "65002"
        );
        assert_eq!(learned.attributes.next_hop, Some(NEXT_HOP.parse().unwrap()));
        assert_eq!(learned.source_asn, 65002);
        assert_eq!(learned.source_id, "192.0.2.2");
        assert_eq!(learned.neighbor_ip, Some(CALLER.parse().unwrap()));
        assert!(learned.best && !learned.stale && !learned.filtered);
        assert!(learned.learned.is_some());
        let received = arrived(&pair.listener, TableType::AdjIn, CALLER, "10.1.0.0/16").await;
        assert_eq!(received[0].attributes, learned.attributes);
        let sent = arrived(&pair.listener, TableType::AdjOut, CALLER, "10.2.0.0/16").await;
        assert_eq!(
            sent[0].attributes.as_path.as_ref().unwrap().to_string(),
            "65001"
        );
        // The next best of the same prefix comes second.
        pair.listener.add_path(&path("10.1.0.0/16")).await.unwrap();
        let both = arrived(&pair.listener, TableType::Global, "", "10.1.0.0/16").await;
        assert_eq!(
            both.iter().map(|path| path.best).collect::<Vec<_>>(),
            [true, false]
        );
        let counted = eventually(|| async {
            let peer = pair.listed().await;
            (peer.afi_safis[0].received == 1).then_some(peer)
        })
        .await;
        let afi_safi = &counted.afi_safis[0];
        assert_eq!((afi_safi.received, afi_safi.accepted), (1, 1));
        assert!(afi_safi.advertised >= 1);
    })
    .await;
}

fn setting_med(name: &str, value: i64) -> Policy {
    let med = Some(MedAction {
        kind: MedActionType::Replace,
        value,
    });
    let actions = Actions {
        med,
        route_action: RouteAction::Accept,
        ..Actions::default()
    };
    let statement = Statement {
        name: name.to_owned(),
        actions,
        ..Statement::default()
    };
    Policy {
        name: name.to_owned(),
        statements: vec![statement],
    }
}

#[tokio::test]
async fn soft_resets_have_directions() {
    everywhere(async |release| {
        let pair = Pair::established(release, PeerSettings::default()).await;
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        pair.listener.add_path(&path("10.2.0.0/16")).await.unwrap();
        arrived(&pair.listener, TableType::Global, "", "10.1.0.0/16").await;
        arrived(&pair.caller, TableType::Global, "", "10.2.0.0/16").await;
        for (policy, direction) in [
            (setting_med("in", 7), PolicyDirection::Import),
            (setting_med("out", 9), PolicyDirection::Export),
        ] {
            pair.listener.add_policy(&policy).await.unwrap();
            let names = [policy.name];
            let assignment = PolicyAssignment::global(direction, names, RouteAction::Accept);
            pair.listener
                .set_policy_assignment(&assignment)
                .await
                .unwrap();
        }
        let med = |client: Client, prefix: &'static str, value| async move {
            eventually(|| async {
                let paths = arrived(&client, TableType::Global, "", prefix).await;
                (paths[0].attributes.med == value).then_some(())
            })
            .await;
        };
        pair.listener
            .soft_reset_peer(CALLER, ResetDirection::In)
            .await
            .unwrap();
        med(pair.listener.clone(), "10.1.0.0/16", Some(7)).await;
        med(pair.caller.clone(), "10.2.0.0/16", None).await;
        pair.listener
            .soft_reset_peer(CALLER, ResetDirection::Out)
            .await
            .unwrap();
        med(pair.caller.clone(), "10.2.0.0/16", Some(9)).await;
        for direction in [PolicyDirection::Import, PolicyDirection::Export] {
            let none: [&str; 0] = [];
            let assignment = PolicyAssignment::global(direction, none, RouteAction::Accept);
            pair.listener
                .set_policy_assignment(&assignment)
                .await
                .unwrap();
        }
        pair.listener
            .soft_reset_peer(CALLER, ResetDirection::Both)
            .await
            .unwrap();
        med(pair.listener.clone(), "10.1.0.0/16", None).await;
        med(pair.caller.clone(), "10.2.0.0/16", None).await;
        assert_eq!(pair.listed().await.state.session, SessionState::Established);
    })
    .await;
}

#[tokio::test]
async fn routes_that_an_import_policy_rejects() {
    everywhere(async |release| {
        let pair = Pair::established(release, PeerSettings::default()).await;
        let none: [&str; 0] = [];
        let reject = PolicyAssignment::global(PolicyDirection::Import, none, RouteAction::Reject);
        pair.listener.set_policy_assignment(&reject).await.unwrap();
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        let received = arrived(&pair.listener, TableType::AdjIn, CALLER, "10.1.0.0/16").await;
        assert!(received[0].filtered, "{}", release.name());
        let peer = eventually(|| async {
            let peer = pair.listed().await;
            (peer.afi_safis[0].received == 1).then_some(peer)
        })
        .await;
        // Policies are not looked at.
        assert_eq!(peer.afi_safis[0].accepted, 1);
        let global = PathFilter::global(Family::IPV4_UNICAST);
        assert_eq!(pair.listener.list_paths(&global).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_neighbor_that_sends_too_much() {
    everywhere(async |release| {
        let mut ipv4 = AfiSafiSettings::from(Family::IPV4_UNICAST);
        ipv4.prefix_limit = Some(PrefixLimit {
            max_prefixes: 1,
            shutdown_threshold_pct: 100,
        });
        let limited = PeerSettings {
            afi_safis: Some(vec![ipv4]),
            ..PeerSettings::default()
        };
        let mut pair = Pair::established(release, limited).await;
        for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
            pair.caller.add_path(&path(prefix)).await.unwrap();
        }
        pair.until(|peer| peer.state.admin == AdminState::PrefixLimit)
            .await;
        assert_eq!(pair.listed().await.state.admin, AdminState::PrefixLimit);
    })
    .await;
}

#[tokio::test]
async fn several_paths_to_a_prefix() {
    everywhere(async |release| {
        let mut ipv4 = AfiSafiSettings::from(Family::IPV4_UNICAST);
        ipv4.add_paths = Some(AddPaths {
            receive: true,
            send_max: 4,
        });
        let settings = PeerSettings {
            afi_safis: Some(vec![ipv4]),
            ..PeerSettings::default()
        };
        let pair = Pair::established(release, settings).await;
        for identifier in [5, 6] {
            let mut path = path("10.1.0.0/16");
            path.identifier = identifier;
            pair.caller.add_path(&path).await.unwrap();
        }
        let destination: Destination = eventually(|| async {
            let filter = PathFilter::global(Family::IPV4_UNICAST);
            let found = pair.listener.list_paths(&filter).await.unwrap();
            found
                .into_iter()
                .find(|destination| destination.paths.len() == 2)
        })
        .await;
        let mut identifiers: Vec<_> = destination.paths.iter().map(|p| p.identifier).collect();
        identifiers.sort_unstable();
        identifiers.dedup();
        assert_eq!(identifiers.len(), 2, "{destination:?}");
        assert!(identifiers.iter().all(|identifier| *identifier > 0));
    })
    .await;
}

#[tokio::test]
async fn a_neighbor_that_restarts_gracefully() {
    everywhere(async |release| {
        let mut ipv4 = AfiSafiSettings::from(Family::IPV4_UNICAST);
        ipv4.graceful_restart = Some(true);
        let settings = PeerSettings {
            graceful_restart: Some(GracefulRestartSettings {
                enabled: true,
                restart_time: 120,
                ..GracefulRestartSettings::default()
            }),
            afi_safis: Some(vec![ipv4]),
            ..PeerSettings::default()
        };
        let mut pair = Pair::established(release, settings).await;
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        arrived(&pair.listener, TableType::Global, "", "10.1.0.0/16").await;
        pair.kill_caller();
        eventually(|| async {
            let paths = arrived(&pair.listener, TableType::Global, "", "10.1.0.0/16").await;
            paths[0].stale.then_some(())
        })
        .await;
        // 3.10 does not list it.
        let restarting = pair.listed().await.graceful_restart.peer_restarting;
        assert_eq!(restarting, release > Release::V3_10);
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
