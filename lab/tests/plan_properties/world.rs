//! A daemon with what we remember of it, and passes over it.

use sdwan_lab::sim::{Gobgpd, Refusal};
use sdwan_model::compile::{Inputs, compile};
use sdwan_model::config::{Desired, Direction};
use sdwan_model::plan::{Disturbance, OwnedKey, OwnedRecord, OwnedWrite, Plan, plan};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) type Records = BTreeMap<OwnedKey, OwnedRecord>;

pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Import, Direction::Export];
pub(crate) const PEERS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::4"];

pub(crate) fn address(index: usize) -> IpAddr {
    PEERS[index].parse().expect("PEERS are addresses")
}

/// Writes to the records, as the store does.
pub(crate) fn write(records: &mut Records, writes: &[OwnedWrite]) {
    for write in writes {
        match write {
            OwnedWrite::Put(key, record) => {
                records.insert(key.clone(), record.clone());
            }
            OwnedWrite::Remove(key) => {
                records.remove(key);
            }
            OwnedWrite::Done(key, effect) => {
                if let Some(record) = records.get_mut(key) {
                    record.owed.remove(effect);
                }
            }
        }
    }
}

/// Versions 3.15 to 3.37 change a peer's TTL and then fail to bring it to a
/// connection that is closed.
pub(crate) fn is_done_all_the_same(refusal: &Refusal) -> bool {
    refusal.0.starts_with("failed to set TTL")
}

/// What these rows come to; their router is always right.
pub(crate) fn declared(inputs: &Inputs) -> Desired {
    compile(inputs).desired.expect("the router's row is right")
}

/// The daemon and what we remember of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) daemon: Gobgpd,
    pub(crate) records: Records,
}

impl World {
    pub(crate) fn plan(&self, desired: &Desired) -> Plan {
        plan(desired, &self.daemon.observe(), &self.records)
    }

    pub(crate) fn write(&mut self, writes: &[OwnedWrite]) {
        write(&mut self.records, writes);
    }

    /// When each session that is up came up.
    pub(crate) fn sessions(&self) -> BTreeMap<IpAddr, u64> {
        let peers = self.daemon.peers().iter();
        peers
            .filter_map(|(address, peer)| Some((*address, peer.established_at?)))
            .collect()
    }

    /// Does the first `steps` of a plan.
    pub(crate) fn go(&mut self, plan: &Plan, steps: usize) {
        self.write(&plan.intents);
        for step in &plan.steps[..steps] {
            let before = self.sessions();
            let done = self.daemon.apply(&step.op);
            if step.disturbance < Disturbance::SessionReset {
                let after = self.sessions();
                assert_eq!(before, after, "{} reset a session in\n{plan}", step.op);
            }
            match done {
                Ok(()) => self.write(&step.settles),
                // Nobody knows that it is done: the next pass will see it.
                Err(refusal) if is_done_all_the_same(&refusal) => {}
                Err(refusal) => panic!("{} was refused: {refusal}, in\n{plan}", step.op),
            }
        }
    }

    /// Passes until there is nothing to do.
    pub(crate) fn settle(&mut self, desired: &Desired) -> Plan {
        for _ in 0..4 {
            let plan = self.plan(desired);
            if plan.steps.is_empty() {
                self.write(&plan.intents);
                return self.plan(desired);
            }
            self.go(&plan, plan.steps.len());
        }
        panic!("still at work after 4 passes:\n{}", self.plan(desired));
    }
}
