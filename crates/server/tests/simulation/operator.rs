//! The operator: asks one server, as a client does, and remembers what was
//! acknowledged. What is not acknowledged in time may or may not be done.

use super::address;
use super::history::Write;
use super::judge::{Judge, Kind};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_server::catalog::{Catalog, DeleteOptions, Error, Mode, Shown, WriteOptions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

/// A client's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// The address of a neighbor by number.
pub fn neighbor(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 168, 0, number).into()
}

/// See the module.
pub struct Operator {
    judge: Arc<Judge>,
    marks: AtomicU32,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest version of each row that was acknowledged, and its text.
    kept: BTreeMap<ResourceRef, (u64, Value)>,
    /// Rows that may have been deleted.
    doomed: BTreeSet<ResourceRef>,
    /// Rows whose deletion was acknowledged.
    gone: BTreeSet<ResourceRef>,
}

impl Operator {
    pub fn new(judge: Arc<Judge>) -> Self {
        Self {
            judge,
            marks: AtomicU32::new(1),
            memory: Mutex::default(),
        }
    }

    /// Asks the server for this, and waits for its answer for a while.
    pub async fn ask(&self, catalog: Arc<Catalog>, write: Write) {
        let answer = timeout(PATIENCE, self.request(&catalog, &write)).await;
        self.judge.trace.note(|| match answer {
            Ok(Ok(())) => format!("{write:?} is acknowledged"),
            Ok(Err(error)) => format!("{write:?} is refused: {error}"),
            Err(_) => format!("{write:?} is not answered"),
        });
    }

    fn mark(&self) -> u32 {
        self.marks.fetch_add(1, Ordering::Relaxed)
    }

    async fn request(&self, catalog: &Arc<Catalog>, write: &Write) -> Result<(), Error> {
        match *write {
            Write::CreateRouter(router) => self.create(catalog, "router", routers(router)).await,
            Write::DeleteRouter(router) => {
                let row = found(catalog, "router", router, |_| true)?;
                self.delete(catalog, router, &row).await
            }
            Write::CreateNeighbor(router, number) => {
                let body = json!({
                    "host_name": host(router),
                    "neighbor_addr": neighbor(number),
                    "peer_as": 65000,
                });
                self.create(catalog, "neighbor", body).await
            }
            Write::UpdateNeighbor(router, number) => {
                let row = found(catalog, "neighbor", router, is_neighbor(number))?;
                self.judge.may_fall(&address(router), neighbor(number));
                let patch = json!({"description": format!("mark {}", self.mark())});
                self.update(catalog, &row, patch).await
            }
            Write::DeleteNeighbor(router, number) => {
                let row = found(catalog, "neighbor", router, is_neighbor(number))?;
                self.delete(catalog, router, &row).await
            }
            Write::CreatePolicy(router, number, of) => {
                let body = self.policy(router, number, of);
                self.create(catalog, "policyinfo", body).await
            }
            Write::UpdatePolicy(router, number) => {
                let row = found(catalog, "policyinfo", router, is_policy(number))?;
                let patch = json!({"statement_action": format!("med {}", self.mark())});
                self.update(catalog, &row, patch).await
            }
            Write::MovePolicy(router, number, of) => {
                let row = found(catalog, "policyinfo", router, is_policy(number))?;
                self.update(catalog, &row, json!({"apply_neighbor": named(of)}))
                    .await
            }
            Write::DeletePolicy(router, number) => {
                let row = found(catalog, "policyinfo", router, is_policy(number))?;
                self.delete(catalog, router, &row).await
            }
        }
    }

    /// Four rows are three policies: one has two statements, and one's name is
    /// used in both directions.
    fn policy(&self, router: u8, number: u8, of: u8) -> Value {
        json!({
            "host_name": host(router),
            "policy_name": if number == 3 { "policy2" } else { "policy1" },
            "statement_name": format!("statement{number}"),
            "statement_action": format!("med {}", self.mark()),
            "route_disposition": if number == 2 { "reject" } else { "accept" },
            "apply_direction": if number == 4 { "import" } else { "export" },
            "apply_neighbor": named(of),
        })
    }

    async fn create(&self, catalog: &Catalog, kind: &str, body: Value) -> Result<(), Error> {
        let shown = catalog.create(kind, body, WriteOptions::default()).await?;
        self.acknowledged(catalog, &shown);
        Ok(())
    }

    async fn update(&self, catalog: &Catalog, row: &Row, patch: Value) -> Result<(), Error> {
        let shown = catalog
            .update(&row.kind, &row.id, patch, Mode::Merge, None, false)
            .await?;
        self.acknowledged(catalog, &shown);
        Ok(())
    }

