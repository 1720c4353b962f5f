//! A server without sockets and routers.

use axum::Router;
use axum::body::Body;
use futures::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use sdwan_model::document::Document;
use sdwan_model::plan::Plan;
use sdwan_model::policy::{Caller, Policies};
use sdwan_model::schema::Schemas;
use sdwan_server::agents::Agents;
use sdwan_server::api;
use sdwan_server::audit::{Key, Recorder};
use sdwan_server::auth::{Authenticator, Random};
use sdwan_server::catalog::{Catalog, FORMAT, Options};
use sdwan_server::cluster::{self, Membership, Role, Tenure};
use sdwan_server::config::Config;
use sdwan_server::limits::Limits;
use sdwan_server::live::{Error, Live};
use sdwan_server::metrics::Metrics;
use sdwan_server::secrets::SecretBox;
use sdwan_server::speaker::{Counters, Route};
use sdwan_store::memory::Memory;
use sdwan_store::{Commit, Op, Store};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

pub const ROUTERS: &str = "/v2.0/routers";
pub const NEIGHBORS: &str = "/v2.0/neighbors";
pub const POLICIES: &str = "/v2.0/policyinfos";

/// How long an agent may say nothing.
pub const SILENCE: Duration = Duration::from_secs(90);

/// What a test wants to be different.
#[derive(Default)]
pub struct Setup {
    pub schemas: Option<&'static str>,
    pub config: Config,
    pub limits: Limits,
    /// What an earlier server has left.
    pub store: Option<Arc<dyn Store>>,
    /// How many ids it has made: the store knows commits by theirs.
    pub ids: u64,
    /// Others work on the store, too.
    pub shared: bool,
    pub role: Role,
    /// The time, in seconds since 1970.
    pub now: Arc<AtomicI64>,
    /// Whom everybody is taken for; else for who may do anything.
    pub caller: Option<Caller>,
    /// An audit is kept here, which the configuration describes.
    pub audit: Option<PathBuf>,
}

pub struct App {
    pub router: Router,
    pub catalog: Arc<Catalog>,
    pub live: Arc<FakeLive>,
    pub agents: Arc<Agents>,
    pub auth: Arc<Authenticator>,
    pub shutdown: CancellationToken,
    pub audit: Arc<Recorder>,
}

/// The seed's kinds alone.
pub async fn app() -> App {
    Setup::default().start().await
}

/// With these kinds of an operator's own.
pub async fn app_with(schemas: &'static str) -> App {
    let setup = Setup {
        schemas: Some(schemas),
        ..Setup::default()
    };
    setup.start().await
}

impl Setup {
    pub async fn start(self) -> App {
        let files: Vec<Document> = self
            .schemas
            .map(|text| Document::parse("own.yaml", text).expect("yaml"))
            .into_iter()
            .collect();
        let schemas = Schemas::load(&files).unwrap_or_else(|e| panic!("{e:#?}"));
        let policies = Policies::load(&files, &schemas);
        let (policies, _) = policies.unwrap_or_else(|e| panic!("{e:#?}"));
        let store = self.store.unwrap_or_else(|| Arc::new(Memory::new()));
        let catalog = Catalog::open(
            Arc::clone(&store),
            Arc::new(schemas),
            options_after(self.ids, self.shared, self.now),
        )
        .await
        .expect("an empty store opens");
        let live = Arc::new(FakeLive::default());
        let agents = Arc::new(Agents::new(Arc::clone(&catalog), SILENCE));
        let shutdown = CancellationToken::new();
        let membership = Membership::new(
            store,
            Arc::clone(&catalog),
            cluster::Settings {
                role: self.role,
                ..cluster::Settings::default()
            },
            "127.0.0.1:9998".into(),
        );
        let auth = match self.caller {
            Some(caller) => Ok(Authenticator::fixed(caller)),
            None => Authenticator::new(&self.config.auth, &catalog, random(self.ids)),
        };
        let auth = Arc::new(auth.expect("nothing to read"));
        let audit = Arc::new(match self.audit {
            None => Recorder::off(),
            Some(file) => {
                let key = Key::of(&SecretBox::from_key([7; 32])).expect("a key");
                let settings = self.config.audit.clone().unwrap_or_default();
                let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
                Recorder::start(file, &settings, key, clock, "test".into()).expect("a file")
            }
        });
        let deps = api::Deps {
            audit: Arc::clone(&audit),
            auth: Arc::clone(&auth),
            policies,
            membership: Arc::new(membership),
            catalog: Arc::clone(&catalog),
            live: Arc::clone(&live) as Arc<dyn Live>,
            agents: Arc::clone(&agents),
            metrics: Arc::new(Metrics::default().with_auth(&auth)),
            instance: "test".into(),
            shutdown: shutdown.clone(),
        };
        let router = api::router(deps, &self.config, self.limits).expect("distinct routes");
        App {
            router,
            catalog,
            live,
            agents,
            auth,
            shutdown,
            audit,
        }
    }
}

