//! The catalog from its door: writes, deletions, races, workers, restarts.

#![allow(clippy::unwrap_used, reason = "tests")]

mod deletes;
#[path = "../support/gated.rs"]
mod gated;
mod mirror;
mod races;
mod secret;
mod soup;
mod startup;
mod upkeep;
mod workers;
mod writes;

use sdwan_model::plan::Verdict;
use sdwan_model::resource::ResourceRef;
use sdwan_model::schema::Schemas;
use sdwan_model::status::{Monitoring, Reachability, Status};
use sdwan_server::catalog::{
    Catalog, Error, FORMAT, Observation, Options, Report, Shown, WriteOptions,
};
use sdwan_server::cluster::Tenure;
use sdwan_server::secrets::SecretBox;
use sdwan_store::faults::Faulty;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Ids are made in order, unique over all tests and restarts.
static IDS: AtomicU64 = AtomicU64::new(1);

/// A store that can fail, and a catalog on it.
struct Site {
    store: Arc<Faulty>,
    catalog: Arc<Catalog>,
}

impl Site {
    async fn new() -> Self {
        Self::on(Arc::new(Faulty::new(Arc::new(Memory::new())))).await
    }

    async fn on(store: Arc<Faulty>) -> Self {
        let catalog = open(&store, Schemas::builtin(), options("first")).await;
        Self {
            store,
            catalog: catalog.unwrap(),
        }
    }

    /// Another server process on the same store.
    async fn again(&self, instance: &str) -> Arc<Catalog> {
        let catalog = open(&self.store, Schemas::builtin(), options(instance)).await;
        catalog.unwrap()
    }

    async fn router(&self, n: u32) -> Shown {
        self.create("router", router(n)).await.unwrap()
    }

    async fn create(&self, kind: &str, body: Value) -> Result<Shown, Error> {
        let options = WriteOptions::default();
        self.catalog.create(kind, body, options).await
    }

    /// Every key and value of the store, as text.
    async fn dump(&self) -> Vec<String> {
        use sdwan_store::Store as _;
        let listing = self.store.list("/").await.unwrap();
        let entries = listing.entries.iter();
        entries
            .map(|e| format!("{} = {}", e.key, String::from_utf8_lossy(&e.value)))
            .collect()
    }

    /// A pass found everything applied.
    async fn applied(&self, router: &str) {
        let view = self.catalog.router_view(router).unwrap();
        let inputs = &view.inputs;
        let rows = inputs.router.iter();
        let rows = rows.chain(&inputs.neighbors).chain(&inputs.policies);
        let verdict = |row: &sdwan_model::resource::Row| {
            let version = row.version;
            (row.reference(), Verdict::Applied { version })
        };
        let report = Report {
            router: router.to_owned(),
            at: view.revision,
            verdicts: rows.map(verdict).collect(),
            released: view.deleting.iter().map(|row| row.reference()).collect(),
            ..Report::default()
        };
        self.catalog.report(report).await.unwrap();
    }

    async fn reach(&self, router: &str, reachable: bool) {
        let observation = Observation {
            router: router.to_owned(),
            reachability: Some(Reachability {
                reachable,
                ..Reachability::default()
            }),
            ..Observation::default()
        };
        self.catalog.observe(observation).await.unwrap();
    }

    async fn session(&self, router: &str, neighbor: &Shown, word: &str) {
        let seen = Monitoring {
            version: neighbor.row.version,
            monitoring: word.to_owned(),
            ..Monitoring::default()
        };
        let observation = Observation {
            router: router.to_owned(),
            sessions: [(neighbor.row.reference(), seen)].into(),
            ..Observation::default()
        };
        self.catalog.observe(observation).await.unwrap();
    }

    fn status(&self, shown: &Shown) -> Option<Status> {
        status(&self.catalog, &shown.row.reference())
    }
}

fn status(catalog: &Catalog, row: &ResourceRef) -> Option<Status> {
    let shown = catalog.get(&row.kind, &row.id)?;
    Some(shown.status?.status)
}

async fn open(
    store: &Arc<Faulty>,
    schemas: Schemas,
    options: Options,
) -> Result<Arc<Catalog>, Error> {
    let store: Arc<dyn sdwan_store::Store> = Arc::clone(store) as _;
    Catalog::open(store, Arc::new(schemas), options).await
}

fn options(instance: &str) -> Options {
    Options {
        secrets: SecretBox::from_key([7; 32]),
        ids: Arc::new(|| Uuid::from_u128(IDS.fetch_add(1, Ordering::Relaxed).into())),
        clock: Arc::new(|| "2026-01-01T00:00:00Z".parse().unwrap()),
        tenure: Arc::new(Tenure::alone(instance)),
        format: FORMAT,
    }
}

fn router(n: u32) -> Value {
    json!({
        "host_name": format!("GoBGP-{n}"),
        "mgmt_addr": format!("192.168.200.{n}"),
        "router_id": format!("10.0.1.{n}"),
        "local_as": 65001,
    })
}

fn neighbor(router: u32, n: u32) -> Value {
    json!({
        "host_name": format!("GoBGP-{router}"),
        "neighbor_addr": format!("172.16.{}.{}", n / 250, n % 250 + 1),
        "peer_as": 65000,
    })
}

fn policy(router: u32, statement: &str) -> Value {
    json!({
        "host_name": format!("GoBGP-{router}"),
        "policy_name": "p",
        "statement_name": statement,
        "statement_action": "med 10",
        "apply_direction": "export",
    })
}
