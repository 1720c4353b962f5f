//! What people do on the daemon with `gobgp`.

use crate::world::{DIRECTIONS, PEERS, address};
use proptest::prelude::*;
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::peer::PeerConf;
use sdwan_lab::sim::policy::{Policy, Set, Statement};
use sdwan_model::config::{Direction, Disposition};
use sdwan_model::observed::{DefaultAction, SetKind};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a person may do on the daemon.
#[derive(Clone, Debug)]
pub(crate) enum Hand {
    Restart,
    AddPeer(usize, u16),
    DeletePeer(usize),
    Disable(usize),
    Enable(usize),
    SetHoldTime(usize, u16),
    PrefixSet,
    ForeignPolicy(Direction, bool),
    DefaultReject(Direction),
    Unassign(Direction),
    DeleteAssignment(Direction),
    Reverse(Direction),
    EmptySet,
    GrowSet,
    ChangeOurs,
    Fall(usize),
}

pub(crate) fn do_by_hand(daemon: &mut Gobgpd, hand: &Hand) {
    // What gobgpd refuses a person is no concern of these tests.
    let _refusal = match hand {
        Hand::Restart => {
            daemon.restart();
            Ok(())
        }
        Hand::AddPeer(i, hold) => {
            let mut conf = PeerConf::new(address(*i), 65002);
            (conf.hold_time, conf.keepalive_interval) = (*hold, hold / 3);
            conf.unmodelled = 7;
            daemon.add_peer(address(*i), conf)
        }
        Hand::DeletePeer(i) => daemon.delete_peer(address(*i)),
        Hand::Disable(i) => daemon.disable_peer(address(*i)),
        Hand::Enable(i) => daemon.enable_peer(address(*i)),
        Hand::Fall(i) => {
            daemon.neighbor_leaves(address(*i));
            Ok(())
        }
        Hand::SetHoldTime(i, hold) => match daemon.peers().get(&address(*i)) {
            Some(peer) => {
                let mut conf = peer.conf.clone();
                conf.hold_time = *hold;
                let done = daemon.update_peer(address(*i), conf);
                // Only a new session works with it.
                daemon.neighbor_leaves(address(*i));
                daemon.sessions_come_up();
                done
            }
            None => Ok(()),
        },
        _ if daemon.observe().global.is_none() => Ok(()),
        hand => {
            by_hand_on_policies(daemon, hand);
            // He brings it into force, too: all sessions are reset.
            let up: Vec<IpAddr> = daemon.peers().keys().copied().collect();
            for address in up {
                daemon.neighbor_leaves(address);
            }
            daemon.sessions_come_up();
            Ok(())
        }
    };
}

pub(crate) fn by_hand_on_policies(daemon: &mut Gobgpd, hand: &Hand) {
    let policies = daemon.policies_mut();
    let prefixes = Set {
        kind: SetKind::Prefix,
        name: "theirs".into(),
        entries: vec!["10.0.0.0/8".into()],
    };
    let _refusal = match hand {
        Hand::PrefixSet => policies.add_defined_set(prefixes),
        Hand::ForeignPolicy(direction, first) => {
            let name = format!("their-{}", direction.as_str());
            if policies.list_policies().iter().any(|p| p.name == name) {
                return;
            }
            let statement = Statement {
                name: format!("{name}-statement"),
                conditions: BTreeMap::from([(SetKind::Prefix, "theirs".to_owned())]),
                actions: Vec::new(),
                disposition: Some(Disposition::Reject),
            };
            let statements = vec![statement];
            let (mut names, _) = policies.list_assignment(*direction);
            names.insert(if *first { 0 } else { names.len() }, name.clone());
            policies
                .add_defined_set(prefixes)
                .and_then(|()| policies.add_policy(Policy { name, statements }))
                .and_then(|()| {
                    policies.set_policy_assignment(*direction, &names, DefaultAction::None)
                })
        }
        Hand::DefaultReject(direction) => {
            let (names, _) = policies.list_assignment(*direction);
            policies.set_policy_assignment(*direction, &names, DefaultAction::Reject)
        }
        Hand::Unassign(direction) => {
            let (mut names, _) = policies.list_assignment(*direction);
            names.pop();
            policies.set_policy_assignment(*direction, &names, DefaultAction::None)
        }
        Hand::DeleteAssignment(direction) => {
            policies.delete_policy_assignment(*direction);
            Ok(())
        }
        Hand::Reverse(direction) => {
            let (mut names, _) = policies.list_assignment(*direction);
            names.reverse();
            policies.set_policy_assignment(*direction, &names, DefaultAction::None)
        }
        Hand::EmptySet | Hand::GrowSet => {
            let Some(mut set) = policies
                .list_sets()
                .find(|set| set.kind == SetKind::Neighbor)
                .cloned()
            else {
                return;
            };
            if matches!(hand, Hand::EmptySet) {
                policies.delete_defined_set(&set, false)
            } else {
                set.entries = vec!["172.16.0.9/32".into()];
                policies.add_defined_set(set)
            }
        }
        Hand::ChangeOurs => {
            let Some(policy) = policies
                .list_policies()
                .into_iter()
                .find(|p| p.name.contains('/'))
            else {
                return;
            };
            let statement = Statement {
                name: "by hand".into(),
                conditions: BTreeMap::new(),
                actions: Vec::new(),
                disposition: Some(Disposition::Accept),
            };
            let statements = vec![statement];
            policies.add_policy(Policy {
                name: policy.name,
                statements,
            })
        }
        _ => Ok(()),
    };
}

pub(crate) fn any_hand() -> impl Strategy<Value = Hand> {
    let peer = 0..PEERS.len();
    let direction = prop::sample::select(DIRECTIONS.to_vec());
    let hold = prop::sample::select(vec![30_u16, 90]);
    prop_oneof![
        1 => Just(Hand::Restart),
        2 => (peer.clone(), hold.clone()).prop_map(|(i, hold)| Hand::AddPeer(i, hold)),
        2 => peer.clone().prop_map(Hand::DeletePeer),
        1 => peer.clone().prop_map(Hand::Disable),
        1 => peer.clone().prop_map(Hand::Enable),
        1 => peer.clone().prop_map(Hand::Fall),
        1 => (peer, hold).prop_map(|(i, hold)| Hand::SetHoldTime(i, hold)),
        2 => Just(Hand::PrefixSet),
        3 => (direction.clone(), any::<bool>()).prop_map(|(d, first)| Hand::ForeignPolicy(d, first)),
        1 => direction.clone().prop_map(Hand::DefaultReject),
        1 => direction.clone().prop_map(Hand::Unassign),
        1 => direction.clone().prop_map(Hand::DeleteAssignment),
        1 => direction.prop_map(Hand::Reverse),
        1 => Just(Hand::EmptySet),
        1 => Just(Hand::GrowSet),
        1 => Just(Hand::ChangeOurs),
    ]
}