/// Ids count up, the clock stands still unless it is moved.
pub fn options() -> Options {
    options_after(0, false, Arc::default())
}

fn options_after(ids: u64, shared: bool, now: Arc<AtomicI64>) -> Options {
    // Opening a new store takes the first two.
    let next = AtomicU64::new(ids);
    Options {
        secrets: SecretBox::from_key([7; 32]),
        ids: Arc::new(move || Uuid::from_u128(next.fetch_add(1, Ordering::Relaxed).into())),
        clock: Arc::new(move || {
            jiff::Timestamp::from_second(now.load(Ordering::Relaxed)).expect("a time")
        }),
        tenure: Arc::new(match shared {
            true => Tenure::shared(format!("test-{ids}")),
            false => Tenure::alone("test"),
        }),
        format: FORMAT,
    }
}

/// Secrets count up, too.
fn random(first: u64) -> Random {
    let next = AtomicU64::new(first);
    Arc::new(move || {
        let mut secret = [0xff; 32];
        secret[..8].copy_from_slice(&next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        secret
    })
}

/// What another program writes into the store.
pub async fn commit(store: &dyn Store, then: Vec<Op>) {
    static IDS: AtomicU64 = AtomicU64::new(1);
    let id = Uuid::from_u128(u128::from(IDS.fetch_add(1, Ordering::Relaxed)) << 64);
    let when = Vec::new();
    store
        .commit(Commit { id, when, then })
        .await
        .expect("a commit");
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |v| v.to_str().expect("text"))
    }

    /// Asserts the status and gives the body.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() {
            return Value::Null;
        }
        self.json()
    }

    /// Asserts a problem with these pointers, in any order.
    pub fn expect_violations(self, status: u16, pointers: &[&str]) -> Value {
        let body = self.expect(status);
        let mut found: Vec<&str> = body["violations"]
            .as_array()
            .unwrap_or_else(|| panic!("no violations: {body}"))
            .iter()
            .map(|v| v["pointer"].as_str().expect("a pointer"))
            .collect();
        found.sort_unstable();
        let mut wanted = pointers.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{body}");
        body
    }
}

impl App {
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        }
    }

    /// With a token.
    pub async fn call(&self, token: &str, method: Method, path: &str, body: Value) -> Reply {
        let headers = [("x-auth-token", token)];
        match body {
            Value::Null => {
                let mut request = request(method, path, Body::empty());
                let token = token.parse().expect("a value");
                request.headers_mut().insert("x-auth-token", token);
                self.send(request).await
            }
            body => self.write(method, path, &body, &headers).await,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(request(Method::DELETE, path, Body::empty()))
            .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.write(Method::POST, path, &body, &[]).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.write(Method::PUT, path, &body, &[]).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.write(Method::PATCH, path, &body, &[]).await
    }

    pub async fn write(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = request(method, path, Body::from(body.to_string()));
        let json = "application/json".parse().expect("a type");
        request.headers_mut().insert("content-type", json);
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a name");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a value"));
        }
        self.send(request).await
    }

    /// Raw bytes as a POST of JSON.
    pub async fn post_bytes(&self, path: &str, bytes: impl Into<Body>) -> Reply {
        let mut request = request(Method::POST, path, bytes.into());
        let json = "application/json".parse().expect("a type");
        request.headers_mut().insert("content-type", json);
        self.send(request).await
    }

    /// Creates the seed's GoBGP-`n` and gives its id.
    pub async fn gobgp(&self, n: u8) -> String {
        let body = self.post(ROUTERS, gobgp(n)).await.expect(201);
        body["router"]["id"].as_str().expect("an id").to_owned()
    }

    /// Creates a neighbor of GoBGP-1 and gives its id.
    pub async fn neighbor(&self, address: &str) -> String {
        let body = self.post(NEIGHBORS, neighbor(address)).await.expect(201);
        body["neighbor"]["id"].as_str().expect("an id").to_owned()
    }

    /// How many rows there are.
    pub async fn count(&self, path: &str) -> usize {
        let reply = self.get(path).await;
        reply.header("x-total-count").parse().expect("a count")
    }

    /// Opens a watch.
    pub async fn watch(&self, path: &str, last_event_id: Option<&str>) -> Events {
        let mut request = request(Method::GET, path, Body::empty());
        if let Some(id) = last_event_id {
            let id = id.parse().expect("a value");
            request.headers_mut().insert("last-event-id", id);
        }
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body().into_data_stream(),
            buffer: String::new(),
        }
    }
}

