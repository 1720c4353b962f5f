//! Sets, statements, policies and assignments: what is written is what is
//! listed, by this crate and by `gobgp`.

use crate::daemon::{Daemon, Release};
use crate::peers::{drifting, started};
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{
    Actions, AsPrepend, CommunityAction, CommunityActionType, Comparison, Conditions, Count,
    DefinedSet, DefinedType, Family, MatchSet, MatchType, MedAction, MedActionType, NextHopAction,
    Origin, Policy, PolicyAssignment, PolicyDirection, Prefix, RouteAction, RouteType, Statement,
    Validation,
};
use serde_json::{Value, json};
use std::slice;

const NAME: &str = "s";

/// A set of every type that can be made, all of the same name.
fn sets() -> Vec<DefinedSet> {
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

async fn with_sets(release: Release) -> (Daemon, Client) {
    let (daemon, client) = started(release).await;
    for set in sets() {
        client.add_defined_set(&set).await.unwrap();
    }
    (daemon, client)
}

fn statement(name: &str, conditions: Conditions, actions: Actions) -> Statement {
    Statement {
        name: name.to_owned(),
        conditions,
        actions,
        has_unknown: false,
    }
}

fn policy(statements: impl IntoIterator<Item = Statement>) -> Policy {
    Policy {
        name: "p".to_owned(),
        statements: statements.into_iter().collect(),
    }
}

/// The statements of the one policy, as listed.
async fn listed(client: &Client) -> Vec<Statement> {
    let mut policies = client.list_policies().await.unwrap();
    assert_eq!(policies.len(), 1);
    policies.remove(0).statements
}

/// The same, as the daemon's own tool has it.
fn cli(daemon: &Daemon) -> Value {
    daemon.gobgp_json(&["policy"])[0]["statements"].clone()
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

fn conditions(release: Release) -> Conditions {
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

/// Each with what `gobgp` shows of it.
fn actions(release: Release) -> Vec<(Actions, Value)> {
    let none = Actions::default;
    let drift = |number| drifting(release, number);
    let change = |kind, list: &[&str]| {
        let communities = list.iter().map(ToString::to_string).collect();
        Some(CommunityAction { kind, communities })
    };
    let mut all = vec![
        (
            Actions {
                route_action: RouteAction::Accept,
                ..none()
            },
            json!({"route_action": 1}),
        ),
        (
            Actions {
                route_action: RouteAction::Reject,
                ..none()
            },
            json!({"route_action": 2}),
        ),
        (
            Actions {
                as_prepend: Some(AsPrepend {
                    asn: Some(65001),
                    repeat: 3,
                }),
                ..none()
            },
            json!({"as_prepend": {"asn": 65001, "repeat": 3}}),
        ),
        (
            Actions {
                as_prepend: Some(AsPrepend {
                    asn: None,
                    repeat: 255,
                }),
                ..none()
            },
            json!({"as_prepend": {"repeat": 255, "use_left_most": true}}),
        ),
        (
            Actions {
                local_pref: Some(200),
                ..none()
            },
            json!({"local_pref": {"value": 200}}),
        ),
        (
            Actions {
                next_hop: Some(NextHopAction::SelfAddress),
                ..none()
            },
            json!({"nexthop": {"self": true}}),
        ),
        (
            Actions {
                next_hop: Some(NextHopAction::Unchanged),
                ..none()
            },
            json!({"nexthop": {"unchanged": true}}),
        ),
    ];
    for address in ["192.0.2.9", "2001:db8::9"] {
        let next_hop = Some(NextHopAction::Address(address.parse().unwrap()));
        all.push((
            Actions { next_hop, ..none() },
            json!({"nexthop": {"address": address}}),
        ));
    }
    for (kind, number, value) in [
        (MedActionType::Modify, 0, 10),
        (MedActionType::Modify, 0, -10),
        (MedActionType::Replace, 1, 7),
    ] {
        let med = Some(MedAction { kind, value });
        let shown = json!({"med": with_type(drift(number), json!({"value": value}))});
        all.push((Actions { med, ..none() }, shown));
    }
    for (kind, number) in [
        (CommunityActionType::Add, 0),
        (CommunityActionType::Remove, 1),
        (CommunityActionType::Replace, 2),
    ] {
        // What is removed is listed as expressions. (3.10 adds anchors to those
        // of large communities that have them.)
        let (standard, extended, large) = match kind {
            CommunityActionType::Remove => ("^65000:1$", "rt:^65000:1$", "^65000:1:2$"),
            _ => ("65000:1", "rt:65000:1", "65000:1:2"),
        };
        let shown = |values| with_type(drift(number), json!({"communities": [values]}));
        all.push((
            Actions {
                community: change(kind, &[standard]),
                ..none()
            },
            json!({"community": shown(standard)}),
        ));
        all.push((
            Actions {
                ext_community: change(kind, &[extended]),
                ..none()
            },
            json!({"ext_community": shown(extended)}),
        ));
        all.push((
            Actions {
                large_community: change(kind, &[large]),
                ..none()
            },
            json!({"large_community": shown(large)}),
        ));
    }
    if release > Release::V3_10 {
        let next_hop = Some(NextHopAction::PeerAddress);
        all.push((
            Actions { next_hop, ..none() },
            json!({"nexthop": {"peer_address": true}}),
        ));
        for (origin, number) in [(Origin::Igp, 1), (Origin::Egp, 2), (Origin::Incomplete, 3)] {
            let shown = json!({"origin_action": {"origin": number}});
            all.push((
                Actions {
                    origin: Some(origin),
                    ..none()
                },
                shown,
            ));
        }
    }
    all
}

fn with_type(number: Value, mut value: Value) -> Value {
    if !number.is_null() {
        value["type"] = number;
    }
    value
}

#[tokio::test]
async fn every_action_makes_a_round_trip() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        let (actions, shown): (Vec<_>, Vec<_>) = actions(release).into_iter().unzip();
        let written: Vec<_> = actions
            .into_iter()
            .enumerate()
            .map(|(index, actions)| statement(&format!("s{index}"), Conditions::default(), actions))
            .collect();
        client.add_policy(&policy(written.clone())).await.unwrap();
        let mut listed = listed(&client).await;
        for statement in &mut listed {
            if let Some(change) = &mut statement.actions.large_community {
                for text in &mut change.communities {
                    *text = text.replace("^^", "^").replace("$$", "$");
                }
            }
        }
        assert_eq!(listed, written, "{}", release.name());
        let seen: Vec<_> = cli(&daemon)
            .as_array()
            .unwrap()
            .iter()
            .map(|statement| {
                let text = statement["actions"].to_string();
                text.replace("^^", "^").replace("$$", "$")
            })
            .map(|text| serde_json::from_str::<Value>(&text).unwrap())
            .collect();
        assert_eq!(seen, shown, "{}", release.name());
        let names = client.list_statements().await.unwrap();
        assert_eq!(names.len(), written.len());
    }
}

#[tokio::test]
async fn what_a_version_does_not_know_it_drops() {
    let (_daemon, client) = started(Release::V3_10).await;
    let next_hop = Some(NextHopAction::PeerAddress);
    let written = Actions {
        next_hop,
        ..Actions::default()
    };
    client
        .add_policy(&policy([statement("s", Conditions::default(), written)]))
        .await
        .unwrap();
    assert_eq!(listed(&client).await[0].actions, Actions::default());
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let written = Actions {
            local_pref: Some(0),
            ..Actions::default()
        };
        let written = statement("s", Conditions::default(), written);
        client.add_policy(&policy([written])).await.unwrap();
        assert_eq!(listed(&client).await[0].actions, Actions::default());
    }
}

