//! Who may do what: every route, for every kind of caller, on rows of his own
//! tenant, of another's and of nobody's, against one table that is reviewed
//! by eye (`snapshots/api__who__who_may_do_what.snap`).
//!
//! The routes are those that the OpenAPI document tells of, and a few that
//! nothing is at. Writes are dry runs, so that every cell starts from the same
//! rows; what has no dry run changes nothing that another cell looks at.

use crate::harness::{App, Setup, gobgp, request};
use axum::body::Body;
use http::Method;
use sdwan_model::plan::Plan;
use sdwan_model::policy::{Caller, Tenant};
use sdwan_store::Store;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// Networks belong to tenants, and so do their ports; ledgers belong to nobody,
/// and `netadmin` sees only those that are open, and no sums.
pub const TENANTS: &str = "
schemas:
- id: network
  singular: network
  plural: networks
  prefix: /v2.0
  actions: {reboot: {path: /:id/reboot, method: POST}}
  schema:
    type: object
    propertiesOrder: [id, name, tenant_id, note, peer_id]
    required: [name]
    properties:
      id: {type: string, permission: [create]}
      name: {type: string, unique: true}
      tenant_id: {type: [string, 'null']}
      note: {type: [string, 'null']}
      peer_id: {type: [string, 'null'], relation: network, relation_property: peer}
- id: port
  singular: port
  plural: ports
  prefix: /v2.0
  parent: network
  on_parent_delete_cascade: true
  schema:
    type: object
    propertiesOrder: [id, tenant_id]
    properties:
      id: {type: string, permission: [create]}
      tenant_id: {type: [string, 'null']}
- id: ledger
  singular: ledger
  plural: ledgers
  prefix: /v2.0
  schema:
    type: object
    properties:
      id: {type: string, permission: [create]}
      open: {type: boolean, default: false}
      sum: {type: integer, default: 0}
policies:
- {principal: netadmin, action: '*', resource: {path: '/v2.0/(networks|ports)(/.*)?', blacklistProperties: [note]}}
- {principal: netadmin, action: read, resource: {path: '/v2.0/ledgers(/.*)?', properties: [open]}, condition: [{type: property, match: {open: true}}]}
- {principal: netadmin, action: delete, effect: deny, resource: {path: /v2.0/networks/.*}}
- {principal: Nobody, resource: {path: '/v2.0/ledgers/other'}}
";

/// Callers, by what the table calls them: role, and a tenant where he has one.
const CALLERS: [&str; 10] = [
    "admin",
    "admin@a",
    "operator@a",
    "operator",
    "reader@a",
    "reader",
    "netadmin@a",
    "netadmin",
    "member@a",
    "Nobody",
];

pub fn caller(named: &str) -> Caller {
    let (role, tenant) = named.split_once('@').unwrap_or((named, ""));
    Caller {
        id: named.to_owned(),
        name: named.to_owned(),
        roles: vec![role.to_owned()],
        tenant: (!tenant.is_empty()).then(|| Tenant {
            id: tenant.to_owned(),
            name: tenant.to_owned(),
        }),
    }
}

/// The same rows, seen by several callers.
pub struct Shared {
    store: Arc<dyn Store>,
    pub admin: App,
}

impl Shared {
    /// A router, and one row of tenant a (own), of b (other) and of nobody
    /// (none) of each kind that has tenants.
    pub async fn start() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let admin = start(Arc::clone(&store), Caller::anyone(), 0).await;
        let mut router = gobgp(1);
        router["id"] = "3f1c0de0-0000-4000-8000-000000000001".into();
        router["fib"] = "agent".into();
        admin.post("/v2.0/routers", router).await.expect(201);
        for (id, tenant) in [
            ("own", json!("a")),
            ("other", json!("b")),
            ("none", Value::Null),
        ] {
            let row = json!({ "id": id, "name": id, "tenant_id": tenant, "note": id });
            admin.post("/v2.0/networks", row).await.expect(201);
            let row = json!({ "id": id, "network_id": id, "tenant_id": tenant });
            admin.post("/v2.0/ports", row).await.expect(201);
            let row = json!({ "id": id, "open": id == "own", "sum": 7 });
            admin.post("/v2.0/ledgers", row).await.expect(201);
        }
        Self { store, admin }
    }

    /// The server as `caller` meets it.
    pub async fn for_caller(&self, named: &str) -> App {
        let nth = CALLERS.iter().position(|caller| *caller == named);
        let ids = 1_000_000 * (nth.unwrap_or(CALLERS.len()) as u64 + 1);
        start(Arc::clone(&self.store), caller(named), ids).await
    }
}

async fn start(store: Arc<dyn Store>, caller: Caller, ids: u64) -> App {
    let setup = Setup {
        schemas: Some(TENANTS),
        store: Some(store),
        caller: Some(caller),
        shared: true,
        ids,
        ..Setup::default()
    };
    let app = setup.start().await;
    *app.live.plan.lock().expect("whole") = Some(Plan::default());
    app
}

/// One line of the table: what is asked.
struct Asked {
    method: Method,
    path: String,
    body: Option<Value>,
}

