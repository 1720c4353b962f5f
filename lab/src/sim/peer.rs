//! A peer: what was configured, what its session works with, and what its
//! routes have met.

use super::policy::Link;
use sdwan_model::config::{AdminState, Family, Neighbor};
use sdwan_model::observed::{DefaultAction, SessionState};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A peer's configuration, GoBGP's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConf {
    /// The neighbor's AS.
    pub peer_as: u32,
    /// Empty where none is set.
    pub description: String,
    /// Empty where none is set.
    pub auth_password: String,
    /// Seconds.
    pub hold_time: u16,
    /// Seconds.
    pub keepalive_interval: u16,
    /// `None` is unspecified.
    pub local_address: Option<IpAddr>,
    /// Waits for the neighbor to connect.
    pub passive: bool,
    /// 0 where it is off.
    pub ebgp_multihop: u8,
    /// A client of this route reflector.
    pub route_reflector_client: bool,
    /// Address families.
    pub families: BTreeSet<Family>,
    /// Comes up disabled.
    pub admin_down: bool,
    /// Something that `sdwan` has no words for, e.g. graceful restart.
    pub unmodelled: u32,
}

impl PeerConf {
    /// GoBGP's defaults.
    pub fn new(address: IpAddr, peer_as: u32) -> Self {
        Self {
            peer_as,
            description: String::new(),
            auth_password: String::new(),
            hold_time: 90,
            keepalive_interval: 30,
            local_address: None,
            passive: false,
            ebgp_multihop: 0,
            route_reflector_client: false,
            families: BTreeSet::from([match address {
                IpAddr::V4(_) => Family::Ipv4Unicast,
                IpAddr::V6(_) => Family::Ipv6Unicast,
            }]),
            admin_down: false,
            unmodelled: 0,
        }
    }

    /// What is told of a neighbor, on top.
    pub fn with(mut self, told: &Neighbor) -> Self {
        self.peer_as = told.peer_as;
        set(&mut self.description, told.description.clone());
        let password = told
            .auth_password
            .as_ref()
            .map(|p| p.expose_secret().to_owned());
        set(&mut self.auth_password, password);
        set(&mut self.hold_time, told.hold_time);
        set(&mut self.keepalive_interval, told.keepalive_interval);
        if let Some(local) = told.local_address {
            self.local_address = Some(local).filter(|local| !local.is_unspecified());
        }
        set(&mut self.passive, told.passive);
        set(&mut self.ebgp_multihop, told.ebgp_multihop);
        set(
            &mut self.route_reflector_client,
            told.route_reflector_client,
        );
        set(&mut self.families, told.families.clone());
        set(
            &mut self.admin_down,
            told.admin_state.map(|state| state == AdminState::Down),
        );
        self
    }

    /// Whether an update to this takes the peer down and adds it again.
    pub(super) fn resends_open(&self, told: &Self, ttl_resets: bool) -> bool {
        self.peer_as != told.peer_as
            || self.description != told.description
            || self.auth_password != told.auth_password
            || self.local_address != told.local_address
            || self.passive != told.passive
            || self.families != told.families
            || self.admin_down != told.admin_down
            || self.unmodelled != told.unmodelled
            || ttl_resets && self.ebgp_multihop != told.ebgp_multihop
    }
}

fn set<T>(slot: &mut T, told: Option<T>) {
    if let Some(told) = told {
        *slot = told;
    }
}

/// `idle_hold_time_after_reset`, where nothing is said of it.
const RESET_HOLD: Duration = Duration::from_secs(30);

/// The policies that routes have met.
pub type Met = (Vec<Link>, DefaultAction);

/// A peer on the daemon.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As listed.
    pub conf: PeerConf,
    /// What the session works with: `UpdatePeer` changes less than it lists.
    pub in_force: PeerConf,
    /// `Down` after `DisablePeer` too.
    pub admin_state: AdminState,
    /// The session.
    pub session: SessionState,
    /// When it came up.
    pub established_at: Option<u64>,
    /// Listed instead of the configured one once a session was up.
    pub session_address: Option<IpAddr>,
    /// Our AS as it was when the peer was added.
    pub(super) local_as: u32,
    /// Our end of the last connection, which may be closed.
    pub(super) connected_to: Option<SocketAddr>,
    /// How long the session waits in IDLE; `None` while it doesn't.
    pub(super) waits: Option<Duration>,
    /// How long it will, the next time.
    pub(super) idle_hold: Duration,
    /// The same after a reset.
    pub(super) reset_hold: Duration,
    /// A reset came while there was no session; version 4 makes up for it.
    pub(super) owes_reset: bool,
    /// The neighbor's BGP identifier, as it said.
    pub(super) identifier: Option<Ipv4Addr>,
    /// The same as events tell it: later, and for longer.
    pub(super) router_id: Option<Ipv4Addr>,
    /// What received routes have met last; `None` while there are none.
    pub met_import: Option<Met>,
    /// What sent routes have met last.
    pub met_export: Option<Met>,
    /// The neighbor holds routes that should have been withdrawn.
    pub stale: bool,
}

impl Peer {
    pub(super) fn new(conf: PeerConf, local_as: u32) -> Self {
        Self {
            local_as,
            in_force: conf.clone(),
            admin_state: match conf.admin_down {
                true => AdminState::Down,
                false => AdminState::Up,
            },
            conf,
            session: SessionState::Idle,
            established_at: None,
            session_address: None,
            connected_to: None,
            waits: None,
            idle_hold: Duration::ZERO,
            reset_hold: RESET_HOLD,
            owes_reset: false,
            identifier: None,
            router_id: None,
            met_import: None,
            met_export: None,
            stale: false,
        }
    }

    /// As it is listed, and so echoed: the local address is the session's.
    pub fn listed(&self) -> PeerConf {
        PeerConf {
            local_address: self.session_address.or(self.conf.local_address),
            ..self.conf.clone()
        }
    }

    /// Why the TTL of its connection can't be changed: it is closed.
    pub(super) fn refuses_ttl(&self) -> Option<String> {
        let end = self.connected_to.filter(|_| !self.is_connected())?;
        let ttl = match self.conf.ebgp_multihop {
            _ if self.local_as == self.conf.peer_as => return None,
            0 => 1,
            ttl => ttl,
        };
        let family = if end.is_ipv4() { 4 } else { 6 };
        Some(format!(
            "failed to set TTL {ttl}: raw-control tcp{family} {end}: use of closed network connection"
        ))
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        use SessionState::{Established, OpenConfirm, OpenSent};
        matches!(self.session, OpenSent | OpenConfirm | Established)
    }

    /// What goes with a session.
    pub(super) fn fall(&mut self) {
        self.established_at = None;
        self.met_import = None;
        self.met_export = None;
        self.stale = false;
    }

    /// What comes with a session.
    pub(super) fn come_up(&mut self, at: u64, import: Met, export: Met) {
        self.established_at = Some(at);
        self.in_force.hold_time = self.conf.hold_time;
        self.in_force.keepalive_interval = self.conf.keepalive_interval;
        self.session_address = self.connected_to.map(|end| end.ip());
        self.router_id = self.identifier;
        self.met_import = Some(import);
        self.met_export = Some(export);
    }
}
