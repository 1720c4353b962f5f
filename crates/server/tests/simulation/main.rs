//! Several servers on one store, in a simulation that owns the time, the
//! randomness, the ids, the store and the daemons: histories of operators'
//! writes and of faults, made from seeds, the same each time.
//!
//! ```text
//! seed -> History -> Simulation -- Process (runs, stopped, dead, cut off)
//!                                    |-- Seat  --> Shared --> the store
//!                                    |-- Wires ------------> the daemons
//!                     Operator -----> a server's catalog
//!         Judge <--- every commit, call and acknowledgement;  end: what holds in the end
//! ```
//!
//! `SDWAN_SEEDS=1000` (or `FROM..TO`) runs more of them, `SDWAN_SEED=17` one
//! with all that happened; CONTRIBUTING.md says more.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails where it should"
)]

mod chance;
mod end;
mod history;
mod judge;
mod operator;
mod process;
mod run;
mod seat;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod wire;

/// Where a router's daemon listens.
fn address(router: u8) -> String {
    format!("192.0.2.{router}:50051")
}
