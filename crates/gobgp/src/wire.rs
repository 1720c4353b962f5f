//! The generated messages, kept from the outside, and a `Debug` that gives no
//! password away for those that carry one.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/gobgp.rs"));
}
pub(crate) use generated::*;

use std::fmt;

impl fmt::Debug for PeerConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConf")
            .field("neighbor_address", &self.neighbor_address)
            .field("peer_asn", &self.peer_asn)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AddPeerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddPeerRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for ListPeerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListPeerResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for UpdatePeerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdatePeerRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for watch_event_response::PeerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerEvent")
            .field("type", &self.r#type)
            .finish_non_exhaustive()
    }
}
