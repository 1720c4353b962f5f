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
