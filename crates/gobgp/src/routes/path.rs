//! One path of an event: only what forwarding needs is read, all else is
//! stepped over.
//!
//! The paths of events are structured, in another way by each version, and
//! have no binary form as those of listings do. Addresses are text there.

use crate::dialect::{Api, rpc};
use crate::error::Error;
use crate::fields::{Broken, Fields, Value};
use crate::types::{BestPath, Family};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why the answer can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("a message is compressed, which was not asked for")]
    Compressed,
    #[error("a path has {0} octets")]
    Long(usize),
    #[error("a path leads to {0}")]
    Prefix(String),
    #[error("an End-of-RIB is from {0:?}")]
    Neighbor(String),
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::malformed(rpc!("WatchEvent"), &error)
    }
}

/// What a path of an event says.
pub(super) enum Told {
    Best {
        prefix: IpNet,
        withdrawn: bool,
        path: BestPath,
    },
    EndOfRib {
        neighbor: IpAddr,
        interface: Option<String>,
        family: Family,
    },
}

/// Reads paths, and remembers what one has in common with the one before.
#[derive(Debug, Default)]
pub(super) struct PathReader {
    next_hop: Memo<Option<IpAddr>>,
    link_local: Memo<Option<IpAddr>>,
    neighbor: Memo<Option<(IpAddr, Option<String>)>>,
    source_id: Memo<Option<Ipv4Addr>>,
}

/// A path's fields, not understood yet.
#[derive(Default)]
struct Raw<'a> {
    /// Where it leads to, if it is a unicast prefix.
    prefix: Option<(&'a [u8], u64)>,
    has_nlri: bool,
    /// NEXT_HOP's.
    next_hop: Option<&'a [u8]>,
    /// MP_REACH_NLRI's.
    next_hops: [Option<&'a [u8]>; 2],
    family: Option<Family>,
    withdrawn: bool,
    source_asn: u32,
    source_id: &'a [u8],
    neighbor: &'a [u8],
    identifier: u32,
}

impl PathReader {
    /// `None` for a path of a family that isn't asked for.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        api: Api,
        families: &[Family],
    ) -> Result<Option<Told>, Malformed> {
        let raw = Raw::read(message, api)?;
        let Some(family) = raw.family.filter(|family| families.contains(family)) else {
            return Ok(None);
        };
        let neighbor = self.neighbor.of(raw.neighbor, neighbor);
        if !raw.has_nlri {
            let (neighbor, interface) = neighbor
                .clone()
                .ok_or_else(|| Malformed::Neighbor(text(raw.neighbor)))?;
            return Ok(Some(Told::EndOfRib {
                neighbor,
                interface,
                family,
            }));
        }
        let prefix = raw.prefix(family)?;
        let [global, link_local] = raw.next_hops;
        let next_hop = self
            .next_hop
            .of(raw.next_hop.or(global).unwrap_or(b""), address);
        let link_local = self.link_local.of(link_local.unwrap_or(b""), address);
        let path = BestPath {
            next_hop: next_hop.unwrap_or(unspecified(family)),
            link_local: match link_local {
                Some(IpAddr::V6(address)) if raw.next_hop.is_none() => Some(*address),
                _ => None,
            },
            neighbor: neighbor.as_ref().map(|(address, _)| *address),
            interface: neighbor.as_ref().and_then(|(_, zone)| zone.clone()),
            source_id: *self.source_id.of(raw.source_id, parse),
            source_asn: raw.source_asn,
            identifier: raw.identifier,
        };
        Ok(Some(Told::Best {
            prefix,
            withdrawn: raw.withdrawn,
            path,
        }))
    }
}

/// Fields of `Path`.
mod number {
    pub(super) const NLRI: u64 = 1;
    pub(super) const PATTRS: u64 = 2;
    pub(super) const IS_WITHDRAW: u64 = 5;
    pub(super) const FAMILY: u64 = 9;
    pub(super) const SOURCE_ASN: u64 = 10;
    pub(super) const SOURCE_ID: u64 = 11;
    pub(super) const NEIGHBOR_IP: u64 = 15;
    pub(super) const IDENTIFIER: u64 = 18;
}

impl<'a> Raw<'a> {
    fn read(message: &'a [u8], api: Api) -> Result<Self, Broken> {
        let mut raw = Self::default();
        let mut fields = Fields::of(message);
        while let Some(field) = fields.take()? {
            match field {
                (number::NLRI, Value::Bytes(nlri)) => raw.take_nlri(nlri, api)?,
                (number::PATTRS, Value::Bytes(attribute)) => raw.take_attribute(attribute, api)?,
                (number::IS_WITHDRAW, Value::Varint(flag)) => raw.withdrawn = flag != 0,
                (number::FAMILY, Value::Bytes(message)) => raw.family = family(message)?,
                (number::SOURCE_ASN, Value::Varint(asn)) => raw.source_asn = asn as u32,
                (number::SOURCE_ID, Value::Bytes(id)) => raw.source_id = id,
                (number::NEIGHBOR_IP, Value::Bytes(address)) => raw.neighbor = address,
                (number::IDENTIFIER, Value::Varint(id)) => raw.identifier = id as u32,
                _ => {}
            }
        }
        Ok(raw)
    }

