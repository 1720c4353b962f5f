//! What the demo's monitoring worker got wrong, each as a case to beat.

use crate::support::World;
use sdwan_model::observed::SessionState::{
    Active, Connect, Established, Idle, OpenConfirm, OpenSent,
};
use sdwan_server::catalog::Scope;
use sdwan_store::faults::Fault;

const R1: &str = "192.0.2.1:50051";
const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";

/// Its list of routers was a constant in the program.
#[tokio::test(start_paused = true)]
async fn a_router_is_watched_from_its_creation() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    world.daemon(R1).session(A, Established, "");
    server.becomes(&neighbor, "UP").await;
    server.stop().await;
}

/// It forked a command a router a second.
#[tokio::test(start_paused = true)]
async fn a_quiet_router_costs_one_connection_and_no_commit() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    world.daemon(R1).session(A, Established, "");
    server.becomes(&neighbor, "UP").await;
    server.quiet(&world).await;
    let before = world.revision().await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(world.revision().await, before);
    assert_eq!(world.daemon(R1).dials(), 1);
    server.stop().await;
}

/// CONNECT, OPENSENT and OPENCONFIRM had no mapping: the neighbor before it
/// in the list lent its status.
#[tokio::test(start_paused = true)]
async fn every_state_on_the_way_up_is_down_and_says_which() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let up = server.neighbor(1, A).await;
    let other = server.neighbor(1, B).await;
    server.becomes(&other, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session(A, Established, "");
    server.becomes(&up, "UP").await;
    for state in [Connect, Active, OpenSent, OpenConfirm, Idle] {
        daemon.session(B, state, "");
        let session_state = || {
            let monitoring = server.shown(&other).and_then(|shown| shown.monitoring);
            monitoring.map(|seen| seen.session_state.clone())
        };
        server
            .until(
                state.as_str(),
                || format!("{:?}", session_state()),
                || session_state().as_deref() == Some(state.as_str()),
            )
            .await;
        assert_eq!(server.status(&other), "DOWN");
        assert_eq!(server.status(&up), "UP");
    }
    server.stop().await;
}

/// A session that drops shows DOWN, and why.
#[tokio::test(start_paused = true)]
async fn a_session_that_drops_says_why() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session(A, Established, "");
    server.becomes(&neighbor, "UP").await;
    daemon.session(A, Idle, "hold timer expired");
    server.becomes(&neighbor, "DOWN").await;
    let reason = server.reason(&neighbor);
    assert!(reason.contains("hold timer expired"), "{reason}");
    let flaps = server.shown(&neighbor).unwrap().monitoring.unwrap().flaps;
    assert_eq!(flaps, 1);
    server.stop().await;
}

/// The neighbors of an unreachable router stayed UP for ever.
#[tokio::test(start_paused = true)]
async fn an_unreachable_routers_neighbors_are_unknown_and_come_back() {
    for silent in [false, true] {
        let world = World::new();
        let server = world.start().await;
        let router = server.router(1).await;
        let neighbor = server.neighbor(1, A).await;
        server.becomes(&neighbor, "DOWN").await;
        let daemon = world.daemon(R1);
        daemon.session(A, Established, "");
        server.becomes(&neighbor, "UP").await;
        if silent {
            daemon.silence(true);
        } else {
            daemon.cut();
        }
        server.becomes(&neighbor, "UNKNOWN").await;
        server.becomes(&router, "UNKNOWN").await;
        assert!(!server.reason(&neighbor).is_empty());
        daemon.silence(false);
        daemon.mend();
        server.becomes(&neighbor, "UP").await;
        server.becomes(&router, "ACTIVE").await;
        server.stop().await;
    }
}

/// What the last server saw proves nothing about now.
#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_up_before_it_was_seen() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session(A, Established, "");
    server.becomes(&neighbor, "UP").await;
    server.stop().await;
    daemon.cut();
    let server = world.start().await;
    server.becomes(&neighbor, "UNKNOWN").await;
    daemon.mend();
    server.becomes(&neighbor, "UP").await;
    server.stop().await;
}

