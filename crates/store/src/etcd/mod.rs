//! The store of a cluster: etcd, version 3.4 or newer, with its default
//! limits, so that any number of servers share one store.
//!
//! One commit is one transaction and one revision; so others on the same etcd
//! make revisions too. Leases, history and their retention are etcd's own.
//!
//! Entries lie under their own keys, where others may read and write them as
//! well. One thing they must leave to this store: a commit with more
//! conditions than etcd compares in one transaction (64) does not see that
//! somebody else deletes what it looked at.

mod cluster;
mod commit;
mod endpoint;
mod failure;
mod ids;
mod layout;
mod list;
mod pause;
mod tls;
mod txn;
mod watch;
mod wire;
mod witness;

pub use sdwan_tls::Identity;
pub use tls::Tls;

use crate::{Commit, Error, LeaseId, Listing, Outcome, Revision, Stats, Store, Watch, lease};
use cluster::{Again, Cluster, rpc};
use failure::{Failure, Refusal};
use ids::Ids;
use layout::Layout;
use secrecy::SecretString;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use txn::Record;
use uuid::Uuid;
use wire::{
    CompactionRequest, CompactionResponse, LeaseGrantRequest, LeaseGrantResponse,
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    StatusRequest, StatusResponse,
};

/// Whether a member may be named like this.
///
/// # Errors
/// [`Error::Open`], with what is wrong.
pub fn check_endpoint(text: &str) -> Result<(), Error> {
    endpoint::parse(text).map(drop)
}

/// Beside 4096 operations of framing there is room for this in a request.
const LONGEST_PREFIX: usize = 32;

/// Which etcd, and which part of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its members: `HOST:PORT`, `http://HOST:PORT` or, all of them,
    /// `https://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// What every key is put behind, at most 32 bytes; with the empty one the
    /// keys are the entries' own.
    pub prefix: String,
    /// Who to be, where etcd asks for that.
    pub user: Option<User>,
    /// With `https://`, and only then.
    pub tls: Option<Tls>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Options {
    /// These members, no prefix, no user, the default timeouts.
    #[must_use]
    pub fn at(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            prefix: String::new(),
            user: None,
            tls: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// A user of etcd's. Without TLS the password goes over the network as it is.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: SecretString,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to one member.
    pub connect: Duration,
    /// For one member's answer. Then another one is asked, or the same again.
    pub attempt: Duration,
    /// For a call of the store's, all of its attempts together; a listing
    /// may take as long for every few MiB.
    pub call: Duration,
}

impl Default for Timeouts {
    /// 2 s, 5 s and 12 s: an election of a new leader fits in.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(5),
            call: Duration::from_secs(12),
        }
    }
}

