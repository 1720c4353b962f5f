//! The best paths as they change.

use crate::daemon::everywhere;
use crate::learned::{NEXT_HOP, path};
use crate::peers::started;
use crate::session::{CALLER, Pair};
use futures::StreamExt;
use futures::stream::BoxStream;
use sdwan_gobgp::bgp::Attributes;
use sdwan_gobgp::types::{BestPath, Family, Path, PeerSettings, RouteEvent};
use sdwan_gobgp::{Client, Error};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// Every destination's paths by its text.
type Table = BTreeMap<String, Vec<BestPath>>;

struct Watch(BoxStream<'static, Result<RouteEvent, Error>>);

impl Watch {
    async fn start(client: &Client) -> Self {
        Self(client.watch_routes(&FAMILIES).await.unwrap().boxed())
    }

    async fn next(&mut self) -> RouteEvent {
        let next = tokio::time::timeout(Duration::from_secs(60), self.0.next());
        next.await.unwrap().unwrap().unwrap()
    }

    /// The table that a watch starts with.
    async fn table(&mut self) -> Table {
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
    async fn change(&mut self) -> (String, Vec<BestPath>) {
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
fn own(next_hop: &str) -> BestPath {
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

fn via(prefix: &str, next_hop: &str) -> Path {
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
        let daemon = crate::daemon::Daemon::start(release).await;
        let client = daemon.client().await;
        let error = client.watch_routes(&FAMILIES).await.err().unwrap();
        assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
        let error = client.watch_routes(&[Family::L2VPN_EVPN]).await.err();
        assert!(matches!(error, Some(Error::Invalid { .. })), "{error:?}");
    })
    .await;
}
