//! Defined sets: what a policy's conditions match against.

use super::wire_enum;
use crate::dialect::Api;
use crate::wire;

wire_enum! {
    /// What a set holds.
    DefinedType {
        /// Prefixes with a range of mask lengths.
        Prefix = 0,
        /// Neighbor addresses, as prefixes of full length or shorter.
        Neighbor = 1,
        /// Tags.
        Tag = 2,
        /// AS paths, as regular expressions.
        AsPath = 3,
        /// Communities (RFC 1997), as regular expressions.
        Community = 4,
        /// Extended communities (RFC 4360), as regular expressions.
        ExtCommunity = 5,
        /// Large communities (RFC 8092), as regular expressions.
        LargeCommunity = 6,
        /// Next hops; no RPC of the versions that were measured makes one.
        NextHop = 7,
    }
}

impl DefinedType {
    /// Those that can be listed, in every version.
    pub const LISTED: [Self; 6] = [
        Self::Prefix,
        Self::Neighbor,
        Self::AsPath,
        Self::Community,
        Self::ExtCommunity,
        Self::LargeCommunity,
    ];
}

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinedSet {
    /// Its type.
    pub defined_type: DefinedType,
    /// Unique within its type.
    pub name: String,
    /// What it holds, except for prefix sets. A neighbor set's addresses need
    /// `/32` or `/128` behind them.
    pub list: Vec<String>,
    /// What a prefix set holds; all of one family.
    pub prefixes: Vec<Prefix>,
}

/// A prefix with the mask lengths that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// E.g. `10.0.0.0/8`.
    pub ip_prefix: String,
    /// Least length.
    pub mask_length_min: u32,
    /// Greatest length.
    pub mask_length_max: u32,
}

impl DefinedSet {
    /// A set of neighbors by address.
    pub fn neighbors(
        name: impl Into<String>,
        addresses: impl IntoIterator<Item = std::net::IpAddr>,
    ) -> Self {
        let prefix = |address: std::net::IpAddr| ipnet::IpNet::from(address).to_string();
        Self {
            defined_type: DefinedType::Neighbor,
            name: name.into(),
            list: addresses.into_iter().map(prefix).collect(),
            prefixes: Vec::new(),
        }
    }

    pub(crate) fn to_wire(&self, api: Api) -> wire::DefinedSet {
        let prefix = |prefix: &Prefix| wire::Prefix {
            ip_prefix: prefix.ip_prefix.clone(),
            mask_length_min: prefix.mask_length_min,
            mask_length_max: prefix.mask_length_max,
        };
        wire::DefinedSet {
            defined_type: api.shift(self.defined_type.number()),
            name: self.name.clone(),
            list: self.list.clone(),
            prefixes: self.prefixes.iter().map(prefix).collect(),
        }
    }

    pub(crate) fn from_wire(set: wire::DefinedSet, api: Api) -> Self {
        let prefix = |prefix: wire::Prefix| Prefix {
            ip_prefix: prefix.ip_prefix,
            mask_length_min: prefix.mask_length_min,
            mask_length_max: prefix.mask_length_max,
        };
        Self {
            defined_type: DefinedType::from_number(api.unshift(set.defined_type)),
            name: set.name,
            list: set.list,
            prefixes: set.prefixes.into_iter().map(prefix).collect(),
        }
    }
}
