//! Policies as wholes: with their statements, in assignments, all at once.

use crate::daemon::{Daemon, Release};
use crate::peers::started;
use crate::sets::*;
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{
    Actions, Conditions, DefinedSet, DefinedType, MatchSet, NextHopAction, Policy,
    PolicyAssignment, PolicyDirection, RouteAction, Statement,
};
use serde_json::{Value, json};
use std::slice;

pub(crate) fn statement(name: &str, conditions: Conditions, actions: Actions) -> Statement {
    Statement {
        name: name.to_owned(),
        conditions,
        actions,
        has_unknown: false,
    }
}

pub(crate) fn policy(statements: impl IntoIterator<Item = Statement>) -> Policy {
    Policy {
        name: "p".to_owned(),
        statements: statements.into_iter().collect(),
    }
}

/// The statements of the one policy, as listed.
pub(crate) async fn listed(client: &Client) -> Vec<Statement> {
    let mut policies = client.list_policies().await.unwrap();
    assert_eq!(policies.len(), 1);
    policies.remove(0).statements
}

/// The same, as the daemon's own tool has it.
pub(crate) fn cli(daemon: &Daemon) -> Value {
    daemon.gobgp_json(&["policy"])[0]["statements"].clone()
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
pub(crate) async fn assigned(
    client: &Client,
    direction: PolicyDirection,
) -> (RouteAction, Vec<String>) {
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
