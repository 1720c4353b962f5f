//! The daemon under test and its neighbors, which stand at the addresses that
//! the cases name.
//!
//! ```text
//! test ── mgmt ─┬─ R (the release under test)  10.0.0.5, 2001:db8::5 ─┐
//!               ├─ A, B, C                     10.0.0.1 to 10.0.0.3 ──┤
//!               └─ D                           2001:db8::4 ───────────┴─ wan
//! ```

use super::far::{Far, announce, table};
use super::hand::{do_by_hand, until};
use super::routes::{Probe, ROUTER_V4, ROUTER_V6, Route, Source};
use crate::case::Case;
use crate::hand::Hand;
use crate::world::{PEERS, Records, address, declared, write};
use anyhow::{Result, ensure};
use ipnet::IpNet;
use sdwan_gobgp::Timeouts;
use sdwan_gobgp::types::{PathFilter, PeerSettings};
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::sim::Flavor;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};
use sdwan_model::config::{AdminState, Desired};
use sdwan_model::observed::{Observed, Peer, SessionState};
use sdwan_model::plan::{Op, plan};
use sdwan_server::speaker::{Dial as _, GobgpDial, Speaker};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

/// Far longer than a session takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// A call that came while the router held the peer idle was in vain, and the
/// neighbor itself would take its time before the next.
const REDIAL: Duration = Duration::from_secs(3);

/// See the module.
pub(crate) struct Ground {
    fleet: Fleet,
    release: Release,
    router: Gobgpd,
    speaker: Box<dyn Speaker>,
    pub(crate) fars: Vec<Far>,
    /// How a neighbor has called last, and when.
    dialed: BTreeMap<IpAddr, (Dialed, Instant)>,
}

/// What has to agree on both sides.
#[derive(Clone, Debug)]
struct Dialed {
    asn: u32,
    password: secrecy::SecretString,
}

