//! What becomes of a route, by BGP's rules and the policies: what a state says
//! that the router and each neighbor should hold.
//!
//! Five speakers announce *probes*: the router itself and its four neighbors,
//! three prefixes each time. One is among those that hand-made policies
//! reject, one is not, one is of IPv6; a prefix tells who announced it, and
//! when. Each has a next hop of its own that is nobody's address, so that a
//! next hop tells what was done to it.

use crate::world::{PEERS, address};
use ipnet::IpNet;
use sdwan_lab::sim::peer::Met;
use sdwan_model::action::{Action, NextHop};
use sdwan_model::config::{Direction, Disposition, Family};
use sdwan_model::observed::DefaultAction;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The router's addresses on its sessions.
pub(crate) const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// See [`ROUTER_V4`].
pub(crate) const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);

/// Who announces: a neighbor by its place among [`PEERS`], or the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Neighbor(usize),
    Router,
}

impl Source {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..PEERS.len()).map(Self::Neighbor).chain([Self::Router])
    }

    fn number(self) -> u8 {
        match self {
            Self::Neighbor(index) => u8::try_from(index).unwrap_or(u8::MAX),
            Self::Router => 4,
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Self::all().find(|source| source.number() == number)
    }

    /// The neighbor's address.
    pub(crate) fn neighbor(self) -> Option<IpAddr> {
        match self {
            Self::Neighbor(index) => Some(address(index)),
            Self::Router => None,
        }
    }
}

/// Which of the three prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Within the prefix set of hand-made policies.
    Theirs,
    /// Outside of it.
    Other,
    /// Of the other family.
    V6,
}

/// One announced route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Probe {
    /// The case, so that what is said late of one is not taken for another's.
    pub(crate) case: u8,
    /// When in it.
    pub(crate) look: u8,
    pub(crate) source: Source,
    pub(crate) kind: Kind,
}

impl Probe {
    /// The three of a source.
    pub(crate) fn of(case: u8, look: u8, source: Source) -> [Self; 3] {
        [Kind::Theirs, Kind::Other, Kind::V6].map(|kind| Self {
            case,
            look,
            source,
            kind,
        })
    }

    pub(crate) fn prefix(self) -> IpNet {
        let (case, look, source) = (self.case, self.look, self.source.number());
        let v4 = |net| IpAddr::from([net, case, look, source]);
        IpNet::from(match self.kind {
            Kind::Theirs => v4(10),
            Kind::Other => v4(100),
            Kind::V6 => {
                let [case, look, source] = [case, look, source].map(u16::from);
                IpAddr::from([0x2001, 0xdb8, case, look, 0, 0, 0, source])
            }
        })
    }

    /// Reads a prefix of this case's.
    pub(crate) fn read(prefix: IpNet, case: u8) -> Option<Self> {
        let (net, of, look, source) = match prefix.addr() {
            IpAddr::V4(address) => {
                let [net, of, look, source] = address.octets();
                (net, of, look, source)
            }
            IpAddr::V6(address) => {
                let [_, _, of, look, .., source] = address.segments().map(|s| s as u8);
                (6, of, look, source)
            }
        };
        let probe = Self {
            case,
            look,
            source: Source::of_number(source)?,
            kind: match net {
                10 => Kind::Theirs,
                100 => Kind::Other,
                _ => Kind::V6,
            },
        };
        (of == case && probe.prefix() == prefix).then_some(probe)
    }

    /// Nobody's address.
    pub(crate) fn next_hop(self) -> IpAddr {
        let last = 50 + self.source.number();
        match self.kind {
            Kind::Theirs | Kind::Other => [10, 0, 0, last].into(),
            Kind::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()].into(),
        }
    }

    pub(crate) fn family(self) -> Family {
        match self.kind {
            Kind::Theirs | Kind::Other => Family::Ipv4Unicast,
            Kind::V6 => Family::Ipv6Unicast,
        }
    }
}

