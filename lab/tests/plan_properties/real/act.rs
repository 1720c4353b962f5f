//! The second act on the real daemon: the plan call by call, a look after
//! each, and the end. The simulator goes the same way beside it, and wherever
//! it stands the plan has to be the same.

use super::declared::{end, start};
use super::ground::Ground;
use super::look::But;
use super::routes::{Probe, Route, State};
use crate::case::Case;
use crate::world::{PEERS, Records, World, address, write};
use anyhow::{Context as _, Result, bail, ensure};
use ipnet::IpNet;
use sdwan_model::config::Desired;
use sdwan_model::observed::{Observed, SetKind};
use sdwan_model::plan::{Disturbance, Op, OwnedKey, OwnedKind, Plan, Step, Verdict, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Where the plan is broken off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    /// After so many calls.
    pub(crate) after: usize,
    /// One more call is made, of which nobody hears.
    pub(crate) unheard: bool,
}

/// See the module.
pub(super) struct Act<'a> {
    pub(super) ground: &'a mut Ground,
    /// Tells this case's prefixes from another's.
    pub(super) number: u8,
    desired: Desired,
    records: Records,
    simulated: World,
    pub(super) start: State,
    pub(super) end: State,
    observed: Observed,
    /// How many looks there were before this one.
    pub(super) look: u8,
    pub(super) probes: BTreeSet<Probe>,
    /// What each neighbor was told last of each prefix.
    pub(super) held: BTreeMap<(IpAddr, IpNet), Route>,
    /// Whose session is another than in the beginning, and since which look.
    pub(super) renewed: BTreeMap<IpAddr, u8>,
}

/// Plays a whole case. After how many calls there was a look.
pub(crate) fn play(
    ground: &mut Ground,
    number: u8,
    case: &Case,
    death: impl Fn(usize) -> Death,
) -> Result<usize> {
    let records = ground.stage(case)?;
    let (mut simulated, desired) = case.stage();
    simulated.daemon.sessions_come_up();
    let observed = ground.until_up(&locked(&simulated))?;
    let mut act = Act {
        start: start(&simulated),
        end: end(&simulated, case.second.as_ref()),
        number,
        desired,
        records,
        simulated,
        observed,
        look: 0,
        probes: BTreeSet::new(),
        held: BTreeMap::new(),
        renewed: BTreeMap::new(),
        ground,
    };
    act.announce()?;
    let beginning = act.start.clone();
    act.until_exactly(&beginning, &But::default())
        .context("as the act begins")?;
    act.until_told().context("as the act begins")?;
    let (before, mut known) = (act.observed.clone(), act.records.clone());
    act.passes(death)?;
    let calls = act.look;
    known.extend(act.records.clone());
    let (before, after) = (foreign(&before, &known), foreign(&act.observed, &known));
    ensure!(
        before == after,
        "somebody else's is touched: it was\n{before}\nand is\n{after}"
    );
    act.curtain()?;
    Ok(calls.into())
}

