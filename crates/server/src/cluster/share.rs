//! Which routers are whose: rendezvous hashing (Thaler and Ravishankar,
//! 1998). Every server works it out by itself, a member that comes takes only
//! its share, and one that goes leaves the others' alone. Pure.

use super::{Claimed, Member};
use sdwan_store::LeaseId;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The owners by the members there are; what was worked out is kept.
#[derive(Debug, Default)]
pub(super) struct Owners {
    workers: Vec<Arc<str>>,
    of: HashMap<Arc<str>, Arc<str>>,
}

impl Owners {
    /// Goes on with these members that routers can be given to.
    pub(super) fn among<'a>(&mut self, workers: impl Iterator<Item = &'a Arc<str>>) {
        let workers: Vec<Arc<str>> = workers.cloned().collect();
        if workers != self.workers {
            self.workers = workers;
            self.of.clear();
        }
    }

    /// The member that should look after a router; none if nobody can.
    pub(super) fn of(&mut self, router: &Arc<str>) -> Option<&Arc<str>> {
        if !self.of.contains_key(router) {
            let workers = self.workers.iter();
            let owner = workers.max_by_key(|member| weight(member, router))?;
            self.of.insert(Arc::clone(router), Arc::clone(owner));
        }
        self.of.get(router)
    }

    /// What is known of these routers only.
    pub(super) fn forget_but(&mut self, there: impl Fn(&str) -> bool) {
        self.of.retain(|router, _| there(router));
    }
}

/// The same in every version and on every machine.
fn weight(member: &str, router: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(member);
    hash.update([0]);
    hash.update(router);
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |weight, byte| weight << 8 | u64::from(*byte))
}

/// What a member has to do about its claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// Routers of ours that nobody has, with who had them last.
    pub(super) take: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// Routers that we have and that another should, with its lease.
    pub(super) hand: Vec<(Arc<str>, Arc<str>, LeaseId)>,
    /// Routers that we have and that are no more.
    pub(super) drop: Vec<Arc<str>>,
}

impl Moves {
    pub(super) fn is_empty(&self) -> bool {
        self.take.is_empty() && self.hand.is_empty() && self.drop.is_empty()
    }
}

/// What is known of everybody's claims.
pub(super) struct View<'a> {
    /// This member and the lease that it has now.
    pub(super) me: (&'a str, LeaseId),
    pub(super) members: BTreeMap<&'a Arc<str>, &'a Member>,
    /// Every router that has work.
    pub(super) routers: Vec<&'a Arc<str>>,
    pub(super) claim: &'a dyn Fn(&str) -> Option<&'a Claimed>,
    pub(super) keeper: &'a dyn Fn(&str) -> Option<&'a Arc<str>>,
    /// Routers with a claim, declared or not.
    pub(super) claimed: Vec<&'a Arc<str>>,
}

impl View<'_> {
    /// What there is to do, by everybody's share.
    pub(super) fn moves(&self, owners: &mut Owners) -> Moves {
        let (me, lease) = self.me;
        let workers = self.members.iter().filter(|(_, member)| member.takes());
        owners.among(workers.map(|(id, _)| *id));
        let mut moves = Moves::default();
        for router in &self.routers {
            let Some(owner) = owners.of(router) else {
                continue;
            };
            let mine = **owner == *me;
            match (self.claim)(router) {
                None if mine => {
                    let keeper = (self.keeper)(router).cloned();
                    moves.take.push((Arc::clone(router), keeper));
                }
                Some(claimed) if !mine && claimed.claim.is(me, lease) => {
                    if let Some(member) = self.members.get(owner) {
                        let to = (Arc::clone(router), Arc::clone(owner), LeaseId(member.lease));
                        moves.hand.push(to);
                    }
                }
                _ => {}
            }
        }
        let declared: std::collections::HashSet<&str> =
            self.routers.iter().map(|r| &***r).collect();
        let gone = self.claimed.iter().filter(|router| {
            let ours = (self.claim)(router).is_some_and(|claimed| claimed.claim.is(me, lease));
            ours && !declared.contains(&****router)
        });
        moves.drop = gone.map(|router| Arc::clone(router)).collect();
        owners.forget_but(|router| declared.contains(router));
        moves
    }
}
