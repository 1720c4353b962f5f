//! A zebra is enabled once in a daemon's life, and stands in nothing's way.

use crate::support::World;
use serde_json::json;

const R1: &str = "192.0.2.1:50051";
const A: &str = "192.168.0.1";
const CALL: &str = "EnableZebra unix:/run/frr/zserv.api";

fn zebra() -> serde_json::Value {
    json!({
        "fib": "zebra", "zebra_url": "unix:/run/frr/zserv.api", "zebra_version": 6,
        "zebra_software_name": "frr8.4", "gobgp_version": "4.8",
    })
}

#[tokio::test(start_paused = true)]
async fn a_zebra_that_is_refused_fails_its_router_and_stops_nothing_else() {
    let world = World::new();
    let daemon = world.daemon(R1);
    daemon.refuse("EnableZebra", "no such file or directory");
    let server = world.start().await;
    let router = server.router(1).await;
    server.update(&router, zebra()).await;
    server.becomes(&router, "FAILED").await;
    let shown = server.catalog.get("router", &router.id).unwrap();
    let reason = shown.status.unwrap().reason;
    assert!(reason.contains("no such file or directory"), "{reason}");
    let neighbor = server.neighbor(1, A).await;
    server.becomes(&neighbor, "DOWN").await;
    assert_eq!(daemon.peers(), [A]);
    daemon.allow("EnableZebra");
    server.becomes(&router, "ACTIVE").await;
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_zebra_is_enabled_once_in_a_daemons_life() {
    let world = World::new();
    let daemon = world.daemon(R1);
    let calls = || {
        let writes = daemon.take_writes();
        writes.iter().filter(|write| *write == CALL).count()
    };
    let server = world.start().await;
    let router = server.router(1).await;
    server.becomes(&router, "ACTIVE").await;
    server.update(&router, zebra()).await;
    server.becomes(&router, "ACTIVE").await;
    server.quiet(&world).await;
    assert_eq!(calls(), 1);
    // Neither a new server nor another property is a reason.
    server.stop().await;
    let server = world.start().await;
    server
        .update(&router, json!({"zebra_confirmed": true}))
        .await;
    server.becomes(&router, "ACTIVE").await;
    server.quiet(&world).await;
    assert_eq!(calls(), 0);

    daemon.restart_empty();
    server
        .until("BGP to run again", String::new, || {
            daemon.observed().global.is_some()
        })
        .await;
    server.becomes(&router, "ACTIVE").await;
    server.quiet(&world).await;
    assert_eq!(calls(), 1);

    server
        .update(&router, json!({"zebra_url": "tcp:127.0.0.1:2600"}))
        .await;
    server.becomes(&router, "FAILED").await;
    let shown = server.catalog.get("router", &router.id).unwrap();
    let reason = shown.status.unwrap().reason;
    assert!(reason.ends_with("restart gobgpd"), "{reason}");
    daemon.restart_empty();
    server.becomes(&router, "ACTIVE").await;
    let writes = daemon.take_writes();
    assert!(
        writes.contains(&"EnableZebra tcp:127.0.0.1:2600".to_owned()),
        "{writes:?}"
    );
    server.stop().await;
}
