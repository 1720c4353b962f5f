//! keepalived on a node: one VRRP router with one virtual address.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::Ipv4Net;

use crate::daemon::Daemon;
use crate::network::Machine;
use crate::tools;

/// A VRRP router (RFC 3768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vrrp {
    /// The interface that it shares with its partners.
    pub interface: &'static str,
    /// The virtual router's number, 1 to 255.
    pub id: u8,
    /// The highest present owns the address, 1 to 254.
    pub priority: u8,
    /// The virtual address.
    pub address: Ipv4Net,
}

impl Vrrp {
    /// Starts keepalived.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(&self, machine: &Machine) -> Result<Daemon> {
        let folder = machine.folder();
        let file = folder.join("keepalived.conf");
        fs::write(&file, self.configuration(machine.name()))?;
        let mut command =
            machine.command(&tools::tool("keepalived")?.display().to_string(), None)?;
        command
            .args(["--dont-fork", "--log-console", "--vrrp", "--use-file"])
            .arg(&file);
        command.arg("--pid").arg(folder.join("keepalived.pid"));
        command
            .arg("--vrrp_pid")
            .arg(folder.join("keepalived-vrrp.pid"));
        Daemon::start(machine, "keepalived", command)
    }

    fn configuration(&self, name: &str) -> String {
        let Self {
            interface,
            id,
            priority,
            address,
        } = self;
        format!(
            "global_defs {{\n  router_id {name}\n}}\nvrrp_instance lan {{\n  state BACKUP\n  \
             interface {interface}\n  virtual_router_id {id}\n  priority {priority}\n  \
             advert_int 1\n  virtual_ipaddress {{\n    {address}\n  }}\n}}\n"
        )
    }
}

/// Whether a node has an address now.
///
/// # Errors
/// When `ip` fails.
pub fn has_address(machine: &Machine, address: Ipv4Addr) -> Result<bool> {
    let listed = machine.run("ip", &["-oneline", "-4", "address"], None)?;
    Ok(listed.contains(&format!(" {address}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_virtual_address() {
        let vrrp = Vrrp {
            interface: "lan3",
            id: 3,
            priority: 150,
            address: Ipv4Net::new_assert([192, 168, 3, 100].into(), 24),
        };
        let text = vrrp.configuration("SRX-1");
        assert!(
            text.contains("  interface lan3\n  virtual_router_id 3\n  priority 150\n"),
            "{text}"
        );
        assert!(text.contains("    192.168.3.100/24\n"), "{text}");
    }
}
