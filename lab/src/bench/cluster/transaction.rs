//! The transaction that creates a neighbor, as a server makes it: recorded
//! from its catalog, to be sent bare.

use anyhow::{Context as _, Result, bail, ensure};
use sdwan_model::schema::Schemas;
use sdwan_server::catalog::{Catalog, FORMAT, Options, WriteOptions};
use sdwan_server::cluster::Tenure;
use sdwan_server::secrets::SecretBox;
use sdwan_store::memory::Memory;
use sdwan_store::{
    Commit, Condition, Error, LeaseId, Listing, Op, Outcome, Revision, Store, Watch,
};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// The router of all neighbors.
pub(super) const ROUTER: &str = "r";

/// The recorded one's number: beyond those that are created.
const RECORDED: u32 = 3_000_000;

/// A neighbor to create.
pub(super) fn neighbor(number: u32) -> Value {
    let address = address(number).to_string();
    json!({"host_name": ROUTER, "neighbor_addr": address, "peer_as": 65000})
}

/// The address of the neighbor with this number, all three digits to a byte.
pub(super) fn address(number: u32) -> Ipv4Addr {
    let digit = |place: u32| u8::try_from(100 + number / 156_u32.pow(place) % 156).unwrap_or(255);
    Ipv4Addr::new(10, digit(2), digit(1), digit(0))
}

/// A neighbor's create.
pub(super) struct Template {
    commit: Commit,
    id: Uuid,
    /// What stood in the store before.
    before: Vec<(String, Vec<u8>)>,
}

impl Template {
    /// Has a catalog create a neighbor and keeps what that commits.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn record() -> Result<Self> {
        let recorder = Arc::new(Recorder::default());
        let schemas = Schemas::load(&[]).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let options = Options {
            secrets: SecretBox::from_key([7; 32]),
            ids: Arc::new(Uuid::new_v4),
            clock: Arc::new(jiff::Timestamp::now),
            tenure: Arc::new(Tenure::shared("bench")),
            format: FORMAT,
        };
        let store = Arc::clone(&recorder);
        let catalog = Catalog::open(store, Arc::new(schemas), options).await?;
        let create = async |kind: &str, body| {
            let options = WriteOptions::default();
            let shown = catalog.create(kind, body, options).await?;
            anyhow::Ok(shown.row.id.clone())
        };
        create("router", router()).await?;
        let before = recorder.list("/").await?.entries;
        let id = create("neighbor", neighbor(RECORDED)).await?;
        let mut commits = recorder.commits();
        let commit = commits.pop().context("nothing was committed")?;
        ensure!(
            commit.then.iter().any(|op| op.key().contains(&id)),
            "the last commit did not create the neighbor: {commit:?}"
        );
        for condition in &commit.when {
            if let Condition::NothingNewer(key, _) = condition {
                bail!("a create looks at all of {key}: that can't be sent again as it was");
            }
        }
        Ok(Self {
            id: id.parse()?,
            commit,
            before: before.into_iter().map(|e| (e.key, e.value)).collect(),
        })
    }

    /// Puts what the create builds on, and says since when it stands there.
    ///
    /// # Errors
    /// When the store does not take it.
    pub(super) async fn prepare(&self, store: &dyn Store) -> Result<Revision> {
        let puts = self.before.iter();
        let commit = Commit {
            id: Uuid::new_v4(),
            when: Vec::new(),
            then: puts
                .map(|(key, value)| Op::put(key.clone(), value.clone()))
                .collect(),
        };
        committed(store.commit(commit).await?)
    }

    /// The create of the neighbor with this number, on what stands there
    /// since `base`.
    ///
    /// # Errors
    /// None in practice: what a catalog writes is text.
    pub(super) fn create(&self, number: u32, base: Revision) -> Result<Commit> {
        let (was, id) = (self.id.to_string(), Uuid::new_v4().to_string());
        let (there, here) = (address(RECORDED).to_string(), address(number).to_string());
        let own = |text: &str| text.replace(&was, &id).replace(&there, &here);
        let condition = |condition: &Condition| match condition {
            Condition::Absent(key) => Condition::Absent(own(key)),
            Condition::Exists(key) => Condition::Exists(own(key)),
            Condition::AtRevision(key, Revision(0)) => Condition::AtRevision(own(key), Revision(0)),
            Condition::AtRevision(key, _) => Condition::AtRevision(own(key), base),
            Condition::NoneUnder(key) => Condition::NoneUnder(own(key)),
            Condition::NothingNewer(key, _) => Condition::NothingNewer(own(key), base),
        };
        let op = |op: &Op| {
            Ok(match op {
                Op::Put { key, value, .. } => Op::put(own(key), own(std::str::from_utf8(value)?)),
                Op::Delete { key } => Op::delete(own(key)),
            })
        };
        Ok(Commit {
            id: Uuid::new_v4(),
            when: self.commit.when.iter().map(condition).collect(),
            then: self.commit.then.iter().map(op).collect::<Result<_>>()?,
        })
    }
}

/// The router that they belong to.
pub(super) fn router() -> Value {
    json!({"host_name": ROUTER, "mgmt_addr": "127.0.0.1:1", "local_as": 65001,
        "router_id": "10.0.0.1", "listen_port": 0})
}

/// The revision that a commit made.
///
/// # Errors
/// When it made none.
pub(super) fn committed(outcome: Outcome) -> Result<Revision> {
    match outcome {
        Outcome::Committed(revision) => Ok(revision),
        outcome => bail!("a bare transaction's outcome is {outcome:?}"),
    }
}

/// A store in memory that remembers what it was asked to commit.
#[derive(Default)]
struct Recorder {
    store: Memory,
    commits: Mutex<Vec<Commit>>,
}

impl Recorder {
    fn commits(&self) -> Vec<Commit> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.clone()
    }
}

#[async_trait::async_trait]
impl Store for Recorder {
    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.store.list(prefix).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        self.store.watch(prefix, after).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        self.commits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(commit.clone());
        self.store.commit(commit).await
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        self.store.committed(id).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.store.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.store.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.store.compact(revision).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(commit: &Commit) -> Vec<usize> {
        let of = |op: &Op| match op {
            Op::Put { key, value, .. } => key.len() + value.len(),
            Op::Delete { key } => key.len(),
        };
        commit.then.iter().map(of).collect()
    }

    #[tokio::test]
    async fn a_recorded_create_can_be_made_again_and_again() {
        let template = Template::record().await.unwrap();
        let store = Memory::new();
        let base = template.prepare(&store).await.unwrap();
        for number in [1, 2, 155, 156] {
            let commit = template.create(number, base).unwrap();
            assert_eq!(bytes(&commit), bytes(&template.commit));
            assert_eq!(commit.when.len(), template.commit.when.len());
            committed(store.commit(commit).await.unwrap()).unwrap();
        }
        // It is the real one: of the same neighbor there can't be two.
        let again = template.create(2, base).unwrap();
        let outcome = store.commit(again).await.unwrap();
        assert_eq!(outcome, Outcome::Conflict);
    }

    #[test]
    fn addresses_differ_and_are_of_one_length() {
        let all: std::collections::BTreeSet<_> = (0..100_000).map(address).collect();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().all(|one| one.to_string().len() == 14));
    }
}
