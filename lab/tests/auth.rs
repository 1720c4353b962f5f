//! Who calls, by the tokens of a real Keystone. A relay stands between it and
//! the server and writes down what is asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use sdwan_keystone::credentials::{Domain, Target};
use sdwan_lab::daemon::Daemon;
use sdwan_lab::harness;
use sdwan_lab::keystone::{Keystone, named, password_for};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);
const ROUTERS: &str = "/v2.0/routers";
/// Only an admin gets further than 403.
const TOKENS: &str = "/sdwan/v1/tokens";

/// A request to Keystone.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    /// The token that it is asked with.
    own: String,
}

/// Between the server and its Keystone.
struct Relay {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn start(keystone: &Keystone) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (written, to) = (Arc::clone(&asked), keystone.root_url());
        let http = sdwan_http::local()?.timeout(LIMIT).build()?;
        let router = axum::Router::new().fallback(move |request: Request| {
            pass(http.clone(), to.clone(), Arc::clone(&written), request)
        });
        let task = tokio::spawn(async move {
            // It ends with the test; there is nobody to tell.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            asked,
            task,
        })
    }

    /// What was asked so far.
    fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// How often a login was asked for, and how often about a token.
    fn counts(&self) -> (usize, usize) {
        let asked = self.asked();
        let count = |method| asked.iter().filter(|a| a.method == method).count();
        (count(Method::POST), count(Method::GET))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    http: reqwest::Client,
    to: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).cloned();
    let own = header("x-auth-token").and_then(|value| value.to_str().ok().map(str::to_owned));
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Asked {
            method: parts.method.clone(),
            own: own.unwrap_or_default(),
        });
    let mut on = http.request(parts.method, format!("{to}{}", parts.uri));
    for name in ["x-auth-token", "x-subject-token", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            on = on.header(name, value);
        }
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let gone = || {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    };
    let Ok(answer) = on.body(body).send().await else {
        return gone();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    for name in ["x-subject-token", "content-type"] {
        if let Some(value) = answer.headers().get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    match answer.bytes().await {
        Ok(bytes) => response.map(|_| Body::from(bytes)),
        Err(_) => gone(),
    }
}

/// `sdwan server`; killed when dropped.
struct Server {
    process: Daemon,
    url: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Server {
    /// With these members of `keystone`, and what else stands beside it.
    async fn start(keystone: Value, mut more: Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        more["keystone"] = keystone;
        let (process, address) = Daemon::server(folder.path(), &more)?;
        Ok(Self {
            process,
            url: format!("http://{address}"),
            http: sdwan_http::local()?.timeout(LIMIT).build()?,
            folder,
        })
    }

    async fn get(&self, path: &str, token: &str) -> Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.url));
        Ok(request.header("X-Auth-Token", token).send().await?)
    }

    async fn status(&self, path: &str, token: &SecretString) -> Result<u16> {
        let answer = self.get(path, token.expose_secret()).await?;
        Ok(answer.status().as_u16())
    }

    /// Until the answer is this one.
    async fn until(&self, path: &str, token: &SecretString, expected: u16) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let status = self.status(path, token).await?;
            if status == expected {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{path} is {status}, not {expected}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> Result<String> {
        self.process.log()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// How the server logs in, through this relay.
fn configuration(keystone: &Keystone, relay: &Relay) -> Value {
    json!({
        "use_keystone": true,
        "auth_url": format!("http://{}/v3", relay.address),
        "user_name": "admin",
        "tenant_name": "admin",
        "password": keystone.admin_password().expose_secret(),
    })
}

/// A user with a role on a project; gives a token for it.
async fn user(keystone: &Keystone, name: &str, role: &str) -> Result<SecretString> {
    let project = keystone.project(&format!("{name}s")).await?;
    let user = keystone.user(name, "correct-horse").await?;
    let place = format!("projects/{project}");
    keystone.grant(&user, role, &place).await?;
    let target = Target::Project(named(&format!("{name}s")));
    let login = password_for(name, "correct-horse", target);
    Ok(keystone.login(&login).await?.token)
}

/// Until the server has logged in.
async fn logged_in(relay: &Relay) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while relay.counts().0 == 0 {
        ensure!(Instant::now() < end, "the server does not log in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[test]
fn a_cold_token_costs_one_round_trip_and_a_bad_one_no_more() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let server = Server::start(configuration(&keystone, &relay), json!({})).await?;
        let op = user(&keystone, "op", "operator").await?;
        logged_in(&relay).await?;

        let at_once = (0..20).map(|_| server.status(ROUTERS, &op));
        for status in join_all(at_once).await {
            ensure!(status? == 200);
        }
        ensure!(server.status(ROUTERS, &op).await? == 200);
        ensure!(relay.counts() == (1, 1), "{:?}", relay.asked());

        for _ in 0..5 {
            let answer = server.get(ROUTERS, "gAAAAA-no-such-token").await?;
            ensure!(answer.status() == StatusCode::UNAUTHORIZED);
            let challenge = answer.headers().get("www-authenticate");
            let uri = format!("Keystone uri=\"http://{}/v3\"", relay.address);
            ensure!(challenge.is_some_and(|c| *c == *uri), "{challenge:?}");
        }
        ensure!(relay.counts() == (1, 2), "{:?}", relay.asked());
        // What can't be a token, and one of ours, is nobody's business.
        for strange in ["a b", "sdwan_x_y", &"t".repeat(5000)] {
            let answer = server.get(ROUTERS, strange).await?;
            ensure!(answer.status() == StatusCode::UNAUTHORIZED, "{strange}");
        }
        let nobody = server.http.get(format!("{}{ROUTERS}", server.url));
        ensure!(nobody.send().await?.status() == StatusCode::UNAUTHORIZED);
        ensure!(relay.counts() == (1, 2), "{:?}", relay.asked());

        let log = server.log()?;
        let secrets = [&op, keystone.admin_password()];
        let own = relay.asked().last().context("asked")?.own.clone();
        for secret in secrets.map(|secret| secret.expose_secret()) {
            ensure!(!log.contains(secret), "{log}");
        }
        ensure!(!own.is_empty() && !log.contains(&own), "{log}");
        Ok(())
    });
}

#[test]
fn a_revoked_token_is_remembered_for_as_long_as_was_said() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let with = |ttl: Value| {
            let mut configuration = configuration(&keystone, &relay);
            configuration["cache_ttl"] = ttl;
            Server::start(configuration, json!({}))
        };
        let (patient, brief, never) = (
            with(json!("1h")).await?,
            with(json!(1)).await?,
            with(json!(0)).await?,
        );
        let op = user(&keystone, "op", "operator").await?;
        for server in [&patient, &brief, &never] {
            ensure!(server.status(ROUTERS, &op).await? == 200);
        }
        let before = relay.counts().1;
        ensure!(never.status(ROUTERS, &op).await? == 200);
        ensure!(relay.counts().1 == before + 1, "each request asks");
        keystone.revoke(&op).await?;
        ensure!(never.status(ROUTERS, &op).await? == 401);
        ensure!(patient.status(ROUTERS, &op).await? == 200);
        brief.until(ROUTERS, &op, 401).await?;
        ensure!(patient.status(ROUTERS, &op).await? == 200);
        Ok(())
    });
}

