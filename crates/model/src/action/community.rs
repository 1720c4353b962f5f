//! Canonical text of community values, so that what we write and what gobgpd
//! lists compare equal.
//!
//! gobgpd keeps numbers for `add` and `replace` and regular expressions for
//! `remove`: it lists `no-export` as `65535:65281`, and a removed `65000:1`
//! as `^65000:1$`. Here an exact value is always the bare value.

use super::{SetOp, digits};
use regex::Regex;
use std::net::Ipv4Addr;

/// Which of the three community attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RFC 1997, `65000:1`.
    Standard,
    /// RFC 4360, `rt:65000:1`.
    Extended,
    /// RFC 8092, `65000:1:2`.
    Large,
}

/// GoBGP's names of the well-known communities (IANA's registry).
const WELL_KNOWN: [(&str, u32); 14] = [
    ("internet", 0x0000_0000),
    ("planned-shut", 0xffff_0000),
    ("accept-own", 0xffff_0001),
    ("route-filter-translated-v4", 0xffff_0002),
    ("route-filter-v4", 0xffff_0003),
    ("route-filter-translated-v6", 0xffff_0004),
    ("route-filter-v6", 0xffff_0005),
    ("llgr-stale", 0xffff_0006),
    ("no-llgr", 0xffff_0007),
    ("blackhole", 0xffff_029a),
    ("no-export", 0xffff_ff01),
    ("no-advertise", 0xffff_ff02),
    ("no-export-subconfed", 0xffff_ff03),
    ("no-peer", 0xffff_ff04),
];

/// Tunnel types (RFC 9012): the word that GoBGP takes, the text that it lists.
const ENCAPS: [(&str, &str); 10] = [
    ("l2tp3", "L2TPv3 over IP"),
    ("gre", "GRE"),
    ("ip-in-ip", "IP in IP"),
    ("vxlan", "VXLAN"),
    ("nvgre", "NVGRE"),
    ("mpls", "MPLS"),
    ("mpls-in-gre", "MPLS in GRE"),
    ("vxlan-gre", "VXLAN GRE"),
    ("mpls-in-udp", "MPLS in UDP"),
    ("geneve", "GENEVE"),
];

/// Origin validation states (RFC 8097).
const VALIDATION: [&str; 3] = ["valid", "not-found", "invalid"];

impl Kind {
    /// The word that starts the action.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Standard => "community",
            Self::Extended => "ext-community",
            Self::Large => "large-community",
        }
    }

    /// What may stand as a value, for messages.
    pub(super) fn expects(self, op: SetOp) -> &'static str {
        match (self, op) {
            (Self::Standard, SetOp::Remove) => {
                "AS:VALUE (both 0 to 65535), a well-known name or a regular expression"
            }
            (Self::Standard, _) => "AS:VALUE (both 0 to 65535) or a well-known name",
            (Self::Extended, SetOp::Remove) => {
                "rt:, soo:, lb: or encap: and then a value or a regular expression"
            }
            (Self::Extended, _) => {
                "rt:AS:VALUE, rt:ADDRESS:VALUE, soo:..., lb:AS:BYTES, encap:TYPE, \
                 valid, not-found or invalid"
            }
            (Self::Large, SetOp::Remove) => "AS:A:B (each 0 to 4294967295) or a regular expression",
            (Self::Large, _) => "AS:A:B (each 0 to 4294967295)",
        }
    }

    /// The one spelling of `value`.
    pub(super) fn canonical(self, op: SetOp, value: &str) -> Result<String, String> {
        let wrong = || {
            format!(
                "`{value}` in `{} {}`: expected {}",
                self.word(),
                op.word(),
                self.expects(op)
            )
        };
        if op == SetOp::Remove {
            return self.pattern(value).ok_or_else(wrong);
        }
        match self {
            Self::Standard => standard(value),
            Self::Extended => extended(value),
            Self::Large => large(value),
        }
        .ok_or_else(wrong)
    }

    /// A value of `remove`: an exact one bare, else the expression itself.
    fn pattern(self, value: &str) -> Option<String> {
        match self {
            Self::Standard => pattern_of(value, standard),
            Self::Large => pattern_of(value, large),
            Self::Extended => {
                let (prefix, rest) = value.split_once(':')?;
                let prefix = prefix.to_ascii_lowercase();
                let rest = match prefix.as_str() {
                    "rt" | "soo" => pattern_of(rest, target),
                    "lb" => pattern_of(rest, bandwidth),
                    // GoBGP matches against the text that it lists, so its
                    // own word for a tunnel type would never match.
                    "encap" => match ENCAPS.iter().find(|(word, _)| *word == rest) {
                        Some((_, listed)) => Some(format!("^{}$", listed.replace(' ', "."))),
                        None => Regex::new(rest).ok().map(|_| rest.to_owned()),
                    },
                    _ => None,
                }?;
                Some(format!("{prefix}:{rest}"))
            }
        }
    }
}

