//! Simulated routers, and what is declared of them.

use super::etcd::Etcd;
use super::{Role, View, server};
use crate::bench::subject::{Server, neighbor_address};
use crate::sim::serve::{Fleet, Router};
use crate::tools::Release;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one transaction may change.
const CHANGES: usize = 500;

/// Between two looks at the routers, which cost little.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two looks through the API, which counts all rows.
const LONGER: Duration = Duration::from_millis(500);

/// Routers, and a server that looks after none of them, through which they
/// are declared and which tells of all.
pub(super) struct Ground {
    pub(super) etcd: Etcd,
    pub(super) api: Server,
    pub(super) fleet: Fleet,
    each: usize,
    by_name: BTreeMap<String, Arc<Router>>,
}

impl Ground {
    /// So many routers, with so many neighbors each, declared.
    ///
    /// # Errors
    /// When they can't be.
    pub(super) async fn lay(release: Release, routers: usize, each: usize) -> Result<Self> {
        let etcd = Etcd::start().await?;
        let api = server(&etcd, 0, Role::Api).await?;
        let fleet = Fleet::start(release.into(), routers).await?;
        let named = fleet.routers().iter().enumerate();
        let ground = Self {
            by_name: named.map(|(at, one)| (name(at), Arc::clone(one))).collect(),
            each,
            etcd,
            api,
            fleet,
        };
        ground.declare().await?;
        Ok(ground)
    }

    async fn declare(&self) -> Result<()> {
        let routers: Vec<(usize, String)> = self.fleet.addresses().enumerate().collect();
        for some in routers.chunks(CHANGES / (1 + self.each)) {
            let changes: Vec<Value> = some
                .iter()
                .flat_map(|(number, address)| changes(*number, address, self.each))
                .collect();
            let url = self.api.url("/sdwan/v1/transaction");
            let body = json!({ "changes": changes });
            let answer = self.api.http().post(url).json(&body).send().await?;
            let status = answer.status();
            ensure!(status.is_success(), "{status}: {}", answer.text().await?);
        }
        Ok(())
    }

    /// A worker that takes its share of them.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(super) async fn worker(&self, first: usize) -> Result<Server> {
        server(&self.etcd, first, Role::Worker).await
    }

    /// The routers that a worker has by now.
    ///
    /// # Errors
    /// When the API does not answer.
    pub(super) async fn share(&self, of: &Server) -> Result<Vec<Arc<Router>>> {
        let view = View::of(&self.api).await?;
        let routers = view.share(of).into_iter();
        Ok(routers
            .filter_map(|name| self.by_name.get(name).cloned())
            .collect())
    }

    /// Neighbors on all of them.
    pub(super) fn neighbors(&self) -> usize {
        self.fleet.routers().len() * self.each
    }

    /// Waits until every neighbor is on its router.
    ///
    /// # Errors
    /// When they aren't in time.
    pub(super) async fn until_configured(&self, limit: Duration) -> Result<()> {
        let routers = self.fleet.routers();
        until("all neighbors on their routers", limit, || {
            routers.iter().all(|router| router.peers() == self.each)
        })
        .await
    }

    /// Waits until the API shows every neighbor as applied.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub(super) async fn until_applied(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let applied = self.api.count("neighbors", "status=DOWN").await?;
            if applied == self.neighbors() {
                return Ok(());
            }
            let all = self.neighbors();
            ensure!(
                Instant::now() < end,
                "only {applied} of {all} neighbors are applied"
            );
            tokio::time::sleep(LONGER).await;
        }
    }
}

/// Looks again and again until something holds.
///
/// # Errors
/// When it doesn't in time.
pub(super) async fn until(what: &str, limit: Duration, holds: impl Fn() -> bool) -> Result<()> {
    let end = Instant::now() + limit;
    while !holds() {
        ensure!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("r{number}")
}

/// The creates of a router and its neighbors.
fn changes(number: usize, address: &str, each: usize) -> Vec<Value> {
    let [_, _, high, low] = u32::try_from(number + 1).unwrap_or(u32::MAX).to_be_bytes();
    let router = json!({"op": "create", "kind": "router", "body": {
        "host_name": name(number), "mgmt_addr": address, "local_as": 65001,
        "router_id": format!("10.0.{high}.{low}"), "listen_port": 0,
    }});
    let neighbor = |index: usize| {
        json!({"op": "create", "kind": "neighbor", "body": {
            "host_name": name(number), "neighbor_addr": neighbor_address(index), "peer_as": 65000,
        }})
    };
    let neighbors = (0..each).map(neighbor);
    std::iter::once(router).chain(neighbors).collect()
}
