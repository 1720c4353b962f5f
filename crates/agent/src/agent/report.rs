//! What the agent says: in its log, and to whoever asks.

use super::Agent;
use crate::fib::{Mark, Notice};
use crate::status::{Gobgpd, Status};
use std::time::Instant;

/// So many notices of a kind are logged at once.
const LOGGED: usize = 10;
/// So many routes that can't be installed are shown.
const SHOWN: usize = 100;

impl Agent {
    pub(super) fn log_notices(&mut self) {
        let (mut troubles, mut removed) = (0, 0);
        for notice in self.fib.notices() {
            match notice {
                Notice::NextHop {
                    address,
                    reason: None,
                } => {
                    tracing::info!(%address, "the next hop can be reached");
                }
                Notice::NextHop {
                    address,
                    reason: Some(reason),
                } => {
                    tracing::warn!(%address, "no way to the next hop: {}", self.fib.explain(&reason));
                }
                Notice::Trouble(prefix, trouble) => {
                    troubles += 1;
                    if troubles <= LOGGED {
                        let why = trouble.words(&prefix, &self.fib);
                        tracing::warn!(%prefix, "not installed: {why}");
                    }
                }
                Notice::Removed(prefix) => {
                    removed += 1;
                    if removed <= LOGGED {
                        tracing::warn!(%prefix, "somebody took our route away; it is put back if it is wanted");
                    }
                }
            }
        }
        for (count, what) in [(troubles, "not installed"), (removed, "taken away")] {
            if count > LOGGED {
                tracing::warn!("and {} more {what}", count - LOGGED);
            }
        }
    }

    /// What is missing for being in step.
    pub(super) fn why_not_in_step(&self) -> Option<String> {
        if let Some(reason) = self.link.reason() {
            return Some(reason);
        }
        if self.fib.is_due() || self.fib.is_audit_due() {
            return Some("changes are under way".to_owned());
        }
        self.fib
            .has_trouble()
            .then(|| "the kernel does not take all routes".to_owned())
    }

    pub(super) fn status(&self) -> Status {
        let now = Instant::now();
        let Mark {
            table,
            protocol,
            metric,
        } = self.settings.mark;
        let reason = self.why_not_in_step();
        Status {
            in_step: reason.is_none(),
            seconds: now.duration_since(self.step.1).as_secs_f64(),
            reason,
            gobgpd: Gobgpd {
                address: self.settings.gobgpd.clone(),
                connected: self.link.is_connected(),
                reason: self.link.lost_because().map(str::to_owned),
            },
            hold: self.link.holding(now),
            table,
            protocol,
            metric,
            routes: self.fib.counts(),
            unresolved: self.fib.unresolved(SHOWN),
            announced: self.announced.prefixes().iter().copied().collect(),
            totals: self.totals,
        }
    }
}
