//! The simulator's terms on the wire. Pure.

#[allow(unreachable_pub, dead_code, clippy::all, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/gobgp.rs"));
}
pub(super) use generated::*;

use crate::sim::event::{self, EventKind};
use crate::sim::peer::{self, PeerConf as Told};
use crate::sim::state::{Flavor, Gobgpd, Refusal};
use prost::Message as _;
use prost::bytes::Bytes;
use sdwan_model::config::{self, AdminState, Direction};
use sdwan_model::observed::{DefaultAction, SessionState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// GoBGP's defaults, in seconds.
const HOLD_TIME: u64 = 90;

/// What differs between versions 3 and 4 on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V3,
    V4,
}

impl Dialect {
    pub(super) fn of(flavor: Flavor) -> Self {
        if flavor.major < 4 { Self::V3 } else { Self::V4 }
    }

    pub(super) fn service(self) -> &'static str {
        match self {
            Self::V3 => "apipb.GobgpApi",
            Self::V4 => "api.GoBgpService",
        }
    }

    /// The number of an enum's value to which version 4 added a zero of its own.
    fn shift(self, number: i32) -> i32 {
        match self {
            Self::V3 => number,
            Self::V4 => number.saturating_add(1),
        }
    }

    pub(super) fn unshift(self, wire: i32) -> i32 {
        match self {
            Self::V3 => wire,
            Self::V4 => wire.saturating_sub(1),
        }
    }

    pub(super) fn peers(self, daemon: &Gobgpd) -> Vec<ListPeerResponse> {
        let row = |(address, peer): (&IpAddr, &peer::Peer)| ListPeerResponse {
            peer: self.listed(*address, peer).encode_to_vec().into(),
        };
        daemon.peers().iter().map(row).collect()
    }

    fn listed(self, address: IpAddr, peer: &peer::Peer) -> Peer {
        let told = peer.listed();
        let unspecified = match address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        Peer {
            conf: Some(PeerConf {
                neighbor_address: address.to_string(),
                peer_asn: Some(told.peer_as),
                description: Some(told.description),
                auth_password: Some(told.auth_password),
                admin_down: Some(told.admin_down),
                ..PeerConf::default()
            }),
            state: Some(PeerState {
                neighbor_address: address.to_string(),
                peer_asn: told.peer_as,
                session_state: session(peer.session),
                admin_state: self.admin(peer.admin_state),
                ..PeerState::default()
            }),
            timers: Some(Timers {
                config: Some(TimersConfig {
                    hold_time: Some(told.hold_time.into()),
                    keepalive_interval: Some(told.keepalive_interval.into()),
                    ..TimersConfig::default()
                }),
                state: None,
            }),
            transport: Some(Transport {
                local_address: Some(told.local_address.unwrap_or(unspecified).to_string()),
                passive_mode: Some(told.passive),
                ..Transport::default()
            }),
            ebgp_multihop: Some(EbgpMultihop {
                enabled: Some(told.ebgp_multihop > 0),
                multihop_ttl: Some(told.ebgp_multihop.into()),
            }),
            route_reflector: Some(RouteReflector {
                route_reflector_client: Some(told.route_reflector_client),
                route_reflector_cluster_id: None,
            }),
            afi_safis: told.families.iter().map(|family| on(*family)).collect(),
            ..Peer::default()
        }
    }

    pub(super) fn event(self, event: &event::Event) -> WatchEventResponse {
        let address = event.address.to_string();
        let peer = Peer {
            conf: Some(PeerConf {
                neighbor_address: address.clone(),
                peer_asn: Some(event.peer_as),
                ..PeerConf::default()
            }),
            state: Some(PeerState {
                neighbor_address: address,
                peer_asn: event.peer_as,
                session_state: session(event.session),
                admin_state: self.admin(event.admin_state),
                router_id: event.router_id.map(|id| id.to_string()).unwrap_or_default(),
                ..PeerState::default()
            }),
            ..Peer::default()
        };
        let kind = match event.kind {
            EventKind::Unknown => 0,
            EventKind::Init => 1,
            EventKind::State => 3,
        };
        told_of(kind, peer.encode_to_vec().into())
    }

    fn admin(self, state: AdminState) -> i32 {
        self.shift(match state {
            AdminState::Up => 0,
            AdminState::Down => 1,
        })
    }
}

/// What ends the list that a watch starts with.
pub(super) fn end_of_init() -> WatchEventResponse {
    told_of(2, Bytes::new())
}

