//! Which gobgpd works with which zebra. gobgpd says OK to any of them, and
//! then panics or installs nonsense: so pairs are judged here, by what was
//! seen of them, before anything is sent.
//!
//! | gobgpd   | zebra             | seen                                        |
//! |----------|-------------------|---------------------------------------------|
//! | to 3.17  | FRR 8 and newer   | the daemon panics (3.10 with FRR 8.4)       |
//! | any      | FRR 10 and newer  | it answers OK and installs wrong routes     |
//! | from 3.18| FRR 6 to 8.4, API 6 | routes come and go as they should         |
//!
//! Everything else is for the operator to try.

use crate::config::Zebra;
use crate::observed::{Api, Version};
use std::fmt::{self, Display, Formatter};

/// What is known of a gobgpd and a zebra together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pair {
    /// It works.
    Works,
    /// Nobody here has seen it work; what to do about it.
    Untried(String),
    /// It breaks, whoever says otherwise; how, and what to do instead.
    Breaks(String),
}

/// The first minor version of GoBGP 3 that speaks with FRR 8.
const SPEAKS_FRR8: u16 = 18;

/// Judges a pair; `None` is a gobgpd of which nothing is known.
pub fn judge(gobgpd: Option<Version>, zebra: &Zebra) -> Pair {
    let frr = frr(&zebra.software_name);
    if frr >= Some((10, 0)) {
        return Pair::Breaks(
            "no gobgpd speaks with FRR 10 or newer: it says OK and installs wrong routes; \
             use `fib: agent`, which needs no zebra"
                .to_owned(),
        );
    }
    let speaks_frr8 = gobgpd.and_then(speaks_frr8);
    if frr >= Some((8, 0)) && speaks_frr8 == Some(false) {
        return Pair::Breaks(format!(
            "gobgpd before 3.{SPEAKS_FRR8} panics against the zebra of FRR 8 and newer: \
             use a newer gobgpd, or `fib: agent`, which needs no zebra"
        ));
    }
    let known = frr.is_some_and(|frr| ((6, 0)..=(8, 4)).contains(&frr)) && zebra.version == 6;
    match speaks_frr8 {
        None => Pair::Untried(format!(
            "gobgp_version is not declared, and before 3.{SPEAKS_FRR8} gobgpd panics against the \
             zebra of FRR 8: declare it; or try this pair, and if it works, set zebra_confirmed"
        )),
        Some(true) if known => Pair::Works,
        Some(_) => Pair::Untried(format!(
            "nothing is known of this gobgpd with {} of zebra API {}: try the pair, look at the \
             kernel's table, and if it is right, set zebra_confirmed; or use `fib: agent`",
            zebra.software_name, zebra.version
        )),
    }
}

/// `None` where the minor version decides and is not known.
fn speaks_frr8(gobgpd: Version) -> Option<bool> {
    match gobgpd.api {
        Api::V3 => gobgpd.minor.map(|minor| minor >= SPEAKS_FRR8),
        Api::V4 => Some(true),
    }
}

/// FRR's version in a software name; `None` for another software.
fn frr(name: &str) -> Option<(u16, u16)> {
    let version = name.strip_prefix("frr")?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Display for Zebra {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            version,
            software_name,
        } = self;
        write!(f, "zebra {url} ({software_name}, API {version})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zebra(software_name: &str, version: u8) -> Zebra {
        Zebra {
            url: "unix:/run/frr/zserv.api".into(),
            version,
            software_name: software_name.into(),
        }
    }

    fn word(gobgpd: &str, name: &str, version: u8) -> &'static str {
        match judge(Version::parse(gobgpd), &zebra(name, version)) {
            Pair::Works => "works",
            Pair::Untried(_) => "untried",
            Pair::Breaks(_) => "breaks",
        }
    }

    #[test]
    fn pairs_are_judged_by_what_was_seen() {
        for (gobgpd, name, version, expected) in [
            ("3.10", "frr8.4", 6, "breaks"),
            ("3.17", "frr8", 6, "breaks"),
            ("3.17", "frr7.5", 6, "untried"),
            ("3.18", "frr8.4", 6, "works"),
            ("3.36", "frr6", 6, "works"),
            ("4.8", "frr8.4", 6, "works"),
            ("4.8", "frr8.4", 5, "untried"),
            ("4.8", "frr8.5", 6, "untried"),
            ("4.8", "frr9.1", 6, "untried"),
            ("3.10", "frr9.1", 6, "breaks"),
            ("4.8", "frr10", 6, "breaks"),
            ("4.8", "frr10.3", 6, "breaks"),
            ("3.10", "frr10.3", 6, "breaks"),
            ("4.8", "quagga", 2, "untried"),
            ("3.10", "quagga", 3, "untried"),
            ("4.8", "frr5", 5, "untried"),
            ("", "frr8.4", 6, "untried"),
            ("", "quagga", 3, "untried"),
            ("", "frr10.3", 6, "breaks"),
        ] {
            let got = word(gobgpd, name, version);
            assert_eq!(got, expected, "{gobgpd:?} with {name} API {version}");
        }
    }

    #[test]
    fn of_a_major_version_alone_the_oldest_is_assumed() {
        let version = |api| Some(Version { api, minor: None });
        let frr = zebra("frr8.4", 6);
        assert!(matches!(judge(version(Api::V3), &frr), Pair::Untried(_)));
        assert_eq!(judge(version(Api::V4), &frr), Pair::Works);
    }
}