/// A route as somebody holds it, as far as the policies of the cases change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) next_hop: IpAddr,
    pub(crate) med: Option<u32>,
}

/// A neighbor with a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// Of the router's own AS.
    pub(crate) internal: bool,
    /// A route reflector's client.
    pub(crate) client: bool,
    pub(crate) families: BTreeSet<Family>,
}

/// The neighbors that have a session.
pub(crate) type Sessions = BTreeMap<IpAddr, Session>;

/// Who has a session, and what is evaluated.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) sessions: Sessions,
    pub(crate) policies: Policies,
}

/// What each neighbor's routes meet. The router's own meet import policies
/// too, as nobody's.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    import: BTreeMap<Option<IpAddr>, Met>,
    export: BTreeMap<IpAddr, Met>,
}

impl Policies {
    /// By what tells the chain of a neighbor.
    pub(crate) fn new(chain: impl Fn(Option<IpAddr>, Direction) -> Met) -> Self {
        let peers = || (0..PEERS.len()).map(address);
        let imported = peers().map(Some).chain([None]);
        Self {
            import: imported
                .map(|peer| (peer, chain(peer, Direction::Import)))
                .collect(),
            export: peers()
                .map(|peer| (peer, chain(Some(peer), Direction::Export)))
                .collect(),
        }
    }

    /// What the router's table has of a probe.
    pub(crate) fn imported(&self, probe: Probe, sessions: &Sessions) -> Option<Route> {
        let from = probe.source.neighbor();
        if let Some(from) = from {
            let families = &sessions.get(&from)?.families;
            families.contains(&probe.family()).then_some(())?;
        }
        let announced = Route {
            next_hop: probe.next_hop(),
            med: None,
        };
        meet(self.import.get(&from)?, probe, announced, from)
    }

    /// What a neighbor is sent of a probe that is in the router's table so.
    /// `from` is the announcing neighbor's session.
    pub(crate) fn exported(
        &self,
        probe: Probe,
        mut route: Route,
        from: Option<&Session>,
        to: IpAddr,
        sessions: &Sessions,
    ) -> Option<Route> {
        let session = sessions.get(&to)?;
        session.families.contains(&probe.family()).then_some(())?;
        if probe.source.neighbor() == Some(to) {
            return None;
        }
        if let Some(from) = from {
            match (from.internal, session.internal) {
                // Only a reflector passes these on, of clients and to them
                // (RFC 4456).
                (true, true) if !from.client && !session.client => return None,
                // They are of one AS, which is in the path.
                (false, false) => return None,
                _ => {}
            }
            if !session.internal {
                route = Route {
                    next_hop: own(to),
                    med: None,
                };
            }
        }
        meet(self.export.get(&to)?, probe, route, Some(to))
    }
}

/// The router's own address on the session with a neighbor.
fn own(neighbor: IpAddr) -> IpAddr {
    match neighbor {
        IpAddr::V4(_) => ROUTER_V4.into(),
        IpAddr::V6(_) => ROUTER_V6.into(),
    }
}

/// One statement after the other. `neighbor` is whose session it is.
fn meet(met: &Met, probe: Probe, mut route: Route, neighbor: Option<IpAddr>) -> Option<Route> {
    let (chain, default) = met;
    for link in chain {
        if link.conditional && probe.kind != Kind::Theirs {
            continue;
        }
        for action in &link.actions {
            match (action, neighbor) {
                (Action::MedSet(med), _) => route.med = Some(*med),
                (Action::NextHop(NextHop::SelfAddress), Some(peer)) => route.next_hop = own(peer),
                (Action::NextHop(NextHop::PeerAddress), Some(peer)) => route.next_hop = peer,
                // gobgpd knows no session of the router's own routes.
                (Action::NextHop(_), None) => {}
                (action, _) => unreachable!("no case has {action}"),
            }
        }
        match link.disposition {
            Some(Disposition::Accept) => return Some(route),
            Some(Disposition::Reject) => return None,
            None => {}
        }
    }
    (*default == DefaultAction::Accept).then_some(route)
}
