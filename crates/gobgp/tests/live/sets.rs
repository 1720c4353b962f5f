//! Defined sets: what is written is what is listed, by this crate and by
//! `gobgp`.

use crate::daemon::{Daemon, Release};
use crate::peers::{drifting, started};
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{DefinedSet, DefinedType, Prefix};
use serde_json::json;

pub(crate) const NAME: &str = "s";

/// A set of every type that can be made, all of the same name.
pub(crate) fn sets() -> Vec<DefinedSet> {
    let set = |defined_type, list: &[&str]| DefinedSet {
        defined_type,
        name: NAME.to_owned(),
        list: list.iter().map(ToString::to_string).collect(),
        prefixes: Vec::new(),
    };
    let prefix = Prefix {
        ip_prefix: "10.0.0.0/8".to_owned(),
        mask_length_min: 9,
        mask_length_max: 24,
    };
    vec![
        DefinedSet {
            prefixes: vec![prefix],
            ..set(DefinedType::Prefix, &[])
        },
        set(
            DefinedType::Neighbor,
            &["192.0.2.1/32", "10.0.0.0/8", "2001:db8::1/128"],
        ),
        set(DefinedType::AsPath, &["^65000_", "65001$"]),
        set(DefinedType::Community, &["^65000:1$", "65000:.*"]),
        set(DefinedType::ExtCommunity, &["rt:^65000:1$"]),
        // Listed with anchors; 3.10 would add them to those that are there.
        set(DefinedType::LargeCommunity, &["65000:1:2"]),
    ]
}

pub(crate) async fn with_sets(release: Release) -> (Daemon, Client) {
    let (daemon, client) = started(release).await;
    for set in sets() {
        client.add_defined_set(&set).await.unwrap();
    }
    (daemon, client)
}

#[tokio::test]
async fn sets_of_every_type() {
    for release in Release::ALL {
        let (daemon, client) = with_sets(release).await;
        for set in sets() {
            let mut found = client.list_defined_sets(set.defined_type).await.unwrap();
            if set.defined_type == DefinedType::LargeCommunity {
                assert_eq!(found[0].list, ["^65000:1:2$"]);
                found[0].list.clone_from(&set.list);
            }
            assert_eq!(found, [set], "{}", release.name());
        }
        let commands = [
            "prefix",
            "neighbor",
            "as-path",
            "community",
            "ext-community",
        ];
        for (number, command) in [0, 1, 3, 4, 5].into_iter().zip(commands) {
            let set = &daemon.gobgp_json(&["policy", command])[0];
            assert_eq!(set["name"], NAME, "{command}");
            assert_eq!(set["defined_type"], drifting(release, number), "{command}");
        }
        let prefix = &daemon.gobgp_json(&["policy", "prefix"])[0]["prefixes"][0];
        let expected = json!({
            "ip_prefix": "10.0.0.0/8", "mask_length_min": 9, "mask_length_max": 24
        });
        assert_eq!(*prefix, expected);
    }
}

#[tokio::test]
async fn sets_grow_shrink_and_go() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let neighbors = |addresses: &[&str]| {
            DefinedSet::neighbors(NAME, addresses.iter().map(|a| a.parse().unwrap()))
        };
        client
            .add_defined_set(&neighbors(&["192.0.2.1", "2001:db8::1"]))
            .await
            .unwrap();
        client
            .add_defined_set(&neighbors(&["192.0.2.2"]))
            .await
            .unwrap();
        client
            .delete_from_defined_set(&neighbors(&["192.0.2.1"]))
            .await
            .unwrap();
        let sets = client
            .list_defined_sets(DefinedType::Neighbor)
            .await
            .unwrap();
        assert_eq!(sets, [neighbors(&["2001:db8::1", "192.0.2.2"])]);
        client
            .delete_defined_set(DefinedType::Neighbor, NAME)
            .await
            .unwrap();
        assert!(
            client
                .list_defined_sets(DefinedType::Neighbor)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
