//! The same calls on the simulator.

use crate::call::Call;
use crate::translate::from_family;
use sdwan_gobgp::types::PeerSettings;
use sdwan_lab::sim::peer::{Peer, PeerConf};
use sdwan_lab::sim::policy::Set;
use sdwan_lab::sim::{Gobgpd, Refusal};
use secrecy::ExposeSecret;
use std::net::IpAddr;

/// Makes a call.
pub(crate) fn call(daemon: &mut Gobgpd, call: &Call) -> Result<(), Refusal> {
    match call.clone() {
        Call::StartBgp(global) => daemon.start_bgp(&global),
        Call::AddPeer(peer, told) => daemon.add_peer(peer, fresh(peer, &told)),
        Call::UpdatePeer(peer, told) => {
            let listed = daemon.peers().get(&peer).map(Peer::listed);
            let echo = listed.unwrap_or_else(|| PeerConf::new(peer, 65002));
            daemon.update_peer(peer, with(echo, &told))
        }
        Call::DeletePeer(peer) => daemon.delete_peer(peer),
        Call::EnablePeer(peer) => daemon.enable_peer(peer),
        Call::DisablePeer(peer) => daemon.disable_peer(peer),
        Call::ResetPeer(peer) => daemon.reset_peer(peer),
        Call::SoftResetPeer(peer, way) => daemon.soft_reset(peer, way),
        Call::ListPeer => Ok(()),
        Call::SetPolicies(sets, policies) => daemon.policies_mut().set_policies(sets, policies),
        call => on_policies(daemon, call),
    }
}

fn on_policies(daemon: &mut Gobgpd, call: Call) -> Result<(), Refusal> {
    let policies = daemon.policies_mut();
    match call {
        Call::AddDefinedSet(set) => policies.add_defined_set(set),
        Call::DeleteFromDefinedSet(set) => policies.delete_defined_set(&set, false),
        Call::DeleteDefinedSet(kind, name) => {
            let entries = Vec::new();
            policies.delete_defined_set(
                &Set {
                    kind,
                    name,
                    entries,
                },
                true,
            )
        }
        Call::AddStatement(statement) => policies.add_statement(statement),
        Call::DeleteStatement(name) => policies.delete_statement(&name),
        Call::AddPolicy(policy) => policies.add_policy(policy),
        Call::DeletePolicy(name) => policies.delete_policy(&name),
        Call::SetPolicyAssignment(way, names, default) => {
            policies.set_policy_assignment(way, &names, default)
        }
        Call::AddPolicyAssignment(way, names, default) => {
            policies.add_policy_assignment(way, &names, default)
        }
        Call::DeletePolicyAssignment(way, names) => {
            policies.delete_from_policy_assignment(way, &names)
        }
        Call::ListDefinedSet(kind) => policies.takes(kind),
        Call::ListStatement | Call::ListPolicy | Call::ListPolicyAssignment(_) => Ok(()),
        call => unreachable!("{call:?} is not about policies"),
    }
}

/// A peer that is added without an echo: the keepalive follows the hold time.
fn fresh(address: IpAddr, told: &PeerSettings) -> PeerConf {
    let mut conf = with(PeerConf::new(address, 65002), told);
    if told.keepalive_interval.is_none() {
        conf.keepalive_interval = conf.hold_time / 3;
    }
    conf
}

fn with(mut conf: PeerConf, told: &PeerSettings) -> PeerConf {
    fn set<T, U: TryInto<T>>(slot: &mut T, told: Option<U>) {
        if let Some(told) = told.and_then(|told| told.try_into().ok()) {
            *slot = told;
        }
    }
    set(&mut conf.peer_as, told.peer_asn);
    set(&mut conf.description, told.description.clone());
    let password = told.auth_password.as_ref();
    set(
        &mut conf.auth_password,
        password.map(|text| text.expose_secret().to_owned()),
    );
    set(&mut conf.hold_time, told.hold_time);
    set(&mut conf.keepalive_interval, told.keepalive_interval);
    if let Some(source) = told.local_address {
        conf.local_address = Some(source).filter(|source| !source.is_unspecified());
    }
    set(&mut conf.passive, told.passive_mode);
    set(&mut conf.ebgp_multihop, told.ebgp_multihop);
    set(
        &mut conf.route_reflector_client,
        told.route_reflector_client,
    );
    set(&mut conf.admin_down, told.admin_down);
    if let Some(families) = &told.afi_safis {
        let families = families
            .iter()
            .filter_map(|family| from_family(family.family).ok());
        conf.families = families.collect();
    }
    conf
}
