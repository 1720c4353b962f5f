//! A world for tests: a store, a network of fake daemons, and servers that
//! come and go on top of them. Time is tokio's, usually paused; ids are
//! counted.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod daemon;
pub mod force;
pub mod gated;

use daemon::{Daemon, Network};
use gated::{Gate, Gated};
use sdwan_model::resource::ResourceRef;
use sdwan_model::schema::Schemas;
use sdwan_server::catalog::{
    Catalog, DeleteOptions, Error, FORMAT, Mode, Options, Shown, WriteOptions,
};
use sdwan_server::cluster::{self, Membership, Steward, Tenure};
use sdwan_server::reconcile::{Settings, Supervisor};
use sdwan_server::secrets::SecretBox;
use sdwan_server::speaker::Dial;
use sdwan_store::Store;
use sdwan_store::faults::Faulty;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The built-in kinds; reading them takes longer than many a test.
pub static SCHEMAS: LazyLock<Arc<Schemas>> = LazyLock::new(|| Arc::new(Schemas::builtin()));

/// What outlives a server.
pub struct World {
    pub network: Network,
    /// Fails on demand.
    pub store: Arc<Faulty>,
    gated: Arc<Gated>,
    ids: Arc<AtomicU64>,
    epoch: Instant,
    pub settings: Settings,
    /// The newest format of the store that servers know.
    pub format: u64,
    key: Option<[u8; 32]>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        let gated = Arc::new(Gated::new(Arc::new(Memory::new())));
        Self {
            network: Network::default(),
            store: Arc::new(Faulty::new(gated.clone())),
            gated,
            ids: Arc::default(),
            epoch: Instant::now(),
            settings: Settings::new(Arc::new(|| 0.5)),
            format: FORMAT,
            key: Some([7; 32]),
        }
    }

    /// Nothing happens by itself: no timer starts a pass.
    pub fn without_timers(mut self) -> Self {
        let never = Duration::from_secs(1_000_000);
        self.settings.period = never;
        self.settings.retry_floor = never;
        self.settings.retry_ceiling = never;
        self
    }

    /// The same world with the key file lost.
    pub fn without_key(&self) -> Self {
        Self {
            network: self.network.clone(),
            store: self.store.clone(),
            gated: self.gated.clone(),
            ids: self.ids.clone(),
            epoch: self.epoch,
            settings: self.settings.clone(),
            format: self.format,
            key: None,
        }
    }

    pub fn daemon(&self, address: &str) -> Daemon {
        self.network.daemon(address)
    }

    /// Every store commit, and every call of every daemon, passes this gate.
    pub fn gate(&self, gate: Option<Gate>) {
        self.gated.gate(gate.clone());
        self.network.gate(gate);
    }

    /// A server that has this store for itself.
    pub async fn start(&self) -> Server {
        self.launch(None).await
    }

    /// One of several servers on this store.
    pub async fn join(&self) -> Server {
        self.join_as(cluster::Settings::default()).await
    }

    pub async fn join_as(&self, settings: cluster::Settings) -> Server {
        let server = self.launch(Some(settings)).await;
        let joined = || server.membership.members().contains_key(server.name());
        server.until("it joined", String::new, joined).await;
        server
    }

    fn options(&self, tenure: Tenure) -> Options {
        let (ids, epoch) = (self.ids.clone(), self.epoch);
        Options {
            secrets: match self.key {
                Some(key) => SecretBox::from_key(key),
                None => SecretBox::missing("the key file is missing: restore it"),
            },
            ids: Arc::new(move || {
                Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::Relaxed)) + (4 << 76))
            }),
            clock: Arc::new(move || {
                let elapsed = jiff::SignedDuration::try_from(epoch.elapsed()).unwrap();
                jiff::Timestamp::UNIX_EPOCH + elapsed
            }),
            tenure: Arc::new(tenure),
            format: self.format,
        }
    }

    /// Whether a server of this world's format is let in.
    pub async fn try_open(&self) -> Result<Arc<Catalog>, Error> {
        let options = self.options(Tenure::shared("probe"));
        Catalog::open(self.store.clone(), SCHEMAS.clone(), options).await
    }

    async fn launch(&self, cluster: Option<cluster::Settings>) -> Server {
        let store = Arc::new(Faulty::new(self.store.clone()));
        let network = Arc::new(self.network.clone());
        self.launch_on(store, network, cluster).await.unwrap()
    }

    /// A server with ways of its own to the store and to the daemons.
    pub async fn launch_on(
        &self,
        store: Arc<Faulty>,
        dial: Arc<dyn Dial>,
        cluster: Option<cluster::Settings>,
    ) -> Result<Server, Error> {
        let instance = self.ids.fetch_add(1, Ordering::Relaxed);
        let name = format!("server-{instance}");
        let options = self.options(match cluster {
            Some(_) => Tenure::shared(name),
            None => Tenure::alone(name),
        });
        let catalog = Catalog::open(store.clone(), SCHEMAS.clone(), options).await?;
        let settings = Settings {
            grace: cluster.is_some().then_some(Duration::from_millis(400)),
            ..self.settings.clone()
        };
        let supervisor = Supervisor::new(catalog.clone(), dial, settings);
        let membership = Arc::new(Membership::new(
            store.clone(),
            catalog.clone(),
            cluster.unwrap_or_default(),
            format!("192.0.2.200:{instance}"),
        ));
        let steward = Steward::new(catalog.clone(), membership.clone(), supervisor.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let member = membership.clone();
        let task = tokio::spawn(async move {
            let through = CancellationToken::new();
            tokio::join!(member.run(through.clone()), async {
                steward.run(stopped.clone()).await;
                stopped.cancelled().await;
                through.cancel();
            });
        });
        Ok(Server {
            store,
            catalog,
            supervisor,
            membership,
            stop,
            task,
        })
    }

    /// The store's newest revision.
    pub async fn revision(&self) -> u64 {
        self.store.list("/").await.unwrap().revision.0
    }

    /// Every key under a prefix.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let listing = self.store.list(prefix).await.unwrap();
        listing.entries.into_iter().map(|entry| entry.key).collect()
    }
}

