//! The simulator's terms to gobgpd's and back. What the calls never write is
//! an error where it is listed.

use crate::call::KINDS;
use anyhow::{Context as _, Result, bail};
use sdwan_gobgp::types::{
    Actions, AdminState, Conditions, DefinedSet, DefinedType, Family, Global, MatchSet, MatchType,
    MedAction, MedActionType, Peer, PeerEvent, PeerEventKind, Policy, PolicyAssignment,
    PolicyDirection, Prefix, RouteAction, SessionState, Statement,
};
use sdwan_lab::sim::event::{Event, EventKind};
use sdwan_lab::sim::{peer, policy};
use sdwan_model::action::Action;
use sdwan_model::config::{self, Direction, Disposition};
use sdwan_model::observed::{self, DefaultAction, SetKind};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) fn to_global(global: &config::Global) -> Global {
    Global {
        asn: global.asn,
        router_id: global.router_id.to_string(),
        listen_port: match global.listen_port {
            None => 0,
            Some(0) => -1,
            Some(port) => port.into(),
        },
        ..Global::default()
    }
}

pub(crate) fn from_global(global: &Global) -> Result<config::Global> {
    Ok(config::Global {
        asn: global.asn,
        router_id: global.router_id.parse()?,
        listen_port: Some(u16::try_from(global.listen_port).unwrap_or(0)),
    })
}

pub(crate) fn from_peer(peer: &Peer) -> Result<(IpAddr, peer::PeerConf, bool)> {
    let address = peer.address().context("a peer without an address")?;
    let source: Option<IpAddr> = peer.transport.local_address.parse().ok();
    let families = peer
        .afi_safis
        .iter()
        .map(|afi_safi| from_family(afi_safi.family));
    let multihop = Some(peer.ebgp_multihop.multihop_ttl).filter(|_| peer.ebgp_multihop.enabled);
    let conf = peer::PeerConf {
        peer_as: peer.conf.peer_asn,
        description: peer.conf.description.clone(),
        auth_password: peer.conf.auth_password.expose_secret().to_owned(),
        hold_time: peer.timers.hold_time.try_into()?,
        keepalive_interval: peer.timers.keepalive_interval.try_into()?,
        local_address: source.filter(|source| !source.is_unspecified()),
        passive: peer.transport.passive_mode,
        ebgp_multihop: multihop.unwrap_or(0).try_into()?,
        route_reflector_client: peer.route_reflector.route_reflector_client,
        families: families.collect::<Result<_>>()?,
        admin_down: peer.conf.admin_down,
        unmodelled: 0,
    };
    Ok((address, conf, peer.state.admin == AdminState::Down))
}

/// `None` for what ends the first list.
pub(crate) fn from_event(event: &PeerEvent) -> Result<Option<Event>> {
    let kind = match event.kind {
        PeerEventKind::Init => EventKind::Init,
        PeerEventKind::State => EventKind::State,
        PeerEventKind::EndOfInit => return Ok(None),
        PeerEventKind::Other(0) => EventKind::Unknown,
        PeerEventKind::Other(number) => bail!("an event of type {number}"),
    };
    let peer = event.peer.as_ref().context("an event without a peer")?;
    Ok(Some(Event {
        kind,
        address: peer.address().context("a peer without an address")?,
        peer_as: peer.state.peer_asn,
        session: match peer.state.session {
            SessionState::Idle => observed::SessionState::Idle,
            SessionState::Connect => observed::SessionState::Connect,
            SessionState::Active => observed::SessionState::Active,
            SessionState::OpenSent => observed::SessionState::OpenSent,
            SessionState::OpenConfirm => observed::SessionState::OpenConfirm,
            SessionState::Established => observed::SessionState::Established,
            SessionState::Other(number) => observed::SessionState::Unknown(number),
        },
        admin_state: match peer.state.admin {
            AdminState::Up => config::AdminState::Up,
            AdminState::Down => config::AdminState::Down,
            state => bail!("nobody asked for {state:?}"),
        },
        router_id: peer.state.router_id.parse().ok(),
    }))
}

/// A family that the calls name.
pub(crate) fn from_family(family: Family) -> Result<config::Family> {
    Ok(match family {
        Family::IPV4_UNICAST => config::Family::Ipv4Unicast,
        Family::IPV6_UNICAST => config::Family::Ipv6Unicast,
        family => bail!("nobody asked for {family:?}"),
    })
}

pub(crate) fn to_kind(kind: SetKind) -> DefinedType {
    match kind {
        SetKind::Prefix => DefinedType::Prefix,
        SetKind::Neighbor => DefinedType::Neighbor,
        SetKind::AsPath => DefinedType::AsPath,
        SetKind::Community => DefinedType::Community,
        SetKind::ExtCommunity => DefinedType::ExtCommunity,
        SetKind::LargeCommunity => DefinedType::LargeCommunity,
        SetKind::Other(number) => DefinedType::Other(number),
    }
}