/// The bare value where `exact` reads it, with or without anchors; else the
/// expression as it stands. `None` where it is neither.
fn pattern_of(text: &str, exact: fn(&str) -> Option<String>) -> Option<String> {
    let mut bare = text;
    // GoBGP before 4 adds anchors to some values that have them already.
    while let Some(inner) = bare.strip_prefix('^').and_then(|t| t.strip_suffix('$')) {
        bare = inner;
    }
    if let Some(value) = exact(bare) {
        return Some(value);
    }
    // Only digits and separators, yet not a value: out of range, so it could
    // never match.
    let numeric = bare.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let expression = if anchored_by_gobgp(bare) { bare } else { text };
    (!numeric && Regex::new(expression).is_ok()).then(|| expression.to_owned())
}

/// Whether GoBGP lists this with anchors around it: dotted or separated
/// numbers and then `:` and a number.
fn anchored_by_gobgp(text: &str) -> bool {
    let Some((head, last)) = text.rsplit_once(':') else {
        return false;
    };
    digits_only(last)
        && head
            .split(|c: char| !c.is_ascii_digit())
            .all(|part| !part.is_empty())
}

fn digits_only(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn small(text: &str) -> Option<u16> {
    digits(text).and_then(|n| u16::try_from(n).ok())
}

fn standard(value: &str) -> Option<String> {
    let name = value.to_ascii_lowercase().replace('_', "-");
    let known = WELL_KNOWN.iter().find(|(known, _)| *known == name);
    if let Some(number) = known.map(|(_, n)| *n).or_else(|| digits(value)) {
        return Some(format!("{}:{}", number >> 16, number & 0xffff));
    }
    let (high, low) = value.split_once(':')?;
    Some(format!("{}:{}", small(high)?, small(low)?))
}

fn large(value: &str) -> Option<String> {
    let mut parts = value.split(':').map(digits);
    let (a, b, c) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then(|| format!("{a}:{b}:{c}"))
}

fn extended(value: &str) -> Option<String> {
    let Some((prefix, rest)) = value.split_once(':') else {
        return VALIDATION.contains(&value).then(|| value.to_owned());
    };
    let prefix = prefix.to_ascii_lowercase();
    let rest = match prefix.as_str() {
        "rt" | "soo" => target(rest),
        "lb" => bandwidth(rest),
        "encap" => ENCAPS
            .iter()
            .find(|(word, listed)| *word == rest || *listed == rest)
            .map(|(word, _)| (*word).to_owned()),
        _ => None,
    }?;
    Some(format!("{prefix}:{rest}"))
}

/// The value of a route target or origin. An AS over 65535 is written in
/// asdot (RFC 5396), as GoBGP lists it; it reads `70000:1` as `65535:1`.
fn target(value: &str) -> Option<String> {
    let (admin, number) = value.rsplit_once(':')?;
    if let Ok(address) = admin.parse::<Ipv4Addr>() {
        return Some(format!("{address}:{}", small(number)?));
    }
    if let Some((high, low)) = admin.split_once('.') {
        return Some(format!(
            "{}.{}:{}",
            small(high)?,
            small(low)?,
            small(number)?
        ));
    }
    let asn = digits(admin)?;
    match u16::try_from(asn) {
        Ok(asn) => Some(format!("{asn}:{}", digits(number)?)),
        Err(_) => Some(format!("{}.{}:{}", asn >> 16, asn & 0xffff, small(number)?)),
    }
}

/// A link bandwidth: bytes a second, which travel as a 32-bit float, so only
/// values that it holds exactly are read.
fn bandwidth(value: &str) -> Option<String> {
    let (asn, bytes) = value.split_once(':')?;
    let bytes = digits(bytes)?;
    #[expect(clippy::cast_precision_loss, reason = "the loss is what is looked for")]
    let exact = f64::from(bytes as f32) == f64::from(bytes);
    exact.then_some(format!("{}:{bytes}", small(asn)?))
}
