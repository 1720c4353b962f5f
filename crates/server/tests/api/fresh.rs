//! Revisions as callers hold them: reads at least as new as a write, across
//! servers and across restores.

use crate::harness::{App, ROUTERS, Reply, Setup, commit, gobgp, neighbor, request};
use crate::own_kinds::SITES;
use axum::body::Body;
use futures::future::join;
use http::Method;
use sdwan_store::faults::Faulty;
use sdwan_store::memory::Memory;
use sdwan_store::{Op, Store};
use serde_json::json;
use std::sync::Arc;

/// Two servers on one store; the second one's way to it can be cut.
struct Two {
    store: Arc<Memory>,
    link: Arc<Faulty>,
    first: App,
    second: App,
}

impl Two {
    async fn new() -> Self {
        Self::on(Arc::new(Memory::new())).await
    }

    async fn on(store: Arc<Memory>) -> Self {
        let link = Arc::new(Faulty::new(Arc::clone(&store) as _));
        Self {
            first: server(Arc::clone(&store) as _, 0).await,
            second: server(Arc::clone(&link) as _, 10_000).await,
            store,
            link,
        }
    }
}

async fn server(store: Arc<dyn Store>, ids: u64) -> App {
    let setup = Setup {
        schemas: Some(SITES),
        store: Some(store),
        shared: true,
        ids,
        ..Setup::default()
    };
    setup.start().await
}

/// A store that was restored so often.
async fn restored(epoch: u64) -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    commit(&*store, vec![Op::put("/meta/epoch", epoch.to_string())]).await;
    store
}

fn revision(reply: &Reply) -> String {
    reply.header("x-revision").to_owned()
}

async fn resume(app: &App, id: &str) -> Reply {
    let path = format!("{ROUTERS}?watch=true");
    let mut request = request(Method::GET, &path, Body::empty());
    let id = id.parse().expect("a value");
    request.headers_mut().insert("last-event-id", id);
    app.send(request).await
}

