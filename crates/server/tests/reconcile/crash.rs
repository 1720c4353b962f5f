//! SIGKILL between any two calls, to a daemon or to the store: what was
//! declared is there in the end, and nothing that is owed is lost.

use crate::support::{Server, World};
use sdwan_model::observed::SessionState;
use sdwan_model::resource::ResourceRef;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const R1: &str = "192.0.2.1:50051";
const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";
const C: &str = "172.16.1.2";

/// Kills the server that reaches the `at`th place between two calls, then
/// lets another one finish. False when no server got that far.
async fn killed_at(world: &World, at: usize, done: impl Fn(&Server) -> bool) -> bool {
    let reached = Arc::new(Notify::new());
    let (count, killer) = (Arc::new(AtomicUsize::new(0)), reached.clone());
    world.gate(Some(Arc::new(move |_| {
        let (here, killer) = (count.fetch_add(1, Ordering::SeqCst), killer.clone());
        Box::pin(async move {
            if here >= at {
                killer.notify_one();
                std::future::pending::<()>().await;
            }
        })
    })));
    let server = world.start().await;
    let killed = tokio::select! {
        () = reached.notified() => true,
        () = server.until("done", String::new, || done(&server)) => false,
    };
    server.kill().await;
    world.gate(None);
    if killed {
        let server = world.start().await;
        server
            .until(
                "done after a crash",
                || format!("killed at {at}"),
                || done(&server),
            )
            .await;
        server.quiet(world).await;
        server.stop().await;
    }
    killed
}

/// Rows declared while the router could not be reached.
async fn declare<T>(world: &World, rows: impl AsyncFnOnce(&Server) -> T) -> T {
    world.daemon(R1).cut();
    let server = world.start().await;
    let rows = rows(&server).await;
    server.kill().await;
    world.daemon(R1).mend();
    rows
}

async fn converged(world: &World, server: Server) {
    server.quiet(world).await;
    server.stop().await;
}

fn all_are(server: &Server, rows: &[ResourceRef], statuses: &[&str]) -> bool {
    rows.iter()
        .all(|row| statuses.contains(&server.status(row).as_str()))
}

#[tokio::test(start_paused = true)]
async fn bringing_a_router_up_survives_a_crash_anywhere() {
    let mut at = 0;
    loop {
        let world = World::new();
        let rows = declare(&world, async |server| {
            vec![
                server.router(1).await,
                server.neighbor(1, A).await,
                server.neighbor(1, B).await,
                server.policy(1, B).await,
            ]
        })
        .await;
        let done = |server: &Server| all_are(server, &rows, &["ACTIVE", "DOWN"]);
        if !killed_at(&world, at, done).await {
            break;
        }
        let daemon = world.daemon(R1);
        assert_eq!(daemon.peers(), [B, A], "killed at {at}");
        let export = daemon.observed().export;
        assert_eq!(export.policies, ["policy1/export"], "killed at {at}");
        at += 1;
    }
    assert!(at > 10, "only {at} places");
}

#[tokio::test(start_paused = true)]
async fn a_change_and_its_refresh_survive_a_crash_anywhere() {
    let mut at = 0;
    loop {
        let world = World::new();
        let daemon = world.daemon(R1);
        let server = world.start().await;
        server.router(1).await;
        let a = server.neighbor(1, A).await;
        let b = server.neighbor(1, B).await;
        let policy = server.policy(1, B).await;
        server.becomes(&policy, "ACTIVE").await;
        server.becomes(&b, "DOWN").await;
        daemon.session(A, SessionState::Established, "");
        daemon.session(B, SessionState::Established, "");
        server.becomes(&b, "UP").await;
        converged(&world, server).await;
        daemon.take_writes();

        let c = declare(&world, async |server| {
            let action = json!({"statement_action": "med 50"});
            server.update(&policy, action).await;
            server.update(&a, json!({"description": "moved"})).await;
            server.neighbor(1, C).await
        })
        .await;
        let rows = [a, b, policy];
        let done = |server: &Server| {
            all_are(server, &rows, &["ACTIVE", "UP", "DOWN"]) && server.status(&c) == "DOWN"
        };
        if !killed_at(&world, at, done).await {
            break;
        }
        assert_eq!(daemon.peers(), [B, C, A], "killed at {at}");
        assert_eq!(daemon.falls(B), 0, "killed at {at}: not what was asked for");
        let writes = daemon.take_writes();
        let last_change = writes.iter().rposition(|call| {
            ["SetPolicies", "AddPolicy", "SetPolicyAssignment"]
                .iter()
                .any(|policy| call.starts_with(policy))
        });
        let refresh = writes
            .iter()
            .rposition(|call| call.starts_with(&format!("SoftReset {B} Export")));
        assert!(refresh > last_change, "killed at {at}: {writes:#?}");
        at += 1;
    }
    assert!(at > 10, "only {at} places");
}

#[tokio::test(start_paused = true)]
async fn deletes_survive_a_crash_anywhere() {
    let mut at = 0;
    loop {
        let world = World::new();
        let daemon = world.daemon(R1);
        let server = world.start().await;
        let router = server.router(1).await;
        let a = server.neighbor(1, A).await;
        let b = server.neighbor(1, B).await;
        let policy = server.policy(1, B).await;
        server.becomes(&policy, "ACTIVE").await;
        converged(&world, server).await;

        let rows = [policy, a, b];
        declare(&world, async |server| {
            for row in &rows {
                server.delete(row).await;
            }
        })
        .await;
        let done = |server: &Server| {
            all_are(server, &rows, &["GONE"]) && server.status(&router) == "ACTIVE"
        };
        if !killed_at(&world, at, done).await {
            break;
        }
        let observed = daemon.observed();
        assert!(observed.peers.is_empty(), "killed at {at}");
        assert!(observed.policies.is_empty(), "killed at {at}");
        assert!(observed.export.policies.is_empty(), "killed at {at}");
        assert_eq!(world.keys("/owned").await, [""; 0], "killed at {at}");
        assert_eq!(world.keys("/deleting").await, [""; 0], "killed at {at}");
        at += 1;
    }
    assert!(at > 10, "only {at} places");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_router_survives_a_crash_anywhere() {
    let mut at = 0;
    loop {
        let world = World::new();
        let daemon = world.daemon(R1);
        let server = world.start().await;
        let router = server.router(1).await;
        let a = server.neighbor(1, A).await;
        let policy = server.policy(1, A).await;
        server.becomes(&policy, "ACTIVE").await;
        converged(&world, server).await;

        let rows = [policy, a, router.clone()];
        declare(&world, async |server| {
            server.delete_cascading(&router).await
        })
        .await;
        let done = |server: &Server| all_are(server, &rows, &["GONE"]);
        if !killed_at(&world, at, done).await {
            break;
        }
        let observed = daemon.observed();
        assert!(observed.peers.is_empty(), "killed at {at}");
        assert!(observed.policies.is_empty(), "killed at {at}");
        assert!(
            observed.global.is_some(),
            "killed at {at}: BGP keeps running"
        );
        for prefix in ["/owned", "/deleting", "/config", "/reachability"] {
            assert_eq!(world.keys(prefix).await, [""; 0], "killed at {at}");
        }
        at += 1;
    }
    assert!(at > 10, "only {at} places");
}