/// A running server.
pub struct Server {
    /// Its own way to the store.
    pub store: Arc<Faulty>,
    pub membership: Arc<Membership>,
    pub catalog: Arc<Catalog>,
    pub supervisor: Arc<Supervisor>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// As SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As SIGKILL does: nothing more is done, nothing is waited for.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub async fn create(&self, kind: &str, body: Value) -> ResourceRef {
        let shown = self
            .catalog
            .create(kind, body, WriteOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        shown.row.reference()
    }

    /// Router number `n`, at `192.0.2.n:50051`.
    pub async fn router(&self, n: u8) -> ResourceRef {
        let body = json!({
            "host_name": format!("GoBGP-{n}"),
            "router_id": format!("10.0.1.{n}"),
            "local_as": 65001,
            "mgmt_addr": format!("192.0.2.{n}"),
        });
        self.create("router", body).await
    }

    pub async fn neighbor(&self, router: u8, address: &str) -> ResourceRef {
        self.neighbor_with(router, address, json!({})).await
    }

    pub async fn neighbor_with(&self, router: u8, address: &str, more: Value) -> ResourceRef {
        let mut body = json!({
            "host_name": format!("GoBGP-{router}"),
            "neighbor_addr": address,
            "peer_as": 65000,
        });
        extend(&mut body, more);
        self.create("neighbor", body).await
    }

    /// `policy1/statement1`, next-hop self, on export to this neighbor.
    pub async fn policy(&self, router: u8, neighbor: &str) -> ResourceRef {
        let body = json!({
            "host_name": format!("GoBGP-{router}"),
            "policy_name": "policy1",
            "statement_name": "statement1",
            "statement_action": "next-hop self",
            "route_disposition": "accept",
            "apply_direction": "export",
            "apply_neighbor": neighbor,
        });
        self.create("policyinfo", body).await
    }

    pub async fn update(&self, row: &ResourceRef, patch: Value) {
        self.catalog
            .update(&row.kind, &row.id, patch, Mode::Merge, None, false)
            .await
            .unwrap();
    }

    pub async fn delete(&self, row: &ResourceRef) {
        self.delete_with(row, DeleteOptions::default()).await;
    }

    pub async fn delete_cascading(&self, row: &ResourceRef) {
        let options = DeleteOptions {
            cascade: true,
            ..DeleteOptions::default()
        };
        self.delete_with(row, options).await;
    }

    /// Deletes a row, and what refers to it, with no wait for its router.
    pub async fn forget(&self, row: &ResourceRef) {
        let options = DeleteOptions {
            cascade: true,
            force: true,
            ..DeleteOptions::default()
        };
        self.delete_with(row, options).await;
    }

    async fn delete_with(&self, row: &ResourceRef, options: DeleteOptions) {
        let deleted = self.catalog.delete(&row.kind, &row.id, options).await;
        deleted.unwrap();
    }

    pub fn shown(&self, row: &ResourceRef) -> Option<Shown> {
        self.catalog.get(&row.kind, &row.id)
    }

    /// This server's name among the members.
    pub fn name(&self) -> &str {
        self.catalog.tenure().instance()
    }

    /// Whether this server looks after the router.
    pub fn has(&self, router: &ResourceRef) -> bool {
        self.catalog.has(&router.id)
    }

    /// How many of these routers this server looks after.
    pub fn share(&self, routers: &[ResourceRef]) -> usize {
        routers.iter().filter(|router| self.has(router)).count()
    }

    /// The status as users see it; `GONE` for a row that is no more.
    pub fn status(&self, row: &ResourceRef) -> String {
        let Some(shown) = self.shown(row) else {
            return "GONE".into();
        };
        let word = shown.status.map(|folded| folded.status);
        let word = serde_json::to_value(word).unwrap();
        word.as_str().unwrap_or("NONE").to_owned()
    }

    pub fn reason(&self, row: &ResourceRef) -> String {
        let shown = self.shown(row);
        let folded = shown.and_then(|shown| shown.status);
        folded.map(|folded| folded.reason).unwrap_or_default()
    }

    /// Waits until the row has this status.
    pub async fn becomes(&self, row: &ResourceRef, status: &str) {
        let describe = || format!("{row}: {} ({})", self.status(row), self.reason(row));
        self.until(&format!("{row} is {status}"), describe, || {
            self.status(row) == status
        })
        .await;
    }

    /// Waits until something holds, for at most half an hour of paused time.
    pub async fn until(&self, what: &str, describe: impl Fn() -> String, holds: impl Fn() -> bool) {
        let start = Instant::now();
        let mut step = Duration::from_millis(1);
        while !holds() {
            assert!(
                start.elapsed() < Duration::from_secs(1800),
                "never: {what}; it is {}",
                describe()
            );
            tokio::time::sleep(step).await;
            step = (step * 2).min(Duration::from_millis(500));
        }
    }

    /// Waits until nobody has anything to do: the daemons and the store stay
    /// as they are for longer than any timer but the period of the passes.
    pub async fn quiet(&self, world: &World) {
        let mut last = None;
        loop {
            let now = (world.revision().await, world.network.writes());
            if last == Some(now) {
                return;
            }
            last = Some(now);
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    }
}

fn extend(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}
