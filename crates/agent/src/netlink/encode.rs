//! Changes as the messages that make them.

use super::kind;
use crate::fib::{Change, Mark};
use crate::kernel::Leg;
use ipnet::IpNet;
use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteNextHop, RouteNextHopFlags, RouteScope,
    RouteType, RouteVia,
};
use std::net::IpAddr;

const NETLINK_HEADER: usize = 16;
const ROUTE_HEADER: usize = 12;

/// What a message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Makes a route where none may be.
    Make,
    /// Puts legs beside those that are there.
    Append,
    /// Takes exactly these legs of ours away.
    Delete,
}

/// Messages in one buffer; each has the number of its step.
#[derive(Debug)]
pub(super) struct Batch {
    mark: Mark,
    bytes: Vec<u8>,
    steps: Vec<(Step, IpNet)>,
    first: u32,
    last_at: usize,
}

impl Batch {
    pub(super) fn new(mark: Mark) -> Self {
        Self {
            mark,
            bytes: Vec::new(),
            steps: Vec::new(),
            first: 1,
            last_at: 0,
        }
    }

    /// Begins anew; numbers go on, so that no answer is taken for another's.
    pub(super) fn clear(&mut self) {
        let used = u32::try_from(self.steps.len()).unwrap_or(0);
        self.first = self.first.wrapping_add(used).max(1);
        self.bytes.clear();
        self.steps.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step that an answer is about.
    pub(super) fn step(&self, number: u32) -> Option<(Step, IpNet)> {
        let at = usize::try_from(number.wrapping_sub(self.first)).ok()?;
        self.steps.get(at).copied()
    }

    /// Whether an answer is about the last step.
    pub(super) fn is_last(&self, number: u32) -> bool {
        usize::try_from(number.wrapping_sub(self.first)).is_ok_and(|at| at + 1 == self.steps.len())
    }

    /// The messages. Errors are told anyway; the last one is to be confirmed.
    pub(super) fn finish(&mut self) -> &[u8] {
        let at = self.last_at + 6;
        if let Some(flags) = self.bytes.get_mut(at..at + 2) {
            let with_ack = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
            flags.copy_from_slice(&with_ack.to_ne_bytes());
        }
        &self.bytes
    }

    pub(super) fn push(&mut self, change: &Change) {
        let prefix = change.prefix;
        let (old, new) = (change.old.as_deref(), change.new.as_deref());
        match (old.unwrap_or_default(), new.unwrap_or_default()) {
            ([], new) => self.route(Step::Make, prefix, new),
            (old, []) => self.delete(prefix, old),
            // One leg after the other is a route of its own.
            (old, new) if prefix.addr().is_ipv6() => {
                let without = |legs: &[Leg], others: &[Leg]| -> Vec<Leg> {
                    legs.iter()
                        .filter(|leg| !others.contains(leg))
                        .copied()
                        .collect()
                };
                let (come, go) = (without(new, old), without(old, new));
                if !come.is_empty() {
                    self.route(Step::Append, prefix, &come);
                }
                self.delete(prefix, &go);
            }
            (old, new) => {
                self.route(Step::Append, prefix, new);
                self.delete(prefix, old);
            }
        }
    }

    fn delete(&mut self, prefix: IpNet, legs: &[Leg]) {
        if prefix.addr().is_ipv4() {
            return self.route(Step::Delete, prefix, legs);
        }
        for leg in legs {
            self.route(Step::Delete, prefix, std::slice::from_ref(leg));
        }
    }

    fn route(&mut self, step: Step, prefix: IpNet, legs: &[Leg]) {
        let (kind, flags) = match step {
            Step::Make => (kind::NEW_ROUTE, NLM_F_CREATE | NLM_F_EXCL),
            Step::Append => (kind::NEW_ROUTE, NLM_F_CREATE | NLM_F_APPEND),
            Step::Delete => (kind::DELETE_ROUTE, 0),
        };
        let at = self.bytes.len();
        self.last_at = at;
        let number = u32::try_from(self.steps.len()).unwrap_or(0);
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.first.wrapping_add(number);
        self.steps.push((step, prefix));
        self.bytes.resize(at + NETLINK_HEADER, 0);
        self.put(ROUTE_HEADER, &self.route_header(step, prefix, legs));
        self.attribute(&RouteAttribute::Destination(prefix.addr().into()));
        self.attribute(&RouteAttribute::Priority(self.mark.metric));
        if self.mark.table > u32::from(u8::MAX) {
            self.attribute(&RouteAttribute::Table(self.mark.table));
        }
        self.legs(prefix, legs);
        header.length = u32::try_from(self.bytes.len() - at).unwrap_or(0);
        header.emit(&mut self.bytes[at..at + NETLINK_HEADER]);
    }

    fn route_header(&self, step: Step, prefix: IpNet, legs: &[Leg]) -> RouteHeader {
        let onlink = matches!(legs, [Leg { onlink: true, .. }]);
        RouteHeader {
            address_family: match prefix {
                IpNet::V4(_) => AddressFamily::Inet,
                IpNet::V6(_) => AddressFamily::Inet6,
            },
            destination_prefix_length: prefix.prefix_len(),
            // Of a table beyond a byte an attribute tells.
            table: u8::try_from(self.mark.table).unwrap_or(0),
            protocol: self.mark.protocol.into(),
            kind: RouteType::Unicast,
            scope: match step {
                Step::Delete => RouteScope::NoWhere,
                Step::Make | Step::Append => RouteScope::Universe,
            },
            flags: if onlink {
                RouteFlags::Onlink
            } else {
                RouteFlags::empty()
            },
            ..RouteHeader::default()
        }
    }

    fn legs(&mut self, prefix: IpNet, legs: &[Leg]) {
        if let [leg] = legs {
            if let Some(gateway) = gateway(prefix, leg) {
                self.attribute(&gateway);
            }
            return self.attribute(&RouteAttribute::Oif(leg.device));
        }
        let hops = legs.iter().map(|leg| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = leg.device;
            if leg.onlink {
                hop.flags = RouteNextHopFlags::Onlink;
            }
            hop.attributes.extend(gateway(prefix, leg));
            hop
        });
        self.attribute(&RouteAttribute::MultiPath(hops.collect()));
    }

