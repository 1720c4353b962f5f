//! Answers that a real Keystone can't be made to give: broken, busy, strange.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sdwan_keystone::credentials::{Named, Target};
use sdwan_keystone::{Credentials, Error, Keystone, Options, Session};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The same for every request; counts them.
#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    asked: Arc<AtomicUsize>,
}

impl Answer {
    fn new(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Self {
        let pairs = headers.iter().map(|(name, value)| {
            let value = value.parse().unwrap();
            (axum::http::HeaderName::from_static(name), value)
        });
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: pairs.collect(),
            body: body.into(),
            asked: Arc::default(),
        }
    }

    async fn give(State(answer): State<Self>) -> Response {
        answer.asked.fetch_add(1, Ordering::Relaxed);
        (answer.status, answer.headers, answer.body).into_response()
    }

    /// Serves it; gives the base of the URL.
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(Self::give).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

fn client(url: &str) -> Keystone {
    let options = Options {
        timeout: Duration::from_secs(30),
        ..Options::default()
    };
    Keystone::new(&url.parse().unwrap(), options).unwrap()
}

async fn login(url: &str) -> Result<Session, Error> {
    let user = Named::Id("u1".to_owned());
    let credentials = Credentials::Password {
        user,
        password: "hunter2".into(),
        target: Target::Usual,
    };
    client(url).login(&credentials).await
}

async fn validate(url: &str) -> Result<bool, Error> {
    let (own, subject) = (SecretString::from("own"), SecretString::from("hunter2"));
    let token = client(url).validate(&own, &subject).await?;
    Ok(token.is_some())
}

#[tokio::test]
async fn who_is_busy_or_broken_may_recover() {
    for status in [429, 500, 502, 503] {
        let url = Answer::new(status, &[], "<html>").serve().await + "/v3";
        for error in [
            login(&url).await.unwrap_err(),
            validate(&url).await.unwrap_err(),
        ] {
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_keystone_never_makes_a_token_good_or_bad() {
    for (status, body) in [
        (200, "<html>"),
        (200, "{}"),
        (404, "<html>not here"),
        (405, ""),
        (204, ""),
    ] {
        let url = Answer::new(status, &[], body).serve().await + "/v3";
        for error in [
            login(&url).await.unwrap_err(),
            validate(&url).await.unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::NotKeystone { .. }),
                "{status}: {error}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
    let url = Answer::new(200, &[], vec![b' '; 5 << 20]).serve().await;
    let error = login(&url).await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    let created = Answer::new(201, &[], "{}").serve().await + "/v3";
    let error = login(&created).await.unwrap_err();
    assert!(error.to_string().contains("no X-Subject-Token"), "{error}");
}

#[tokio::test]
async fn nothing_follows_a_redirect() {
    let elsewhere = Answer::new(201, &[("x-subject-token", "t")], "{}");
    let target = elsewhere.serve().await;
    for status in [301, 302, 307, 308] {
        let url = Answer::new(status, &[("location", &target)], "")
            .serve()
            .await;
        for path in ["", "/v3", "/v2.0"] {
            assert!(login(&format!("{url}{path}")).await.is_err());
        }
        assert!(validate(&format!("{url}/v3")).await.is_err());
    }
    assert_eq!(elsewhere.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_further_factor_is_told_with_a_way_out() {
    let receipt = [("openstack-auth-receipt", "r")];
    let body = r#"{"receipt": {"methods": ["password"]}}"#;
    let url = Answer::new(401, &receipt, body).serve().await + "/v3";
    let error = login(&url).await.unwrap_err();
    assert!(
        error.to_string().contains("application credential"),
        "{error}"
    );
}

#[tokio::test]
async fn what_keystone_says_of_a_refusal_is_told_in_one_line() {
    let message = "The password is expired\\nand needs to be changed for user: u1.";
    let body = format!(r#"{{"error": {{"message": "{message}"}}}}"#);
    let url = Answer::new(401, &[], body).serve().await + "/v3";
    let error = login(&url).await.unwrap_err().to_string();
    assert!(error.ends_with("The password is expired and needs to be changed for user: u1."));
    assert!(error.contains("refuses user u1"), "{error}");
}

#[tokio::test]
async fn who_else_asks_who_calls_is_no_keystone() {
    let body = r#"{"title": "Unauthorized", "error": "say who you are"}"#;
    let url = Answer::new(401, &[], body).serve().await + "/v3";
    let error = login(&url).await.unwrap_err().to_string();
    assert!(error.contains("is no Keystone v3"), "{error}");
}