/// The hour of an answer is no longer than its token's life.
#[test]
fn a_remembered_token_ends_when_it_expires() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start_with(Duration::from_secs(30)).await?;
        let relay = Relay::start(&keystone).await?;
        let mut configuration = configuration(&keystone, &relay);
        configuration["cache_ttl"] = json!("1h");
        let server = Server::start(configuration, json!({})).await?;
        let op = user(&keystone, "op", "operator").await?;
        ensure!(server.status(ROUTERS, &op).await? == 200);
        server.until(ROUTERS, &op, 401).await?;
        Ok(())
    });
}

#[test]
fn while_keystone_is_away_who_is_known_goes_on_and_nobody_else() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let mut keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let mut configuration = configuration(&keystone, &relay);
        configuration["cache_ttl"] = json!("1h");
        let server = Server::start(configuration, json!({})).await?;
        let known = user(&keystone, "op", "operator").await?;
        let cold = user(&keystone, "other", "operator").await?;
        ensure!(server.status(ROUTERS, &known).await? == 200);
        keystone.stop()?;
        let answer = server.get(ROUTERS, cold.expose_secret()).await?;
        ensure!(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
        ensure!(answer.headers().contains_key("retry-after"));
        ensure!(!answer.headers().contains_key("www-authenticate"));
        ensure!(server.status(ROUTERS, &known).await? == 200);
        // It is left alone for a moment, however many come.
        let before = relay.asked().len();
        let at_once = (0..20).map(|_| server.status(ROUTERS, &cold));
        for status in join_all(at_once).await {
            ensure!(status? == 503);
        }
        ensure!(relay.asked().len() <= before + 5, "{:?}", relay.asked());
        keystone.go_on().await?;
        server.until(ROUTERS, &cold, 200).await?;
        let log = server.log()?;
        ensure!(log.contains("Keystone answers again"), "{log}");
        Ok(())
    });
}

/// Until Keystone itself takes a revoked token no more to ask with: about one
/// that it has just been asked with, it may still think otherwise.
async fn until_refused(keystone: &Keystone, own: &SecretString) -> Result<()> {
    let client = keystone.client()?;
    let end = Instant::now() + LIMIT;
    loop {
        let answer = client.validate(own, own).await;
        if matches!(answer, Err(sdwan_keystone::Error::OwnToken { .. })) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "it is not refused: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn the_servers_own_token_is_renewed_once_when_it_is_refused() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let server = Server::start(configuration(&keystone, &relay), json!({})).await?;
        let first = user(&keystone, "op", "operator").await?;
        let second = user(&keystone, "other", "operator").await?;
        ensure!(server.status(ROUTERS, &first).await? == 200);
        ensure!(relay.counts() == (1, 1), "{:?}", relay.asked());
        let own = relay.asked().last().context("asked")?.own.clone();
        let own = SecretString::from(own);
        keystone.revoke(&own).await?;
        until_refused(&keystone, &own).await?;
        let at_once = (0..10).map(|_| server.status(ROUTERS, &second));
        for status in join_all(at_once).await {
            ensure!(status? == 200);
        }
        // Asked, refused, logged in, asked again.
        ensure!(relay.counts() == (2, 3), "{:?}", relay.asked());
        Ok(())
    });
}

