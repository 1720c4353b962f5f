//! Laying a topology: a network namespace for each node, a bridge for each segment, a cable for
//! each port.
//!
//! The bridges are in a namespace that no node sees, the management network's in the world's own.
//! So a cable can be cut at its far end: a node whose cable is cut says no goodbye, and the nodes
//! on the other side of the segment keep their carrier.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};

use crate::netns::{self, Netns};
use crate::tools::{self, Release};
use crate::topology::{MANAGEMENT, Node, Topology, wire_end};
use crate::world;

/// The namespace that holds the segments' bridges.
const WIRES: &str = "wires";

/// A topology that stands.
#[derive(Debug)]
pub struct Network {
    topology: Topology,
    wires: Netns,
    machines: BTreeMap<&'static str, Machine>,
}

/// A node that stands.
#[derive(Debug)]
pub struct Machine {
    name: &'static str,
    netns: Netns,
    folder: PathBuf,
}

impl Network {
    /// Lays a topology.
    ///
    /// # Errors
    /// When it is not sound, or outside of a world.
    pub fn lay(topology: Topology) -> Result<Self> {
        let faults = topology.faults();
        anyhow::ensure!(
            faults.is_empty(),
            "the topology can't be laid: {}",
            faults.join("; ")
        );
        let wires = Netns::create(WIRES)?;
        let mut machines = BTreeMap::new();
        for node in &topology.nodes {
            machines.insert(node.name, Machine::create(node)?);
        }
        let network = Self {
            topology,
            wires,
            machines,
        };
        network.connect()?;
        write_vtysh_starter()?;
        Ok(network)
    }

    fn connect(&self) -> Result<()> {
        self.wires.ip(&cables(&self.topology, false))?;
        netns::ip_here(&cables(&self.topology, true))?;
        for node in &self.topology.nodes {
            self.machine(node.name)?.netns.ip(&interfaces(node))?;
        }
        Ok(())
    }

    /// What was laid.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A node.
    ///
    /// # Errors
    /// When the topology has none of this name.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.machines
            .get(name)
            .with_context(|| format!("the lab has no node {name}"))
    }

    /// All nodes, by name.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    /// Cuts all cables of a node at their far ends.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn cut(&self, node: &str) -> Result<()> {
        self.set_cables(node, "down")
    }

    /// Mends what [`Self::cut`] cut.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn mend(&self, node: &str) -> Result<()> {
        self.set_cables(node, "up")
    }

    /// Lets nothing through between a node and a segment, in either direction. Unlike with a cut
    /// cable, no interface of the node notices: what is sent is lost without a word.
    ///
    /// # Errors
    /// When the node is not on that segment.
    pub fn silence(&self, node: &str, segment: &str) -> Result<()> {
        let wire = wire_end(node, segment);
        self.ip_of(segment, &format!("link set {wire} nomaster\n"))
    }

    /// Undoes [`Self::silence`].
    ///
    /// # Errors
    /// When the node is not on that segment.
    pub fn hear(&self, node: &str, segment: &str) -> Result<()> {
        let wire = wire_end(node, segment);
        self.ip_of(segment, &format!("link set {wire} master {segment}\n"))
    }

    /// Runs lines of `ip` where a segment's bridge is.
    fn ip_of(&self, segment: &str, lines: &str) -> Result<()> {
        if segment == MANAGEMENT {
            netns::ip_here(lines)
        } else {
            self.wires.ip(lines)
        }
    }

    fn set_cables(&self, name: &str, state: &str) -> Result<()> {
        let node = self.topology.nodes.iter().find(|node| node.name == name);
        let node = node.with_context(|| format!("the lab has no node {name}"))?;
        for port in &node.ports {
            let line = format!("link set {} {state}\n", wire_end(name, port.segment));
            self.ip_of(port.segment, &line)?;
        }
        Ok(())
    }
}

