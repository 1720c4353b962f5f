//! From a BGP next hop to gateways and devices, over the kernel's other routes.
//!
//! Only routes that are not ours are looked at, so no route can ever lead to
//! its next hop through itself, or through another of ours that may go away
//! with the same packet of withdrawals. The kernel takes only gateways that
//! are on a link, so one step along a gateway route is the whole way.

use crate::kernel::{Action, Index, Leg, Link, Route, View};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// A next hop as BGP tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// Its address.
    pub address: IpAddr,
    /// Where a link-local address is; others are looked up.
    pub on: On,
}

/// What tells the link of a link-local next hop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// Nothing does.
    Unknown,
    /// The session with the neighbor runs over this interface.
    Interface(String),
    /// It is where this neighbor is.
    Neighbor(IpAddr),
}

/// The interfaces of neighbors that are known by a link-local address, which
/// tells nothing without one.
pub type Interfaces = BTreeMap<IpAddr, String>;

/// Why a next hop leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No route of the kernel's, ours left aside, leads there.
    NoRoute(IpAddr),
    /// What leads there drops the packets.
    Dropped(IpAddr, Action, IpNet),
    /// The interface is down or has no carrier.
    LinkDown(IpAddr, String, Down),
    /// It is this host.
    OwnAddress(IpAddr),
    /// A link-local address, and nothing tells of which link.
    NoDevice(IpAddr),
    /// There is no such interface.
    NoInterface(IpAddr, String),
}

/// What is wrong with an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// An operator took it down.
    Down,
    /// Nothing is on the other end.
    NoCarrier,
}

impl Reason {
    /// In one word, for a metric's label.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoRoute(_) => "no_route",
            Self::Dropped(..) => "dropped",
            Self::LinkDown(..) => "link_down",
            Self::OwnAddress(_) => "own_address",
            Self::NoDevice(_) => "no_device",
            Self::NoInterface(..) => "no_interface",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute(address) => write!(f, "{address}: no route leads there"),
            Self::Dropped(address, action, prefix) => {
                write!(
                    f,
                    "{address}: the kernel's route {action} {prefix} drops it"
                )
            }
            Self::LinkDown(address, name, Down::Down) => write!(f, "{address}: {name} is down"),
            Self::LinkDown(address, name, Down::NoCarrier) => {
                write!(f, "{address}: {name} has no carrier")
            }
            Self::OwnAddress(address) => write!(f, "{address}: an address of this host's own"),
            Self::NoDevice(address) => write!(
                f,
                "{address}: a link-local address, and gobgpd doesn't tell of which interface"
            ),
            Self::NoInterface(address, name) => {
                write!(f, "{address}: there is no interface {name}")
            }
        }
    }
}

/// What was found, and what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The legs, sorted, at least one; or why there is none.
    pub legs: Result<Vec<Leg>, Reason>,
    /// Addresses that were looked up.
    pub addresses: BTreeSet<IpAddr>,
    /// Interfaces whose state counted.
    pub links: BTreeSet<Index>,
    /// Interfaces that were asked for by name.
    pub names: BTreeSet<String>,
}

/// Finds the way to a next hop.
#[must_use]
pub fn resolve(view: &View, interfaces: &Interfaces, hop: &NextHop) -> Answer {
    let mut search = Search {
        view,
        interfaces,
        addresses: BTreeSet::new(),
        links: BTreeSet::new(),
        names: BTreeSet::new(),
    };
    let legs = match hop.address {
        address if is_link_local(address) => search.on_link(hop),
        address => search.follow(address),
    };
    Answer {
        legs,
        addresses: search.addresses,
        links: search.links,
        names: search.names,
    }
}

struct Search<'a> {
    view: &'a View,
    interfaces: &'a Interfaces,
    addresses: BTreeSet<IpAddr>,
    links: BTreeSet<Index>,
    names: BTreeSet<String>,
}

impl Search<'_> {
    /// Along the kernel's routes.
    fn follow(&mut self, address: IpAddr) -> Result<Vec<Leg>, Reason> {
        self.addresses.insert(address);
        if self.view.is_own(address) {
            return Err(Reason::OwnAddress(address));
        }
        let Some(route) = self.view.lookup(address).first() else {
            return Err(self.no_route(address));
        };
        if route.action != Action::Unicast {
            return Err(Reason::Dropped(address, route.action, route.prefix));
        }
        self.along(address, route)
    }

    /// With its interface goes the route to a network; that is what to look at.
    fn no_route(&mut self, address: IpAddr) -> Reason {
        let Some(link) = self.view.down_with(address) else {
            return Reason::NoRoute(address);
        };
        self.links.insert(link.index);
        let how = if link.up { Down::NoCarrier } else { Down::Down };
        Reason::LinkDown(address, link.name.clone(), how)
    }

    fn along(&mut self, address: IpAddr, route: &Route) -> Result<Vec<Leg>, Reason> {
        let (mut legs, mut down) = (BTreeSet::new(), None);
        for leg in &route.legs {
            match self.carries(address, leg.device) {
                Ok(()) => {
                    let gateway = leg.gateway.unwrap_or(address);
                    legs.insert(Leg {
                        gateway: Some(gateway),
                        device: leg.device,
                        onlink: leg.onlink || is_taken_for_onlink(gateway),
                    });
                }
                Err(reason) => down = Some(reason),
            }
        }
        match down {
            _ if !legs.is_empty() => Ok(legs.into_iter().collect()),
            Some(reason) => Err(reason),
            None => Err(Reason::NoRoute(address)),
        }
    }

    /// On the link that the neighbor is on.
    fn on_link(&mut self, hop: &NextHop) -> Result<Vec<Leg>, Reason> {
        let address = hop.address;
        let device = match &hop.on {
            On::Unknown => return Err(Reason::NoDevice(address)),
            On::Interface(name) => self.named(address, name)?,
            On::Neighbor(neighbor) if is_link_local(*neighbor) => {
                self.addresses.insert(*neighbor);
                let name = self.interfaces.get(neighbor);
                self.named(address, name.ok_or(Reason::NoDevice(address))?)?
            }
            On::Neighbor(neighbor) => self.follow(*neighbor)?[0].device,
        };
        self.carries(address, device)?;
        self.addresses.insert(address);
        let own = |(own, on): (IpNet, Index)| own.addr() == address && on == device;
        if self.view.addresses().any(own) {
            return Err(Reason::OwnAddress(address));
        }
        Ok(vec![Leg {
            gateway: Some(address),
            device,
            onlink: false,
        }])
    }

    fn named(&mut self, address: IpAddr, name: &str) -> Result<Index, Reason> {
        self.names.insert(name.to_owned());
        match self.view.link_named(name) {
            Some(link) => Ok(link.index),
            None => Err(Reason::NoInterface(address, name.to_owned())),
        }
    }

    fn carries(&mut self, address: IpAddr, device: Index) -> Result<(), Reason> {
        self.links.insert(device);
        let down = |how| Err(Reason::LinkDown(address, self.view.name(device), how));
        match self.view.link(device) {
            Some(link) if link.carries() => Ok(()),
            Some(Link { up: true, .. }) => down(Down::NoCarrier),
            _ => down(Down::Down),
        }
    }
}

/// The kernel looks an IPv6 gateway up anew for each route, in all routes: one
/// of ours to the gateway's own /128 would make it refuse every other. The
/// lookup above has told that the gateway is there.
#[must_use]
pub fn is_taken_for_onlink(gateway: IpAddr) -> bool {
    gateway.is_ipv6() && !is_link_local(gateway)
}

/// Whether an address is one of IPv6's that every link has.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
