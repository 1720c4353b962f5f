//! `statement_action`: GoBGP's own command-line grammar for what a policy
//! statement does to a route (`gobgp policy statement NAME add action ...`).
//!
//! An [`Action`] is always canonical: what an operator writes and what gobgpd
//! lists back are the same value if they mean the same, so that the planner
//! can compare with `==`. Values that gobgpd would take and silently change
//! (`community add 70000:1` becomes `65535:1`, `local-pref 0` nothing,
//! `med add 0` a `med set 0`) are errors here.

mod community;

pub use community::Kind as CommunityKind;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What a statement changes in a route that it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `community add|remove|replace VALUE...`; values in canonical text.
    Community(SetOp, Vec<String>),
    /// `ext-community add|remove|replace VALUE...`.
    ExtCommunity(SetOp, Vec<String>),
    /// `large-community add|remove|replace VALUE...`.
    LargeCommunity(SetOp, Vec<String>),
    /// `med add N | sub N`: relative, never 0.
    MedAdjust(i64),
    /// `med set N`: absolute.
    MedSet(u32),
    /// `local-pref N`, never 0.
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
    /// Takes from it; values are addresses of communities or regular
    /// expressions over their text.
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
    /// The neighbor's address; GoBGP 3.28 and newer.
    PeerAddress,
}

impl Action {
    /// A community action from values in any of the spellings that GoBGP
    /// takes or lists (`no-export`, `65535:65281`, `^65535:65281$`).
    ///
    /// # Errors
    /// Every value that is wrong, and why.
    pub fn communities<'a>(
        kind: CommunityKind,
        op: SetOp,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut canonical: Vec<String> = Vec::new();
        let mut wrong = Vec::new();
        for value in values {
            match kind.canonical(op, value) {
                Ok(text) if canonical.contains(&text) => {}
                Ok(text) => canonical.push(text),
                Err(why) => wrong.push(why),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        if canonical.is_empty() {
            return Err(format!(
                "expected {} after `{} {}`",
                kind.expects(op),
                kind.word(),
                op.word()
            ));
        }
        Ok(match kind {
            CommunityKind::Standard => Self::Community(op, canonical),
            CommunityKind::Extended => Self::ExtCommunity(op, canonical),
            CommunityKind::Large => Self::LargeCommunity(op, canonical),
        })
    }
}

impl FromStr for Action {
    type Err = String;

    /// Reads GoBGP's grammar, and `med +N | -N | N` besides its `med add N`;
    /// the error says what was expected where.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::new(text);
        let action = match words.next("an action such as `next-hop self`")? {
            "community" => words.communities(CommunityKind::Standard)?,
            "ext-community" => words.communities(CommunityKind::Extended)?,
            "large-community" => words.communities(CommunityKind::Large)?,
            "med" => words.med()?,
            "local-pref" => Self::LocalPref(words.number("a preference of 1 to 4294967295", 1)?),
            "as-prepend" => words.as_prepend()?,
            "next-hop" => Self::NextHop(words.next_hop()?),
            "accept" | "reject" => {
                return Err(format!(
                    "`{text}` is no statement_action: declare it as route_disposition"
                ));
            }
            other => {
                let known = [
                    "community",
                    "ext-community",
                    "large-community",
                    "med",
                    "local-pref",
                    "as-prepend",
                    "next-hop",
                ];
                return Err(match crate::document::nearest(other, known) {
                    Some(near) => format!("`{other}` is no action: did you mean `{near}`?"),
                    None => format!("`{other}` is no action: expected {}", known.join(", ")),
                });
            }
        };
        words.end()?;
        Ok(action)
    }
}

impl fmt::Display for Action {
    /// Canonical text in GoBGP's grammar: parsing it gives the same action.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Community(op, values) => {
                write!(f, "community {} {}", op.word(), values.join(" "))
            }
            Self::ExtCommunity(op, values) => {
                write!(f, "ext-community {} {}", op.word(), values.join(" "))
            }
            Self::LargeCommunity(op, values) => {
                write!(f, "large-community {} {}", op.word(), values.join(" "))
            }
            Self::MedAdjust(by) if *by < 0 => write!(f, "med sub {}", by.unsigned_abs()),
            Self::MedAdjust(by) => write!(f, "med add {by}"),
            Self::MedSet(value) => write!(f, "med set {value}"),
            Self::LocalPref(value) => write!(f, "local-pref {value}"),
            Self::AsPrepend(Some(asn), times) => write!(f, "as-prepend {asn} {times}"),
            Self::AsPrepend(None, times) => write!(f, "as-prepend last-as {times}"),
            Self::NextHop(NextHop::Address(address)) => write!(f, "next-hop {address}"),
            Self::NextHop(NextHop::SelfAddress) => f.write_str("next-hop self"),
            Self::NextHop(NextHop::Unchanged) => f.write_str("next-hop unchanged"),
            Self::NextHop(NextHop::PeerAddress) => f.write_str("next-hop peer-address"),
        }
    }
}

