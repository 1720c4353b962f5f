//! Whatever is wrong with a request: every violation at once, each with its
//! JSON pointer, and nothing stored.

use crate::harness::{App, NEIGHBORS, POLICIES, ROUTERS, Setup, app, gobgp, neighbor, request};
use crate::who::caller;
use axum::body::Body;
use http::Method;
use sdwan_store::Store;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;

fn with(mut body: Value, changes: Value) -> Value {
    let object = body.as_object_mut().expect("an object");
    for (key, value) in changes.as_object().expect("an object") {
        object.insert(key.clone(), value.clone());
    }
    body
}

fn policy(changes: Value) -> Value {
    let body = json!({
        "host_name": "GoBGP-1",
        "policy_name": "policy1",
        "statement_name": "statement1",
        "statement_action": "next-hop self",
        "route_disposition": "accept",
        "apply_direction": "export",
        "apply_neighbor": "172.16.0.2",
    });
    with(body, changes)
}

/// Refused with these pointers, and not stored.
async fn refused(app: &App, path: &str, body: Value, status: u16, pointers: &[&str]) -> Value {
    let before = app.count(path).await;
    let told = app
        .post(path, body)
        .await
        .expect_violations(status, pointers);
    assert_eq!(app.count(path).await, before, "something was stored");
    assert_eq!(told["status"], status);
    assert_eq!(told["error"], told["detail"]);
    told
}

#[tokio::test]
async fn wrong_types_and_unknown_properties_are_told_at_once() {
    let app = app().await;
    let body = json!({
        "host_name": ["x"], "mgmt_addr": 1, "router_id": null, "local_as": "65001",
        "colour": "red", "id": {}, "status": "ACTIVE",
    });
    let pointers = [
        "/host_name",
        "/mgmt_addr",
        "/router_id",
        "/local_as",
        "/colour",
        "/id",
        "/status",
    ];
    let told = refused(&app, ROUTERS, body, 400, &pointers).await;
    insta::assert_json_snapshot!("wrong_types", told);
}

#[tokio::test]
async fn missing_properties_are_told_at_once() {
    let app = app().await;
    let wanted = ["/host_name", "/mgmt_addr", "/router_id", "/local_as"];
    refused(&app, ROUTERS, json!({}), 400, &wanted).await;
}

#[tokio::test]
async fn addresses_with_leading_zeros_or_host_bits_are_refused() {
    let app = app().await;
    app.gobgp(1).await;
    for address in [
        "192.168.000.1",
        "010.0.0.1",
        "192.168.0.1/24",
        "192.168.0",
        "::g",
        " 10.0.0.1",
        "",
    ] {
        refused(&app, NEIGHBORS, neighbor(address), 400, &["/neighbor_addr"]).await;
    }
    let body = with(
        gobgp(2),
        json!({ "router_id": "10.0.01.2", "mgmt_addr": "192.168.200.010" }),
    );
    refused(&app, ROUTERS, body, 400, &["/mgmt_addr", "/router_id"]).await;
}

#[tokio::test]
async fn as_numbers_are_1_to_4294967295() {
    let app = app().await;
    app.gobgp(1).await;
    for asn in [
        json!(0),
        json!(-1),
        json!(4_294_967_296_u64),
        json!(1.5),
        json!("x"),
        json!(1e300),
    ] {
        let body = with(gobgp(2), json!({ "local_as": asn }));
        refused(&app, ROUTERS, body, 400, &["/local_as"]).await;
        let body = with(neighbor("192.168.0.1"), json!({ "peer_as": asn }));
        refused(&app, NEIGHBORS, body, 400, &["/peer_as"]).await;
    }
    let body = with(gobgp(2), json!({ "local_as": 4_294_967_295_u64 }));
    app.post(ROUTERS, body).await.expect(201);
}