/// A request as a local client sends it.
pub fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:9998")
        .body(body)
        .expect("a request")
}

pub fn gobgp(n: u8) -> Value {
    json!({
        "host_name": format!("GoBGP-{n}"),
        "router_id": format!("10.0.1.{n}"),
        "local_as": 65001,
        "mgmt_addr": format!("192.168.200.{}", 102 + u32::from(n)),
    })
}

pub fn neighbor(address: &str) -> Value {
    json!({ "host_name": "GoBGP-1", "neighbor_addr": address, "peer_as": 65000 })
}

/// A server-sent event.
#[derive(Debug, PartialEq)]
pub struct Sse {
    pub event: String,
    pub id: Option<String>,
    pub data: Value,
}

pub struct Events {
    body: axum::body::BodyDataStream,
    buffer: String,
}

impl Events {
    /// The next event; `None` when the watch has ended.
    pub async fn next(&mut self) -> Option<Sse> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(block);
                self.buffer = rest.to_owned();
                return Some(event);
            }
            let chunk = self.body.next().await?.expect("a chunk");
            self.buffer += std::str::from_utf8(&chunk).expect("UTF-8");
        }
    }

    /// Everything up to and including the end of the first list.
    pub async fn listed(&mut self) -> (Vec<Sse>, String) {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("a list");
            if event.event == "listed" {
                return (events, event.id.expect("an id"));
            }
            events.push(event);
        }
    }
}

fn parse(block: &str) -> Sse {
    let field = |name: &str| {
        let prefix = format!("{name}: ");
        let mut values = block.lines().filter_map(|l| l.strip_prefix(&prefix));
        values.next().map(str::to_owned)
    };
    Sse {
        event: field("event").expect("an event"),
        id: field("id"),
        data: serde_json::from_str(&field("data").expect("data")).expect("JSON"),
    }
}

/// Routers that answer what a test puts here.
#[derive(Default)]
pub struct FakeLive {
    pub plan: Mutex<Option<Plan>>,
    pub routes: Mutex<Vec<Route>>,
    pub counters: Mutex<Vec<Counters>>,
    /// How often counters were asked for.
    pub asked: AtomicUsize,
    /// Never answers.
    pub stuck: Mutex<bool>,
    /// What was asked for last.
    pub prefix: Mutex<Option<String>>,
}

#[async_trait::async_trait]
impl Live for FakeLive {
    async fn plan(&self, router: &str) -> Result<Plan, Error> {
        let plan = self.plan.lock().expect("whole").clone();
        plan.ok_or_else(|| Error::NotConnected(router.to_owned()))
    }

    async fn rib(&self, _router: &str, prefix: Option<&str>) -> Result<Vec<Route>, Error> {
        *self.prefix.lock().expect("whole") = prefix.map(str::to_owned);
        assert_ne!(prefix, Some("203.0.113.0/24"), "a bug in the server");
        Ok(self.routes.lock().expect("whole").clone())
    }

    async fn counters(&self, _router: &str) -> Result<Vec<Counters>, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.stuck.lock().expect("whole") {
            futures::future::pending::<()>().await;
        }
        Ok(self.counters.lock().expect("whole").clone())
    }
}

/// So long that a test never sees it pass.
pub const NEVER: Duration = Duration::from_secs(3600);