/// The bridges and cables of the management network, or of all other segments, in `ip`'s words.
fn cables(topology: &Topology, management: bool) -> String {
    let mut lines = String::new();
    let ours = |segment: &str| (segment == MANAGEMENT) == management;
    for segment in topology
        .segments()
        .into_iter()
        .filter(|segment| ours(segment))
    {
        // Writing to a string can't fail.
        let _ = writeln!(
            lines,
            "link add {segment} type bridge forward_delay 0 mcast_snooping 0"
        );
        let _ = writeln!(lines, "link set {segment} up");
    }
    if let Some(address) = topology.world.filter(|_| management) {
        let _ = writeln!(lines, "address add {address} dev {MANAGEMENT}");
    }
    for node in &topology.nodes {
        for port in node.ports.iter().filter(|port| ours(port.segment)) {
            let (wire, segment, name) =
                (wire_end(node.name, port.segment), port.segment, node.name);
            let _ = writeln!(
                lines,
                "link add {wire} type veth peer name {segment} netns {name}"
            );
            let _ = writeln!(lines, "link set {wire} master {segment} up");
        }
    }
    lines
}

/// A node's own side.
fn interfaces(node: &Node) -> String {
    let mut lines = String::new();
    for port in &node.ports {
        let _ = writeln!(lines, "address add {} dev {}", port.address, port.segment);
        let _ = writeln!(lines, "link set {} up", port.segment);
    }
    if let Some(gateway) = node.gateway {
        let _ = writeln!(lines, "route add default via {gateway}");
    }
    lines
}

impl Machine {
    fn create(node: &Node) -> Result<Self> {
        let netns = Netns::create(node.name)?;
        let folder = Path::new(world::FOLDER).join(node.name);
        fs::create_dir_all(&folder)?;
        if node.gateway.is_none() {
            let forward = || Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?);
            netns
                .enter(forward)
                .with_context(|| format!("{} can't forward packets", node.name))?;
        }
        Ok(Self {
            name: node.name,
            netns,
            folder,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its network namespace.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Its own folder, for configuration, sockets and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command for this node: it finds the tools, and gobgp where a release is named. Start it
    /// with [`Netns::spawn`] or [`Netns::output`].
    ///
    /// # Errors
    /// When the set-up has not run.
    pub fn command(&self, program: &str, release: Option<Release>) -> Result<Command> {
        let mut command = Command::new(program);
        command
            .env("PATH", tools::path(release)?)
            .env(NODE, self.name);
        command.current_dir(&self.folder);
        Ok(command)
    }

    /// Runs a command on this node and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run(
        &self,
        program: &str,
        arguments: &[&str],
        release: Option<Release>,
    ) -> Result<String> {
        let mut command = self.command(program, release)?;
        text(self.netns.output(command.args(arguments))?)
            .with_context(|| format!("{}: {program} {}", self.name, arguments.join(" ")))
    }
}

/// What a command printed.
///
/// # Errors
/// When it failed, with what it said.
pub fn text(output: Output) -> Result<String> {
    let (out, err) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    if !output.status.success() {
        bail!("{}: {}{}", output.status, err.trim(), out.trim());
    }
    Ok(out)
}

/// Tells a command which node it runs on.
pub const NODE: &str = "SDWAN_LAB_NODE";

/// `vtysh` on a node means that node's daemons, and asks no password.
fn write_vtysh_starter() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = Path::new(world::FOLDER).join("bin/vtysh");
    let real = tools::tool("vtysh")?
        .display()
        .to_string()
        .replace('\'', r"'\''");
    let own = format!("{}/\"${NODE}\"", world::FOLDER);
    fs::write(
        &path,
        format!("#!/bin/sh\nexec '{real}' --config_dir {own} --vty_socket {own} \"$@\"\n"),
    )?;
    Ok(fs::set_permissions(
        &path,
        fs::Permissions::from_mode(0o755),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn management_is_laid_apart() {
        let seed = topology::seed();
        let (own, other) = (cables(&seed, true), cables(&seed, false));
        assert_eq!(own.matches("type bridge").count(), 1);
        assert_eq!(other.matches("type bridge").count(), 8);
        assert!(own.contains("address add 192.168.200.1/24 dev mgmt\n"));
        assert!(own.contains("link add GoBGP-3.mgmt type veth peer name mgmt netns GoBGP-3\n"));
        assert!(!other.contains("mgmt"));
    }

    #[test]
    fn a_host_has_a_gateway_and_an_interface_the_segments_name() {
        let seed = topology::seed();
        let pc1 = seed.nodes.iter().find(|node| node.name == "pc1").unwrap();
        assert_eq!(
            interfaces(pc1),
            "address add 192.168.101.2/24 dev lan101\nlink set lan101 up\n\
             route add default via 192.168.101.1\n"
        );
    }
}
