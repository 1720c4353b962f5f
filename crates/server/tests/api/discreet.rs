//! No answer tells a caller what he may not see: rows whose every value is
//! known from all others, callers who see some of them, and whatever they may
//! try to change. What comes back has nothing in it that they neither see in
//! their lists nor have sent.

use crate::harness::{App, Setup};
use crate::who::{TENANTS, caller};
use axum::body::Body;
use http::Method;
use sdwan_store::Store;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Callers who see some rows, or some properties of them, and change others.
const POLICIES: &str = "
- {principal: timer, action: '*', resource: {path: '/v2.0/neighbors(/.*)?', properties: [keepalive_interval, passive]}}
- {principal: placer, action: '*', resource: {path: '/v2.0/neighbors(/.*)?', blacklistProperties: [neighbor_addr, host_name]}}
- {principal: adder, action: '*', resource: {path: '/v2.0/neighbors(/.*)?'}}
- {principal: adder, action: read, resource: {path: '/v2.0/routers(/.*)?', properties: [host_name]}}
- {principal: writer, action: create, resource: {path: '/v2.0/(neighbors|networks)'}}
- {principal: racker, action: '*', resource: {path: '/v2.0/routers(/.*)?', blacklistProperties: [fib, gobgp_version, mgmt_addr, zebra_confirmed]}}
- {principal: numberer, action: '*', resource: {path: '/v2.0/routers(/.*)?', properties: [local_as, listen_port]}}
- {principal: exporter, action: '*', resource: {path: '/v2.0/policyinfos(/.*)?'}, condition: [{type: property, match: {apply_direction: export}}]}
- {principal: orderer, action: '*', resource: {path: '/v2.0/policyinfos(/.*)?', properties: [position]}}
- {principal: namer, action: '*', resource: {path: '/v2.0/networks(/.*)?', blacklistProperties: [name, peer_id]}}
- {principal: auditor, action: read, resource: {path: '/v2.0/ledgers(/.*)?', properties: [open]}}
- {principal: auditor, action: '*', resource: {path: '/v2.0/ledgers(/.*)?', properties: [open, sum]}, condition: [{type: property, match: {open: true}}]}
";

const CALLERS: [&str; 15] = [
    "operator@a",
    "reader@a",
    "netadmin@a",
    "member@a",
    "timer",
    "placer",
    "adder",
    "writer@a",
    "racker",
    "numberer",
    "exporter",
    "orderer",
    "namer@a",
    "auditor",
    "Nobody",
];

fn id(kind: u8, nth: u8) -> String {
    format!("0a11d0e1-000{kind}-4000-8000-0000000000{nth:02}")
}

/// Every row, by its kind's URL.
fn rows() -> Vec<(&'static str, Value)> {
    let mut rows = Vec::new();
    for n in 1..=2 {
        let mut router = json!({
            "id": id(1, n), "host_name": format!("mark-host-{n}"), "local_as": 64610 + u32::from(n),
            "router_id": format!("198.51.100.2{n}"), "mgmt_addr": format!("198.51.100.1{n}"),
            "gobgp_version": format!("3.3{n}"), "listen_port": 1790 + u32::from(n),
        });
        if n == 1 {
            router["fib"] = "zebra".into();
            router["zebra_url"] = "unix:/run/mark-1/zserv.api".into();
            router["zebra_version"] = 6.into();
            router["zebra_software_name"] = "frr8.4".into();
        }
        rows.push(("/v2.0/routers", router));
    }
    for n in 1..=3 {
        let hold = 700 + u32::from(n);
        rows.push((
            "/v2.0/neighbors",
            json!({
                "id": id(2, n), "host_name": format!("mark-host-{}", n.min(2)),
                "neighbor_addr": format!("203.0.113.1{n}"), "peer_as": 64700 + u32::from(n),
                "local_address": format!("203.0.113.10{n}"), "hold_time": hold,
                "keepalive_interval": hold / 4, "description": format!("mark-words-{n}"),
            }),
        ));
    }
    for (n, direction) in [(1, "export"), (2, "export"), (3, "import")] {
        rows.push(("/v2.0/policyinfos", json!({
            "id": id(3, n), "host_name": "mark-host-1", "policy_name": "mark-policy",
            "statement_name": "mark-statement", "apply_direction": direction,
            "statement_action": format!("med {}", if n < 3 { 7711 } else { 7712 }),
            "apply_neighbor": format!("203.0.113.1{n}"), "position": if n < 3 { 7721 } else { 7722 },
        })));
    }
    for (name, tenant) in [
        ("own", json!("a")),
        ("other", json!("b")),
        ("none", json!(null)),
    ] {
        let id = format!("mark-net-{name}");
        rows.push((
            "/v2.0/networks",
            json!({
                "id": id, "name": format!("mark-name-{name}"), "tenant_id": tenant,
                "note": format!("mark-note-{name}"),
                "peer_id": if name == "other" { json!("mark-net-own") } else { json!(null) },
            }),
        ));
        let port = format!("mark-port-{name}");
        rows.push((
            "/v2.0/ports",
            json!({ "id": port, "network_id": id, "tenant_id": tenant }),
        ));
        let sum = 7730 + name.len();
        let ledger =
            json!({ "id": format!("mark-book-{name}"), "open": name == "own", "sum": sum });
        rows.push(("/v2.0/ledgers", ledger));
    }
    rows
}

