//! Tokens of the server's own: who has one is listened to, and nobody else.

use crate::harness::{App, NEIGHBORS, ROUTERS, Setup, gobgp, request};
use axum::body::Body;
use http::{Method, StatusCode};
use sdwan_server::config::{Auth, Config};
use sdwan_server::upkeep::Dump;
use sdwan_store::Store;
use sdwan_store::faults::Faulty;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const TOKENS: &str = "/sdwan/v1/tokens";

fn by_tokens() -> Setup {
    Setup {
        config: Config {
            auth: Auth::by_tokens(),
            ..Config::default()
        },
        ..Setup::default()
    }
}

/// A server with its first admin's token.
async fn started(setup: Setup) -> (App, String) {
    let app = setup.start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin-token");
    app.auth.begin(&file, false).await.expect("a first token");
    let token = std::fs::read_to_string(&file).expect("a file");
    (app, token.trim_end().to_owned())
}

async fn create(app: &App, admin: &str, wish: Value) -> Value {
    let made = app.call(admin, Method::POST, TOKENS, wish).await;
    assert_eq!(made.header("cache-control"), "no-store");
    made.expect(201)["token"].take()
}

fn text(token: &Value) -> String {
    token["token"].as_str().expect("a token").to_owned()
}

async fn status(app: &App, token: &str) -> u16 {
    let reply = app.call(token, Method::GET, ROUTERS, Value::Null).await;
    reply.status.as_u16()
}

