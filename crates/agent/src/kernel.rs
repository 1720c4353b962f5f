//! What is known of the kernel: links, this host's addresses, and everybody
//! else's routes. Our own are the [`Fib`](crate::fib::Fib)'s.
//!
//! A view is made of a dump and kept by events; it does no I/O.

use ipnet::IpNet;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// A device's number in the kernel.
pub type Index = u32;

/// The kernel's main table.
pub const MAIN: u32 = 254;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: Index,
    /// Its name.
    pub name: String,
    /// An operator wants it up.
    pub up: bool,
    /// Something is on the other end, as far as the driver knows.
    pub carrier: bool,
    /// The loopback interface.
    pub loopback: bool,
}

impl Link {
    /// Whether packets can leave through it.
    #[must_use]
    pub fn carries(&self) -> bool {
        self.up && self.carrier
    }
}

/// One way that a route may send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg {
    /// To whom; the destination itself if there is none.
    pub gateway: Option<IpAddr>,
    /// Through which interface.
    pub device: Index,
    /// The gateway is taken to be on the link although no route says so.
    pub onlink: bool,
}

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sends it on.
    Unicast,
    /// Drops it.
    Blackhole,
    /// Drops it and says so.
    Unreachable,
    /// Drops it and says that it may not pass.
    Prohibit,
    /// Something that no next hop can be reached through.
    Other,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unicast => "unicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Other => "special",
        })
    }
}

/// A route of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub prefix: IpNet,
    /// In which table.
    pub table: u32,
    /// Who put it there: a number of `rt_protos`.
    pub protocol: u8,
    /// The lowest is used.
    pub metric: u32,
    /// What it does.
    pub action: Action,
    /// How it sends; several share the packets.
    pub legs: Vec<Leg>,
}

/// How a new route came among those that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before those of the same metric.
    First,
    /// Behind those of the same metric.
    Last,
    /// Instead of the first of the same metric.
    Instead,
}

/// What the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An interface came or changed.
    Link(Link),
    /// An interface went.
    LinkGone(Index),
    /// This host has an address, with its network's length.
    Address(IpNet, Index),
    /// This host has an address no more.
    AddressGone(IpAddr, Index),
    /// A route came.
    Route(Route, Place),
    /// A route went.
    RouteGone(Route),
    /// A next hop object went, and silently with it IPv4 routes.
    NextHopGone,
}

/// What an event has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Routes to these prefixes.
    pub prefix: Option<IpNet>,
    /// This address became this host's, or stopped being so.
    pub address: Option<IpAddr>,
    /// This interface.
    pub link: Option<Index>,
    /// It is called, or was, so.
    pub names: Vec<String>,
    /// The kernel may have dropped routes without a word.
    pub silent_loss: bool,
}

/// Links, addresses, routes.
#[derive(Clone, Debug, Default)]
pub struct View {
    links: BTreeMap<Index, Link>,
    /// With the length of its network.
    addresses: BTreeMap<(IpAddr, Index), u8>,
    routes: BTreeMap<IpNet, Vec<Route>>,
    /// How many routes there are of each length, so that a lookup asks only for these.
    lengths: BTreeMap<(bool, u8), usize>,
}

impl View {
    /// Applies an event.
    pub fn apply(&mut self, event: Event) -> Touched {
        match event {
            Event::Link(link) => self.link_changed(link),
            Event::LinkGone(index) => self.link_gone(index),
            Event::Address(address, index) => {
                let (key, length) = ((address.addr(), index), address.prefix_len());
                let new = self.addresses.insert(key, length).is_none();
                Touched {
                    address: new.then_some(address.addr()),
                    ..Touched::default()
                }
            }
            Event::AddressGone(address, index) => {
                let known = self.addresses.remove(&(address, index)).is_some();
                Touched {
                    address: known.then_some(address),
                    // Routes from that address, and with the last one all of the interface.
                    silent_loss: known && address.is_ipv4(),
                    ..Touched::default()
                }
            }
            Event::Route(route, place) => {
                let prefix = Some(route.prefix);
                self.add(route, place);
                Touched {
                    prefix,
                    ..Touched::default()
                }
            }
            Event::RouteGone(route) => Touched {
                prefix: self.remove(&route).then_some(route.prefix),
                ..Touched::default()
            },
            Event::NextHopGone => Touched {
                silent_loss: true,
                ..Touched::default()
            },
        }
    }

    fn link_changed(&mut self, link: Link) -> Touched {
        let mut touched = Touched::default();
        let (index, name) = (link.index, link.name.clone());
        let goes_down = |old: &Link| old.up && !link.up;
        match self.links.get(&index) {
            Some(old) if *old == link => return touched,
            Some(old) => {
                touched.silent_loss = goes_down(old);
                touched.names.push(old.name.clone());
            }
            None => {}
        }
        touched.link = Some(index);
        if !touched.names.contains(&name) {
            touched.names.push(name);
        }
        self.links.insert(index, link);
        touched
    }