/// The texts of values that are one property's of one row alone, or nearly so.
fn marks() -> BTreeSet<String> {
    let rows = rows();
    let values = rows
        .iter()
        .flat_map(|(_, row)| row.as_object().expect("a row").values());
    let texts = values.map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    texts
        .filter(|text| text.len() >= 3 && !WORDS.contains(&text.as_str()))
        .collect()
}

/// Values that are words of everybody's.
const WORDS: [&str; 7] = [
    "true", "false", "null", "export", "import", "zebra", "frr8.4",
];

/// What a caller may have learnt.
struct Known {
    seen: String,
    /// Names of properties that are in no description of his.
    hidden: Vec<String>,
}

async fn known(app: &App, admin: &App) -> Known {
    let mut seen = String::new();
    let urls: BTreeSet<&str> = rows().into_iter().map(|(url, _)| url).collect();
    for url in urls {
        let list = app.get(url).await;
        if list.status == 200 {
            seen += &list.text;
        }
    }
    let all = admin.get("/gohan/v0.1/schemas").await.expect(200);
    let own = app.get("/gohan/v0.1/schemas").await.text;
    let kinds = all["schemas"].as_array().expect("kinds").iter();
    let names = kinds.flat_map(|kind| {
        let properties = kind["schema"]["properties"]
            .as_object()
            .expect("properties");
        properties.keys().cloned()
    });
    let told = |name: &String| own.contains(&format!("\"{name}\""));
    // A name of one word is a word of everybody's, too.
    let hidden = names
        .filter(|name| name.contains('_') && !told(name))
        .collect();
    Known { seen, hidden }
}

/// Whether a text has this in it, and not as a part of something longer.
fn has(text: &str, mark: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.match_indices(mark).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + mark.len()..].chars();
        // A sentence may end after it.
        let next = after
            .next()
            .filter(|c| *c != '.' || after.next().is_some_and(word));
        !before.is_some_and(word) && !next.is_some_and(word)
    })
}

