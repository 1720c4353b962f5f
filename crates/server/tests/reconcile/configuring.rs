//! What the demo's configuring worker got wrong, each as a case to beat.

use crate::support::World;
use sdwan_model::config::AdminState;
use sdwan_model::observed::{DefaultAction, SessionState};
use serde_json::json;

const R1: &str = "192.0.2.1:50051";
const R2: &str = "192.0.2.2:50051";
const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";

/// It polled the whole tree every 5 s.
#[tokio::test(start_paused = true)]
async fn a_change_is_applied_without_waiting_for_a_poll() {
    let world = World::new().without_timers();
    let server = world.start().await;
    let router = server.router(1).await;
    server.becomes(&router, "ACTIVE").await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    assert_eq!(world.daemon(R1).peers(), [A]);
    server.stop().await;
}

/// It put the API's strings into a shell line.
#[tokio::test(start_paused = true)]
async fn strings_reach_gobgpd_as_they_are() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let text = "a'b\"; rm -rf / #$(reboot)`id`";
    let neighbor = server
        .neighbor_with(1, A, json!({"description": text, "auth_password": text}))
        .await;
    server.becomes(&neighbor, "DOWN").await;
    let observed = world.daemon(R1).observed();
    let peer = observed.peers.values().next().unwrap();
    assert_eq!(peer.description, text);
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&peer.auth_password),
        text
    );
    server.stop().await;
}

/// Its restart replayed every create.
#[tokio::test(start_paused = true)]
async fn a_restarted_server_replays_nothing() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    server.neighbor(1, A).await;
    server.neighbor(1, B).await;
    let policy = server.policy(1, B).await;
    server.becomes(&policy, "ACTIVE").await;
    server.quiet(&world).await;
    server.stop().await;

    let daemon = world.daemon(R1);
    daemon.take_writes();
    let seen = daemon.observes();
    let server = world.start().await;
    server
        .until("a pass", String::new, || daemon.observes() > seen)
        .await;
    server.quiet(&world).await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    server.stop().await;
}

/// Each step had one attempt.
#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_tried_again() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.refuse("StartBgp", "not today");
    let server = world.start().await;
    let router = server.router(1).await;
    server.becomes(&router, "FAILED").await;
    daemon.allow("StartBgp");
    server.becomes(&router, "ACTIVE").await;
    server.stop().await;
}

/// Trying again for ever must not be a storm either.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_repeated_before_the_next_pass() {
    let world = World::new().without_timers();
    let daemon = world.daemon(R1);
    daemon.refuse("AddPeer", "not today");
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "FAILED").await;
    daemon.take_writes();
    server.quiet(&world).await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    server.stop().await;
}

/// One failing router stalled all others.
#[tokio::test(start_paused = true)]
async fn a_dead_router_delays_no_other() {
    let world = World::new().without_timers();
    world.daemon("192.0.2.3:50051").cut();
    world.daemon("192.0.2.4:50051").silence(true);
    let server = world.start().await;
    let cut = server.router(3).await;
    let silent = server.router(4).await;
    server.neighbor(3, A).await;
    server.neighbor(4, A).await;
    let alive = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&alive, "ACTIVE").await;
    server.becomes(&neighbor, "DOWN").await;
    assert_eq!(server.status(&cut), "PENDING_CREATE");
    assert_eq!(server.status(&silent), "PENDING_CREATE");
    server.stop().await;
}

/// A router that hangs in the middle of a pass, and answers again on a new
/// connection, does not keep the pass waiting for the old one.
#[tokio::test(start_paused = true)]
async fn a_router_that_hung_is_configured_as_soon_as_it_answers() {
    let world = World::new().without_timers();
    let daemon = world.daemon(R1);
    let server = world.start().await;
    let router = server.router(1).await;
    server.becomes(&router, "ACTIVE").await;
    // The observation never comes back, heartbeats stop.
    let hangs = daemon.clone();
    daemon.gate(Some(std::sync::Arc::new(move |place| {
        let hangs = hangs.clone();
        Box::pin(async move {
            if place == "before observe" {
                hangs.silence(true);
                std::future::pending::<()>().await;
            }
        })
    })));
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&router, "UNKNOWN").await;
    daemon.gate(None);
    daemon.silence(false);
    server.becomes(&neighbor, "DOWN").await;
    server.stop().await;
}

