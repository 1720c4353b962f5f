//! One row: create, show, replace, change, delete.

use crate::harness::{NEIGHBORS, ROUTERS, app, gobgp, neighbor, request};
use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn create_answers_201_with_every_property_and_where_it_is() {
    let app = app().await;
    let reply = app.post(ROUTERS, gobgp(1)).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("etag"), "\"1\"");
    assert_eq!(reply.header("content-type"), "application/json");
    let location = reply.header("location").to_owned();
    let revision: u64 = reply.header("x-revision").parse().expect("a revision");
    assert!(revision > 0);
    let body = reply.json();
    insta::assert_json_snapshot!("created_router", body);
    let shown = app.get(&location).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.expect(200), body);
}

#[tokio::test]
async fn a_neighbor_shows_null_where_nothing_is_set_and_never_its_secret() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let url = format!("{NEIGHBORS}/{id}");
    insta::assert_json_snapshot!("shown_neighbor", app.get(&url).await.expect(200));
    let changed = app
        .patch(&url, json!({ "auth_password": "hush-hush" }))
        .await;
    let changed = changed.expect(200);
    assert_eq!(changed["neighbor"]["auth_password"], "********");
    for path in [&url, NEIGHBORS, "/metrics", "/openapi.json"] {
        assert!(!app.get(path).await.text.contains("hush-hush"), "{path}");
    }
}

#[tokio::test]
async fn bodies_may_be_bare_or_wrapped() {
    let app = app().await;
    app.post(ROUTERS, json!({ "router": gobgp(1) }))
        .await
        .expect(201);
    app.post(ROUTERS, gobgp(2)).await.expect(201);
    let wrong = json!({ "router": { "host_name": 5 } });
    app.post(ROUTERS, wrong).await.expect_violations(
        400,
        &["/host_name", "/local_as", "/mgmt_addr", "/router_id"],
    );
    let neither = json!({ "router": gobgp(3), "other": 1 });
    assert_eq!(app.post(ROUTERS, neither).await.status, 400);
    assert_eq!(app.count(ROUTERS).await, 2);
}

#[tokio::test]
async fn put_creates_under_the_urls_id_and_then_replaces() {
    let app = app().await;
    let url = format!("{ROUTERS}/00000000-0000-4000-8000-000000000001");
    let created = app.put(&url, gobgp(1)).await;
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(created.header("location"), url);
    created.expect(201);
    let mut body = gobgp(1);
    body["host_name"] = "renamed".into();
    let replaced = app.put(&url, body).await;
    assert_eq!(replaced.header("etag"), "\"2\"");
    assert_eq!(replaced.expect(200)["router"]["host_name"], "renamed");
    assert_eq!(app.count(ROUTERS).await, 1);
}

#[tokio::test]
async fn put_takes_back_what_it_leaves_out_and_patch_does_not() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let url = format!("{NEIGHBORS}/{id}");
    app.patch(&url, json!({ "description": "to SRX-1" }))
        .await
        .expect(200);
    let changed = app.patch(&url, json!({ "hold_time": 9 })).await.expect(200);
    assert_eq!(changed["neighbor"]["description"], "to SRX-1");
    assert_eq!(changed["neighbor"]["hold_time"], 9);
    let replaced = app.put(&url, neighbor("192.168.0.1")).await.expect(200);
    assert_eq!(replaced["neighbor"]["description"], Value::Null);
}

#[tokio::test]
async fn an_id_in_the_body_of_put_or_patch_is_refused_with_what_else_is_wrong() {
    let app = app().await;
    let id = app.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}");
    let body = json!({ "id": id, "local_as": 0 });
    app.patch(&url, body.clone())
        .await
        .expect_violations(400, &["/id", "/local_as"]);
    let mut whole = gobgp(1);
    whole["id"] = id.into();
    app.put(&url, json!({ "router": whole }))
        .await
        .expect_violations(400, &["/id"]);
    assert_eq!(app.get(&url).await.header("etag"), "\"1\"");
}

