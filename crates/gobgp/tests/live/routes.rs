//! The best paths as they change.

use crate::daemon::{Daemon, Release, everywhere};
use crate::learned::{NEXT_HOP, path};
use crate::peers::started;
use crate::session::{CALLER, Pair, eventually, only};
use futures::StreamExt;
use futures::stream::BoxStream;
use sdwan_gobgp::bgp::{Attributes, Community};
use sdwan_gobgp::types::{
    AfiSafiSettings, BestPath, Family, Global, GracefulRestartSettings, Path, PathFilter,
    PeerSettings, RouteEvent, SessionState,
};
use sdwan_gobgp::{Client, Error};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// Every destination's paths by its text.
pub(crate) type Table = BTreeMap<String, Vec<BestPath>>;

/// A watch of both families.
pub(crate) struct Watch(BoxStream<'static, Result<RouteEvent, Error>>);

impl Watch {
    pub(crate) async fn start(client: &Client) -> Self {
        Self(client.watch_routes(&FAMILIES).await.unwrap().boxed())
    }

    pub(crate) async fn next(&mut self) -> RouteEvent {
        let next = tokio::time::timeout(Duration::from_secs(60), self.0.next());
        next.await.unwrap().unwrap().unwrap()
    }

    /// The table that a watch starts with.
    pub(crate) async fn table(&mut self) -> Table {
        let mut table = Table::new();
        loop {
            match self.next().await {
                RouteEvent::Best(changes) => {
                    for change in changes {
                        let twice = table.insert(change.prefix.to_string(), change.paths);
                        assert_eq!(twice, None);
                    }
                }
                RouteEvent::EndOfInit => return table,
                event => panic!("{event:?}"),
            }
        }
    }

    /// The one destination that the next event tells of.
    pub(crate) async fn change(&mut self) -> (String, Vec<BestPath>) {
        match self.next().await {
            RouteEvent::Best(mut changes) if changes.len() == 1 => {
                let change = changes.remove(0);
                (change.prefix.to_string(), change.paths)
            }
            event => panic!("{event:?}"),
        }
    }
}

/// A path of the daemon's own.
pub(crate) fn own(next_hop: &str) -> BestPath {
    BestPath {
        next_hop: next_hop.parse().unwrap(),
        link_local: None,
        neighbor: None,
        interface: None,
        source_id: None,
        source_asn: 0,
        identifier: 0,
    }
}

pub(crate) fn via(prefix: &str, next_hop: &str) -> Path {
    let attributes = Attributes {
        next_hop: Some(next_hop.parse().unwrap()),
        ..path("10.0.0.0/8").attributes
    };
    Path::new(prefix.parse().unwrap(), attributes)
}

#[tokio::test]
async fn a_watch_starts_with_the_table_and_goes_on_with_changes() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        let mut early = Watch::start(&client).await;
        assert_eq!(early.table().await, Table::new());
        for (prefix, next_hop) in [
            ("10.1.0.0/16", "192.0.2.9"),
            ("0.0.0.0/0", "0.0.0.0"),
            ("2001:db8:1::/48", "2001:db8::9"),
            ("::/0", "::"),
        ] {
            client.add_path(&via(prefix, next_hop)).await.unwrap();
            let expected = (prefix.to_owned(), vec![own(next_hop)]);
            assert_eq!(early.change().await, expected, "{}", release.name());
        }
        let mut late = Watch::start(&client).await;
        let expected = [
            ("0.0.0.0/0", "0.0.0.0"),
            ("10.1.0.0/16", "192.0.2.9"),
            ("2001:db8:1::/48", "2001:db8::9"),
            ("::/0", "::"),
        ];
        let expected = expected.map(|(prefix, next_hop)| (prefix.to_owned(), vec![own(next_hop)]));
        assert_eq!(late.table().await, Table::from(expected));
        client
            .add_path(&via("10.1.0.0/16", "192.0.2.8"))
            .await
            .unwrap();
        client
            .delete_path(&via("10.1.0.0/16", "192.0.2.8"))
            .await
            .unwrap();
        for watch in [&mut early, &mut late] {
            let prefix = "10.1.0.0/16".to_owned();
            assert_eq!(
                watch.change().await,
                (prefix.clone(), vec![own("192.0.2.8")])
            );
            assert_eq!(watch.change().await, (prefix, vec![]));
        }
    })
    .await;
}

