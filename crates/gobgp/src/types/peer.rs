//! Peers as gobgpd lists them, its defaults filled in.

use super::{Family, address_text, wire_enum};
use crate::dialect::Api;
use crate::wire;
use bytes::Bytes;
use secrecy::SecretString;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// A listed peer.
///
/// It keeps the bytes that gobgpd sent: [`Client::update_peer`] sends them
/// back with only the changed fields replaced, so that a field which this
/// crate does not know is not reset by an update.
///
/// [`Client::update_peer`]: crate::Client::update_peer
#[derive(Clone, Debug)]
pub struct Peer {
    /// What was configured.
    pub conf: PeerConf,
    /// What it is now.
    pub state: PeerState,
    /// Timers, configured and live.
    pub timers: Timers,
    /// The TCP session.
    pub transport: Transport,
    /// eBGP over several hops.
    pub ebgp_multihop: EbgpMultihop,
    /// TTL security (RFC 5082).
    pub ttl_security: TtlSecurity,
    /// Route reflection (RFC 4456).
    pub route_reflector: RouteReflector,
    /// Route server (RFC 7947).
    pub route_server: RouteServer,
    /// Graceful restart (RFC 4724).
    pub graceful_restart: GracefulRestart,
    /// Address families.
    pub afi_safis: Vec<AfiSafi>,
    pub(crate) listed: Listed,
}

/// A peer's bytes as listed. They hold the password, so they don't show.
#[derive(Clone, Default)]
pub(crate) struct Listed(pub(crate) Bytes);

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl Peer {
    /// The neighbor's address. A peer by interface has none that is an
    /// address alone (`fe80::1%eth0`).
    pub fn address(&self) -> Option<IpAddr> {
        let conf = self.conf.neighbor_address.parse();
        conf.or_else(|_| self.state.neighbor_address.parse()).ok()
    }

    /// Made by gobgpd for a connection to a dynamic neighbor's range: it has
    /// no configured address.
    pub fn is_dynamic(&self) -> bool {
        self.conf.neighbor_address.is_empty()
    }
}

/// A peer's configuration.
#[derive(Clone, Debug)]
pub struct PeerConf {
    /// As it was spelled when added (3.10 does not canonicalise IPv6 text);
    /// empty for dynamic peers.
    pub neighbor_address: String,
    /// The neighbor's AS.
    pub peer_asn: u32,
    /// Our AS on this session.
    pub local_asn: u32,
    /// Free text.
    pub description: String,
    /// TCP MD5 (RFC 2385); gobgpd lists it in clear.
    pub auth_password: SecretString,
    /// Its values override the peer's own.
    pub peer_group: String,
    /// By AS, as gobgpd derives it.
    pub peer_type: PeerType,
    /// What becomes of private AS numbers.
    pub remove_private: RemovePrivate,
    /// For peers by interface.
    pub neighbor_interface: String,
    /// The VRF that it is in.
    pub vrf: String,
    /// How often our own AS may stand in a received AS_PATH.
    pub allow_own_asn: u32,
    /// Replaces the neighbor's AS in AS_PATH by ours.
    pub replace_peer_asn: bool,
    /// Configured down; `PeerState::admin` is what a `DisablePeer` did.
    pub admin_down: bool,
}

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
    /// iBGP or eBGP.
    PeerType {
        /// The same AS.
        Internal = 0,
        /// Another AS.
        External = 1,
    }
}

wire_enum! {
    /// What becomes of private AS numbers in AS_PATH.
    RemovePrivate {
        /// They stay.
        No = 0,
        /// They go.
        All = 1,
        /// Ours stands in their place.
        Replace = 2,
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

/// A peer's timers; all in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    /// Between attempts to connect.
    pub connect_retry: u64,
    /// Configured hold time.
    pub hold_time: u64,
    /// Configured keepalive interval.
    pub keepalive_interval: u64,
    /// Between advertisements.
    pub minimum_advertisement_interval: u64,
    /// Idle after a reset.
    pub idle_hold_time_after_reset: u64,
    /// As agreed with the neighbor; 0 while there is no session.
    pub negotiated_hold_time: u64,
    /// When the session came up last, if it ever did.
    pub uptime: Option<SystemTime>,
    /// When it fell last, if it ever did.
    pub downtime: Option<SystemTime>,
}

/// A peer's TCP session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// As configured; while established, the session's own.
    pub local_address: String,
    /// As configured.
    pub local_port: u32,
    /// Waits for the neighbor to connect.
    pub passive_mode: bool,
    /// TCP port of the neighbor.
    pub remote_port: u32,
    /// Maximum segment size; 0 is the system's. Not listed by 3.10.
    pub tcp_mss: u32,
    /// Interface that the socket is bound to.
    pub bind_interface: String,
}