#[tokio::test]
async fn if_match_lets_a_write_through_only_at_that_version() {
    let app = app().await;
    let id = app.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}");
    let rename = |name: &str| json!({ "host_name": name });
    let at = |method: Method, body: Value, tag: &'static str| {
        let (app, url) = (&app, &url);
        async move { app.write(method, url, &body, &[("if-match", tag)]).await }
    };
    at(Method::PATCH, rename("a"), "\"1\"").await.expect(200);
    let stale = at(Method::PATCH, rename("b"), "\"1\"").await.expect(412);
    assert!(
        stale["error"]
            .as_str()
            .is_some_and(|e| e.contains("version 2")),
        "{stale}"
    );
    at(Method::PUT, gobgp(1), "\"7\", \"2\"").await.expect(200);
    at(Method::PATCH, rename("c"), "*").await.expect(200);
    at(Method::PATCH, rename("d"), "nonsense").await.expect(412);
    at(Method::DELETE, Value::Null, "\"1\"").await.expect(412);
    assert_eq!(app.get(&url).await.expect(200)["router"]["host_name"], "c");
    let absent = format!("{ROUTERS}/absent");
    let none_match = [("if-none-match", "*")];
    app.write(Method::PUT, &url, &gobgp(1), &none_match)
        .await
        .expect(412);
    app.write(Method::PUT, &absent, &gobgp(2), &[("if-match", "*")])
        .await
        .expect(412);
    assert_eq!(app.count(ROUTERS).await, 1);
}

#[tokio::test]
async fn a_dry_run_judges_and_stores_nothing() {
    let app = app().await;
    let shown = app.post(&format!("{ROUTERS}?dry_run=true"), gobgp(1)).await;
    assert_eq!(shown.header("location"), "");
    assert_eq!(shown.expect(200)["router"]["host_name"], "GoBGP-1");
    assert_eq!(app.count(ROUTERS).await, 0);
    let id = app.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}?dry_run=true");
    let changed = app
        .patch(&url, json!({ "host_name": "x" }))
        .await
        .expect(200);
    assert_eq!(changed["router"]["host_name"], "x");
    app.post(&format!("{ROUTERS}?dry_run=true"), gobgp(1))
        .await
        .expect(409);
    app.delete(&url).await.expect(204);
    let still = app.get(&format!("{ROUTERS}/{id}")).await;
    assert_eq!(still.expect(200)["router"]["host_name"], "GoBGP-1");
}

#[tokio::test]
async fn delete_answers_204_at_once_and_the_row_shows_that_it_goes() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let url = format!("{NEIGHBORS}/{id}");
    let reply = app.delete(&url).await;
    assert_eq!(reply.text, "");
    assert_eq!(reply.status, 204);
    let shown = app.get(&url).await.expect(200);
    assert_eq!(shown["neighbor"]["status"], "PENDING_DELETE");
    app.delete(&url).await.expect(204);
    app.delete(&format!("{url}?force=true")).await.expect(204);
    app.get(&url).await.expect(404);
    app.delete(&url).await.expect(404);
}

#[tokio::test]
async fn a_router_with_neighbors_goes_only_when_they_go_too() {
    let app = app().await;
    let id = app.gobgp(1).await;
    app.neighbor("192.168.0.1").await;
    let url = format!("{ROUTERS}/{id}");
    let refused = app.delete(&url).await.expect(409);
    assert!(
        refused["error"]
            .as_str()
            .is_some_and(|e| e.contains("neighbor")),
        "{refused}"
    );
    app.delete(&format!("{url}?cascade=true")).await.expect(204);
    let list = app.get(NEIGHBORS).await.expect(200);
    assert_eq!(list["neighbors"][0]["status"], "PENDING_DELETE");
}

