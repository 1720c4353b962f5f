//! What a caller may not see is not there for him, wherever he looks.

use crate::harness::{Reply, Setup, request};
use crate::who::{Shared, TENANTS};
use axum::body::Body;
use http::{Method, StatusCode};
use sdwan_server::config::{Auth, Config, Identity};
use serde_json::{Value, json};

const NETWORKS: &str = "/v2.0/networks";

/// The ids of a list.
fn ids(reply: Reply) -> Vec<String> {
    let total = reply.header("x-total-count").to_owned();
    let body = reply.expect(200);
    let (_, rows) = body
        .as_object()
        .expect("an object")
        .iter()
        .next()
        .expect("a list");
    let rows = rows.as_array().expect("a list");
    assert_eq!(total, rows.len().to_string());
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test]
async fn no_filter_widens_what_a_list_shows() {
    let shared = Shared::start().await;
    let operator = shared.for_caller("operator@a").await;
    for query in [
        "",
        "?sort_key=name&sort_order=desc",
        "?tenant_id=a&tenant_id=b",
        "?tenant_id=b&name=own&any_of=true",
        "?limit=5",
    ] {
        assert_eq!(
            ids(operator.get(&format!("{NETWORKS}{query}")).await),
            ["own"],
            "{query}"
        );
    }
    for query in ["?tenant_id=b", "?id=other", "?name=none", "?offset=1"] {
        let reply = operator.get(&format!("{NETWORKS}{query}")).await;
        let rows = reply.json();
        assert_eq!(rows["networks"], json!([]), "{query}");
    }
    assert_eq!(
        ids(shared.admin.get(NETWORKS).await),
        ["none", "other", "own"]
    );
}

#[tokio::test]
async fn new_rows_are_the_callers_tenants() {
    let shared = Shared::start().await;
    let operator = shared.for_caller("operator@a").await;
    let made = operator
        .post(NETWORKS, json!({ "name": "n1" }))
        .await
        .expect(201);
    assert_eq!(made["network"]["tenant_id"], "a");
    let made = json!({ "name": "n2", "tenant_id": "a" });
    operator.post(NETWORKS, made).await.expect(201);
    for tenant in [json!("b"), Value::Null] {
        let other = json!({ "name": "n3", "tenant_id": tenant });
        let refused = operator.post(NETWORKS, other).await.expect(401);
        assert!(
            refused["error"]
                .as_str()
                .expect("words")
                .contains("tenant_id"),
            "{refused}"
        );
    }
    let admin = shared.for_caller("admin@a").await;
    let made = json!({ "name": "n4", "tenant_id": "b" });
    assert_eq!(
        admin.post(NETWORKS, made).await.expect(201)["network"]["tenant_id"],
        "b"
    );
    // Nor is a row given away, or left to nobody.
    let own = format!("{NETWORKS}/own");
    operator
        .patch(&own, json!({ "tenant_id": "b" }))
        .await
        .expect(401);
    operator
        .patch(&own, json!({ "tenant_id": null }))
        .await
        .expect(401);
    let kept = operator
        .put(&own, json!({ "name": "own" }))
        .await
        .expect(200);
    assert_eq!(kept["network"]["tenant_id"], "a");
    let without = shared.for_caller("operator").await;
    without
        .post(NETWORKS, json!({ "name": "n5" }))
        .await
        .expect(401);
}

#[tokio::test]
async fn anothers_row_is_not_there_whatever_is_asked() {
    let shared = Shared::start().await;
    let operator = shared.for_caller("operator@a").await;
    let absent = operator
        .get(&format!("{NETWORKS}/absent"))
        .await
        .expect(404);
    for id in ["other", "none"] {
        let path = format!("{NETWORKS}/{id}");
        let told = operator.get(&path).await.expect(404);
        let words = |told: &Value, id: &str| told["error"].to_string().replace(id, "ID");
        assert_eq!(words(&told, id), words(&absent, "absent"));
        let name = json!({ "name": "x" });
        for (header, value) in [
            ("if-match", "\"1\""),
            ("if-match", "*"),
            ("if-none-match", "*"),
        ] {
            let only_if = [(header, value)];
            for method in [Method::PUT, Method::PATCH] {
                let reply = operator.write(method, &path, &name, &only_if).await;
                reply.expect(404);
            }
        }
        operator
            .put(&path, json!({ "name": "x", "nonsense": 1 }))
            .await
            .expect(404);
        operator
            .delete(&format!("{path}?cascade=true&force=true"))
            .await
            .expect(404);
        operator.get(&format!("{path}/ports")).await.expect(404);
        operator
            .post(&format!("{path}/ports"), json!({}))
            .await
            .expect(404);
        operator
            .post(&format!("{path}/reboot"), json!({}))
            .await
            .expect(404);
        for change in [
            json!({ "op": "update", "kind": "network", "id": id, "body": { "note": "x" } }),
            json!({ "op": "replace", "kind": "network", "id": id, "body": { "name": "x" } }),
            json!({ "op": "delete", "kind": "network", "id": id, "if_match": 7 }),
        ] {
            let all = json!({ "changes": [change] });
            operator
                .post("/sdwan/v1/transaction", all)
                .await
                .expect(404);
        }
    }
    let kept = shared
        .admin
        .get(&format!("{NETWORKS}/other"))
        .await
        .expect(200);
    assert_eq!(kept["network"]["note"], "other");
    // Who may not create learns nothing of ids either.
    let reader = shared.for_caller("reader@a").await;
    for id in ["other", "absent"] {
        let path = format!("{NETWORKS}/{id}");
        reader.put(&path, json!({ "name": "x" })).await.expect(404);
    }
}

