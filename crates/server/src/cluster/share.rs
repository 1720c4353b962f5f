//! Which routers are whose: rendezvous hashing (Thaler and Ravishankar,
//! 1998). Every server works it out by itself, a member that comes takes only
//! its share, and one that goes leaves the others' alone. Pure.

use super::{Claimed, Keeper, Member};
use sdwan_store::LeaseId;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
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
    /// Routers of ours that nobody has, with who may have calls under way to
    /// them: who had them last.
    pub(super) take: Vec<(Arc<str>, Option<Keeper>)>,
    /// Routers that we have and that another should, with its lease.
    pub(super) hand: Vec<(Arc<str>, Arc<str>, LeaseId)>,
    /// Routers that we have and that are no more.
    pub(super) drop: Vec<Arc<str>>,
    /// Routers that are no more, whose last member died or gave calls up: it
    /// falls to us to forget who that was, once those calls can't arrive.
    pub(super) forget: Vec<Arc<str>>,
}

impl Moves {
    fn take(&mut self, router: &Arc<str>, keeper: Option<&Keeper>) {
        self.take.push((Arc::clone(router), keeper.cloned()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.take.is_empty()
            && self.hand.is_empty()
            && self.drop.is_empty()
            && self.forget.is_empty()
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
    pub(super) keeper: &'a dyn Fn(&str) -> Option<&'a Keeper>,
    /// Routers with a claim, declared or not.
    pub(super) claimed: Vec<&'a Arc<str>>,
    /// Routers that somebody has or had, declared or not.
    pub(super) kept: Vec<&'a Arc<str>>,
}

impl View<'_> {
    /// What there is to do, by everybody's share.
    pub(super) fn moves(&self, owners: &mut Owners) -> Moves {
        let (me, lease) = self.me;
        let workers = self.members.iter().filter(|(_, member)| member.takes());
        owners.among(workers.map(|(id, _)| *id));
        let declared: HashSet<&str> = self.routers.iter().map(|r| &***r).collect();
        let gone = |router: &&&Arc<str>| !declared.contains(&****router);
        let mut moves = Moves::default();
        // A router that was deleted can be declared anew at once, by another
        // id: to its daemon it is the same one. Until it is let go of, nobody
        // takes one that is new; where its member died, or gave calls up, one
        // that is new may have that one's calls under way.
        let busy = self.claimed.iter().any(|router| gone(&router));
        let dead = |router: &&&Arc<str>| gone(router) && (self.claim)(router).is_none();
        let left: Vec<&Arc<str>> = self.kept.iter().filter(dead).copied().collect();
        for router in &self.routers {
            let Some(owner) = owners.of(router) else {
                continue;
            };
            let mine = **owner == *me;
            match (self.claim)(router) {
                None if mine => match (self.keeper)(router) {
                    Some(keeper) => moves.take(router, Some(keeper)),
                    None if busy => {}
                    None => {
                        let keeper = left.first().and_then(|router| (self.keeper)(router));
                        moves.take(router, keeper);
                    }
                },
                Some(claimed) if !mine && claimed.claim.is(me, lease) => {
                    if let Some(member) = self.members.get(owner) {
                        let to = (Arc::clone(router), Arc::clone(owner), LeaseId(member.lease));
                        moves.hand.push(to);
                    }
                }
                _ => {}
            }
        }
        let ours = |router: &&&Arc<str>| {
            (self.claim)(router).is_some_and(|claimed| claimed.claim.is(me, lease))
        };
        let drop = self
            .claimed
            .iter()
            .filter(|router| gone(router) && ours(router));
        moves.drop = drop.map(|router| Arc::clone(router)).collect();
        for router in left {
            if owners.of(router).is_some_and(|owner| **owner == *me) {
                moves.forget.push(Arc::clone(router));
            }
        }
        owners.forget_but(|router| declared.contains(router));
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Claim, Role};
    use sdwan_store::Revision;

    const LEASE: LeaseId = LeaseId(7);

    fn names(prefix: &str, count: usize) -> Vec<Arc<str>> {
        (0..count).map(|n| format!("{prefix}-{n}").into()).collect()
    }

    fn owners(members: &[Arc<str>], routers: &[Arc<str>]) -> Vec<Arc<str>> {
        let mut owners = Owners::default();
        owners.among(members.iter());
        let owner = |router| Arc::clone(owners.of(router).expect("somebody"));
        routers.iter().map(owner).collect()
    }

    #[test]
    fn a_member_that_comes_takes_its_share_and_nothing_else_moves() {
        let (members, routers) = (names("member", 5), names("router", 3000));
        let mut before = owners(&members[..1], &routers);
        for count in 2..=members.len() {
            let after = owners(&members[..count], &routers);
            let newest = &members[count - 1];
            let moved: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).collect();
            assert!(moved.iter().all(|(_, to)| *to == newest));
            let share = routers.len() / count;
            assert!(
                moved.len().abs_diff(share) < share / 5,
                "{} of {share}",
                moved.len()
            );
            before = after;
        }
        let backwards: Vec<_> = members.iter().rev().cloned().collect();
        assert_eq!(owners(&backwards, &routers), before, "whoever asks");
    }

    /// All versions of this program have to agree.
    #[test]
    fn the_weights_are_what_they_always_were() {
        assert_eq!(weight("4aaf9725", "r1"), 0xc7c4_edb3_1661_f831);
    }

    struct Room {
        members: Vec<(Arc<str>, Member)>,
        routers: Vec<Arc<str>>,
        claims: BTreeMap<String, Claimed>,
        keepers: BTreeMap<String, Keeper>,
    }

    impl Room {
        fn new(members: &[&str], routers: &[&str]) -> Self {
            let member = |id: &&str| (Arc::from(*id), member(Role::All));
            Self {
                members: members.iter().map(member).collect(),
                routers: routers.iter().map(|id| Arc::from(*id)).collect(),
                claims: BTreeMap::new(),
                keepers: BTreeMap::new(),
            }
        }

        fn claim(&mut self, router: &str, member: &str, lease: LeaseId) {
            let claim = Claim {
                member: member.to_owned(),
                lease: lease.0,
                from: None,
                handed: false,
            };
            let at = Revision(1);
            self.claims.insert(router.to_owned(), Claimed { claim, at });
            self.keepers.insert(router.to_owned(), keeper(member));
        }

        fn moves(&self, me: &str) -> Moves {
            let claimed: Vec<Arc<str>> = self.claims.keys().map(|id| id.as_str().into()).collect();
            let kept: Vec<Arc<str>> = self.keepers.keys().map(|id| id.as_str().into()).collect();
            let view = View {
                me: (me, LEASE),
                members: self
                    .members
                    .iter()
                    .map(|(id, member)| (id, member))
                    .collect(),
                routers: self.routers.iter().collect(),
                claim: &|router| self.claims.get(router),
                keeper: &|router| self.keepers.get(router),
                claimed: claimed.iter().collect(),
                kept: kept.iter().collect(),
            };
            view.moves(&mut Owners::default())
        }
    }

    fn keeper(member: &str) -> Keeper {
        Keeper {
            member: member.into(),
            at: Revision(1),
        }
    }

    fn member(role: Role) -> Member {
        Member {
            role,
            version: String::new(),
            format: 2,
            address: String::new(),
            since: String::new(),
            lease: 9,
            leaving: false,
        }
    }

    #[test]
    fn what_nobody_has_is_taken_with_who_had_it_last() {
        let mut room = Room::new(&["me"], &["a", "b"]);
        room.keepers.insert("b".into(), keeper("dead"));
        let take = vec![("a".into(), None), ("b".into(), Some(keeper("dead")))];
        assert_eq!(room.moves("me").take, take);
        // A claim of an older lease of ours goes by itself: until then it is
        // neither ours nor free.
        room.claim("a", "me", LeaseId(6));
        room.claim("b", "me", LEASE);
        assert!(room.moves("me").is_empty());
    }

    #[test]
    fn who_only_serves_or_leaves_is_given_nothing_and_gives_what_it_has() {
        for (role, leaving) in [(Role::Api, false), (Role::All, true)] {
            let mut room = Room::new(&["me", "other"], &["a"]);
            (room.members[0].1.role, room.members[0].1.leaving) = (role, leaving);
            assert!(room.moves("me").is_empty());
            room.claim("a", "me", LEASE);
            let hand = vec![("a".into(), "other".into(), LeaseId(9))];
            assert_eq!(room.moves("me").hand, hand);
            assert!(room.moves("other").is_empty(), "not free yet");
        }
    }

    #[test]
    fn what_is_no_more_is_dropped_by_who_has_it() {
        let mut room = Room::new(&["me", "other"], &[]);
        room.claim("gone", "me", LEASE);
        assert_eq!(room.moves("me").drop, [Arc::from("gone")]);
        assert!(room.moves("other").is_empty());
        // Its member died before it did that.
        room.claims.clear();
        let forget = ["me", "other"].map(|member| room.moves(member).forget);
        assert_eq!(forget.concat(), [Arc::from("gone")], "by one of them");
    }

    #[test]
    fn a_new_router_may_be_one_that_has_just_gone() {
        let mut room = Room::new(&["me"], &["new", "known"]);
        room.claim("gone", "other", LeaseId(9));
        room.keepers.insert("known".into(), keeper("me"));
        let known = ("known".into(), Some(keeper("me")));
        let taken = room.moves("me").take;
        assert_eq!(taken, vec![known.clone()], "the other is not let go of yet");
        room.claims.clear();
        let new = |member: Option<&str>| ("new".into(), member.map(keeper));
        assert_eq!(room.moves("me").take, [new(Some("other")), known.clone()]);
        room.keepers.remove("gone");
        assert_eq!(room.moves("me").take, [new(None), known]);
    }
}