#[tokio::test]
async fn routes_of_a_neighbor_come_and_go_with_it() {
    everywhere(async |release| {
        let mut pair = Pair::established(release, PeerSettings::default()).await;
        let mut watch = Watch::start(&pair.listener).await;
        assert_eq!(watch.table().await, Table::new());
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        let learned = BestPath {
            neighbor: Some(CALLER.parse::<IpAddr>().unwrap()),
            source_id: Some([192, 0, 2, 2].into()),
            source_asn: 65002,
            ..own(NEXT_HOP)
        };
        let prefix = "10.1.0.0/16".to_owned();
        assert_eq!(watch.change().await, (prefix.clone(), vec![learned]));
        // One of its own is better.
        pair.listener.add_path(&path("10.1.0.0/16")).await.unwrap();
        assert_eq!(watch.change().await, (prefix.clone(), vec![own(NEXT_HOP)]));
        pair.listener
            .delete_path(&path("10.1.0.0/16"))
            .await
            .unwrap();
        watch.change().await;
        pair.kill_caller();
        assert_eq!(watch.change().await, (prefix, vec![]));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_watched_before_the_start_or_of_other_families() {
    everywhere(async |release| {
        let daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        let error = client.watch_routes(&FAMILIES).await.err().unwrap();
        assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
        let error = client.watch_routes(&[Family::L2VPN_EVPN]).await.err();
        assert!(matches!(error, Some(Error::Invalid { .. })), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn next_hops_of_another_family_and_of_the_link() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        let mut watch = Watch::start(&client).await;
        watch.table().await;
        // RFC 8950.
        client
            .add_path(&via("10.1.0.0/16", "2001:db8::9"))
            .await
            .unwrap();
        assert_eq!(watch.change().await.1, [own("2001:db8::9")]);
        client
            .add_path(&via("2001:db8:1::/48", "fe80::9"))
            .await
            .unwrap();
        assert_eq!(watch.change().await.1, [own("fe80::9")]);
    })
    .await;
}

#[tokio::test]
async fn a_large_table_is_told_once_and_whole() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        let prefixes: Vec<_> = (0..2500)
            .map(|index| format!("10.{}.{}.0/24", index >> 8, index & 0xff))
            .collect();
        add_all(
            &client,
            prefixes.iter().map(|prefix| via(prefix, "192.0.2.9")),
        )
        .await;
        let table = Watch::start(&client).await.table().await;
        assert!(table.values().all(|paths| paths[..] == [own("192.0.2.9")]));
        let mut expected = prefixes;
        expected.sort();
        assert_eq!(table.into_keys().collect::<Vec<_>>(), expected);
    })
    .await;
}

async fn add_all(client: &Client, paths: impl Iterator<Item = Path>) {
    let adding = futures::stream::iter(paths).map(|path| {
        let client = client.clone();
        async move { client.add_path(&path).await.map(drop) }
    });
    let added: Vec<_> = adding.buffer_unordered(32).collect().await;
    added.into_iter().for_each(Result::unwrap);
}

#[tokio::test]
async fn a_reader_that_stalls_does_not_hold_up_other_calls() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        // Each of 4 kB, for more than a stream may have under way.
        let paths = (0..2000).map(|index| {
            let mut path = via(
                &format!("10.{}.{}.0/24", index >> 8, index & 0xff),
                "192.0.2.9",
            );
            path.attributes.communities = vec![Community(u32::MAX); 900];
            path
        });
        add_all(&client, paths).await;
        let mut watch = Watch::start(&client).await;
        let RouteEvent::Best(first) = watch.next().await else {
            panic!("a table")
        };
        for _ in 0..100 {
            assert_eq!(client.get_bgp().await.unwrap().asn, 65001);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(first.len() + watch.table().await.len(), 2000);
    })
    .await;
}

/// Graceful restart for both families.
fn restarting() -> PeerSettings {
    let afi_safis = FAMILIES.map(|family| AfiSafiSettings {
        graceful_restart: Some(true),
        ..family.into()
    });
    PeerSettings {
        graceful_restart: Some(GracefulRestartSettings {
            enabled: true,
            restart_time: 120,
            ..GracefulRestartSettings::default()
        }),
        afi_safis: Some(afi_safis.to_vec()),
        ..PeerSettings::default()
    }
}

/// What the neighbor's End-of-RIBs are as the daemon lists them.
async fn end_of_ribs(client: &Client) -> Vec<bool> {
    let families = only(client).await.afi_safis;
    families.iter().map(|f| f.end_of_rib_received).collect()
}