fn told_of(kind: i32, peer: Bytes) -> WatchEventResponse {
    WatchEventResponse {
        peer: Some(watch_event_response::PeerEvent { r#type: kind, peer }),
    }
}

/// gobgpd's number of a state.
fn session(state: SessionState) -> i32 {
    match state {
        SessionState::Idle => 1,
        SessionState::Connect => 2,
        SessionState::Active => 3,
        SessionState::OpenSent => 4,
        SessionState::OpenConfirm => 5,
        SessionState::Established => 6,
        SessionState::Unknown(number) => number,
    }
}

/// AFI and SAFI.
const FAMILIES: [(config::Family, i32, i32); 7] = [
    (config::Family::Ipv4Unicast, 1, 1),
    (config::Family::Ipv6Unicast, 2, 1),
    (config::Family::L3vpnIpv4Unicast, 1, 128),
    (config::Family::L3vpnIpv6Unicast, 2, 128),
    (config::Family::L2vpnEvpn, 25, 70),
    (config::Family::Ipv4Flowspec, 1, 133),
    (config::Family::Ipv6Flowspec, 2, 133),
];

fn on(family: config::Family) -> AfiSafi {
    let numbers = FAMILIES.iter().find(|(known, ..)| *known == family);
    AfiSafi {
        config: Some(AfiSafiConfig {
            family: numbers.map(|(_, afi, safi)| Family {
                afi: *afi,
                safi: *safi,
            }),
            enabled: true,
        }),
        ..AfiSafi::default()
    }
}

fn family(afi_safi: &AfiSafi) -> Option<config::Family> {
    let told = afi_safi.config.as_ref()?.family.as_ref()?;
    let known = |(_, afi, safi): &&(_, i32, i32)| (*afi, *safi) == (told.afi, told.safi);
    FAMILIES.iter().find(known).map(|(family, ..)| *family)
}

/// What was told of a peer, GoBGP's defaults filled in.
///
/// # Errors
/// For what is no peer, or is none by address.
pub(super) fn told(peer: Bytes) -> Result<(IpAddr, Told), Refusal> {
    let refuse = |error: &dyn std::fmt::Display| Refusal(error.to_string());
    let peer = Peer::decode(peer).map_err(|error| refuse(&error))?;
    let conf = peer.conf.unwrap_or_default();
    let address: IpAddr = match conf.neighbor_address.parse() {
        Ok(address) => address,
        Err(error) => return Err(refuse(&error)),
    };
    let transport = peer.transport.unwrap_or_default();
    let timers = peer.timers.unwrap_or_default().config.unwrap_or_default();
    let multihop = peer.ebgp_multihop.unwrap_or_default();
    let reflector = peer.route_reflector.unwrap_or_default();
    let hold_time = match timers.hold_time() {
        0 => HOLD_TIME,
        seconds => seconds,
    };
    let keepalive_interval = match timers.keepalive_interval() {
        0 => hold_time / 3,
        seconds => seconds,
    };
    let source: Option<IpAddr> = transport.local_address().parse().ok();
    let mut told = Told {
        peer_as: conf.peer_asn(),
        description: conf.description().to_owned(),
        auth_password: conf.auth_password().to_owned(),
        hold_time: hold_time.try_into().map_err(|error| refuse(&error))?,
        keepalive_interval: keepalive_interval
            .try_into()
            .map_err(|error| refuse(&error))?,
        local_address: source.filter(|source| !source.is_unspecified()),
        passive: transport.passive_mode(),
        ebgp_multihop: match multihop.enabled() {
            true => multihop
                .multihop_ttl()
                .try_into()
                .map_err(|error| refuse(&error))?,
            false => 0,
        },
        route_reflector_client: reflector.route_reflector_client(),
        admin_down: conf.admin_down(),
        ..Told::new(address, conf.peer_asn())
    };
    if !peer.afi_safis.is_empty() {
        told.families = peer.afi_safis.iter().filter_map(family).collect();
    }
    Ok((address, told))
}

/// What `StartBgp` tells.
///
/// # Errors
/// For a router id that is none.
pub(super) fn started(told: StartBgpRequest) -> Result<config::Global, Refusal> {
    let told = told.global.unwrap_or_default();
    let router_id = told.router_id.parse();
    Ok(config::Global {
        asn: told.asn,
        router_id: router_id.map_err(|_| Refusal(format!("invalid id: {}", told.router_id)))?,
        listen_port: match told.listen_port {
            0 => None,
            port => Some(u16::try_from(port).unwrap_or(0)),
        },
    })
}

/// What `GetBgp` tells.
pub(super) fn global(daemon: &Gobgpd) -> GetBgpResponse {
    let told = |global: &config::Global| Global {
        asn: global.asn,
        router_id: global.router_id.to_string(),
        listen_port: match global.listen_port {
            None => 179,
            Some(0) => -1,
            Some(port) => port.into(),
        },
        ..Global::default()
    };
    GetBgpResponse {
        global: Some(daemon.global().map(told).unwrap_or_default()),
    }
}

/// The global table's assignment in one direction.
pub(super) fn assignment(
    daemon: &Gobgpd,
    asked: ListPolicyAssignmentRequest,
) -> ListPolicyAssignmentResponse {
    let direction = match asked.direction {
        1 => Direction::Import,
        _ => Direction::Export,
    };
    let (_, default) = daemon.policies().list_assignment(direction);
    ListPolicyAssignmentResponse {
        assignment: Some(PolicyAssignment {
            name: asked.name,
            direction: asked.direction,
            // No call makes any here.
            policies: Vec::new(),
            default_action: match default {
                DefaultAction::None => 0,
                DefaultAction::Accept => 1,
                DefaultAction::Reject => 2,
            },
        }),
    }
}
