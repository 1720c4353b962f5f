//! Property formats: Gohan's and ours, what each accepts and its canonical
//! text.
//!
//! Canonical text is what makes comparing, uniqueness and referring by value
//! safe: `2001:DB8::0:1` and `2001:db8::1` are one neighbor. Text that some
//! parsers read in another way (leading zeros, host bits) is refused with
//! what would be right.

mod address;
mod mgmt;
mod token;

pub use mgmt::{DEFAULT_PORT, MgmtAddr};

use std::str::FromStr;

/// A named rule for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `mac`: six octets, `00:1b:21:0a:0b:0c`.
    Mac,
    /// `ip`: an IPv4 or IPv6 address; an IPv4-mapped one is that IPv4 address.
    Ip,
    /// `ip-or-empty`: an `ip` or empty text.
    IpOrEmpty,
    /// `ipv4`: an IPv4 address.
    Ipv4,
    /// `ipv6`: an IPv6 address.
    Ipv6,
    /// `cidr`: an IPv4 or IPv6 network, no host bits set.
    Cidr,
    /// `cidr-or-ipv4`: an IPv4 address, alone or with a prefix length, or an
    /// IPv4 network.
    CidrOrIpv4,
    /// `ipv4-network`: an IPv4 network, no host bits set.
    Ipv4Network,
    /// `ipv4-address-with-cidr`: a host's IPv4 address with its prefix
    /// length; neither the network's nor the broadcast address, but for a /31
    /// (RFC 3021).
    Ipv4AddressWithCidr,
    /// `regex`: a regular expression.
    Regex,
    /// `uuid`: with or without hyphens.
    Uuid,
    /// `hyph-uuid`: with hyphens.
    HyphUuid,
    /// `non-hyph-uuid`: without.
    NonHyphUuid,
    /// `port`: `1` to `65535`, as text.
    Port,
    /// `yaml`: anything.
    Yaml,
    /// `text`: anything.
    Text,
    /// `version`: `1`, `1.2` or `1.2.3`, with a suffix such as `-rc1`.
    Version,
    /// `version-constraint`: `>= 1.2, < 3 || ~4.1`.
    VersionConstraint,
    /// `secret`: write-only text, sealed in the store.
    Secret,
    /// `gobgp-action`: what a policy statement does, in GoBGP's grammar.
    GobgpAction,
    /// `mgmt-addr`: host or host:port of a gobgpd's API.
    MgmtAddr,
}

/// Every format by name.
const FORMATS: [(&str, Format); 21] = [
    ("mac", Format::Mac),
    ("ip", Format::Ip),
    ("ip-or-empty", Format::IpOrEmpty),
    ("ipv4", Format::Ipv4),
    ("ipv6", Format::Ipv6),
    ("cidr", Format::Cidr),
    ("cidr-or-ipv4", Format::CidrOrIpv4),
    ("ipv4-network", Format::Ipv4Network),
    ("ipv4-address-with-cidr", Format::Ipv4AddressWithCidr),
    ("regex", Format::Regex),
    ("uuid", Format::Uuid),
    ("hyph-uuid", Format::HyphUuid),
    ("non-hyph-uuid", Format::NonHyphUuid),
    ("port", Format::Port),
    ("yaml", Format::Yaml),
    ("text", Format::Text),
    ("version", Format::Version),
    ("version-constraint", Format::VersionConstraint),
    ("secret", Format::Secret),
    ("gobgp-action", Format::GobgpAction),
    ("mgmt-addr", Format::MgmtAddr),
];

/// Formats of JSON Schema itself that the validator checks; they have no
/// canonical text of their own.
const STANDARD: [&str; 6] = ["date", "date-time", "email", "hostname", "time", "uri"];

/// The names that a schema may use, for "did you mean".
pub fn names() -> Vec<&'static str> {
    let ours = FORMATS.iter().map(|(name, _)| *name);
    ours.chain(STANDARD).collect()
}

/// Every format that has rules here, by name.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Format)> {
    FORMATS.iter().copied()
}

impl Format {
    /// The format of this name; `None` also for JSON Schema's own ones.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
    }

    /// The one text that stands for this value.
    ///
    /// # Errors
    /// What is wrong with the text and what would be right, as a sentence's
    /// end: `must be ...`, `has ...`. Never a secret's value.
    pub fn canonical(self, text: &str) -> Result<String, String> {
        match self {
            Self::Mac => token::mac(text),
            Self::Ip => address::ip(text).map(|a| a.to_string()),
            Self::IpOrEmpty if text.is_empty() => Ok(String::new()),
            Self::IpOrEmpty => address::ip(text).map(|a| a.to_string()),
            Self::Ipv4 => address::ipv4(text).map(|a| a.to_string()),
            Self::Ipv6 => address::ipv6(text).map(|a| a.to_string()),
            Self::Cidr => address::network(text),
            Self::CidrOrIpv4 => address::address_or_network(text),
            Self::Ipv4Network => address::ipv4_network(text),
            Self::Ipv4AddressWithCidr => address::ipv4_interface(text),
            Self::Regex => token::regex(text),
            Self::Uuid => token::uuid(text),
            Self::HyphUuid => token::hyphenated(text),
            Self::NonHyphUuid => token::unhyphenated(text),
            Self::Port => token::port(text),
            Self::Yaml | Self::Text | Self::Secret => Ok(text.to_owned()),
            Self::Version => token::version(text),
            Self::VersionConstraint => token::constraint(text),
            Self::GobgpAction => crate::action::Action::from_str(text).map(|a| a.to_string()),
            Self::MgmtAddr => MgmtAddr::from_str(text).map(|a| a.to_string()),
        }
    }

    /// The text under which a value of this format is unique: canonical, with
    /// what may be left out filled in. Text that the format refuses stands
    /// for itself.
    pub fn key(self, text: &str) -> String {
        match self {
            Self::MgmtAddr => MgmtAddr::from_str(text).map(|a| a.endpoint()),
            _ => self.canonical(text),
        }
        .unwrap_or_else(|_| text.to_owned())
    }
}

#[cfg(test)]
mod tests;
