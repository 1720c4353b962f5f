//! The speaker itself.

use super::address_text;
use crate::wire;

/// What `StartBgp` sets and `GetBgp` tells. gobgpd reads nothing else of its
/// global configuration back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// The local AS; 0 until BGP is started.
    pub asn: u32,
    /// BGP identifier as text; empty until BGP is started.
    pub router_id: String,
    /// TCP port to listen on; -1 listens nowhere, 0 is gobgpd's default of 179.
    pub listen_port: i32,
    /// Addresses to listen on; empty is all.
    pub listen_addresses: Vec<String>,
    /// Whether several equal paths are used side by side.
    pub use_multiple_paths: bool,
}

impl Global {
    pub(crate) fn to_wire(&self) -> wire::Global {
        wire::Global {
            asn: self.asn,
            router_id: self.router_id.clone(),
            listen_port: self.listen_port,
            listen_addresses: self.listen_addresses.clone(),
            use_multiple_paths: self.use_multiple_paths,
        }
    }

    pub(crate) fn from_wire(global: wire::Global) -> Self {
        Self {
            asn: global.asn,
            router_id: address_text(global.router_id),
            listen_port: global.listen_port,
            listen_addresses: global.listen_addresses,
            use_multiple_paths: global.use_multiple_paths,
        }
    }
}
