//! gobgpd's whole answer to the model's terms. Pure.

use super::action;
use crate::speaker::Error;
use sdwan_gobgp::Api;
use sdwan_gobgp::types::{self, Conditions, DefinedType, MatchSet, MatchType, RouteAction};
use sdwan_model::config::{AdminState, Direction, Disposition, Family, Global};
use sdwan_model::observed::{
    Assignment, DefaultAction, DefinedSet, Observed, Peer, Policy, SessionState, SetKind,
    Statement, StatementBody, Version,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// The answers to every question of an observation.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) global: types::Global,
    pub(super) peers: Vec<types::Peer>,
    pub(super) defined_sets: Vec<types::DefinedSet>,
    pub(super) policies: Vec<types::Policy>,
    pub(super) statements: Vec<types::Statement>,
    pub(super) assignments: Vec<types::PolicyAssignment>,
}

impl Answer {
    pub(super) fn not_started() -> Self {
        Self {
            global: types::Global::default(),
            peers: Vec::new(),
            defined_sets: Vec::new(),
            policies: Vec::new(),
            statements: Vec::new(),
            assignments: Vec::new(),
        }
    }
}

/// The whole of it, or an error. `said` is the version that the operator, or
/// the agent beside the daemon, named; what the daemon itself tells counts
/// more, and so does the API that it speaks.
pub(super) fn observed(api: Api, said: Option<Version>, answer: Answer) -> Result<Observed, Error> {
    let said = said.filter(|said| said.api == version(api));
    let held: HashSet<&str> = answer
        .policies
        .iter()
        .flat_map(|policy| &policy.statements)
        .map(|statement| statement.name.as_str())
        .collect();
    let loose = answer
        .statements
        .iter()
        .filter(|s| !held.contains(s.name.as_str()));
    Ok(Observed {
        version: Version {
            api: version(api),
            minor: told_minor(api, &answer.peers).or(said.and_then(|said| said.minor)),
        },
        global: global(&answer.global)?,
        loose_statements: loose.map(|statement| statement.name.clone()).collect(),
        peers: peers(&answer.peers)?,
        defined_sets: answer.defined_sets.iter().map(defined_set).collect(),
        policies: answer.policies.iter().map(policy).collect(),
        import: assignment(&answer.assignments, Direction::Import)?,
        export: assignment(&answer.assignments, Direction::Export)?,
    })
}

/// Where gobgpd's text of an address is not the canonical one.
pub(super) fn spellings(peers: &[types::Peer]) -> HashMap<IpAddr, String> {
    let odd = |peer: &types::Peer| {
        let address = peer.address()?;
        let spelling = &peer.conf.neighbor_address;
        (!peer.is_dynamic() && *spelling != address.to_string())
            .then(|| (address, spelling.clone()))
    };
    peers.iter().filter_map(odd).collect()
}

fn version(api: Api) -> sdwan_model::observed::Api {
    match api {
        Api::V3 => sdwan_model::observed::Api::V3,
        Api::V4 => sdwan_model::observed::Api::V4,
    }
}

/// The minor version as an iBGP peer lists it, e.g. 8 of `GoBGP/4.8.0`.
fn told_minor(api: Api, peers: &[types::Peer]) -> Option<u16> {
    let major = match api {
        Api::V3 => "3",
        Api::V4 => "4",
    };
    peers.iter().find_map(|peer| {
        let version = peer.state.software_version.strip_prefix("GoBGP/")?;
        let mut numbers = version.split('.');
        (numbers.next()? == major).then(|| numbers.next()?.parse().ok())?
    })
}

fn global(global: &types::Global) -> Result<Option<Global>, Error> {
    if global.asn == 0 {
        return Ok(None);
    }
    let router_id = global.router_id.parse().map_err(|_| {
        Error::Incomplete(format!(
            "gobgpd's router id {:?} is no IPv4 address",
            global.router_id
        ))
    })?;
    Ok(Some(Global {
        asn: global.asn,
        router_id,
        // -1 listens nowhere, which the model calls 0.
        listen_port: Some(u16::try_from(global.listen_port).unwrap_or(0)),
    }))
}