#[tokio::test]
async fn a_neighbor_that_has_sent_all() {
    everywhere(async |release| {
        let mut pair = Pair::established(release, restarting()).await;
        assert_eq!(pair.listed().await.state.families, FAMILIES);
        let mut watch = Watch::start(&pair.listener).await;
        assert_eq!(watch.table().await, Table::new());
        // Listed by every version.
        eventually(|| async { (end_of_ribs(&pair.listener).await == [true, true]).then_some(()) })
            .await;
        let mut late = Watch::start(&pair.listener).await;
        late.table().await;
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        for watch in [&mut watch, &mut late] {
            for family in FAMILIES {
                // 3.10 does not tell of it.
                if release > Release::V3_10 {
                    let expected = RouteEvent::EndOfRib {
                        neighbor: CALLER.parse().unwrap(),
                        interface: None,
                        family,
                    };
                    assert_eq!(watch.next().await, expected);
                }
            }
            assert_eq!(watch.change().await.0, "10.1.0.0/16");
        }
        // Its routes stay, its End-of-RIB is over with the session.
        pair.kill_caller();
        pair.until(|peer| peer.state.session != SessionState::Established)
            .await;
        assert_eq!(end_of_ribs(&pair.listener).await, [false, false]);
        assert_eq!(pair.listed().await.state.families, FAMILIES);
        let mut late = Watch::start(&pair.listener).await;
        assert_eq!(late.table().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn without_graceful_restart_gobgpd_sends_no_end_of_rib() {
    everywhere(async |release| {
        let pair = Pair::established(release, PeerSettings::default()).await;
        assert_eq!(pair.listed().await.state.families, [Family::IPV4_UNICAST]);
        pair.caller.add_path(&path("10.1.0.0/16")).await.unwrap();
        let mut watch = Watch::start(&pair.listener).await;
        if watch.table().await.is_empty() {
            watch.change().await;
        }
        assert_eq!(end_of_ribs(&pair.listener).await, [false]);
    })
    .await;
}

#[tokio::test]
async fn a_table_of_any_size_has_an_end() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        // Less than the watch asks for in a message, just what comes then, and more.
        let mut before = 0;
        for count in [127, 128, 129, 1000] {
            for index in std::mem::replace(&mut before, count)..count {
                let prefix = format!("10.{}.{}.0/24", index >> 8, index & 0xff);
                client.add_path(&path(&prefix)).await.unwrap();
            }
            let table = Watch::start(&client).await.table().await;
            assert_eq!(table.len(), count);
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_does_not_end_when_bgp_is_stopped() {
    everywhere(async |release| {
        let (mut daemon, client) = started(release).await;
        client.add_path(&path("10.1.0.0/16")).await.unwrap();
        let mut watch = Watch::start(&client).await;
        assert_eq!(watch.table().await.len(), 1);
        daemon.gobgp(&["global", "del", "all"]);
        match release {
            // It goes on with the next table, and the old one is gone unsaid.
            Release::V3_10 | Release::V3_36 => {
                assert_eq!(client.get_bgp().await.unwrap().asn, 0);
                let global = Global {
                    asn: 65001,
                    router_id: "192.0.2.1".to_owned(),
                    listen_port: -1,
                    ..Global::default()
                };
                client.start_bgp(&global).await.unwrap();
                client.add_path(&path("10.2.0.0/16")).await.unwrap();
                assert_eq!(watch.change().await.0, "10.2.0.0/16");
                let all = PathFilter::global(Family::IPV4_UNICAST);
                assert_eq!(client.list_paths(&all).await.unwrap().len(), 1);
            }
            Release::V4_8 => {
                let error = client.get_bgp().await.unwrap_err();
                assert!(matches!(error, Error::Stopped { .. }), "{error:?}");
                let error = client.watch_routes(&FAMILIES).await.err().unwrap();
                assert!(matches!(error, Error::Stopped { .. }), "{error:?}");
            }
        }
        daemon.kill();
        let end = watch.0.next().await;
        assert!(
            matches!(end, Some(Err(Error::Unreachable { .. })) | None),
            "{end:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn two_programs_add_paths_to_one_prefix() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        let mut watch = Watch::start(&client).await;
        watch.table().await;
        let (theirs, mut ours) = (
            via("10.1.0.0/16", "192.0.2.8"),
            via("10.1.0.0/16", "192.0.2.9"),
        );
        ours.identifier = 7;
        client.add_path(&theirs).await.unwrap();
        client.add_path(&ours).await.unwrap();
        let all = PathFilter::global(Family::IPV4_UNICAST);
        let mut listed = client.list_paths(&all).await.unwrap().remove(0).paths;
        listed.sort_by_key(|path| path.identifier);
        let listed = listed
            .iter()
            .map(|path| (path.identifier, path.attributes.next_hop, path.neighbor_ip));
        assert_eq!(
            listed.collect::<Vec<_>>(),
            [
                (0, theirs.attributes.next_hop, None),
                (7, ours.attributes.next_hop, None)
            ]
        );
        // Each goes alone.
        client.delete_path(&ours).await.unwrap();
        let listed = client.list_paths(&all).await.unwrap().remove(0).paths;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].identifier, 0);
    })
    .await;
}
