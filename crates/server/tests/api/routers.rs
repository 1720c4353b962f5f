//! What is asked of a router: its plan, its table, its numbers, its hold.

use crate::harness::{NEIGHBORS, ROUTERS, app, request};
use axum::body::Body;
use http::Method;
use sdwan_model::plan::{Disturbance, Op, Plan, Stage, Step, Verdict};
use sdwan_model::resource::ResourceRef;
use sdwan_model::status::Monitoring;
use sdwan_server::catalog::Observation;
use sdwan_server::speaker::{Counters, Route};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn plan() -> Plan {
    let neighbor = ResourceRef::new("neighbor", "n1");
    Plan {
        steps: vec![Step {
            stage: Stage::DeletePeers,
            op: Op::DeletePeer("192.168.0.1".parse().expect("an address")),
            disturbance: Disturbance::SessionReset,
            why: "no longer declared".into(),
            resources: vec![neighbor.clone()],
            settles: Vec::new(),
        }],
        verdicts: [(
            neighbor,
            Verdict::Waiting {
                version: 2,
                reason: "its router is on hold".into(),
            },
        )]
        .into(),
        notes: vec!["peer 10.0.0.9 is not ours".into()],
        ..Plan::default()
    }
}

#[tokio::test]
async fn a_plan_is_data_and_text_by_id_or_host_name() {
    let app = app().await;
    let id = app.gobgp(1).await;
    *app.live.plan.lock().expect("whole") = Some(plan());
    let by_name = app.get("/v2.0/routers/GoBGP-1/plan").await.expect(200);
    insta::assert_json_snapshot!("plan", by_name);
    assert_eq!(
        app.get(&format!("{ROUTERS}/{id}/plan")).await.expect(200),
        by_name
    );
    app.get("/v2.0/routers/absent/plan").await.expect(404);
    app.get("/v2.0/routers/GoBGP-1/plan?x=1").await.expect(400);
}

#[tokio::test]
async fn a_router_that_is_not_connected_is_503() {
    let app = app().await;
    app.gobgp(1).await;
    let reply = app.get("/v2.0/routers/GoBGP-1/plan").await;
    assert_eq!(reply.header("retry-after"), "1");
    let told = reply.expect(503);
    assert!(
        told["error"]
            .as_str()
            .is_some_and(|e| e.contains("not connected")),
        "{told}"
    );
}

fn route(prefix: &str, next_hop: Option<&str>, best: bool) -> Route {
    Route {
        prefix: prefix.into(),
        next_hop: next_hop.map(|n| n.parse().expect("an address")),
        as_path: "65000".into(),
        age: if best { 43 } else { 90_061 },
        best,
        valid: true,
        stale: false,
        attributes: vec!["{Origin: i}".into(), "{LocalPref: 100}".into()],
    }
}

#[tokio::test]
async fn a_table_is_data_and_gobgps_text() {
    let app = app().await;
    app.gobgp(1).await;
    *app.live.routes.lock().expect("whole") = vec![
        route("0.0.0.0/0", Some("192.168.0.1"), true),
        route("0.0.0.0/0", Some("192.168.1.1"), false),
        route("2001:db8:1111:2222:3333::/80", None, true),
    ];
    let body = app.get("/v2.0/routers/GoBGP-1/rib").await.expect(200);
    insta::assert_snapshot!("rib_text", body["text"].as_str().expect("a text"));
    assert_eq!(body["routes"][0]["next_hop"], "192.168.0.1");
    assert_eq!(body["routes"][2]["next_hop"], Value::Null);
    assert_eq!(*app.live.prefix.lock().expect("whole"), None);
}

#[tokio::test]
async fn a_table_can_be_asked_for_a_prefix() {
    let app = app().await;
    app.gobgp(1).await;
    for (asked, canonical) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ] {
        let path = format!("/v2.0/routers/GoBGP-1/rib?prefix={asked}");
        app.get(&path).await.expect(200);
        assert_eq!(
            app.live.prefix.lock().expect("whole").as_deref(),
            Some(canonical)
        );
    }
    for wrong in ["", "x", "10.0.0.0/33", "010.0.0.0/8", "$(id)"] {
        app.get(&format!("/v2.0/routers/GoBGP-1/rib?prefix={wrong}"))
            .await
            .expect(400);
    }
}

fn counters() -> Counters {
    Counters {
        neighbor: "192.168.0.1".parse().expect("an address"),
        uptime: Some(61),
        flaps: 4,
        received: 10,
        accepted: 9,
        advertised: 8,
    }
}

