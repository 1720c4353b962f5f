//! The seam between the orchestrator and a router's daemon: this crate's
//! terms on one side, gobgpd's on the other. A trait, because the simulator
//! stands here in tests.

mod gobgp;

pub use gobgp::GobgpDial;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sdwan_model::observed::{Observed, SessionState, Version};
use sdwan_model::plan::Op;
use std::net::IpAddr;

/// Opens connections; one for the whole server.
pub trait Dial: Send + Sync + 'static {
    /// A connection to the gobgpd at `host:port`. Detects the version.
    fn dial(&self, address: &str) -> BoxFuture<'static, Result<Box<dyn Speaker>, Error>>;
}

/// A connected gobgpd. Every call has a deadline; calls may run side by side.
#[async_trait::async_trait]
pub trait Speaker: Send + Sync {
    /// Everything that a plan needs, complete or an error. `said` is the
    /// version that the daemon is said to have, for what it does not tell.
    async fn observe(&self, said: Option<Version>) -> Result<Observed, Error>;

    /// One write call.
    async fn apply(&self, op: &Op) -> Result<(), Error>;

    /// Answers while the daemon does: the AS it runs, 0 before BGP is started.
    async fn heartbeat(&self) -> Result<u32, Error>;

    /// Every session now, then each change. Ends when the connection does.
    async fn watch(&self) -> Result<BoxStream<'static, Result<Vec<SessionEvent>, Error>>, Error>;

    /// What is asked for on request and never stored: counters by neighbor.
    async fn counters(&self) -> Result<Vec<Counters>, Error>;

    /// The global table, or the routes for `prefix` and longer ones.
    async fn rib(&self, prefix: Option<&str>) -> Result<Vec<Route>, Error>;
}

/// A session as the watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The full list that starts a watch ends here.
    Listed,
    /// The session is in this state now.
    State {
        /// The neighbor.
        neighbor: IpAddr,
        /// Its state.
        state: SessionState,
        /// Held down by an operator.
        admin_down: bool,
        /// gobgpd's reason for the last fall, empty where it gives none.
        reason: String,
    },
}

/// A neighbor's live numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The neighbor.
    pub neighbor: IpAddr,
    /// Seconds since it was established, where it is.
    pub uptime: Option<u64>,
    /// gobgpd's own count of falls.
    pub flaps: u64,
    /// Prefixes received, over all families.
    pub received: u64,
    /// Prefixes accepted, over all families.
    pub accepted: u64,
    /// Prefixes advertised, over all families.
    pub advertised: u64,
}

/// One path of the table, as `gobgp global rib` prints it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// E.g. `10.0.0.0/24`.
    pub prefix: String,
    /// `None` where the path has none.
    pub next_hop: Option<IpAddr>,
    /// E.g. `65000 {65001,65002}`.
    pub as_path: String,
    /// Seconds.
    pub age: u64,
    /// Used for forwarding.
    pub best: bool,
    /// Not usable, e.g. because its next hop is unreachable.
    pub valid: bool,
    /// Stale after a restart of the neighbor.
    pub stale: bool,
    /// Remaining attributes in GoBGP's words, e.g. `{Origin: i}`.
    pub attributes: Vec<String>,
}

/// A failed call, by what the reconciler does about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No answer, or none in time: back off and try again; what was sent may
    /// or may not have happened, so observe before anything else.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time from a connection that stands: likewise, and what
    /// was sent may even happen later.
    #[error("{0}")]
    Unanswered(String),
    /// The daemon refused: trying the same again won't help.
    #[error("{0}")]
    Refused(String),
    /// The daemon must be restarted by hand.
    #[error("{0}")]
    NeedsRestart(String),
    /// The answer was incomplete or made no sense: send nothing.
    #[error("{0}")]
    Incomplete(String),
}