/// A path of the document on the rows that it can be about.
fn asked(method: &str, path: &str) -> Vec<Asked> {
    let method: Method = method.to_uppercase().parse().expect("a method");
    let rows: &[&str] = match path {
        _ if !path.contains('{') => &[""],
        _ if path.contains("schemas") => &["network", "ledger"],
        _ if path.contains("routers") || path.contains("holds") => &["GoBGP-1"],
        _ if path.contains("neighbors") || path.contains("policyinfos") => {
            &["00000000-0000-4000-8000-00000000000f"]
        }
        _ if path.contains("tokens") => &["absent"],
        _ => &["own", "other", "none", "absent"],
    };
    let one = |row: &&str| {
        let id = match *row {
            // The document's rows of routers are by id.
            "GoBGP-1" if !path.contains("/plan") && path.starts_with("/v2.0") => {
                "3f1c0de0-0000-4000-8000-000000000001"
            }
            row => row,
        };
        let filled = path.replace("{id}", id).replace("{network_id}", id);
        Asked {
            body: body(&method, path, row),
            path: filled,
            method: method.clone(),
        }
    };
    rows.iter().map(one).collect()
}

/// What is sent: right in itself, so that only the caller is at issue.
fn body(method: &Method, path: &str, row: &str) -> Option<Value> {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return None;
    }
    let patch = *method == Method::PATCH;
    Some(match path {
        _ if path.contains("reboot") => json!({}),
        _ if path.ends_with("/fib") => json!({
            "in_step": true, "wanted": 1, "installed": 1, "unresolved": 0,
            "since": "2026-01-01T09:00:00Z", "reasons": [],
        }),
        _ if path.contains("holds") => json!({ "why": "a test" }),
        _ if path.contains("transaction") => json!({ "changes": [] }),
        _ if path.contains("routers") && patch => json!({ "gobgp_version": "4.8" }),
        _ if path.contains("routers") && row.is_empty() => gobgp(2),
        _ if path.contains("routers") => gobgp(1),
        _ if path.contains("neighbors") => {
            json!({ "host_name": "GoBGP-1", "neighbor_addr": "10.0.0.9", "peer_as": 65000 })
        }
        _ if path.contains("policyinfos") => json!({
            "host_name": "GoBGP-1", "policy_name": "p", "statement_name": "s",
            "statement_action": "med 1", "apply_direction": "import", "apply_neighbor": "",
            "route_disposition": "accept",
        }),
        _ if path.ends_with("/ports") && !row.is_empty() => json!({}),
        _ if path.contains("ports") && !path.contains("networks") && !patch => {
            json!({ "network_id": if row.is_empty() || row == "absent" { "own" } else { row } })
        }
        _ if path.contains("ports") => json!({}),
        _ if path.contains("networks") && patch => json!({ "peer_id": null }),
        _ if path.contains("networks") => {
            json!({ "name": if row.is_empty() { "new" } else { row } })
        }
        _ => json!({ "sum": 8 }),
    })
}

/// A cell: what became of it, in one sign, and how many rows a list had.
async fn cell(app: &App, asked: &Asked) -> String {
    let dry = matches!(
        asked.method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    let runs_dry = asked.path.starts_with("/v2.0") || asked.path.ends_with("/transaction");
    let dry = dry && runs_dry && !asked.path.ends_with("/reboot");
    let path = match dry {
        true => format!("{}?dry_run=true", asked.path),
        false => asked.path.clone(),
    };
    let reply = match &asked.body {
        Some(body) => app.write(asked.method.clone(), &path, body, &[]).await,
        None => {
            app.send(request(asked.method.clone(), &path, Body::empty()))
                .await
        }
    };
    match reply.status.as_u16() {
        200 if asked.method == Method::GET && reply.headers.contains_key("x-total-count") => {
            reply.header("x-total-count").to_owned()
        }
        // Nothing carries actions out: to be told so is to be allowed.
        200 | 201 | 204 | 501 => "+".to_owned(),
        401 => "!".to_owned(),
        403 => "x".to_owned(),
        404 => ".".to_owned(),
        other => other.to_string(),
    }
}

/// Every route that the document tells of, in its order, on every row.
async fn every_route(app: &App) -> Vec<Asked> {
    let document = app.get("/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let methods = operations.as_object().expect("operations").keys();
        for method in methods.filter(|name| *name != "parameters") {
            all.extend(asked(method, path));
        }
    }
    for (method, path) in [
        ("get", "/openapi.json"),
        ("options", "/v2.0/ledgers"),
        ("put", "/v2.0/ledgers"),
        ("get", "/v2.0/nothings"),
        ("get", "/favicon.ico"),
    ] {
        all.extend(asked(method, path));
    }
    all
}

#[tokio::test]
async fn who_may_do_what() {
    let shared = Shared::start().await;
    let routes = every_route(&shared.admin).await;
    let mut apps = Vec::new();
    for named in CALLERS {
        apps.push(shared.for_caller(named).await);
    }
    let mut table = String::from(
        "+ done, or would be   N rows listed   ! 401 not allowed   x 403 seen, not allowed   . 404\n\n",
    );
    let width = routes
        .iter()
        .map(|asked| asked.path.len())
        .max()
        .unwrap_or(0);
    let _ = write!(table, "{:7} {:width$}", "", "");
    for named in CALLERS {
        let _ = write!(table, " {named:>10}");
    }
    table.push('\n');
    for asked in &routes {
        let _ = write!(table, "{:7} {:width$}", asked.method.as_str(), asked.path);
        for app in &apps {
            let _ = write!(table, " {:>10}", cell(app, asked).await);
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}