#[tokio::test]
async fn what_is_not_there_is_404_in_the_same_form() {
    let app = app().await;
    for path in [
        "/",
        "/v2.0",
        "/v2.0/",
        "/v2.0/nonsense",
        "/v2.0/routers/absent",
        "/v2.0/routers//",
        "/v2.0//routers",
        "//v2.0/routers",
        "/v2.0/routers/../routers",
        "/v2.0/./routers",
        "/v2.0/%72outers",
        "/v2.0/routers/%2e%2e",
        "/v2.0/routers/..%2f..%2fetc%2fpasswd",
        "/v2.0/routers/%00",
        "/v2.0/routers/%ff",
        "/v2.0/routers/%",
        "/v2.0/routers/a/b/c",
        "/V2.0/routers",
        "/etc/passwd",
        "/v2.0/routers;x=1",
        "/config/v2.0/routers",
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        assert!(reply.json()["error"].is_string(), "{path}");
    }
    app.patch(&format!("{ROUTERS}/absent"), json!({}))
        .await
        .expect(404);
    app.delete(&format!("{ROUTERS}/absent")).await.expect(404);
}

#[tokio::test]
async fn one_trailing_slash_is_the_same_resource() {
    let app = app().await;
    let id = app.gobgp(1).await;
    app.get("/v2.0/routers/").await.expect(200);
    app.get(&format!("/v2.0/routers/{id}/")).await.expect(200);
    app.get("/healthz/").await.expect(200);
}

#[tokio::test]
async fn other_methods_are_405_with_what_is_allowed() {
    let app = app().await;
    for (method, path, allow) in [
        ("PUT", ROUTERS, "GET, POST, HEAD, OPTIONS"),
        ("DELETE", ROUTERS, "GET, POST, HEAD, OPTIONS"),
        (
            "POST",
            "/v2.0/routers/x",
            "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
        ),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("GET", "/sdwan/v1/holds/all", "PUT, DELETE, OPTIONS"),
        ("HEAD", "/sdwan/v1/holds/all", "PUT, DELETE, OPTIONS"),
        ("TRACE", ROUTERS, "GET, POST, HEAD, OPTIONS"),
        ("BREW", ROUTERS, "GET, POST, HEAD, OPTIONS"),
    ] {
        let method: Method = method.parse().expect("a method");
        let reply = app.send(request(method.clone(), path, Body::empty())).await;
        assert_eq!(reply.status, 405, "{method} {path}");
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
    let options = app
        .send(request(Method::OPTIONS, ROUTERS, Body::empty()))
        .await;
    assert_eq!(options.status, 204);
    assert_eq!(options.header("allow"), "GET, POST, HEAD, OPTIONS");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = app().await;
    let id = app.gobgp(1).await;
    for path in [
        ROUTERS.to_owned(),
        format!("{ROUTERS}/{id}"),
        "/openapi.json".into(),
        "/v2.0/x".into(),
    ] {
        let get = app.get(&path).await;
        let head = app.send(request(Method::HEAD, &path, Body::empty())).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.text, "", "{path}");
        assert_eq!(
            head.header("content-length"),
            get.text.len().to_string(),
            "{path}"
        );
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn fields_choose_what_is_shown() {
    let app = app().await;
    let id = app.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}?_fields=status&_fields=host_name");
    let shown = app.get(&url).await.expect(200);
    let wanted = json!({ "router": { "host_name": "GoBGP-1", "status": "PENDING_CREATE" } });
    assert_eq!(shown, wanted);
    app.get(&format!("{ROUTERS}/{id}?_fields=nonsense"))
        .await
        .expect(400);
    app.get(&format!("{ROUTERS}/{id}?limit=1"))
        .await
        .expect(400);
}

#[tokio::test]
async fn an_answer_from_before_a_change_is_never_given_after_it() {
    let app = app().await;
    let id = app.gobgp(1).await;
    let url = format!("{ROUTERS}/{id}");
    for name in ["a", "b", "c"] {
        app.patch(&url, json!({ "host_name": name }))
            .await
            .expect(200);
        for _ in 0..2 {
            assert_eq!(app.get(&url).await.expect(200)["router"]["host_name"], name);
            let list = app.get(ROUTERS).await.expect(200);
            assert_eq!(list["routers"][0]["host_name"], name);
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_request_for_the_log() {
    let app = app().await;
    let first = app.get(ROUTERS).await.header("x-request-id").to_owned();
    let second = app.get("/nonsense").await.header("x-request-id").to_owned();
    assert!(first.starts_with("test-") && second.starts_with("test-"));
    assert_ne!(first, second);
}
