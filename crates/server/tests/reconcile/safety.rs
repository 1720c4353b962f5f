//! What must never happen to a network, and what is said instead.

use crate::support::World;
use crate::support::daemon::fresh;
use sdwan_model::config::{Direction, Global};
use sdwan_model::observed::{
    Assignment, DefaultAction, DefinedSet, Policy, SessionState, SetKind, Statement,
};
use sdwan_server::catalog::Scope;
use sdwan_server::live::Live;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;

const R1: &str = "192.0.2.1:50051";
const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";

#[tokio::test(start_paused = true)]
async fn a_pass_with_nothing_to_do_writes_nothing_anywhere() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.becomes(&policy, "ACTIVE").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    daemon.take_writes();
    let (revision, seen) = (world.revision().await, daemon.observes());
    server
        .until("ten passes", String::new, || daemon.observes() >= seen + 10)
        .await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    assert_eq!(world.revision().await, revision);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_sends_nothing() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let server = world.start().await;
    server.quiet(&world).await;
    assert_eq!(daemon.dials(), 0);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_observation_leads_to_no_write() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.answer_incompletely(true);
    let server = world.start().await;
    let router = server.router(1).await;
    let says_why = || server.reason(&router).contains("broke off");
    server
        .until("a reason", || server.reason(&router), says_why)
        .await;
    assert_eq!(server.status(&router), "PENDING_CREATE");
    assert_eq!(daemon.take_writes(), [""; 0]);
    daemon.answer_incompletely(false);
    server.becomes(&router, "ACTIVE").await;
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_held_router_is_observed_and_not_touched() {
    let world = World::new();
    let server = world.start().await;
    let router = server.router(1).await;
    let old = server.neighbor(1, A).await;
    server.becomes(&old, "DOWN").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    daemon.take_writes();

    let scope = Scope::Router(router.id.clone());
    server
        .catalog
        .hold(scope.clone(), "the night shift")
        .await
        .unwrap();
    let new = server.neighbor(1, B).await;
    server.delete(&old).await;
    let says_why = || server.reason(&new).contains("the night shift");
    server
        .until("a reason", || server.reason(&new), says_why)
        .await;
    server.quiet(&world).await;
    assert_eq!(server.status(&new), "PENDING_CREATE");
    assert_eq!(server.status(&old), "PENDING_DELETE");
    assert_eq!(daemon.take_writes(), [""; 0]);
    assert_eq!(
        server
            .supervisor
            .plan(&router.id)
            .await
            .unwrap()
            .steps
            .len(),
        2
    );

    server.catalog.resume(scope).await.unwrap();
    server.becomes(&new, "DOWN").await;
    server.becomes(&old, "GONE").await;
    assert_eq!(daemon.peers(), [B]);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_in_the_middle_of_a_pass_stops_it_at_the_next_step() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let server = world.start().await;
    let catalog = server.catalog.clone();
    world.gate(Some(std::sync::Arc::new(move |place| {
        let catalog = catalog.clone();
        Box::pin(async move {
            if place.starts_with("after StartBgp") {
                catalog.hold(Scope::All, "stop it").await.unwrap();
            }
        })
    })));
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.quiet(&world).await;
    assert_eq!(daemon.take_writes(), ["StartBgp 65001"]);
    assert_eq!(server.status(&neighbor), "PENDING_CREATE");
    world.gate(None);
    server.catalog.resume(Scope::All).await.unwrap();
    server.becomes(&neighbor, "DOWN").await;
    server.stop().await;
}

