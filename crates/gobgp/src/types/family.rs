//! Address families.

use crate::wire;

/// An address family by its numbers (IANA's AFI and SAFI registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
}

impl Family {
    /// AFI 1, SAFI 1.
    pub const IPV4_UNICAST: Self = Self::new(1, 1);
    /// AFI 2, SAFI 1.
    pub const IPV6_UNICAST: Self = Self::new(2, 1);
    /// AFI 1, SAFI 128.
    pub const IPV4_VPN: Self = Self::new(1, 128);
    /// AFI 2, SAFI 128.
    pub const IPV6_VPN: Self = Self::new(2, 128);
    /// AFI 25, SAFI 70.
    pub const L2VPN_EVPN: Self = Self::new(25, 70);
    /// AFI 1, SAFI 133.
    pub const IPV4_FLOWSPEC: Self = Self::new(1, 133);
    /// AFI 2, SAFI 133.
    pub const IPV6_FLOWSPEC: Self = Self::new(2, 133);

    /// Any family by its numbers.
    pub const fn new(afi: u16, safi: u8) -> Self {
        Self { afi, safi }
    }

    pub(crate) fn to_wire(self) -> wire::Family {
        wire::Family {
            afi: i32::from(self.afi),
            safi: i32::from(self.safi),
        }
    }

    /// `None` for numbers that no family can have.
    pub(crate) fn from_wire(family: &wire::Family) -> Option<Self> {
        Some(Self::new(
            family.afi.try_into().ok()?,
            family.safi.try_into().ok()?,
        ))
    }
}
