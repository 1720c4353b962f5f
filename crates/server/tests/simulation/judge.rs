//! Watches what the servers do to the store and to the daemons, and says what
//! must never happen. Knows nothing of how a server comes to do it.

use super::trace::Trace;
use crate::support::World;
use sdwan_store::{Op, Revision, Store as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call to a daemon by a server that has no claim on its router.
    Authority,
    /// A call while the last calls of a server that died may be under way.
    Caution,
    /// A word on a router by a server that has no claim on it.
    Word,
    /// A write that was acknowledged and is not there.
    Lost,
    /// A session that fell without an operator's change.
    Fall,
    /// A daemon that is not what is declared in the end.
    Daemon,
    /// A policy that is on a daemon and not in force at a peer in the end.
    Refresh,
    /// A status that is not true in the end.
    Status,
    /// A router that not exactly one live member looks after in the end.
    Claims,
    /// Something that should have gone.
    Leftover,
    /// A server that sees another store than there is.
    Mirror,
    /// No end of calls and commits.
    Restless,
    /// A server that panicked.
    Panic,
}

/// See [`Kind`].
#[derive(Clone, Debug)]
pub struct Violation {
    pub kind: Kind,
    /// With the time.
    pub words: String,
}

/// See the module.
pub struct Judge {
    world: Arc<World>,
    pub trace: Arc<Trace>,
    caution: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    violations: Vec<Violation>,
    /// The ids that the router at an address has or had.
    routers: BTreeMap<String, BTreeSet<String>>,
    /// The router that a row (plural and id) is about.
    rows: BTreeMap<(String, String), String>,
    /// Nobody may write to this router before.
    careful: BTreeMap<String, Instant>,
    /// Every version that was committed of a row, by its key.
    versions: BTreeMap<String, BTreeSet<u64>>,
    /// Falls that the operator's writes may cost, by address and neighbor.
    may_fall: BTreeMap<(String, IpAddr), u32>,
    /// Daemons that a stopped server's late call came to: it can leave
    /// anything there that nobody knows to be ours.
    blurred: BTreeSet<String>,
}