/// `10.0.0.0/8 8..24` is a prefix with its lengths.
pub(crate) fn to_set(set: &policy::Set) -> DefinedSet {
    let prefix = |entry: &String| {
        let (ip_prefix, lengths) = entry.split_once(' ')?;
        let (least, greatest) = lengths.split_once("..")?;
        Some(Prefix {
            ip_prefix: ip_prefix.to_owned(),
            mask_length_min: least.parse().ok()?,
            mask_length_max: greatest.parse().ok()?,
        })
    };
    let prefixes = set.kind == SetKind::Prefix;
    DefinedSet {
        defined_type: to_kind(set.kind),
        name: set.name.clone(),
        list: if prefixes {
            Vec::new()
        } else {
            set.entries.clone()
        },
        prefixes: set
            .entries
            .iter()
            .filter(|_| prefixes)
            .filter_map(prefix)
            .collect(),
    }
}

pub(crate) fn from_set(kind: SetKind, set: DefinedSet) -> policy::Set {
    let prefix = |prefix: Prefix| {
        let (least, greatest) = (prefix.mask_length_min, prefix.mask_length_max);
        format!("{} {least}..{greatest}", prefix.ip_prefix)
    };
    let prefixes = set.prefixes.into_iter().map(prefix);
    policy::Set {
        kind,
        name: set.name,
        entries: set.list.into_iter().chain(prefixes).collect(),
    }
}

pub(crate) fn to_policy(policy: &policy::Policy) -> Policy {
    Policy {
        name: policy.name.clone(),
        statements: policy.statements.iter().map(to_statement).collect(),
    }
}

pub(crate) fn from_policy(policy: &Policy) -> Result<policy::Policy> {
    Ok(policy::Policy {
        name: policy.name.clone(),
        statements: policy
            .statements
            .iter()
            .map(from_statement)
            .collect::<Result<_>>()?,
    })
}

pub(crate) fn to_statement(statement: &policy::Statement) -> Statement {
    let set = |kind| statement.conditions.get(&kind).map(MatchSet::any);
    let mut actions = Actions {
        route_action: match statement.disposition {
            None => RouteAction::None,
            Some(Disposition::Accept) => RouteAction::Accept,
            Some(Disposition::Reject) => RouteAction::Reject,
        },
        ..Actions::default()
    };
    for action in &statement.actions {
        match action {
            Action::MedSet(value) => {
                let (kind, value) = (MedActionType::Replace, i64::from(*value));
                actions.med = Some(MedAction { kind, value });
            }
            Action::LocalPref(value) => actions.local_pref = Some(*value),
            action => unreachable!("no call has {action}"),
        }
    }
    Statement {
        name: statement.name.clone(),
        conditions: Conditions {
            prefix_set: set(SetKind::Prefix),
            neighbor_set: set(SetKind::Neighbor),
            as_path_set: set(SetKind::AsPath),
            community_set: set(SetKind::Community),
            ext_community_set: set(SetKind::ExtCommunity),
            large_community_set: set(SetKind::LargeCommunity),
            ..Conditions::default()
        },
        actions,
        has_unknown: false,
    }
}

/// Only what the calls write may be there.
pub(crate) fn from_statement(listed: &Statement) -> Result<policy::Statement> {
    let Conditions {
        prefix_set,
        neighbor_set,
        as_path_set,
        community_set,
        ext_community_set,
        large_community_set,
        ..
    } = &listed.conditions;
    let mut conditions = BTreeMap::new();
    let sets = [
        prefix_set,
        neighbor_set,
        as_path_set,
        community_set,
        ext_community_set,
        large_community_set,
    ];
    for (kind, set) in KINDS.into_iter().zip(sets) {
        if let Some(set) = set {
            anyhow::ensure!(set.match_type == MatchType::Any, "{set:?}");
            conditions.insert(kind, set.name.clone());
        }
    }
    let med = listed
        .actions
        .med
        .map(|med| match u32::try_from(med.value) {
            Ok(value) if med.kind == MedActionType::Replace => Ok(Action::MedSet(value)),
            _ => bail!("{med:?}"),
        });
    let local_pref = listed.actions.local_pref.map(Action::LocalPref);
    let statement = policy::Statement {
        name: listed.name.clone(),
        conditions,
        actions: med.transpose()?.into_iter().chain(local_pref).collect(),
        disposition: match listed.actions.route_action {
            RouteAction::Accept => Some(Disposition::Accept),
            RouteAction::Reject => Some(Disposition::Reject),
            _ => None,
        },
    };
    let again = to_statement(&statement);
    anyhow::ensure!(again == *listed, "{listed:?} holds more than {again:?}");
    Ok(statement)
}

pub(crate) fn to_direction(way: Direction) -> PolicyDirection {
    match way {
        Direction::Import => PolicyDirection::Import,
        Direction::Export => PolicyDirection::Export,
    }
}

pub(crate) fn to_assignment(
    way: Direction,
    names: &[String],
    default: DefaultAction,
) -> PolicyAssignment {
    let default = match default {
        DefaultAction::None => RouteAction::None,
        DefaultAction::Accept => RouteAction::Accept,
        DefaultAction::Reject => RouteAction::Reject,
    };
    PolicyAssignment::global(to_direction(way), names, default)
}
