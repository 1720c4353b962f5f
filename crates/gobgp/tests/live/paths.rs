//! Routes: what is added is what is listed, by this crate and by `gobgp`.

use crate::daemon::Release;
use crate::peers::started;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sdwan_gobgp::Client;
use sdwan_gobgp::bgp::{
    Aggregator, AsPath, Attributes, Community, ExtCommunity, LargeCommunity, Origin, Segment,
    UnknownAttribute,
};
use sdwan_gobgp::types::{Family, LookupType, Path, PathFilter};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Whole seconds, as gobgpd keeps them.
fn an_hour_ago() -> SystemTime {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs() - 3600)
}

fn everything(next_hop: IpAddr) -> Attributes {
    Attributes {
        origin: Some(Origin::Incomplete),
        as_path: Some(AsPath(vec![
            Segment::Sequence(vec![65010, 4_200_000_000]),
            Segment::Set(vec![65020, 65021]),
        ])),
        next_hop: Some(next_hop),
        med: Some(7),
        local_pref: Some(200),
        atomic_aggregate: true,
        aggregator: Some(Aggregator {
            asn: 65010,
            address: [192, 0, 2, 3].into(),
        }),
        communities: vec![Community(65000 << 16 | 1), Community(0xffff_ff01)],
        originator_id: Some([192, 0, 2, 4].into()),
        cluster_list: vec![[192, 0, 2, 5].into(), [192, 0, 2, 6].into()],
        ext_communities: vec![
            ExtCommunity([0, 2, 0xfd, 0xe8, 0, 0, 0, 100]),
            ExtCommunity([0, 3, 0xfd, 0xe8, 0, 0, 0, 101]),
        ],
        large_communities: vec![LargeCommunity {
            global_admin: 4_200_000_000,
            local_data1: 1,
            local_data2: 2,
        }],
        unknown: vec![UnknownAttribute {
            flags: 0xc0,
            type_code: 99,
            value: Bytes::from_static(b"abc"),
        }],
    }
}

fn path(prefix: &str, attributes: Attributes) -> Path {
    Path {
        learned: Some(an_hour_ago()),
        ..Path::new(prefix.parse().unwrap(), attributes)
    }
}

fn plain(prefix: &str) -> Path {
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        next_hop: Some("192.0.2.9".parse().unwrap()),
        ..Attributes::default()
    };
    path(prefix, attributes)
}

async fn prefixes(client: &Client, lookups: &[(&str, LookupType)]) -> Vec<String> {
    let mut filter = PathFilter::global(Family::IPV4_UNICAST);
    let lookups = lookups
        .iter()
        .map(|(prefix, lookup)| ((*prefix).to_owned(), *lookup));
    filter.prefixes = lookups.collect();
    let found = client.list_paths(&filter).await.unwrap();
    let mut prefixes: Vec<_> = found
        .into_iter()
        .map(|destination| destination.prefix)
        .collect();
    prefixes.sort();
    prefixes
}

#[tokio::test]
async fn every_attribute_makes_a_round_trip() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        for (family, prefix, next_hop) in [
            (Family::IPV4_UNICAST, "10.1.0.0/16", "192.0.2.9"),
            (Family::IPV6_UNICAST, "2001:db8:1::/48", "2001:db8::9"),
        ] {
            let added = path(prefix, everything(next_hop.parse().unwrap()));
            client.add_path(&added).await.unwrap();
            let found = client
                .list_paths(&PathFilter::global(family))
                .await
                .unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].prefix, prefix);
            let [listed] = &found[0].paths[..] else {
                panic!("{found:?}")
            };
            assert_eq!(listed.attributes, added.attributes, "{}", release.name());
            assert_eq!((listed.family, &listed.nlri), (family, &added.nlri));
            assert!(listed.best && !listed.stale && !listed.is_nexthop_invalid);
            assert_eq!(listed.neighbor_ip, None);
            // Version 3 writes down when it was told.
            let age = listed
                .learned
                .unwrap()
                .duration_since(added.learned.unwrap())
                .unwrap();
            match release {
                Release::V3_10 | Release::V3_36 => assert!(age.as_secs() >= 3600, "{age:?}"),
                Release::V4_8 => assert_eq!(age, Duration::ZERO),
            }
            // The way that people see it.
            let family = if family == Family::IPV4_UNICAST {
                "ipv4"
            } else {
                "ipv6"
            };
            let text = daemon.gobgp(&["global", "rib", "-a", family]);
            for part in [
                prefix,
                next_hop,
                &added.attributes.as_path.unwrap().to_string(),
                "{Origin: ?}",
                "{Med: 7}",
                "{LocalPref: 200}",
                "{Communities: 65000:1, no-export}",
                "{Originator: 192.0.2.4}",
                "{Extcomms: [65000:100], [65000:101]}",
                "4200000000:1:2",
            ] {
                assert!(text.contains(part), "{}: {part} in {text}", release.name());
            }
        }
    }
}

#[tokio::test]
async fn prefixes_are_looked_up() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        for prefix in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16"] {
            client.add_path(&plain(prefix)).await.unwrap();
        }
        assert_eq!(prefixes(&client, &[]).await.len(), 4);
        let asked = "10.1.0.0/16";
        for (lookup, expected) in [
            (LookupType::Exact, &["10.1.0.0/16"][..]),
            (LookupType::Longer, &["10.1.0.0/16", "10.1.2.0/24"]),
            (LookupType::Shorter, &["10.0.0.0/8", "10.1.0.0/16"]),
        ] {
            let found = prefixes(&client, &[(asked, lookup)]).await;
            assert_eq!(found, expected, "{} {lookup:?}", release.name());
        }
        let covering = prefixes(&client, &[("10.2.3.4", LookupType::Exact)]).await;
        assert_eq!(covering, ["10.2.0.0/16"]);
        assert_eq!(
            prefixes(&client, &[("11.0.0.0/8", LookupType::Longer)]).await,
            [""; 0]
        );
    }
}

#[tokio::test]
async fn paths_go_by_what_they_are_and_by_their_id() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let (first, second) = (plain("10.1.0.0/16"), plain("10.2.0.0/16"));
        client.add_path(&first).await.unwrap();
        let id = client.add_path(&second).await.unwrap();
        client.delete_path(&first).await.unwrap();
        assert_eq!(prefixes(&client, &[]).await, ["10.2.0.0/16"]);
        client.delete_path_by_id(&id).await.unwrap();
        assert_eq!(prefixes(&client, &[]).await, [""; 0]);
    }
}

#[tokio::test]
async fn thousands_of_routes_are_one_listing() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let adding = futures::stream::iter(0..2000_u32).map(|index| {
            let client = client.clone();
            let prefix = std::net::Ipv4Addr::from(0x0a00_0000 + (index << 8));
            async move {
                client
                    .add_path(&plain(&format!("{prefix}/24")))
                    .await
                    .map(drop)
            }
        });
        adding
            .buffer_unordered(32)
            .try_collect::<Vec<()>>()
            .await
            .unwrap();
        assert_eq!(prefixes(&client, &[]).await.len(), 2000);
    }
}