#[tokio::test]
async fn a_second_router_of_the_same_name_or_daemon_is_409() {
    let app = app().await;
    app.gobgp(1).await;
    let body = with(gobgp(2), json!({ "host_name": "GoBGP-1" }));
    let told = refused(&app, ROUTERS, body, 409, &["/host_name"]).await;
    insta::assert_json_snapshot!("duplicate_host_name", told);
    // The default port is the same daemon.
    let body = with(gobgp(2), json!({ "mgmt_addr": "192.168.200.103:50051" }));
    refused(&app, ROUTERS, body, 409, &["/mgmt_addr"]).await;
    refused(
        &app,
        ROUTERS,
        gobgp(1),
        409,
        &["/host_name", "/local_as", "/mgmt_addr"],
    )
    .await;
}

#[tokio::test]
async fn a_second_neighbor_at_the_same_address_is_409() {
    let app = app().await;
    app.gobgp(1).await;
    app.neighbor("2001:db8::1").await;
    let told = refused(
        &app,
        NEIGHBORS,
        neighbor("2001:DB8:0::1"),
        409,
        &["/neighbor_addr"],
    )
    .await;
    insta::assert_json_snapshot!("duplicate_neighbor", told);
}

#[tokio::test]
async fn a_neighbor_of_no_router_is_refused() {
    let app = app().await;
    let told = refused(
        &app,
        NEIGHBORS,
        neighbor("192.168.0.1"),
        400,
        &["/host_name"],
    )
    .await;
    insta::assert_json_snapshot!("neighbor_of_no_router", told);
}

#[tokio::test]
async fn a_mgmt_addr_that_is_not_the_routers_is_refused() {
    let app = app().await;
    app.gobgp(1).await;
    let body = with(
        neighbor("192.168.0.1"),
        json!({ "mgmt_addr": "192.168.200.104" }),
    );
    let told = refused(&app, NEIGHBORS, body, 400, &["/mgmt_addr"]).await;
    insta::assert_json_snapshot!("foreign_mgmt_addr", told);
    refused(
        &app,
        POLICIES,
        policy(json!({ "mgmt_addr": "192.168.200.104" })),
        400,
        &["/mgmt_addr"],
    )
    .await;
}

#[tokio::test]
async fn a_policyinfo_that_contradicts_its_sister_is_refused() {
    let app = app().await;
    app.gobgp(1).await;
    app.post(POLICIES, policy(json!({}))).await.expect(201);
    let sister = policy(json!({
        "apply_neighbor": "172.16.1.2", "statement_action": "med 10", "route_disposition": "reject",
    }));
    let before = app.count(POLICIES).await;
    let reply = app.post(POLICIES, sister).await;
    assert!(reply.status == 400 || reply.status == 409, "{}", reply.text);
    insta::assert_json_snapshot!("contradicting_sister", reply.json());
    assert_eq!(app.count(POLICIES).await, before);
    app.post(POLICIES, policy(json!({ "apply_neighbor": "172.16.1.2" })))
        .await
        .expect(201);
}

#[tokio::test]
async fn what_the_other_rows_forbid_is_told_with_what_is_wrong_in_itself() {
    let app = app().await;
    let id = app.gobgp(1).await;
    app.neighbor("192.168.0.1").await;
    app.post(POLICIES, policy(json!({}))).await.expect(201);

    let body = json!({
        "host_name": "GoBGP-9", "neighbor_addr": "192.168.0.1", "peer_as": 0, "colour": "red",
    });
    let pointers = ["/colour", "/host_name", "/peer_as"];
    let told = refused(&app, NEIGHBORS, body, 400, &pointers).await;
    insta::assert_json_snapshot!("rules_and_body", told["violations"]);
    let body = with(
        neighbor("192.168.0.1"),
        json!({ "peer_as": "x", "mgmt_addr": "192.168.200.104" }),
    );
    let pointers = ["/peer_as", "/mgmt_addr", "/neighbor_addr"];
    refused(&app, NEIGHBORS, body, 400, &pointers).await;
    let body = with(gobgp(1), json!({ "local_as": 0, "id": "r 1" }));
    let pointers = ["/id", "/local_as", "/host_name", "/mgmt_addr"];
    refused(&app, ROUTERS, body, 400, &pointers).await;
    // Nothing is said twice of one property, and nothing of what is unknown.
    let body = policy(json!({
        "apply_neighbor": "172.16.1.2", "statement_action": "nonsense",
        "route_disposition": "reject", "exist": 1,
    }));
    let pointers = ["/exist", "/route_disposition", "/statement_action"];
    refused(&app, POLICIES, body, 400, &pointers).await;
    let body = policy(json!({ "apply_direction": "both", "statement_action": "med 1" }));
    refused(&app, POLICIES, body, 400, &["/apply_direction"]).await;

    app.gobgp(2).await;
    let url = format!("{ROUTERS}/{id}");
    let wrong = json!({ "id": id, "host_name": "GoBGP-2", "local_as": 0 });
    let pointers = ["/id", "/host_name", "/local_as"];
    app.patch(&url, wrong.clone())
        .await
        .expect_violations(400, &pointers);
    let pointers = ["/id", "/host_name", "/local_as", "/mgmt_addr", "/router_id"];
    app.put(&url, wrong).await.expect_violations(400, &pointers);
}