/// Peers by address. Dynamic ones, and those by interface, are nobody's to
/// configure here.
fn peers(listed: &[types::Peer]) -> Result<BTreeMap<IpAddr, Peer>, Error> {
    let mut peers = BTreeMap::new();
    for listed in listed.iter().filter(|peer| !peer.is_dynamic()) {
        let Ok(address) = listed.conf.neighbor_address.parse() else {
            continue;
        };
        if peers.insert(address, peer(listed)).is_some() {
            // 3.10 takes two spellings of an IPv6 address for two peers.
            return Err(Error::Refused(format!(
                "gobgpd has neighbor {address} twice, in two spellings: delete one with `gobgp`"
            )));
        }
    }
    Ok(peers)
}

fn peer(listed: &types::Peer) -> Peer {
    let families = listed.afi_safis.iter().filter(|afi_safi| afi_safi.enabled);
    Peer {
        peer_as: listed.conf.peer_asn,
        description: listed.conf.description.clone(),
        auth_password: listed.conf.auth_password.clone(),
        hold_time: seconds(listed.timers.hold_time),
        keepalive_interval: seconds(listed.timers.keepalive_interval),
        local_address: listed
            .transport
            .local_address
            .parse()
            .ok()
            .filter(|address: &IpAddr| !address.is_unspecified()),
        passive: listed.transport.passive_mode,
        ebgp_multihop: match listed.ebgp_multihop.enabled {
            true => listed
                .ebgp_multihop
                .multihop_ttl
                .try_into()
                .unwrap_or(u8::MAX),
            false => 0,
        },
        route_reflector_client: listed.route_reflector.route_reflector_client,
        families: families
            .filter_map(|afi_safi| family(afi_safi.family))
            .collect(),
        configured: admin_state(listed.conf.admin_down),
        admin_state: admin_state(listed.state.admin != types::AdminState::Up),
        session: session_state(listed.state.session),
        established_at: established_at(listed),
        peer_group: listed.conf.peer_group.clone(),
    }
}

/// When the session came up. gobgpd keeps the time of the last one.
fn established_at(listed: &types::Peer) -> Option<u64> {
    if listed.state.session != types::SessionState::Established {
        return None;
    }
    let came_up = listed.timers.uptime?.duration_since(std::time::UNIX_EPOCH);
    came_up.ok().map(|since| since.as_secs())
}

/// gobgpd keeps these as floating point numbers, BGP as 16 bits.
fn seconds(seconds: u64) -> u16 {
    u16::try_from(seconds).unwrap_or(u16::MAX)
}

fn admin_state(down: bool) -> AdminState {
    match down {
        true => AdminState::Down,
        false => AdminState::Up,
    }
}

pub(super) fn session_state(state: types::SessionState) -> SessionState {
    match state {
        types::SessionState::Idle => SessionState::Idle,
        types::SessionState::Connect => SessionState::Connect,
        types::SessionState::Active => SessionState::Active,
        types::SessionState::OpenSent => SessionState::OpenSent,
        types::SessionState::OpenConfirm => SessionState::OpenConfirm,
        types::SessionState::Established => SessionState::Established,
        types::SessionState::Other(number) => SessionState::Unknown(number),
    }
}

const FAMILIES: [(Family, types::Family); 7] = [
    (Family::Ipv4Unicast, types::Family::IPV4_UNICAST),
    (Family::Ipv6Unicast, types::Family::IPV6_UNICAST),
    (Family::L3vpnIpv4Unicast, types::Family::IPV4_VPN),
    (Family::L3vpnIpv6Unicast, types::Family::IPV6_VPN),
    (Family::L2vpnEvpn, types::Family::L2VPN_EVPN),
    (Family::Ipv4Flowspec, types::Family::IPV4_FLOWSPEC),
    (Family::Ipv6Flowspec, types::Family::IPV6_FLOWSPEC),
];

fn family(family: types::Family) -> Option<Family> {
    FAMILIES
        .iter()
        .find(|(_, gobgp)| *gobgp == family)
        .map(|(ours, _)| *ours)
}

