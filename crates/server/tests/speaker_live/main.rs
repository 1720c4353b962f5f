//! The speaker against real gobgpd of every version: what the planner writes
//! is what it observes.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[path = "../../../gobgp/tests/live/daemon.rs"]
#[allow(dead_code, reason = "shared with the client's own tests")]
mod daemon;
mod peers;
mod policies;
mod support;
mod tables;
