//! Commits with more conditions than one transaction compares; pure.
//!
//! Comparisons don't nest the way operations do: etcd takes 128 along a path.
//! So the conditions are judged on what one reading transaction finds at one
//! revision, and the commit is made on few conditions instead: that nothing
//! which was looked at has been written since then (comparisons of ranges that
//! cover it), and that nobody has deleted since then. Where these fail it is
//! looked again: they may have met a neighbour's key.
//!
//! etcd compares no deletions, but every commit that deletes writes a record
//! of that. A key under a lease may vanish without, so it is compared itself.

use super::layout::{Layout, Range, only};
use super::txn::{self, Record};
use super::wire::{self, Compare, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use crate::{Commit, Condition, Error, Revision};

/// Ranges that cover what was looked at.
const COVERS: usize = 24;

/// Keys under leases that can be compared besides: with the covers, the record
/// of deletions and the commit's own record they are what a transaction takes.
const LEASED: usize = txn::COMPARES - COVERS - 2;

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The commit was made before.
    Made(Revision),
    /// A condition did not hold.
    Conflict,
    /// All held, and still do if these do.
    Holds {
        record: Record,
        conditions: Vec<Compare>,
    },
}

/// The transaction that reads the commit's record and all that its conditions
/// speak of, in this order.
pub(super) fn question(layout: &Layout, commit: &Commit) -> TxnRequest {
    let record = RangeRequest::of_key(layout.commit(commit.id));
    let looks = commit.when.iter().map(|condition| look(layout, condition));
    let ranges = std::iter::once(record).chain(looks);
    TxnRequest {
        success: txn::nest(ranges.map(Into::into).collect()),
        ..TxnRequest::default()
    }
}

/// Finds a key that decides the condition, if there is one.
fn look(layout: &Layout, condition: &Condition) -> RangeRequest {
    let range = RangeRequest::of(subject(layout, condition));
    let min_mod_revision = match condition {
        Condition::NothingNewer(_, revision) => wire::to_wire(*revision).saturating_add(1),
        _ => 0,
    };
    RangeRequest {
        limit: 1,
        keys_only: true,
        min_mod_revision,
        ..range
    }
}

fn subject(layout: &Layout, condition: &Condition) -> Range {
    match condition {
        Condition::Absent(key) | Condition::Exists(key) | Condition::AtRevision(key, _) => {
            only(layout.key(key))
        }
        Condition::NoneUnder(prefix) | Condition::NothingNewer(prefix, _) => layout.under(prefix),
    }
}

/// # Errors
/// [`Error::TooLarge`] for more keys under leases than can be compared.
pub(super) fn judge(
    layout: &Layout,
    commit: &Commit,
    answer: &TxnResponse,
) -> Result<Verdict, Error> {
    let found = txn::ranges(&answer.responses);
    let Some((record, looked)) = found.split_first() else {
        return Err(Error::Unavailable("etcd left its answer empty".into()));
    };
    let record = Record::read(record);
    if let Record::Made(revision) = record {
        return Ok(Verdict::Made(revision));
    }
    // Missing answers would count as keys that are not there.
    if looked.len() != commit.when.len() {
        return Err(Error::Unavailable("etcd's answer is not whole".into()));
    }
    let mut looks = commit.when.iter().zip(looked);
    if !looks
        .clone()
        .all(|(condition, found)| holds(condition, found))
    {
        return Ok(Verdict::Conflict);
    }
    let at = wire::head(answer.header.as_ref());
    let subjects = commit.when.iter().map(|when| subject(layout, when));
    let mut conditions = covers(subjects.collect(), at);
    conditions.push(txn::not_newer(layout.deletions(), Vec::new(), at));
    let room = conditions.len() + LEASED;
    let leased = looks.by_ref().flat_map(|(_, found)| &found.kvs);
    for kv in leased.filter(|kv| kv.lease != 0) {
        let at = wire::revision(kv.mod_revision);
        conditions.push(txn::modified(kv.key.clone(), at));
    }
    if conditions.len() > room {
        return Err(Error::TooLarge {
            what: format!(
                "{} conditions on keys under leases",
                conditions.len() - room + LEASED
            ),
            limit: format!(
                "{LEASED} of them, where it has over {} conditions",
                txn::COMPARES - 1
            ),
        });
    }
    Ok(Verdict::Holds { record, conditions })
}

