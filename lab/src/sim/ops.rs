//! A plan's calls on the simulator, and the observation that a plan starts
//! from: what the server's speaker does with a real daemon.

use super::peer::{Peer, PeerConf};
use super::policy::{Policy, Set, Statement};
use super::state::{Gobgpd, Refusal, refuse};
use sdwan_model::config::{self, AdminState, Direction, Neighbor};
use sdwan_model::observed::{self, Assignment, DefinedSet, Observed, SetKind, StatementBody};
use sdwan_model::plan::Op;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

impl Gobgpd {
    /// One call of a plan.
    ///
    /// # Errors
    /// gobgpd's refusal.
    pub fn apply(&mut self, op: &Op) -> Result<(), Refusal> {
        match op {
            Op::StartBgp(global) => self.start_bgp(global),
            // Routes go to the kernel, which nothing here has.
            Op::EnableZebra(_) => Ok(()),
            Op::AddPeer(address, neighbor) => self.add_peer(*address, fresh(*address, neighbor)),
            Op::UpdatePeer(address, change) => {
                let echo = self.echo(*address)?.with(&change.fields);
                self.update_peer(*address, echo)
            }
            Op::RecreatePeer(address, change) => {
                let echo = self.echo(*address)?.with(&change.fields);
                self.delete_peer(*address)?;
                self.add_peer(*address, echo)
            }
            Op::DeletePeer(address) => {
                self.take_password(*address)?;
                self.delete_peer(*address)
            }
            Op::EnablePeer(address) => self.enable_peer(*address),
            Op::DisablePeer(address) => self.disable_peer(*address),
            Op::SetPolicies {
                neighbor_sets,
                policies,
            } => {
                let sets = neighbor_sets
                    .iter()
                    .map(|(name, set)| Set::neighbors(name, set));
                let policies = policies.iter().map(policy).collect();
                self.policies_mut().set_policies(sets.collect(), policies)
            }
            Op::AddNeighborSet(name, members) => self
                .policies_mut()
                .add_defined_set(Set::neighbors(name, members)),
            Op::DeleteNeighborSet(name, members) => {
                let none = BTreeSet::new();
                let set = Set::neighbors(name, members.as_ref().unwrap_or(&none));
                self.policies_mut()
                    .delete_defined_set(&set, members.is_none())
            }
            Op::AddPolicy(added) => self.policies_mut().add_policy(policy(added)),
            Op::DeletePolicy(name) => self.policies_mut().delete_policy(name),
            Op::SetAssignment {
                direction,
                policies,
                default,
            } => self
                .policies_mut()
                .set_policy_assignment(*direction, policies, *default),
            Op::SoftReset(address, direction) => self.soft_reset(*address, *direction),
            Op::HardReset(address) => self.reset_peer(*address),
        }
    }

    /// The same, broken off after the first of its RPCs; most have only one,
    /// and then nothing happens.
    ///
    /// # Errors
    /// gobgpd's refusal.
    pub fn apply_first_half(&mut self, op: &Op) -> Result<(), Refusal> {
        match op {
            Op::RecreatePeer(address, _) => self.delete_peer(*address),
            Op::DeletePeer(address) => self.take_password(*address),
            _ => Ok(()),
        }
    }

    /// What precedes a delete, where the peer has a password.
    fn take_password(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let echo = self.echo(address)?;
        if echo.auth_password.is_empty() {
            return Ok(());
        }
        let without = PeerConf {
            auth_password: String::new(),
            admin_down: true,
            ..echo
        };
        self.update_peer(address, without)
    }

    /// A listed peer as it is sent back.
    fn echo(&self, address: IpAddr) -> Result<PeerConf, Refusal> {
        match self.peers().get(&address) {
            Some(peer) => Ok(peer.listed()),
            None => refuse(format!("neighbor that has {address} doesn't exist")),
        }
    }

    /// Everything, as the server observes it.
    pub fn observe(&self) -> Observed {
        let policies = self.policies();
        let listed = policies.list_policies();
        let held: BTreeSet<&str> = listed
            .iter()
            .flat_map(|policy| policy.statements.iter().map(|s| s.name.as_str()))
            .collect();
        let loose = policies
            .list_statements()
            .filter(|name| !held.contains(name.as_str()));
        let assignment = |direction| {
            let (policies, default) = policies.list_assignment(direction);
            Assignment { policies, default }
        };
        Observed {
            version: self.flavor.version(),
            global: self.global.clone(),
            peers: self
                .peers()
                .iter()
                .map(|(address, p)| (*address, peer(p)))
                .collect(),
            defined_sets: policies.list_sets().map(defined_set).collect(),
            loose_statements: loose.cloned().collect(),
            policies: listed.iter().map(observed_policy).collect(),
            import: assignment(Direction::Import),
            export: assignment(Direction::Export),
        }
    }
}

/// A peer that is added without an echo: the keepalive follows the hold time.
fn fresh(address: IpAddr, neighbor: &Neighbor) -> PeerConf {
    let mut conf = PeerConf::new(address, neighbor.peer_as).with(neighbor);
    if neighbor.keepalive_interval.is_none() {
        conf.keepalive_interval = conf.hold_time / 3;
    }
    conf
}

fn policy(policy: &config::Policy) -> Policy {
    let statement = |statement: &config::Statement| Statement {
        name: statement.name.clone(),
        conditions: BTreeMap::from([(SetKind::Neighbor, statement.neighbor_set.clone())]),
        actions: statement.action.clone().into_iter().collect(),
        disposition: statement.disposition,
    };
    Policy {
        name: policy.name.clone(),
        statements: policy.statements.iter().map(statement).collect(),
    }
}

fn observed_policy(policy: &Policy) -> observed::Policy {
    let statement = |statement: &Statement| {
        let plain = statement.conditions.len() == 1 && statement.actions.len() <= 1;
        let ours = statement
            .conditions
            .get(&SetKind::Neighbor)
            .filter(|_| plain)
            .map(|set| StatementBody {
                neighbor_set: set.clone(),
                action: statement.actions.first().cloned(),
                disposition: statement.disposition,
            });
        observed::Statement {
            name: statement.name.clone(),
            ours,
        }
    };
    observed::Policy {
        name: policy.name.clone(),
        statements: policy.statements.iter().map(statement).collect(),
    }
}

fn defined_set(set: &Set) -> DefinedSet {
    let (neighbors, complete) = match set.kind {
        SetKind::Neighbor => set.addresses(),
        _ => (BTreeSet::new(), false),
    };
    DefinedSet {
        kind: set.kind,
        name: set.name.clone(),
        neighbors,
        complete,
    }
}

fn peer(peer: &Peer) -> observed::Peer {
    let conf = &peer.conf;
    observed::Peer {
        peer_as: conf.peer_as,
        description: conf.description.clone(),
        auth_password: conf.auth_password.clone().into(),
        hold_time: conf.hold_time,
        keepalive_interval: conf.keepalive_interval,
        local_address: peer.session_address.or(conf.local_address),
        passive: conf.passive,
        ebgp_multihop: conf.ebgp_multihop,
        route_reflector_client: conf.route_reflector_client,
        families: conf.families.clone(),
        configured: match conf.admin_down {
            true => AdminState::Down,
            false => AdminState::Up,
        },
        admin_state: peer.admin_state,
        session: peer.session,
        established_at: peer.established_at,
        peer_group: String::new(),
    }
}