/// Peers, policies and sets that somebody made with `gobgp`.
#[tokio::test(start_paused = true)]
async fn what_a_human_made_survives_everything() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let human: IpAddr = "198.51.100.1".parse().unwrap();
    daemon.by_hand(|observed| {
        observed.global = Some(Global {
            asn: 65001,
            router_id: [10, 0, 1, 1].into(),
            listen_port: Some(179),
        });
        observed.peers.insert(human, fresh(65100));
        observed.defined_sets.push(DefinedSet {
            kind: SetKind::Prefix,
            name: "bogons".into(),
            neighbors: [].into(),
            complete: false,
        });
        observed.policies.push(Policy {
            name: "no-bogons".into(),
            statements: vec![Statement {
                name: "drop".into(),
                ours: None,
            }],
        });
        observed.export = Assignment {
            policies: vec!["no-bogons".into()],
            default: DefaultAction::Reject,
        };
    });
    let before = daemon.observed();
    let server = world.start().await;
    let router = server.router(1).await;
    server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.becomes(&policy, "ACTIVE").await;
    let export = daemon.observed().export;
    assert!(
        export.policies.contains(&"no-bogons".to_owned()),
        "{export:?}"
    );
    assert_eq!(export.default, DefaultAction::Reject);
    server.delete_cascading(&router).await;
    server.becomes(&router, "GONE").await;
    let after = daemon.observed();
    assert!(after.peers.contains_key(&human));
    assert_eq!(after.peers.len(), 1);
    assert_eq!(after.policies, before.policies);
    assert_eq!(after.defined_sets, before.defined_sets);
    assert_eq!(after.export, before.export);
    assert!(after.global.is_some(), "BGP keeps running");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_runs_another_as_is_left_alone() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.by_hand(|observed| {
        observed.global = Some(Global {
            asn: 65999,
            router_id: [10, 0, 1, 1].into(),
            listen_port: Some(179),
        });
    });
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&router, "FAILED").await;
    let reason = server.reason(&router);
    assert!(reason.contains("65999"), "{reason}");
    server.quiet(&world).await;
    assert_ne!(server.status(&neighbor), "DOWN");
    assert_eq!(daemon.take_writes(), [""; 0]);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_peer_comes_up_while_its_policies_are_refused() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.by_hand(|observed| observed.peers.clear());
    for call in [
        "SetPolicies",
        "AddDefinedSet",
        "AddPolicy",
        "SetPolicyAssignment",
    ] {
        daemon.refuse(call, "gobgpd refused: out of luck");
    }
    let server = world.start().await;
    server
        .catalog
        .hold(Scope::All, "wait for all rows")
        .await
        .unwrap();
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.catalog.resume(Scope::All).await.unwrap();
    server.becomes(&policy, "FAILED").await;
    server.quiet(&world).await;
    assert_eq!(daemon.peers(), [""; 0]);
    let reason = server.reason(&neighbor);
    assert!(
        reason.contains("out of luck"),
        "says what it waits for: {reason}"
    );
    for call in [
        "SetPolicies",
        "AddDefinedSet",
        "AddPolicy",
        "SetPolicyAssignment",
    ] {
        daemon.allow(call);
    }
    server.becomes(&policy, "ACTIVE").await;
    server.becomes(&neighbor, "DOWN").await;
    server.stop().await;
}