fn holds(condition: &Condition, found: &RangeResponse) -> bool {
    let found = found.kvs.first();
    match condition {
        Condition::Absent(_) | Condition::NoneUnder(_) | Condition::NothingNewer(..) => {
            found.is_none()
        }
        Condition::Exists(_) => found.is_some(),
        Condition::AtRevision(_, revision) => {
            found.is_some_and(|kv| wire::revision(kv.mod_revision) == *revision)
        }
    }
}

/// Nothing in these was written after `at`; a few ranges that may cover what
/// lies in between as well.
fn covers(mut subjects: Vec<Range>, at: Revision) -> Vec<Compare> {
    subjects.sort_unstable_by(|a, b| a.from.cmp(&b.from));
    let size = subjects.len().div_ceil(COVERS).max(1);
    let covers = subjects.chunks(size).filter_map(|chunk| {
        let from = chunk.first()?.from.clone();
        let to = chunk.iter().map(|range| &range.to).max()?.clone();
        Some(txn::not_newer(from, to, at))
    });
    covers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::wire::{KeyValue, ResponseHeader, ResponseOp, response_op::Response};
    use uuid::Uuid;

    const AT: i64 = 70;

    fn layout() -> Layout {
        Layout::new("p".into())
    }

    fn exist(keys: usize) -> Commit {
        let keys = (0..keys).map(|n| Condition::Exists(format!("/{n}")));
        Commit {
            id: Uuid::nil(),
            when: keys.collect(),
            then: vec![],
        }
    }

    /// No record, and a key for each condition, the first ones under a lease.
    fn found(commit: &Commit, leased: usize) -> TxnResponse {
        let range = |kvs| ResponseOp {
            response: Some(Response::Range(RangeResponse {
                kvs,
                ..RangeResponse::default()
            })),
        };
        let keys = commit.when.iter().enumerate().map(|(n, condition)| {
            range(vec![KeyValue {
                key: layout().key(condition.subject()),
                mod_revision: 50,
                lease: i64::from(n < leased),
                ..KeyValue::default()
            }])
        });
        TxnResponse {
            header: Some(ResponseHeader {
                revision: AT,
                ..ResponseHeader::default()
            }),
            responses: std::iter::once(range(vec![])).chain(keys).collect(),
            ..TxnResponse::default()
        }
    }

    fn conditions(commit: &Commit, leased: usize) -> Vec<Compare> {
        match judge(&layout(), commit, &found(commit, leased)) {
            Ok(Verdict::Holds { conditions, .. }) => conditions,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_was_looked_at_is_covered() {
        for keys in [1, 23, 24, 25, 64, 500, 4096] {
            let commit = exist(keys);
            let conditions = conditions(&commit, 0);
            assert!(conditions.len() < txn::COMPARES, "{keys}");
            for condition in &commit.when {
                let key = layout().key(condition.subject());
                let covering = conditions
                    .iter()
                    .find(|compare| compare.key <= key && key < compare.range_end);
                let compare = covering.unwrap_or_else(|| panic!("{condition:?}"));
                let (from, to) = (compare.key.clone(), compare.range_end.clone());
                let expected = txn::not_newer(from, to, wire::revision(AT));
                assert_eq!(*compare, expected);
            }
            let deletions = layout().deletions();
            assert!(conditions.iter().any(|compare| compare.key == deletions));
        }
    }

    #[test]
    fn a_key_under_a_lease_is_compared_itself() {
        let commit = exist(300);
        let conditions = conditions(&commit, 2);
        for key in ["/0", "/1"] {
            let itself = txn::modified(layout().key(key), Revision(50));
            assert!(conditions.contains(&itself), "{key}");
        }
    }

    #[test]
    fn as_many_keys_under_leases_as_there_is_room_for() {
        let commit = exist(300);
        assert!(conditions(&commit, LEASED).len() < txn::COMPARES);
        let refused = judge(&layout(), &commit, &found(&commit, LEASED + 1));
        let Err(Error::TooLarge { what, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            what,
            format!("{} conditions on keys under leases", LEASED + 1)
        );
    }

    #[test]
    fn an_answer_that_is_not_whole_decides_nothing() {
        let commit = exist(100);
        let mut part = found(&commit, 0);
        part.responses.pop();
        assert!(judge(&layout(), &commit, &part).is_err());
    }
}
