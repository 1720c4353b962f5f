//! The daemon: BGP started or not, its peers and its policies.

use super::event::Event;
use super::peer::{Peer, PeerConf};
use super::policy::{Link, Policies};
use crate::tools::Release;
use sdwan_model::config::{Direction, Global};
use sdwan_model::observed::{Api, DefaultAction, SessionState, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// A release, for what differs between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flavor {
    /// 3 or 4.
    pub major: u16,
    /// E.g. 36 for 3.36.
    pub minor: u16,
}

impl Flavor {
    /// Debian bookworm's.
    pub const V3_10: Self = Self {
        major: 3,
        minor: 10,
    };
    /// Debian trixie's.
    pub const V3_36: Self = Self {
        major: 3,
        minor: 36,
    };
    /// Debian sid's.
    pub const V4_8: Self = Self { major: 4, minor: 8 };

    /// What an observation of it says.
    pub fn version(self) -> Version {
        Version {
            api: if self.major < 4 { Api::V3 } else { Api::V4 },
            minor: Some(self.minor),
        }
    }

    pub(super) fn at_least(self, major: u16, minor: u16) -> bool {
        self >= Self { major, minor }
    }
}

impl From<Release> for Flavor {
    fn from(release: Release) -> Self {
        match release {
            Release::V3_10 => Self::V3_10,
            Release::V3_36 => Self::V3_36,
            Release::V4_8 => Self::V4_8,
        }
    }
}

/// A call refused, in gobgpd's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Refuses in these words.
pub(super) fn refuse<T>(words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(words.into()))
}

/// One gobgpd.
#[derive(Clone, Debug)]
pub struct Gobgpd {
    /// Which release it is.
    pub flavor: Flavor,
    pub(super) global: Option<Global>,
    pub(super) peers: BTreeMap<IpAddr, Peer>,
    pub(super) policies: Policies,
    /// Ports; a second start does not close the first one's, but nobody
    /// answers there any more.
    listening: BTreeSet<u16>,
    /// The passwords that are asked of who connects. They outlive their peers.
    passwords: BTreeMap<IpAddr, String>,
    /// Counts up, so that no two sessions come up at one time.
    pub(super) clock: u64,
    /// What a watcher was told and has not read; `None` while nobody watches.
    pub(super) told: Option<Vec<Event>>,
}