pub(super) fn gobgp_family(family: Family) -> types::Family {
    match family {
        Family::Ipv4Unicast => types::Family::IPV4_UNICAST,
        Family::Ipv6Unicast => types::Family::IPV6_UNICAST,
        Family::L3vpnIpv4Unicast => types::Family::IPV4_VPN,
        Family::L3vpnIpv6Unicast => types::Family::IPV6_VPN,
        Family::L2vpnEvpn => types::Family::L2VPN_EVPN,
        Family::Ipv4Flowspec => types::Family::IPV4_FLOWSPEC,
        Family::Ipv6Flowspec => types::Family::IPV6_FLOWSPEC,
    }
}

fn defined_set(set: &types::DefinedSet) -> DefinedSet {
    let kind = match set.defined_type {
        DefinedType::Prefix => SetKind::Prefix,
        DefinedType::Neighbor => SetKind::Neighbor,
        DefinedType::AsPath => SetKind::AsPath,
        DefinedType::Community => SetKind::Community,
        DefinedType::ExtCommunity => SetKind::ExtCommunity,
        DefinedType::LargeCommunity => SetKind::LargeCommunity,
        DefinedType::Tag => SetKind::Other(2),
        DefinedType::NextHop => SetKind::Other(7),
        DefinedType::Other(number) => SetKind::Other(number),
    };
    let entries = match kind {
        SetKind::Neighbor => set.list.as_slice(),
        _ => &[],
    };
    let neighbors: BTreeSet<IpAddr> = entries.iter().filter_map(|e| single(e)).collect();
    DefinedSet {
        kind,
        name: set.name.clone(),
        complete: kind == SetKind::Neighbor && neighbors.len() == entries.len(),
        neighbors,
    }
}

/// The address of a prefix that holds one address only.
fn single(prefix: &str) -> Option<IpAddr> {
    let net: ipnet::IpNet = prefix.parse().ok()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

fn policy(policy: &types::Policy) -> Policy {
    let statement = |statement: &types::Statement| Statement {
        name: statement.name.clone(),
        ours: body(statement),
    };
    Policy {
        name: policy.name.clone(),
        statements: policy.statements.iter().map(statement).collect(),
    }
}

/// The statement's body, if it is exactly of the shape that
/// [`write::statement`](super::write) gives.
fn body(statement: &types::Statement) -> Option<StatementBody> {
    if statement.has_unknown {
        return None;
    }
    let neighbor_set = match &statement.conditions.neighbor_set {
        Some(MatchSet {
            match_type: MatchType::Any,
            name,
        }) => name.clone(),
        _ => return None,
    };
    let no_others = Conditions {
        neighbor_set: statement.conditions.neighbor_set.clone(),
        ..Conditions::default()
    };
    if statement.conditions != no_others {
        return None;
    }
    Some(StatementBody {
        neighbor_set,
        action: action::from_gobgp(&statement.actions)?,
        disposition: match statement.actions.route_action {
            RouteAction::None => None,
            RouteAction::Accept => Some(Disposition::Accept),
            RouteAction::Reject => Some(Disposition::Reject),
            RouteAction::Other(_) => return None,
        },
    })
}

fn assignment(
    assignments: &[types::PolicyAssignment],
    direction: Direction,
) -> Result<Assignment, Error> {
    let wanted = super::write::policy_direction(direction);
    let Some(assignment) = assignments.iter().find(|a| a.direction == wanted) else {
        return Ok(Assignment::default());
    };
    Ok(Assignment {
        policies: assignment
            .policies
            .iter()
            .map(|policy| policy.name.clone())
            .collect(),
        default: match assignment.default_action {
            RouteAction::None => DefaultAction::None,
            RouteAction::Accept => DefaultAction::Accept,
            RouteAction::Reject => DefaultAction::Reject,
            RouteAction::Other(number) => {
                return Err(Error::Incomplete(format!(
                    "gobgpd's default action of {direction:?} is {number}, which is unknown"
                )));
            }
        },
    })
}

#[cfg(test)]
mod tests;