    fn attribute(&mut self, attribute: &RouteAttribute) {
        self.put(attribute.buffer_len(), attribute);
    }

    fn put(&mut self, length: usize, what: &impl Emitable) {
        let at = self.bytes.len();
        self.bytes.resize(at + length, 0);
        what.emit(&mut self.bytes[at..]);
    }
}

fn gateway(prefix: IpNet, leg: &Leg) -> Option<RouteAttribute> {
    Some(match (prefix, leg.gateway?) {
        // RFC 8950: an IPv4 route with an IPv6 gateway.
        (IpNet::V4(_), IpAddr::V6(v6)) => RouteAttribute::Via(RouteVia::Inet6(v6)),
        (_, gateway) => RouteAttribute::Gateway(gateway.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Action, Route};
    use crate::netlink::decode;

    const MARK: Mark = Mark {
        table: 1000,
        protocol: 179,
        metric: 2000,
    };

    fn leg(gateway: &str, device: u32) -> Leg {
        let gateway: IpAddr = gateway.parse().unwrap();
        let onlink = crate::resolve::is_taken_for_onlink(gateway);
        Leg {
            gateway: Some(gateway),
            device,
            onlink,
        }
    }

    /// Kind, flags and route of each message.
    fn told(prefix: &str, old: &[Leg], new: &[Leg]) -> Vec<(u16, u16, Vec<Leg>)> {
        let legs = |legs: &[Leg]| (!legs.is_empty()).then(|| legs.into());
        let mut batch = Batch::new(MARK);
        batch.push(&Change {
            prefix: prefix.parse().unwrap(),
            old: legs(old),
            new: legs(new),
        });
        let bytes = batch.finish().to_vec();
        let messages = decode::messages(&bytes).map(|message| {
            let route = decode::route(message.payload(), &[1000]).unwrap();
            let ours = Route {
                prefix: prefix.parse().unwrap(),
                table: 1000,
                protocol: 179,
                metric: 2000,
                action: Action::Unicast,
                legs: route.legs.clone(),
            };
            assert_eq!(route, ours);
            (message.message_type(), message.flags(), route.legs)
        });
        messages.collect()
    }

    const MAKE: u16 = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
    const APPEND: u16 = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;

    #[test]
    fn a_change_is_told_as_it_is_read() {
        let (a, b, c) = (
            leg("10.0.0.1", 1),
            leg("10.0.0.2", 2),
            leg("2001:db8::1", 3),
        );
        assert_eq!(
            told("192.0.2.0/24", &[], &[a, c]),
            [(24, MAKE | NLM_F_ACK, vec![a, c])]
        );
        assert_eq!(
            told("192.0.2.0/24", &[a], &[a, b]),
            [
                (24, APPEND, vec![a, b]),
                (25, NLM_F_REQUEST | NLM_F_ACK, vec![a])
            ]
        );
        assert_eq!(
            told("0.0.0.0/0", &[a, b], &[]),
            [(25, NLM_F_REQUEST | NLM_F_ACK, vec![a, b])]
        );
    }

    #[test]
    fn of_an_ipv6_route_only_the_legs_that_differ_are_told() {
        let [a, b, c] = [1, 2, 3].map(|n| leg(&format!("2001:db8::{n}"), n));
        assert_eq!(
            told("2001:db8:ff::/48", &[a, b], &[b, c]),
            [
                (24, APPEND, vec![c]),
                (25, NLM_F_REQUEST | NLM_F_ACK, vec![a])
            ]
        );
        assert_eq!(
            told("::/0", &[a, b], &[]),
            [
                (25, NLM_F_REQUEST, vec![a]),
                (25, NLM_F_REQUEST | NLM_F_ACK, vec![b])
            ]
        );
    }

    #[test]
    fn no_message_replaces_and_answers_find_their_step() {
        let mut batch = Batch::new(MARK);
        let prefix: IpNet = "192.0.2.0/24".parse().unwrap();
        let change = |old: Option<u32>, new: Option<u32>| {
            let legs = |device| [leg("10.0.0.1", device)].into();
            Change {
                prefix,
                old: old.map(legs),
                new: new.map(legs),
            }
        };
        batch.push(&change(None, Some(1)));
        batch.push(&change(Some(1), Some(2)));
        let numbers: Vec<u32> = decode::messages(batch.finish())
            .map(|message| {
                assert_eq!(message.flags() & netlink_packet_core::NLM_F_REPLACE, 0);
                message.sequence_number()
            })
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(batch.step(2), Some((Step::Append, prefix)));
        assert!(batch.is_last(3) && !batch.is_last(2) && !batch.is_last(4));
        batch.clear();
        batch.push(&change(Some(1), None));
        assert_eq!(
            (batch.step(3), batch.step(4)),
            (None, Some((Step::Delete, prefix)))
        );
    }
}
