//! Refusals that repeat: whoever guesses tokens shall not fill the disk, nor
//! push older entries out of the files that are kept. The first ones of a
//! minute are entries of their own, the rest of that minute is one number.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Refusals of one sort that are entries of their own, in one [`WINDOW`].
const EACH: u64 = 20;
/// How long refusals of one sort are counted together.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Sorts that are told apart at once; all further ones count as one.
const SORTS: usize = 1024;

/// Refusals that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sort {
    /// Whose: a caller's id, or where it came from.
    pub(super) by: By,
    /// Why.
    pub(super) status: u16,
}

/// Who is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Caller(String),
    Address(Option<IpAddr>),
    /// Many.
    Others,
}

/// Counts refusals. Its time is whatever clock its owner has.
#[derive(Debug, Default)]
pub(super) struct Damper {
    seen: BTreeMap<Sort, u64>,
}

impl Damper {
    /// Whether this refusal is an entry of its own; otherwise it is counted.
    pub(super) fn passes(&mut self, sort: Sort) -> bool {
        let known = self.seen.contains_key(&sort) || self.seen.len() < SORTS;
        let sort = match known {
            true => sort,
            false => Sort {
                by: By::Others,
                ..sort
            },
        };
        let seen = self.seen.entry(sort).or_default();
        *seen += 1;
        *seen <= EACH
    }

    /// A window ends: what was only counted in it.
    pub(super) fn turn(&mut self) -> Vec<(Sort, u64)> {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let counted = seen.filter_map(|(sort, seen)| Some((sort, seen.checked_sub(EACH)?)));
        counted.filter(|(_, counted)| *counted > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Sort {
        Sort {
            by: By::Address(Some([192, 0, 2, last].into())),
            status: 401,
        }
    }

    #[test]
    fn the_first_ones_pass_and_the_rest_is_one_number() {
        let mut damper = Damper::default();
        let passed = (0..500).filter(|_| damper.passes(from(1))).count() as u64;
        assert_eq!(passed, EACH);
        assert!(damper.passes(from(2)), "another one's are his own");
        assert_eq!(damper.turn(), [(from(1), 500 - EACH)]);
        assert!(damper.passes(from(1)), "a new window");
        assert_eq!(damper.turn(), []);
    }

    #[test]
    fn many_sources_take_no_more_room_than_some() {
        let mut damper = Damper::default();
        let source = |n: u32| Sort {
            by: By::Address(Some(std::net::Ipv4Addr::from(n).into())),
            status: 401,
        };
        let passed = (0..100_000).filter(|n| damper.passes(source(*n))).count();
        assert_eq!(passed as u64, SORTS as u64 + EACH);
        assert_eq!(damper.seen.len(), SORTS + 1);
        let counted: u64 = damper.turn().iter().map(|(_, counted)| counted).sum();
        assert_eq!(counted, 100_000 - SORTS as u64 - EACH);
    }
}
