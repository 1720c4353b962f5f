//! Reads a peer from the bytes that gobgpd listed.

use super::peer::Listed;
use super::{
    AddPaths, AdminState, AfiSafi, EbgpMultihop, Family, GracefulRestart, MessageCounts, Messages,
    Peer, PeerConf, PeerState, PeerType, PrefixLimit, RemovePrivate, RouteReflector, RouteServer,
    SessionState, Timers, Transport, TtlSecurity, address_text,
};
use crate::dialect::Api;
use crate::wire;
use bytes::Bytes;
use prost::Message;
use std::time::{Duration, SystemTime};

impl Peer {
    pub(crate) fn from_wire(listed: Bytes, api: Api) -> Result<Self, prost::DecodeError> {
        let peer = wire::Peer::decode(listed.clone())?;
        Ok(Self::from_message(peer, Listed(listed), api))
    }

    fn from_message(peer: wire::Peer, listed: Listed, api: Api) -> Self {
        let multihop = peer.ebgp_multihop.unwrap_or_default();
        let ttl_security = peer.ttl_security.unwrap_or_default();
        let reflector = peer.route_reflector.unwrap_or_default();
        let server = peer.route_server.unwrap_or_default();
        Self {
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
            },
            graceful_restart: graceful_restart(&peer.graceful_restart.unwrap_or_default()),
            afi_safis: peer.afi_safis.iter().filter_map(afi_safi).collect(),
            listed,
        }
    }
}

impl Default for Peer {
    /// A peer of which nothing is listed, as a start for tests.
    fn default() -> Self {
        Self::from_message(wire::Peer::default(), Listed::default(), Api::V3)
    }
}

fn conf(conf: wire::PeerConf, api: Api) -> PeerConf {
    PeerConf {
        peer_asn: conf.peer_asn(),
        local_asn: conf.local_asn(),
        peer_type: PeerType::from_number(api.unshift(conf.r#type)),
        remove_private: RemovePrivate::from_number(conf.remove_private()),
        allow_own_asn: conf.allow_own_asn(),
        replace_peer_asn: conf.replace_peer_asn(),
        admin_down: conf.admin_down(),
        auth_password: conf.auth_password.unwrap_or_default().into(),
        description: conf.description.unwrap_or_default(),
        peer_group: conf.peer_group.unwrap_or_default(),
        neighbor_address: address_text(conf.neighbor_address),
        neighbor_interface: conf.neighbor_interface,
    }
}

fn state(state: wire::PeerState, api: Api) -> PeerState {
    let messages = state.messages.unwrap_or_default();
    let software_version = state
        .local_cap
        .into_iter()
        .find_map(|c| software_version(c, api));
    PeerState {
        families: families(&state.remote_cap, api),
        software_version: software_version.unwrap_or_default(),
        neighbor_address: address_text(state.neighbor_address),
        peer_asn: state.peer_asn,
        session: SessionState::from_number(state.session_state),
        admin: AdminState::from_number(api.unshift(state.admin_state)),
        flaps: state.flops,
        router_id: address_text(state.router_id),
        messages: Messages {
            received: message_counts(messages.received),
            sent: message_counts(messages.sent),
        },
    }
}

/// The families of a neighbor's capabilities; IPv4 unicast goes without saying
/// for one that has said nothing of families (RFC 4760, 8).
fn families(capabilities: &[wire::Capability], api: Api) -> Vec<Family> {
    let told = capabilities
        .iter()
        .filter(|capability| match api {
            Api::V3 => capability.type_url.ends_with(b".MultiProtocolCapability"),
            Api::V4 => !capability.value.is_empty(),
        })
        .filter_map(|c| wire::MultiProtocolCapability::decode(&c.value[..]).ok())
        .filter_map(|capability| Family::from_wire(&capability.family?));
    let families: Vec<_> = told.collect();
    match families[..] {
        [] if !capabilities.is_empty() => vec![Family::IPV4_UNICAST],
        _ => families,
    }
}

/// The version, if this is the capability that tells it.
fn software_version(capability: wire::Capability, api: Api) -> Option<String> {
    let capability = match api {
        Api::V3 if capability.type_url.ends_with(b".SoftwareVersionCapability") => {
            wire::SoftwareVersionCapability::decode(capability.value).ok()
        }
        Api::V3 => None,
        Api::V4 => capability.software_version,
    };
    Some(capability?.software_version)
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

/// A point in time, to the second; before 1970 is 1970.
pub(crate) fn timestamp(instant: SystemTime) -> wire::Timestamp {
    let since = instant
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    wire::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    }
}

fn transport(transport: wire::Transport) -> Transport {
    Transport {
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
    let restart = afi_safi.mp_graceful_restart.unwrap_or_default();
    let add_paths = afi_safi
        .add_paths
        .and_then(|a| a.config)
        .unwrap_or_default();
    Some(AfiSafi {
        family: Family::from_wire(config.family.as_ref()?)?,
        enabled: config.enabled,
        graceful_restart: restart.config.is_some_and(|config| config.enabled()),
        end_of_rib_received: restart.state.is_some_and(|state| state.end_of_rib_received),
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
