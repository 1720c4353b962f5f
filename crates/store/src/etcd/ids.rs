//! How long the records of commits are kept: each is put under a lease. Many
//! share one, so that a commit costs no grant, but not too many, since etcd
//! deletes a lease's keys all at once.

use super::cluster::{Again, Cluster, rpc};
use super::failure::Failure;
use super::wire::{LeaseGrantRequest, LeaseGrantResponse};
use crate::IDS_KEPT;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

/// No record joins a lease that is older.
const OPEN_FOR: Duration = Duration::from_secs(600);

/// Nor one that has as many.
const MOST: u32 = 1000;

#[derive(Debug, Default)]
pub(super) struct Ids {
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    lease: i64,
    since: Instant,
    records: u32,
}

impl Ids {
    /// A lease that has long enough to live for one record more.
    pub(super) async fn lease(&self, cluster: &Cluster, deadline: Instant) -> Result<i64, Failure> {
        let waited = |_| Failure::NotSent("etcd: no lease for the commit's record yet".into());
        let open = timeout_at(deadline, self.open.lock()).await;
        let mut open = open.map_err(waited)?;
        if let Some(open) = open.as_mut()
            && open.records < MOST
            && open.since.elapsed() < OPEN_FOR
        {
            open.records += 1;
            return Ok(open.lease);
        }
        let since = Instant::now();
        let ttl = (IDS_KEPT + OPEN_FOR).as_secs().cast_signed();
        let request = LeaseGrantRequest { ttl };
        // A lease whose grant is not heard of ends by itself.
        let granted: LeaseGrantResponse = cluster
            .call(rpc::GRANT, &request, Again::Harmless, deadline)
            .await?;
        *open = Some(Open {
            lease: granted.id,
            since,
            records: 1,
        });
        Ok(granted.id)
    }

    /// No record joins this lease any more: it is gone.
    pub(super) async fn forget(&self, lease: i64) {
        let mut open = self.open.lock().await;
        if open.as_ref().is_some_and(|open| open.lease == lease) {
            *open = None;
        }
    }
}