/// eBGP over several hops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EbgpMultihop {
    /// Whether it is on.
    pub enabled: bool,
    /// TTL of what we send.
    pub multihop_ttl: u32,
}

/// TTL security.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TtlSecurity {
    /// Whether it is on.
    pub enabled: bool,
    /// Least TTL of what we take.
    pub ttl_min: u32,
}

/// Route reflection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteReflector {
    /// The neighbor is a client of ours.
    pub route_reflector_client: bool,
    /// The cluster.
    pub route_reflector_cluster_id: String,
}

/// Route server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteServer {
    /// The neighbor is a client of ours.
    pub route_server_client: bool,
    /// Sends the second best where the best is the neighbor's own.
    pub secondary_route: bool,
}

/// Graceful restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Whether it is on.
    pub enabled: bool,
    /// Seconds that the neighbor should wait for us.
    pub restart_time: u32,
    /// We only help others to restart.
    pub helper_only: bool,
    /// Seconds before we select routes after a restart of ours.
    pub deferral_time: u32,
    /// RFC 8538.
    pub notification_enabled: bool,
    /// Long-lived (RFC 9494).
    pub longlived_enabled: bool,
    /// The neighbor is restarting.
    pub peer_restarting: bool,
    /// We are restarting.
    pub local_restarting: bool,
}

/// An address family of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfiSafi {
    /// Which one.
    pub family: Family,
    /// Whether it is on.
    pub enabled: bool,
    /// Graceful restart for this family.
    pub graceful_restart: bool,
    /// Several paths a prefix (RFC 7911).
    pub add_paths: AddPaths,
    /// The most prefixes that we take, if there is a limit.
    pub prefix_limit: Option<PrefixLimit>,
    /// Prefixes received.
    pub received: u64,
    /// Prefixes that our import policies took.
    pub accepted: u64,
    /// Prefixes sent; counted only when asked for.
    pub advertised: u64,
}

/// Several paths a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddPaths {
    /// We take several.
    pub receive: bool,
    /// We send as many; 0 is off.
    pub send_max: u32,
}

/// A limit on received prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixLimit {
    /// The most that we take; 0 is no limit.
    pub max_prefixes: u32,
    /// Percent of it at which gobgpd warns.
    pub shutdown_threshold_pct: u32,
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

impl Peer {
    pub(crate) fn from_wire(listed: Bytes, api: Api) -> Result<Self, prost::DecodeError> {
        let peer: wire::Peer = prost::Message::decode(listed.clone())?;
        let multihop = peer.ebgp_multihop.unwrap_or_default();
        let ttl_security = peer.ttl_security.unwrap_or_default();
        let reflector = peer.route_reflector.unwrap_or_default();
        let server = peer.route_server.unwrap_or_default();
        Ok(Self {
            conf: conf(peer.conf.unwrap_or_default(), api),
            state: state(peer.state.unwrap_or_default(), api),
            timers: timers(peer.timers.unwrap_or_default()),
            transport: transport(peer.transport.unwrap_or_default()),
            ebgp_multihop: EbgpMultihop {
                enabled: multihop.enabled(),
                multihop_ttl: multihop.multihop_ttl(),
            },
            ttl_security: TtlSecurity {
                enabled: ttl_security.enabled(),
                ttl_min: ttl_security.ttl_min(),
            },
            route_reflector: RouteReflector {
                route_reflector_client: reflector.route_reflector_client(),
                route_reflector_cluster_id: address_text(
                    reflector.route_reflector_cluster_id.unwrap_or_default(),
                ),
            },
            route_server: RouteServer {
                route_server_client: server.route_server_client(),
                secondary_route: server.secondary_route(),
            },
            graceful_restart: graceful_restart(&peer.graceful_restart.unwrap_or_default()),
            afi_safis: peer.afi_safis.iter().filter_map(afi_safi).collect(),
            listed: Listed(listed),
        })
    }
}

