//! What a route leads to.

use super::reader::Reader;
use crate::types::Family;
use bytes::Bytes;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;

/// Network layer reachability information (RFC 4271, 4.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nlri {
    /// An IPv4 or IPv6 unicast prefix.
    Prefix(IpNet),
    /// Another family's, or one that makes no sense: the bytes as they came.
    Other(Bytes),
}

impl Nlri {
    /// Reads one, without a path identifier in front.
    pub fn decode(family: Family, bytes: Bytes) -> Self {
        let prefix = match family {
            Family::IPV4_UNICAST => prefix::<4>(&bytes)
                .and_then(|(address, length)| Ipv4Net::new(address.into(), length).ok())
                .map(|net| IpNet::V4(net.trunc())),
            Family::IPV6_UNICAST => prefix::<16>(&bytes)
                .and_then(|(address, length)| Ipv6Net::new(address.into(), length).ok())
                .map(|net| IpNet::V6(net.trunc())),
            _ => None,
        };
        prefix.map_or(Self::Other(bytes), Self::Prefix)
    }

    /// Writes it.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Prefix(IpNet::V4(net)) => encode(&net.trunc().addr().octets(), net.prefix_len()),
            Self::Prefix(IpNet::V6(net)) => encode(&net.trunc().addr().octets(), net.prefix_len()),
            Self::Other(bytes) => bytes.clone(),
        }
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(net) => net.fmt(f),
            Self::Other(bytes) => write!(f, "0x{bytes:x}"),
        }
    }
}

/// An address and a mask length, with nothing behind them.
fn prefix<const N: usize>(bytes: &[u8]) -> Option<([u8; N], u8)> {
    let mut reader = Reader::new(bytes);
    let length = reader.u8()?;
    let octets = reader.take(usize::from(length).div_ceil(8))?;
    let mut address = [0; N];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    reader.is_empty().then_some((address, length))
}

fn encode(address: &[u8], length: u8) -> Bytes {
    let octets = usize::from(length).div_ceil(8);
    std::iter::once(length)
        .chain(address.iter().copied().take(octets))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![
            Just(Family::IPV4_UNICAST),
            Just(Family::IPV6_UNICAST),
            Just(Family::L2VPN_EVPN)
        ]
    }

    #[test]
    fn prefixes() {
        let decode = |bytes: &'static [u8]| Nlri::decode(Family::IPV4_UNICAST, bytes.into());
        assert_eq!(decode(&[0]).to_string(), "0.0.0.0/0");
        assert_eq!(decode(&[20, 10, 1, 0xff]).to_string(), "10.1.240.0/20");
        for wrong in [&[][..], &[8], &[33, 1, 2, 3, 4, 5], &[8, 10, 0], &[255]] {
            assert_eq!(
                decode(wrong).to_string(),
                format!("0x{:x}", Bytes::from(wrong))
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn reading_never_panics(family in family(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let nlri = Nlri::decode(family, bytes.into());
            // What was read can be written, and reads the same again.
            prop_assert_eq!(Nlri::decode(family, nlri.encode()), nlri);
        }
    }
}