#[tokio::test]
async fn falls_that_were_seen_count_more_than_gobgpds_own_number() {
    let app = app().await;
    let router = app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let neighbor = ResourceRef::new("neighbor", &id);
    for monitoring in ["UP", "DOWN"] {
        let seen = Monitoring {
            version: 1,
            monitoring: monitoring.into(),
            ..Monitoring::default()
        };
        let observation = Observation {
            router: router.clone(),
            reachability: None,
            sessions: [(neighbor.clone(), seen)].into(),
        };
        app.catalog
            .observe(observation)
            .await
            .expect("it is stored");
    }
    // A gobgpd that was restarted since, or 3.10, which has no such number.
    let forgotten = Counters {
        flaps: 0,
        ..counters()
    };
    *app.live.counters.lock().expect("whole") = vec![forgotten];
    let shown = app.get(&format!("{NEIGHBORS}/{id}")).await.expect(200);
    assert_eq!(shown["neighbor"]["flaps"], 1);
}

#[tokio::test(start_paused = true)]
async fn live_numbers_are_read_for_one_neighbor_or_on_request() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    app.neighbor("192.168.0.2").await;
    *app.live.counters.lock().expect("whole") = vec![counters()];

    let list = app.get(NEIGHBORS).await.expect(200);
    assert_eq!(list["neighbors"][0]["uptime"], Value::Null);
    assert_eq!(app.live.asked.load(Ordering::Relaxed), 0);

    let shown = app.get(&format!("{NEIGHBORS}/{id}")).await.expect(200);
    let shown = &shown["neighbor"];
    let numbers = [
        &shown["uptime"],
        &shown["flaps"],
        &shown["prefixes_received"],
        &shown["prefixes_accepted"],
        &shown["prefixes_advertised"],
    ];
    assert_eq!(numbers, [61, 4, 10, 9, 8]);

    let path = format!("{NEIGHBORS}?_fields=uptime&_fields=neighbor_addr");
    let list = app.get(&path).await.expect(200);
    let wanted = json!([
        { "neighbor_addr": "192.168.0.1", "uptime": 61 },
        { "neighbor_addr": "192.168.0.2", "uptime": null },
    ]);
    assert_eq!(list["neighbors"], wanted);
    // The router was asked once for both: what it said is good for a second.
    assert_eq!(app.live.asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    app.get(&path).await.expect(200);
    assert_eq!(app.live.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_does_not_answer_leaves_the_numbers_null() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    *app.live.stuck.lock().expect("whole") = true;
    let shown = app.get(&format!("{NEIGHBORS}/{id}")).await.expect(200);
    assert_eq!(shown["neighbor"]["uptime"], Value::Null);
    app.get("/metrics").await;
}

#[tokio::test]
async fn routers_are_held_and_resumed_one_or_all() {
    let app = app().await;
    let id = app.gobgp(1).await;
    let holds = "/sdwan/v1/holds";
    assert_eq!(app.get(holds).await.expect(200), json!({ "holds": [] }));
    app.put(&format!("{holds}/GoBGP-1"), json!({ "why": "line work" }))
        .await
        .expect(204);
    app.put(&format!("{holds}/all"), json!({}))
        .await
        .expect(204);
    let listed = app.get(holds).await.expect(200);
    insta::assert_json_snapshot!("holds", listed);

    *app.live.plan.lock().expect("whole") = Some(Plan::default());
    let plan = app.get(&format!("{ROUTERS}/{id}/plan")).await.expect(200);
    assert_eq!(plan["hold"], true);
    insta::assert_snapshot!("held_plan", plan["text"].as_str().expect("a text"));

    for one in [id.as_str(), "all"] {
        app.delete(&format!("{holds}/{one}")).await.expect(204);
        app.delete(&format!("{holds}/{one}")).await.expect(204);
    }
    assert_eq!(app.get(holds).await.expect(200), json!({ "holds": [] }));
    app.put(&format!("{holds}/absent"), json!({}))
        .await
        .expect(404);
    app.delete(&format!("{holds}/absent")).await.expect(404);
    app.put(&format!("{holds}/all"), json!({ "why": 5 }))
        .await
        .expect_violations(400, &["/why"]);
    app.put(&format!("{holds}/all"), json!({ "wy": "x" }))
        .await
        .expect_violations(400, &["/wy"]);
    app.put(&format!("{holds}/all"), json!("x"))
        .await
        .expect_violations(400, &[""]);
    let empty = request(Method::PUT, &format!("{holds}/all"), Body::empty());
    app.send(empty).await.expect(400);
}