/// What a watch says from here to its end.
async fn to_the_end(mut watch: reqwest::Response) -> Result<String> {
    let mut said = String::new();
    while let Some(chunk) = tokio::time::timeout(LIMIT, watch.chunk()).await?? {
        said += std::str::from_utf8(&chunk)?;
    }
    Ok(said)
}

/// A watch shows what its caller's roles let him see, and they may change.
#[test]
fn a_watch_ends_when_its_callers_roles_change() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let mut configuration = configuration(&keystone, &relay);
        configuration["cache_ttl"] = json!(1);
        let server = Server::start(configuration, json!({})).await?;
        let place = format!("projects/{}", keystone.project("blue").await?);
        let op = keystone.user("op", "correct-horse").await?;
        keystone.grant(&op, "operator", &place).await?;
        let login = password_for("op", "correct-horse", Target::Project(named("blue")));
        let token = keystone.login(&login).await?.token;
        let watch = format!("{ROUTERS}?watch=true");
        for (role, given) in [("reader", true), ("operator", false)] {
            let watching = server.get(&watch, token.expose_secret()).await?;
            ensure!(watching.status() == StatusCode::OK);
            match given {
                true => keystone.grant(&op, role, &place).await?,
                false => keystone.take_away(&op, role, &place).await?,
            }
            let said = to_the_end(watching).await?;
            let (before, end) = said.split_once("event: error").context("an end")?;
            ensure!(before.contains("event: listed"), "{said}");
            ensure!(end.contains("what you may see has changed"), "{said}");
        }
        server.until(ROUTERS, &token, 200).await?;
        Ok(())
    });
}

#[test]
fn a_server_that_keystone_refuses_starts_and_lets_nobody_in() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let mut configuration = configuration(&keystone, &relay);
        configuration["password"] = json!("hush-hush");
        let server = Server::start(configuration, json!({})).await?;
        let op = user(&keystone, "op", "operator").await?;
        for _ in 0..5 {
            ensure!(server.status(ROUTERS, &op).await? == 503);
        }
        ensure!(server.status("/healthz", &op).await? == 200);
        // Keystone locks out whose password is wrong too often.
        ensure!(relay.counts() == (1, 0), "{:?}", relay.asked());
        let log = server.log()?;
        ensure!(log.contains("refuses user admin"), "{log}");
        ensure!(!log.contains("hush-hush"), "{log}");
        Ok(())
    });
}

/// An old file's URL, an application credential, tokens for all there is, and
/// the server's own tokens beside them.
#[test]
fn every_kind_of_token_is_understood() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let relay = Relay::start(&keystone).await?;
        let admin = keystone.login(&keystone.admin()).await?;
        let secret = "an-application-secret";
        let id = keystone.application_credential(&admin, "sdwan", secret);
        let configuration = json!({
            "use_keystone": true,
            "version": "v2.0",
            "auth_url": format!("{}/v2.0", keystone.root_url()),
            "application_credential_id": id.await?,
            "application_credential_secret": secret,
        });
        let server = Server::start(configuration, json!({"auth": "tokens"})).await?;
        let log = server.log()?;
        ensure!(log.contains("v2.0"), "{log}");
        // 200 for an admin, 403 for anybody else.
        ensure!(server.status(TOKENS, &admin.token).await? == 200);
        let op = user(&keystone, "op", "operator").await?;
        ensure!(server.status(TOKENS, &op).await? == 403);
        let login = |target| password_for("op", "correct-horse", target);
        let op = keystone.login(&login(Target::Unscoped)).await?;
        ensure!(server.status(TOKENS, &op.token).await? == 403);
        let user = &op.token_data.user.id;
        for (target, place) in [
            (Target::System, "system"),
            (
                Target::Domain(Domain::Id("default".to_owned())),
                "domains/default",
            ),
        ] {
            keystone.grant(user, "reader", place).await?;
            let reader = keystone.login(&login(target.clone())).await?.token;
            ensure!(server.status(TOKENS, &reader).await? == 403);
            keystone.grant(user, "admin", place).await?;
            let admin = keystone.login(&login(target)).await?.token;
            ensure!(server.status(TOKENS, &admin).await? == 200);
        }
        let file = server.folder().join("sdwan.db.admin-token");
        let local = std::fs::read_to_string(file)?;
        ensure!(server.status(TOKENS, &local.trim_end().into()).await? == 200);
        let answer = server.get(TOKENS, "x").await?;
        let challenges = answer.headers().get_all("www-authenticate").iter().count();
        ensure!(challenges == 2, "{:?}", answer.headers());
        drop(relay);
        Ok(())
    });
}