    fn acknowledged(&self, catalog: &Catalog, shown: &Shown) {
        let row = &shown.row;
        let plural = plural(catalog, &row.kind);
        self.judge.acknowledged(&plural, &row.id, row.version);
        let text = Value::Object(row.body.clone());
        let mut memory = self.memory.lock().unwrap();
        let kept = memory.kept.entry(row.reference()).or_default();
        if kept.0 < row.version {
            *kept = (row.version, text);
        }
    }

    async fn delete(&self, catalog: &Arc<Catalog>, router: u8, row: &Row) -> Result<(), Error> {
        let reference = row.reference();
        self.doom(catalog, router, row);
        let numbers = 1..=super::history::NEIGHBORS;
        let falls = numbers
            .map(neighbor)
            .filter(|address| match row.kind.as_str() {
                "router" => true,
                "neighbor" => row.text("neighbor_addr") == Some(&address.to_string()),
                _ => false,
            });
        falls.for_each(|neighbor| self.judge.may_fall(&address(router), neighbor));
        let options = DeleteOptions {
            cascade: true,
            ..DeleteOptions::default()
        };
        catalog.delete(&row.kind, &row.id, options).await?;
        self.memory.lock().unwrap().gone.insert(reference);
        Ok(())
    }

    /// The row may go from now on, and all that refers to it.
    fn doom(&self, catalog: &Catalog, router: u8, row: &Row) {
        let mut memory = self.memory.lock().unwrap();
        memory.doomed.insert(row.reference());
        if row.kind == "router" {
            let now = catalog.snapshot();
            for kind in ["neighbor", "policyinfo"] {
                let rows = now.rows(kind).filter(|row| is_of(row, router));
                memory.doomed.extend(rows.map(|row| row.reference()));
            }
        }
    }

    /// In the end: is everything there that was acknowledged?
    pub async fn look(&self, catalog: &Catalog, store: &dyn sdwan_store::Store) {
        let (kept, doomed, gone) = {
            let memory = self.memory.lock().unwrap();
            let Memory { kept, doomed, gone } = &*memory;
            (kept.clone(), doomed.clone(), gone.clone())
        };
        let now = catalog.snapshot();
        for (row, (version, text)) in &kept {
            let shown = now.get(&row.kind, &row.id).map(|shown| shown.row);
            let lost = match shown {
                // Whatever referred to a router goes with it.
                None => !doomed.contains(row) && !self.went_with_router(text, &doomed, &kept),
                Some(now) if now.version == *version => Value::Object(now.body.clone()) != *text,
                Some(now) => now.version < *version,
            };
            if lost {
                let words = format!("{row} was acknowledged as {text}, and is not there");
                self.judge.accuse(Kind::Lost, &words);
            }
        }
        for row in gone {
            let key = format!("/config/v2.0/{}/{}", plural(catalog, &row.kind), row.id);
            if !store.list(&key).await.unwrap().entries.is_empty() {
                let words = format!("the deletion of {row} was acknowledged, and it is there");
                self.judge.accuse(Kind::Lost, &words);
            }
        }
    }

    /// A row whose router may have been deleted with all that refers to it.
    fn went_with_router(
        &self,
        text: &Value,
        doomed: &BTreeSet<ResourceRef>,
        kept: &BTreeMap<ResourceRef, (u64, Value)>,
    ) -> bool {
        doomed.iter().filter(|row| row.kind == "router").any(|row| {
            kept.get(row)
                .is_none_or(|(_, router)| router["host_name"] == text["host_name"])
        })
    }
}

fn plural(catalog: &Catalog, kind: &str) -> String {
    catalog.schemas().get(kind).unwrap().plural.clone()
}

fn host(router: u8) -> String {
    format!("GoBGP-{router}")
}

fn routers(router: u8) -> Value {
    json!({
        "host_name": host(router),
        "router_id": format!("10.0.1.{router}"),
        "local_as": 65001,
        "mgmt_addr": format!("192.0.2.{router}"),
        "gobgp_version": "4.8",
    })
}

fn named(of: u8) -> String {
    match of {
        0 => String::new(),
        of => neighbor(of).to_string(),
    }
}

fn is_of(row: &Row, router: u8) -> bool {
    row.text("host_name") == Some(&host(router))
}

fn is_neighbor(number: u8) -> impl Fn(&Row) -> bool {
    move |row| row.text("neighbor_addr") == Some(&neighbor(number).to_string())
}

fn is_policy(number: u8) -> impl Fn(&Row) -> bool {
    move |row| row.text("statement_name") == Some(&format!("statement{number}"))
}

/// The row, as this server knows it.
fn found(
    catalog: &Catalog,
    kind: &str,
    router: u8,
    is: impl Fn(&Row) -> bool,
) -> Result<Arc<Row>, Error> {
    let now = catalog.snapshot();
    let row = now.rows(kind).find(|row| is_of(row, router) && is(row));
    row.cloned()
        .ok_or_else(|| Error::NotFound("such a row".into()))
}
