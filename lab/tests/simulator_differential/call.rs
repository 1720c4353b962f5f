//! The calls: those that `sdwan` makes of gobgpd, and the same at a bad
//! moment or with nonsense. Few names, so that they collide.

use crate::neighbor::ROUTER;
use proptest::prelude::*;
use sdwan_gobgp::types::{AfiSafiSettings, Family, PeerSettings};
use sdwan_lab::sim::policy::{Policy, Set, Statement};
use sdwan_model::action::Action;
use sdwan_model::config::{Direction, Disposition, Global};
use sdwan_model::observed::{DefaultAction, SetKind};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One call of the management API.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    StartBgp(Global),
    AddPeer(IpAddr, PeerSettings),
    /// An echo of the listed peer with this on top.
    UpdatePeer(IpAddr, PeerSettings),
    DeletePeer(IpAddr),
    EnablePeer(IpAddr),
    DisablePeer(IpAddr),
    ResetPeer(IpAddr),
    SoftResetPeer(IpAddr, Direction),
    AddDefinedSet(Set),
    DeleteFromDefinedSet(Set),
    DeleteDefinedSet(SetKind, String),
    AddStatement(Statement),
    DeleteStatement(String),
    AddPolicy(Policy),
    DeletePolicy(String),
    SetPolicies(Vec<Set>, Vec<Policy>),
    SetPolicyAssignment(Direction, Vec<String>, DefaultAction),
    AddPolicyAssignment(Direction, Vec<String>, DefaultAction),
    DeletePolicyAssignment(Direction, Vec<String>),
    ListPeer,
    ListDefinedSet(SetKind),
    ListStatement,
    ListPolicy,
    ListPolicyAssignment(Direction),
}

/// The peers, of which only two are there.
pub(crate) const PEERS: [IpAddr; 4] = [
    IpAddr::V4(LIVE[0]),
    IpAddr::V4(LIVE[1]),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3)),
];

/// Neighbors that are there.
pub(crate) const LIVE: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];

/// The types of sets that can be made.
pub(crate) const KINDS: [SetKind; 6] = [
    SetKind::Prefix,
    SetKind::Neighbor,
    SetKind::AsPath,
    SetKind::Community,
    SetKind::ExtCommunity,
    SetKind::LargeCommunity,
];

/// Boxed: unions of unions are large, and threads' stacks small.
pub(crate) fn any_call() -> BoxedStrategy<Call> {
    prop_oneof![
        1 => any_global().prop_map(Call::StartBgp),
        16 => prop::sample::select(PEERS.to_vec()).prop_flat_map(any_call_of),
        12 => any_set_call(),
        16 => any_policy_call(),
        8 => any_assignment_call(),
        2 => any_listing(),
    ]
    .boxed()
}

pub(crate) fn any_global() -> impl Strategy<Value = Global> {
    let asn = prop::sample::select(vec![65001, 65009]);
    let port = prop::sample::select(vec![0, 0, 1790, 1791]);
    (asn, port).prop_map(|(asn, port)| Global {
        asn,
        router_id: [192, 0, 2, 1].into(),
        listen_port: Some(port),
    })
}

pub(crate) fn any_call_of(peer: IpAddr) -> BoxedStrategy<Call> {
    prop_oneof![
        3 => any_new().prop_map(move |told| Call::AddPeer(peer, fitting(peer, told))),
        4 => any_settings().prop_map(move |told| Call::UpdatePeer(peer, fitting(peer, told))),
        2 => Just(Call::DeletePeer(peer)),
        2 => Just(Call::EnablePeer(peer)),
        2 => Just(Call::DisablePeer(peer)),
        2 => Just(Call::ResetPeer(peer)),
        1 => any_direction().prop_map(move |way| Call::SoftResetPeer(peer, way)),
    ]
    .boxed()
}

/// No source address is said in the neighbor's family: the other family's is
/// another value to gobgpd, an update to it a change, and to the simulator
/// both are none. Neighbors that are there don't sign what they send.
pub(crate) fn fitting(peer: IpAddr, told: PeerSettings) -> PeerSettings {
    let none = match peer {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let local_address = told
        .local_address
        .map(|source| match source.is_unspecified() {
            true => none,
            false => source,
        });
    PeerSettings {
        local_address,
        auth_password: told.auth_password.filter(|_| !peer.is_loopback()),
        ..told
    }
}

/// What a peer can be added with.
pub(crate) fn any_new() -> impl Strategy<Value = PeerSettings> {
    any_settings().prop_map(|told| PeerSettings {
        peer_asn: told.peer_asn.or(Some(65002)),
        ..told
    })
}

/// Mostly one or two fields.
fn any_settings() -> impl Strategy<Value = PeerSettings> {
    fn said<T: Clone + std::fmt::Debug + 'static>(
        values: Vec<T>,
    ) -> impl Strategy<Value = Option<T>> {
        prop::option::weighted(0.2, prop::sample::select(values))
    }
    let families = [
        vec![Family::IPV4_UNICAST],
        vec![Family::IPV6_UNICAST, Family::IPV4_UNICAST],
    ];
    let families = families.map(|list| list.into_iter().map(AfiSafiSettings::from).collect());
    let text = said(vec!["one".to_owned(), "two".to_owned(), String::new()]);
    let secret = said(vec!["secret".to_owned(), String::new()]);
    let source = said(vec![
        [192, 0, 2, 9].into(),
        ROUTER.into(),
        [0, 0, 0, 0].into(),
    ]);
    let asns = said(vec![65001, 65003]);
    // No session lasts as long as that without a word.
    let timers = (said(vec![90, 60, 45]), said(vec![30, 10, 1]));
    let flags = (
        said(vec![true, false]),
        said(vec![true, false]),
        said(vec![true, false]),
    );
    let rest = (said(vec![0, 2, 255]), said(families.to_vec()));
    (asns, text, secret, source, timers, flags, rest).prop_map(
        |(peer_asn, description, secret, local_address, timers, flags, rest)| PeerSettings {
            peer_asn,
            description,
            auth_password: secret.map(Into::into),
            local_address,
            hold_time: timers.0,
            keepalive_interval: timers.1,
            passive_mode: flags.0,
            route_reflector_client: flags.1,
            admin_down: flags.2,
            ebgp_multihop: rest.0,
            afi_safis: rest.1,
            ..PeerSettings::default()
        },
    )
}

