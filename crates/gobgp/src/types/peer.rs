//! Peers as gobgpd lists them, its defaults filled in.

use super::{Family, PeerState, wire_enum};
use bytes::Bytes;
use secrecy::SecretString;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

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
    /// As it was spelled when added (version 3 does not canonicalise IPv6 text);
    /// empty for dynamic peers.
    pub neighbor_address: String,
    /// The interface of a peer that is found by its link-local address; its
    /// `PeerState::neighbor_address` is then `fe80::1%eth0`.
    pub neighbor_interface: String,
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
    /// How often our own AS may stand in a received AS_PATH.
    pub allow_own_asn: u32,
    /// Replaces the neighbor's AS in AS_PATH by ours.
    pub replace_peer_asn: bool,
    /// Configured down; `PeerState::admin` is what a `DisablePeer` did.
    pub admin_down: bool,
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

/// A peer's timers; all in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    /// Between attempts to connect.
    pub connect_retry: u64,
    /// Configured hold time.
    pub hold_time: u64,
    /// Configured keepalive interval.
    pub keepalive_interval: u64,
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
    /// The neighbor has sent its End-of-RIB (RFC 4724) in this session. It
    /// does so where both sides have graceful restart (gobgpd and FRR 8.4
    /// alike), and only for [families that it speaks](PeerState::families).
    /// What it sent before is in the table, though a watch may not have told
    /// of it yet.
    pub end_of_rib_received: bool,
    /// Several paths a prefix (RFC 7911).
    pub add_paths: AddPaths,
    /// The most prefixes that we take, if there is a limit.
    pub prefix_limit: Option<PrefixLimit>,
    /// Prefixes received.
    pub received: u64,
    /// Prefixes without a loop; policies are not looked at.
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

/// Which peers a listing tells of, and how much.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerFilter<'a> {
    /// One peer, spelled as it is listed; gobgpd looks at all of them anyway.
    pub address: Option<&'a str>,
    /// Counts the prefixes that are sent to each peer. gobgpd evaluates its
    /// whole table for that.
    pub advertised: bool,
}
