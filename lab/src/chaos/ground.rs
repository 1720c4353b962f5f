//! The ground of the run, as data: who there is, on which wires, and which sessions.
//!
//! ```text
//! the test itself ── mgmt ── every node: its own eyes and hands, which no fault touches
//!
//! etcd0 etcd1 etcd2 ── peer           among etcd's members
//! etcd0 etcd1 etcd2 ── store ── s0 s1 s2        servers to etcd
//!                                 oob ── s0 s1 s2 ── r00 .. r19     servers to gobgpds
//!                                                    wan            BGP
//! ```
//!
//! So each kind of partition is one wire that goes silent.
//!
//! AS 65000 is two route reflectors and their clients; each of the others is an AS of its own,
//! with two sessions into it. Everything is declared through the servers.

use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::Ipv4Net;

use crate::tools::Release;
use crate::topology::{MANAGEMENT, Node, Port, Topology};

/// The servers.
pub const SERVERS: [&str; 3] = ["s0", "s1", "s2"];

/// The etcd members.
pub const ETCDS: [&str; 3] = ["etcd0", "etcd1", "etcd2"];

/// The routers.
pub const ROUTERS: [&str; 20] = [
    "r00", "r01", "r02", "r03", "r04", "r05", "r06", "r07", "r08", "r09", "r10", "r11", "r12",
    "r13", "r14", "r15", "r16", "r17", "r18", "r19",
];

/// The first routers are route reflectors.
const REFLECTORS: usize = 2;

/// These and the reflectors are one AS.
const INSIDE: usize = 14;

/// The wire between servers and etcd.
pub const STORE: &str = "store";

/// The wire between etcd's members.
pub const PEER: &str = "peer";

/// The wire between servers and routers.
pub const OUT_OF_BAND: &str = "oob";

/// The wire of the BGP sessions.
pub const WAN: &str = "wan";

/// Where a node is on a wire: `index` is its place in its list.
#[must_use]
pub fn address(wire: &str, node: &str) -> Ipv4Addr {
    let place = |list: &[&str]| list.iter().position(|name| *name == node);
    // Each list has its own part of every network.
    let parts = [(&SERVERS[..], 10), (&ETCDS[..], 20), (&ROUTERS[..], 100)];
    let last = parts
        .into_iter()
        .find_map(|(list, from)| Some(from + u8::try_from(place(list)?).ok()?))
        .unwrap_or(254);
    match wire {
        STORE => Ipv4Addr::new(10, 2, 0, last),
        PEER => Ipv4Addr::new(10, 3, 0, last),
        OUT_OF_BAND => Ipv4Addr::new(10, 1, 0, last),
        WAN => Ipv4Addr::new(10, 0, 0, last),
        _ => Ipv4Addr::new(192, 168, 200, last),
    }
}

/// The topology of it all.
///
/// # Errors
/// None in practice: every network is a /24.
pub fn topology() -> Result<Topology> {
    let node = |name: &'static str, wires: &[&'static str]| {
        let ports = wires.iter().map(|wire| {
            let address = Ipv4Net::new(address(wire, name), 24)?;
            Ok(Port {
                segment: wire,
                address,
            })
        });
        let ports = ports.collect::<Result<_>>()?;
        Ok(Node {
            name,
            ports,
            gateway: None,
        })
    };
    let etcds = ETCDS
        .iter()
        .map(|name| node(name, &[MANAGEMENT, STORE, PEER]));
    let servers = SERVERS
        .iter()
        .map(|name| node(name, &[MANAGEMENT, STORE, OUT_OF_BAND]));
    let routers = ROUTERS
        .iter()
        .map(|name| node(name, &[MANAGEMENT, OUT_OF_BAND, WAN]));
    Ok(Topology {
        world: Some(Ipv4Net::new(address(MANAGEMENT, "the test"), 24)?),
        nodes: etcds.chain(servers).chain(routers).collect::<Result<_>>()?,
    })
}

/// A router's AS.
#[must_use]
pub fn asn(router: usize) -> u32 {
    let own = u32::try_from(router).unwrap_or_default();
    if router < INSIDE {
        65_000
    } else {
        65_000 + own
    }
}

/// A router's gobgpd: mostly the one that counts its sessions' falls, and each other one.
#[must_use]
pub fn release(router: usize) -> Release {
    match router {
        3 | 15 => Release::V3_36,
        7 => Release::V3_10,
        _ => Release::V4_8,
    }
}

/// Whether `router` reflects routes to `neighbor`.
#[must_use]
pub fn reflects(router: usize, neighbor: usize) -> bool {
    router < REFLECTORS && (REFLECTORS..INSIDE).contains(&neighbor)
}

/// All sessions, the lower router first.
#[must_use]
pub fn sessions() -> Vec<(usize, usize)> {
    let mut sessions = vec![(0, 1)];
    for client in REFLECTORS..INSIDE {
        sessions.extend((0..REFLECTORS).map(|reflector| (reflector, client)));
    }
    for (nth, outside) in (INSIDE..ROUTERS.len()).enumerate() {
        sessions.extend((0..2).map(|entry| (REFLECTORS + 2 * nth + entry, outside)));
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_can_be_laid() {
        let topology = topology().unwrap();
        assert_eq!(topology.faults(), Vec::<String>::new());
        assert_eq!(topology.nodes.len(), 26);
    }

    #[test]
    fn every_router_has_two_sessions_or_more_and_none_twice() {
        let sessions = sessions();
        let distinct: BTreeSet<_> = sessions.iter().collect();
        assert_eq!(distinct.len(), sessions.len());
        for (router, name) in ROUTERS.iter().enumerate() {
            let own = sessions
                .iter()
                .filter(|(a, b)| *a == router || *b == router);
            assert!(own.count() >= 2, "{name}");
        }
        assert!(sessions.iter().all(|(a, b)| a < b && *b < ROUTERS.len()));
    }

    #[test]
    fn every_release_plays_a_router_that_is_no_reflector() {
        let played: BTreeSet<_> = (REFLECTORS..ROUTERS.len()).map(release).collect();
        assert_eq!(played, BTreeSet::from(Release::ALL));
    }
}