impl SetOp {
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
        }
    }
}

/// The words of one action, left to right, with where we are for messages.
struct Words<'a> {
    rest: std::str::SplitWhitespace<'a>,
    taken: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.split_whitespace(),
            taken: Vec::new(),
        }
    }

    /// Where we are, for the end of a message.
    fn place(&self) -> String {
        if self.taken.is_empty() {
            "at the start".to_owned()
        } else {
            format!("after `{}`", self.taken.join(" "))
        }
    }

    fn next(&mut self, expected: &str) -> Result<&'a str, String> {
        let place = self.place();
        let word = self
            .rest
            .next()
            .ok_or_else(|| format!("expected {expected} {place}"))?;
        self.taken.push(word);
        Ok(word)
    }

    /// An unsigned 32-bit number that is at least `least`.
    fn number(&mut self, expected: &str, least: u32) -> Result<u32, String> {
        let place = self.place();
        let word = self.next(expected)?;
        digits(word)
            .filter(|n| *n >= least)
            .ok_or_else(|| format!("expected {expected} {place}, not `{word}`"))
    }

    fn end(mut self) -> Result<(), String> {
        let place = self.place();
        match self.rest.next() {
            None => Ok(()),
            Some(word) => Err(format!("unexpected `{word}` {place}")),
        }
    }

    fn communities(&mut self, kind: CommunityKind) -> Result<Action, String> {
        let expected = "add, remove or replace";
        let place = self.place();
        let op = match self.next(expected)? {
            "add" => SetOp::Add,
            "remove" => SetOp::Remove,
            "replace" => SetOp::Replace,
            word => return Err(format!("expected {expected} {place}, not `{word}`")),
        };
        Action::communities(kind, op, self.rest.by_ref())
    }

    fn med(&mut self) -> Result<Action, String> {
        let expected = "`add N`, `sub N`, `set N`, `+N`, `-N` or `N`";
        let change = "a change of 1 to 4294967295";
        let place = self.place();
        let word = self.next(expected)?;
        let adjust = |sign: i64, by: u32| Action::MedAdjust(sign * i64::from(by));
        match word {
            "add" => Ok(adjust(1, self.number(change, 1)?)),
            "sub" => Ok(adjust(-1, self.number(change, 1)?)),
            "set" => Ok(Action::MedSet(self.number("a MED of 0 to 4294967295", 0)?)),
            _ => {
                let (sign, number) = match word.as_bytes().first() {
                    Some(b'+') => (1, &word[1..]),
                    Some(b'-') => (-1, &word[1..]),
                    _ => (0, word),
                };
                match (sign, digits(number)) {
                    (0, Some(value)) => Ok(Action::MedSet(value)),
                    (_, Some(by)) if sign != 0 && by > 0 => Ok(adjust(sign, by)),
                    _ => Err(format!(
                        "expected {expected} {place} (at most 4294967295, a change at least 1), not `{word}`"
                    )),
                }
            }
        }
    }

    fn as_prepend(&mut self) -> Result<Action, String> {
        let expected = "`last-as` or an AS of 1 to 4294967295";
        let place = self.place();
        let asn = match self.next(expected)? {
            "last-as" => None,
            word => Some(
                digits(word)
                    .filter(|n| *n > 0)
                    .ok_or_else(|| format!("expected {expected} {place}, not `{word}`"))?,
            ),
        };
        let expected = "how many times, 1 to 255,";
        let place = self.place();
        let times = self.number(expected, 1)?;
        u8::try_from(times)
            .map(|times| Action::AsPrepend(asn, times))
            .map_err(|_| format!("expected {expected} {place}, not `{times}`"))
    }

    fn next_hop(&mut self) -> Result<NextHop, String> {
        let expected = "`self`, `unchanged`, `peer-address` or an address";
        let place = self.place();
        let word = self.next(expected)?;
        if word.eq_ignore_ascii_case("self") {
            return Ok(NextHop::SelfAddress);
        }
        if word.eq_ignore_ascii_case("unchanged") {
            return Ok(NextHop::Unchanged);
        }
        if word.eq_ignore_ascii_case("peer-address") {
            return Ok(NextHop::PeerAddress);
        }
        match word.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_unspecified() || address.is_multicast() => Err(format!(
                "`{word}` can't be a next hop: expected {expected} {place}"
            )),
            Ok(address) => Ok(NextHop::Address(address)),
            Err(_) => Err(format!("expected {expected} {place}, not `{word}`")),
        }
    }
}

/// Plain decimal digits; `u32::from_str` would also take a sign.
fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests;
