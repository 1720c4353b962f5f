//! The model's terms to gobgpd's. Pure.

use super::{action, observe};
use sdwan_gobgp::types::{
    Actions, AfiSafiSettings, Conditions, DefinedSet, Global, MatchSet, PeerSettings, Policy,
    PolicyAssignment, PolicyDirection, ResetDirection, RouteAction, Statement, Zebra,
};
use sdwan_model::config::{self, AdminState, Direction, Disposition, Neighbor};
use sdwan_model::observed::DefaultAction;
use sdwan_model::plan::Op;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Whether the call's aim is that something is not there.
pub(super) fn removes(op: &Op) -> bool {
    matches!(
        op,
        Op::DeletePeer(_) | Op::DeleteNeighborSet(..) | Op::DeletePolicy(_)
    )
}

pub(super) fn global(global: &config::Global) -> Global {
    Global {
        asn: global.asn,
        router_id: global.router_id.to_string(),
        listen_port: match global.listen_port {
            // gobgpd's own terms: 0 is its default of 179, -1 is nowhere.
            None => 0,
            Some(0) => -1,
            Some(port) => port.into(),
        },
        ..Global::default()
    }
}

pub(super) fn zebra(zebra: &config::Zebra) -> Zebra {
    Zebra::new(&zebra.url, zebra.version, &zebra.software_name)
}

/// The declared fields, and only those.
pub(super) fn settings(neighbor: &Neighbor) -> PeerSettings {
    PeerSettings {
        peer_asn: Some(neighbor.peer_as),
        description: neighbor.description.clone(),
        auth_password: neighbor.auth_password.clone(),
        hold_time: neighbor.hold_time.map(u64::from),
        keepalive_interval: neighbor.keepalive_interval.map(u64::from),
        local_address: neighbor.local_address,
        passive_mode: neighbor.passive,
        ebgp_multihop: neighbor.ebgp_multihop,
        route_reflector_client: neighbor.route_reflector_client,
        admin_down: neighbor.admin_state.map(|state| state == AdminState::Down),
        afi_safis: neighbor.families.as_ref().map(|families| {
            let families = families.iter().map(|family| observe::gobgp_family(*family));
            families.map(AfiSafiSettings::from).collect()
        }),
        ..PeerSettings::default()
    }
}

pub(super) fn neighbor_set((name, addresses): (&String, &BTreeSet<IpAddr>)) -> DefinedSet {
    DefinedSet::neighbors(name, addresses.iter().copied())
}

pub(super) fn policy(policy: &config::Policy) -> Policy {
    Policy {
        name: policy.name.clone(),
        statements: policy.statements.iter().map(statement).collect(),
    }
}

fn statement(statement: &config::Statement) -> Statement {
    Statement {
        name: statement.name.clone(),
        conditions: Conditions {
            neighbor_set: Some(MatchSet::any(&statement.neighbor_set)),
            ..Conditions::default()
        },
        actions: Actions {
            route_action: match statement.disposition {
                None => RouteAction::None,
                Some(Disposition::Accept) => RouteAction::Accept,
                Some(Disposition::Reject) => RouteAction::Reject,
            },
            ..statement
                .action
                .as_ref()
                .map(action::to_gobgp)
                .unwrap_or_default()
        },
        has_unknown: false,
    }
}

pub(super) fn assignment(
    direction: Direction,
    policies: &[String],
    default: DefaultAction,
) -> PolicyAssignment {
    let default = match default {
        DefaultAction::None => RouteAction::None,
        DefaultAction::Accept => RouteAction::Accept,
        DefaultAction::Reject => RouteAction::Reject,
    };
    PolicyAssignment::global(policy_direction(direction), policies, default)
}

pub(super) fn policy_direction(direction: Direction) -> PolicyDirection {
    match direction {
        Direction::Import => PolicyDirection::Import,
        Direction::Export => PolicyDirection::Export,
    }
}

pub(super) fn reset_direction(direction: Direction) -> ResetDirection {
    match direction {
        Direction::Import => ResetDirection::In,
        Direction::Export => ResetDirection::Out,
    }
}
