//! Leases. They run in real time here; each test waits for what must happen,
//! never for a time to pass.

use super::{Subject, answered, commit, keys, next, put_all, soon};
use crate::{Batch, Change, Condition, Error, LeaseId, Op, Outcome, Store, Watch};
use futures::StreamExt as _;
use std::time::Duration;

/// Short, but no busy machine stops for as long; of whole seconds as etcd
/// wants them.
const TTL: Duration = Duration::from_secs(3);

/// No test lasts as long.
const LONG: Duration = Duration::from_secs(3600);

fn held(key: &str, lease: LeaseId) -> Op {
    Op::Put {
        key: key.into(),
        value: b"held".into(),
        lease: Some(lease),
    }
}

fn deleted(batch: &Batch) -> Vec<&str> {
    let gone = |change: &&Change| matches!(change, Change::Delete { .. });
    batch.changes.iter().filter(gone).map(Change::key).collect()
}

/// All of them in one revision, and only they.
pub async fn keys_vanish_with_their_lease(store: Subject) {
    let lease = answered(store.grant(TTL).await);
    let put = [held("/b", lease), held("/a", lease), Op::put("/stays", "")];
    let revision = put_all(&*store, put).await;
    let mut watch = answered(store.watch("", revision).await);
    let batch = next(&mut watch).await;
    assert_eq!(deleted(&batch), ["/a", "/b"]);
    assert_eq!(batch.changes.len(), 2);
    assert_eq!(keys(&*store, "").await, ["/stays"]);
    expired(store.keep_alive(lease).await);
}

#[track_caller]
fn expired<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::LeaseExpired)), "{result:?}");
}

/// Two leases of the same length; the one that is kept alive outlasts the
/// other.
pub async fn a_lease_kept_alive_outlives_another(store: Subject) {
    let kept = answered(store.grant(TTL).await);
    let left = answered(store.grant(TTL).await);
    let revision = put_all(&*store, [held("/kept", kept), held("/left", left)]).await;
    let mut watch = answered(store.watch("", revision).await);
    let alive = soon(
        "the lease that is left alone",
        keep_until(&*store, kept, &mut watch),
    );
    assert_eq!(deleted(&alive.await), ["/left"]);
    answered(store.keep_alive(kept).await);
    assert_eq!(keys(&*store, "").await, ["/kept"]);
}

/// Keeps the lease alive until the watch tells of anything.
async fn keep_until(store: &dyn Store, lease: LeaseId, watch: &mut Watch) -> Batch {
    let mut tick = tokio::time::interval(TTL / 20);
    loop {
        tokio::select! {
            biased;
            batch = watch.next() => match batch {
                Some(Ok(batch)) => return batch,
                other => panic!("not a revision: {other:?}"),
            },
            _ = tick.tick() => answered(store.keep_alive(lease).await),
        }
    }
}

/// Its keys go, it takes no more, and revoking it again is no error.
pub async fn a_revoked_lease_is_gone_at_once(store: Subject) {
    let lease = answered(store.grant(LONG).await);
    put_all(&*store, [held("/a", lease), Op::put("/stays", "")]).await;
    answered(store.keep_alive(lease).await);
    answered(store.revoke(lease).await);
    assert_eq!(keys(&*store, "").await, ["/stays"]);
    expired(store.keep_alive(lease).await);
    let late = commit([], [Op::put("/other", ""), held("/late", lease)]);
    let id = late.id;
    expired(store.commit(late).await);
    assert_eq!(
        keys(&*store, "").await,
        ["/stays"],
        "nothing of it is written"
    );
    assert_eq!(answered(store.committed(id).await), None);
    answered(store.revoke(lease).await);
}

/// The last put counts: under another lease, or under none.
pub async fn a_put_decides_the_lease_of_its_key(store: Subject) {
    let first = answered(store.grant(LONG).await);
    let second = answered(store.grant(LONG).await);
    let put = ["/freed", "/moved", "/again", "/held"].map(|key| held(key, first));
    put_all(&*store, put).await;
    put_all(
        &*store,
        [
            Op::put("/freed", ""),
            held("/moved", second),
            Op::delete("/again"),
        ],
    )
    .await;
    put_all(&*store, [Op::put("/again", "")]).await;
    answered(store.revoke(first).await);
    assert_eq!(keys(&*store, "").await, ["/again", "/freed", "/moved"]);
    answered(store.revoke(second).await);
    assert_eq!(keys(&*store, "").await, ["/again", "/freed"]);
}

/// Conditions are judged first.
pub async fn a_conflict_comes_before_an_expired_lease(store: Subject) {
    let lease = answered(store.grant(LONG).await);
    answered(store.revoke(lease).await);
    let both = commit([Condition::Exists("/missing".into())], [held("/k", lease)]);
    assert_eq!(answered(store.commit(both).await), Outcome::Conflict);
}

/// It would be over before it is told.
pub async fn a_lease_without_time_is_refused(store: Subject) {
    let refused = store.grant(Duration::ZERO).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}
