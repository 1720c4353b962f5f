//! `?watch=true`.

use crate::harness::{NEIGHBORS, NEVER, ROUTERS, Setup, app, app_with, gobgp, request};
use crate::own_kinds::SITES;
use axum::body::Body;
use http::Method;
use sdwan_server::limits::Limits;
use sdwan_store::Store;
use sdwan_store::memory::Memory;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const WATCH: &str = "/v2.0/routers?watch=true";

#[tokio::test]
async fn a_watch_starts_with_every_row_and_goes_on_with_every_change() {
    let app = app().await;
    let first = app.gobgp(1).await;
    let mut events = app.watch(WATCH, None).await;
    let (listed, _) = events.listed().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].event, "put");
    let shown = app.get(&format!("{ROUTERS}/{first}")).await.expect(200);
    assert_eq!(listed[0].data, shown);

    let second = app.gobgp(2).await;
    let put = events.next().await.expect("an event");
    assert_eq!(
        (put.event.as_str(), &put.data["router"]["id"]),
        ("put", &json!(second))
    );
    assert!(put.id.is_some());

    app.patch(&format!("{ROUTERS}/{second}"), json!({ "host_name": "x" }))
        .await
        .expect(200);
    let put = events.next().await.expect("an event");
    assert_eq!(put.data["router"]["host_name"], "x");

    app.delete(&format!("{ROUTERS}/{second}?force=true"))
        .await
        .expect(204);
    let delete = events.next().await.expect("an event");
    assert_eq!(delete.event, "delete");
    assert_eq!(delete.data, json!({ "router": { "id": second } }));
}

#[tokio::test]
async fn a_watch_resumes_after_the_last_event_id() {
    let app = app().await;
    app.gobgp(1).await;
    let (_, id) = app.watch(WATCH, None).await.listed().await;
    let second = app.gobgp(2).await;
    let third = app.gobgp(3).await;
    let mut events = app.watch(WATCH, Some(&id)).await;
    let missed = events.next().await.expect("an event");
    assert_eq!(missed.data["router"]["id"], second.as_str());
    let next = events.next().await.expect("an event");
    assert_eq!(next.data["router"]["id"], third.as_str());
    let at = missed.id.expect("an id");
    let mut again = app.watch(WATCH, Some(&at)).await;
    let next = again.next().await.expect("an event");
    assert_eq!(next.data["router"]["id"], third.as_str());
}

#[tokio::test]
async fn only_the_last_event_of_a_revision_moves_the_reader_on() {
    let app = app().await;
    let router = app.gobgp(1).await;
    for n in 1..=3 {
        app.neighbor(&format!("192.168.0.{n}")).await;
    }
    let path = format!("{NEIGHBORS}?watch=true");
    let mut events = app.watch(&path, None).await;
    let (listed, _) = events.listed().await;
    assert!(listed.iter().all(|e| e.id.is_none()));
    app.delete(&format!("{ROUTERS}/{router}?cascade=true"))
        .await
        .expect(204);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.expect("an event");
        assert_eq!(event.data["neighbor"]["status"], "PENDING_DELETE");
        ids.push(event.id.is_some());
    }
    assert_eq!(ids, [false, false, true]);
}

