//! What routers' agents report: what is refused, what becomes of the rest, and
//! what is said of an agent that reports no more.

use crate::harness::{App, ROUTERS, SILENCE, app, request};
use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const FIB: &str = "/sdwan/v1/routers/GoBGP-1/fib";

/// A server with GoBGP-1, which has an agent, and its id.
async fn with_agent() -> (App, String) {
    let app = app().await;
    let id = app.gobgp(1).await;
    app.patch(&format!("{ROUTERS}/{id}"), json!({ "fib": "agent" }))
        .await
        .expect(200);
    (app, id)
}

fn report(in_step: bool, unresolved: u64) -> Value {
    json!({
        "gobgpd_version": "4.8.0",
        "in_step": in_step,
        "wanted": 10 + unresolved,
        "installed": 10,
        "unresolved": unresolved,
        "since": "2026-01-01T09:00:00Z",
        "reasons": [],
    })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

/// What the router's row shows of its FIB.
async fn shown(app: &App) -> [Value; 5] {
    let list = app.get(ROUTERS).await.expect(200);
    let row = &list["routers"][0];
    [
        "fib_state",
        "fib_unresolved",
        "fib_reason",
        "fib_since",
        "gobgpd_version",
    ]
    .map(|name| row[name].clone())
}

fn nothing() -> [Value; 5] {
    [const { Value::Null }; 5]
}

#[tokio::test]
async fn a_report_is_seen_beside_its_router() {
    let (app, id) = with_agent().await;
    let mut unheard = nothing();
    unheard[0] = "no report yet".into();
    assert_eq!(shown(&app).await, unheard);

    app.put(FIB, report(true, 0)).await.expect(204);
    let since = json!("2026-01-01T09:00:00Z");
    let version = json!("4.8.0");
    let in_step = [
        json!("in step"),
        json!(0),
        Value::Null,
        since.clone(),
        version.clone(),
    ];
    assert_eq!(shown(&app).await, in_step);

    let reasons = json!([
        { "reason": "192.0.2.9: no route leads there", "routes": 2 },
        { "reason": "192.0.2.8: eth1 is down", "routes": 1 },
    ]);
    let later = with(
        with(report(true, 3), "reasons", reasons),
        "since",
        json!("2026-01-01T10:00:00Z"),
    );
    app.put(&format!("/sdwan/v1/routers/{id}/fib"), later)
        .await
        .expect(204);
    let why = "192.0.2.9: no route leads there (2 routes); 192.0.2.8: eth1 is down (1 route)";
    let since = json!("2026-01-01T10:00:00Z");
    let unresolved = [
        json!("3 unresolved"),
        json!(3),
        json!(why),
        since,
        version.clone(),
    ];
    assert_eq!(shown(&app).await, unresolved);

    let row = app.get(&format!("{ROUTERS}/{id}")).await.expect(200);
    assert_eq!(row["router"]["fib_state"], "3 unresolved");
    let reply = app
        .get(&format!("{ROUTERS}?fib_state=3 unresolved&_fields=host_name").replace(' ', "%20"))
        .await;
    assert_eq!(
        reply.expect(200)["routers"],
        json!([{ "host_name": "GoBGP-1" }])
    );
    let text = app.get("/metrics").await.text;
    for line in [
        "sdwan_fib_in_step{router=\"GoBGP-1\"} 1",
        "sdwan_fib_unresolved{router=\"GoBGP-1\"} 3",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }

    app.put(FIB, report(false, 0)).await.expect(204);
    assert_eq!(shown(&app).await[0], "out of step");
    assert!(
        app.get("/metrics")
            .await
            .text
            .contains("sdwan_fib_in_step{router=\"GoBGP-1\"} 0")
    );
    let unknown = with(report(true, 0), "gobgpd_version", Value::Null);
    app.put(FIB, unknown).await.expect(204);
    assert_eq!(shown(&app).await[4], Value::Null);
}

#[tokio::test]
async fn a_report_that_says_nothing_new_writes_nothing_and_no_report_bumps_a_version() {
    let (app, id) = with_agent().await;
    let url = format!("{ROUTERS}/{id}");
    let etag = app.get(&url).await.header("etag").to_owned();
    app.put(FIB, report(true, 0)).await.expect(204);
    let revision = app.catalog.revision();
    for (name, value) in [
        ("wanted", json!(999)),
        ("installed", json!(999)),
        ("since", json!("2026-01-01T11:00:00Z")),
    ] {
        app.put(FIB, with(report(true, 0), name, value))
            .await
            .expect(204);
    }
    assert_eq!(app.catalog.revision(), revision);
    assert_eq!(app.get(&url).await.header("etag"), etag);
}

#[tokio::test]
async fn a_report_that_makes_no_sense_is_refused_whole() {
    let (app, _) = with_agent().await;
    let wrong = json!({
        "in_step": "yes", "wanted": -1, "installed": 0.5, "unresolved": 1u64 << 32,
        "since": "yesterday", "gobgpd_version": "4", "colour": "red",
        "reasons": [{ "reason": "", "routes": 1 }, { "routes": null, "why": 1 }, 7],
    });
    app.put(FIB, wrong).await.expect_violations(
        400,
        &[
            "/colour",
            "/gobgpd_version",
            "/in_step",
            "/installed",
            "/reasons/0/reason",
            "/reasons/1/reason",
            "/reasons/1/routes",
            "/reasons/1/why",
            "/reasons/2",
            "/since",
            "/unresolved",
            "/wanted",
        ],
    );
    app.put(FIB, json!({})).await.expect_violations(
        400,
        &[
            "/in_step",
            "/installed",
            "/reasons",
            "/since",
            "/unresolved",
            "/wanted",
        ],
    );
    app.put(FIB, json!([])).await.expect_violations(400, &[""]);
    let reason = json!({ "reason": "x", "routes": 1 });
    for (pointer, name, value) in [
        ("/reasons", "reasons", json!(vec![reason; 33])),
        (
            "/reasons/0/reason",
            "reasons",
            json!([{ "reason": "x".repeat(513), "routes": 1 }]),
        ),
        (
            "/reasons/0/reason",
            "reasons",
            json!([{ "reason": "a\nb", "routes": 1 }]),
        ),
        ("/gobgpd_version", "gobgpd_version", json!("4.8.<b>")),
        (
            "/gobgpd_version",
            "gobgpd_version",
            json!(format!("4.8.{}", "0".repeat(64))),
        ),
        ("/since", "since", json!("2026-01-01T09:00:00")),
    ] {
        let body = with(report(true, 0), name, value);
        app.put(FIB, body).await.expect_violations(400, &[pointer]);
    }
    app.send(request(Method::PUT, FIB, Body::empty()))
        .await
        .expect(400);
    app.put(&format!("{FIB}?x=1"), report(true, 0))
        .await
        .expect(400);
    app.get(FIB).await.expect(405);
    assert_eq!(shown(&app).await[0], "no report yet");
}

#[tokio::test]
async fn a_report_on_a_router_without_an_agent_is_refused_and_says_what_to_do() {
    let app = app().await;
    let id = app.gobgp(1).await;
    for fib in [Value::Null, json!("none")] {
        app.patch(&format!("{ROUTERS}/{id}"), json!({ "fib": fib }))
            .await
            .expect(200);
        let refused = app.put(FIB, report(true, 0)).await.expect(409);
        let detail = refused["detail"].as_str().expect("text");
        assert!(
            detail.contains("gohan client router set --fib agent GoBGP-1"),
            "{detail}"
        );
        assert_eq!(shown(&app).await, nothing());
    }
    app.put("/sdwan/v1/routers/GoBGP-9/fib", report(true, 0))
        .await
        .expect(404);
    assert!(
        !app.get("/metrics")
            .await
            .text
            .contains("sdwan_fib_in_step{")
    );
}

/// Lets the agents' watch have its look after this much time.
async fn pass(time: Duration) {
    // In small steps, so that its timer fires as it would.
    for _ in 0..100 {
        tokio::time::advance(time / 100).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_reports_no_more_is_silent_after_a_while() {
    let (app, id) = with_agent().await;
    let watching = tokio::spawn(Arc::clone(&app.agents).run(app.shutdown.clone()));
    pass(SILENCE / 3).await;
    app.put(FIB, report(true, 1)).await.expect(204);
    let heard = app.catalog.revision();
    // A heartbeat is a report that says nothing new.
    pass(SILENCE * 2 / 3).await;
    app.put(FIB, report(true, 1)).await.expect(204);
    pass(SILENCE * 2 / 3).await;
    assert_eq!(shown(&app).await[0], "1 unresolved");
    assert_eq!(app.catalog.revision(), heard);

    pass(SILENCE / 2).await;
    let mut silent = nothing();
    silent[0] = "no report since 1970-01-01T00:00:00Z".into();
    silent[3] = "1970-01-01T00:00:00Z".into();
    assert_eq!(shown(&app).await, silent);
    let text = app.get("/metrics").await.text;
    assert!(
        text.contains("sdwan_fib_in_step{router=\"GoBGP-1\"} 0"),
        "{text}"
    );
    assert!(!text.contains("sdwan_fib_unresolved{"), "{text}");
    let told = app.catalog.revision();
    pass(SILENCE * 2).await;
    assert_eq!(app.catalog.revision(), told, "silence is told once");

    app.put(FIB, report(true, 1)).await.expect(204);
    assert_eq!(shown(&app).await[0], "1 unresolved");

    // Where no agent is to report, what one said is not kept.
    for fib in ["none", "agent"] {
        app.patch(&format!("{ROUTERS}/{id}"), json!({ "fib": fib }))
            .await
            .expect(200);
        pass(SILENCE / 6).await;
    }
    assert_eq!(shown(&app).await[0], "no report yet");
    pass(SILENCE).await;
    assert_eq!(shown(&app).await[0], "no report since 1970-01-01T00:00:00Z");
    app.shutdown.cancel();
    watching.await.expect("it ends");
}

/// What an earlier server was told is worth as much as its age.
#[tokio::test(start_paused = true)]
async fn a_new_server_waits_as_long_for_the_first_report() {
    use crate::harness::Setup;
    let store: Arc<dyn sdwan_store::Store> = Arc::new(sdwan_store::memory::Memory::new());
    let setup = |ids| Setup {
        store: Some(Arc::clone(&store)),
        ids,
        ..Setup::default()
    };
    let before = setup(0).start().await;
    let id = before.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}");
    before
        .patch(&url, json!({ "fib": "agent" }))
        .await
        .expect(200);
    before.put(FIB, report(true, 0)).await.expect(204);

    let app = setup(100).start().await;
    let watching = tokio::spawn(Arc::clone(&app.agents).run(app.shutdown.clone()));
    pass(SILENCE * 9 / 10).await;
    assert_eq!(shown(&app).await[0], "in step");
    pass(SILENCE / 5).await;
    assert_eq!(shown(&app).await[0], "no report since 1970-01-01T00:00:00Z");
    app.shutdown.cancel();
    watching.await.expect("it ends");
}

/// Of several servers the one that hears an agent knows when it falls silent;
/// once that server is gone, the one that looks after the router does.
#[tokio::test(start_paused = true)]
async fn an_agent_that_another_server_hears_is_not_silent() {
    use crate::harness::{Setup, commit};
    use sdwan_store::Op;
    let store = Arc::new(sdwan_store::memory::Memory::new());
    let app = Setup {
        store: Some(store.clone()),
        shared: true,
        ..Setup::default()
    };
    let app = app.start().await;
    let id = app.gobgp(1).await;
    app.patch(&format!("{ROUTERS}/{id}"), json!({ "fib": "agent" }))
        .await
        .expect(200);
    app.put(FIB, report(true, 0)).await.expect(204);
    let member = json!({
        "role": "all", "version": "1", "format": 2, "address": "", "since": "", "lease": 7,
    });
    let claim = json!({ "member": "test-0", "lease": 7 });
    let seen = json!({
        "version": 2,
        "fib": { "state": "in-step", "since": "2026-01-01T09:00:00Z" },
        "hearer": "other",
    });
    let then = vec![
        Op::put("/cluster/members/other", member.to_string()),
        Op::put(format!("/cluster/claims/{id}"), claim.to_string()),
        Op::put(format!("/monitoring/v2.0/routers/{id}"), seen.to_string()),
    ];
    commit(&*store, then).await;
    let watching = tokio::spawn(Arc::clone(&app.agents).run(app.shutdown.clone()));
    pass(SILENCE * 3).await;
    assert_eq!(shown(&app).await[0], "in step");
    commit(&*store, vec![Op::delete("/cluster/members/other")]).await;
    pass(SILENCE / 2).await;
    assert_eq!(shown(&app).await[0], "in step", "it may come here now");
    pass(SILENCE).await;
    assert_eq!(shown(&app).await[0], "no report since 1970-01-01T00:00:00Z");
    // It comes here: this is its server from now on.
    app.put(FIB, report(true, 0)).await.expect(204);
    let member = Op::put("/cluster/members/test-0", member.to_string());
    commit(
        &*store,
        vec![member, Op::delete(format!("/cluster/claims/{id}"))],
    )
    .await;
    pass(SILENCE / 2).await;
    assert_eq!(shown(&app).await[0], "in step");
    pass(SILENCE).await;
    assert_eq!(shown(&app).await[0], "no report since 1970-01-01T00:00:00Z");
    app.shutdown.cancel();
    watching.await.expect("it ends");
}

#[tokio::test]
async fn what_the_agent_found_counts_more_than_what_was_declared() {
    let (app, id) = with_agent().await;
    let version = || {
        app.catalog
            .router_view(&id)
            .expect("a router")
            .gobgp_version
    };
    assert_eq!(version(), None);
    app.patch(
        &format!("{ROUTERS}/{id}"),
        json!({ "gobgp_version": "4.5" }),
    )
    .await
    .expect(200);
    assert_eq!(version().as_deref(), Some("4.5"));
    app.put(FIB, report(true, 0)).await.expect(204);
    assert_eq!(version().as_deref(), Some("4.8.0"));
    app.patch(&format!("{ROUTERS}/{id}"), json!({ "fib": "none" }))
        .await
        .expect(200);
    assert_eq!(version().as_deref(), Some("4.5"));
}

#[tokio::test]
async fn a_watch_tells_of_a_report_and_a_router_takes_its_own_with_it() {
    let (app, id) = with_agent().await;
    let mut watch = app
        .watch(&format!("{ROUTERS}?watch=true&_fields=fib_state"), None)
        .await;
    watch.listed().await;
    app.put(FIB, report(true, 2)).await.expect(204);
    let event = watch.next().await.expect("an event");
    assert_eq!(
        event.data,
        json!({ "router": { "fib_state": "2 unresolved" } })
    );
    app.delete(&format!("{ROUTERS}/{id}?force=true"))
        .await
        .expect(204);
    app.put(FIB, report(true, 0)).await.expect(404);
    app.gobgp(1).await;
    assert_eq!(shown(&app).await, nothing());
}