impl Dialed {
    fn same(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        self.asn == other.asn && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl Ground {
    /// Lays it; no session is up.
    pub(crate) fn lay(release: Release) -> Result<Self> {
        let nodes = ["A", "B", "C", "D", "R"];
        let fleet = Fleet::lay(&nodes)?;
        for (node, own) in [("D", PEERS[3].to_owned()), ("R", ROUTER_V6.to_string())] {
            let line = format!("address add {own}/64 dev wan nodad\n");
            fleet.machine(node)?.netns().ip(&line)?;
        }
        ensure!(fleet.wan("R")? == ROUTER_V4, "the fleet's addresses moved");
        let fars = nodes.iter().zip(0..PEERS.len()).map(|(node, index)| {
            let own = address(index);
            let router: IpAddr = match own {
                IpAddr::V4(_) => ROUTER_V4.into(),
                IpAddr::V6(_) => ROUTER_V6.into(),
            };
            Far::start(&fleet, node, own, router)
        });
        let fars = fars.collect::<Result<_>>()?;
        let router = fleet.gobgpd("R", release)?;
        let speaker = connect(&fleet, &router)?;
        let mut ground = Self {
            fleet,
            release,
            router,
            speaker,
            fars,
            dialed: BTreeMap::new(),
        };
        ground.until_heard()?;
        Ok(ground)
    }

    /// Waits until every neighbor's monitor tells of a route: from then on it
    /// misses none.
    fn until_heard(&mut self) -> Result<()> {
        self.router.start_bgp(super::AS)?;
        for far in &self.fars {
            let settings = PeerSettings::new(65002);
            let call = self.router.client().add_peer(far.address, &settings);
            self.fleet.run(call)?;
        }
        self.until_up(&BTreeSet::new())?;
        let mut heard = BTreeSet::new();
        let mut looks = 0;
        wait::quietly("the monitors", LIMIT, || {
            // Again and again: one that is started late has missed the first.
            if looks % 20 == 0 {
                let look = u8::try_from(looks / 20)?;
                self.announce(Probe::of(0, look, Source::Router).to_vec())?;
            }
            looks += 1;
            for far in &mut self.fars {
                if !heard.contains(&far.address) && far.is_heard()? {
                    heard.insert(far.address);
                }
            }
            let silent = self.fars.iter().find(|far| !heard.contains(&far.address));
            Ok(match silent {
                None => Seen::Yes(()),
                Some(far) => Seen::NotYet(format!("nothing from {}", far.address)),
            })
        })
    }

    fn restart(&mut self) -> Result<()> {
        self.router.restart()?;
        self.speaker = connect(&self.fleet, &self.router)?;
        Ok(())
    }

    /// Plays the first act and what people did then. No session comes up
    /// meanwhile, so what they did to policies is in force when they do.
    pub(crate) fn stage(&mut self, case: &Case) -> Result<Records> {
        for far in &mut self.fars {
            far.hang_up()?;
            far.forget()?;
            far.told()?;
        }
        self.dialed.clear();
        self.restart()?;
        let mut records = Records::new();
        self.by_hand(&case.before)?;
        self.settle(&declared(&case.first), &mut records)?;
        self.by_hand(&case.between)?;
        Ok(records)
    }

    fn by_hand(&mut self, hands: &[Hand]) -> Result<()> {
        for hand in hands {
            match hand {
                Hand::Restart => self.restart()?,
                hand => do_by_hand(&self.fleet, &self.router, hand)?,
            }
        }
        Ok(())
    }

    fn settle(&mut self, desired: &Desired, records: &mut Records) -> Result<()> {
        for _ in 0..4 {
            let plan = plan(desired, &self.observe()?, records);
            write(records, &plan.intents);
            if plan.steps.is_empty() {
                return Ok(());
            }
            for step in &plan.steps {
                self.apply(&step.op)?;
                write(records, &step.settles);
            }
        }
        anyhow::bail!("the first act is still at work after 4 passes")
    }

    /// Everything, through the server's own eyes.
    pub(crate) fn observe(&self) -> Result<Observed> {
        let version = Flavor::from(self.release).version();
        Ok(self.fleet.run(self.speaker.observe(Some(version)))?)
    }

    /// One call, by the server's own hand.
    pub(crate) fn apply(&self, op: &Op) -> Result<()> {
        self.fleet.run(self.speaker.apply(op))?;
        // gobgpd answers these before it is so.
        let state = match op {
            Op::EnablePeer(_) => sdwan_gobgp::types::AdminState::Up,
            Op::DisablePeer(_) => sdwan_gobgp::types::AdminState::Down,
            _ => return Ok(()),
        };
        if let Some(peer) = op.peer() {
            self.fleet.run(until(self.router.client(), peer, state))?;
        }
        Ok(())
    }

    /// Ends a neighbor's session, from its own side.
    pub(crate) fn hang_up(&mut self, neighbor: IpAddr) -> Result<()> {
        self.dialed.remove(&neighbor);
        let far = self.fars.iter().find(|far| far.address == neighbor);
        far.map_or(Ok(()), Far::hang_up)
    }

    /// Waits until every session is up that the router allows: a neighbor
    /// calls as whom the router expects. Not those that `locked` names.
    pub(crate) fn until_up(&mut self, locked: &BTreeSet<IpAddr>) -> Result<Observed> {
        wait::quietly("the sessions", LIMIT, || {
            let observed = self.observe()?;
            let mut missing = Vec::new();
            for far in &self.fars {
                let peer = observed.peers.get(&far.address);
                let may_come = |peer: &&Peer| {
                    peer.admin_state == AdminState::Up && !locked.contains(&far.address)
                };
                let Some(peer) = peer.filter(may_come) else {
                    if self.dialed.remove(&far.address).is_some() {
                        far.hang_up()?;
                    }
                    continue;
                };
                let expects = Dialed {
                    asn: peer.peer_as,
                    password: peer.auth_password.clone(),
                };
                let calls = match self.dialed.get(&far.address) {
                    Some((dialed, at)) if dialed.same(&expects) => {
                        if peer.session == SessionState::Established && far.is_up()? {
                            continue;
                        }
                        at.elapsed() > REDIAL
                    }
                    _ => true,
                };
                missing.push(format!("{} is {:?}", far.address, peer.session));
                if calls {
                    far.dial(expects.asn, &expects.password)?;
                    self.dialed.insert(far.address, (expects, Instant::now()));
                }
            }
            Ok(match missing.is_empty() {
                true => Seen::Yes(observed),
                false => Seen::NotYet(missing.join(", ")),
            })
        })
    }

    /// Has everybody announce these, a neighbor without a session too. Not
    /// the router before BGP is started: those that were announced.
    pub(crate) fn announce(&mut self, mut probes: Vec<Probe>) -> Result<Vec<Probe>> {
        if self.router.asn()? == 0 {
            probes.retain(|probe| probe.source != Source::Router);
        }
        let of = |neighbor: Option<IpAddr>| -> Vec<Probe> {
            let own = probes.iter().copied();
            own.filter(|probe| probe.source.neighbor() == neighbor)
                .collect()
        };
        for far in &mut self.fars {
            far.announce(&of(Some(far.address)))?;
        }
        announce(&self.fleet, &self.router, &of(None))?;
        Ok(probes)
    }

    /// The router's own table.
    pub(crate) fn table(&self) -> Result<BTreeMap<IpNet, Route>> {
        if self.router.asn()? == 0 {
            return Ok(BTreeMap::new());
        }
        table(&self.fleet, &self.router, PathFilter::global)
    }
}

fn connect(fleet: &Fleet, router: &Gobgpd) -> Result<Box<dyn Speaker>> {
    let dial = GobgpDial::new(Timeouts::default(), SystemTime::now);
    Ok(fleet.run(dial.dial(&router.management()?))?)
}
