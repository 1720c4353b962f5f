//! Who did what: what is written of a request, and who may read it.

use crate::harness::{App, NEIGHBORS, ROUTERS, Setup, app, gobgp, neighbor, request};
use crate::socket::{anywhere, deps};
use axum::body::Body;
use http::{Method, StatusCode};
use proptest::prelude::*;
use sdwan_model::policy::Caller;
use sdwan_server::audit::{Asked, Entry, Key, Outcome, Recorder, check};
use sdwan_server::catalog::{Catalog, WriteOptions};
use sdwan_server::config::{Audit, Auth, Config};
use sdwan_server::limits::Limits;
use sdwan_server::secrets::SecretBox;
use sdwan_server::server::{Deps, Server};
use sdwan_store::faults::{Fault, Faulty};
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// A kind with a secret.
const RACKS: &str = "
schemas:
- id: rack
  singular: rack
  plural: racks
  prefix: /v2.0
  schema:
    required: [name]
    propertiesOrder: [id, name, password]
    properties:
      name: {type: string, title: Name, unique: true}
      password: {type: [string, 'null'], title: Password, format: secret, minLength: 4}
";

struct Audited {
    app: App,
    folder: tempfile::TempDir,
}

impl Audited {
    async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup {
            audit: Some(folder.path().join("audit")),
            ..setup
        };
        let app = setup.start().await;
        Self { app, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    /// The requests that were written so far.
    fn requests(&self) -> Vec<Value> {
        let entries = read(&self.path()).into_iter();
        entries
            .filter(|entry| entry["event"] == "request")
            .collect()
    }

    /// The last one.
    fn last(&self) -> Value {
        self.requests().pop().expect("an entry")
    }

    /// What was written in all, once the audit has ended.
    async fn end(self) -> (String, Vec<Value>) {
        self.app.audit.stop().await;
        let text = std::fs::read_to_string(self.path()).expect("a file");
        let key = Key::of(&SecretBox::from_key([7; 32])).expect("a key");
        let checked = check(&key, &[self.path()], &[]).expect("a file");
        checked.result.expect("a whole chain");
        (text, read(&self.path()))
    }
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file");
    // The last one may be on its way.
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_change_is_written_before_it_is_answered() {
    let audited = Audited::start().await;
    let app = &audited.app;
    let id = app.gobgp(1).await;
    let entry = audited.last();
    assert_eq!(entry["method"], "POST");
    assert_eq!(entry["path"], ROUTERS);
    assert_eq!(entry["route"], "routers");
    assert_eq!(entry["kind"], "router");
    assert_eq!(entry["caller"]["name"], "anyone");
    assert_eq!(
        (&entry["status"], &entry["outcome"]),
        (&json!(201), &json!("done"))
    );
    assert_eq!(entry["server"], "sdwan");
    assert!(entry["revision"].is_u64());
    let change = &entry["changes"][0];
    assert_eq!(
        (&change["op"], &change["id"]),
        (&json!("create"), &json!(id))
    );
    assert_eq!(
        (&change["name"], &change["before"]),
        (&json!("GoBGP-1"), &Value::Null)
    );
    assert_eq!(change["after"]["router_id"], "10.0.1.1");

    let path = format!("{ROUTERS}/{id}");
    let reply = app.patch(&path, json!({"listen_port": 1179})).await;
    let request = reply.header("x-request-id").to_owned();
    reply.expect(200);
    let entry = audited.last();
    assert_eq!(
        (&entry["request"], &entry["id"]),
        (&json!(request), &json!(id))
    );
    let change = &entry["changes"][0];
    assert_eq!(
        (&change["op"], &change["version"]),
        (&json!("update"), &json!(2))
    );
    assert_eq!(change["before"].get("listen_port"), None);
    assert_eq!(change["after"]["listen_port"], 1179);

    app.delete(&path).await.expect(204);
    let change = audited.last()["changes"][0].clone();
    assert_eq!(
        (&change["op"], &change["after"]),
        (&json!("delete"), &Value::Null)
    );
    assert_eq!(change["before"]["listen_port"], 1179);
    audited.end().await;
}

#[tokio::test]
async fn rows_that_go_along_are_told_too() {
    let audited = Audited::start().await;
    let app = &audited.app;
    let id = app.gobgp(1).await;
    app.neighbor("192.168.0.1").await;
    let path = format!("{ROUTERS}/{id}");
    app.patch(&path, json!({"host_name": "renamed"}))
        .await
        .expect(200);
    let kinds = |entry: &Value| -> Vec<String> {
        let changes = entry["changes"].as_array().expect("changes");
        changes
            .iter()
            .map(|c| format!("{} {}", c["op"], c["kind"]))
            .collect()
    };
    let updates = ["\"update\" \"neighbor\"", "\"update\" \"router\""];
    assert_eq!(kinds(&audited.last()), updates);
    app.delete(&format!("{path}?cascade=true"))
        .await
        .expect(204);
    let deletes = ["\"delete\" \"neighbor\"", "\"delete\" \"router\""];
    assert_eq!(kinds(&audited.last()), deletes);
}

#[tokio::test]
async fn each_row_of_a_transaction_is_told_and_none_of_one_that_failed() {
    let audited = Audited::start().await;
    let app = &audited.app;
    let change = |n: u8| json!({"op": "create", "kind": "router", "body": gobgp(n)});
    let path = "/sdwan/v1/transaction";
    let both = json!({"changes": [change(1), change(2)]});
    app.post(path, both.clone()).await.expect(200);
    let entry = audited.last();
    assert_eq!(entry["changes"].as_array().map(Vec::len), Some(2));
    app.post(path, both).await.expect(409);
    app.get(ROUTERS).await.expect(200);
    let (_, entries) = audited.end().await;
    let refused = entries.last().expect("an entry");
    assert_eq!(
        (&refused["status"], &refused["outcome"]),
        (&json!(409), &json!("refused"))
    );
    assert_eq!(refused.get("changes"), None);
    assert!(
        refused["detail"]
            .as_str()
            .expect("a reason")
            .contains("/changes/0"),
        "{refused}"
    );
}

#[tokio::test]
async fn many_rows_of_one_request_are_several_lines() {
    let audited = Audited::with(Setup {
        schemas: Some(RACKS),
        ..Setup::default()
    })
    .await;
    let name = |n: usize| format!("{n}{}", "x".repeat(60_000));
    let change = |n| json!({"op": "create", "kind": "rack", "body": {"name": name(n)}});
    let changes: Vec<Value> = (0..5).map(change).collect();
    let body = json!({ "changes": changes });
    audited
        .app
        .post("/sdwan/v1/transaction", body)
        .await
        .expect(200);
    let (_, mut entries) = audited.end().await;
    entries.retain(|entry| entry["event"] == "request");
    assert!(entries.len() > 1);
    let parts: Vec<u64> = entries
        .iter()
        .filter_map(|entry| entry["part"].as_u64())
        .collect();
    assert_eq!(parts, (1..=entries.len() as u64).collect::<Vec<_>>());
    let rows = entries
        .iter()
        .map(|entry| entry["changes"].as_array().expect("rows").len());
    assert_eq!(rows.sum::<usize>(), 5);
}

#[tokio::test]
async fn holds_are_told() {
    let audited = Audited::start().await;
    let id = audited.app.gobgp(1).await;
    let path = format!("/sdwan/v1/holds/{id}");
    audited
        .app
        .put(&path, json!({"why": "line work"}))
        .await
        .expect(204);
    let change = audited.last()["changes"][0].clone();
    assert_eq!(
        (&change["op"], &change["kind"]),
        (&json!("create"), &json!("hold"))
    );
    assert_eq!(change["after"]["why"], "line work");
    audited.app.delete(&path).await.expect(204);
    let change = audited.last()["changes"][0].clone();
    assert_eq!(
        (&change["op"], &change["id"]),
        (&json!("delete"), &json!(id))
    );
}

#[tokio::test]
async fn refusals_are_told_and_usual_reads_are_not() {
    let audited = Audited::start().await;
    let app = &audited.app;
    app.post(ROUTERS, json!({"colour": "red"}))
        .await
        .expect(400);
    app.patch(&format!("{ROUTERS}/nowhere"), json!({}))
        .await
        .expect(404);
    app.post("/nowhere", json!({})).await.expect(404);
    app.get(ROUTERS).await.expect(200);
    app.get(&format!("{ROUTERS}/nowhere")).await.expect(404);
    app.get("/healthz").await;
    app.post(&format!("{ROUTERS}?dry_run=true"), gobgp(1))
        .await
        .expect(200);
    let mut foreign = request(Method::GET, ROUTERS, Body::empty());
    foreign
        .headers_mut()
        .insert("host", "evil.example".parse().expect("a name"));
    assert_eq!(
        app.send(foreign).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    let (_, entries) = audited.end().await;
    let told: Vec<String> = entries[1..]
        .iter()
        .map(|e| format!("{} {} {}", e["method"], e["path"], e["status"]))
        .collect();
    let wanted = [
        "\"POST\" \"/v2.0/routers\" 400",
        "\"PATCH\" \"/v2.0/routers/nowhere\" 404",
        "\"POST\" \"/nowhere\" 404",
        "\"GET\" \"/v2.0/routers\" 421",
    ];
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn reads_are_told_where_that_is_asked_for() {
    let audited = Audited::with(Setup {
        config: Config {
            audit: Some(Audit {
                reads: true,
                ..Audit::default()
            }),
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    audited
        .app
        .get(&format!("{ROUTERS}?limit=1"))
        .await
        .expect(200);
    audited.app.get("/healthz").await;
    audited
        .app
        .post(&format!("{ROUTERS}?dry_run=true"), gobgp(1))
        .await
        .expect(200);
    let (_, entries) = audited.end().await;
    let told: Vec<&Value> = entries[1..].iter().map(|entry| &entry["path"]).collect();
    assert_eq!(told, [ROUTERS, ROUTERS]);
    assert_eq!(entries[2]["dry_run"], true);
}

#[tokio::test]
async fn agents_reports_are_told_only_where_the_agent_is_refused() {
    let audited = Audited::start().await;
    audited.app.gobgp(1).await;
    let path = "/sdwan/v1/routers/GoBGP-1/fib";
    audited.app.put(path, json!({})).await.expect(400);
    let (_, entries) = audited.end().await;
    assert_eq!(entries.len(), 2, "{entries:?}");
}

#[tokio::test]
async fn an_admin_finds_what_he_looks_for() {
    let audited = Audited::start().await;
    let app = &audited.app;
    let id = app.gobgp(1).await;
    app.gobgp(2).await;
    app.neighbor("192.168.0.1").await;
    app.post(ROUTERS, gobgp(1)).await.expect(409);
    app.audit.stop().await;
    let search = async |query: &str| -> Vec<String> {
        let body = app
            .get(&format!("/sdwan/v1/audit?{query}"))
            .await
            .expect(200);
        assert_eq!(body["server"], "sdwan");
        let entries = body["entries"].as_array().expect("a list");
        entries
            .iter()
            .map(|entry| entry["seq"].to_string())
            .collect()
    };
    assert_eq!(search("").await, ["1", "2", "3", "4", "5"]);
    assert_eq!(search("limit=2").await, ["4", "5"]);
    assert_eq!(search("before=4&limit=2").await, ["2", "3"]);
    assert_eq!(search("after=4").await, ["5"]);
    assert_eq!(search("kind=neighbor").await, ["4"]);
    assert_eq!(search("id=GoBGP-1").await, ["2"]);
    assert_eq!(search(&format!("id={id}")).await, ["2"]);
    assert_eq!(search("outcome=refused").await, ["5"]);
    assert_eq!(search("caller=anyone&kind=router").await, ["2", "3", "5"]);
    assert_eq!(search("caller=nobody").await, [""; 0]);
    assert_eq!(search("since=1970-01-01T00:00:00Z").await.len(), 5);
    assert_eq!(search("since=1970-01-02T00:00:00Z").await, [""; 0]);
    assert_eq!(search("until=1969-01-02T00:00:00Z").await, [""; 0]);
    for wrong in [
        "since=yesterday",
        "limit=0",
        "limit=1001",
        "outcome=bad",
        "x=1",
        "after=a",
    ] {
        app.get(&format!("/sdwan/v1/audit?{wrong}"))
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn without_an_audit_there_is_none_to_read() {
    let body = app().await.get("/sdwan/v1/audit").await.expect(404);
    assert!(body["error"].as_str().expect("words").contains("`audit`"));
}

#[tokio::test]
async fn a_token_is_told_of_and_its_text_is_not() {
    let tokens = "/sdwan/v1/tokens";
    let audited = Audited::with(Setup {
        config: Config {
            auth: Auth::by_tokens(),
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    let app = &audited.app;
    let file = audited.folder.path().join("admin-token");
    app.auth.begin(&file, false).await.expect("a first token");
    let admin = std::fs::read_to_string(&file).expect("a file");
    let admin = admin.trim_end();
    let wish = json!({"name": "ci", "roles": ["reader"]});
    let made = app
        .call(admin, Method::POST, tokens, wish)
        .await
        .expect(201);
    let word = |name: &str| made["token"][name].as_str().expect(name).to_owned();
    let (id, text) = (word("id"), word("token"));
    let change = audited.last()["changes"][0].clone();
    assert_eq!(
        (&change["op"], &change["kind"]),
        (&json!("create"), &json!("token"))
    );
    assert_eq!((&change["id"], &change["name"]), (&json!(id), &json!("ci")));

    let read = app
        .call(&text, Method::GET, "/sdwan/v1/audit", Value::Null)
        .await;
    assert_eq!(read.status, StatusCode::FORBIDDEN);
    let guessed = app
        .call(&format!("{text}x"), Method::GET, ROUTERS, Value::Null)
        .await;
    assert_eq!(guessed.status, StatusCode::UNAUTHORIZED);
    let by_text = format!("{tokens}/{text}");
    app.call(admin, Method::DELETE, &by_text, Value::Null)
        .await
        .expect(404);
    let by_id = format!("{tokens}/{id}");
    app.call(admin, Method::DELETE, &by_id, Value::Null)
        .await
        .expect(204);
    let change = audited.last()["changes"][0].clone();
    assert_eq!(
        (&change["op"], &change["before"]["name"]),
        (&json!("delete"), &json!("ci"))
    );

    let (written, entries) = audited.end().await;
    let refused = entries.iter().filter(|entry| entry["outcome"] == "refused");
    let refused: Vec<&Value> = refused.map(|entry| &entry["caller"]["name"]).collect();
    assert_eq!(refused.len(), 3);
    assert_eq!((refused[0], refused[1]), (&json!("ci"), &Value::Null));
    for secret in [admin, &text] {
        assert!(!written.contains(secret), "{written}");
    }
}

/// Waits for something that the writer does by itself.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn while_it_can_not_be_written_nothing_is_changed() {
    let audited = Audited::start().await;
    let app = &audited.app;
    app.gobgp(1).await;
    let failing = || app.audit.stats().expect("an audit").failing;
    std::fs::remove_dir_all(audited.folder.path()).expect("gone");
    // It was under way when the folder went: it is done, and told later.
    app.gobgp(2).await;
    until("it fails", failing).await;
    let refused = app.post(ROUTERS, gobgp(3)).await.expect(503);
    app.put("/sdwan/v1/routers/GoBGP-1/fib", json!({}))
        .await
        .expect(400);
    assert!(
        refused["error"].as_str().expect("words").contains("audit"),
        "{refused}"
    );
    app.get(ROUTERS).await.expect(200);
    assert_eq!(app.count(ROUTERS).await, 2);

    std::fs::create_dir(audited.folder.path()).expect("a folder");
    until("it works again", || !failing()).await;
    app.gobgp(4).await;
    let (_, entries) = audited.end().await;
    assert!(
        entries[0]["note"]
            .as_str()
            .expect("a note")
            .contains("taken away")
    );
    let told: Vec<&Value> = entries[1..].iter().map(|entry| &entry["status"]).collect();
    assert_eq!(told, [201, 503, 201]);
}

#[tokio::test]
async fn who_hangs_up_is_told_of_too() {
    let audited = Audited::start().await;
    let app = &audited.app;
    // After more and more of the work.
    for n in 1..=100 {
        let mut request = request(Method::POST, ROUTERS, Body::from(gobgp(n).to_string()));
        let json = "application/json".parse().expect("a type");
        request.headers_mut().insert("content-type", json);
        let mut answer = std::pin::pin!(app.router.clone().oneshot(request));
        for _ in 0..n / 4 {
            if futures::poll!(answer.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    app.gobgp(101).await;
    let told = || {
        let requests = audited.requests();
        requests
            .iter()
            .filter(|entry| entry["status"] == 201)
            .count()
    };
    until("every row is told of", || {
        told() == app.catalog.list("router").len()
    })
    .await;
}

/// A router with so many neighbors that they go in several commits.
async fn crowded(catalog: &Arc<Catalog>) -> String {
    let router = catalog.create("router", gobgp(1), WriteOptions::default());
    let router = router.await.expect("a router").row.id.clone();
    for n in 0..CROWD {
        let body = neighbor(&format!("10.0.{}.{}", n / 250, n % 250 + 1));
        let row = catalog.create("neighbor", body, WriteOptions::default());
        row.await.expect("a neighbor");
    }
    router
}

const CROWD: usize = 1100;

/// How often each row is told to be gone, by entries that the `event` is of.
fn gone(entries: &[Value], event: &str) -> BTreeMap<String, usize> {
    let mut gone = BTreeMap::new();
    let entries = entries.iter().filter(|entry| entry["event"] == event);
    for change in entries.flat_map(|entry| entry["changes"].as_array().into_iter().flatten()) {
        if change["op"] == "delete" && change["tried"] != true {
            assert!(change["before"]["host_name"].is_string(), "{change}");
            assert!(change["after"].is_null(), "{change}");
            let id = change["id"].as_str().expect("an id");
            *gone.entry(id.to_owned()).or_default() += 1;
        }
    }
    gone
}

#[tokio::test]
async fn what_a_request_does_after_its_answer_is_told_too() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let audited = Audited::with(Setup {
        store: Some(store.clone()),
        limits: Limits {
            request: Duration::from_millis(1),
            ..Limits::default()
        },
        ..Setup::default()
    })
    .await;
    let app = &audited.app;
    let router = crowded(&app.catalog).await;
    // The mark gets through, the first part takes longer than the request has.
    store.next_commits([None, Some(Fault::Late(Duration::from_millis(200)))]);
    let path = format!("{ROUTERS}/{router}?cascade=true&force=true");
    app.delete(&path).await.expect(503);
    let told = || gone(&read(&audited.path()), "rest").len() == CROWD + 1;
    until("every row is told of", told).await;
    assert!(app.catalog.list("neighbor").is_empty());

    let (_, entries) = audited.end().await;
    let of = |event: &'static str| entries.iter().filter(move |entry| entry["event"] == event);
    let answered = of("request").next().expect("an entry");
    assert_eq!(answered["status"], 503);
    for entry in of("rest") {
        assert_eq!(entry["request"], answered["request"]);
        assert_eq!(entry["caller"], answered["caller"]);
        assert_eq!(entry["outcome"], "done");
    }
    assert!(of("rest").count() >= CROWD / 250, "as it is done");
    let times = gone(&entries, "rest");
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

fn audited_at(path: &Path) -> Config {
    Config {
        audit: Some(Audit {
            file: Some(path.to_owned()),
            ..Audit::default()
        }),
        ..anywhere()
    }
}

#[tokio::test]
async fn a_deletion_that_the_next_server_finishes_is_told_too() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let audited = Audited::with(Setup {
        store: Some(store.clone()),
        ..Setup::default()
    })
    .await;
    let app = &audited.app;
    let router = crowded(&app.catalog).await;
    // The mark and a first part get through, then the store is gone.
    store.next_commits([None, None, Some(Fault::Unavailable)]);
    let path = format!("{ROUTERS}/{router}?cascade=true&force=true");
    app.delete(&path).await.expect(503);
    app.audit.stop().await;

    let ids = AtomicU64::new(1 << 40);
    let next = move || uuid::Uuid::from_u128(ids.fetch_add(1, Ordering::Relaxed).into());
    let deps = Deps {
        store,
        ids: Arc::new(next),
        ..deps()
    };
    let server = Server::start(&audited_at(&audited.path()), deps).await;
    let server = server.expect("it starts");
    let told = || {
        let entries = read(&audited.path());
        gone(&entries, "request").len() + gone(&entries, "server").len() == CROWD + 1
    };
    until("every row is told of", told).await;
    server.stop().await;
    let (_, entries) = audited.end().await;
    let (asked, own) = (gone(&entries, "request"), gone(&entries, "server"));
    assert!(!asked.is_empty() && !own.is_empty());
    assert!(asked.keys().all(|id| !own.contains_key(id)));
    let why = entries.iter().find(|entry| entry["event"] == "server");
    let why = why.expect("an entry")["detail"].as_str().expect("words");
    assert!(why.contains("not finished"), "{why}");
}

#[tokio::test]
async fn the_first_admins_token_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit");
    let store = Arc::new(Memory::new());
    let config = Config {
        auth: Auth::by_tokens(),
        database: folder.path().join("sdwan.db"),
        ..audited_at(&path)
    };
    for _ in 0..2 {
        let deps = Deps {
            store: store.clone(),
            ..deps()
        };
        let server = Server::start(&config, deps).await.expect("it starts");
        server.stop().await;
    }
    let entries = read(&path);
    let own: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["event"] == "server")
        .collect();
    assert_eq!(own.len(), 1, "{own:?}");
    let change = &own[0]["changes"][0];
    assert_eq!(
        (&change["op"], &change["kind"], &change["name"]),
        (&json!("create"), &json!("token"), &json!("admin"))
    );
    let token = std::fs::read_to_string(config.admin_token()).expect("a token");
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(!text.contains(token.trim_end()));
}

/// Somebody who guesses.
fn guess(n: u32, by: Option<&Arc<Caller>>) -> Entry {
    let [_, a, b, c] = n.to_be_bytes();
    let asked = Asked {
        request: format!("guess-{n}"),
        from: Some(([10, a, b, c], 4711).into()),
        method: "GET".into(),
        path: "/".into(),
        route: "none".into(),
        kind: None,
        id: None,
        dry_run: false,
        status: 401,
        answered: false,
    };
    Entry {
        time: "2026-11-23T10:00:00.000Z".into(),
        caller: by.cloned(),
        asked: Some(asked),
        outcome: Outcome::Refused,
        detail: None,
        revision: None,
        changes: Vec::new(),
    }
}

fn recorder(folder: &Path) -> Recorder {
    let key = Key::of(&SecretBox::from_key([7; 32])).expect("a key");
    let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
    let settings = Audit::default();
    Recorder::start(folder.join("audit"), &settings, key, clock, "test".into()).expect("a file")
}

#[tokio::test]
async fn who_guesses_fills_no_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = recorder(folder.path());
    for _ in 0..5000 {
        recorder.record(guess(1, None));
    }
    recorder.stop().await;
    let entries = read(&folder.path().join("audit"));
    assert!(entries.len() < 100, "{}", entries.len());
    let repeated = entries.iter().filter(|entry| entry["event"] == "repeated");
    let repeated: u64 = repeated.filter_map(|entry| entry["times"].as_u64()).sum();
    let single = entries
        .iter()
        .filter(|entry| entry["event"] == "request")
        .count();
    assert_eq!(repeated + single as u64, 5000, "none is forgotten");
}

#[tokio::test]
async fn more_than_there_is_room_for_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = recorder(folder.path());
    std::fs::remove_dir_all(folder.path()).expect("gone");
    for n in 0..12_000 {
        recorder.record(guess(n, None));
    }
    until("it fails", || {
        recorder.stats().is_some_and(|stats| stats.failing)
    })
    .await;
    assert_eq!(recorder.stats().map(|stats| stats.lost), Some(2000));
    std::fs::create_dir(folder.path()).expect("a folder");
    until("it works again", || {
        recorder.stats().is_some_and(|stats| !stats.failing)
    })
    .await;
    recorder.stop().await;
    let entries = read(&folder.path().join("audit"));
    let lost = entries
        .iter()
        .find(|entry| entry["event"] == "lost")
        .expect("told");
    assert_eq!(lost["entries"], 2000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is done with a secret, and however it goes wrong.
    #[test]
    fn a_secret_is_in_no_entry(secret in "[a-zA-Z0-9!?#]{12,40}", wrong in 0..6u8) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (text, requests) = runtime.block_on(async {
            let audited = Audited::with(Setup { schemas: Some(RACKS), ..Setup::default() }).await;
            let app = &audited.app;
            let secret = &secret;
            let racks = "/v2.0/racks";
            let body = json!({"name": "one", "password": secret});
            let headers = [("x-auth-token", secret.as_str()), ("authorization", secret.as_str())];
            let created = app.write(Method::POST, racks, &body, &headers).await.expect(201);
            let id = created["rack"]["id"].as_str().expect("an id");
            let path = format!("{racks}/{id}");
            app.patch(&path, json!({"password": format!("{secret}2")})).await.expect(200);
            app.put(&path, json!({"name": "two", "password": secret})).await.expect(200);
            let wrongs = [
                json!({"name": "three", "password": [secret]}),
                json!({"name": "three", "password": {"is": secret}}),
                json!({"name": 3, "password": secret}),
                json!({"name": "two", "password": secret}),
                json!({"changes": [{"op": "create", "kind": "rack", "body": {"password": secret}}]}),
                json!({"name": "three", "password": secret, "colour": "red"}),
            ];
            let at = if wrong == 4 { "/sdwan/v1/transaction" } else { racks };
            let refused = app.write(Method::POST, at, &wrongs[usize::from(wrong)], &headers).await;
            assert!(refused.status.is_client_error(), "{}", refused.status);
            app.delete(&path).await.expect(204);
            audited.end().await
        });
        prop_assert!(!text.contains(&secret), "{}", text);
        prop_assert_eq!(requests.len(), 6);
        prop_assert_eq!(&requests[1]["changes"][0]["secrets"], &json!(["password"]));
        prop_assert_eq!(&requests[2]["changes"][0]["secrets"], &json!(["password"]));
        prop_assert_eq!(&requests[1]["changes"][0]["after"]["password"], "********");
    }
}

#[tokio::test]
async fn a_neighbor_is_found_by_its_kind() {
    let audited = Audited::start().await;
    audited.app.gobgp(1).await;
    let body = audited
        .app
        .post(NEIGHBORS, neighbor("192.168.0.1"))
        .await
        .expect(201);
    let found = audited
        .app
        .get("/sdwan/v1/audit?kind=neighbor")
        .await
        .expect(200);
    assert_eq!(
        found["entries"][0]["changes"][0]["id"],
        body["neighbor"]["id"]
    );
}
