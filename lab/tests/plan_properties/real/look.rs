//! Looking at who holds what, and whether he may.

use super::act::Act;
use super::far::Told;
use super::routes::{Probe, Route, Source, State};
use anyhow::{Result, ensure};
use ipnet::IpNet;
use sdwan_lab::wait::{self, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Far longer than a route takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(30);

/// Neighbors of which less is told.
#[derive(Default)]
pub(super) struct But {
    /// Said to need a reset: they may hold more.
    pub(super) stale: BTreeSet<IpAddr>,
    /// Somebody else's, which are not refreshed: only what is new of them, and
    /// what is new to them, is as the state says.
    pub(super) left_alone: BTreeSet<IpAddr>,
}

impl Act<'_> {
    /// Has everybody announce fresh routes: they show what is evaluated now.
    pub(super) fn announce(&mut self) -> Result<()> {
        let probes = Source::all().flat_map(|source| Probe::of(self.number, self.look, source));
        let announced = self.ground.announce(probes.collect())?;
        self.probes.extend(announced);
        Ok(())
    }

    /// The states by which a neighbor may be treated: that of the beginning
    /// and the declared one, but only the latter where its session is newer
    /// than the probe, or was not there in the beginning.
    fn sides(&self, neighbor: Option<IpAddr>, probe: Probe) -> Vec<&State> {
        let old = neighbor.is_none_or(|neighbor| {
            let since = self.renewed.get(&neighbor);
            let same = since.is_none_or(|since| probe.look < *since);
            same && self.start.sessions.contains_key(&neighbor)
        });
        match old {
            true => vec![&self.start, &self.end],
            false => vec![&self.end],
        }
    }

    /// What the router's table may have of a probe.
    fn imported(&self, probe: Probe) -> BTreeSet<Option<Route>> {
        let sides = self.sides(probe.source.neighbor(), probe);
        let by = sides.iter().map(|side| &side.policies);
        let among = |policies| sides.iter().map(move |side| (policies, &side.sessions));
        by.flat_map(among)
            .map(|(policies, sessions)| policies.imported(probe, sessions))
            .collect()
    }

    /// What a neighbor may be sent of a probe.
    fn exported(&self, probe: Probe, to: IpAddr) -> BTreeSet<Option<Route>> {
        let source = probe.source.neighbor();
        let mut all = BTreeSet::new();
        for route in self.imported(probe) {
            let Some(route) = route else {
                all.insert(None);
                continue;
            };
            let announcers = self.sides(source, probe).into_iter();
            // The router's own have none; of a neighbor it is either.
            let announcers: Vec<_> = match source {
                None => vec![None],
                Some(source) => announcers
                    .filter_map(|side| Some(Some(side.sessions.get(&source)?)))
                    .collect(),
            };
            for from in announcers {
                for by in self.sides(Some(to), probe) {
                    for among in self.sides(Some(to), probe) {
                        let sessions = &among.sessions;
                        all.insert(by.policies.exported(probe, route, from, to, sessions));
                    }
                }
            }
        }
        all
    }

    /// Reads what the neighbors were told: each route has to be by the state
    /// of the beginning or by the declared one.
    fn listen(&mut self) -> Result<()> {
        let mut told: Vec<(IpAddr, Told)> = Vec::new();
        for far in &mut self.ground.fars {
            told.extend(far.told()?.into_iter().map(|told| (far.address, told)));
        }
        for (holder, Told { prefix, route }) in told {
            let Some(probe) = Probe::read(prefix, self.number) else {
                continue;
            };
            let allowed = self.exported(probe, holder);
            // A neighbor that falls takes its routes along.
            let source = probe.source.neighbor();
            let fallen = source.is_some_and(|source| self.renewed.contains_key(&source));
            ensure!(
                allowed.contains(&route) || route.is_none() && fallen,
                "{holder} was told {route:?} of {probe:?}, and may be told {allowed:?}"
            );
            match route {
                Some(route) => self.held.insert((holder, prefix), route),
                None => self.held.remove(&(holder, prefix)),
            };
        }
        Ok(())
    }

    /// The fresh probes that have to be held by either state: in the router's
    /// table, and by whom else.
    fn awaited(&self) -> Vec<(Option<IpAddr>, Probe)> {
        let up = self.sessions();
        let comes = |source: Source| source.neighbor().is_none_or(|peer| up.contains_key(&peer));
        let fresh = self.probes.iter().copied();
        let fresh = fresh.filter(|probe| probe.look == self.look && comes(probe.source));
        let mut awaited = Vec::new();
        for probe in fresh {
            if !self.imported(probe).contains(&None) {
                awaited.push((None, probe));
            }
            let holders = up.keys().copied();
            let must = holders.filter(|to| !self.exported(probe, *to).contains(&None));
            awaited.extend(must.map(|to| (Some(to), probe)));
        }
        awaited
    }

    /// Waits until the fresh probes are where they have to be, and finds no
    /// route where it may not be.
    pub(super) fn until_allowed(&mut self) -> Result<()> {
        let awaited = self.awaited();
        wait::quietly("the probes", LIMIT, || {
            self.listen()?;
            let table = self.table()?;
            for (prefix, route) in &table {
                if let Some(probe) = Probe::read(*prefix, self.number) {
                    let allowed = self.imported(probe);
                    ensure!(
                        allowed.contains(&Some(*route)),
                        "the router took {route:?} of {probe:?}, and may have {allowed:?}"
                    );
                }
            }
            let missing = awaited.iter().find(|(holder, probe)| match holder {
                None => !table.contains_key(&probe.prefix()),
                Some(holder) => !self.held.contains_key(&(*holder, probe.prefix())),
            });
            Ok(match missing {
                None => Seen::Yes(()),
                Some((holder, probe)) => Seen::NotYet(format!("{probe:?} is not at {holder:?}")),
            })
        })
    }

    /// Waits until the router and all neighbors hold what a state says, and
    /// nothing else, as far as that can be.
    pub(super) fn until_exactly(&mut self, state: &State, but: &But) -> Result<()> {
        wait::quietly("everybody to hold what is declared", LIMIT, || {
            self.listen()?;
            let table = self.table()?;
            let old = |probe: &Probe| probe.look < self.look;
            let imported = |probe: &Probe| match probe.source.neighbor() {
                // The router's own have met what was evaluated when they were
                // announced: no refresh ever evaluates them again.
                None if old(probe) => table.get(&probe.prefix()).copied(),
                Some(peer) if old(probe) && but.left_alone.contains(&peer) => {
                    table.get(&probe.prefix()).copied()
                }
                _ => state.policies.imported(*probe, &state.sessions),
            };
            let expected = self.probes.iter();
            let expected = expected.filter_map(|p| Some((p.prefix(), imported(p)?)));
            let difference = differences(&table, &expected.collect());
            if !difference.is_empty() {
                return Ok(Seen::NotYet(format!("the router: {difference:?}")));
            }
            for far in &self.ground.fars {
                let expected = self.probes.iter().filter_map(|probe| {
                    let from = probe.source.neighbor();
                    let from = from.and_then(|from| state.sessions.get(&from));
                    let (route, to) = (imported(probe)?, far.address);
                    let sent = &state.policies;
                    let sent = sent.exported(*probe, route, from, to, &state.sessions)?;
                    Some((probe.prefix(), sent))
                });
                let mut expected: BTreeMap<IpNet, Route> = expected.collect();
                let mut holds = self.of_this_case(far.holds()?);
                if but.left_alone.contains(&far.address) {
                    let fresh = |prefix: &IpNet| {
                        let probe = Probe::read(*prefix, self.number);
                        probe.is_some_and(|probe| !old(&probe))
                    };
                    holds.retain(|prefix, _| fresh(prefix));
                    expected.retain(|prefix, _| fresh(prefix));
                }
                if but.stale.contains(&far.address) {
                    holds.retain(|prefix, _| expected.contains_key(prefix));
                }
                let difference = differences(&holds, &expected);
                if !difference.is_empty() {
                    return Ok(Seen::NotYet(format!("{}: {difference:?}", far.address)));
                }
            }
            Ok(Seen::Yes(()))
        })
    }

    /// Waits until what the neighbors were told is what they hold: nothing
    /// was missed so far.
    pub(super) fn until_told(&mut self) -> Result<()> {
        wait::quietly("the monitors", LIMIT, || {
            self.listen()?;
            for far in &self.ground.fars {
                let told = self.held.iter();
                let told = told.filter(|((holder, _), _)| *holder == far.address);
                let told = told.map(|((_, prefix), route)| (*prefix, *route));
                let difference = differences(&told.collect(), &self.of_this_case(far.holds()?));
                if !difference.is_empty() {
                    return Ok(Seen::NotYet(format!("{}: {difference:?}", far.address)));
                }
            }
            Ok(Seen::Yes(()))
        })
    }

    /// The router's own table.
    fn table(&self) -> Result<BTreeMap<IpNet, Route>> {
        Ok(self.of_this_case(self.ground.table()?))
    }

    fn of_this_case(&self, mut table: BTreeMap<IpNet, Route>) -> BTreeMap<IpNet, Route> {
        table.retain(|prefix, _| Probe::read(*prefix, self.number).is_some());
        table
    }
}

/// Where two tables differ: what is held and what should be.
fn differences(
    held: &BTreeMap<IpNet, Route>,
    expected: &BTreeMap<IpNet, Route>,
) -> Vec<(IpNet, Option<Route>, Option<Route>)> {
    let prefixes: BTreeSet<&IpNet> = held.keys().chain(expected.keys()).collect();
    let pair = |prefix: &IpNet| {
        let of = |table: &BTreeMap<IpNet, Route>| table.get(prefix).copied();
        (*prefix, of(held), of(expected))
    };
    let pairs = prefixes.into_iter().map(pair);
    pairs
        .filter(|(_, held, expected)| held != expected)
        .collect()
}