/// Bodies that say one thing other than a row does: each of what others say
/// there, and some that nobody does.
fn changes(url: &str, row: &Value) -> Vec<(String, Value)> {
    let rows = rows();
    let of_kind = || rows.iter().filter(|(of, _)| *of == url).map(|(_, row)| row);
    let names: BTreeSet<&String> = of_kind()
        .flat_map(|row| row.as_object().expect("a row").keys())
        .filter(|name| *name != "id")
        .collect();
    let mut changes = Vec::new();
    for name in names {
        let others = of_kind().map(|row| row[name].clone());
        let strange = [
            json!(null),
            json!(5),
            json!("2001:db8::5"),
            json!("mark-net-other"),
        ];
        let mut values: Vec<Value> = Vec::new();
        for value in others.chain(strange) {
            if value != row[name] && !values.contains(&value) {
                values.push(value);
            }
        }
        changes.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    changes
}

/// Everything that is tried with a row.
fn tries(url: &str, row: &Value) -> Vec<(Method, String, Value)> {
    let item = format!("{url}/{}", row["id"].as_str().expect("an id"));
    let mut tries = vec![
        (Method::GET, item.clone(), Value::Null),
        (Method::DELETE, format!("{item}?dry_run=true"), Value::Null),
        (
            Method::DELETE,
            format!("{item}?dry_run=true&cascade=true"),
            Value::Null,
        ),
        (Method::POST, format!("{url}?dry_run=true"), row.clone()),
    ];
    let mut whole = row.clone();
    whole.as_object_mut().expect("a row").remove("id");
    // One row of a kind is as good as another to be replaced, or made anew.
    let first = rows()
        .iter()
        .find(|(of, _)| *of == url)
        .is_some_and(|(_, first)| first == row);
    for (name, value) in changes(url, row) {
        let write = format!("{item}?dry_run=true");
        tries.push((
            Method::PATCH,
            write.clone(),
            json!({ name.as_str(): value }),
        ));
        if !first {
            continue;
        }
        let mut other = whole.clone();
        other[name.as_str()] = value.clone();
        tries.push((Method::PUT, write, other.clone()));
        tries.push((Method::POST, format!("{url}?dry_run=true"), other));
        let create = json!({ "changes": [
            { "op": "update", "kind": kind(url), "id": row["id"], "body": { name.as_str(): value } },
            { "op": "create", "kind": kind(url), "body": { name.as_str(): value } },
        ]});
        tries.push((
            Method::POST,
            "/sdwan/v1/transaction?dry_run=true".into(),
            create,
        ));
    }
    tries
}

fn kind(url: &str) -> &str {
    url.rsplit('/')
        .next()
        .expect("a plural")
        .trim_end_matches('s')
}

#[tokio::test]
async fn no_answer_tells_of_what_is_hidden() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let schemas: &'static str = format!("{TENANTS}{POLICIES}").leak();
    let start = |caller, nth: usize| Setup {
        schemas: Some(schemas),
        store: Some(Arc::clone(&store)),
        caller,
        shared: true,
        ids: 1_000_000 * nth as u64,
        ..Setup::default()
    };
    let admin = start(None, 1).start().await;
    for (url, row) in rows() {
        admin.post(url, row).await.expect(201);
    }
    let marks = marks();
    let mut leaks = BTreeSet::new();
    let (mut refused, mut masked) = (0, 0);
    for (nth, named) in CALLERS.into_iter().enumerate() {
        let app = start(Some(caller(named)), nth + 2).start().await;
        app.catalog.wait_for(admin.catalog.revision()).await;
        let Known { seen, hidden } = known(&app, &admin).await;
        let unseen: Vec<&String> = marks.iter().filter(|mark| !has(&seen, mark)).collect();
        for (url, row) in rows() {
            for (method, path, body) in tries(url, &row) {
                let reply = match &body {
                    Value::Null => {
                        let request = crate::harness::request(method.clone(), &path, Body::empty());
                        app.send(request).await
                    }
                    body => app.write(method.clone(), &path, body, &[]).await,
                };
                assert!(
                    reply.status.as_u16() < 500,
                    "{named}: {method} {path}: {}",
                    reply.text
                );
                refused += usize::from(reply.status.is_client_error());
                masked += usize::from(reply.text.contains("may not see"));
                let sent = format!("{path} {body}");
                let strange = |mark: &&&String| has(&reply.text, mark) && !has(&sent, mark);
                let found = unseen.iter().filter(strange).map(|mark| (*mark).clone());
                let names = hidden.iter().filter(|name| strange(&name)).cloned();
                for what in found.chain(names) {
                    leaks.insert(format!(
                        "{named} learns {what}: {method} {sent}: {}",
                        reply.text
                    ));
                }
            }
        }
    }
    let some: Vec<&String> = leaks.iter().take(20).collect();
    assert!(leaks.is_empty(), "{} leaks, such as {some:#?}", leaks.len());
    assert!(
        refused > 1000 && masked > 100,
        "{refused} {masked}: it tries too little"
    );
}
