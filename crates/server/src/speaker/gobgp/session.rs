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

#[cfg(test)]
mod tests {
    use super::*;
    use sdwan_gobgp::types::Family;
    use std::time::Duration;

    fn peer(session: SessionState) -> Peer {
        let mut peer = Peer::default();
        peer.state.neighbor_address = "192.0.2.7".to_owned();
        peer.state.session = session;
        peer
    }

    fn event(kind: PeerEventKind, peer: Option<Peer>) -> Result<PeerEvent, sdwan_gobgp::Error> {
        Ok(PeerEvent { kind, peer })
    }

    #[test]
    fn a_burst_is_folded_in_its_order() {
        let mut limited = peer(SessionState::Idle);
        limited.state.admin = AdminState::PrefixLimit;
        let folded = fold(vec![
            event(PeerEventKind::Init, Some(peer(SessionState::Established))),
            event(PeerEventKind::EndOfInit, None),
            event(PeerEventKind::Other(0), Some(limited)),
            event(PeerEventKind::State, Some(Peer::default())),
        ]);
        let neighbor = "192.0.2.7".parse().unwrap();
        let up = SessionEvent::State {
            neighbor,
            state: sdwan_model::observed::SessionState::Established,
            admin_down: false,
            reason: String::new(),
        };
        let down = SessionEvent::State {
            neighbor,
            state: sdwan_model::observed::SessionState::Idle,
            admin_down: true,
            reason: "it sent more prefixes than its limit".to_owned(),
        };
        assert_eq!(folded.unwrap(), [up, SessionEvent::Listed, down]);
    }

    #[test]
    fn a_burst_that_breaks_off_is_an_error() {
        let gone = sdwan_gobgp::Error::Unreachable {
            address: "192.0.2.1:50051".to_owned(),
            reason: "reset".to_owned(),
        };
        let folded = fold(vec![event(PeerEventKind::EndOfInit, None), Err(gone)]);
        assert!(matches!(folded, Err(Error::Unreachable(_))), "{folded:?}");
    }

    #[test]
    fn counters_are_sums_and_only_a_session_has_an_uptime() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let mut peer = peer(SessionState::Established);
        peer.timers.uptime = Some(now - Duration::from_secs(60));
        peer.state.flaps = 3;
        peer.afi_safis = [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
            .map(|family| AfiSafi {
                family,
                enabled: true,
                graceful_restart: false,
                end_of_rib_received: false,
                add_paths: Default::default(),
                prefix_limit: None,
                received: 5,
                accepted: 4,
                advertised: 3,
            })
            .to_vec();
        let found = counters(&peer, now).unwrap();
        assert_eq!((found.uptime, found.flaps), (Some(60), 3));
        assert_eq!(
            (found.received, found.accepted, found.advertised),
            (10, 8, 6)
        );
        // The clocks differ: no time is negative.
        let early = counters(&peer, now - Duration::from_secs(90)).unwrap();
        assert_eq!(early.uptime, Some(0));
        peer.state.session = SessionState::Active;
        assert_eq!(counters(&peer, now).unwrap().uptime, None);
    }
}