#[tokio::test]
async fn an_action_that_gobgps_grammar_lacks_is_refused() {
    let app = app().await;
    app.gobgp(1).await;
    let told = refused(
        &app,
        POLICIES,
        policy(json!({ "statement_action": "next-hop sef" })),
        400,
        &["/statement_action"],
    )
    .await;
    insta::assert_json_snapshot!("unknown_action", told);
    for action in [
        "med",
        "med ten",
        "local-pref -1",
        "community add x",
        "; reboot",
    ] {
        let body = policy(json!({ "statement_action": action }));
        refused(&app, POLICIES, body, 400, &["/statement_action"]).await;
    }
}

#[tokio::test]
async fn shell_metacharacters_are_refused_or_plain_text() {
    let app = app().await;
    app.gobgp(1).await;
    for evil in [
        "$(reboot)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "a\nb",
        "'",
        "\"",
        "../x",
        "-rf",
    ] {
        let reply = app
            .post(ROUTERS, with(gobgp(2), json!({ "host_name": evil })))
            .await;
        reply.expect_violations(400, &["/host_name"]);
        let reply = app
            .post(POLICIES, policy(json!({ "policy_name": evil })))
            .await;
        reply.expect_violations(400, &["/policy_name"]);
    }
    let body = with(
        neighbor("192.168.0.1"),
        json!({ "description": "$(reboot) `id`; rm -rf /" }),
    );
    let created = app.post(NEIGHBORS, body).await.expect(201);
    assert_eq!(
        created["neighbor"]["description"],
        "$(reboot) `id`; rm -rf /"
    );
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_413() {
    let app = app().await;
    let large = format!("{{\"host_name\": \"{}\"}}", "x".repeat(1024 * 1024));
    let told = app.post_bytes(ROUTERS, large.clone()).await.expect(413);
    insta::assert_json_snapshot!("too_large", told);
    let chunks = futures::stream::iter(
        large
            .into_bytes()
            .chunks(4096)
            .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
            .collect::<Vec<_>>(),
    );
    app.post_bytes(ROUTERS, Body::from_stream(chunks))
        .await
        .expect(413);
    let mut announced = request(Method::POST, ROUTERS, Body::from("{}"));
    announced
        .headers_mut()
        .insert("content-length", "99999999".parse().expect("a value"));
    app.send(announced).await.expect(413);
    // Whitespace counts, so exactly the limit is still read.
    let mut whole = gobgp(1).to_string();
    whole += &" ".repeat(1024 * 1024 - whole.len());
    app.post_bytes(ROUTERS, whole).await.expect(201);
}

#[tokio::test]
async fn json_nested_10_000_deep_is_a_clear_400() {
    let app = app().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let told = app.post_bytes(ROUTERS, deep).await.expect(400);
        let error = told["error"].as_str().expect("a text");
        assert!(error.contains("nested deeper"), "{error}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_clear_400s() {
    let app = app().await;
    let mut told = Vec::new();
    for bytes in [
        &b""[..],
        b" \n",
        b"{",
        b"{\"host_name\": \"\xff\xfe\"}",
        b"nonsense",
        b"{} {}",
        b"{\"host_name\": \"a\", \"host_name\": \"b\"}",
        b"[]",
        b"null",
        b"\"text\"",
        b"5",
        b"{\"router\": []}",
        b"{\"local_as\": 1e999}",
        b"{\"a\": NaN}",
        b"\xef\xbb\xbf{}",
    ] {
        let reply = app.post_bytes(ROUTERS, bytes.to_vec()).await;
        let body = reply.expect(400);
        let text = String::from_utf8_lossy(bytes).into_owned();
        told.push(json!({ "body": text, "error": body["error"] }));
    }
    insta::assert_json_snapshot!("no_json", told);
    assert_eq!(app.count(ROUTERS).await, 0);
}

#[tokio::test]
async fn another_content_type_is_a_clear_400() {
    let app = app().await;
    let body = gobgp(1).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "",
        "application/xml",
    ] {
        let mut request = request(Method::POST, ROUTERS, Body::from(body.clone()));
        request
            .headers_mut()
            .insert("content-type", kind.parse().expect("a value"));
        let told = app.send(request).await.expect(400);
        let error = told["error"].as_str().expect("a text");
        assert!(error.contains("application/json"), "{kind}: {error}");
    }
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
    ] {
        let mut request = request(
            Method::POST,
            &format!("{ROUTERS}?dry_run=true"),
            Body::from(body.clone()),
        );
        request
            .headers_mut()
            .insert("content-type", kind.parse().expect("a value"));
        app.send(request).await.expect(200);
    }
    // None at all is taken as JSON, as older clients send it.
    app.send(request(Method::POST, ROUTERS, Body::from(body)))
        .await
        .expect(201);
}

