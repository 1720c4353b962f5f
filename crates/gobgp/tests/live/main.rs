//! The client against real daemons of every version that it claims to speak:
//! each field number and enum that is used makes a round trip on each of them,
//! beside what the daemon's own `gobgp -j` says.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod actions;
mod conditions;
mod connection;
mod daemon;
mod errors;
mod learned;
mod multipath;
mod paths;
mod peers;
mod policies;
mod routes;
mod session;
mod sessions;
mod sets;
mod settings;
mod tls;
mod zebra;