impl Judge {
    pub fn new(world: Arc<World>, trace: Arc<Trace>) -> Self {
        Self {
            caution: world.settings.caution,
            world,
            trace,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn violations(&self) -> Vec<Violation> {
        self.inner().violations.clone()
    }

    pub fn accuse(&self, kind: Kind, words: &str) {
        let words = format!("at {}: {words}", self.trace.time());
        self.trace.note(|| format!("VIOLATION {kind:?}: {words}"));
        self.inner().violations.push(Violation { kind, words });
    }

    /// The value that stands at a key.
    async fn stored(&self, key: &str) -> Option<Vec<u8>> {
        let listing = self.world.store.list(key).await.unwrap();
        let found = listing.entries.into_iter().find(|entry| entry.key == key);
        found.map(|entry| entry.value)
    }

    /// The member whose claim on a router stands.
    async fn holder(&self, router: &str) -> Option<String> {
        let claim = self.stored(&format!("/cluster/claims/{router}")).await?;
        let claim: Value = serde_json::from_slice(&claim).unwrap();
        claim["member"].as_str().map(str::to_owned)
    }

    /// A commit of a member's is in the store.
    pub async fn committed(&self, by: &str, revision: Revision, then: &[Op]) {
        for op in then {
            match op {
                Op::Put { key, value, .. } => self.learn(key, value),
                Op::Delete { .. } => {}
            }
        }
        let mut spoken = BTreeSet::new();
        for op in then {
            let Op::Put { key, .. } = op else { continue };
            if let Some(router) = self.spoken_of(key, then) {
                spoken.insert((router, key));
            }
        }
        let mut holders: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (router, key) in spoken {
            let holder = match holders.get(&router) {
                Some(holder) => holder.clone(),
                None => self.holder(&router).await,
            };
            if holder.as_deref() != Some(by) {
                let words = format!(
                    "{by} wrote {key} at revision {revision}, but router {router} is claimed by \
                     {holder:?}"
                );
                self.accuse(Kind::Word, &words);
            }
            holders.insert(router, holder);
        }
    }

    /// The router that a write of this key is a word on.
    fn spoken_of(&self, key: &str, then: &[Op]) -> Option<String> {
        if let Some(router) = key.strip_prefix("/reachability/") {
            return Some(router.to_owned());
        }
        if let Some(rest) = key.strip_prefix("/owned/") {
            let router = rest.split('/').next()?.to_owned();
            // A router that is declared again takes over what is owned.
            let declared = format!("/config/v2.0/routers/{router}");
            let taken = then.iter().any(|op| op.key() == declared);
            return (!taken).then_some(router);
        }
        let row = key
            .strip_prefix("/state/v2.0/")
            .or_else(|| key.strip_prefix("/monitoring/v2.0/"))?;
        let (plural, id) = row.split_once('/')?;
        if plural == "routers" {
            return Some(id.to_owned());
        }
        let rows = &self.inner().rows;
        rows.get(&(plural.to_owned(), id.to_owned())).cloned()
    }

    /// What a put tells of who is who.
    fn learn(&self, key: &str, value: &[u8]) {
        let mut inner = self.inner();
        if let Some(row) = key.strip_prefix("/config/v2.0/") {
            let stored: Value = serde_json::from_slice(value).unwrap();
            let version = stored["version"].as_u64().unwrap();
            inner
                .versions
                .entry(key.to_owned())
                .or_default()
                .insert(version);
            if let Some(id) = row.strip_prefix("routers/") {
                let body: Value = serde_json::from_str(stored["body"].as_str().unwrap()).unwrap();
                let address = format!("{}:50051", body["mgmt_addr"].as_str().unwrap());
                inner
                    .routers
                    .entry(address)
                    .or_default()
                    .insert(id.to_owned());
            }
        } else if let Some(rest) = key.strip_prefix("/index/reference/routers/") {
            let parts: Vec<&str> = rest.split('/').collect();
            if let [router, plural, id] = parts[..] {
                let row = (plural.to_owned(), id.to_owned());
                inner.rows.insert(row, router.to_owned());
            }
        } else if let Some(router) = key.strip_prefix("/cluster/claims/") {
            let claim: Value = serde_json::from_slice(value).unwrap();
            if claim["from"].is_string() && claim["handed"] != true {
                let until = Instant::now() + self.caution;
                inner.careful.insert(router.to_owned(), until);
            }
        }
    }

    /// A call that changes something arrives at a daemon. Answers whether a
    /// fall that it causes may be.
    pub async fn arrives(&self, by: &str, address: &str, call: &str, late: bool) {
        self.trace.note(|| format!("{by} calls {address}: {call}"));
        if late {
            self.inner().blurred.insert(address.to_owned());
            return;
        }
        let routers = self
            .inner()
            .routers
            .get(address)
            .cloned()
            .unwrap_or_default();
        let mut holders = Vec::new();
        for router in &routers {
            holders.push((router, self.holder(router).await));
        }
        if !holders
            .iter()
            .any(|(_, holder)| holder.as_deref() == Some(by))
        {
            let words = format!("{by} called {address}: {call}, claims are {holders:?}");
            return self.accuse(Kind::Authority, &words);
        }
        let careful = {
            let inner = self.inner();
            let until = routers
                .iter()
                .filter_map(|router| inner.careful.get(router));
            until.max().copied()
        };
        if let Some(until) = careful.filter(|until| Instant::now() < *until) {
            let early = until - Instant::now();
            let words = format!(
                "{by} called {address}: {call}, {early:?} before the last calls of the server \
                 that died are certainly over"
            );
            self.accuse(Kind::Caution, &words);
        }
    }

    /// An operator's write may cost this neighbor's session a fall.
    pub fn may_fall(&self, address: &str, neighbor: IpAddr) {
        let neighbor = (address.to_owned(), neighbor);
        *self.inner().may_fall.entry(neighbor).or_default() += 1;
    }

    /// A call made an established session fall.
    pub fn fell(&self, address: &str, neighbor: IpAddr, call: &str, late: bool) {
        let mut inner = self.inner();
        if late || inner.blurred.contains(address) {
            return;
        }
        let neighbor = (address.to_owned(), neighbor);
        match inner.may_fall.get_mut(&neighbor) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                drop(inner);
                let words = format!(
                    "the session of {address} with {} fell by {call}, which no operator asked for",
                    neighbor.1
                );
                self.accuse(Kind::Fall, &words);
            }
        }
    }

    /// A write was acknowledged: the store must have it.
    pub fn acknowledged(&self, plural: &str, id: &str, version: u64) {
        let key = format!("/config/v2.0/{plural}/{id}");
        let versions = self.inner().versions.get(&key).cloned().unwrap_or_default();
        if !versions.contains(&version) {
            let words = format!("{key} at version {version} was acknowledged, never committed");
            self.accuse(Kind::Lost, &words);
        }
    }

    /// Whether the daemon can be anything, by a stopped server's late call.
    pub fn is_blurred(&self, address: &str) -> bool {
        self.inner().blurred.contains(address)
    }
}