#[tokio::test]
async fn unknown_parameters_of_writes_are_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let setup = Setup {
        store: Some(Arc::clone(&store)),
        shared: true,
        ..Setup::default()
    };
    let app = setup.start().await;
    let id = app.gobgp(1).await;
    let told = app
        .post(&format!("{ROUTERS}?dryrun=true"), gobgp(2))
        .await
        .expect(400);
    insta::assert_json_snapshot!("unknown_parameter", told);
    app.delete(&format!("{ROUTERS}/{id}?cascde=true"))
        .await
        .expect(400);
    app.patch(&format!("{ROUTERS}/{id}?force=true"), json!({}))
        .await
        .expect(400);
    assert_eq!(app.count(ROUTERS).await, 1);
    // Who may write nothing is told that, and nothing of how it is done.
    let setup = Setup {
        store: Some(Arc::clone(&store)),
        caller: Some(caller("reader")),
        shared: true,
        ids: 1000,
        ..Setup::default()
    };
    let reader = setup.start().await;
    let collection = format!("{ROUTERS}?dryrun=true");
    let row = format!("{ROUTERS}/{id}?dryrun=true");
    reader.post(&collection, gobgp(2)).await.expect(401);
    reader.patch(&row, json!({})).await.expect(401);
    reader.put(&row, gobgp(1)).await.expect(401);
    reader.delete(&row).await.expect(403);
}

#[tokio::test]
async fn a_wrong_update_changes_nothing() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let url = format!("{NEIGHBORS}/{id}");
    let wrong = json!({ "hold_time": 2, "families": ["ipv5"], "ebgp_multihop": 256, "colour": 1 });
    let reply = app.patch(&url, wrong).await;
    let told = reply.expect(400);
    insta::assert_json_snapshot!("wrong_update", told);
    assert_eq!(app.get(&url).await.header("etag"), "\"1\"");
}

#[tokio::test]
async fn what_went_wrong_inside_is_not_told_outside() {
    let app = app().await;
    app.gobgp(1).await;
    let told = app
        .get("/v2.0/routers/GoBGP-1/rib?prefix=203.0.113.0/24")
        .await;
    let request = told.header("x-request-id").to_owned();
    let body = told.expect(500);
    assert!(!body.to_string().contains("bug"), "{body}");
    assert_eq!(body["request_id"], request);
    // And the server goes on.
    app.get(ROUTERS).await.expect(200);
}
