//! Gohan's fake Keystone, for trying out.

use crate::harness::{App, ROUTERS, Setup, request};
use axum::body::Body;
use http::{Method, StatusCode};
use sdwan_server::config::{Auth, Config, Identity};
use serde_json::Value;

async fn fake() -> App {
    let auth = Auth {
        tokens: None,
        identity: Some(Identity::Fake),
    };
    let config = Config {
        auth,
        ..Config::default()
    };
    let setup = Setup {
        config,
        ..Setup::default()
    };
    setup.start().await
}

#[tokio::test]
async fn its_tokens_are_gohans() {
    let app = fake().await;
    for (token, expected) in [
        ("admin_token", 200),
        // Known, and without a policy a Member may do nothing.
        ("demo_token", 404),
        ("power_user_token", 404),
        ("other_token", 401),
        ("sdwan_x_y", 401),
    ] {
        let reply = app.call(token, Method::GET, ROUTERS, Value::Null).await;
        assert_eq!(reply.status.as_u16(), expected, "{token}");
    }
    let reply = app.get(ROUTERS).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.header("www-authenticate"), "Keystone uri=\"fake\"");
}

/// Its tokens are no secret, so pages are kept out as where nobody is asked.
#[tokio::test]
async fn it_keeps_no_page_out() {
    let app = fake().await;
    let mut strange = request(Method::GET, ROUTERS, Body::empty());
    let headers = strange.headers_mut();
    headers.insert("host", "evil.example".parse().expect("a value"));
    headers.insert("x-auth-token", "admin_token".parse().expect("a value"));
    assert_eq!(
        app.send(strange).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}
