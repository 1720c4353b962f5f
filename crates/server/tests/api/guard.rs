//! Who may call: not a web page that somebody's browser happens to show.

use crate::harness::{App, ROUTERS, Setup, app, gobgp, request};
use axum::body::Body;
use http::{Method, Request, Version};
use sdwan_server::config::Config;

async fn get_as(app: &App, host: &str) -> u16 {
    let mut request = request(Method::GET, ROUTERS, Body::empty());
    request
        .headers_mut()
        .insert("host", host.parse().expect("a value"));
    app.send(request).await.status.as_u16()
}

fn insecure(address: &str) -> Setup {
    Setup {
        config: Config {
            address: address.parse().expect("an address"),
            hosts: vec!["sdwan.example.net".into()],
            insecure: true,
            ..Config::default()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn on_loopback_only_loopbacks_names_are_answered() {
    let app = app().await;
    for host in [
        "127.0.0.1:9998",
        "127.0.0.1",
        "localhost:1",
        "LOCALHOST",
        "[::1]:9998",
        "127.9.9.9",
    ] {
        assert_eq!(get_as(&app, host).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:9998",
        "192.168.200.1",
        "localhost.evil.example",
        "0.0.0.0:9998",
        "127.0.0.1.evil.example",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(get_as(&app, host).await, 421, "{host}");
    }
    for host in ["", "a b", "http://x/"] {
        assert_eq!(get_as(&app, host).await, 400, "{host:?}");
    }
}

#[tokio::test]
async fn elsewhere_addresses_and_configured_names_are_answered() {
    let app = insecure(":9998").start().await;
    for host in [
        "192.168.200.1:9998",
        "[2001:db8::1]",
        "localhost",
        "SDWAN.example.net:9998",
    ] {
        assert_eq!(get_as(&app, host).await, 200, "{host}");
    }
    assert_eq!(get_as(&app, "evil.example").await, 421);
}

#[tokio::test]
async fn a_missing_host_is_for_http_1_0_alone() {
    let app = app().await;
    let bare = |version| {
        let request = Request::builder().uri("/healthz").version(version);
        request.body(Body::empty()).expect("a request")
    };
    assert_eq!(app.send(bare(Version::HTTP_11)).await.status, 400);
    assert_eq!(app.send(bare(Version::HTTP_10)).await.status, 200);
    let mut two = request(Method::GET, "/healthz", Body::empty());
    two.headers_mut()
        .append("host", "localhost".parse().expect("a value"));
    assert_eq!(app.send(two).await.status, 400);
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let app = app().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:9997",
        "http://localhost:9998.evil.example",
    ] {
        let reply = app
            .write(Method::POST, ROUTERS, &gobgp(1), &[("origin", origin)])
            .await;
        assert_eq!(reply.status, 403, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    assert_eq!(app.count(ROUTERS).await, 0);
    let own = [("origin", "http://127.0.0.1:9998")];
    app.write(Method::POST, ROUTERS, &gobgp(1), &own)
        .await
        .expect(201);
}

#[tokio::test]
async fn configured_origins_may_read_and_change() {
    let ui = "https://ui.example.net";
    let app = Setup {
        config: Config {
            cors: vec![ui.into()],
            ..Config::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    let reply = app
        .write(Method::POST, ROUTERS, &gobgp(1), &[("origin", ui)])
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("access-control-allow-origin"), ui);
    assert!(
        reply
            .header("access-control-expose-headers")
            .contains("x-total-count")
    );
    let mut preflight = request(Method::OPTIONS, ROUTERS, Body::empty());
    let headers = preflight.headers_mut();
    headers.insert("origin", ui.parse().expect("a value"));
    headers.insert(
        "access-control-request-method",
        "PATCH".parse().expect("a value"),
    );
    let reply = app.send(preflight).await;
    assert!(
        reply
            .header("access-control-allow-methods")
            .contains("PATCH")
    );
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("if-match")
    );
    let mut other = request(Method::GET, ROUTERS, Body::empty());
    other
        .headers_mut()
        .insert("origin", "https://evil.example".parse().expect("a value"));
    assert_eq!(
        app.send(other).await.header("access-control-allow-origin"),
        ""
    );
}

#[tokio::test]
async fn files_of_the_document_root_are_served_and_nothing_above_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("made");
    std::fs::write(root.join("page.html"), "<p>hello").expect("written");
    std::fs::write(folder.path().join("secret"), "hush").expect("written");
    let app = Setup {
        config: Config {
            document_root: Some(root),
            ..Config::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(app.get("/page.html").await.text, "<p>hello");
    app.get("/v2.0/routers").await.expect(200);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/absent",
        "/page.html/x",
        "//secret",
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.text.contains("hush"), "{path}");
    }
}
