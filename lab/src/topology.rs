//! Networks as data: segments, nodes and the addresses where they meet.
//!
//! [`seed`] is the network of the demo; tests may declare others. [`crate::network`] lays one.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The segment that the world itself is on: the management network.
pub const MANAGEMENT: &str = "mgmt";

/// The longest name that Linux gives an interface.
const LONGEST_INTERFACE: usize = 15;

/// Nodes on segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The world's own address on the management network, with its prefix length.
    pub world: Option<Ipv4Net>,
    /// Machines; each gets a network namespace.
    pub nodes: Vec<Node>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, also that of its network namespace.
    pub name: &'static str,
    /// Its interfaces, each named after its segment.
    pub ports: Vec<Port>,
    /// Its default gateway, where it has one of its own (routers get routes from their daemons).
    pub gateway: Option<Ipv4Addr>,
}

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The segment that it is on.
    pub segment: &'static str,
    /// Its address, with the prefix length.
    pub address: Ipv4Net,
}

impl Topology {
    /// All segments, each once, in order.
    #[must_use]
    pub fn segments(&self) -> BTreeSet<&'static str> {
        let ports = self.nodes.iter().flat_map(|node| &node.ports);
        let management = self.world.map(|_| MANAGEMENT);
        ports.map(|port| port.segment).chain(management).collect()
    }

    /// What can't be laid; empty for a sound topology.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for node in &self.nodes {
            if !names.insert(node.name) {
                faults.push(format!("two nodes are named {}", node.name));
            }
            let mut segments = BTreeSet::new();
            for port in &node.ports {
                if !segments.insert(port.segment) {
                    faults.push(format!("{} is on {} twice", node.name, port.segment));
                }
                if !addresses.insert(port.address.addr()) {
                    faults.push(format!("{} is given twice", port.address.addr()));
                }
                let wire = wire_end(node.name, port.segment);
                if wire.len() > LONGEST_INTERFACE {
                    faults.push(format!(
                        "{wire} is longer than {LONGEST_INTERFACE} characters"
                    ));
                }
            }
        }
        faults
    }
}

/// The name of the cable's other end, at the segment's bridge.
#[must_use]
pub fn wire_end(node: &str, segment: &str) -> String {
    format!("{node}.{segment}")
}

/// The demo's network: the seed's, with a host behind Quagga-1.
///
/// ```text
/// host1 ─ lan100 ─ Quagga-1 ─ lan3 ┬ SRX-1 ─ net0 ─ GoBGP-1 ─ core0 ┐
///                                  └ SRX-2 ─ net1 ─ GoBGP-2 ─ core1 ┴ GoBGP-3 ─ net2 ─ Quagga-2 ─ lan101 ─ pc1
/// ```
#[must_use]
pub fn seed() -> Topology {
    Topology {
        world: Some(network([192, 168, 200, 1])),
        nodes: vec![
            host(
                "host1",
                port("lan100", [192, 168, 100, 1]),
                [192, 168, 100, 201],
            ),
            router(
                "Quagga-1",
                &[("lan100", [192, 168, 100, 201]), ("lan3", [192, 168, 3, 1])],
            ),
            router(
                "SRX-1",
                &[("lan3", [192, 168, 3, 101]), ("net0", [192, 168, 0, 1])],
            ),
            router(
                "SRX-2",
                &[("lan3", [192, 168, 3, 102]), ("net1", [192, 168, 1, 1])],
            ),
            router(
                "GoBGP-1",
                &[
                    ("net0", [192, 168, 0, 2]),
                    ("core0", [172, 16, 0, 1]),
                    (MANAGEMENT, [192, 168, 200, 103]),
                ],
            ),
            router(
                "GoBGP-2",
                &[
                    ("net1", [192, 168, 1, 2]),
                    ("core1", [172, 16, 1, 1]),
                    (MANAGEMENT, [192, 168, 200, 104]),
                ],
            ),
            router(
                "GoBGP-3",
                &[
                    ("core0", [172, 16, 0, 2]),
                    ("core1", [172, 16, 1, 2]),
                    ("net2", [192, 168, 2, 1]),
                    (MANAGEMENT, [192, 168, 200, 105]),
                ],
            ),
            router(
                "Quagga-2",
                &[("net2", [192, 168, 2, 2]), ("lan101", [192, 168, 101, 1])],
            ),
            host(
                "pc1",
                port("lan101", [192, 168, 101, 2]),
                [192, 168, 101, 1],
            ),
        ],
    }
}

fn router(name: &'static str, ports: &[(&'static str, [u8; 4])]) -> Node {
    let ports = ports
        .iter()
        .map(|&(segment, address)| port(segment, address))
        .collect();
    Node {
        name,
        ports,
        gateway: None,
    }
}

fn host(name: &'static str, port: Port, gateway: [u8; 4]) -> Node {
    Node {
        name,
        ports: vec![port],
        gateway: Some(gateway.into()),
    }
}

fn port(segment: &'static str, address: [u8; 4]) -> Port {
    Port {
        segment,
        address: network(address),
    }
}

/// Every network of the seed is a /24.
fn network(address: [u8; 4]) -> Ipv4Net {
    Ipv4Net::new_assert(address.into(), 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_network_can_be_laid() {
        assert_eq!(seed().faults(), Vec::<String>::new());
        assert_eq!(seed().nodes.len(), 9);
        assert_eq!(
            seed().segments().into_iter().collect::<Vec<_>>(),
            [
                "core0", "core1", "lan100", "lan101", "lan3", "mgmt", "net0", "net1", "net2"
            ]
        );
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut topology = seed();
        topology
            .nodes
            .push(router("GoBGP-1", &[("net0", [192, 168, 0, 1])]));
        topology
            .nodes
            .push(router("a-long-name", &[("a-segment", [10, 0, 0, 1])]));
        assert_eq!(
            topology.faults(),
            [
                "two nodes are named GoBGP-1",
                "192.168.0.1 is given twice",
                "a-long-name.a-segment is longer than 15 characters"
            ]
        );
    }
}
