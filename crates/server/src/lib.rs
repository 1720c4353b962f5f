//! The orchestrator itself: API, catalog, reconciler and monitor in one process.
//!
//! Data's ways through it are in docs/ARCHITECTURE.md. Everything here runs on
//! injected ids and time; only [`config`] and the binaries read the machine.

pub mod agents;
pub mod api;
pub mod audit;
pub mod auth;
pub mod catalog;
pub mod cluster;
pub mod config;
mod keys;
pub mod limits;
pub mod listen;
pub mod live;
pub mod metrics;
mod mirror;
mod monitor;
pub mod reconcile;
pub mod secrets;
pub mod server;
pub mod speaker;
pub mod upkeep;
