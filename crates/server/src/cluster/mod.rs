//! Several servers on one store: who is there, and who looks after which
//! router.
//!
//! ```text
//! Membership -- lease, /cluster/members/ID --> mirror --> share (rendezvous) --> Steward
//!      |                                                                          | claims
//!      +--> Tenure (until when, by our own clock) --> Mandate (one router) <------+
//!                                                        |
//!                                reconcile: every call; catalog: every word on the router
//! ```
//!
//! A claim is a key under its member's lease, and its revision a condition of
//! every word on that router, so the store takes no word of a server that
//! lost it. gobgpd can't be asked for as much: a server therefore acts only
//! while its lease holds by its own clock, and its calls end before it does;
//! one that takes over from a server that died waits as long as a call may
//! take before it writes, and looks again after that.
//!
//! On an embedded store a server is alone: it has every router, and none of
//! this is written.

mod mandate;
mod membership;
mod share;
mod steward;
mod tenure;

pub(crate) use mandate::Mandate;
pub use membership::Membership;
pub use steward::Steward;
pub use tenure::Tenure;

use sdwan_store::{LeaseId, Revision};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How a server takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it does.
    pub role: Role,
    /// How long its routers wait for another server when it dies; at least
    /// 2 s, which is as short as etcd's leases get.
    pub lease: Duration,
}

impl Default for Settings {
    /// Everything, with a lease of 10 s.
    fn default() -> Self {
        Self {
            role: Role::All,
            lease: Duration::from_secs(10),
        }
    }
}

/// A lease of so many seconds.
///
/// # Errors
/// Why it can't be: etcd keeps none under 2 s, and over an hour nobody would
/// wait for a router's next server.
pub fn lease(seconds: u64) -> Result<Duration, String> {
    match seconds {
        2..=3600 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "a lease of {seconds} s can't be: from 2 to 3600 s can"
        )),
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves the API and looks after no router.
    Api,
    /// Looks after routers; of the API it serves health and numbers only.
    Worker,
    /// Both.
    #[default]
    All,
}

impl Role {
    /// Whether it looks after routers.
    pub fn works(self) -> bool {
        self != Self::Api
    }

    /// As it is written, e.g. `worker`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::All => "all",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Api, Self::Worker, Self::All];
        let found = known.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no role: api, worker and all are"))
    }
}

/// `/cluster/members/ID`: a server that shares the store, while its lease
/// lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it does.
    pub role: Role,
    /// Its version, e.g. `0.1.0`.
    pub version: String,
    /// The newest format of the store that it knows.
    pub format: u64,
    /// Where its API listens.
    pub address: String,
    /// When it joined (RFC 3339).
    pub since: String,
    /// The lease that it lives under, so that others can hand routers over.
    pub(crate) lease: i64,
    /// It stops: nobody hands anything to it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl Member {
    /// Whether routers can be given to it.
    fn takes(&self) -> bool {
        self.role.works() && !self.leaving
    }
}

/// `/cluster/claims/ROUTER`: who looks after a router, while its lease lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The member.
    pub(crate) member: String,
    /// Its lease when it was claimed: an older one's proves nothing.
    pub(crate) lease: i64,
    /// Who looked after it before, unless it was this very process, which has
    /// known all the while what calls there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// That one had let go of it: no call of its is under way, and what it
    /// saw last is true until there is something newer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) handed: bool,
}

impl Claim {
    fn is(&self, member: &str, lease: LeaseId) -> bool {
        self.member == member && self.lease == lease.0
    }

    /// Whether what this process saw of the router counts.
    pub(crate) fn trusts(&self, observer: &str) -> bool {
        self.member == observer || self.handed && self.from.as_deref() == Some(observer)
    }

    /// Whether somebody else's last calls may still be under way.
    pub(crate) fn is_sudden(&self) -> bool {
        !self.handed && self.from.is_some()
    }
}

/// A claim as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    /// When it was written: the condition of every word on the router.
    pub(crate) at: Revision,
}

/// `/cluster/keepers/ROUTER`: who looks after a router, or did last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keeper {
    /// The member.
    pub(crate) member: Arc<str>,
    /// When it was written: with the last claim, in one commit.
    pub(crate) at: Revision,
}