    /// `IPAddressPrefix {prefix_len = 1, prefix = 2}`, in an `Any`'s value or
    /// in a oneof; other families' have other places or meanings.
    fn take_nlri(&mut self, nlri: &'a [u8], api: Api) -> Result<(), Broken> {
        self.has_nlri = true;
        let number = match api {
            Api::V3 => 2,
            Api::V4 => 1,
        };
        let Some(message) = last(nlri, number)? else {
            return Ok(());
        };
        let (mut text, mut length) = (&b""[..], 0);
        let mut fields = Fields::of(message);
        while let Some(field) = fields.take()? {
            match field {
                (1, Value::Varint(value)) => length = value,
                (2, Value::Bytes(value)) => text = value,
                _ => {}
            }
        }
        self.prefix = Some((text, length));
        Ok(())
    }

    fn take_attribute(&mut self, attribute: &'a [u8], api: Api) -> Result<(), Broken> {
        let Some((kind, message)) = attribute_of(attribute, api)? else {
            return Ok(());
        };
        match kind {
            Attribute::NextHop => self.next_hop = last(message, 1)?,
            Attribute::MpReach => {
                let mut slots = self.next_hops.iter_mut();
                let mut fields = Fields::of(message);
                while let Some(field) = fields.take()? {
                    if let (2, Value::Bytes(address)) = field
                        && let Some(slot) = slots.next()
                    {
                        *slot = Some(address);
                    }
                }
            }
        }
        Ok(())
    }

    fn prefix(&self, family: Family) -> Result<IpNet, Malformed> {
        let (address, length) = self.prefix.unwrap_or_default();
        let wrong = || Malformed::Prefix(format!("{}/{length}", text(address)));
        let address: IpAddr = parse(address).ok_or_else(wrong)?;
        let length = u8::try_from(length).map_err(|_| wrong())?;
        let prefix = IpNet::new(address, length).map_err(|_| wrong())?;
        match (prefix, family) {
            (IpNet::V4(_), Family::IPV4_UNICAST) | (IpNet::V6(_), Family::IPV6_UNICAST) => {
                Ok(prefix.trunc())
            }
            _ => Err(wrong()),
        }
    }
}

/// The attributes that have a next hop in them.
enum Attribute {
    NextHop,
    MpReach,
}

/// Which attribute it is, and its message.
fn attribute_of(attribute: &[u8], api: Api) -> Result<Option<(Attribute, &[u8])>, Broken> {
    match api {
        Api::V3 => {
            let kind = match last(attribute, 1)? {
                Some(b"type.googleapis.com/apipb.NextHopAttribute") => Attribute::NextHop,
                Some(b"type.googleapis.com/apipb.MpReachNLRIAttribute") => Attribute::MpReach,
                _ => return Ok(None),
            };
            Ok(Some((kind, last(attribute, 2)?.unwrap_or_default())))
        }
        Api::V4 => Ok(match Fields::of(attribute).take()? {
            Some((4, Value::Bytes(message))) => Some((Attribute::NextHop, message)),
            Some((12, Value::Bytes(message))) => Some((Attribute::MpReach, message)),
            _ => None,
        }),
    }
}

/// The last field of that number that is a message or text.
fn last(message: &[u8], number: u64) -> Result<Option<&[u8]>, Broken> {
    let mut found = None;
    let mut fields = Fields::of(message);
    while let Some(field) = fields.take()? {
        if let (of, Value::Bytes(value)) = field
            && of == number
        {
            found = Some(value);
        }
    }
    Ok(found)
}

/// `Family {afi = 1, safi = 2}`.
fn family(message: &[u8]) -> Result<Option<Family>, Broken> {
    let (mut afi, mut safi) = (0, 0);
    let mut fields = Fields::of(message);
    while let Some(field) = fields.take()? {
        match field {
            (1, Value::Varint(value)) => afi = value,
            (2, Value::Varint(value)) => safi = value,
            _ => {}
        }
    }
    Ok(afi
        .try_into()
        .ok()
        .zip(safi.try_into().ok())
        .map(|(afi, safi)| Family::new(afi, safi)))
}

/// What a text means, kept while the same text comes again.
#[derive(Debug, Default)]
struct Memo<T> {
    text: Vec<u8>,
    meaning: T,
}

impl<T: Default> Memo<T> {
    fn of(&mut self, text: &[u8], read: impl Fn(&[u8]) -> T) -> &T {
        if self.text != text {
            self.text.clear();
            self.text.extend_from_slice(text);
            self.meaning = read(text);
        }
        &self.meaning
    }
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An address, with or without a zone; `None` for none, which version 3 calls
/// "<nil>" and version 4 "invalid IP".
fn address(text: &[u8]) -> Option<IpAddr> {
    neighbor(text).map(|(address, _)| address)
}

/// An address and its zone, `fe80::1%eth0`.
fn neighbor(text: &[u8]) -> Option<(IpAddr, Option<String>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.to_owned())),
        None => (text, None),
    };
    Some((address.parse().ok()?, zone))
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::IPV4_UNICAST => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn text(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
