//! Conditions of statements: what is written is what is listed, by this crate
//! and by `gobgp`.

use crate::daemon::Release;
use crate::peers::drifting;
use crate::policies::*;
use crate::sets::*;
use sdwan_gobgp::types::{
    Actions, Comparison, Conditions, Count, Family, MatchSet, MatchType, RouteType, Validation,
};
use serde_json::{Value, json};

pub(crate) fn conditions(release: Release) -> Conditions {
    let set = |match_type| {
        Some(MatchSet {
            match_type,
            name: NAME.to_owned(),
        })
    };
    let newer = (release > Release::V3_10).then_some(());
    let newest = (release == Release::V4_8).then_some(());
    Conditions {
        prefix_set: set(MatchType::Invert),
        neighbor_set: set(MatchType::Any),
        as_path_length: Some(Count {
            comparison: Comparison::Le,
            value: 5,
        }),
        as_path_set: set(MatchType::All),
        community_set: set(MatchType::Any),
        ext_community_set: set(MatchType::Invert),
        large_community_set: set(MatchType::All),
        rpki_result: Some(Validation::Valid),
        route_type: Some(RouteType::External),
        next_hop_in_list: vec!["192.0.2.9".to_owned()],
        afi_safi_in: vec![Family::IPV4_UNICAST, Family::L2VPN_EVPN],
        community_count: newer.map(|()| Count {
            comparison: Comparison::Ge,
            value: 2,
        }),
        local_pref_eq: newest.map(|()| 4),
        med_eq: newest.map(|()| 5),
    }
}

#[tokio::test]
async fn every_condition_makes_a_round_trip() {
    for release in Release::ALL {
        let (daemon, client) = with_sets(release).await;
        let mut written = statement("all", conditions(release), Actions::default());
        client.add_policy(&policy([written.clone()])).await.unwrap();
        // Version 3 makes a prefix of it.
        if release < Release::V4_8 {
            written.conditions.next_hop_in_list = vec!["192.0.2.9/32".to_owned()];
        }
        assert_eq!(listed(&client).await, [written.clone()]);
        assert_eq!(client.list_statements().await.unwrap(), [written]);
        let mut seen = cli(&daemon)[0]["conditions"].clone();
        let set = |number| match drifting(release, number) {
            Value::Null => json!({"name": NAME}),
            number => json!({"type": number, "name": NAME}),
        };
        let mut expected = json!({
            "prefix_set": set(2),
            "neighbor_set": set(0),
            "as_path_length": {"type": drifting(release, 2), "length": 5},
            "as_path_set": set(1),
            "community_set": set(0),
            "ext_community_set": set(2),
            "large_community_set": set(1),
            "rpki_result": drifting(release, 2),
            "route_type": 2,
            "afi_safi_in": [{"afi": 1, "safi": 1}, {"afi": 25, "safi": 70}],
        });
        if release > Release::V3_10 {
            expected["community_count"] = json!({"type": drifting(release, 1), "count": 2});
        }
        if release == Release::V4_8 {
            expected["local_pref_eq"] = json!({"value": 4});
            expected["med_eq"] = json!({"value": 5});
        }
        let next_hops = seen
            .as_object_mut()
            .unwrap()
            .remove("next_hop_in_list")
            .unwrap();
        assert!(next_hops[0].as_str().unwrap().starts_with("192.0.2.9"));
        assert_eq!(seen, expected, "{}", release.name());
    }
}

#[tokio::test]
async fn every_value_of_a_conditions_enum() {
    for release in Release::ALL {
        let (_daemon, client) = with_sets(release).await;
        let comparisons = [Comparison::Eq, Comparison::Ge, Comparison::Le].map(|comparison| {
            let as_path_length = Some(Count {
                comparison,
                value: 1,
            });
            Conditions {
                as_path_length,
                ..Conditions::default()
            }
        });
        let types =
            [RouteType::Internal, RouteType::External, RouteType::Local].map(|kind| Conditions {
                route_type: Some(kind),
                ..Conditions::default()
            });
        // Version 3 takes "none" for no condition.
        let validations =
            [Validation::NotFound, Validation::Valid, Validation::Invalid].map(|result| {
                Conditions {
                    rpki_result: Some(result),
                    ..Conditions::default()
                }
            });
        let matches = [MatchType::Any, MatchType::All, MatchType::Invert].map(|match_type| {
            let community_set = Some(MatchSet {
                match_type,
                name: NAME.to_owned(),
            });
            Conditions {
                community_set,
                ..Conditions::default()
            }
        });
        let all = [comparisons, types, validations, matches]
            .into_iter()
            .flatten();
        let written: Vec<_> = all
            .enumerate()
            .map(|(index, conditions)| {
                statement(&format!("s{index}"), conditions, Actions::default())
            })
            .collect();
        client.add_policy(&policy(written.clone())).await.unwrap();
        assert_eq!(listed(&client).await, written, "{}", release.name());
    }
}