fn any_set_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => any_set().prop_map(Call::AddDefinedSet),
        2 => any_set().prop_map(Call::DeleteFromDefinedSet),
        2 => (any_kind(), any_of("abc")).prop_map(|(kind, name)| Call::DeleteDefinedSet(kind, name)),
    ]
}

/// The neighbors' more than the others: `sdwan` itself writes no others.
fn any_kind() -> impl Strategy<Value = SetKind> {
    prop_oneof![3 => Just(SetKind::Neighbor), 4 => prop::sample::select(KINDS.to_vec())]
}

fn any_set() -> impl Strategy<Value = Set> {
    (
        any_kind(),
        any_of("abc"),
        prop::collection::vec(0..3_usize, 0..4),
    )
        .prop_map(|(kind, name, entries)| Set {
            kind,
            name,
            entries: entries
                .into_iter()
                .map(|index| entry(kind, index))
                .collect(),
        })
}

/// What such a set may hold, written as it is listed.
fn entry(kind: SetKind, index: usize) -> String {
    let entries = match kind {
        SetKind::Prefix => [
            "10.0.0.0/8 8..24",
            "192.0.2.0/24 24..24",
            "10.0.0.0/8 8..32",
        ],
        SetKind::Neighbor => ["10.0.0.1/32", "2001:db8::3/128", "10.0.0.0/8"],
        SetKind::AsPath => ["^65000_", "65001$", "_65002_"],
        SetKind::Community => ["^65000:1$", "^65000:2$", "65000:.*"],
        // Of one kind: what stays of a set of several may change its kind in
        // version 3 (`soo:` was listed as `rt:` on 3.10 and 3.36).
        SetKind::ExtCommunity => ["rt:^65000:1$", "rt:^65000:2$", "rt:65000:.*"],
        // Version 3 puts anchors around those that are numbers, there or not.
        SetKind::LargeCommunity | SetKind::Other(_) => ["65000:.*", "65001:.*", "65002:.*"],
    };
    entries[index].to_owned()
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let condition = (any_kind(), any_of("abc"));
    let conditions = prop::collection::vec(condition, 0..2);
    let actions = prop_oneof![
        2 => Just(vec![]),
        1 => Just(vec![Action::MedSet(7)]),
        1 => Just(vec![Action::LocalPref(200)]),
    ];
    let dispositions = vec![None, Some(Disposition::Accept), Some(Disposition::Reject)];
    let disposition = prop::sample::select(dispositions);
    (any_of("stu"), conditions, actions, disposition).prop_map(
        |(name, conditions, actions, disposition)| Statement {
            name,
            conditions: BTreeMap::from_iter(conditions),
            actions,
            disposition,
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (any_of("pqr"), prop::collection::vec(any_statement(), 0..3))
        .prop_map(|(name, statements)| Policy { name, statements })
}

fn any_policy_call() -> impl Strategy<Value = Call> {
    let whole = (
        prop::collection::vec(any_set(), 0..4),
        prop::collection::vec(any_policy(), 0..3),
    );
    prop_oneof![
        2 => any_statement().prop_map(Call::AddStatement),
        2 => any_of("stu").prop_map(Call::DeleteStatement),
        6 => any_policy().prop_map(Call::AddPolicy),
        3 => any_of("pqr").prop_map(Call::DeletePolicy),
        2 => whole.prop_map(|(sets, policies)| Call::SetPolicies(sets, policies)),
    ]
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![Direction::Import, Direction::Export])
}

fn any_assignment_call() -> impl Strategy<Value = Call> {
    let names = || prop::collection::vec(any_of("pqr"), 0..3);
    let defaults = vec![
        DefaultAction::None,
        DefaultAction::Accept,
        DefaultAction::Reject,
    ];
    let default = move || prop::sample::select(defaults.clone());
    prop_oneof![
        4 => (any_direction(), names(), default())
            .prop_map(|(way, names, default)| Call::SetPolicyAssignment(way, names, default)),
        1 => (any_direction(), names(), default())
            .prop_map(|(way, names, default)| Call::AddPolicyAssignment(way, names, default)),
        1 => (any_direction(), names())
            .prop_map(|(way, names)| Call::DeletePolicyAssignment(way, names)),
    ]
}

fn any_listing() -> impl Strategy<Value = Call> {
    prop_oneof![
        Just(Call::ListPeer),
        any_kind().prop_map(Call::ListDefinedSet),
        Just(Call::ListStatement),
        Just(Call::ListPolicy),
        any_direction().prop_map(Call::ListPolicyAssignment),
    ]
}

/// One of these one-letter names.
fn any_of(names: &str) -> impl Strategy<Value = String> {
    prop::sample::select(names.chars().map(String::from).collect::<Vec<_>>())
}
