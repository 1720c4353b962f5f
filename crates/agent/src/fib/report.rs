//! What the table says of itself.

use super::{Fib, Notice, Trouble};
use crate::resolve::{On, Reason};
use crate::rows::{Flags, some};
use ipnet::IpNet;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Routes, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Wanted by BGP and not by this host itself.
    pub wanted: usize,
    /// In the kernel, ours.
    pub installed: usize,
    /// Not confirmed by gobgpd since it was connected to; they stay until it
    /// has told everything.
    pub stale: usize,
    /// Not yet compared with the kernel.
    pub pending: usize,
    /// Not installed, by reason.
    pub unresolved: BTreeMap<&'static str, usize>,
}

impl Counts {
    /// Not installed, for whatever reason.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.unresolved.values().sum()
    }
}

/// A route that is wanted and can't be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unresolved {
    /// Where to.
    pub prefix: IpNet,
    /// Why not, for an operator.
    pub reason: String,
}

/// Somebody else's route has our metric.
const TAKEN: &str = "metric_taken";
/// The kernel said no.
const REFUSED: &str = "refused";

impl Fib {
    /// What there is to hear since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut unresolved = BTreeMap::new();
        for (set, reason) in self.stuck() {
            *unresolved.entry(reason.word()).or_default() += self.sets.holders(set) as usize;
        }
        for trouble in self.troubles.values() {
            *unresolved.entry(trouble.word()).or_default() += 1;
        }
        Counts {
            wanted: self.wanted,
            installed: self.installed,
            stale: (self.wanted + self.kept).saturating_sub(self.fresh),
            pending: self.dirty.len() + self.strays.len(),
            unresolved,
        }
    }

    /// The first routes that can't be installed, and why.
    #[must_use]
    pub fn unresolved(&self, limit: usize) -> Vec<Unresolved> {
        let troubles = self.troubles.iter().map(|(prefix, trouble)| Unresolved {
            prefix: *prefix,
            reason: trouble.words(prefix, self),
        });
        let stuck = self.stuck().flat_map(|(set, reason)| {
            let reason = self.explain(reason);
            let rows = self.rows.chain(self.sets.get(set).head);
            rows.map(move |slot| Unresolved {
                prefix: self.rows.get(slot).prefix,
                reason: reason.clone(),
            })
        });
        troubles.chain(stuck).take(limit).collect()
    }

    /// Whether the kernel has not taken a route that it could have.
    #[must_use]
    pub fn has_trouble(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// Sets of next hops of which none can be reached, with the first one's reason.
    fn stuck(&self) -> impl Iterator<Item = (u32, &Reason)> {
        let stuck = |set: &u32| self.sets.get(*set).legs.is_none();
        self.sets.ids().filter(stuck).filter_map(|set| {
            let hops = self.sets.key(set);
            let mut answers = hops.iter().map(|hop| &self.hops.get(*hop).answer);
            answers
                .find_map(|answer| answer.legs.as_ref().err())
                .map(|reason| (set, reason))
        })
    }

    /// A reason with what is only known here.
    #[must_use]
    pub fn explain(&self, reason: &Reason) -> String {
        match reason {
            Reason::NoRoute(address) if self.leads_to(*address) => {
                format!("{address}: only BGP's own routes lead there")
            }
            reason => reason.to_string(),
        }
    }

    /// Whether a route of BGP's holds an address.
    fn leads_to(&self, address: IpAddr) -> bool {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (0..=longest).any(|length| {
            let prefix = IpNet::new(address, length)
                .ok()
                .map(|prefix| prefix.trunc());
            let slot = prefix.and_then(|prefix| self.rows.find(&prefix));
            slot.is_some_and(|slot| self.rows.wanted(slot).is_some())
        })
    }

    /// The prefixes that an earlier run left and nobody has confirmed, in order.
    #[must_use]
    pub fn stale(&self) -> Vec<IpNet> {
        let rows = self.rows.slots().map(|slot| (slot, self.rows.get(slot)));
        let stale = rows.filter(|(slot, row)| {
            let known = self.rows.wanted(*slot).is_some() || row.flags.has(Flags::KEPT);
            known && !row.flags.has(Flags::FRESH)
        });
        let mut prefixes: Vec<IpNet> = stale.map(|(_, row)| row.prefix).collect();
        prefixes.sort_unstable();
        prefixes
    }

    /// What is in the kernel as far as is known, in order.
    #[must_use]
    pub fn installed(&self) -> BTreeMap<IpNet, Vec<crate::kernel::Leg>> {
        let rows = self.rows.slots().map(|slot| self.rows.get(slot));
        let installed = rows.filter_map(|row| Some((row.prefix, some(row.installed)?)));
        installed
            .map(|(prefix, id)| (prefix, self.legs.key(id).to_vec()))
            .collect()
    }

    /// How many prefixes something is known of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is known of any prefix.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// The neighbors and interfaces that next hops are told by.
    #[must_use]
    pub fn next_hops(&self) -> Vec<(IpAddr, On, Option<String>)> {
        let hops = self.hops.ids().map(|id| {
            let key = self.hops.key(id);
            let reason = self.hops.get(id).answer.legs.as_ref().err();
            (
                key.address,
                key.on.clone(),
                reason.map(|reason| self.explain(reason)),
            )
        });
        let mut hops: Vec<_> = hops.collect();
        hops.sort();
        hops
    }
}

impl Trouble {
    fn word(&self) -> &'static str {
        match self {
            Self::Taken => TAKEN,
            Self::Refused(_) => REFUSED,
        }
    }

    /// For an operator.
    #[must_use]
    pub fn words(&self, prefix: &IpNet, fib: &Fib) -> String {
        match self {
            Self::Taken => {
                let mark = fib.mark();
                let rival = |route: &&crate::kernel::Route| {
                    (route.table, route.metric) == (mark.table, mark.metric)
                };
                let owner = fib.view().routes_to(prefix).iter().find(rival);
                let owner = owner.map_or(String::new(), |route| {
                    format!(" of protocol {}", route.protocol)
                });
                format!(
                    "somebody else's route{owner} has the metric {}",
                    mark.metric
                )
            }
            Self::Refused(why) => format!("the kernel refused it: {why}"),
        }
    }
}
