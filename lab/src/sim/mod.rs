//! A simulator of gobgpd's management side: what the planner's promises are
//! tested on, thousands of states a second.
//!
//! [`state`] is the daemon, [`policy`] and [`peer`] are what it holds, with
//! the quirks that differ by version; [`session`] is what becomes of a peer's
//! session, and [`event`] what a watcher is told of that; [`ops`] puts a plan's
//! calls on it and observes it, as the server does with a real one. It knows
//! no routes: what routes would meet is the chain of statements that is
//! evaluated for a peer, and the simulator remembers which chain a peer's
//! routes have met last.
//!
//! It has no clock and no neighbors. What they do to a session is told to it,
//! as calls are.
//!
//! [`serve`] is the management API of many of them, with a clock.
//!
//! `tests/simulator_differential` holds it against real gobgpds.

pub mod event;
pub mod ops;
pub mod peer;
pub mod policy;
pub mod serve;
pub mod session;
pub mod state;

pub use state::{Flavor, Gobgpd, Refusal};
