//! Faults in a cluster.

pub mod fault;
pub mod ground;
pub mod history;
pub mod judge;