#[tokio::test]
async fn who_has_no_token_is_told_what_to_send_and_nothing_else() {
    let app = by_tokens().start().await;
    for path in [
        ROUTERS,
        TOKENS,
        "/metrics",
        "/openapi.json",
        "/nothing",
        "/sdwan/v1/cluster",
    ] {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let reply = app.send(request(method, path, Body::empty())).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"sdwan\"");
        }
    }
    let told = app.get(ROUTERS).await.expect(401);
    assert!(told["error"].to_string().contains("X-Auth-Token"), "{told}");
    for path in ["/healthz", "/readyz", "/healthcheck"] {
        app.get(path).await.expect(200);
    }
    let asked = app.call("sdwan_x_y", Method::OPTIONS, ROUTERS, Value::Null);
    asked.await.expect(401);
    let asked = app.send(request(Method::OPTIONS, ROUTERS, Body::empty()));
    assert_eq!(asked.await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_openapi_document_says_where_a_token_is_needed() {
    let needed = json!([{ "token": [] }, { "bearer": [] }]);
    let optional = json!([{}, { "token": [] }, { "bearer": [] }]);
    let (app, admin) = started(by_tokens()).await;
    let unasked = crate::harness::app().await;
    let (anybody, _) = started(Setup {
        schemas: Some(
            "policies: [{principal: Nobody, action: read, resource: {path: /v2.0/routers}}]",
        ),
        ..by_tokens()
    })
    .await;
    for (app, token, expected) in [
        (&app, admin.as_str(), &needed),
        (&unasked, "", &optional),
        // Somebody who does not say who he is may do something here.
        (&anybody, admin.as_str(), &optional),
    ] {
        let document = app.call(token, Method::GET, "/openapi.json", Value::Null);
        let document = document.await.expect(200);
        assert_eq!(document["security"], *expected);
        // Probes have none.
        for probe in ["/healthz", "/readyz"] {
            assert_eq!(document["paths"][probe]["get"]["security"], json!([]));
        }
    }
}

#[tokio::test]
async fn who_says_to_be_somebody_proves_nothing() {
    let (app, admin) = started(by_tokens()).await;
    let names = [
        ("x-user-id", "admin"),
        ("x-user-name", "admin"),
        ("x-roles", "admin"),
        ("x-project-id", "p"),
        ("x-tenant-id", "p"),
        ("x-identity-status", "Confirmed"),
        ("x-is-admin-project", "True"),
    ];
    let reply = app.write(Method::POST, ROUTERS, &gobgp(1), &names).await;
    reply.expect(401);
    // Nor does it change who a token proves.
    let wish = json!({ "name": "reader", "roles": ["reader"] });
    let reader = text(&create(&app, &admin, wish).await);
    let wish = json!({ "name": "mine", "roles": ["admin"] });
    let names = [&names[..], &[("x-auth-token", reader.as_str())]].concat();
    app.write(Method::POST, TOKENS, &wish, &names)
        .await
        .expect(403);
}

/// So that nobody gets another token for the same, in vain.
#[tokio::test]
async fn who_may_not_is_told_that_the_token_is_good() {
    let (app, admin) = started(by_tokens()).await;
    let wish = json!({ "name": "reader", "roles": ["reader"] });
    let reader = text(&create(&app, &admin, wish).await);
    let challenge = async |token: &str| {
        let reply = app.call(token, Method::POST, ROUTERS, gobgp(1)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        reply.header("www-authenticate").to_owned()
    };
    assert_eq!(
        challenge(&reader).await,
        "Bearer realm=\"sdwan\", error=\"insufficient_scope\""
    );
    assert_eq!(challenge("nonsense").await, "Bearer realm=\"sdwan\"");
}

#[tokio::test]
async fn the_first_admins_token_is_made_once_for_its_owner_alone() {
    let app = by_tokens().start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin-token");
    app.auth.begin(&file, false).await.expect("a first token");
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).expect("text");
    assert_eq!(status(&app, token.trim_end()).await, 200);
    app.auth.begin(&file, false).await.expect("nothing to do");
    assert_eq!(std::fs::read_to_string(&file).expect("text"), token);
    assert_eq!(entries(folder.path()), ["admin-token"]);
    let listed = app
        .call(token.trim_end(), Method::GET, TOKENS, Value::Null)
        .await;
    assert_eq!(
        listed.expect(200)["tokens"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn who_lost_every_admins_token_gets_one_more() {
    let (app, admin) = started(by_tokens()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin-token");
    app.auth.begin(&file, true).await.expect("one more");
    let more = std::fs::read_to_string(&file).expect("text");
    assert_ne!(more.trim_end(), admin);
    let path = format!("{TOKENS}/admin");
    let gone = app.call(more.trim_end(), Method::DELETE, &path, Value::Null);
    assert_eq!(gone.await.status, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, &admin).await, 401);
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("text")
    };
    entries.map(name).collect()
}

#[tokio::test]
async fn servers_that_start_at_once_make_one_first_token() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut apps = Vec::new();
    for n in 0..4 {
        let setup = Setup {
            store: Some(Arc::clone(&store)),
            shared: true,
            ids: n * 10_000,
            ..by_tokens()
        };
        apps.push(setup.start().await);
    }
    // All in one folder, as on one machine.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin-token");
    let begun = apps.iter().map(|app| app.auth.begin(&file, false));
    for begun in futures::future::join_all(begun).await {
        begun.expect("one of them makes it");
    }
    let kept = store.list("/auth/tokens/").await.expect("a list").entries;
    assert_eq!(kept.len(), 1);
    assert_eq!(entries(folder.path()), ["admin-token"]);
    let token = std::fs::read_to_string(&file).expect("text");
    for app in &apps {
        app.catalog.wait_for(kept[0].modified).await;
        assert_eq!(status(app, token.trim_end()).await, 200);
    }
}

#[tokio::test]
async fn a_token_is_shown_once_listed_without_its_secret_and_revoked() {
    let (app, admin) = started(by_tokens()).await;
    let wish = json!({
        "name": "ci", "roles": ["operator", "x.y-z"], "tenant": "blue", "expires_in": 3600,
    });
    let made = create(&app, &admin, wish.clone()).await;
    let token = text(&made);
    let secret = token.splitn(3, '_').nth(2).expect("a secret").to_owned();
    assert_eq!(status(&app, &token).await, 200);
    let listed = app.call(&admin, Method::GET, TOKENS, Value::Null).await;
    assert!(!listed.text.contains(&secret), "{}", listed.text);
    assert!(!listed.text.contains("hash"), "{}", listed.text);
    let mut listed = listed.expect(200);
    let id = made["id"].as_str().expect("an id").to_owned();
    insta::assert_json_snapshot!("tokens", listed["tokens"]);
    insta::assert_snapshot!("tokens_text", listed["text"].take().as_str().expect("text"));

    let taken = app.call(&admin, Method::POST, TOKENS, wish.clone()).await;
    taken.expect_violations(409, &["/name"]);
    let revoke = |what: &str| {
        let path = format!("{TOKENS}/{what}");
        let (app, admin) = (&app, &admin);
        async move { app.call(admin, Method::DELETE, &path, Value::Null).await }
    };
    assert_eq!(revoke("ci").await.status, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(revoke("ci").await.status, StatusCode::NOT_FOUND);
    assert_eq!(revoke(&id).await.status, StatusCode::NOT_FOUND);
    // The name is free, and the old token stays what it is.
    let again = create(&app, &admin, wish).await;
    assert_ne!(text(&again), token);
    let id = again["id"].as_str().expect("an id");
    assert_eq!(revoke(id).await.status, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, &text(&again)).await, 401);
}

#[tokio::test]
async fn a_token_ends_and_its_name_is_free_again() {
    let setup = by_tokens();
    let now = Arc::clone(&setup.now);
    let (app, admin) = started(setup).await;
    let wish = json!({ "name": "short", "roles": ["reader"], "expires_in": 60 });
    let token = text(&create(&app, &admin, wish.clone()).await);
    now.store(59, Ordering::Relaxed);
    assert_eq!(status(&app, &token).await, 200);
    now.store(60, Ordering::Relaxed);
    assert_eq!(status(&app, &token).await, 401);
    let listed = app.call(&admin, Method::GET, TOKENS, Value::Null).await;
    let listed = listed.expect(200);
    assert!(listed["text"].to_string().contains(", expired"), "{listed}");
    let again = text(&create(&app, &admin, wish).await);
    assert_eq!(
        (status(&app, &again).await, status(&app, &token).await),
        (200, 401)
    );
    // What had expired is gone.
    let listed = app.call(&admin, Method::GET, TOKENS, Value::Null).await;
    assert_eq!(
        listed.expect(200)["tokens"].as_array().map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn only_an_admin_deals_with_tokens() {
    let (app, admin) = started(by_tokens()).await;
    for role in ["operator", "reader", "Admin"] {
        let wish = json!({ "name": role, "roles": [role] });
        let token = text(&create(&app, &admin, wish.clone()).await);
        for (method, path, body) in [
            (Method::GET, TOKENS, Value::Null),
            (Method::POST, TOKENS, wish),
            (Method::DELETE, "/sdwan/v1/tokens/admin", Value::Null),
        ] {
            let reply = app.call(&token, method, path, body).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{role} {path}");
        }
    }
    assert_eq!(status(&app, &admin).await, 200);
}

#[tokio::test]
async fn a_wrong_wish_is_told_all_at_once() {
    let (app, admin) = started(by_tokens()).await;
    for (wish, pointers) in [
        (json!({}), vec!["/name", "/roles"]),
        (json!([]), vec![""]),
        (json!({ "name": "", "roles": [] }), vec!["/name", "/roles"]),
        (
            json!({ "name": "a\nb", "roles": ["a b"], "tenant": "", "expires_in": 0, "x": 1 }),
            vec!["/expires_in", "/name", "/roles", "/tenant", "/x"],
        ),
        (
            json!({ "name": "n", "roles": ["r"], "expires_in": "30d" }),
            vec!["/expires_in"],
        ),
    ] {
        let reply = app.call(&admin, Method::POST, TOKENS, wish).await;
        reply.expect_violations(400, &pointers);
    }
    let path = format!("{TOKENS}?all=true");
    let reply = app.call(&admin, Method::GET, &path, Value::Null).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_tokens_there_is_nothing_to_make() {
    let app = Setup::default().start().await;
    let told = app.get(TOKENS).await.expect(404);
    assert!(told["error"].to_string().contains("auth: tokens"), "{told}");
}

#[tokio::test]
async fn a_token_is_good_and_revoked_on_every_server() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let setup = |ids| Setup {
        store: Some(Arc::clone(&store)),
        shared: true,
        ids,
        ..by_tokens()
    };
    let (first, admin) = started(setup(0)).await;
    let second = setup(10_000).start().await;
    let wish = json!({ "name": "ci", "roles": ["reader"] });
    let token = text(&create(&first, &admin, wish).await);
    second.catalog.wait_for(first.catalog.revision()).await;
    assert_eq!(status(&second, &token).await, 200);
    let path = format!("{TOKENS}/ci");
    let gone = second
        .call(&admin, Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    first.catalog.wait_for(second.catalog.revision()).await;
    assert_eq!(
        (status(&first, &token).await, status(&second, &token).await),
        (401, 401)
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lost_its_store_trusts_no_token_for_long() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let setup = Setup {
        store: Some(store.clone()),
        ..by_tokens()
    };
    let (app, admin) = started(setup).await;
    store.set_down(true);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(status(&app, &admin).await, 200);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let reply = app.call(&admin, Method::GET, ROUTERS, Value::Null).await;
    assert_eq!(
        (
            reply.header("retry-after"),
            reply.header("www-authenticate")
        ),
        ("1", "")
    );
    let told = reply.expect(503);
    assert!(told["error"].to_string().contains("revoked"), "{told}");
    store.set_down(false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(status(&app, &admin).await, 200);
}

#[tokio::test]
async fn the_store_and_its_dump_have_hashes_alone() {
    let store = Arc::new(Memory::new());
    let setup = Setup {
        store: Some(store.clone()),
        ..by_tokens()
    };
    let (app, admin) = started(setup).await;
    let wish = json!({ "name": "ci", "roles": ["reader"] });
    let token = text(&create(&app, &admin, wish).await);
    let listing = store.list("/").await.expect("a list");
    let dump = Dump::of(&listing, "1970-01-01T00:00:00Z".into()).expect("a dump");
    let mut lines = Vec::new();
    dump.write(&mut lines).expect("text");
    let lines = String::from_utf8(lines).expect("UTF-8");
    assert_eq!(lines.matches("/auth/tokens/").count(), 2, "{lines}");
    for token in [&admin, &token] {
        let id = token.split('_').nth(1).expect("an id");
        let secret = &token["sdwan_".len() + id.len() + 1..];
        assert!(lines.contains(id) && !lines.contains(secret), "{lines}");
    }
    let schemas = Arc::clone(app.catalog.schemas());
    let checked = sdwan_server::upkeep::check(&listing, schemas);
    assert_eq!(checked.problems, Vec::<String>::new());
}

#[tokio::test]
async fn bearers_and_cookies_are_read_too() {
    let (app, admin) = started(by_tokens()).await;
    let with = |name: &'static str, value: String| {
        let mut request = request(Method::GET, NEIGHBORS, Body::empty());
        request
            .headers_mut()
            .insert(name, value.parse().expect("a value"));
        app.send(request)
    };
    let bearer = with("authorization", format!("Bearer {admin}")).await;
    let cookie = with("cookie", format!("Auth-Token={admin}")).await;
    let wrong = with("authorization", format!("Bearer {admin}x")).await;
    assert_eq!(
        (bearer.status, cookie.status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

/// A name proves nothing where callers prove who they are; but a browser
/// sends a cookie along for whoever asks.
#[tokio::test]
async fn any_name_will_do_but_a_strange_page_needs_the_token_itself() {
    for (cors, by_header) in [(vec![], 403), (vec!["*".to_owned()], 201)] {
        let mut setup = by_tokens();
        setup.config.cors = cors;
        let (app, admin) = started(setup).await;
        let page = ("origin", "https://elsewhere.example");
        let cookie = format!("Auth-Token={admin}");
        let headers = [page, ("host", "sdwan.example"), ("cookie", &cookie)];
        let reply = app.write(Method::POST, ROUTERS, &gobgp(1), &headers).await;
        reply.expect(403);
        let headers = [page, ("host", "sdwan.example"), ("x-auth-token", &admin)];
        let reply = app.write(Method::POST, ROUTERS, &gobgp(1), &headers).await;
        assert_eq!(reply.status.as_u16(), by_header, "{}", reply.text);
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        let headers = [("host", "sdwan.example"), ("x-auth-token", admin.as_str())];
        let reply = app.write(Method::POST, ROUTERS, &gobgp(2), &headers).await;
        reply.expect(201);
    }
}

#[tokio::test]
async fn what_came_of_tokens_is_counted() {
    let (app, admin) = started(by_tokens()).await;
    let mut registered = prometheus_text(&app, &admin).await;
    assert!(!registered.contains(&admin), "{registered}");
    app.get(ROUTERS).await.expect(401);
    status(&app, "sdwan_x_y").await;
    registered = prometheus_text(&app, &admin).await;
    for line in [
        "sdwan_auth_requests_total{outcome=\"missing\"} 1",
        "sdwan_auth_requests_total{outcome=\"refused\"} 1",
        "sdwan_auth_requests_total{outcome=\"unknowable\"} 0",
    ] {
        assert!(registered.contains(line), "{registered}");
    }
}

async fn prometheus_text(app: &App, token: &str) -> String {
    app.call(token, Method::GET, "/metrics", Value::Null)
        .await
        .text
}

#[tokio::test(start_paused = true)]
async fn a_watch_does_not_outlive_its_token() {
    let (app, admin) = started(by_tokens()).await;
    let wish = json!({ "name": "ci", "roles": ["reader"] });
    let token = text(&create(&app, &admin, wish).await);
    let mut watch = request(Method::GET, "/v2.0/routers?watch=true", Body::empty());
    let value = token.parse().expect("a value");
    watch.headers_mut().insert("x-auth-token", value);
    let watching = app.send(watch);
    let revoking = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        let path = format!("{TOKENS}/ci");
        app.call(&admin, Method::DELETE, &path, Value::Null).await
    };
    let both = async { tokio::join!(watching, revoking) };
    let both = tokio::time::timeout(Duration::from_secs(200), both).await;
    let (watched, revoked) = both.expect("the watch ends");
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    // It went on until then.
    assert!(
        watched.text.matches("event: bookmark").count() >= 6,
        "{}",
        watched.text
    );
    let (_, end) = watched.text.rsplit_once("event: error").expect("an end");
    assert!(end.contains("\"status\":401"), "{end}");
}
