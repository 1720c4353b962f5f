//! Packets follow BGP: a gobgpd's best routes in the kernel's table.
//!
//! What decides is pure and knows neither sockets nor a clock:
//! - [`kernel`]: links, addresses and others' routes
//! - [`resolve`]: from a next hop to gateways and devices
//! - [`fib`]: what is wanted, what is installed, what is due
//! - [`hold`]: when gobgpd has told everything
//! - [`announce`]: what BGP is told of
//!
//! What acts is thin: [`gobgp`], [`netlink`], [`http`], and [`agent`], the loop
//! that ties them; [`once`] goes round once. [`orchestrator`] tells elsewhere
//! how things stand.

pub mod agent;
pub mod announce;
pub mod fib;
pub mod gobgp;
pub mod hold;
pub mod http;
mod intern;
pub mod kernel;
pub mod netlink;
pub mod once;
pub mod orchestrator;
pub mod render;
pub mod resolve;
mod rows;
pub mod status;
