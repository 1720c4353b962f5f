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

/// The whole of it, or an error. `declared` is the minor version that the
/// operator named; what the daemon itself tells counts more.
pub(super) fn observed(api: Api, declared: Option<u16>, answer: Answer) -> Result<Observed, Error> {
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
            minor: told_minor(api, &answer.peers).or(declared),
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
mod tests {
    use super::*;
    use sdwan_gobgp::types::{Actions, Count, NextHopAction, PolicyAssignment};

    fn started(peers: Vec<types::Peer>) -> Answer {
        let global = types::Global {
            asn: 65001,
            router_id: "192.0.2.1".to_owned(),
            listen_port: 179,
            ..types::Global::default()
        };
        Answer {
            global,
            peers,
            ..Answer::not_started()
        }
    }

    fn neighbor(address: &str) -> types::Peer {
        let mut peer = types::Peer::default();
        peer.conf.neighbor_address = address.to_owned();
        peer
    }

    fn seen(answer: Answer) -> Observed {
        observed(Api::V4, Some(5), answer).unwrap()
    }

    #[test]
    fn peers_that_are_nobodys_to_configure_are_left_out() {
        let mut dynamic = neighbor("");
        dynamic.state.neighbor_address = "192.0.2.8".to_owned();
        let by_interface = neighbor("fe80::1%eth0");
        let seen = seen(started(vec![dynamic, by_interface, neighbor("192.0.2.7")]));
        let addresses: Vec<_> = seen.peers.keys().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.0.2.7"]);
    }

    #[test]
    fn two_spellings_of_one_address_are_refused() {
        let peers = vec![neighbor("2001:db8::7"), neighbor("2001:DB8::7")];
        let spelled = spellings(&peers);
        assert_eq!(spelled.values().collect::<Vec<_>>(), ["2001:DB8::7"]);
        let error = observed(Api::V3, None, started(peers)).unwrap_err();
        assert!(error.to_string().contains("2001:db8::7"), "{error}");
    }

    #[test]
    fn the_daemon_knows_its_version_better_than_its_operator() {
        let told = |text: &str| {
            let mut peer = neighbor("192.0.2.7");
            peer.state.software_version = text.to_owned();
            seen(started(vec![neighbor("192.0.2.8"), peer]))
                .version
                .minor
        };
        assert_eq!(told("GoBGP/4.8.0"), Some(8));
        for no_version in [
            "",
            "GoBGP/3.36.0",
            "GoBGP/4",
            "GoBGP/4.x",
            "4.8.0",
            "other/4.8",
        ] {
            assert_eq!(told(no_version), Some(5), "{no_version}");
        }
    }

    #[test]
    fn what_is_listed_becomes_what_is_observed() {
        let mut peer = neighbor("192.0.2.7");
        peer.ebgp_multihop.multihop_ttl = 7;
        peer.timers.hold_time = 1 << 20;
        peer.transport.local_address = "::".to_owned();
        peer.state.admin = types::AdminState::PrefixLimit;
        let seen = seen(started(vec![peer]));
        let peer = &seen.peers[&"192.0.2.7".parse::<IpAddr>().unwrap()];
        assert_eq!((peer.ebgp_multihop, peer.hold_time), (0, u16::MAX));
        assert_eq!(peer.local_address, None);
        assert_eq!(
            (peer.configured, peer.admin_state),
            (AdminState::Up, AdminState::Down)
        );
        assert_eq!(peer.session, SessionState::Unknown(0));
        assert_eq!(seen.global.unwrap().listen_port, Some(179));
        let mut nowhere = started(Vec::new());
        nowhere.global.listen_port = -1;
        assert_eq!(
            super::observed(Api::V3, None, nowhere)
                .unwrap()
                .global
                .unwrap()
                .listen_port,
            Some(0)
        );
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_observation() {
        let mut unnamed = started(Vec::new());
        unnamed.global.router_id = "<none>".to_owned();
        let mut unknown = started(Vec::new());
        let default = RouteAction::Other(9);
        let import = types::PolicyDirection::Import;
        unknown
            .assignments
            .push(PolicyAssignment::global(import, [""; 0], default));
        for answer in [unnamed, unknown] {
            let error = observed(Api::V3, None, answer).unwrap_err();
            assert!(matches!(error, Error::Incomplete(_)), "{error:?}");
        }
    }

    #[test]
    fn only_our_own_shape_of_statement_is_ours() {
        let ours = types::Statement {
            name: "s".to_owned(),
            conditions: Conditions {
                neighbor_set: Some(MatchSet::any("n")),
                ..Conditions::default()
            },
            actions: Actions {
                next_hop: Some(NextHopAction::SelfAddress),
                route_action: RouteAction::Accept,
                ..Actions::default()
            },
            has_unknown: false,
        };
        assert_eq!(body(&ours).unwrap().disposition, Some(Disposition::Accept));
        let changes: [fn(&mut types::Statement); 8] = [
            |s| s.has_unknown = true,
            |s| s.conditions.neighbor_set = None,
            |s| s.conditions.neighbor_set.as_mut().unwrap().match_type = MatchType::Invert,
            |s| s.conditions.prefix_set = Some(MatchSet::any("p")),
            |s| s.conditions.med_eq = Some(1),
            |s| {
                let comparison = types::Comparison::Eq;
                s.conditions.as_path_length = Some(Count {
                    comparison,
                    value: 1,
                });
            },
            |s| s.actions.local_pref = Some(1),
            |s| s.actions.route_action = RouteAction::Other(3),
        ];
        for change in changes {
            let mut changed = ours.clone();
            change(&mut changed);
            assert_eq!(body(&changed), None, "{changed:?}");
        }
    }

    #[test]
    fn statements_of_no_policy_are_loose() {
        let named = |name: &str| types::Statement {
            name: name.to_owned(),
            ..Default::default()
        };
        let policy = types::Policy {
            name: "p".to_owned(),
            statements: vec![named("a")],
        };
        let answer = Answer {
            policies: vec![policy],
            statements: vec![named("a"), named("b")],
            ..started(Vec::new())
        };
        assert_eq!(seen(answer).loose_statements, ["b"]);
    }
}
