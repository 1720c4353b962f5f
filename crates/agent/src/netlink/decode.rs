//! What the kernel's messages say.
//!
//! Routes are read attribute by attribute, and only those that matter: half a
//! million of them may come in one dump.

use super::kind;
use crate::kernel::{Action, Event, Leg, Link, Place, Route};
use crate::resolve::is_taken_for_onlink;
use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_APPEND, NLM_F_REPLACE, NetlinkBuffer, NetlinkHeader, NlaBuffer, NlasIterator, Parseable,
    ParseableParametrized,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteNextHop,
    RouteNextHopFlags, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// rtm_table, for tables of more than a byte.
const HEADER: usize = 12;

/// RTA_ numbers of the attributes that matter.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const DEVICE: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const METRIC: u16 = 6;
    pub(super) const MULTIPATH: u16 = 9;
    pub(super) const TABLE: u16 = 15;
    pub(super) const VIA: u16 = 18;
}

/// The messages of a datagram; what is behind a broken one is left out.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let length = (message.length() as usize).next_multiple_of(4);
        datagram = datagram.get(length..).unwrap_or_default();
        Some(message)
    })
}

/// An event, if the message tells one that matters in these tables.
pub(super) fn event(message: &NetlinkBuffer<&[u8]>, tables: &[u32]) -> Option<Event> {
    match message.message_type() {
        kind::NEW_ROUTE => {
            let route = route(message.payload(), tables)?;
            let flags = message.flags();
            let place = match flags {
                _ if flags & NLM_F_REPLACE != 0 => Place::Instead,
                _ if flags & NLM_F_APPEND != 0 => Place::Last,
                _ => Place::First,
            };
            Some(Event::Route(route, place))
        }
        kind::DELETE_ROUTE => route(message.payload(), tables).map(Event::RouteGone),
        kind::DELETE_NEXT_HOP => Some(Event::NextHopGone),
        _ => {
            let header = NetlinkHeader::parse(message).ok()?;
            let message =
                <RouteNetlinkMessage as netlink_packet_core::NetlinkDeserializable>::deserialize(
                    &header,
                    message.payload(),
                );
            match message.ok()? {
                RouteNetlinkMessage::NewLink(message) => link(&message).map(Event::Link),
                RouteNetlinkMessage::DelLink(message)
                    if message.header.interface_family == AddressFamily::Unspec =>
                {
                    Some(Event::LinkGone(message.header.index))
                }
                RouteNetlinkMessage::NewAddress(message) => {
                    address(&message).map(|own| Event::Address(own, message.header.index))
                }
                RouteNetlinkMessage::DelAddress(message) => address(&message)
                    .map(|own| Event::AddressGone(own.addr(), message.header.index)),
                _ => None,
            }
        }
    }
}

fn link(message: &LinkMessage) -> Option<Link> {
    // Bridges tell of their ports in messages of their own.
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let name = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
    let flags = message.header.flags;
    Some(Link {
        index: message.header.index,
        name,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::Running),
        loopback: flags.contains(LinkFlags::Loopback),
    })
}

fn address(message: &AddressMessage) -> Option<IpNet> {
    let find = |local: bool| {
        message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                AddressAttribute::Local(address) if local => Some(*address),
                AddressAttribute::Address(address) if !local => Some(*address),
                _ => None,
            })
    };
    // On a point-to-point link the other one is the far end's.
    let address = find(true).or_else(|| find(false))?;
    IpNet::new(address, message.header.prefix_len).ok()
}

