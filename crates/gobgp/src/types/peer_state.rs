//! What a peer is now, and the events that tell of it.

use super::{Family, Peer, wire_enum};

/// A peer's live state.
#[derive(Clone, Debug)]
pub struct PeerState {
    /// The address in use.
    pub neighbor_address: String,
    /// The neighbor's AS as it said.
    pub peer_asn: u32,
    /// The session.
    pub session: SessionState,
    /// `DisablePeer` and `EnablePeer`.
    pub admin: AdminState,
    /// gobgpd's count of falls (`flops`); 3.10 always lists 0.
    pub flaps: u32,
    /// The neighbor's BGP identifier, while it is established.
    pub router_id: String,
    /// The families that the neighbor speaks, as it said when it was last
    /// established: those of them that are configured are in use.
    pub families: Vec<Family>,
    /// What gobgpd calls itself to this neighbor, e.g. `GoBGP/4.8.0`: no call
    /// tells a daemon's version, but since 3.11 this is listed of every iBGP
    /// peer. Empty where it isn't.
    pub software_version: String,
    /// BGP messages.
    pub messages: Messages,
}

/// BGP messages by direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// From the neighbor.
    pub received: MessageCounts,
    /// To the neighbor.
    pub sent: MessageCounts,
}

/// BGP messages by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// NOTIFICATION.
    pub notification: u64,
    /// UPDATE.
    pub update: u64,
    /// OPEN.
    pub open: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub refresh: u64,
    /// Dropped.
    pub discarded: u64,
    /// All of them.
    pub total: u64,
}

wire_enum! {
    /// The BGP finite state machine's states (RFC 4271, 8.2.2).
    SessionState {
        /// Refuses connections.
        Idle = 1,
        /// Waits for the TCP connection.
        Connect = 2,
        /// Tries to get a TCP connection.
        Active = 3,
        /// OPEN was sent.
        OpenSent = 4,
        /// Waits for the first KEEPALIVE.
        OpenConfirm = 5,
        /// Up.
        Established = 6,
    }
}

wire_enum! {
    /// Whether an operator holds a peer down.
    AdminState {
        /// It may come up.
        Up = 0,
        /// Held down.
        Down = 1,
        /// Held down since it sent more prefixes than it may.
        PrefixLimit = 2,
    }
}

wire_enum! {
    /// What a soft reset evaluates again.
    ResetDirection {
        /// What was received.
        In = 0,
        /// What was sent.
        Out = 1,
        /// Both.
        Both = 2,
    }
}

wire_enum! {
    /// What a peer event tells.
    PeerEventKind {
        /// Part of the list that starts a watch.
        Init = 1,
        /// That list is complete.
        EndOfInit = 2,
        /// A change. Some versions send other numbers for a change too (3.10
        /// sends 0 when an established peer is deleted): go by the state.
        State = 3,
    }
}

/// What a watch tells of a peer.
#[derive(Clone, Debug)]
pub struct PeerEvent {
    /// Why it tells.
    pub kind: PeerEventKind,
    /// The peer as far as events go: addresses, AS numbers, state. `None` at
    /// the end of the first list.
    pub peer: Option<Peer>,
}
