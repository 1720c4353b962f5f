//! Listings: in parts, since etcd's answer is one message, all at the revision
//! of the first.

use super::cluster::{Again, Cluster, rpc};
use super::failure::{Failure, Refusal};
use super::layout::{Layout, Range};
use super::txn;
use super::wire::{self, RangeRequest, RangeResponse};
use crate::{Entry, Error, Listing};
use prost::Message as _;

/// Entries of the first part.
const FIRST: i64 = 256;

/// Bytes that a part should come near to.
const WEIGHT: usize = 4 << 20;

/// Entries of a part, whatever they weigh: what follows may weigh more than
/// what came, and a part has to come within one attempt.
const MOST: i64 = 8192;

/// A listing that a compaction overtakes begins anew, but not for ever.
const TRIES: usize = 5;

pub(super) async fn list(
    cluster: &Cluster,
    layout: &Layout,
    prefix: &str,
) -> Result<Listing, Error> {
    let mut overtaken = Failure::Refused(Refusal::Compacted);
    for _ in 0..TRIES {
        match parts(cluster, layout, layout.under(prefix)).await {
            Err(failure @ Failure::Refused(Refusal::Compacted)) => overtaken = failure,
            listing => return listing.map_err(Failure::into_error),
        }
    }
    Err(overtaken.into_error())
}

async fn parts(cluster: &Cluster, layout: &Layout, range: Range) -> Result<Listing, Failure> {
    let mut request = RangeRequest {
        limit: FIRST,
        ..RangeRequest::of(range)
    };
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let deadline = cluster.deadline();
        let part: RangeResponse = cluster
            .call(rpc::RANGE, &request, Again::Harmless, deadline)
            .await?;
        if request.revision == 0 {
            request.revision = part.header.map_or(0, |header| header.revision);
        }
        request.limit = next_limit(&part);
        let next = part.kvs.last().filter(|_| part.more);
        let next = next.map(|last| [&last.key[..], b"\0"].concat());
        entries.extend(part.kvs.into_iter().filter_map(|kv| txn::entry(layout, kv)));
        let Some(next) = next else {
            let revision = wire::revision(request.revision);
            return Ok(Listing { entries, revision });
        };
        request.key = next;
    }
}

/// As many entries as weigh about enough, going by the ones that came.
fn next_limit(part: &RangeResponse) -> i64 {
    let each = part.encoded_len() / part.kvs.len().max(1);
    let limit = i64::try_from(WEIGHT / each.max(1)).unwrap_or(MOST);
    limit.clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::super::wire::KeyValue;
    use super::*;

    fn after(entries: usize, bytes: usize) -> i64 {
        let entry = KeyValue {
            value: vec![7; bytes],
            ..KeyValue::default()
        };
        next_limit(&RangeResponse {
            kvs: vec![entry; entries],
            ..RangeResponse::default()
        })
    }

    #[test]
    fn parts_weigh_about_the_same_but_small_entries_foretell_no_flood() {
        assert!((3000..4200).contains(&after(256, 1000)));
        assert_eq!(after(4, 6 << 20), 1);
        assert_eq!(after(256, 40), MOST);
        assert_eq!(after(0, 0), MOST);
    }
}