/// A store in an etcd.
pub struct Etcd {
    cluster: Arc<Cluster>,
    layout: Layout,
    ids: Ids,
    /// Commits that were sent and whose outcome nobody knows: those of calls
    /// that run, were dropped or answered [`Outcome::Unknown`].
    under_way: Mutex<HashSet<Uuid>>,
    /// Ends the watches when it goes.
    open: tokio::sync::watch::Sender<()>,
    commits: AtomicU64,
    conflicts: AtomicU64,
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd")
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl Etcd {
    /// Opens the store; one member must answer.
    ///
    /// # Errors
    /// [`Error::Open`] for options that can't work, endpoints of different
    /// clusters and an etcd that is too old, [`Error::Unavailable`] when no member answers.
    pub async fn open(options: Options) -> Result<Self, Error> {
        if options.prefix.len() > LONGEST_PREFIX {
            return Err(Error::Open(format!(
                "the prefix {:?} of etcd's keys is over {LONGEST_PREFIX} bytes",
                options.prefix
            )));
        }
        let layout = Layout::new(options.prefix.clone());
        let warning = endpoint::warning(&options);
        let cluster = Cluster::new(options)?;
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let status: StatusResponse = cluster
            .call(
                rpc::STATUS,
                &StatusRequest {},
                Again::Harmless,
                cluster.deadline(),
            )
            .await
            .map_err(Failure::into_error)?;
        check_version(&status.version)?;
        if let Err(Failure::Foreign(why)) = cluster.meet_all().await {
            return Err(Error::Open(why));
        }
        Ok(Self {
            cluster: Arc::new(cluster),
            layout,
            ids: Ids::default(),
            under_way: Mutex::default(),
            open: tokio::sync::watch::Sender::new(()),
            commits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        })
    }
}

impl Etcd {
    /// Goes to etcd with other certificates from now on, if it takes them.
    /// Calls that are under way end as they began, and watches go on.
    ///
    /// # Errors
    /// [`Error::Open`] for what is no PEM, [`Error::Unavailable`] when no member
    /// answers to them; then those that there were stay in use.
    pub async fn renew(&self, tls: Tls) -> Result<(), Error> {
        self.cluster.renew(tls).await
    }
}

/// Comparisons of ranges and watches in parts came with 3.3 and 3.4.
fn check_version(version: &str) -> Result<(), Error> {
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    let (major, minor): (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) >= (3, 4) {
        return Ok(());
    }
    Err(Error::Open(format!(
        "this is etcd {version:?}, but 3.4 is the oldest that can be used: upgrade it"
    )))
}

#[async_trait::async_trait]
impl Store for Etcd {
    fn stats(&self) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            fsyncs: 0,
            conflicts: self.conflicts.load(Relaxed),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        list::list(&self.cluster, &self.layout, prefix).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let cluster = Arc::clone(&self.cluster);
        let open = self.open.subscribe();
        watch::follow(cluster, self.layout.clone(), prefix, after, open).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        commit.check()?;
        let outcome = self.make(&commit).await?;
        match outcome {
            Outcome::Committed(_) => self.commits.fetch_add(1, Relaxed),
            Outcome::Conflict => self.conflicts.fetch_add(1, Relaxed),
            Outcome::Unknown => 0,
        };
        Ok(outcome)
    }

    /// Where there is none, the commit is kept from being made later, should
    /// it still be under way; committing again with the same id makes it.
    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        let record = self.resolve(id, self.cluster.deadline()).await;
        let record = record.map_err(Failure::into_error)?;
        self.end(id);
        Ok(match record {
            Record::Made(revision) => Some(revision),
            Record::Void(_) | Record::None => None,
        })
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = lease::check(ttl)?;
        let whole = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let request = LeaseGrantRequest {
            ttl: whole.cast_signed(),
        };
        // A lease whose grant is not heard of ends by itself.
        let granted: LeaseGrantResponse = self.ask(rpc::GRANT, &request).await?;
        Ok(LeaseId(granted.id))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        let request = LeaseKeepAliveRequest { id: lease.0 };
        let alive: LeaseKeepAliveResponse = self.ask(rpc::KEEP_ALIVE, &request).await?;
        if alive.ttl > 0 {
            return Ok(());
        }
        Err(Error::LeaseExpired)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        let request = LeaseRevokeRequest { id: lease.0 };
        match self
            .ask::<_, LeaseRevokeResponse>(rpc::REVOKE, &request)
            .await
        {
            Err(Error::LeaseExpired) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        let request = CompactionRequest {
            revision: wire::to_wire(revision),
        };
        let deadline = self.cluster.deadline();
        let answer: Result<CompactionResponse, _> = self
            .cluster
            .call(rpc::COMPACT, &request, Again::Harmless, deadline)
            .await;
        match answer {
            Ok(_) | Err(Failure::Refused(Refusal::Compacted)) => Ok(()),
            Err(Failure::Refused(Refusal::Future)) => Err(Error::Invalid(format!(
                "compaction to revision {revision}, but the store is not there yet"
            ))),
            Err(failure) => Err(failure.into_error()),
        }
    }
}

impl Etcd {
    /// A call that may be repeated.
    async fn ask<Q, R>(&self, rpc: &'static str, request: &Q) -> Result<R, Error>
    where
        Q: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        let deadline = self.cluster.deadline();
        self.cluster
            .call(rpc, request, Again::Harmless, deadline)
            .await
            .map_err(Failure::into_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_that_is_too_old_is_refused() {
        for version in ["3.4.0", "3.10.2", "4.0.0", "3.6.0-rc.1"] {
            assert!(check_version(version).is_ok(), "{version}");
        }
        for version in ["3.3.27", "2.9.0", "", "three"] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }
}
