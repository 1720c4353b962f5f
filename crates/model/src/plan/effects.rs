//! What `UpdatePeer` does with each of our fields, by version. Measured on
//! 3.10.0, 3.36.0 and 4.8.0 with an established session; boundaries between
//! them are from GoBGP's history.
//!
//! | field                  | up to 3.14 | 3.15 to 3.37 | 4     |
//! |------------------------|------------|--------------|-------|
//! | peer_as                | reset      | reset        | reset |
//! | description            | reset      | reset        | reset |
//! | auth_password          | reset      | reset        | reset |
//! | local_address, passive | reset      | reset        | reset |
//! | families               | reset      | reset        | reset |
//! | admin_state            | reset      | reset        | reset |
//! | ebgp_multihop          | ignored    | live         | reset |
//! | route_reflector_client | ignored    | ignored      | ignored |
//! | hold_time, keepalive   | stored     | stored       | stored |
//!
//! "Stored" is listed from then on but not used before the session comes up
//! again: worse than ignored, because it looks done.

use crate::observed::{Api, Version};

/// A declared field of a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    PeerAs,
    Description,
    AuthPassword,
    HoldTime,
    KeepaliveInterval,
    LocalAddress,
    Passive,
    EbgpMultihop,
    RouteReflectorClient,
    Families,
    AdminState,
}

/// What `UpdatePeer` does with a changed field. Worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OnUpdate {
    /// In force at once, the session stays.
    Live,
    /// gobgpd takes the peer down and adds it again itself.
    Reset,
    /// Not in force, whatever a listing says: the peer has to be deleted and
    /// added again.
    Ignored,
}

impl Field {
    /// The property's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PeerAs => "peer_as",
            Self::Description => "description",
            Self::AuthPassword => "auth_password",
            Self::HoldTime => "hold_time",
            Self::KeepaliveInterval => "keepalive_interval",
            Self::LocalAddress => "local_address",
            Self::Passive => "passive",
            Self::EbgpMultihop => "ebgp_multihop",
            Self::RouteReflectorClient => "route_reflector_client",
            Self::Families => "families",
            Self::AdminState => "admin_state",
        }
    }

    /// See the module's table. An unknown minor version is the worst of its
    /// major.
    pub(super) fn on_update(self, version: Version) -> OnUpdate {
        match self {
            Self::HoldTime | Self::KeepaliveInterval | Self::RouteReflectorClient => {
                OnUpdate::Ignored
            }
            Self::EbgpMultihop => match (version.api, version.minor) {
                (Api::V3, Some(minor)) if minor >= 15 => OnUpdate::Live,
                (Api::V3, _) => OnUpdate::Ignored,
                (Api::V4, _) => OnUpdate::Reset,
            },
            Self::PeerAs
            | Self::Description
            | Self::AuthPassword
            | Self::LocalAddress
            | Self::Passive
            | Self::Families
            | Self::AdminState => OnUpdate::Reset,
        }
    }
}

/// Whether a soft reset out withdraws routes that a policy newly rejects
/// (4.6.0 and newer). Before, the neighbor keeps them until its session falls.
pub(super) fn soft_out_withdraws(version: Version) -> bool {
    version.api == Api::V4 && version.minor.is_some_and(|minor| minor >= 6)
}

/// Whether a statement can set the next hop to the peer's address (3.28.0
/// and newer; before, the field is unknown and silently dropped).
pub(super) fn knows_peer_address(version: Version) -> bool {
    version.api == Api::V4 || version.minor.is_some_and(|minor| minor >= 28)
}

/// A version for messages, e.g. `GoBGP 3.10` or `GoBGP 4`.
pub(super) fn version_text(version: Version) -> String {
    let major = match version.api {
        Api::V3 => 3,
        Api::V4 => 4,
    };
    match version.minor {
        Some(minor) => format!("GoBGP {major}.{minor}"),
        None => format!("GoBGP {major} (gobgp_version is not declared, so the oldest is assumed)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_minor_version_is_the_worst_of_its_major() {
        let version = |api, minor| Version { api, minor };
        let known: Vec<u16> = (0..60).collect();
        for api in [Api::V3, Api::V4] {
            let unknown = version(api, None);
            for minor in &known {
                let known = version(api, Some(*minor));
                assert!(
                    Field::EbgpMultihop.on_update(unknown) >= Field::EbgpMultihop.on_update(known)
                );
                assert!(soft_out_withdraws(unknown) <= soft_out_withdraws(known));
                assert!(knows_peer_address(unknown) <= knows_peer_address(known));
            }
        }
    }
}
