//! Path attributes (RFC 4271, 4.3).

use super::reader::{Reader, items};
use super::{AsPath, Community, ExtCommunity, LargeCommunity};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a route carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// AS_PATH.
    pub as_path: Option<AsPath>,
    /// NEXT_HOP, or MP_REACH_NLRI's (the global one of two).
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID (RFC 4456).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST (RFC 4456).
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES.
    pub ext_communities: Vec<ExtCommunity>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// All others, and those that make no sense, in their order.
    pub unknown: Vec<UnknownAttribute>,
}

/// ORIGIN's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Interior.
    Igp,
    /// Exterior.
    Egp,
    /// By other means.
    Incomplete,
}

/// Who aggregated a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregator {
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub address: Ipv4Addr,
}

/// An attribute that is not read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// Flags (RFC 4271, 4.3 a).
    pub flags: u8,
    /// Type code; 0 for bytes that are no attribute.
    pub type_code: u8,
    /// The value.
    pub value: Bytes,
}

/// Type codes (IANA's registry of BGP path attributes).
pub(super) mod code {
    pub(in crate::bgp) const ORIGIN: u8 = 1;
    pub(in crate::bgp) const AS_PATH: u8 = 2;
    pub(in crate::bgp) const NEXT_HOP: u8 = 3;
    pub(in crate::bgp) const MULTI_EXIT_DISC: u8 = 4;
    pub(in crate::bgp) const LOCAL_PREF: u8 = 5;
    pub(in crate::bgp) const ATOMIC_AGGREGATE: u8 = 6;
    pub(in crate::bgp) const AGGREGATOR: u8 = 7;
    pub(in crate::bgp) const COMMUNITIES: u8 = 8;
    pub(in crate::bgp) const ORIGINATOR_ID: u8 = 9;
    pub(in crate::bgp) const CLUSTER_LIST: u8 = 10;
    pub(in crate::bgp) const MP_REACH_NLRI: u8 = 14;
    pub(in crate::bgp) const EXTENDED_COMMUNITIES: u8 = 16;
    pub(in crate::bgp) const LARGE_COMMUNITY: u8 = 32;
}

/// Flags (RFC 4271, 4.3 a).
pub(super) mod flag {
    pub(in crate::bgp) const OPTIONAL: u8 = 0x80;
    pub(in crate::bgp) const TRANSITIVE: u8 = 0x40;
    pub(in crate::bgp) const EXTENDED_LENGTH: u8 = 0x10;
}

impl Attributes {
    /// Reads a path's attributes, each with its header. Of an attribute that
    /// is there twice, the first counts (RFC 7606).
    pub fn decode<'a>(attributes: impl IntoIterator<Item = &'a Bytes>) -> Self {
        let mut read = Self::default();
        let mut seen = [false; 256];
        for attribute in attributes {
            let Some((flags, type_code, value)) = split(attribute) else {
                let value = attribute.clone();
                read.unknown.push(UnknownAttribute {
                    flags: 0,
                    type_code: 0,
                    value,
                });
                continue;
            };
            if std::mem::replace(&mut seen[usize::from(type_code)], true) {
                continue;
            }
            if read.take(type_code, value).is_none() {
                let value = attribute.slice_ref(value);
                read.unknown.push(UnknownAttribute {
                    flags,
                    type_code,
                    value,
                });
            }
        }
        read
    }

    /// `None` for what is not read here, and for what makes no sense.
    fn take(&mut self, type_code: u8, value: &[u8]) -> Option<()> {
        match type_code {
            code::ORIGIN => self.origin = Some(Origin::decode(value)?),
            code::AS_PATH => self.as_path = Some(AsPath::decode(value)?),
            code::NEXT_HOP => self.next_hop = Some(address(value)?),
            code::MULTI_EXIT_DISC => self.med = Some(number(value)?),
            code::LOCAL_PREF => self.local_pref = Some(number(value)?),
            code::ATOMIC_AGGREGATE if value.is_empty() => self.atomic_aggregate = true,
            code::AGGREGATOR => self.aggregator = Some(Aggregator::decode(value)?),
            code::COMMUNITIES => {
                self.communities = items(value, |c| Community(u32::from_be_bytes(c)))?;
            }
            code::ORIGINATOR_ID => self.originator_id = Some(number(value)?.into()),
            code::CLUSTER_LIST => self.cluster_list = items::<4, _>(value, Ipv4Addr::from)?,
            code::MP_REACH_NLRI => self.next_hop = Some(mp_reach_next_hop(value)?),
            code::EXTENDED_COMMUNITIES => self.ext_communities = items(value, ExtCommunity)?,
            code::LARGE_COMMUNITY => self.large_communities = large_communities(value)?,
            _ => return None,
        }
        Some(())
    }
}

impl Origin {
    fn decode(value: &[u8]) -> Option<Self> {
        match value {
            [0] => Some(Self::Igp),
            [1] => Some(Self::Egp),
            [2] => Some(Self::Incomplete),
            _ => None,
        }
    }
}

impl Aggregator {
    /// With an AS of four octets, or of two.
    fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let asn = if value.len() == 6 {
            reader.u16()?.into()
        } else {
            reader.u32()?
        };
        let address = reader.u32()?.into();
        reader.is_empty().then_some(Self { asn, address })
    }
}

/// Flags, type code and value; `None` where the header does not fit.
fn split(attribute: &[u8]) -> Option<(u8, u8, &[u8])> {
    let mut reader = Reader::new(attribute);
    let flags = reader.u8()?;
    let type_code = reader.u8()?;
    let length = match flags & flag::EXTENDED_LENGTH {
        0 => reader.u8()?.into(),
        _ => reader.u16()?,
    };
    let value = reader.take(length.into())?;
    reader.is_empty().then_some((flags, type_code, value))
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// An address alone. An IPv6 next hop may have a link-local one behind it
/// (RFC 2545, 3).
fn address(value: &[u8]) -> Option<IpAddr> {
    let mut reader = Reader::new(value);
    match value.len() {
        4 => Some(Ipv4Addr::from(reader.array::<4>()?).into()),
        16 | 32 => Some(Ipv6Addr::from(reader.array::<16>()?).into()),
        _ => None,
    }
}

/// RFC 4760, 3: AFI, SAFI, next hop with its length, a reserved octet, NLRI.
fn mp_reach_next_hop(value: &[u8]) -> Option<IpAddr> {
    let mut reader = Reader::new(value);
    reader.take(3)?;
    let length = reader.u8()?;
    address(reader.take(length.into())?)
}

fn large_communities(value: &[u8]) -> Option<Vec<LargeCommunity>> {
    let mut reader = Reader::new(value);
    let mut communities = Vec::with_capacity(value.len() / 12);
    while !reader.is_empty() {
        communities.push(LargeCommunity {
            global_admin: reader.u32()?,
            local_data1: reader.u32()?,
            local_data2: reader.u32()?,
        });
    }
    Some(communities)
}
