//! Reconciler and monitor on top of the whole catalog, against daemons that
//! are told how to behave.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails where it should"
)]

#[path = "reconcile/cluster.rs"]
mod cluster;
#[path = "reconcile/configuring.rs"]
mod configuring;
#[path = "reconcile/crash.rs"]
mod crash;
#[path = "reconcile/monitoring.rs"]
mod monitoring;
#[path = "reconcile/safety.rs"]
mod safety;
mod support;
#[path = "reconcile/zebra.rs"]
mod zebra;
