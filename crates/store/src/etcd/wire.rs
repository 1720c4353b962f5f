//! The generated messages, kept from the outside, and short ways to make them.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/etcd.rs"));
}
pub(super) use generated::*;

use super::layout::Range;
use crate::Revision;

impl std::fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticateRequest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// etcd's revisions are never negative.
pub(super) fn revision(wire: i64) -> Revision {
    Revision(u64::try_from(wire).unwrap_or(0))
}

/// What lies beyond etcd's range is as far ahead as can be.
pub(super) fn to_wire(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// The store's revision as an answer's header tells it.
pub(super) fn head(header: Option<&ResponseHeader>) -> Revision {
    revision(header.map_or(0, |header| header.revision))
}

impl RangeRequest {
    pub(super) fn of_key(key: Vec<u8>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    pub(super) fn of(range: Range) -> Self {
        Self {
            key: range.from,
            range_end: range.to,
            ..Self::default()
        }
    }
}

impl From<request_op::Request> for RequestOp {
    fn from(request: request_op::Request) -> Self {
        Self {
            request: Some(request),
        }
    }
}

impl From<RangeRequest> for RequestOp {
    fn from(range: RangeRequest) -> Self {
        request_op::Request::Range(range).into()
    }
}

impl From<PutRequest> for RequestOp {
    fn from(put: PutRequest) -> Self {
        request_op::Request::Put(put).into()
    }
}