fn conf(conf: wire::PeerConf, api: Api) -> PeerConf {
    PeerConf {
        peer_asn: conf.peer_asn(),
        local_asn: conf.local_asn(),
        peer_type: PeerType::from_number(api.from_wire(conf.r#type)),
        remove_private: RemovePrivate::from_number(conf.remove_private()),
        allow_own_asn: conf.allow_own_asn(),
        replace_peer_asn: conf.replace_peer_asn(),
        admin_down: conf.admin_down(),
        auth_password: conf.auth_password.unwrap_or_default().into(),
        description: conf.description.unwrap_or_default(),
        peer_group: conf.peer_group.unwrap_or_default(),
        neighbor_address: address_text(conf.neighbor_address),
        neighbor_interface: conf.neighbor_interface,
        vrf: conf.vrf,
    }
}

fn state(state: wire::PeerState, api: Api) -> PeerState {
    let messages = state.messages.unwrap_or_default();
    PeerState {
        neighbor_address: address_text(state.neighbor_address),
        peer_asn: state.peer_asn,
        session: SessionState::from_number(state.session_state),
        admin: AdminState::from_number(api.from_wire(state.admin_state)),
        flaps: state.flops,
        router_id: address_text(state.router_id),
        messages: Messages {
            received: message_counts(messages.received),
            sent: message_counts(messages.sent),
        },
        disconnect_reason: DisconnectReason::from_number(state.disconnect_reason),
        disconnect_message: state.disconnect_message,
    }
}

fn message_counts(counts: Option<wire::Message>) -> MessageCounts {
    let counts = counts.unwrap_or_default();
    MessageCounts {
        notification: counts.notification,
        update: counts.update,
        open: counts.open,
        keepalive: counts.keepalive,
        refresh: counts.refresh,
        discarded: counts.discarded,
        total: counts.total,
    }
}

fn timers(timers: wire::Timers) -> Timers {
    let config = timers.config.unwrap_or_default();
    let state = timers.state.unwrap_or_default();
    Timers {
        connect_retry: config.connect_retry(),
        hold_time: config.hold_time(),
        keepalive_interval: config.keepalive_interval(),
        minimum_advertisement_interval: config.minimum_advertisement_interval(),
        idle_hold_time_after_reset: config.idle_hold_time_after_reset(),
        negotiated_hold_time: state.negotiated_hold_time,
        uptime: state.uptime.and_then(instant),
        downtime: state.downtime.and_then(instant),
    }
}

/// A point in time; gobgpd writes the epoch itself, or a time before it, for never.
pub(crate) fn instant(timestamp: wire::Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(timestamp.seconds)
        .ok()
        .filter(|seconds| *seconds > 0)?;
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

fn transport(transport: wire::Transport) -> Transport {
    Transport {
        local_port: transport.local_port,
        passive_mode: transport.passive_mode(),
        remote_port: transport.remote_port(),
        tcp_mss: transport.tcp_mss(),
        local_address: address_text(transport.local_address.unwrap_or_default()),
        bind_interface: transport.bind_interface.unwrap_or_default(),
    }
}

fn graceful_restart(restart: &wire::GracefulRestart) -> GracefulRestart {
    GracefulRestart {
        enabled: restart.enabled(),
        restart_time: restart.restart_time(),
        helper_only: restart.helper_only(),
        deferral_time: restart.deferral_time(),
        notification_enabled: restart.notification_enabled(),
        longlived_enabled: restart.longlived_enabled(),
        peer_restarting: restart.peer_restarting,
        local_restarting: restart.local_restarting(),
    }
}

/// `None` where the family has no numbers that a family can have.
fn afi_safi(afi_safi: &wire::AfiSafi) -> Option<AfiSafi> {
    let config = afi_safi.config.as_ref()?;
    let state = afi_safi.state.unwrap_or_default();
    let add_paths = afi_safi
        .add_paths
        .and_then(|a| a.config)
        .unwrap_or_default();
    Some(AfiSafi {
        family: Family::from_wire(config.family.as_ref()?)?,
        enabled: config.enabled,
        graceful_restart: afi_safi
            .mp_graceful_restart
            .and_then(|g| g.config)
            .is_some_and(|config| config.enabled()),
        add_paths: AddPaths {
            receive: add_paths.receive(),
            send_max: add_paths.send_max(),
        },
        prefix_limit: afi_safi
            .prefix_limits
            .map(|limit| PrefixLimit {
                max_prefixes: limit.max_prefixes(),
                shutdown_threshold_pct: limit.shutdown_threshold_pct(),
            })
            .filter(|limit| limit.max_prefixes > 0),
        received: state.received,
        accepted: state.accepted,
        advertised: state.advertised,
    })
}