/// A neighbor that came before its router's gobgpd was FAILED for ever.
#[tokio::test(start_paused = true)]
async fn a_neighbor_before_its_routers_gobgpd_waits() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.cut();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    let says_why = || server.reason(&neighbor).contains("does not answer");
    server
        .until("a reason", || server.reason(&neighbor), says_why)
        .await;
    assert_eq!(server.status(&neighbor), "PENDING_CREATE");
    daemon.mend();
    server.becomes(&router, "ACTIVE").await;
    server.becomes(&neighbor, "DOWN").await;
    server.becomes(&policy, "ACTIVE").await;
    server.stop().await;
}

/// Deletes between two polls were lost and left BGP configuration behind.
#[tokio::test(start_paused = true)]
async fn deletes_between_two_passes_are_not_lost() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let kept = server.neighbor(1, A).await;
    let deleted = server.neighbor(1, B).await;
    server.becomes(&deleted, "DOWN").await;
    server.becomes(&kept, "DOWN").await;
    server.quiet(&world).await;
    server.stop().await;

    // Deleted and gone from the API while nobody looks at the router.
    let daemon = world.daemon(R1);
    daemon.cut();
    let server = world.start().await;
    server.delete(&deleted).await;
    server.kill().await;
    daemon.mend();

    let server = world.start().await;
    server.becomes(&deleted, "GONE").await;
    assert_eq!(daemon.peers(), [A]);
    server.stop().await;
}

/// Created and deleted before any pass could see it.
#[tokio::test(start_paused = true)]
async fn a_row_that_its_router_never_knew_is_let_go_at_once() {
    let world = World::new();
    world.daemon(R1).cut();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.delete(&policy).await;
    server.delete(&neighbor).await;
    server.becomes(&neighbor, "GONE").await;
    server.becomes(&policy, "GONE").await;
    server.delete(&router).await;
    server.becomes(&router, "GONE").await;
    server.stop().await;
}

/// It did not understand updates.
#[tokio::test(start_paused = true)]
async fn an_update_reaches_the_router() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let daemon = world.daemon(R1);
    server
        .update(
            &neighbor,
            json!({"description": "to SRX-1", "admin_state": "down"}),
        )
        .await;
    server.becomes(&neighbor, "DOWN").await;
    let peer = || daemon.observed().peers.values().next().cloned().unwrap();
    server
        .until("the update", String::new, || {
            peer().description == "to SRX-1" && peer().admin_state == AdminState::Down
        })
        .await;
    server.update(&neighbor, json!({"description": null})).await;
    server
        .until("GoBGP's default", String::new, || {
            peer().description.is_empty()
        })
        .await;
    server.stop().await;
}

/// A finished delete wrote ACTIVE.
#[tokio::test(start_paused = true)]
async fn a_finished_delete_leaves_nothing_behind() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    world.daemon(R1).session(A, SessionState::Established, "");
    server.becomes(&neighbor, "UP").await;
    server.delete(&neighbor).await;
    server.becomes(&neighbor, "GONE").await;
    server.quiet(&world).await;
    for prefix in ["/config", "/state", "/monitoring", "/deleting", "/owned"] {
        let left: Vec<String> = world.keys(prefix).await;
        assert!(!left.iter().any(|key| key.contains("neighbor")), "{left:?}");
        assert!(!left.iter().any(|key| key.contains("/peer/")), "{left:?}");
    }
    server.stop().await;
}

/// `error` was always empty.
#[tokio::test(start_paused = true)]
async fn a_failure_says_why() {
    let world = World::new();
    world
        .daemon(R1)
        .refuse("AddPeer", "gobgpd refused: no such peer-group: spines");
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "FAILED").await;
    let reason = server.reason(&neighbor);
    assert!(reason.contains("AddPeer"), "{reason}");
    assert!(reason.contains(A), "{reason}");
    assert!(reason.contains("no such peer-group: spines"), "{reason}");
    server.stop().await;
}

