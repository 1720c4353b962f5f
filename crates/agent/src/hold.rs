//! When gobgpd is known to have told everything.
//!
//! A gobgpd that was restarted tells an empty table first, and fills it as its
//! sessions come back. What it doesn't confirm is not swept before it can be
//! known that it won't: RFC 4724's rule for a helper, with `--hold` for the
//! restart time.

use sdwan_gobgp::types::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long everything must have been told without anything new, before it is
/// believed: an orchestrator gives a restarted gobgpd its neighbors one by one.
const SETTLE: Duration = Duration::from_secs(3);

/// A configured neighbor, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// Its interface, where its address is link-local.
    pub interface: Option<String>,
    /// Families that are configured for it and, as far as it has said, that it
    /// speaks: of others it sends no End-of-RIB.
    pub families: BTreeSet<Family>,
    /// Those for which its End-of-RIB has come in this session.
    pub complete: BTreeSet<Family>,
    /// An operator took it down.
    pub admin_down: bool,
    /// For how long its session has been established.
    pub uptime: Option<Duration>,
}

/// Waits for one connection's table to be complete, family by family.
#[derive(Debug)]
pub struct Hold {
    limit: Duration,
    since: Instant,
    last_event: Instant,
    told: bool,
    expected: BTreeSet<IpAddr>,
    neighbors: Vec<Neighbor>,
    complete_since: BTreeMap<Family, Instant>,
    over: BTreeSet<Family>,
}

/// Why a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every neighbor has told everything.
    Complete,
    /// It lasted for as long as it may.
    Expired,
}

impl Hold {
    /// gobgpd was connected to; before, it had the `expected` neighbors.
    #[must_use]
    pub fn new(limit: Duration, expected: BTreeSet<IpAddr>, now: Instant) -> Self {
        Self {
            limit,
            since: now,
            last_event: now,
            told: false,
            expected,
            neighbors: Vec::new(),
            complete_since: BTreeMap::new(),
            over: BTreeSet::new(),
        }
    }

    /// gobgpd has told the table that it had when it was connected to.
    pub fn told(&mut self, now: Instant) {
        self.told = true;
        self.last_event = now;
    }

    /// gobgpd told of a change.
    pub fn changed(&mut self, now: Instant) {
        self.last_event = now;
    }

