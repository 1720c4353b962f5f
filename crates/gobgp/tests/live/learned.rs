//! Routes that a neighbor sent, and what becomes of them.

use crate::daemon::Release;
use crate::daemon::everywhere;
use crate::session::{CALLER, Pair, eventually};
use ipnet::IpNet;
use sdwan_gobgp::Client;
use sdwan_gobgp::bgp::{Attributes, Origin};
use sdwan_gobgp::types::{
    Actions, AddPaths, AdminState, AfiSafiSettings, Destination, Family, GracefulRestartSettings,
    MedAction, MedActionType, Path, PathFilter, PeerSettings, Policy, PolicyAssignment,
    PolicyDirection, PrefixLimit, ResetDirection, RouteAction, SessionState, Statement, TableType,
};

/// Not of 127.0.0.0/8: 3.10 takes no route with such a next hop.
pub(crate) const NEXT_HOP: &str = "192.0.2.99";

pub(crate) fn path(prefix: &str) -> Path {
    let prefix: IpNet = prefix.parse().unwrap();
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        next_hop: Some(NEXT_HOP.parse().unwrap()),
        ..Attributes::default()
    };
    Path::new(prefix, attributes)
}

/// The paths to a prefix in a table, once there are any.
pub(crate) async fn arrived(
    client: &Client,
    table: TableType,
    name: &str,
    prefix: &str,
) -> Vec<Path> {
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

pub(crate) fn setting_med(name: &str, value: i64) -> Policy {
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
