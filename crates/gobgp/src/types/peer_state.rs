//! What a peer is now, and the events that tell of it.

use super::{Peer, wire_enum};

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
    /// gobgpd's count of falls (`flops`); versions before 4 list 0.
    pub flaps: u32,
    /// The neighbor's BGP identifier, while it is established.
    pub router_id: String,
    /// BGP messages.
    pub messages: Messages,
    /// Why the session fell: version 4, in events only.
    pub disconnect_reason: DisconnectReason,
    /// More on that, in gobgpd's words.
    pub disconnect_message: String,
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

wire_enum! {
    /// Why a session fell.
    DisconnectReason {
        /// Not told.
        Unspecified = 0,
        /// Held down by an operator.
        AdminDown = 1,
        /// Nothing was heard for the hold time.
        HoldTimerExpired = 2,
        /// We sent a NOTIFICATION.
        NotificationSent = 3,
        /// The neighbor sent a NOTIFICATION.
        NotificationReceived = 4,
        /// The TCP connection broke when reading.
        ReadFailed = 5,
        /// The TCP connection broke when writing.
        WriteFailed = 6,
        /// The idle hold timer ran out.
        IdleTimerExpired = 7,
        /// The neighbor did not come back within its restart time.
        RestartTimerExpired = 8,
        /// The neighbor restarts gracefully.
        GracefulRestart = 9,
        /// A message that is not BGP.
        InvalidMessage = 10,
        /// A hard reset.
        HardReset = 11,
        /// The peer was deleted.
        Deconfigured = 12,
        /// The neighbor's AS is not the configured one.
        BadPeerAs = 13,
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
