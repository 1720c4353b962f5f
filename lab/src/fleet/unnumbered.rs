//! Sessions between link-local addresses: neighbors that are known by an interface alone.

use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::Result;

use super::{Fleet, Gobgpd, WAN};
use crate::tools::Release;
use crate::wait::{self, Seen};

const LIMIT: Duration = Duration::from_secs(90);

impl Fleet {
    /// A node's link-local address on the wire, once nobody else turned out to have it.
    ///
    /// # Errors
    /// When there is no such node, or it gets none.
    pub fn link_local(&self, node: &str) -> Result<Ipv6Addr> {
        let machine = self.machine(node)?;
        wait::until("a link-local address", LIMIT, || {
            let arguments = ["-6", "-o", "address", "show", "dev", WAN, "scope", "link"];
            let text = machine.run("ip", &arguments, None)?;
            let address = text.split_whitespace().nth(3);
            let address = address.filter(|_| !text.contains("tentative"));
            let address = address.and_then(|address| address.split('/').next()?.parse().ok());
            Ok(match address {
                Some(address) => Seen::Yes(address),
                None => Seen::NotYet(text),
            })
        })
    }

    /// Starts a gobgpd with one neighbor, `other`, that it knows by its interface. It looks for it
    /// in the kernel's table of neighbors, and ends if there is none.
    ///
    /// # Errors
    /// When there is no such node, the other one does not answer, or it doesn't start.
    pub fn by_interface(
        &self,
        node: &'static str,
        release: Release,
        other: Ipv6Addr,
    ) -> Result<Gobgpd> {
        let machine = self.machine(node)?;
        let other = format!("{other}%{WAN}");
        wait::until("the neighbor to answer", LIMIT, || {
            let ping = machine.run("ping", &["-6", "-c1", "-W1", &other], None);
            Ok(match ping {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        })?;
        let own = self.wan(node)?;
        let asn = 65000 + u32::from(own.octets()[3]);
        let configuration = format!(
            "[global.config]\nas = {asn}\nrouter-id = \"{own}\"\n\
             [[neighbors]]\n[neighbors.config]\nneighbor-interface = \"{WAN}\"\n"
        );
        self.configured(node, release, &configuration)
    }
}