/// `apply_neighbor` only chose whom to refresh; the policy met every neighbor.
#[tokio::test(start_paused = true)]
async fn a_policy_is_for_its_neighbor_alone() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    server.neighbor(1, A).await;
    server.neighbor(1, B).await;
    let policy = server.policy(1, B).await;
    server.becomes(&policy, "ACTIVE").await;
    let observed = world.daemon(R1).observed();
    assert_eq!(observed.export.policies, ["policy1/export"]);
    assert_eq!(observed.export.default, DefaultAction::Accept);
    let [set] = observed.defined_sets.as_slice() else {
        panic!("{:?}", observed.defined_sets);
    };
    assert_eq!(set.neighbors, [B.parse().unwrap()].into());
    server.stop().await;
}

/// Deleting the `New` policy broke those that used it as `Existing`.
#[tokio::test(start_paused = true)]
async fn deleting_one_users_policy_keeps_the_others() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    server.neighbor(1, A).await;
    server.neighbor(1, B).await;
    let first = server.policy(1, A).await;
    let second = server.policy(1, B).await;
    server.becomes(&first, "ACTIVE").await;
    server.becomes(&second, "ACTIVE").await;
    server.delete(&first).await;
    server.becomes(&first, "GONE").await;
    assert_eq!(server.status(&second), "ACTIVE");
    let observed = world.daemon(R1).observed();
    assert_eq!(observed.export.policies, ["policy1/export"]);
    assert_eq!(
        observed.defined_sets[0].neighbors,
        [B.parse().unwrap()].into()
    );
    server.delete(&second).await;
    server.becomes(&second, "GONE").await;
    let observed = world.daemon(R1).observed();
    assert!(observed.export.policies.is_empty());
    assert!(observed.policies.is_empty());
    assert!(observed.defined_sets.is_empty());
    server.stop().await;
}

/// A gobgpd that restarted, or was changed by hand, stayed as it was.
#[tokio::test(start_paused = true)]
async fn a_restarted_gobgpd_gets_its_configuration_back() {
    let world = World::new().without_timers();
    let server = world.start().await;
    let router = server.router(1).await;
    server.neighbor(1, A).await;
    let policy = server.policy(1, A).await;
    server.becomes(&policy, "ACTIVE").await;
    let daemon = world.daemon(R1);
    daemon.restart_empty();
    server
        .until(
            "peers",
            || format!("{:?}", daemon.peers()),
            || daemon.peers() == [A] && daemon.observed().export.policies.len() == 1,
        )
        .await;
    assert_eq!(server.status(&router), "ACTIVE");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_neighbor_deleted_by_hand_is_back_within_one_pass() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    let seen = daemon.observes();
    daemon.by_hand(|observed| observed.peers.clear());
    server
        .until("peers", String::new, || daemon.peers() == [A])
        .await;
    assert!(
        daemon.observes() <= seen + 2,
        "one pass, and one that looks"
    );
    server.stop().await;
}

/// Two workers applied everything twice.
#[tokio::test(start_paused = true)]
async fn nothing_is_applied_twice_however_often_a_router_is_marked() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    for last in 1..=200 {
        server.neighbor(1, &format!("10.9.0.{last}")).await;
    }
    let daemon = world.daemon(R1);
    server
        .until("all peers", String::new, || daemon.peers().len() == 200)
        .await;
    server.quiet(&world).await;
    let mut writes = daemon.take_writes();
    let all = writes.len();
    writes.sort();
    writes.dedup();
    assert_eq!(writes.len(), all, "a call was made twice");
    assert_eq!(all, 201, "StartBgp and 200 AddPeer");
    server.stop().await;
}

/// The daemon of a router that moves is another daemon.
#[tokio::test(start_paused = true)]
async fn a_router_that_moves_is_configured_where_it_is() {
    let world = World::new();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    server
        .update(&router, json!({"mgmt_addr": "192.0.2.2"}))
        .await;
    let there = world.daemon(R2);
    server
        .until("peers there", String::new, || there.peers() == [A])
        .await;
    server.becomes(&router, "ACTIVE").await;
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_renamed_router_is_not_touched() {
    let world = World::new();
    let server = world.start().await;
    let router = server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    daemon.take_writes();
    server.update(&router, json!({"host_name": "edge-1"})).await;
    server.becomes(&router, "ACTIVE").await;
    server.quiet(&world).await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    server.stop().await;
}
