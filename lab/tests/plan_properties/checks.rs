//! What must hold at every point, and at the end.

use crate::world::{DIRECTIONS, Records, World};
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::policy::{Policy, Set};
use sdwan_lab::sim::state::rejects;
use sdwan_model::config::{Desired, Direction, Disposition};
use sdwan_model::observed::{SessionState, SetKind};
use sdwan_model::plan::{OwnedKey, OwnedKind, Plan, Verdict};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a peer's routes come to: decided by one of ours, or left to others.
pub(crate) fn decision(
    daemon: &Gobgpd,
    peer: IpAddr,
    direction: Direction,
) -> (Option<Disposition>, bool) {
    let (chain, default) = daemon.chain(peer, direction);
    let decided = chain
        .iter()
        .filter(|link| !link.conditional)
        .find_map(|link| link.disposition);
    (decided, rejects(&chain, default))
}

pub(crate) fn ours(world: &World, peer: &IpAddr) -> bool {
    world
        .records
        .contains_key(&OwnedKey::new(OwnedKind::Peer, peer))
}

/// What isn't ours: policies, sets, peers, and their places in assignments.
pub(crate) fn foreign(daemon: &Gobgpd, records: &Records) -> String {
    let known = |kind, name: &str| records.contains_key(&OwnedKey::new(kind, name));
    let policies = daemon.policies();
    let theirs: Vec<Policy> = policies
        .list_policies()
        .into_iter()
        .filter(|policy| !known(OwnedKind::Policy, &policy.name))
        .collect();
    let sets: Vec<&Set> = policies
        .list_sets()
        .filter(|set| set.kind != SetKind::Neighbor || !known(OwnedKind::NeighborSet, &set.name))
        .collect();
    let peers: Vec<String> = daemon
        .peers()
        .iter()
        .filter(|(address, _)| !known(OwnedKind::Peer, &address.to_string()))
        .map(|(address, peer)| format!("{address} {:?} {:?}", peer.conf, peer.established_at))
        .collect();
    let assigned: Vec<Vec<String>> = DIRECTIONS
        .iter()
        .map(|direction| {
            let (mut names, _) = policies.list_assignment(*direction);
            names.retain(|name| !known(OwnedKind::Policy, name));
            names
        })
        .collect();
    format!("{theirs:?} {sets:?} {peers:?} {assigned:?}")
}

/// At a point where the process may die: nothing is open.
pub(crate) fn nothing_is_open(case: &str, start: &World, now: &World, end: &World) {
    let opened: Vec<String> = now
        .daemon
        .policies()
        .open_sets()
        .difference(&start.daemon.policies().open_sets())
        .cloned()
        .collect();
    assert!(
        opened.is_empty(),
        "{case}: statements match everyone by {opened:?}"
    );
    for direction in DIRECTIONS {
        for peer in now.daemon.peers().keys().filter(|peer| ours(now, peer)) {
            let (then, here, there) = (
                decision(&start.daemon, *peer, direction),
                decision(&now.daemon, *peer, direction),
                decision(&end.daemon, *peer, direction),
            );
            let was_there = start.daemon.peers().contains_key(peer);
            let fine = here == there || was_there && here == then;
            assert!(
                fine,
                "{case}: {peer} {direction:?} decides {here:?}, before {then:?}, after {there:?}"
            );
        }
    }
}

/// The daemon without what differs by luck: when sessions came up.
pub(crate) fn shape(daemon: &Gobgpd) -> String {
    let policies = daemon.policies();
    let mut sets: Vec<String> = policies
        .list_sets()
        .map(|set| {
            let entries: BTreeSet<&String> = set.entries.iter().collect();
            format!("{} {entries:?}", set.name)
        })
        .collect();
    sets.sort();
    let peers: Vec<String> = daemon
        .peers()
        .iter()
        .map(|(address, peer)| format!("{address} {:?} {:?}", peer.conf, peer.admin_state))
        .collect();
    let assigned = DIRECTIONS.map(|direction| policies.list_assignment(direction));
    let mut listed = policies.list_policies();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    format!("{listed:#?}\n{sets:#?}\n{peers:#?}\n{assigned:?}")
}

/// What is left when passes have nothing to do any more.
pub(crate) fn end_is_right(case: &str, world: &World, desired: &Desired, last: &Plan) {
    let Some(config) = desired.config() else {
        assert!(world.records.is_empty(), "{case}: left {:?}", world.records);
        return;
    };
    for (address, neighbor) in &config.neighbors {
        let applied = matches!(
            last.verdicts.get(&neighbor.source.resource),
            Some(Verdict::Applied { .. })
        );
        let Some(peer) = world.daemon.peers().get(address) else {
            assert!(!applied, "{case}: {address} is not there and applied");
            continue;
        };
        if !ours(world, address) {
            continue;
        }
        if applied {
            let told = peer.in_force.clone().with(neighbor);
            let mut in_force = peer.in_force.clone();
            // What is stored comes into force with the session.
            (in_force.hold_time, in_force.keepalive_interval) =
                (peer.in_force.hold_time, peer.in_force.keepalive_interval);
            assert_eq!(
                in_force, told,
                "{case}: {address} does not work as declared"
            );
        }
        if peer.session == SessionState::Established {
            for (direction, met) in [
                (Direction::Import, &peer.met_import),
                (Direction::Export, &peer.met_export),
            ] {
                let current = world.daemon.chain(*address, direction);
                assert_eq!(
                    met.as_ref(),
                    Some(&current),
                    "{case}: {address} was not refreshed {direction:?}"
                );
            }
        }
        if peer.stale {
            let said = last.verdicts.values().any(|verdict| {
                matches!(verdict, Verdict::Failed { reason, .. } if reason.contains("needs reset"))
            });
            assert!(
                said,
                "{case}: {address} holds stale routes and nobody says so\n{last}"
            );
        }
    }
}
