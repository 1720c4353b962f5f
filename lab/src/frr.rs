//! FRR's daemons on a node: zebra, and staticd and bgpd where there is work for them.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::Ipv4Net;

use crate::daemon::Daemon;
use crate::network::Machine;
use crate::tools;

/// What FRR does on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frr {
    /// Static routes.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// BGP, where it speaks it.
    pub bgp: Option<Bgp>,
}

/// A BGP speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bgp {
    /// Its AS.
    pub asn: u32,
    /// Its router id.
    pub router_id: Ipv4Addr,
    /// Keepalive interval and hold time that it offers, in seconds; FRR's own (60 and 180) if none.
    pub timers: Option<(u16, u16)>,
    /// Its neighbors and their ASes.
    pub neighbors: Vec<(Ipv4Addr, u32)>,
    /// Whether it offers its neighbors a default route.
    pub originates_default: bool,
    /// Networks that it originates; they need to be in its table.
    pub networks: Vec<Ipv4Net>,
}

impl Frr {
    /// Starts the daemons; each is ready for the next.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(&self, machine: &Machine) -> Result<Vec<Daemon>> {
        // vtysh asks for a password unless this names its user.
        fs::write(
            machine.folder().join("vtysh.conf"),
            "username root nopassword\n",
        )?;
        let mut daemons = vec![start(machine, "zebra", "")?];
        if !self.routes.is_empty() {
            daemons.push(start(machine, "staticd", &self.staticd_conf())?);
        }
        if let Some(bgp) = &self.bgp {
            daemons.push(start(machine, "bgpd", &bgp.bgpd_conf())?);
        }
        Ok(daemons)
    }

    fn staticd_conf(&self) -> String {
        self.routes
            .iter()
            .map(|(to, via)| format!("ip route {to} {via}\n"))
            .collect()
    }
}

impl Bgp {
    fn bgpd_conf(&self) -> String {
        let mut text = format!(
            "router bgp {}\n bgp router-id {}\n",
            self.asn, self.router_id
        );
        // RFC 8212 asks for policies that the demo's Quagga knew nothing of.
        text += " no bgp ebgp-requires-policy\n";
        if let Some((keepalive, hold)) = self.timers {
            // Writing to a string can't fail.
            let _ = writeln!(text, " timers bgp {keepalive} {hold}");
        }
        for (address, asn) in &self.neighbors {
            let _ = writeln!(text, " neighbor {address} remote-as {asn}");
            let _ = writeln!(text, " neighbor {address} timers connect 1");
        }
        text += " address-family ipv4 unicast\n";
        for network in &self.networks {
            let _ = writeln!(text, "  network {network}");
        }
        if self.originates_default {
            for (address, _) in &self.neighbors {
                let _ = writeln!(text, "  neighbor {address} default-originate");
            }
        }
        text += " exit-address-family\n";
        text
    }
}

/// Starts one of FRR's daemons and waits for its terminal's socket; the paths that it was built
/// with are root's, so each is named.
fn start(machine: &Machine, daemon: &str, configuration: &str) -> Result<Daemon> {
    let folder = machine.folder();
    let file = folder.join(format!("{daemon}.conf"));
    fs::write(
        &file,
        format!("hostname {}\n{configuration}", machine.name()),
    )?;
    let socket = folder.join(format!("{daemon}.vty"));
    let _ = fs::remove_file(&socket);
    let mut command = machine.command(&tools::tool(daemon)?.display().to_string(), None)?;
    command.arg("--config_file").arg(&file);
    command
        .arg("--pid_file")
        .arg(folder.join(format!("{daemon}.pid")));
    command.arg("--socket").arg(folder.join("zserv.api"));
    command.arg("--vty_socket").arg(folder);
    // No terminal by TCP; the socket serves vtysh.
    command.args([
        "--vty_port",
        "0",
        "--log",
        "stdout",
        "--log-level",
        "informational",
    ]);
    let mut started = Daemon::start(machine, daemon, command)?;
    started.wait_for_file(&socket)?;
    Ok(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_srx_offers_a_default_route_and_nine_seconds() {
        let bgp = Bgp {
            asn: 65000,
            router_id: [10, 0, 0, 2].into(),
            timers: Some((3, 9)),
            neighbors: vec![([192, 168, 0, 2].into(), 65001)],
            originates_default: true,
            networks: vec![],
        };
        assert_eq!(
            bgp.bgpd_conf(),
            "router bgp 65000\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n \
             timers bgp 3 9\n neighbor 192.168.0.2 remote-as 65001\n \
             neighbor 192.168.0.2 timers connect 1\n address-family ipv4 unicast\n  \
             neighbor 192.168.0.2 default-originate\n exit-address-family\n"
        );
    }
}
