//! What is known of gobgpd: whether it is followed, since when not, and how
//! long what it has not confirmed stays.

use crate::gobgp::FAMILIES;
use crate::hold::{Hold, Neighbor, Over};
use crate::status::Holding;
use ipnet::IpNet;
use sdwan_gobgp::types::Family;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The way to gobgpd.
#[derive(Debug)]
pub(super) struct Link {
    limit: Duration,
    state: State,
    /// The neighbors that it was last seen with.
    neighbors: BTreeSet<IpAddr>,
    /// What it announces with our mark.
    announced: BTreeSet<IpNet>,
    told: bool,
}

#[derive(Debug)]
enum State {
    Lost {
        reason: String,
        /// Since when nobody is there; `None`: it may live.
        gone: Option<Instant>,
        /// Its routes have gone for that.
        swept: bool,
    },
    Followed(Hold),
}

impl Link {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            state: State::Lost {
                reason: "not connected yet".to_owned(),
                gone: None,
                swept: false,
            },
            neighbors: BTreeSet::new(),
            announced: BTreeSet::new(),
            told: false,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.announced.clear();
        self.told = false;
        self.state = State::Followed(Hold::new(self.limit, self.neighbors.clone(), now));
    }

    pub(super) fn changed(&mut self, now: Instant) {
        if let State::Followed(hold) = &mut self.state {
            hold.changed(now);
        }
    }

    /// The first table is complete; gives what it announces with our mark.
    pub(super) fn told(&mut self, now: Instant) -> BTreeSet<IpNet> {
        self.told = true;
        if let State::Followed(hold) = &mut self.state {
            hold.told(now);
        }
        self.announced.clone()
    }

    pub(super) fn observe(&mut self, neighbors: Vec<Neighbor>, now: Instant) {
        if let State::Followed(hold) = &mut self.state {
            hold.observe(neighbors, now);
        }
    }

    /// Notes whether a prefix is announced with our mark; gives all that are
    /// if that changed something that was told already.
    pub(super) fn announced(&mut self, prefix: IpNet, is: bool) -> Option<&BTreeSet<IpNet>> {
        let changed = if is {
            self.announced.insert(prefix)
        } else {
            self.announced.remove(&prefix)
        };
        (changed && self.told).then_some(&self.announced)
    }

    /// Says whether that is news.
    pub(super) fn lost(&mut self, reason: String, gone: bool, now: Instant) -> bool {
        match &mut self.state {
            State::Followed(hold) => {
                if hold.is_over() {
                    self.neighbors = hold.neighbors();
                }
                self.state = State::Lost {
                    reason,
                    gone: gone.then_some(now),
                    swept: false,
                };
                true
            }
            State::Lost {
                reason: before,
                gone: since,
                ..
            } => {
                *since = gone.then(|| since.unwrap_or(now));
                std::mem::replace(before, reason.clone()) != reason
            }
        }
    }

    /// Families of which nothing more is waited for, with who was.
    pub(super) fn over(&mut self, now: Instant) -> Vec<(Family, Over, Vec<IpAddr>)> {
        let State::Followed(hold) = &mut self.state else {
            return Vec::new();
        };
        let over = FAMILIES.into_iter().filter_map(|family| {
            let over = hold.over(family, now)?;
            Some((family, over, hold.missing(family)))
        });
        over.collect()
    }

    /// Says so once.
    pub(super) fn has_been_gone_for_too_long(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Lost {
                gone: Some(since),
                swept: swept @ false,
                ..
            } if now >= *since + self.limit => {
                *swept = true;
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, State::Followed(_))
    }

    pub(super) fn is_holding(&self) -> bool {
        matches!(&self.state, State::Followed(hold) if !hold.is_over())
    }

    /// Whether time alone can end something.
    pub(super) fn is_timed(&self) -> bool {
        match &self.state {
            State::Followed(hold) => !hold.is_over(),
            State::Lost { gone, swept, .. } => gone.is_some() && !swept,
        }
    }

    pub(super) fn lost_because(&self) -> Option<&str> {
        match &self.state {
            State::Lost { reason, .. } => Some(reason),
            State::Followed(_) => None,
        }
    }

    pub(super) fn holding(&self, now: Instant) -> Option<Holding> {
        let State::Followed(hold) = &self.state else {
            return None;
        };
        let missing = FAMILIES.into_iter().flat_map(|family| hold.missing(family));
        let missing: BTreeSet<IpAddr> = missing.collect();
        (!hold.is_over()).then(|| Holding {
            seconds: hold.remaining(now).as_secs_f64(),
            waits_for: missing.into_iter().collect(),
        })
    }

    /// Why not all of BGP is known.
    pub(super) fn reason(&self) -> Option<String> {
        match &self.state {
            State::Lost { reason, .. } => Some(reason.clone()),
            State::Followed(_) if !self.told => Some("gobgpd is telling its table".to_owned()),
            State::Followed(hold) if !hold.is_over() => {
                Some("not all neighbors have told everything yet".to_owned())
            }
            State::Followed(_) => None,
        }
    }
}