#[tokio::test]
async fn statements_without_a_policy() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let actions = Actions {
            local_pref: Some(5),
            ..Actions::default()
        };
        let loose = statement("loose", Conditions::default(), actions);
        client.add_statement(&loose).await.unwrap();
        assert_eq!(client.list_statements().await.unwrap(), [loose]);
        assert!(client.list_policies().await.unwrap().is_empty());
        client.delete_statement("loose").await.unwrap();
        assert!(client.list_statements().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_policy_goes_with_its_statements() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let empty = |name| statement(name, Conditions::default(), Actions::default());
        client
            .add_policy(&policy([empty("a"), empty("b")]))
            .await
            .unwrap();
        client.delete_policy("p").await.unwrap();
        assert!(client.list_policies().await.unwrap().is_empty());
        assert!(client.list_statements().await.unwrap().is_empty());
    }
}

/// Name, direction, default and policies of an assignment.
async fn assigned(client: &Client, direction: PolicyDirection) -> (RouteAction, Vec<String>) {
    let found = client
        .list_policy_assignments(PolicyAssignment::GLOBAL, direction)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].direction),
        ("global", direction)
    );
    let names = found[0].policies.iter().map(|policy| policy.name.clone());
    (found[0].default_action, names.collect())
}

#[tokio::test]
async fn assignments_are_set_grow_and_shrink() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        for name in ["a", "b", "c"] {
            let statements = vec![statement(name, Conditions::default(), Actions::default())];
            client
                .add_policy(&Policy {
                    name: name.to_owned(),
                    statements,
                })
                .await
                .unwrap();
        }
        for direction in [PolicyDirection::Import, PolicyDirection::Export] {
            assert_eq!(
                assigned(&client, direction).await,
                (RouteAction::Accept, vec![])
            );
            let assignment = |names: &[&str], default| {
                PolicyAssignment::global(direction, names.iter().copied(), default)
            };
            let set = assignment(&["b", "a"], RouteAction::Reject);
            client.set_policy_assignment(&set).await.unwrap();
            let add = assignment(&["c"], RouteAction::None);
            client.add_policy_assignment(&add).await.unwrap();
            let delete = assignment(&["b"], RouteAction::None);
            client.delete_policy_assignment(&delete).await.unwrap();
            let (default, names) = assigned(&client, direction).await;
            assert_eq!(names, ["a", "c"]);
            assert_eq!(default, RouteAction::Reject);
            let word = if direction == PolicyDirection::Import {
                "import"
            } else {
                "export"
            };
            let seen = daemon.gobgp_json(&["global", "policy", word]);
            assert_eq!(
                seen["direction"],
                json!(if word == "import" { 1 } else { 2 })
            );
            assert_eq!(seen["default_action"], 2);
            assert_eq!(seen["policies"][1]["name"], "c");
        }
    }
}

#[tokio::test]
async fn everything_at_once() {
    for release in Release::ALL {
        let (_daemon, client) = with_sets(release).await;
        let neighbors = DefinedSet::neighbors("n", ["192.0.2.1".parse().unwrap()]);
        let conditions = Conditions {
            neighbor_set: Some(MatchSet::any("n")),
            ..Conditions::default()
        };
        let actions = Actions {
            next_hop: Some(NextHopAction::SelfAddress),
            route_action: RouteAction::Accept,
            ..Actions::default()
        };
        let written = policy([statement("st", conditions, actions)]);
        client
            .set_policies(slice::from_ref(&neighbors), slice::from_ref(&written))
            .await
            .unwrap();
        assert_eq!(client.list_policies().await.unwrap(), [written]);
        let sets = client
            .list_defined_sets(DefinedType::Neighbor)
            .await
            .unwrap();
        assert_eq!(sets, [neighbors]);
        assert!(
            client
                .list_defined_sets(DefinedType::Prefix)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
