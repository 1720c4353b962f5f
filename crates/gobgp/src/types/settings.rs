//! What a caller says about a peer.

use super::{AddPaths, Family, PrefixLimit, RemovePrivate};
use crate::wire;
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;

/// A peer's settings. `None` says nothing: gobgpd's default in an
/// [`add_peer`], as it is now in an [`update_peer`].
///
/// [`add_peer`]: crate::Client::add_peer
/// [`update_peer`]: crate::Client::update_peer
#[derive(Clone, Debug, Default)]
pub struct PeerSettings {
    /// The neighbor's AS, 1 to 4294967295. gobgpd takes 0 without a word;
    /// this crate does not.
    pub peer_asn: Option<u32>,
    /// Our AS on this session.
    pub local_asn: Option<u32>,
    /// Free text.
    pub description: Option<String>,
    /// TCP MD5 (RFC 2385); empty takes it away.
    pub auth_password: Option<SecretString>,
    /// A group whose values override these.
    pub peer_group: Option<String>,
    /// What becomes of private AS numbers.
    pub remove_private: Option<RemovePrivate>,
    /// How often our own AS may stand in a received AS_PATH.
    pub allow_own_asn: Option<u32>,
    /// Replaces the neighbor's AS in AS_PATH by ours.
    pub replace_peer_asn: Option<bool>,
    /// Holds the session down.
    pub admin_down: Option<bool>,
    /// Seconds between attempts to connect.
    pub connect_retry: Option<u64>,
    /// Seconds; 0 is gobgpd's default of 90.
    pub hold_time: Option<u64>,
    /// Seconds; 0 is a third of the hold time.
    pub keepalive_interval: Option<u64>,
    /// Seconds of idling after a reset; 3.10 does not read it, and takes any
    /// update for 0.
    pub idle_hold_time_after_reset: Option<u64>,
    /// Source address of the session; unspecified lets the system choose.
    pub local_address: Option<IpAddr>,
    /// Waits for the neighbor to connect.
    pub passive_mode: Option<bool>,
    /// TCP port of the neighbor.
    pub remote_port: Option<u16>,
    /// Maximum segment size.
    pub tcp_mss: Option<u16>,
    /// Interface that the socket is bound to.
    pub bind_interface: Option<String>,
    /// TTL of an eBGP session over several hops; 0 turns that off.
    pub ebgp_multihop: Option<u8>,
    /// Least TTL of what we take; 0 turns TTL security off.
    pub ttl_security: Option<u8>,
    /// The neighbor is a client of this route reflector.
    pub route_reflector_client: Option<bool>,
    /// The route reflector's cluster.
    pub route_reflector_cluster_id: Option<String>,
    /// The neighbor is a client of this route server.
    pub route_server_client: Option<bool>,
    /// Graceful restart.
    pub graceful_restart: Option<GracefulRestartSettings>,
    /// Address families: in an update, families that stay keep what else
    /// gobgpd knows of them.
    pub afi_safis: Option<Vec<AfiSafiSettings>>,
}

/// Graceful restart of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestartSettings {
    /// Whether it is on.
    pub enabled: bool,
    /// Seconds that the neighbor should wait for us, to 4095.
    pub restart_time: u16,
    /// We only help others to restart.
    pub helper_only: bool,
    /// Seconds before we select routes after a restart of ours.
    pub deferral_time: u16,
    /// RFC 8538.
    pub notification_enabled: bool,
    /// Long-lived (RFC 9494).
    pub longlived_enabled: bool,
    /// We come back from a restart: the neighbor still holds our routes.
    pub local_restarting: bool,
}

/// An address family of a peer. `None` says nothing, as in [`PeerSettings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfiSafiSettings {
    /// Which one.
    pub family: Family,
    /// Graceful restart for this family.
    pub graceful_restart: Option<bool>,
    /// Several paths a prefix.
    pub add_paths: Option<AddPaths>,
    /// The most prefixes that we take.
    pub prefix_limit: Option<PrefixLimit>,
}

impl From<Family> for AfiSafiSettings {
    /// The family and nothing more.
    fn from(family: Family) -> Self {
        Self {
            family,
            graceful_restart: None,
            add_paths: None,
            prefix_limit: None,
        }
    }
}

impl PeerSettings {
    /// Enough for a peer to be added.
    pub fn new(peer_asn: u32) -> Self {
        Self {
            peer_asn: Some(peer_asn),
            ..Self::default()
        }
    }

