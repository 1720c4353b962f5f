//! Keeps every router in its declared state.
//!
//! ```text
//! catalog.dirty --> Supervisor --+--> Worker (one a router) --> pass
//!                                +--> Monitor (one a router)
//!
//! pass: router_view -> observe -> decide (compile, plan) -> intents -> execute -> report
//! ```
//!
//! A change, a session event or a timer only marks a router; the pass takes
//! no input, reads the whole truth and is idempotent, so that create, update,
//! delete, restart and drift are one path. Routers share nothing but the
//! store: a dead one delays no other.

mod backoff;
mod decide;
mod execute;
mod live;
mod pass;
mod settings;
mod signal;
mod supervisor;
mod verdict;
mod worker;

use crate::catalog::Catalog;

pub use settings::Settings;
pub(crate) use signal::Signal;
pub use supervisor::Supervisor;

/// What people call a router, for the log; a rename is no reason to lag.
pub(crate) fn called(catalog: &Catalog, router: &str) -> String {
    let shown = catalog.get("router", router);
    let name = shown.and_then(|shown| shown.row.text("host_name").map(str::to_owned));
    name.unwrap_or_else(|| router.to_owned())
}