#[tokio::test]
async fn messages_name_no_row_that_is_hidden() {
    let shared = Shared::start().await;
    let operator = shared.for_caller("operator@a").await;
    let said = |body: Value| body["error"].as_str().expect("words").to_owned();
    // A value that is taken is the one thing that can't be hidden.
    let taken = operator.post(NETWORKS, json!({ "name": "other" })).await;
    assert_eq!(said(taken.expect(409)), "/name: \"other\" is taken");
    let taken = operator.post(NETWORKS, json!({ "name": "own" })).await;
    assert_eq!(
        said(taken.expect(409)),
        "/name: \"own\" is taken by network own"
    );
    let taken = json!({ "id": "other", "name": "x" });
    let taken = operator.post(NETWORKS, taken).await;
    assert_eq!(said(taken.expect(409)), "/id: is taken");

    let words = |id: &str| json!({ "name": "x", "peer_id": id });
    let hidden = said(operator.post(NETWORKS, words("other")).await.expect(400));
    let absent = said(operator.post(NETWORKS, words("absent")).await.expect(400));
    assert_eq!(hidden.replace("other", "absent"), absent);
    operator.post(NETWORKS, words("own")).await.expect(201);

    // Another's row refers to one's own: it stays, and so does the row.
    let refers = json!({ "peer_id": "own" });
    let other = format!("{NETWORKS}/other");
    shared.admin.patch(&other, refers).await.expect(200);
    let own = shared.admin.post(
        NETWORKS,
        json!({ "id": "free", "name": "free", "tenant_id": "a" }),
    );
    own.await.expect(201);
    let refers = json!({ "peer_id": "free" });
    shared.admin.patch(&other, refers).await.expect(200);
    let told = operator
        .delete(&format!("{NETWORKS}/free"))
        .await
        .expect(409);
    assert_eq!(
        said(told),
        "network free is still referred to by rows that you may not see"
    );
    let told = operator
        .delete(&format!("{NETWORKS}/free?cascade=true"))
        .await
        .expect(409);
    assert!(!told.to_string().contains("other"), "{told}");
    shared.admin.get(&other).await.expect(200);
}