/// Never a silent ACTIVE, never a flap loop.
#[tokio::test(start_paused = true)]
async fn an_update_that_the_daemon_ignores_fails_and_is_not_repeated() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session(A, SessionState::Established, "");
    server.becomes(&neighbor, "UP").await;
    server.quiet(&world).await;
    daemon.take_writes();
    daemon.ignore("UpdatePeer");
    daemon.ignore("DeletePeer");
    daemon.ignore("AddPeer");
    server.update(&neighbor, json!({"passive": true})).await;
    server.becomes(&neighbor, "FAILED").await;
    assert!(!server.reason(&neighbor).is_empty());
    server.quiet(&world).await;
    let tried = daemon.take_writes();
    let seen = daemon.observes();
    server
        .until("ten passes", String::new, || daemon.observes() >= seen + 10)
        .await;
    assert_eq!(daemon.take_writes(), [""; 0], "after {tried:?}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_policy_refreshes_its_neighbors_only() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let a = server.neighbor(1, A).await;
    let b = server.neighbor(1, B).await;
    server.becomes(&a, "DOWN").await;
    server.becomes(&b, "DOWN").await;
    let policy = server.policy(1, B).await;
    server.becomes(&policy, "ACTIVE").await;
    let daemon = world.daemon(R1);
    server
        .until("a refresh", String::new, || !daemon.refreshes().is_empty())
        .await;
    server.quiet(&world).await;
    let refreshed = daemon.refreshes();
    assert_eq!(
        refreshed,
        [(B.parse::<IpAddr>().unwrap(), Direction::Export)]
    );
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_router_keeps_running_without_us() {
    let world = World::new();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.becomes(&policy, "ACTIVE").await;
    server.delete_cascading(&router).await;
    for row in [&policy, &neighbor, &router] {
        server.becomes(row, "GONE").await;
    }
    let observed = world.daemon(R1).observed();
    assert!(observed.global.is_some());
    assert!(observed.peers.is_empty());
    assert!(observed.policies.is_empty());
    assert_eq!(world.keys("/owned").await, [""; 0]);
    assert_eq!(world.keys("/reachability").await, [""; 0]);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_calls_in_flight_end_and_leaves_no_task() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let server = world.start().await;
    let flying = std::sync::Arc::new(tokio::sync::Notify::new());
    let land = tokio_util::sync::CancellationToken::new();
    let (started, landed) = (flying.clone(), land.clone());
    world.gate(Some(std::sync::Arc::new(move |place| {
        let (started, landed) = (started.clone(), landed.clone());
        Box::pin(async move {
            if place.starts_with("before StartBgp") {
                started.notify_one();
                landed.cancelled().await;
            }
        })
    })));
    let router = server.router(1).await;
    server.neighbor(1, A).await;
    flying.notified().await;
    let (catalog, supervisor) = (server.catalog.clone(), server.supervisor.clone());
    let stopping = tokio::spawn(server.stop());
    tokio::task::yield_now().await;
    land.cancel();
    stopping.await.unwrap();
    // What was sent is reported, what was not is not begun.
    let shown = catalog.get(&router.kind, &router.id).unwrap();
    assert_eq!(
        shown.status.unwrap().status,
        sdwan_model::status::Status::Active
    );
    assert_eq!(daemon.take_writes(), ["StartBgp 65001"]);
    assert_eq!(
        std::sync::Arc::strong_count(&supervisor),
        1,
        "a task is left"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_router_says_clearly_why_it_fails() {
    let world = World::new();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let live = &server.supervisor;
    assert_eq!(live.counters(&router.id).await.unwrap()[0].received, 3);
    assert!(live.rib(&router.id, None).await.unwrap().is_empty());
    assert!(live.plan(&router.id).await.unwrap().steps.is_empty());
    let unknown = live.plan("no-such-router").await.unwrap_err();
    assert!(unknown.to_string().contains("no-such-router"));
    world.daemon(R1).cut();
    server.becomes(&router, "UNKNOWN").await;
    let error = live.counters(&router.id).await.unwrap_err().to_string();
    assert!(error.contains(R1), "{error}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_key_nothing_is_sent_or_taken_away() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let secret = json!({"auth_password": "correct horse"});
    let neighbor = server.neighbor_with(1, A, secret).await;
    server.becomes(&neighbor, "DOWN").await;
    server.quiet(&world).await;
    server.stop().await;
    let daemon = world.daemon(R1);
    daemon.take_writes();

    let server = world.without_key().start().await;
    let other = server.neighbor(1, B).await;
    server.becomes(&neighbor, "FAILED").await;
    server.quiet(&world).await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    assert_eq!(daemon.peers(), [A]);
    let reason = server.reason(&other);
    assert!(reason.contains("nothing is sent"), "{reason}");
    server.stop().await;
}

/// What TCP holds, or a gobgpd that was stopped, arrives when nobody waits for
/// it any more: nothing else is written before that can't be, and what it did
/// is found and put right.
#[tokio::test(start_paused = true)]
async fn a_call_that_arrives_late_finds_nothing_done_without_it() {
    for late in [5100, 7000, 9900].map(Duration::from_millis) {
        let world = World::new();
        let server = world.start().await;
        let daemon = world.daemon(R1);
        let router = server.router(1).await;
        server.neighbor(1, A).await;
        let one = server.policy(1, A).await;
        server.becomes(&one, "ACTIVE").await;
        server.quiet(&world).await;
        daemon.deliver_late(Some(late));
        daemon.take_writes();
        let two = server
            .create(
                "policyinfo",
                json!({
                    "host_name": "GoBGP-1",
                    "policy_name": "policy2",
                    "statement_name": "statement2",
                    "statement_action": "med 7",
                    "route_disposition": "accept",
                    "apply_direction": "export",
                    "apply_neighbor": A,
                }),
            )
            .await;
        let unanswered = || server.reason(&two).contains("did not answer");
        server
            .until("no answer", || server.reason(&two), unanswered)
            .await;
        daemon.deliver_late(None);
        // Meanwhile the operator wants something else.
        server.delete(&two).await;
        server.becomes(&two, "GONE").await;
        server.becomes(&one, "ACTIVE").await;
        server.quiet(&world).await;
        let observed = daemon.observed();
        let policies: Vec<&String> = observed.policies.iter().map(|p| &p.name).collect();
        assert_eq!(policies, ["policy1/export"], "late by {late:?}");
        assert_eq!(
            observed.export.policies,
            ["policy1/export"],
            "late by {late:?}"
        );
        server.becomes(&router, "ACTIVE").await;
        server.stop().await;
    }
}
