//! What gobgpd tells a watcher of its peers.

use super::peer::Peer;
use super::state::Gobgpd;
use sdwan_model::config::AdminState;
use sdwan_model::observed::SessionState;
use std::net::{IpAddr, Ipv4Addr};

/// A peer event of `WatchEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// The peer.
    pub address: IpAddr,
    /// The neighbor's AS.
    pub peer_as: u32,
    /// The session.
    pub session: SessionState,
    /// Whether it is held down.
    pub admin_state: AdminState,
    /// The neighbor's BGP identifier: of the last session, where none is up.
    pub router_id: Option<Ipv4Addr>,
}

/// The type of an [`Event`]. What ends the first list is no event here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Part of the list that starts a watch.
    Init,
    /// A change.
    State,
    /// UNKNOWN: version 3's word of a peer that was deleted while its session
    /// was up.
    Unknown,
}

impl Event {
    fn new(kind: EventKind, address: IpAddr, peer: &Peer) -> Self {
        Self {
            kind,
            address,
            peer_as: peer.conf.peer_as,
            session: peer.session,
            admin_state: peer.admin_state,
            router_id: peer.router_id,
        }
    }

    /// The last that is told of a deleted peer; version 3 says nothing of one
    /// that is not up.
    fn last(address: IpAddr, mut peer: Peer, names_it: bool) -> Option<Self> {
        let was = std::mem::replace(&mut peer.session, SessionState::Idle);
        let kind = match names_it {
            true => EventKind::State,
            false if was == SessionState::Established => EventKind::Unknown,
            false => return None,
        };
        Some(Self::new(kind, address, &peer))
    }
}

impl Gobgpd {
    /// What a new watcher is told first: every peer, by address.
    pub fn snapshot(&self) -> Vec<Event> {
        let peers = self.peers.iter();
        peers
            .map(|(address, peer)| Event::new(EventKind::Init, *address, peer))
            .collect()
    }

    /// `WatchEvent`: from now on changes are kept for [`Self::heard`].
    pub fn watch(&mut self) -> Vec<Event> {
        self.told.get_or_insert_default();
        self.snapshot()
    }

    /// What the watcher was told since he asked last.
    pub fn heard(&mut self) -> Vec<Event> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Tells of a peer as it is now.
    pub(super) fn tell(&mut self, address: IpAddr) {
        if let (Some(told), Some(peer)) = (&mut self.told, self.peers.get(&address)) {
            told.push(Event::new(EventKind::State, address, peer));
        }
    }

    /// Tells of a peer that is gone.
    pub(super) fn tell_last(&mut self, address: IpAddr, peer: Peer) {
        let names_it = self.flavor.at_least(4, 0);
        if let Some(told) = &mut self.told {
            told.extend(Event::last(address, peer, names_it));
        }
    }
}
