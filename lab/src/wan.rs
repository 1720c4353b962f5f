//! The demo's WAN with all its daemons: FRR stands in for Quagga and the SRXs, keepalived gives
//! the SRXs their common address, and GoBGP-1 to GoBGP-3 are real gobgpds with no configuration.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use ipnet::Ipv4Net;

use crate::daemon::Daemon;
use crate::frr::{Bgp, Frr};
use crate::gobgp::{self, Route};
use crate::network::{Machine, Network};
use crate::tools::Release;
use crate::topology;
use crate::vrrp::Vrrp;
use crate::world;

/// The routers that `sdwan` manages.
pub const GOBGPS: [&str; 3] = ["GoBGP-1", "GoBGP-2", "GoBGP-3"];

/// The SRXs' common address.
pub const VIRTUAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 3, 100);

/// Keepalive interval and hold time that the SRXs offer, in seconds: a dead link is noticed soon.
const SRX_TIMERS: (u16, u16) = (3, 9);

/// The WAN. Its daemons end with it.
#[derive(Debug)]
pub struct Wan {
    release: Release,
    // Before the network: a daemon goes before its node.
    daemons: BTreeMap<&'static str, Vec<Daemon>>,
    network: Network,
}

impl Wan {
    /// Lays the network; no daemon runs yet.
    ///
    /// # Errors
    /// Outside of a world.
    pub fn lay(release: Release) -> Result<Self> {
        let network = Network::lay(topology::seed())?;
        std::fs::write(world::RELEASE_FILE, release.name())?;
        Ok(Self {
            release,
            daemons: BTreeMap::new(),
            network,
        })
    }

    /// Lays the network and starts all daemons.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn up(release: Release) -> Result<Self> {
        let mut wan = Self::lay(release)?;
        wan.start_frr()?;
        wan.start_vrrp()?;
        wan.start_gobgpds()?;
        wan.start_agents()?;
        Ok(wan)
    }

    /// Starts FRR on Quagga-1, SRX-1, SRX-2 and Quagga-2.
    ///
    /// # Errors
    /// When one of its daemons does not come up.
    pub fn start_frr(&mut self) -> Result<()> {
        for (node, frr) in frr_nodes() {
            let started = frr.start(self.network.machine(node)?)?;
            self.daemons.entry(node).or_default().extend(started);
        }
        Ok(())
    }

    /// Starts keepalived on the SRXs; SRX-1 is the one to own the address.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_vrrp(&mut self) -> Result<()> {
        for (node, priority) in [("SRX-1", 150), ("SRX-2", 100)] {
            let address = Ipv4Net::new_assert(VIRTUAL_ADDRESS, 24);
            let vrrp = Vrrp {
                interface: "lan3",
                id: 3,
                priority,
                address,
            };
            let started = vrrp.start(self.network.machine(node)?)?;
            self.daemons.entry(node).or_default().push(started);
        }
        Ok(())
    }

    /// Starts the three gobgpds.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub fn start_gobgpds(&mut self) -> Result<()> {
        GOBGPS
            .into_iter()
            .try_for_each(|node| self.start_gobgpd(node))
    }

    /// Starts one gobgpd, empty.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_gobgpd(&mut self, node: &'static str) -> Result<()> {
        let started = Daemon::gobgpd(self.network.machine(node)?, self.release)?;
        self.daemons.entry(node).or_default().push(started);
        Ok(())
    }

    /// Starts an agent beside each gobgpd, so that packets follow BGP.
    ///
    /// # Errors
    /// When one ends.
    pub fn start_agents(&mut self) -> Result<()> {
        for node in GOBGPS {
            let started = Daemon::agent(self.network.machine(node)?)?;
            self.daemons.entry(node).or_default().push(started);
        }
        Ok(())
    }

    /// Kills all daemons of a node at once; its cables stay.
    ///
    /// # Errors
    /// When one can't be killed.
    pub fn kill_daemons(&mut self, node: &str) -> Result<()> {
        let daemons = self.daemons.remove(node).unwrap_or_default();
        daemons.into_iter().try_for_each(Daemon::kill)
    }

    /// Halts a node as if its power failed: first its cables go dead, so that no FIN and no
    /// NOTIFICATION of a dying daemon gets out, then its daemons.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn halt(&mut self, node: &str) -> Result<()> {
        self.network.cut(node)?;
        self.kill_daemons(node)
    }

    /// The release of its gobgpds.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// One of its nodes.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.network.machine(name)
    }

    /// A daemon of a node, by its program's name.
    ///
    /// # Errors
    /// When it does not run there.
    pub fn daemon(&self, node: &str, program: &str) -> Result<&Daemon> {
        let name = format!("{program} on {node}");
        let mut daemons = self.daemons.get(node).into_iter().flatten();
        daemons
            .find(|daemon| daemon.name() == name)
            .with_context(|| format!("there is no {name}"))
    }

    /// Fails if a daemon has ended that nobody ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn check(&mut self) -> Result<()> {
        self.daemons
            .values_mut()
            .flatten()
            .try_for_each(Daemon::check)
    }

    /// Runs `gobgp` on a node.
    ///
    /// # Errors
    /// When it fails.
    pub fn gobgp(&self, node: &str, arguments: &[&str]) -> Result<String> {
        self.machine(node)?
            .run("gobgp", arguments, Some(self.release))
    }

    /// A gobgpd's table.
    ///
    /// # Errors
    /// When `gobgp` fails.
    pub fn rib(&self, node: &str) -> Result<Vec<Route>> {
        Ok(gobgp::rib(&self.gobgp(node, &["global", "rib"])?))
    }

    /// Runs a command of FRR's on a node.
    ///
    /// # Errors
    /// When it fails.
    pub fn vtysh(&self, node: &str, command: &str) -> Result<String> {
        self.machine(node)?.run("vtysh", &["-c", command], None)
    }
}

