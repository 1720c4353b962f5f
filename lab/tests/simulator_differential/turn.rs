//! What happens to a router, call by call and with the doings of neighbors in
//! between: random lives, and one with what those seldom come to.

use crate::call::{Call, LIVE, PEERS, any_call, any_call_of, any_global, any_new, fitting};
use crate::neighbor::Move;
use proptest::prelude::*;
use sdwan_gobgp::types::PeerSettings;
use sdwan_model::config::Global;
use std::net::{IpAddr, Ipv4Addr};

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Call(Box<Call>),
    /// A neighbor that is there does something.
    Move(Ipv4Addr, Move),
}

impl From<Call> for Turn {
    fn from(call: Call) -> Self {
        Self::Call(Box::new(call))
    }
}

/// A router's life: something before BGP is started, and much after.
pub(crate) fn any_life() -> impl Strategy<Value = Vec<Turn>> {
    let before = prop::collection::vec(any_call(), 0..8);
    let after = prop::collection::vec(any_call(), 30..60);
    (before, any_global(), after).prop_map(|(before, global, after)| {
        let start = Call::StartBgp(global);
        let calls = before.into_iter().chain([start]).chain(after);
        calls.map(Turn::from).collect()
    })
}

/// A life in which nobody writes policies and no neighbor is there.
pub(crate) fn any_calls_of_peers() -> impl Strategy<Value = Vec<Turn>> {
    let call = || {
        prop_oneof![
            1 => any_global().prop_map(Call::StartBgp),
            16 => prop::sample::select(PEERS.to_vec()).prop_flat_map(any_call_of),
        ]
    };
    let before = prop::collection::vec(call(), 0..8);
    let after = prop::collection::vec(call(), 30..60);
    (before, any_global(), after).prop_map(|(before, global, after)| {
        let start = Call::StartBgp(global);
        let calls = before.into_iter().chain([start]).chain(after);
        calls.map(Turn::from).collect()
    })
}

/// The lives of its sessions.
pub(crate) fn any_sessions() -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec(any_session(), 4..9)
        .prop_map(|sessions| [vec![start()], sessions.concat()].concat())
}

/// It comes up, or less far; then things happen to it, and to others.
fn any_session() -> impl Strategy<Value = Vec<Turn>> {
    prop::sample::select(LIVE.to_vec()).prop_flat_map(|peer| {
        let address = IpAddr::from(peer);
        let steps = prop_oneof![0..3_usize, Just(3), Just(3)];
        let then = prop_oneof![
            6 => any_call_of(address).prop_map(Turn::from),
            3 => any_move(peer),
            1 => any_call().prop_map(Turn::from),
        ];
        let then = prop::collection::vec(then, 1..5);
        (any_new(), steps, then).prop_map(move |(told, steps, then)| {
            let mut turns = anew(peer, fitting(address, told));
            turns.extend(vec![Turn::Move(peer, Move::Advance); steps]);
            turns.extend(then);
            turns
        })
    })
}

fn any_move(peer: Ipv4Addr) -> impl Strategy<Value = Turn> {
    let moves = prop_oneof![
        4 => Just(Move::ComeUp),
        3 => Just(Move::Advance),
        1 => Just(Move::OpenAsAnother),
        1 => Just(Move::Leave),
        1 => Just(Move::Notify),
    ];
    moves.prop_map(move |moves| Turn::Move(peer, moves))
}

/// What random lives seldom come to: resets of what is not up, and updates
/// that leave the session alone.
pub(crate) fn seldom() -> Vec<Turn> {
    let neighbor = LIVE[0];
    let peer = IpAddr::from(neighbor);
    let new = |say: fn(&mut PeerSettings)| {
        let mut told = PeerSettings::new(65002);
        say(&mut told);
        anew(neighbor, told)
    };
    let update = |say: fn(&mut PeerSettings)| {
        let mut told = PeerSettings {
            local_address: Some(Ipv4Addr::UNSPECIFIED.into()),
            ..PeerSettings::default()
        };
        say(&mut told);
        Turn::from(Call::UpdatePeer(peer, told))
    };
    let reset = || Turn::from(Call::ResetPeer(peer));
    let disable = || Turn::from(Call::DisablePeer(peer));
    let enable = || Turn::from(Call::EnablePeer(peer));
    let comes_up = || Turn::Move(neighbor, Move::ComeUp);
    let leaves = || Turn::Move(neighbor, Move::Leave);
    let longer = || update(|told| told.hold_time = Some(60));
    let farther = || update(|told| told.ebgp_multihop = Some(2));
    let nearer = || update(|told| told.ebgp_multihop = Some(0));
    [
        vec![start()],
        // Reset while it is not up.
        new(|_| {}),
        vec![reset(), comes_up(), comes_up()],
        // Reset after an update, and again when it is not up.
        new(|_| {}),
        vec![comes_up(), longer(), reset(), reset(), comes_up()],
        // Reset while it is held down.
        new(|told| told.admin_down = Some(true)),
        vec![reset(), enable(), comes_up()],
        // Updated with a connection, and with one that is closed.
        new(|_| {}),
        vec![comes_up(), farther(), leaves(), nearer()],
        // Held down twice, and let go.
        new(|_| {}),
        vec![comes_up(), disable(), disable(), comes_up(), enable()],
    ]
    .concat()
}

fn start() -> Turn {
    Turn::from(Call::StartBgp(Global {
        asn: 65001,
        router_id: [192, 0, 2, 1].into(),
        listen_port: Some(1790),
    }))
}

/// A peer as if there had never been one.
fn anew(peer: Ipv4Addr, told: PeerSettings) -> Vec<Turn> {
    let peer = peer.into();
    vec![
        Turn::from(Call::DeletePeer(peer)),
        Turn::from(Call::AddPeer(peer, told)),
    ]
}
