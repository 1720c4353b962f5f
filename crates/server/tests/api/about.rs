//! What the server tells of itself.

use crate::harness::{NEIGHBORS, ROUTERS, app, app_with};
use crate::own_kinds::SITES;
use sdwan_server::speaker::Counters;
use serde_json::Value;

#[tokio::test]
async fn the_schemas_are_there_for_clients_to_build_themselves_from() {
    let app = app_with(SITES).await;
    let body = app.get("/gohan/v0.1/schemas").await.expect(200);
    let ids: Vec<&str> = body["schemas"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| s["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(
        ids,
        ["router", "neighbor", "policyinfo", "site", "rack", "desk"]
    );
    let one = app.get("/gohan/v0.1/schemas/rack").await.expect(200);
    assert_eq!(one["schema"]["parent"], "site");
    assert!(
        one["schema"]["schema"]["properties"]["site_id"].is_object(),
        "{one}"
    );
    app.get("/gohan/v0.1/schemas/named").await.expect(404);
    app.get("/gohan/v0.1/schemas/nonsense").await.expect(404);
}

#[tokio::test]
async fn version_and_health() {
    let app = app().await;
    let version = app.get("/gohan/v0.1/version").await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    for path in ["/healthz", "/healthcheck", "/readyz"] {
        app.get(path).await.expect(200);
    }
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|v| references(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_route() {
    let app = app_with(SITES).await;
    let document = app.get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    let names: Vec<&String> = paths.keys().collect();
    insta::assert_json_snapshot!("openapi_paths", names);
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("an item") {
            if method == "parameters" {
                continue;
            }
            operations.push(operation["operationId"].as_str().expect("an id"));
            // What is described is served: anything but 404 and 405.
            let path = path
                .replace("{id}", "absent")
                .replace("{site_id}", "absent");
            let method = method.to_uppercase().parse().expect("a method");
            let request = crate::harness::request(method, &path, axum::body::Body::empty());
            let reply = app.send(request).await;
            assert_ne!(reply.status, 405, "{path}");
            assert!(!reply.text.contains("nothing is at this path"), "{path}");
        }
    }
    let count = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations.len(), count, "an operation id stands twice");
}

#[tokio::test]
async fn the_openapi_document_of_the_built_in_kinds_is_as_before() {
    let app = app().await;
    let document = app.get("/openapi.json").await.expect(200);
    insta::assert_json_snapshot!(
        "openapi_router",
        document["components"]["schemas"]["router"]
    );
    insta::assert_json_snapshot!("openapi_routers", document["paths"][ROUTERS]);
    let secret =
        &document["components"]["schemas"]["neighbor.create"]["properties"]["auth_password"];
    assert_eq!(secret["format"], "password");
}

#[tokio::test]
async fn metrics_carry_gobgps_names_with_the_router() {
    let app = app().await;
    app.gobgp(1).await;
    app.neighbor("192.168.0.1").await;
    app.get(NEIGHBORS).await.expect(200);
    app.get("/nonsense/a").await.expect(404);
    app.get("/nonsense/b").await.expect(404);
    *app.live.counters.lock().expect("whole") = vec![Counters {
        neighbor: "192.168.0.1".parse().expect("an address"),
        uptime: Some(61),
        flaps: 4,
        received: 10,
        accepted: 9,
        advertised: 8,
    }];
    let reply = app.get("/metrics").await;
    assert_eq!(reply.status, 200);
    let has = |line: &str| {
        assert!(
            reply.text.lines().any(|l| l == line),
            "{line} is missing in\n{}",
            reply.text
        );
    };
    has("bgp_routes_received{router=\"GoBGP-1\",peer=\"192.168.0.1\"} 10");
    has("bgp_routes_accepted{router=\"GoBGP-1\",peer=\"192.168.0.1\"} 9");
    has("bgp_peer_uptime{router=\"GoBGP-1\",peer=\"192.168.0.1\"} 61");
    has("bgp_peer_asn{router=\"GoBGP-1\",peer=\"192.168.0.1\"} 65000");
    has("sdwan_resources{kind=\"router\",status=\"PENDING_CREATE\"} 1");
    has("sdwan_http_requests_total{method=\"GET\",route=\"neighbors\",status=\"200\"} 1");
    has("sdwan_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 2");
    assert_eq!(reply.text.matches("# EOF").count(), 1);
    assert!(reply.text.ends_with("# EOF\n"));
}
