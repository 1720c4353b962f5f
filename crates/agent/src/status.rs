//! What the agent says of itself: one snapshot that the metrics, the status
//! page and whoever reports elsewhere are made of.

use crate::fib::{Counts, Mark, Unresolved};
use serde::Serialize;
use std::net::IpAddr;

/// How things stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The kernel has what BGP wants, and all of BGP is known.
    pub in_step: bool,
    /// For how long that has been so, or not so, in seconds.
    pub seconds: f64,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The way to gobgpd.
    pub gobgpd: Gobgpd,
    /// While routes are kept that gobgpd has not confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Holding>,
    /// What tells our routes.
    pub table: u32,
    /// See [`Mark`].
    pub protocol: u8,
    /// See [`Mark`].
    pub metric: u32,
    /// Routes, counted.
    pub routes: Counts,
    /// The first of those that can't be installed.
    pub unresolved: Vec<Unresolved>,
    /// What BGP is told of.
    pub announced: Vec<ipnet::IpNet>,
    /// Since the agent started.
    pub totals: Totals,
}

/// The way to gobgpd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gobgpd {
    /// Where it is asked.
    pub address: String,
    /// Whether its routes are followed.
    pub connected: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holding {
    /// How much longer it may last, in seconds.
    pub seconds: f64,
    /// Neighbors that have not told everything.
    pub waits_for: Vec<IpAddr>,
}

/// What happened since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Connections to gobgpd.
    pub connections: u64,
    /// Routes made, changed or deleted.
    pub changes: u64,
    /// Of these, refused by the kernel.
    pub refused: u64,
    /// Full looks at the kernel's table after the first.
    pub audits: u64,
    /// Times that events of the kernel's were lost.
    pub overruns: u64,
}

impl Status {
    /// Marks as they are shown.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            table: self.table,
            protocol: self.protocol,
            metric: self.metric,
        }
    }
}
