//! A few routers on one wire, and the product beside them: what tests of the orchestrator run on.
//!
//! ```text
//! world: sdwan server, a test ── mgmt ─┬──── R ────┐
//!                                      ├──── A ────┤
//!                                      └──── B ────┴─ wan (BGP)
//! ```
//!
//! Every node is a gobgpd of any release. [`Gobgpd`] is one with what a test asks of it, bare calls
//! that share nothing with the server's way; [`Server`] is the real program. A test tells from the
//! far side whether something is true: which routes a neighbor holds, how often its session fell.

mod gate;
mod gobgpd;
mod server;
mod speaker;
mod unnumbered;

pub use gate::Gate;
pub use gobgpd::Gobgpd;
pub use server::{Row, Server};
pub use speaker::{Silence, half_speaker, open};

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ipnet::Ipv4Net;
use tokio::runtime::Runtime;

use crate::network::{Machine, Network};
use crate::tools::Release;
use crate::topology::{MANAGEMENT, Node, Port, Topology};

/// The segment of the BGP sessions.
pub const WAN: &str = "wan";

/// Nodes on a wire.
#[derive(Clone)]
pub struct Fleet {
    ground: Arc<Ground>,
}

struct Ground {
    network: Network,
    wan: BTreeMap<&'static str, Ipv4Addr>,
    management: BTreeMap<&'static str, Ipv4Addr>,
    runtime: Runtime,
}

impl Fleet {
    /// Lays the wire and the nodes; no daemon runs yet.
    ///
    /// # Errors
    /// Outside of a world.
    pub fn lay(names: &[&'static str]) -> Result<Self> {
        let (mut wan, mut management, mut nodes) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (name, last) in names.iter().zip(1..) {
            let (own, of_management) = (
                Ipv4Addr::new(10, 0, 0, last),
                Ipv4Addr::new(192, 168, 200, last),
            );
            wan.insert(*name, own);
            management.insert(*name, of_management);
            nodes.push(Node {
                name,
                ports: vec![port(MANAGEMENT, of_management)?, port(WAN, own)?],
                gateway: None,
            });
        }
        let world = Ipv4Net::new(Ipv4Addr::new(192, 168, 200, 254), 24)?;
        let network = Network::lay(Topology {
            world: Some(world),
            nodes,
        })?;
        Ok(Self {
            ground: Arc::new(Ground {
                network,
                wan,
                management,
                runtime: Runtime::new()?,
            }),
        })
    }

    /// Starts a gobgpd with no configuration.
    ///
    /// # Errors
    /// When there is no such node, or it doesn't start.
    pub fn gobgpd(&self, node: &'static str, release: Release) -> Result<Gobgpd> {
        Gobgpd::start(self, node, release, None)
    }

    /// Starts a gobgpd with a configuration file, in TOML.
    ///
    /// # Errors
    /// When there is no such node, or it doesn't start.
    pub fn configured(
        &self,
        node: &'static str,
        release: Release,
        configuration: &str,
    ) -> Result<Gobgpd> {
        Gobgpd::start(self, node, release, Some(configuration))
    }

    /// A router that nobody manages, with BGP running: the far side of sessions. Of the release
    /// that counts its sessions' falls.
    ///
    /// # Errors
    /// As [`Self::gobgpd`].
    pub fn far(&self, node: &'static str, asn: u32) -> Result<Gobgpd> {
        let far = self.gobgpd(node, Release::V4_8)?;
        far.start_bgp(asn)?;
        Ok(far)
    }

    /// Where a node's sessions are.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn wan(&self, node: &str) -> Result<Ipv4Addr> {
        let address = self.ground.wan.get(node).copied();
        address.with_context(|| format!("the fleet has no {node}"))
    }

    /// Where a node's gobgpd is managed.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn management(&self, node: &str) -> Result<Ipv4Addr> {
        let address = self.ground.management.get(node).copied();
        address.with_context(|| format!("the fleet has no {node}"))
    }

    /// A node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn machine(&self, node: &str) -> Result<&Machine> {
        self.ground.network.machine(node)
    }

    /// Takes a node's interface down, or up again: of the management network, it is out of reach
    /// while its sessions live on.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn link(&self, node: &str, segment: &str, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        let netns = self.machine(node)?.netns();
        netns.ip(&format!("link set {segment} {state}\n"))
    }

    /// Runs a future to its end, where a test has calls of its own to make.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.ground.runtime.block_on(future)
    }

    /// For tasks that go on beside the test.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.ground.runtime
    }
}

fn port(segment: &'static str, address: Ipv4Addr) -> Result<Port> {
    Ok(Port {
        segment,
        address: Ipv4Net::new(address, 24)?,
    })
}