    /// The settings alone: submessages of which nothing is said are absent.
    pub(crate) fn to_wire(&self, neighbor_address: &str) -> wire::Peer {
        wire::Peer {
            conf: Some(self.conf(neighbor_address)),
            ebgp_multihop: self.ebgp_multihop.map(|ttl| wire::EbgpMultihop {
                enabled: Some(ttl > 0),
                multihop_ttl: Some(ttl.into()),
            }),
            ttl_security: self.ttl_security.map(|ttl| wire::TtlSecurity {
                enabled: Some(ttl > 0),
                ttl_min: Some(ttl.into()),
            }),
            route_reflector: said(wire::RouteReflector {
                route_reflector_client: self.route_reflector_client,
                route_reflector_cluster_id: self.route_reflector_cluster_id.clone(),
            }),
            route_server: self.route_server_client.map(|client| wire::RouteServer {
                route_server_client: Some(client),
            }),
            timers: said(wire::TimersConfig {
                connect_retry: self.connect_retry,
                hold_time: self.hold_time,
                keepalive_interval: self.keepalive_interval,
                idle_hold_time_after_reset: self.idle_hold_time_after_reset,
            })
            .map(|config| wire::Timers {
                config: Some(config),
                state: None,
            }),
            transport: said(wire::Transport {
                local_address: self.local_address.map(|address| address.to_string()),
                passive_mode: self.passive_mode,
                remote_port: self.remote_port.map(u32::from),
                tcp_mss: self.tcp_mss.map(u32::from),
                bind_interface: self.bind_interface.clone(),
            }),
            graceful_restart: self
                .graceful_restart
                .as_ref()
                .map(GracefulRestartSettings::to_wire),
            afi_safis: self
                .afi_safis
                .iter()
                .flatten()
                .map(AfiSafiSettings::to_wire)
                .collect(),
            state: None,
        }
    }

    fn conf(&self, neighbor_address: &str) -> wire::PeerConf {
        wire::PeerConf {
            neighbor_address: neighbor_address.to_owned(),
            auth_password: self
                .auth_password
                .as_ref()
                .map(|p| p.expose_secret().to_owned()),
            description: self.description.clone(),
            local_asn: self.local_asn,
            peer_asn: self.peer_asn,
            peer_group: self.peer_group.clone(),
            remove_private: self.remove_private.map(RemovePrivate::number),
            allow_own_asn: self.allow_own_asn,
            replace_peer_asn: self.replace_peer_asn,
            admin_down: self.admin_down,
            ..wire::PeerConf::default()
        }
    }
}

impl GracefulRestartSettings {
    fn to_wire(&self) -> wire::GracefulRestart {
        wire::GracefulRestart {
            enabled: Some(self.enabled),
            restart_time: Some(self.restart_time.into()),
            helper_only: Some(self.helper_only),
            deferral_time: Some(self.deferral_time.into()),
            notification_enabled: Some(self.notification_enabled),
            longlived_enabled: Some(self.longlived_enabled),
            peer_restarting: false,
            local_restarting: Some(self.local_restarting),
        }
    }
}

impl AfiSafiSettings {
    pub(crate) fn to_wire(&self) -> wire::AfiSafi {
        let family = Some(self.family.to_wire());
        wire::AfiSafi {
            mp_graceful_restart: self
                .graceful_restart
                .map(|enabled| wire::MpGracefulRestart {
                    state: None,
                    config: Some(wire::MpGracefulRestartConfig {
                        enabled: Some(enabled),
                    }),
                }),
            config: Some(wire::AfiSafiConfig {
                family,
                enabled: true,
            }),
            state: None,
            prefix_limits: self.prefix_limit.map(|limit| wire::PrefixLimit {
                family,
                max_prefixes: Some(limit.max_prefixes),
                shutdown_threshold_pct: Some(limit.shutdown_threshold_pct),
            }),
            add_paths: self.add_paths.map(|add_paths| wire::AddPaths {
                config: Some(wire::AddPathsConfig {
                    receive: Some(add_paths.receive),
                    send_max: Some(add_paths.send_max),
                }),
            }),
        }
    }
}

/// The message, unless nothing in it is said.
fn said<M: Default + PartialEq>(message: M) -> Option<M> {
    (message != M::default()).then_some(message)
}
