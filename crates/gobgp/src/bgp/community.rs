//! Communities of all three kinds, in GoBGP's words.

use std::fmt;
use std::net::Ipv4Addr;

/// A community (RFC 1997).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

/// The names that GoBGP has for well-known ones.
const WELL_KNOWN: &[(u32, &str)] = &[
    (0x0000_0000, "internet"),
    (0xffff_0000, "planned-shut"),
    (0xffff_0001, "accept-own"),
    (0xffff_0002, "route-filter-translated-v4"),
    (0xffff_0003, "route-filter-v4"),
    (0xffff_0004, "route-filter-translated-v6"),
    (0xffff_0005, "route-filter-v6"),
    (0xffff_0006, "llgr-stale"),
    (0xffff_0007, "no-llgr"),
    (0xffff_029a, "blackhole"),
    (0xffff_ff01, "no-export"),
    (0xffff_ff02, "no-advertise"),
    (0xffff_ff03, "no-export-subconfed"),
    (0xffff_ff04, "no-peer"),
];

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match WELL_KNOWN.iter().find(|(value, _)| *value == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

/// A large community (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The AS that gives it a meaning.
    pub global_admin: u32,
    /// Its first part.
    pub local_data1: u32,
    /// Its second part.
    pub local_data2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            self.global_admin, self.local_data1, self.local_data2
        )
    }
}

/// An extended community (RFC 4360) as its eight octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtCommunity(pub [u8; 8]);

impl fmt::Display for ExtCommunity {
    /// Route targets and the like as gobgp writes them; others as octets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, a, b, c, d, e, g] = self.0;
        // 0x40: not transitive; means the same otherwise.
        match (kind & !0x40, subtype) {
            // Route target and route origin.
            (0x00, 0x02 | 0x03) => {
                let asn = u16::from_be_bytes([a, b]);
                write!(f, "{asn}:{}", u32::from_be_bytes([c, d, e, g]))
            }
            (0x01, 0x02 | 0x03) => {
                let address = Ipv4Addr::new(a, b, c, d);
                write!(f, "{address}:{}", u16::from_be_bytes([e, g]))
            }
            (0x02, 0x02 | 0x03) => {
                let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                write!(f, "{high}.{low}:{}", u16::from_be_bytes([e, g]))
            }
            // Color (RFC 9012).
            (0x03, 0x0b) => write!(f, "{}", u32::from_be_bytes([c, d, e, g])),
            _ => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(Community(65000 << 16 | 1).to_string(), "65000:1");
        assert_eq!(Community(0xffff_ff01).to_string(), "no-export");
        let text = |octets| ExtCommunity(octets).to_string();
        assert_eq!(text([0, 2, 0xfd, 0xe8, 0, 0, 0, 100]), "65000:100");
        assert_eq!(text([1, 2, 10, 0, 0, 1, 0, 7]), "10.0.0.1:7");
        assert_eq!(text([2, 3, 0, 1, 0, 0, 0, 7]), "1.0:7");
        assert_eq!(text([3, 0x0b, 0, 0, 0, 0, 0, 9]), "9");
        assert_eq!(text([0x80, 6, 0, 0, 0, 0, 0, 0]), "0x8006000000000000");
    }
}
