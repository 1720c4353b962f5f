//! What readers are told of the servers that share a store, and of a store
//! that does not answer.

use crate::harness::{NEIGHBORS, ROUTERS, Setup, app, commit, gobgp};
use sdwan_server::cluster::Role;
use sdwan_store::Op;
use sdwan_store::faults::Faulty;
use sdwan_store::memory::Memory;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_server_alone_is_a_cluster_of_one() {
    let app = app().await;
    app.gobgp(1).await;
    let mut told = app.get("/sdwan/v1/cluster").await.expect(200);
    assert_eq!(
        told["members"][0]["version"].take(),
        env!("CARGO_PKG_VERSION")
    );
    let text = told["text"].take();
    assert!(text.to_string().contains("test    all"), "{text}");
    insta::assert_json_snapshot!("alone", told);
    app.get("/sdwan/v1/cluster?all=true").await.expect(400);
    app.post("/sdwan/v1/cluster", json!({})).await.expect(405);
}

#[tokio::test]
async fn members_and_their_routers_line_up() {
    let store = Arc::new(Memory::new());
    let folder = tempfile::tempdir().expect("a folder");
    let app = Setup {
        store: Some(store.clone()),
        shared: true,
        audit: Some(folder.path().join("audit")),
        ..Setup::default()
    };
    let app = app.start().await;
    let ids = [app.gobgp(1).await, app.gobgp(2).await];
    let member = |role: &str, address: &str, leaving: bool| {
        json!({
            "role": role,
            "version": "0.9.0",
            "format": 2,
            "address": address,
            "since": "2026-01-01T00:00:00Z",
            "lease": 7,
            "leaving": leaving,
        })
        .to_string()
    };
    let claim = json!({ "member": "beef", "lease": 7 }).to_string();
    let then = vec![
        Op::put(
            "/cluster/members/beef",
            member("all", "192.0.2.10:9998", true),
        ),
        Op::put(
            "/cluster/members/cafe",
            member("api", "[2001:db8::1]:9998", false),
        ),
        Op::put(format!("/cluster/claims/{}", ids[1]), claim),
    ];
    commit(&*store, then).await;
    let revision = store_revision(&*store).await;
    app.catalog.wait_for(revision).await;
    let told = app.get("/sdwan/v1/cluster").await.expect(200);
    assert_eq!(told["members"][0]["routers"], 1);
    insta::assert_snapshot!("cluster_text", told["text"].as_str().expect("text"));
    // Each of them keeps an audit of its own.
    let audit = app.get("/sdwan/v1/audit").await.expect(200);
    let others = [("beef", "192.0.2.10:9998"), ("cafe", "[2001:db8::1]:9998")];
    let others = others.map(|(id, address)| json!({ "id": id, "address": address }));
    assert_eq!(audit["others"], json!(others));
    let numbers = app.get("/metrics").await.text;
    assert!(numbers.contains("sdwan_cluster_members 2"), "{numbers}");
    assert!(numbers.contains("sdwan_routers_claimed 0"), "{numbers}");
}

async fn store_revision(store: &dyn sdwan_store::Store) -> sdwan_store::Revision {
    store.list("/").await.expect("it answers").revision
}

#[tokio::test]
async fn a_worker_serves_what_is_about_itself() {
    let app = Setup {
        role: Role::Worker,
        ..Setup::default()
    };
    let app = app.start().await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/sdwan/v1/cluster",
        "/gohan/v0.1/version",
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
    for path in [ROUTERS, NEIGHBORS, "/gohan/v0.1/schemas", "/openapi.json"] {
        let told = app.get(path).await.expect(421);
        assert!(
            told["error"].to_string().contains("sdwan cluster"),
            "{told}"
        );
    }
    app.post(ROUTERS, gobgp(1)).await.expect(421);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_reads_go_on_and_say_how_old_they_are() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let app = Setup {
        store: Some(store.clone()),
        ..Setup::default()
    };
    let app = app.start().await;
    app.gobgp(1).await;
    let reply = app.get(ROUTERS).await;
    assert_eq!(reply.header("x-data-age"), "");
    store.set_down(true);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let reply = app.get(ROUTERS).await;
    let age: u64 = reply.header("x-data-age").parse().expect("seconds");
    assert!((28..=34).contains(&age), "{age}");
    assert_eq!(
        reply.expect(200)["routers"].as_array().map(Vec::len),
        Some(1)
    );
    let ready = app.get("/readyz").await.expect(200);
    assert_eq!(
        (&ready["status"], ready["age"].as_u64()),
        (&"stale".into(), Some(age))
    );
    let refused = app.post(ROUTERS, gobgp(2)).await;
    assert_eq!(refused.header("retry-after"), "1");
    let told = refused.expect(503);
    assert!(
        told["error"]
            .to_string()
            .contains(&format!("not answered for {age} s")),
        "{told}"
    );
    assert!(
        app.get("/metrics")
            .await
            .text
            .contains(&format!("sdwan_store_age_seconds {age}"))
    );
    store.set_down(false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    app.post(ROUTERS, gobgp(2)).await.expect(201);
    assert_eq!(app.get(ROUTERS).await.header("x-data-age"), "");
    let ready = app.get("/readyz").await.expect(200);
    assert_eq!(ready["status"], "ready");
}
