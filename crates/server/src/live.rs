//! What the API asks of the routers at the moment of a request: a seam,
//! because the reconciler owns the connections and tests have none.

use crate::speaker::{self, Counters, Route};
use sdwan_model::plan::Plan;

/// A look through the reconciler's connections. Reads only; every call has a
/// deadline of its own.
#[async_trait::async_trait]
pub trait Live: Send + Sync + 'static {
    /// What a pass over this router would do now, from a fresh observation.
    ///
    /// # Errors
    /// The router is not known, does not answer, or answers incompletely.
    async fn plan(&self, router: &str) -> Result<Plan, Error>;

    /// The router's global table, or the routes for `prefix` and longer ones.
    ///
    /// # Errors
    /// As [`Live::plan`].
    async fn rib(&self, router: &str, prefix: Option<&str>) -> Result<Vec<Route>, Error>;

    /// The live numbers of every neighbor of this router.
    ///
    /// # Errors
    /// As [`Live::plan`].
    async fn counters(&self, router: &str) -> Result<Vec<Counters>, Error>;
}

/// Why a router can't be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nobody looks after a router of this id (yet, or any more).
    #[error("router {0} is not connected yet")]
    NotConnected(String),
    /// The router's own failure.
    #[error(transparent)]
    Speaker(#[from] speaker::Error),
}
