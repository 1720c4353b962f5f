//! `sdwan agent` on real daemons and the real kernel: a gobgpd's best routes, and what becomes of
//! them when links, neighbors, daemons and the agent itself come and go.
//!
//! ```text
//!      A (gobgpd, AS 65002) ──┐
//!                             ├── wan ── R (gobgpd, AS 65001, and the agent) ── up0, up1
//!      B (gobgpd, AS 65003) ──┘
//! ```

mod families;
mod ground;
mod kernel;
mod once;
mod random;
mod redistribute;
mod resolution;
mod restarts;
mod storms;
mod strangers;
mod unnumbered;
