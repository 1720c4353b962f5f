//! `statement_action`: GoBGP's own command-line grammar for what a policy
//! statement does to a route (`gobgp policy statement NAME add action ...`).

use std::net::IpAddr;

/// What a statement changes in a route that it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `community add|remove|replace VALUE...`; values in canonical text.
    Community(SetOp, Vec<String>),
    /// `ext-community add|remove|replace VALUE...`.
    ExtCommunity(SetOp, Vec<String>),
    /// `large-community add|remove|replace VALUE...`.
    LargeCommunity(SetOp, Vec<String>),
    /// `med +N | -N`: relative.
    MedAdjust(i64),
    /// `med N`: absolute.
    MedSet(u32),
    /// `local-pref N`.
    LocalPref(u32),
    /// `as-prepend ASN N`; `None` is `last-as`. 1 to 255 times.
    AsPrepend(Option<u32>, u8),
    /// `next-hop ADDRESS|self|unchanged|peer-address`.
    NextHop(NextHop),
}

/// How a community action treats what a route already carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// Adds to it.
    Add,
    /// Takes from it.
    Remove,
    /// Stands instead of it.
    Replace,
}

/// A next hop to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// This address.
    Address(IpAddr),
    /// The router's own address on the session.
    SelfAddress,
    /// As received.
    Unchanged,
    /// The neighbor's address.
    PeerAddress,
}

impl std::str::FromStr for Action {
    type Err = String;

    /// Reads GoBGP's grammar; the error says what was expected where.
    fn from_str(_text: &str) -> Result<Self, String> {
        todo!("grammar")
    }
}

impl std::fmt::Display for Action {
    /// Canonical text: parsing it gives the same action.
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!("grammar")
    }
}