impl Act<'_> {
    /// Passes until nothing is left to do; the first is broken off.
    fn passes(&mut self, death: impl Fn(usize) -> Death) -> Result<()> {
        let plan = self.plan()?;
        self.write(&plan);
        let death = death(plan.steps.len());
        let (made, left) = plan.steps.split_at(death.after.min(plan.steps.len()));
        for step in made {
            self.step(step)
                .with_context(|| format!("after {} of\n{plan}", step.op))?;
        }
        match left.first() {
            None => {
                let again = self.plan()?;
                ensure!(again.steps.is_empty(), "first\n{plan}\nthen\n{again}");
            }
            Some(step) if death.unheard => self
                .unheard(step)
                .with_context(|| format!("after {}, unheard, of\n{plan}", step.op))?,
            Some(_) => {}
        }
        for _ in 0..4 {
            let next = self.plan()?;
            self.write(&next);
            if next.steps.is_empty() {
                return Ok(());
            }
            for step in &next.steps {
                self.step(step).with_context(|| {
                    let so_far = format!("which came after {death:?} of\n{plan}");
                    format!("after {} of\n{next}\n{so_far}", step.op)
                })?;
            }
        }
        bail!("still at work after 4 passes:\n{}", self.plan()?)
    }

    /// The plan from here, which has to be the simulator's too.
    fn plan(&self) -> Result<Plan> {
        let desired = &self.desired;
        let real = plan(desired, &self.observed, &self.records);
        let simulated = self.simulated.plan(desired);
        ensure!(
            real.to_string() == simulated.to_string(),
            "on gobgpd the plan is\n{real}\nand on the simulator\n{simulated}"
        );
        Ok(real)
    }

    fn write(&mut self, plan: &Plan) {
        let simulated = self.simulated.plan(&self.desired);
        self.simulated.write(&simulated.intents);
        write(&mut self.records, &plan.intents);
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        self.ground.apply(&step.op)?;
        self.simulated.daemon.apply(&step.op)?;
        write(&mut self.records, &step.settles);
        self.simulated.write(&step.settles);
        self.after(&step.op, step.disturbance)
    }

    /// A call, or the first of two, and the records don't hear of it.
    fn unheard(&mut self, step: &Step) -> Result<()> {
        let op = match &step.op {
            Op::RecreatePeer(address, _) => Op::DeletePeer(*address),
            op => op.clone(),
        };
        self.ground.apply(&op)?;
        self.simulated.daemon.apply(&op)?;
        self.after(&op, step.disturbance)
    }

    /// A look at what a call has done.
    fn after(&mut self, op: &Op, disturbance: Disturbance) -> Result<()> {
        self.look += 1;
        let new = matches!(op, Op::AddPeer(..)) || disturbance >= Disturbance::SessionReset;
        let disturbed = op.peer().filter(|_| new);
        if let Some(peer) = disturbed {
            self.renew(peer)?;
        }
        let before = self.sessions();
        self.until_up()?;
        let after = self.sessions();
        for (peer, since) in before {
            ensure!(
                disturbed == Some(peer) || after.get(&peer) == Some(&since),
                "the session with {peer} fell"
            );
        }
        self.announce()?;
        self.until_allowed()?;
        // The simulator's proof that things converge from here is gobgpd's.
        self.plan().map(drop)
    }

    /// A neighbor's session begins anew.
    fn renew(&mut self, peer: IpAddr) -> Result<()> {
        self.renewed.insert(peer, self.look);
        self.held.retain(|(holder, _), _| *holder != peer);
        self.ground.hang_up(peer)
    }

    fn until_up(&mut self) -> Result<()> {
        self.observed = self.ground.until_up(&locked(&self.simulated))?;
        self.simulated.daemon.sessions_come_up();
        Ok(())
    }

    /// When each session that is up came up.
    pub(super) fn sessions(&self) -> BTreeMap<IpAddr, u64> {
        let peers = self.observed.peers.iter();
        peers
            .filter_map(|(address, peer)| Some((*address, peer.established_at?)))
            .collect()
    }

    /// The end: exactly what is declared, at the router and at every
    /// neighbor. Only where the plan says that a neighbor needs a reset may it
    /// hold more, and no longer than until then.
    fn curtain(&mut self) -> Result<()> {
        let last = self.plan()?;
        let end = self.end.clone();
        let up: BTreeSet<IpAddr> = self.sessions().into_keys().collect();
        let declared: BTreeSet<IpAddr> = end.sessions.keys().copied().collect();
        ensure!(
            up == declared,
            "sessions {up:?}, declared {declared:?}\n{last}"
        );
        let ours = |peer: &IpAddr| {
            let key = OwnedKey::new(OwnedKind::Peer, peer);
            self.records.contains_key(&key)
        };
        let mut but = But {
            stale: stale(&last),
            left_alone: up.into_iter().filter(|peer| !ours(peer)).collect(),
        };
        // Twice: what was under way at the first comes before the second.
        for _ in 0..2 {
            self.look += 1;
            self.announce()?;
            self.until_exactly(&end, &but)
                .with_context(|| format!("at the end\n{last}"))?;
        }
        let stale = std::mem::take(&mut but.stale);
        if stale.is_empty() {
            return Ok(());
        }
        for peer in &stale {
            self.renew(*peer)?;
            self.simulated.daemon.neighbor_leaves(*peer);
        }
        self.until_up()?;
        self.until_exactly(&end, &but).context("after the reset")?;
        let settled = self.plan()?;
        ensure!(settled.steps.is_empty(), "a reset calls for\n{settled}");
        self.write(&settled);
        let last = self.plan()?;
        ensure!(
            self::stale(&last).is_empty(),
            "after the reset of {stale:?}\n{last}"
        );
        Ok(())
    }
}

/// Whose password the router does not have and asks for: whoever deletes a
/// peer by hand leaves it so.
fn locked(simulated: &World) -> BTreeSet<IpAddr> {
    let daemon = &simulated.daemon;
    let peers = daemon.peers().iter();
    let locked = peers.filter(|(address, peer)| {
        let asked = daemon.asked_password(**address).unwrap_or_default();
        peer.conf.auth_password != asked
    });
    locked.map(|(address, _)| *address).collect()
}

/// Whom a plan says to need a reset.
fn stale(plan: &Plan) -> BTreeSet<IpAddr> {
    let reasons = plan.verdicts.values().filter_map(|verdict| match verdict {
        Verdict::Failed { reason, .. } => reason.strip_prefix("needs reset: "),
        _ => None,
    });
    let reasons: Vec<&str> = reasons.collect();
    let named = |peer: &IpAddr| reasons.iter().any(|text| text.contains(&peer.to_string()));
    (0..PEERS.len()).map(address).filter(named).collect()
}

/// What isn't ours: policies, sets, peers with their sessions, and their
/// places in assignments.
fn foreign(observed: &Observed, known: &Records) -> String {
    let known = |kind, name: &str| known.contains_key(&OwnedKey::new(kind, name));
    let policies = observed.policies.iter();
    let policies: Vec<_> = policies
        .filter(|policy| !known(OwnedKind::Policy, &policy.name))
        .collect();
    let sets = observed.defined_sets.iter();
    let sets: Vec<_> = sets
        .filter(|set| set.kind != SetKind::Neighbor || !known(OwnedKind::NeighborSet, &set.name))
        .collect();
    let peers = observed.peers.iter();
    let peers: Vec<_> = peers
        .filter(|(address, _)| !known(OwnedKind::Peer, &address.to_string()))
        .collect();
    let assigned = [&observed.import, &observed.export].map(|assigned| {
        let names = assigned.policies.iter();
        let theirs = names.filter(|name| !known(OwnedKind::Policy, name));
        theirs.collect::<Vec<_>>()
    });
    format!("{policies:?}\n{sets:?}\n{peers:?}\n{assigned:?}")
}