    /// gobgpd's neighbors as they are now.
    pub fn observe(&mut self, neighbors: Vec<Neighbor>, now: Instant) {
        let addresses = |all: &[Neighbor]| all.iter().map(|n| n.address).collect::<BTreeSet<_>>();
        if addresses(&neighbors) != addresses(&self.neighbors) {
            self.complete_since.clear();
        }
        self.neighbors = neighbors;
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            if self.missing(family).is_empty() && !self.neighbors.is_empty() {
                self.complete_since.entry(family).or_insert(now);
            } else {
                self.complete_since.remove(&family);
            }
        }
    }

    /// The neighbors that have not told everything of a family.
    #[must_use]
    pub fn missing(&self, family: Family) -> Vec<IpAddr> {
        // One that stood for so long has told what it has, marked or not; and a
        // gobgpd that is so old has had the time to hear from the others.
        let old = |n: &Neighbor| n.uptime.is_some_and(|uptime| uptime >= self.limit);
        if self.neighbors.iter().any(old) {
            return Vec::new();
        }
        let missing = self.neighbors.iter().filter(|n| {
            !n.admin_down
                && n.families.contains(&family)
                && !(n.uptime.is_some() && n.complete.contains(&family))
        });
        let known = |address: &&IpAddr| self.neighbors.iter().any(|n| n.address == **address);
        let absent = self.expected.iter().filter(|address| !known(address));
        absent.copied().chain(missing.map(|n| n.address)).collect()
    }

    /// The neighbors that gobgpd has.
    #[must_use]
    pub fn neighbors(&self) -> BTreeSet<IpAddr> {
        self.neighbors.iter().map(|n| n.address).collect()
    }

    /// Whether what was not told may be swept: says so once for each family.
    pub fn over(&mut self, family: Family, now: Instant) -> Option<Over> {
        if !self.told || self.over.contains(&family) {
            return None;
        }
        let why = if now >= self.since + self.limit {
            Over::Expired
        } else if self.is_complete(family, now) {
            Over::Complete
        } else {
            return None;
        };
        self.over.insert(family);
        Some(why)
    }

    fn is_complete(&self, family: Family, now: Instant) -> bool {
        let settled = self.complete_since.get(&family);
        settled.is_some_and(|since| now >= *since + SETTLE)
            && now >= self.last_event + SETTLE.min(self.limit)
    }

    /// Whether the hold is over for all.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.len() == 2
    }

    /// How much longer it may last.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Duration {
        (self.since + self.limit).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn hold(now: Instant) -> Hold {
        Hold::new(seconds(120), BTreeSet::new(), now)
    }

    fn neighbor(last: u8, uptime: Option<u64>, complete: &[Family]) -> Neighbor {
        Neighbor {
            address: [10, 0, 0, last].into(),
            interface: None,
            families: BTreeSet::from([V4]),
            complete: complete.iter().copied().collect(),
            admin_down: false,
            uptime: uptime.map(seconds),
        }
    }

    /// When the hold of a family ends, asked each second.
    fn end(hold: &mut Hold, from: Instant, family: Family) -> Option<(u64, Over)> {
        (0..300).find_map(|n| Some((n, hold.over(family, from + seconds(n))?)))
    }

    #[test]
    fn every_neighbor_is_waited_for() {
        let now = Instant::now();
        let mut hold = hold(now);
        hold.told(now);
        let late = neighbor(2, None, &[V4]);
        hold.observe(vec![neighbor(1, Some(1), &[V4]), late], now);
        assert_eq!(hold.missing(V4), [IpAddr::from([10, 0, 0, 2])]);
        assert_eq!(
            hold.over(V4, now + seconds(119)),
            None,
            "its mark is of an older session"
        );
        let later = now + seconds(20);
        hold.observe(
            vec![neighbor(1, Some(21), &[V4]), neighbor(2, Some(1), &[V4])],
            later,
        );
        assert_eq!(end(&mut hold, later, V4), Some((3, Over::Complete)));
        assert_eq!(hold.over(V4, later + seconds(4)), None, "only once");
        assert!(!hold.is_over());
        // Nobody has the other family, so nobody was waited for.
        assert_eq!(end(&mut hold, later, V6), Some((0, Over::Complete)));
        assert!(hold.is_over());
    }

    #[test]
    fn a_neighbor_that_an_operator_took_down_is_not_waited_for() {
        let now = Instant::now();
        let mut hold = hold(now);
        hold.told(now);
        let down = Neighbor {
            admin_down: true,
            ..neighbor(2, None, &[])
        };
        hold.observe(vec![neighbor(1, Some(1), &[V4]), down], now);
        assert_eq!(end(&mut hold, now, V4), Some((3, Over::Complete)));
    }

    #[test]
    fn without_neighbors_and_without_marks_it_lasts_to_its_limit() {
        let now = Instant::now();
        for neighbors in [vec![], vec![neighbor(1, Some(1), &[])]] {
            let mut hold = hold(now);
            assert_eq!(
                hold.over(V4, now + seconds(500)),
                None,
                "nothing was told yet"
            );
            hold.told(now);
            hold.observe(neighbors, now);
            assert_eq!(end(&mut hold, now, V4), Some((120, Over::Expired)));
        }
    }

    #[test]
    fn a_gobgpd_that_ran_all_the_time_is_believed() {
        let now = Instant::now();
        let mut hold = hold(now);
        hold.told(now);
        hold.observe(
            vec![neighbor(1, Some(120), &[]), neighbor(2, None, &[])],
            now,
        );
        assert_eq!(end(&mut hold, now, V4), Some((3, Over::Complete)));
    }

    #[test]
    fn a_neighbor_or_a_route_that_still_comes_begins_the_settling_anew() {
        let now = Instant::now();
        let mut hold = hold(now);
        hold.told(now);
        let (one, two) = (neighbor(1, Some(1), &[V4]), neighbor(2, Some(1), &[V4]));
        hold.observe(vec![one.clone()], now);
        hold.observe(vec![one, two], now + seconds(2));
        hold.changed(now + seconds(4));
        assert_eq!(end(&mut hold, now, V4), Some((7, Over::Complete)));
    }

    #[test]
    fn a_neighbor_that_it_had_before_is_waited_for() {
        let now = Instant::now();
        let both = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let mut hold = Hold::new(seconds(120), both.into(), now);
        hold.told(now);
        hold.observe(vec![neighbor(1, Some(1), &[V4])], now);
        assert_eq!(hold.missing(V4), both[1..]);
        assert_eq!(end(&mut hold, now, V4), Some((120, Over::Expired)));
    }

    #[test]
    fn a_hold_of_no_length_is_no_hold() {
        let now = Instant::now();
        let mut hold = Hold::new(Duration::ZERO, BTreeSet::new(), now);
        assert_eq!(hold.over(V4, now), None);
        hold.told(now);
        assert_eq!(hold.over(V4, now), Some(Over::Expired));
        assert_eq!(hold.remaining(now), Duration::ZERO);
    }
}