/// A neighbor that the API did not know blocked the queue for good.
#[tokio::test(start_paused = true)]
async fn a_neighbor_that_nobody_declared_blocks_nothing() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session("198.51.100.9", Established, "");
    daemon.session("198.51.100.9", Idle, "");
    daemon.session(A, Established, "");
    server.becomes(&neighbor, "UP").await;
    server.stop().await;
}

/// A neighbor that was deleted and created again kept its old row's id.
#[tokio::test(start_paused = true)]
async fn a_recreated_neighbor_is_its_new_row_and_does_not_flap() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let old = server.neighbor(1, A).await;
    server.becomes(&old, "DOWN").await;
    let daemon = world.daemon(R1);
    daemon.session(A, Established, "");
    server.becomes(&old, "UP").await;
    // Both happen before the router's next pass.
    server.catalog.hold(Scope::All, "a moment").await.unwrap();
    server.delete(&old).await;
    let new = server.neighbor(1, A).await;
    server.catalog.resume(Scope::All).await.unwrap();
    server.becomes(&new, "UP").await;
    server.becomes(&old, "GONE").await;
    daemon.session(A, Idle, "");
    server.becomes(&new, "DOWN").await;
    assert_eq!(daemon.falls(A), 0, "the session was reset");
    server.stop().await;
}

/// An UP before the state was acknowledged was dropped and never sent again.
#[tokio::test(start_paused = true)]
async fn an_up_before_the_acknowledgement_is_not_lost() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let server = world.start().await;
    let router = server.router(1).await;
    server.becomes(&router, "ACTIVE").await;
    // It is up before the pass that creates it could report.
    let seen = daemon.clone();
    world.gate(Some(std::sync::Arc::new(move |place| {
        if place.starts_with("after AddPeer") {
            seen.session(A, Established, "");
        }
        Box::pin(async {})
    })));
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "UP").await;
    server.stop().await;
}

/// What can't be stored now is stored later; nothing that happened meanwhile
/// is lost.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_delays_the_news_and_loses_none() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let a = server.neighbor(1, A).await;
    let b = server.neighbor(1, B).await;
    server.becomes(&a, "DOWN").await;
    server.becomes(&b, "DOWN").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    world.store.next_commits([
        Some(Fault::Unavailable),
        Some(Fault::Unavailable),
        Some(Fault::LostRequest),
        Some(Fault::LostAnswer),
    ]);
    daemon.session(A, Established, "");
    daemon.session(B, Established, "");
    server.becomes(&a, "UP").await;
    server.becomes(&b, "UP").await;
    server.stop().await;
}

/// gobgpd keeps what we don't read, without a bound.
#[tokio::test(start_paused = true)]
async fn a_stalled_store_does_not_stop_the_reading() {
    let world = World::new();
    let server = world.start().await;
    server.router(1).await;
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    server.quiet(&world).await;
    let daemon = world.daemon(R1);
    // Commits go in and never come out.
    let open = tokio_util::sync::CancellationToken::new();
    let opened = open.clone();
    world.gate(Some(std::sync::Arc::new(move |place| {
        let opened = opened.clone();
        Box::pin(async move {
            if place == "before a commit" {
                opened.cancelled().await;
            }
        })
    })));
    for _ in 0..1000 {
        daemon.session(A, Established, "");
        daemon.session(A, Idle, "hold timer expired");
    }
    server
        .until("all is read", String::new, || daemon.unread() == 0)
        .await;
    open.cancel();
    world.gate(None);
    let says_why = || server.reason(&neighbor).contains("hold timer expired");
    server
        .until("the news", || server.reason(&neighbor), says_why)
        .await;
    assert_eq!(server.status(&neighbor), "DOWN");
    server.stop().await;
}
