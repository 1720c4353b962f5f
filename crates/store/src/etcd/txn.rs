//! Commits as etcd's transactions; pure.
//!
//! A commit's record is a key of its own, written in the same transaction: its
//! revision is the commit's, and a transaction that finds it there changes
//! nothing. A record may also be void: whoever asks what became of a commit
//! that was never applied writes that, so that the commit, should it still be
//! under way, comes too late.

use super::layout::Layout;
use super::wire::{
    self, Compare, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, RangeResponse,
    RequestOp, ResponseOp, TxnRequest, TxnResponse,
    compare::{Result as Is, Target, TargetUnion},
    request_op::Request,
    response_op::Response,
};
use crate::{Commit, Condition, Op, Revision};
use uuid::Uuid;

/// Operations in one transaction that is nested in another.
const WIDTH: usize = 32;

/// Comparisons in one transaction. With two levels nested in it (32 x 32 x 4
/// operations are all that a commit may have) this is what etcd's default of
/// 128 operations takes: it counts along the path to the innermost.
pub(super) const COMPARES: usize = 64;

/// The value of a void record; one of a commit that was made is empty.
const VOID: &[u8] = b"void";

/// What stands where a commit's record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    None,
    /// Written at this revision, which is the commit's.
    Made(Revision),
    /// Written at this revision.
    Void(Revision),
}

impl Record {
    /// Out of the answer to a range of the record's key.
    pub(super) fn read(range: &RangeResponse) -> Self {
        match range.kvs.first() {
            None => Self::None,
            Some(kv) if kv.value == VOID => Self::Void(wire::revision(kv.mod_revision)),
            Some(kv) => Self::Made(wire::revision(kv.mod_revision)),
        }
    }
}

/// The transaction that makes the commit if `conditions` hold and its record
/// is still as `record` says; else it reads the record.
pub(super) fn commit(
    layout: &Layout,
    commit: &Commit,
    record: Record,
    conditions: Vec<Compare>,
    ids: i64,
) -> TxnRequest {
    let key = layout.commit(commit.id);
    let mut compare = conditions;
    compare.push(match record {
        Record::None => absent(key.clone()),
        Record::Made(at) | Record::Void(at) => modified(key.clone(), at),
    });
    let deletes = |op: &Op| matches!(op, Op::Delete { .. });
    let mut success = nest(commit.then.iter().map(|op| operation(layout, op)).collect());
    if commit.then.iter().any(deletes) {
        success.push(put(layout.deletions(), b"", 0));
    }
    success.push(put(key.clone(), b"", ids));
    TxnRequest {
        compare,
        success,
        failure: vec![RangeRequest::of_key(key).into()],
    }
}

/// The transaction that reads a commit's record, and makes it void where
/// there is none.
pub(super) fn void(layout: &Layout, id: Uuid, ids: i64) -> TxnRequest {
    let key = layout.commit(id);
    TxnRequest {
        compare: vec![absent(key.clone())],
        success: vec![put(key.clone(), VOID, ids)],
        failure: vec![RangeRequest::of_key(key).into()],
    }
}

/// The record that a transaction read because it found itself refused.
pub(super) fn refused_by(answer: &TxnResponse) -> Record {
    let ranges = ranges(&answer.responses);
    ranges
        .first()
        .map_or(Record::None, |range| Record::read(range))
}

fn operation(layout: &Layout, op: &Op) -> RequestOp {
    match op {
        Op::Put { key, value, lease } => {
            put(layout.key(key), value, lease.map_or(0, |lease| lease.0))
        }
        Op::Delete { key } => Request::DeleteRange(DeleteRangeRequest {
            key: layout.key(key),
        })
        .into(),
    }
}

fn put(key: Vec<u8>, value: &[u8], lease: i64) -> RequestOp {
    let value = value.to_vec();
    PutRequest { key, value, lease }.into()
}

/// The same operations in the same order, at most 32 to a transaction: more
/// are nested in others, which are part of the one around them.
pub(super) fn nest(mut ops: Vec<RequestOp>) -> Vec<RequestOp> {
    while ops.len() > WIDTH {
        let mut rest = ops.into_iter().peekable();
        let mut outer = Vec::new();
        while rest.peek().is_some() {
            let success = rest.by_ref().take(WIDTH).collect();
            let inner = TxnRequest {
                success,
                ..TxnRequest::default()
            };
            outer.push(Request::Txn(inner).into());
        }
        ops = outer;
    }
    ops
}

/// The answers to all ranges, in the order of their requests.
pub(super) fn ranges(responses: &[ResponseOp]) -> Vec<&RangeResponse> {
    let mut found = Vec::new();
    for response in responses {
        match &response.response {
            Some(Response::Range(range)) => found.push(range),
            Some(Response::Txn(txn)) => found.extend(ranges(&txn.responses)),
            None => {}
        }
    }
    found
}

/// The condition as etcd asks it.
pub(super) fn condition(layout: &Layout, condition: &Condition) -> Compare {
    match condition {
        Condition::Absent(key) => absent(layout.key(key)),
        Condition::Exists(key) => created(layout.key(key), Is::Greater),
        // No key was written at revision 0, but etcd takes one that is not
        // there for written then.
        Condition::AtRevision(key, Revision(0)) => Compare {
            result: Is::Less.into(),
            ..absent(layout.key(key))
        },
        Condition::AtRevision(key, revision) => modified(layout.key(key), *revision),
        Condition::NoneUnder(prefix) => {
            let range = layout.under(prefix);
            Compare {
                range_end: range.to,
                ..absent(range.from)
            }
        }
        Condition::NothingNewer(prefix, revision) => {
            let range = layout.under(prefix);
            not_newer(range.from, range.to, *revision)
        }
    }
}

fn absent(key: Vec<u8>) -> Compare {
    created(key, Is::Equal)
}

/// The revision that created the key, against 0.
fn created(key: Vec<u8>, is: Is) -> Compare {
    Compare {
        result: is.into(),
        target: Target::Create.into(),
        key,
        target_union: Some(TargetUnion::CreateRevision(0)),
        range_end: Vec::new(),
    }
}

pub(super) fn modified(key: Vec<u8>, at: Revision) -> Compare {
    Compare {
        result: Is::Equal.into(),
        target: Target::Mod.into(),
        key,
        target_union: Some(TargetUnion::ModRevision(wire::to_wire(at))),
        range_end: Vec::new(),
    }
}

/// No key in the range was written after `than`; an empty end is one key.
pub(super) fn not_newer(from: Vec<u8>, to: Vec<u8>, than: Revision) -> Compare {
    Compare {
        result: Is::Less.into(),
        range_end: to,
        ..modified(from, Revision(than.0.saturating_add(1)))
    }
}

/// The entry that a key of etcd's is; none for what is no entry.
pub(super) fn entry(layout: &Layout, kv: KeyValue) -> Option<crate::Entry> {
    Some(crate::Entry {
        key: layout.entry(kv.key)?,
        value: kv.value,
        created: wire::revision(kv.create_revision),
        modified: wire::revision(kv.mod_revision),
    })
}