impl Gobgpd {
    /// A process that was just started, with no configuration.
    pub fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            global: None,
            peers: BTreeMap::new(),
            policies: Policies::default(),
            listening: BTreeSet::new(),
            passwords: BTreeMap::new(),
            clock: 1_000_000,
            told: None,
        }
    }

    /// The process dies and is started again: nothing is left.
    pub fn restart(&mut self) {
        let clock = self.clock;
        *self = Self::new(self.flavor);
        self.clock = clock + 1;
    }

    /// `StartBgp`. Wipes the policies that were there before. Nothing keeps
    /// it from being done again, which replaces the AS and keeps the peers:
    /// only a port that it listens on already is in its way (3.10, 3.36, 4.8).
    pub fn start_bgp(&mut self, global: &Global) -> Result<(), Refusal> {
        let port = global.listen_port.unwrap_or(179);
        if port != 0 && !self.listening.insert(port) {
            return refuse(format!(
                "listen tcp4 0.0.0.0:{port}: bind: address already in use"
            ));
        }
        self.global = Some(Global {
            listen_port: Some(port),
            ..global.clone()
        });
        self.policies = Policies::started();
        Ok(())
    }

    /// What `GetBgp` tells; `None` before BGP is started.
    pub fn global(&self) -> Option<&Global> {
        self.global.as_ref()
    }

    fn started(&self) -> Result<&Global, Refusal> {
        match &self.global {
            Some(global) => Ok(global),
            None => refuse("bgp server hasn't started yet"),
        }
    }

    /// The sets, policies and assignments.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The same, for calls on them.
    pub fn policies_mut(&mut self) -> &mut Policies {
        &mut self.policies
    }

    /// The peers.
    pub fn peers(&self) -> &BTreeMap<IpAddr, Peer> {
        &self.peers
    }

    /// `AddPeer`.
    pub fn add_peer(&mut self, address: IpAddr, conf: PeerConf) -> Result<(), Refusal> {
        let own = self.started()?.asn;
        if self.peers.contains_key(&address) {
            return refuse(format!("can't overwrite the existing peer: {address}"));
        }
        self.set_password(address, &conf.auth_password);
        self.begin(address, Peer::new(conf, own));
        Ok(())
    }

    /// Nothing is changed for a peer without.
    fn set_password(&mut self, address: IpAddr, password: &str) {
        if !password.is_empty() {
            self.passwords.insert(address, password.to_owned());
        }
    }

    /// What is asked of who connects from an address, if anything is.
    pub fn asked_password(&self, address: IpAddr) -> Option<&str> {
        self.passwords.get(&address).map(String::as_str)
    }

    /// `DeletePeer`. Its password is still asked for (3.10, 3.36, 4.8).
    pub fn delete_peer(&mut self, address: IpAddr) -> Result<(), Refusal> {
        self.started()?;
        match self.end(address) {
            true => Ok(()),
            false => refuse(format!("can't delete a peer configuration for {address}")),
        }
    }

    /// `UpdatePeer`: what is told becomes of each field, see
    /// `sdwan_model::plan`'s table of effects, which was measured on the
    /// real ones.
    pub fn update_peer(&mut self, address: IpAddr, told: PeerConf) -> Result<(), Refusal> {
        self.started()?;
        let ttl_resets = self.flavor.at_least(4, 0);
        let reads_reset_hold = self.flavor.at_least(3, 15);
        let ttl_is_live = self.flavor.at_least(3, 15) && !ttl_resets;
        let Some(peer) = self.peers.get_mut(&address) else {
            return refuse(format!("neighbor that has {address} doesn't exist"));
        };
        if peer.conf.resends_open(&told, ttl_resets) {
            // Takes the peer down and adds it again, a disabled one too.
            let again = Peer::new(told, peer.local_as);
            if !peer.conf.auth_password.is_empty() {
                self.passwords.remove(&address);
            }
            self.set_password(address, &again.conf.auth_password);
            self.end(address);
            self.begin(address, again);
            return Ok(());
        }
        if !reads_reset_hold {
            peer.reset_hold = Duration::ZERO;
        }
        peer.conf.hold_time = told.hold_time;
        peer.conf.keepalive_interval = told.keepalive_interval;
        if ttl_is_live && peer.conf.ebgp_multihop != told.ebgp_multihop {
            peer.conf.ebgp_multihop = told.ebgp_multihop;
            peer.in_force.ebgp_multihop = told.ebgp_multihop;
            // It is in force for all that.
            if let Some(words) = peer.refuses_ttl() {
                return refuse(words);
            }
        }
        Ok(())
    }

    /// `ResetPeer`, soft. Before 4.6 a soft reset out leaves behind what the
    /// policies reject now and did not reject then.
    pub fn soft_reset(&mut self, address: IpAddr, direction: Direction) -> Result<(), Refusal> {
        let withdraws = self.flavor.at_least(4, 6);
        let (chain, default) = self.chain(address, direction);
        let peer = self.peer(address)?;
        if peer.session != SessionState::Established {
            return Ok(());
        }
        match direction {
            Direction::Import => peer.met_import = Some((chain, default)),
            Direction::Export => {
                let rejects = |met: &(Vec<Link>, DefaultAction)| rejects(&met.0, met.1);
                let before = peer.met_export.as_ref().is_some_and(rejects);
                peer.stale |= !withdraws && !before && rejects(&(chain.clone(), default));
                peer.met_export = Some((chain, default));
            }
        }
        Ok(())
    }

    pub(super) fn peer(&mut self, address: IpAddr) -> Result<&mut Peer, Refusal> {
        self.started()?;
        match self.peers.get_mut(&address) {
            Some(peer) => Ok(peer),
            None => refuse(format!("neighbor that has {address} doesn't exist")),
        }
    }

    /// What is evaluated for a peer's routes in one direction.
    pub fn chain(&self, address: IpAddr, direction: Direction) -> (Vec<Link>, DefaultAction) {
        self.policies.chain(address, direction)
    }
}

/// Whether a chain rejects every route that reaches its end.
pub fn rejects(chain: &[Link], default: DefaultAction) -> bool {
    use sdwan_model::config::Disposition;
    let decided = chain
        .iter()
        .filter(|link| !link.conditional)
        .find_map(|link| link.disposition);
    match decided {
        Some(disposition) => disposition == Disposition::Reject,
        None => default != DefaultAction::Accept,
    }
}