/// A route, if it is in one of these tables and of a kind that matters.
pub(super) fn route(payload: &[u8], tables: &[u32]) -> Option<Route> {
    let header = RouteHeader::parse(payload).ok()?;
    let v6 = header.address_family == AddressFamily::Inet6;
    let special = header.tos != 0
        || header.source_prefix_length != 0
        || header.flags.contains(RouteFlags::Cloned);
    if special || !(v6 || header.address_family == AddressFamily::Inet) {
        return None;
    }
    let unspecified: IpAddr = match v6 {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    };
    let mut found = Found {
        destination: unspecified,
        table: u32::from(header.table),
        metric: 0,
        device: None,
        gateway: None,
        legs: Vec::new(),
        odd: false,
    };
    for nla in NlasIterator::new(payload.get(HEADER..)?) {
        found.take(&nla.ok()?, header.address_family, header.kind);
    }
    if !tables.contains(&found.table) {
        return None;
    }
    let onlink = header.flags.contains(RouteFlags::Onlink);
    let legs = found.all_legs(onlink);
    Some(Route {
        prefix: IpNet::new(found.destination, header.destination_prefix_length).ok()?,
        table: found.table,
        protocol: header.protocol.into(),
        metric: found.metric,
        action: match header.kind {
            RouteType::Unicast if !found.odd && !legs.is_empty() => Action::Unicast,
            RouteType::BlackHole => Action::Blackhole,
            RouteType::Unreachable => Action::Unreachable,
            RouteType::Prohibit => Action::Prohibit,
            _ => Action::Other,
        },
        legs,
    })
}

struct Found {
    destination: IpAddr,
    table: u32,
    metric: u32,
    device: Option<u32>,
    gateway: Option<IpAddr>,
    legs: Vec<RouteNextHop>,
    /// Something that can't be read.
    odd: bool,
}

impl Found {
    fn take(&mut self, nla: &NlaBuffer<&[u8]>, family: AddressFamily, kind: RouteType) {
        use attribute::{DESTINATION, DEVICE, GATEWAY, METRIC, MULTIPATH, TABLE, VIA};
        if ![DESTINATION, DEVICE, GATEWAY, METRIC, MULTIPATH, TABLE, VIA].contains(&nla.kind()) {
            return;
        }
        let parameters = (family, kind, RouteLwEnCapType::None);
        match RouteAttribute::parse_with_param(nla, parameters) {
            Ok(RouteAttribute::Destination(to)) => match address_of(&to) {
                Some(address) => self.destination = address,
                None => self.odd = true,
            },
            Ok(RouteAttribute::Oif(index)) => self.device = Some(index),
            Ok(RouteAttribute::Priority(metric)) => self.metric = metric,
            Ok(RouteAttribute::Table(table)) => self.table = table,
            Ok(RouteAttribute::MultiPath(legs)) => self.legs = legs,
            Ok(attribute) => self.gateway = gateway_of(&attribute),
            Err(_) => self.odd = true,
        }
    }

    fn all_legs(&self, onlink: bool) -> Vec<Leg> {
        let mut legs: Vec<Leg> = match self.device {
            Some(device) => vec![leg(self.gateway, device, onlink)],
            None => self.legs.iter().map(leg_of).collect(),
        };
        if self.destination.is_ipv6() {
            // A set; IPv4's kernel compares them in their order.
            legs.sort_unstable();
        }
        legs
    }
}

fn leg_of(hop: &RouteNextHop) -> Leg {
    let gateway = hop.attributes.iter().find_map(gateway_of);
    let onlink = hop.flags.contains(RouteNextHopFlags::Onlink);
    leg(gateway, hop.interface_index, onlink)
}

fn leg(gateway: Option<IpAddr>, device: u32, onlink: bool) -> Leg {
    Leg {
        gateway,
        device,
        // Says nothing for IPv6: whether it was given makes no other route.
        onlink: gateway.map_or(onlink, |gateway| match gateway {
            IpAddr::V4(_) => onlink,
            IpAddr::V6(_) => is_taken_for_onlink(gateway),
        }),
    }
}

fn gateway_of(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => address_of(address),
        RouteAttribute::Via(RouteVia::Inet(v4)) => Some((*v4).into()),
        RouteAttribute::Via(RouteVia::Inet6(v6)) => Some((*v6).into()),
        _ => None,
    }
}

fn address_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