/// What FRR does where.
fn frr_nodes() -> [(&'static str, Frr); 4] {
    let default = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);
    let network = |third| Ipv4Net::new_assert([192, 168, third, 0].into(), 24);
    let srx = |last, neighbor: [u8; 4]| Frr {
        routes: vec![(network(100), [192, 168, 3, 1].into())],
        bgp: Some(Bgp {
            asn: 65000,
            router_id: [10, 0, 0, last].into(),
            timers: Some(SRX_TIMERS),
            neighbors: vec![(neighbor.into(), 65001)],
            originates_default: true,
            networks: vec![],
        }),
    };
    let quagga_1 = Frr {
        routes: vec![(default, VIRTUAL_ADDRESS)],
        bgp: None,
    };
    let quagga_2 = Frr {
        routes: vec![],
        bgp: Some(Bgp {
            asn: 65002,
            router_id: [10, 0, 0, 4].into(),
            timers: None,
            neighbors: vec![([192, 168, 2, 1].into(), 65001)],
            originates_default: false,
            networks: vec![network(101)],
        }),
    };
    [
        ("Quagga-1", quagga_1),
        ("SRX-1", srx(2, [192, 168, 0, 2])),
        ("SRX-2", srx(3, [192, 168, 1, 2])),
        ("Quagga-2", quagga_2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_that_frr_plays_is_in_the_topology() {
        let seed = topology::seed();
        for (node, _) in frr_nodes() {
            assert!(seed.nodes.iter().any(|known| known.name == node), "{node}");
        }
    }

    #[test]
    fn every_neighbor_is_on_a_common_segment() {
        let seed = topology::seed();
        for (name, frr) in frr_nodes() {
            let node = seed.nodes.iter().find(|node| node.name == name).unwrap();
            for (address, _) in frr.bgp.iter().flat_map(|bgp| &bgp.neighbors) {
                assert!(
                    node.ports.iter().any(|port| port.address.contains(address)),
                    "{address}"
                );
            }
        }
    }
}