#[tokio::test]
async fn what_one_server_wrote_every_other_shows_to_who_asks_for_it() {
    let two = Two::new().await;
    let (first, second) = (&two.first, &two.second);
    for n in 1..=20 {
        let written = first.post(ROUTERS, gobgp(n)).await;
        let at = revision(&written);
        let id = written.expect(201)["router"]["id"].clone();
        let id = id.as_str().expect("an id");
        let path = format!("{ROUTERS}/{id}");
        second
            .get(&format!("{path}?min_revision={at}"))
            .await
            .expect(200);
        let list = second
            .get(&format!("{ROUTERS}?min_revision={at}&limit=0"))
            .await;
        assert_eq!(list.header("x-total-count"), n.to_string());
        let reached: u64 = revision(&list).parse().expect("a number");
        assert!(reached >= at.parse().expect("a number"));

        // And the other way round, with what a deletion answers.
        let deleted = second
            .delete(&format!("{path}?force=true&dry_run=true"))
            .await;
        assert_ne!(revision(&deleted), "");
        let held = second
            .put(&format!("/sdwan/v1/holds/{id}"), json!({}))
            .await;
        let at = revision(&held);
        held.expect(204);
        let holds = first
            .get(&format!("/sdwan/v1/holds?min_revision={at}"))
            .await;
        assert!(holds.text.contains(id), "{}", holds.text);
        let resumed = first.delete(&format!("/sdwan/v1/holds/{id}")).await;
        let at = revision(&resumed);
        let holds = second
            .get(&format!("/sdwan/v1/holds?min_revision={at}"))
            .await;
        assert!(!holds.text.contains(id), "{}", holds.text);
    }
    let site = first
        .post("/v2.0/sites", json!({ "name": "s" }))
        .await
        .expect(201);
    let racks = format!(
        "/v2.0/sites/{}/racks",
        site["site"]["id"].as_str().expect("an id")
    );
    let rack = first.post(&racks, json!({ "name": "r" })).await;
    let at = revision(&rack);
    let id = rack.expect(201)["rack"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for path in [racks.clone(), format!("{racks}/{id}")] {
        let shown = second.get(&format!("{path}?min_revision={at}")).await;
        assert!(shown.text.contains(&id), "{}", shown.text);
    }
    let gone = second.delete(&format!("{racks}/{id}")).await;
    let at = revision(&gone);
    first
        .get(&format!("{racks}/{id}?min_revision={at}"))
        .await
        .expect(404);
}

#[tokio::test]
async fn every_write_answers_with_a_revision_that_has_it() {
    let two = Two::new().await;
    let app = &two.first;
    let check = async |reply: Reply, status: u16| {
        let newest = two.store.list("/").await.expect("a store").revision;
        assert_eq!(revision(&reply), newest.to_string(), "nobody else writes");
        reply.expect(status)
    };
    let body = check(app.post(ROUTERS, gobgp(1)).await, 201).await;
    let path = format!(
        "{ROUTERS}/{}",
        body["router"]["id"].as_str().expect("an id")
    );
    check(app.patch(&path, json!({ "local_as": 65009 })).await, 200).await;
    check(app.put(&path, gobgp(2)).await, 200).await;
    let mut row = neighbor("192.168.0.1");
    row["host_name"] = json!("GoBGP-2");
    let create = json!({ "op": "create", "kind": "neighbor", "body": row });
    let changes = json!({ "changes": [create] });
    check(app.post("/sdwan/v1/transaction", changes).await, 200).await;
    check(app.put("/sdwan/v1/holds/all", json!({})).await, 204).await;
    check(app.delete("/sdwan/v1/holds/all").await, 204).await;
    check(app.delete(&format!("{path}?cascade=true")).await, 204).await;
    check(
        app.delete(&format!("{path}?cascade=true&force=true")).await,
        204,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_behind_waits_and_then_says_so() {
    let two = Two::new().await;
    two.link.set_down(true);
    let at = revision(&two.first.post(ROUTERS, gobgp(1)).await);
    let path = format!("{ROUTERS}?min_revision={at}");
    let late = two.second.get(&path).await;
    assert_eq!(late.header("retry-after"), "1");
    let told = late.expect(504)["detail"].to_string();
    assert!(
        told.contains("10 s") && told.contains("another server"),
        "{told}"
    );
    // Without the parameter it answers with what it has.
    let old = two.second.get(ROUTERS).await;
    assert_eq!(old.header("x-total-count"), "0");
    // A watch goes on where another server's ended.
    let resumed = resume(&two.second, &at).await;
    assert!(
        resumed.expect(504)["detail"]
            .to_string()
            .contains("Last-Event-ID")
    );

    let (reply, ()) = join(two.second.get(&path), async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        two.link.set_down(false);
    })
    .await;
    assert_eq!(reply.header("x-total-count"), "1");
    reply.expect(200);
    two.second
        .watch(&format!("{ROUTERS}?watch=true"), Some(&at))
        .await;
}

#[tokio::test(start_paused = true)]
async fn revisions_of_others_on_the_store_hold_nobody_up() {
    let two = Two::new().await;
    two.first.gobgp(1).await;
    // It touches none of our keys, so no watch tells of it.
    for _ in 0..5 {
        commit(&*two.store, Vec::new()).await;
    }
    // A server that starts now has seen that revision all the same.
    let third = server(Arc::clone(&two.store) as _, 20_000).await;
    let at = revision(&third.get(ROUTERS).await);
    let newest: u64 = at.parse().expect("a number");
    assert!(two.first.catalog.revision().0 < newest);
    let path = format!("{ROUTERS}?min_revision={at}");
    let reads = (0..4).map(|_| two.first.get(&path));
    for reply in futures::future::join_all(reads).await {
        reply.expect(200);
    }
    let wrote = two.store.list("/").await.expect("a store").revision.0;
    assert_eq!(wrote, newest + 1, "one write for all of them");
}

#[tokio::test]
async fn what_is_no_revision_is_refused() {
    let two = Two::new().await;
    let id = two.first.gobgp(1).await;
    let paths = [
        ROUTERS.to_owned(),
        format!("{ROUTERS}/{id}"),
        "/sdwan/v1/holds".into(),
    ];
    for path in &paths {
        for text in [
            "",
            "x",
            "-1",
            "+1",
            "01",
            "0-1",
            "1-",
            "1.0",
            "99999999999999999999",
        ] {
            let reply = two.first.get(&format!("{path}?min_revision={text}")).await;
            let told = reply.expect(400)["detail"].to_string();
            assert!(told.contains("min_revision"), "{told}");
        }
        let both = format!("{path}?min_revision=1&min_revision=2");
        two.first.get(&both).await.expect(400);
        let ahead = two.first.get(&format!("{path}?min_revision=99999")).await;
        assert!(ahead.expect(410)["detail"].to_string().contains("future"));
    }
    let reply = two
        .first
        .post(&format!("{ROUTERS}?min_revision=1"), gobgp(2))
        .await;
    reply.expect(400);
}

#[tokio::test]
async fn after_a_restore_revisions_carry_the_epoch_and_those_of_before_are_refused() {
    let Two {
        first: app, second, ..
    } = Two::on(restored(2).await).await;
    let created = app.post(ROUTERS, gobgp(1)).await;
    let at = revision(&created);
    let id = created.expect(201)["router"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("{ROUTERS}/{id}");
    let changes = json!({ "changes": [] });
    for reply in [
        app.get(ROUTERS).await,
        app.get(&format!("{ROUTERS}?sort_key=host_name")).await,
        app.get(&path).await,
        app.get("/sdwan/v1/holds").await,
        app.patch(&path, json!({ "local_as": 65009 })).await,
        app.post("/sdwan/v1/transaction", changes).await,
        app.delete("/sdwan/v1/holds/all").await,
        app.delete(&format!("{path}?dry_run=true")).await,
    ] {
        let at = revision(&reply);
        assert!(at.starts_with("2-"), "{at:?}: {}", reply.text);
    }
    second
        .get(&format!("{path}?min_revision={at}"))
        .await
        .expect(200);
    // A number alone is of the first epoch, however small.
    for old in ["1", "1-1", "3-1"] {
        for path in [ROUTERS, &path, "/sdwan/v1/holds"] {
            let reply = app.get(&format!("{path}?min_revision={old}")).await;
            let told = reply.expect(410)["detail"].to_string();
            assert!(told.contains("restored") && told.contains("2-"), "{told}");
        }
        let told = resume(&app, old).await.expect(410)["detail"].to_string();
        assert!(told.contains("restored"), "{told}");
    }
    let watch = format!("{ROUTERS}?watch=true");
    let mut events = app.watch(&watch, Some(&at)).await;
    let changed = events.next().await.expect("an event");
    assert_eq!(changed.data["router"]["local_as"], 65009);
    let at = changed.id.expect("an id");
    assert!(at.starts_with("2-"), "{at}");
    let (_, listed) = app.watch(&watch, None).await.listed().await;
    assert!(listed.starts_with("2-"), "{listed}");
}

#[tokio::test]
async fn a_watch_ends_where_the_store_is_restored_under_it() {
    let two = Two::new().await;
    let mut events = two
        .first
        .watch(&format!("{ROUTERS}?watch=true"), None)
        .await;
    events.listed().await;
    commit(&*two.store, vec![Op::put("/meta/epoch", "1")]).await;
    two.first.gobgp(1).await;
    let end = events.next().await.expect("an event");
    assert_eq!(end.event, "error");
    assert!(
        end.data["detail"].to_string().contains("restored"),
        "{:?}",
        end.data
    );
    assert_eq!(events.next().await, None);
}