#[tokio::test]
async fn a_row_that_leaves_the_filter_is_told_as_gone() {
    let app = app_with(SITES).await;
    let path = "/v2.0/sites?watch=true&shared=true&_fields=id&_fields=floor";
    app.post(
        "/v2.0/sites",
        json!({ "id": "a", "name": "a", "shared": true }),
    )
    .await
    .expect(201);
    app.post("/v2.0/sites", json!({ "id": "b", "name": "b" }))
        .await
        .expect(201);
    let mut events = app.watch(path, None).await;
    let (listed, id) = events.listed().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].data,
        json!({ "site": { "id": "a", "floor": null } })
    );
    app.patch("/v2.0/sites/b", json!({ "floor": 1 }))
        .await
        .expect(200);
    app.patch("/v2.0/sites/b", json!({ "shared": true }))
        .await
        .expect(200);
    app.patch("/v2.0/sites/a", json!({ "shared": false }))
        .await
        .expect(200);
    let put = events.next().await.expect("an event");
    assert_eq!(put.data, json!({ "site": { "id": "b", "floor": 1 } }));
    let gone = events.next().await.expect("an event");
    assert_eq!(
        (gone.event.as_str(), &gone.data["site"]["id"]),
        ("delete", &json!("a"))
    );
    // Who resumes may have any of them: better told too often.
    let mut events = app.watch(path, Some(&id)).await;
    let first = events.next().await.expect("an event");
    assert_eq!(
        (first.event.as_str(), &first.data["site"]["id"]),
        ("delete", &json!("b"))
    );
}

#[tokio::test]
async fn below_a_parent_only_its_children_are_told() {
    let app = app_with(SITES).await;
    for id in ["tokyo", "osaka"] {
        app.post("/v2.0/sites", json!({ "id": id, "name": id }))
            .await
            .expect(201);
    }
    let mut events = app.watch("/v2.0/sites/tokyo/racks?watch=true", None).await;
    events.listed().await;
    app.post("/v2.0/sites/osaka/racks", json!({ "name": "o" }))
        .await
        .expect(201);
    app.post("/v2.0/sites/tokyo/racks", json!({ "name": "t" }))
        .await
        .expect(201);
    let put = events.next().await.expect("an event");
    assert_eq!(put.data["rack"]["name"], "t");
}

#[tokio::test]
async fn what_is_no_longer_kept_is_410_with_what_to_do() {
    let store = Arc::new(Memory::new());
    let setup = || Setup {
        store: Some(Arc::clone(&store) as Arc<dyn Store>),
        ..Setup::default()
    };
    let before = setup().start().await;
    let (_, start) = before.watch(WATCH, None).await.listed().await;
    before.gobgp(1).await;
    // A new server knows what is, not what was.
    let app = setup().start().await;
    let mut request = request(Method::GET, WATCH, Body::empty());
    request
        .headers_mut()
        .insert("last-event-id", start.parse().expect("a value"));
    let told = app.send(request).await.expect(410);
    insta::assert_json_snapshot!("compacted", told);
}

#[tokio::test]
async fn nonsense_to_resume_from_is_refused() {
    let app = app().await;
    for (id, status) in [("x", 400), ("-1", 400), ("99999", 410)] {
        let mut request = request(Method::GET, WATCH, Body::empty());
        request
            .headers_mut()
            .insert("last-event-id", id.parse().expect("a value"));
        assert_eq!(app.send(request).await.status, status, "{id}");
    }
    for query in ["limit=1", "offset=1", "sort_key=id"] {
        app.get(&format!("{WATCH}&{query}")).await.expect(400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_still_says_how_far_it_is() {
    let app = app().await;
    app.gobgp(1).await;
    let mut events = app.watch(&format!("{NEIGHBORS}?watch=true"), None).await;
    let (listed, start) = events.listed().await;
    assert!(listed.is_empty());
    app.post(ROUTERS, gobgp(2)).await.expect(201);
    // The first may come before the watch has seen the other kind's change.
    let mut at = start.clone();
    while at == start {
        let bookmark = events.next().await.expect("an event");
        assert_eq!(bookmark.event, "bookmark");
        at = bookmark.id.expect("an id");
    }
}

#[tokio::test]
async fn the_servers_end_ends_the_watch() {
    let app = Setup {
        limits: Limits {
            request: Duration::from_secs(30),
            heartbeat: NEVER,
            ..Limits::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    let mut events = app.watch(WATCH, None).await;
    events.listed().await;
    app.shutdown.cancel();
    assert_eq!(events.next().await, None);
    app.get("/readyz").await.expect(503);
    app.get("/healthz").await.expect(200);
}