    fn link_gone(&mut self, index: Index) -> Touched {
        let Some(old) = self.links.remove(&index) else {
            return Touched::default();
        };
        self.addresses.retain(|(_, on), _| *on != index);
        Touched {
            link: Some(index),
            names: vec![old.name],
            silent_loss: true,
            ..Touched::default()
        }
    }

    fn add(&mut self, route: Route, place: Place) {
        let length = key(&route.prefix);
        let there = self.routes.entry(route.prefix).or_default();
        let before = there.len();
        if place == Place::Instead {
            let rival = |other: &Route| other.table == route.table && other.metric == route.metric;
            if let Some(first) = there.iter().position(rival) {
                there.remove(first);
            }
        }
        // One that is told again is the same; IPv6 tells all legs together each time.
        let v6 = route.prefix.addr().is_ipv6();
        there.retain(|other| !(same(other, &route) && (v6 || other.legs == route.legs)));
        let at = there.iter().position(|other| match place {
            Place::Last => other.metric > route.metric,
            Place::First | Place::Instead => other.metric >= route.metric,
        });
        there.insert(at.unwrap_or(there.len()), route);
        let (now, count) = (there.len(), self.lengths.entry(length).or_default());
        *count = *count + now - before;
    }

    /// Whether it was there.
    fn remove(&mut self, route: &Route) -> bool {
        let Some(there) = self.routes.get_mut(&route.prefix) else {
            return false;
        };
        let before = there.len();
        let exact = |other: &Route| same(other, route) && other.legs == route.legs;
        if let Some(at) = there.iter().position(exact) {
            there.remove(at);
        } else if let Some(at) = there.iter().position(|other| same(other, route)) {
            // IPv6 tells each leg that goes; the last one takes the route with it.
            let gone = &route.legs;
            there[at].legs.retain(|leg| !gone.contains(leg));
            if there[at].legs.is_empty() {
                there.remove(at);
            }
        } else {
            return false;
        }
        let lost = before - there.len();
        if there.is_empty() {
            self.routes.remove(&route.prefix);
        }
        let length = key(&route.prefix);
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= lost;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
        true
    }

    /// Takes over the routes of a newer view; gives the prefixes whose routes differ.
    pub fn take_routes(&mut self, newer: Self) -> Vec<IpNet> {
        let differs = |prefix: &&IpNet| self.routes.get(prefix) != newer.routes.get(prefix);
        let all = self.routes.keys().chain(newer.routes.keys());
        let changed: BTreeSet<IpNet> = all.filter(differs).copied().collect();
        self.routes = newer.routes;
        self.lengths = newer.lengths;
        changed.into_iter().collect()
    }

    /// An interface.
    #[must_use]
    pub fn link(&self, index: Index) -> Option<&Link> {
        self.links.get(&index)
    }

    /// All interfaces.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// An interface by its name.
    #[must_use]
    pub fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// An interface's name, or its number where it has gone.
    #[must_use]
    pub fn name(&self, index: Index) -> String {
        match self.links.get(&index) {
            Some(link) => link.name.clone(),
            None => format!("interface {index}"),
        }
    }

    /// Whether an address is this host's own.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        let from = (address, Index::MIN);
        let mut found = self.addresses.range(from..=(address, Index::MAX));
        address.is_loopback() || found.next().is_some()
    }

    /// Addresses with their networks' lengths, and where they are.
    pub fn addresses(&self) -> impl Iterator<Item = (IpNet, Index)> {
        let all = self.addresses.iter();
        all.filter_map(|((address, on), length)| Some((IpNet::new(*address, *length).ok()?, *on)))
    }

    /// The interface that no packet can leave through, on whose network an address would be.
    #[must_use]
    pub fn down_with(&self, address: IpAddr) -> Option<&Link> {
        let holding = self.addresses().filter(|(own, _)| own.contains(&address));
        let links = holding.filter_map(|(_, on)| self.links.get(&on));
        links.into_iter().find(|link| !link.carries())
    }

    /// The routes for the longest prefix that holds an address, the lowest metric first.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> &[Route] {
        let v6 = address.is_ipv6();
        let lengths = self.lengths.range((v6, 0)..=(v6, u8::MAX)).rev();
        let mut found = lengths.filter_map(|(&(_, length), _)| {
            let prefix = IpNet::new(address, length).ok()?.trunc();
            self.routes.get(&prefix)
        });
        found.next().map_or(&[], Vec::as_slice)
    }

    /// The routes for exactly this prefix, the lowest metric first.
    #[must_use]
    pub fn routes_to(&self, prefix: &IpNet) -> &[Route] {
        self.routes.get(prefix).map_or(&[], Vec::as_slice)
    }

    /// All routes, by prefix.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().flatten()
    }
}

fn key(prefix: &IpNet) -> (bool, u8) {
    (prefix.addr().is_ipv6(), prefix.prefix_len())
}

/// Of one owner in one place; IPv4 tells such apart by their legs.
fn same(a: &Route, b: &Route) -> bool {
    (a.table, a.protocol, a.metric, a.action) == (b.table, b.protocol, b.metric, b.action)
}
