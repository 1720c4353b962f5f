//! Sessions as events and listings tell of them. Pure.

use super::error::of_call;
use super::observe::session_state;
use crate::speaker::{Counters, Error, SessionEvent};
use sdwan_gobgp::types::{AdminState, AfiSafi, Peer, PeerEvent, PeerEventKind, SessionState};
use std::time::SystemTime;

/// Events that came together. Of a burst that ends in an error, what came
/// before is lost with the connection: the next watch starts with a full list.
pub(super) fn fold(
    events: Vec<Result<PeerEvent, sdwan_gobgp::Error>>,
) -> Result<Vec<SessionEvent>, Error> {
    let mut folded = Vec::with_capacity(events.len());
    for event in events {
        folded.extend(session_event(&event.map_err(of_call)?));
    }
    Ok(folded)
}

/// `None` for a peer without an address.
fn session_event(event: &PeerEvent) -> Option<SessionEvent> {
    // By content, not by type: 3.10 tells of a deletion with type 0.
    let Some(peer) = &event.peer else {
        return (event.kind == PeerEventKind::EndOfInit).then_some(SessionEvent::Listed);
    };
    Some(SessionEvent::State {
        neighbor: peer.address()?,
        state: session_state(peer.state.session),
        admin_down: peer.state.admin != AdminState::Up,
        reason: reason(peer.state.admin),
    })
}

/// Why the session is not up, as far as gobgpd tells: no version fills in the
/// reason of a fall that version 4's API has fields for.
fn reason(state: AdminState) -> String {
    match state {
        AdminState::PrefixLimit => "it sent more prefixes than its limit".to_owned(),
        AdminState::Up | AdminState::Down | AdminState::Other(_) => String::new(),
    }
}

/// A peer's live numbers; `None` for a peer without an address.
pub(super) fn counters(peer: &Peer, now: SystemTime) -> Option<Counters> {
    let established = peer.state.session == SessionState::Established;
    let sum = |count: fn(&AfiSafi) -> u64| peer.afi_safis.iter().map(count).sum();
    Some(Counters {
        neighbor: peer.address()?,
        uptime: peer
            .timers
            .uptime
            .filter(|_| established)
            .map(|up| now.duration_since(up).unwrap_or_default().as_secs()),
        flaps: peer.state.flaps.into(),
        received: sum(|afi_safi| afi_safi.received),
        accepted: sum(|afi_safi| afi_safi.accepted),
        advertised: sum(|afi_safi| afi_safi.advertised),
    })
}