#[tokio::test]
async fn a_row_that_is_hidden_is_not_joined() {
    let shared = Shared::start().await;
    let own = format!("{NETWORKS}/own");
    shared
        .admin
        .patch(&own, json!({ "peer_id": "other" }))
        .await
        .expect(200);
    let joined = shared.admin.get(&own).await.expect(200);
    assert_eq!(joined["network"]["peer"]["name"], "other");
    let operator = shared.for_caller("operator@a").await;
    let joined = operator.get(&own).await.expect(200);
    assert_eq!(joined["network"]["peer"], Value::Null);
    let list = operator.get(NETWORKS).await.expect(200);
    assert_eq!(list["networks"][0]["peer"], Value::Null);
    // It was there before, so the rest can be changed and it can stay.
    operator
        .patch(&own, json!({ "note": "changed" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_watch_tells_of_no_row_that_is_hidden() {
    let shared = Shared::start().await;
    let operator = shared.for_caller("operator@a").await;
    let mut events = operator
        .watch(&format!("{NETWORKS}?watch=true"), None)
        .await;
    let (listed, at) = events.listed().await;
    assert_eq!(listed.len(), 1);
    for (id, body) in [
        ("other", json!({ "note": "unseen" })),
        ("none", json!({ "tenant_id": "a" })),
        ("own", json!({ "tenant_id": "b" })),
    ] {
        let path = format!("{NETWORKS}/{id}");
        shared.admin.patch(&path, body).await.expect(200);
    }
    shared
        .admin
        .delete(&format!("{NETWORKS}/other?cascade=true"))
        .await
        .expect(204);
    let last = json!({ "id": "last", "name": "last", "tenant_id": "a" });
    shared.admin.post(NETWORKS, last).await.expect(201);
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.expect("an event");
        told.push((event.event, event.data["network"]["id"].clone()));
    }
    let wanted = [("put", "none"), ("delete", "own"), ("put", "last")];
    assert_eq!(
        told,
        wanted.map(|(event, id)| (event.to_owned(), json!(id)))
    );
    // Whose the rows were that went meanwhile is not known any more.
    let mut again = crate::harness::request(
        Method::GET,
        &format!("{NETWORKS}?watch=true"),
        axum::body::Body::empty(),
    );
    again
        .headers_mut()
        .insert("last-event-id", at.parse().expect("a value"));
    operator.send(again).await.expect(410);
}

#[tokio::test]
async fn properties_that_are_hidden_are_not_there() {
    let shared = Shared::start().await;
    let netadmin = shared.for_caller("netadmin@a").await;
    let own = format!("{NETWORKS}/own");
    let row = netadmin.get(&own).await.expect(200);
    assert!(
        row["network"].get("note").is_none() && row["network"].get("name").is_some(),
        "{row}"
    );
    let ledgers = netadmin.get("/v2.0/ledgers").await.expect(200);
    assert_eq!(ledgers["ledgers"], json!([{ "id": "own", "open": true }]));
    for query in ["?note=own", "?_fields=note", "?sort_key=note", "?notf=own"] {
        let refused = netadmin
            .get(&format!("{NETWORKS}{query}"))
            .await
            .expect(400);
        assert!(!refused.to_string().contains("mean \"note"), "{refused}");
    }
    for body in [
        json!({ "name": "x", "note": "n" }),
        json!({ "name": "x", "notf": "n" }),
    ] {
        let refused = netadmin.post(NETWORKS, body).await;
        let refused = refused.expect(400);
        assert!(
            refused["error"]
                .as_str()
                .expect("words")
                .contains("unknown property")
        );
        assert!(!refused.to_string().contains("mean \"note"), "{refused}");
    }
    // A replacement leaves what it may not give.
    netadmin
        .put(&own, json!({ "name": "own" }))
        .await
        .expect(200);
    assert_eq!(
        shared.admin.get(&own).await.expect(200)["network"]["note"],
        "own"
    );

    let schemas = netadmin.get("/gohan/v0.1/schemas").await.expect(200);
    let kinds: Vec<&Value> = schemas["schemas"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    let names: Vec<&Value> = kinds.iter().map(|kind| &kind["id"]).collect();
    assert_eq!(names, ["network", "port", "ledger"]);
    assert!(!kinds[0]["schema"].to_string().contains("note"));
    assert_eq!(kinds[2]["schema"]["permission"], json!(["read"]));
    netadmin.get("/gohan/v0.1/schemas/router").await.expect(404);
    let openapi = netadmin.get("/openapi.json").await.expect(200);
    let paths = openapi["paths"].as_object().expect("paths");
    assert!(!paths.keys().any(|path| path.contains("routers")));
    let ledgers = openapi["paths"]["/v2.0/ledgers"]
        .as_object()
        .expect("a path");
    assert_eq!(ledgers.keys().collect::<Vec<_>>(), ["parameters", "get"]);
    let change = json!({ "changes": [{ "op": "create", "kind": "routr", "body": {} }] });
    let refused = netadmin
        .post("/sdwan/v1/transaction", change)
        .await
        .expect(400);
    assert!(!refused.to_string().contains("mean"), "{refused}");
}

#[tokio::test]
async fn the_methods_that_are_told_are_the_callers() {
    let shared = Shared::start().await;
    let table = [
        ("reader@a", NETWORKS, "GET, HEAD, OPTIONS"),
        ("operator@a", NETWORKS, "GET, POST, HEAD, OPTIONS"),
        (
            "netadmin@a",
            "/v2.0/networks/own",
            "GET, PUT, PATCH, HEAD, OPTIONS",
        ),
        // No row is looked at.
        (
            "netadmin@a",
            "/v2.0/networks/other",
            "GET, PUT, PATCH, HEAD, OPTIONS",
        ),
        (
            "netadmin@a",
            "/v2.0/networks/absent",
            "GET, PUT, PATCH, HEAD, OPTIONS",
        ),
        ("netadmin@a", "/v2.0/ledgers", "GET, HEAD, OPTIONS"),
        ("netadmin@a", "/v2.0/networks/own/reboot", "POST, OPTIONS"),
        ("reader@a", "/v2.0/networks/own/reboot", "OPTIONS"),
        ("reader@a", "/sdwan/v1/holds/GoBGP-1", "OPTIONS"),
        (
            "operator",
            "/sdwan/v1/holds/GoBGP-1",
            "PUT, DELETE, OPTIONS",
        ),
        ("reader", "/sdwan/v1/routers/GoBGP-1/fib", "OPTIONS"),
        ("admin", "/sdwan/v1/tokens", "GET, POST, HEAD, OPTIONS"),
    ];
    for (named, path, allow) in table {
        let app = shared.for_caller(named).await;
        let options = app.call("his", Method::OPTIONS, path, Value::Null);
        let reply = options.await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{named} {path}");
        assert_eq!(reply.header("allow"), allow, "{named} {path}");
        let brew = "BREW".parse().expect("a method");
        let refused = app.send(request(brew, path, Body::empty())).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.header("allow"), allow, "{named} {path}");
    }
    // Who does not say who he is hears what the server takes of anybody.
    let netadmin = shared.for_caller("netadmin@a").await;
    let hidden = netadmin.call("his", Method::OPTIONS, "/v2.0/routers", Value::Null);
    hidden.await.expect(404);
    let all = netadmin.send(request(Method::OPTIONS, "/v2.0/routers", Body::empty()));
    assert_eq!(all.await.header("allow"), "GET, POST, HEAD, OPTIONS");
}

#[tokio::test]
async fn what_is_seen_and_not_allowed_is_refused_by_name() {
    let shared = Shared::start().await;
    let reader = shared.for_caller("reader@a").await;
    let own = format!("{NETWORKS}/own");
    let refused = reader.patch(&own, json!({ "note": "x" })).await.expect(401);
    assert_eq!(refused["error"], "no policy lets you update network own");
    let refused = reader.delete(&own).await.expect(403);
    assert_eq!(refused["error"], "no policy lets you delete network own");
    let refused = reader
        .post(NETWORKS, json!({ "name": "x" }))
        .await
        .expect(401);
    assert_eq!(refused["error"], "no policy lets you create networks");
    let hold = json!({ "why": "x" });
    reader
        .put("/sdwan/v1/holds/GoBGP-1", hold)
        .await
        .expect(401);
    let several = json!({ "changes": [
        { "op": "delete", "kind": "network", "id": "own" },
    ] });
    reader
        .post("/sdwan/v1/transaction", several)
        .await
        .expect(403);
}

#[tokio::test]
async fn who_does_not_say_who_he_is_may_what_everybody_may() {
    let auth = Auth {
        tokens: None,
        identity: Some(Identity::Fake),
    };
    let config = Config {
        auth,
        ..Config::default()
    };
    let setup = Setup {
        schemas: Some(TENANTS),
        config,
        ..Setup::default()
    };
    let app = setup.start().await;
    let ledger = json!({ "id": "other" });
    let made = app.call("admin_token", Method::POST, "/v2.0/ledgers", ledger);
    made.await.expect(201);
    let open = "/v2.0/ledgers/other";
    app.get(open).await.expect(200);
    let asked = |reply: Reply, what: &str| {
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(
            reply.header("www-authenticate"),
            "Keystone uri=\"fake\"",
            "{what}"
        );
    };
    // He might get more if he said it.
    for path in [
        "/v2.0/ledgers",
        "/v2.0/ledgers/x",
        "/v2.0/networks",
        "/nothing",
        "/metrics",
    ] {
        asked(app.get(path).await, path);
    }
    asked(app.delete(open).await, "delete");
    // Who says something wrong is not nobody.
    asked(
        app.call("wrong", Method::GET, open, Value::Null).await,
        "wrong",
    );
    // And who is known and may not do it might be somebody else, too.
    let demo = app.call("demo_token", Method::GET, "/v2.0/ledgers", Value::Null);
    assert_eq!(
        demo.await.header("www-authenticate"),
        "Keystone uri=\"fake\", error=\"insufficient_scope\""
    );
    app.call("demo_token", Method::GET, open, Value::Null)
        .await
        .expect(200);
}
