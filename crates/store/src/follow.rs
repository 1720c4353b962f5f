//! A watch pulls: it waits for the store's revision to pass its own and then
//! reads what lies between. Nothing is queued for it, so the slowest watcher
//! neither holds up the writer nor costs memory, and cannot miss a revision.

use crate::history::Page;
use crate::{Batch, Error, Revision, Watch};
use futures::stream::{StreamExt as _, try_unfold};
use std::collections::VecDeque;
use std::future::Future;
use tokio::sync::watch;

/// Where a watch reads the history.
pub(crate) trait Source: Send + Sync + 'static {
    /// Some whole revisions after `after`, at least those that touch `prefix`.
    fn page(
        &self,
        prefix: &str,
        after: Revision,
    ) -> impl Future<Output = Result<Page, Error>> + Send;
}

/// The watch of `prefix` from `after` on. `head` is the store's revision and
/// closes with the store.
///
/// # Errors
/// What reading the first page meets, [`Error::Compacted`] above all.
pub(crate) async fn follow<S: Source>(
    source: S,
    head: watch::Receiver<Revision>,
    prefix: &str,
    after: Revision,
) -> Result<Watch, Error> {
    let mut follower = Follower {
        source,
        head,
        prefix: prefix.to_owned(),
        after,
        ready: VecDeque::new(),
    };
    follower.read().await?;
    let watch = try_unfold(follower, |mut follower| async move {
        let batch = follower.next().await?;
        Ok(Some((batch, follower)))
    });
    Ok(watch.boxed())
}

struct Follower<S> {
    source: S,
    head: watch::Receiver<Revision>,
    prefix: String,
    /// Everything up to this revision is delivered or `ready`.
    after: Revision,
    ready: VecDeque<Batch>,
}

impl<S: Source> Follower<S> {
    async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            let after = self.after;
            self.head
                .wait_for(|head| *head > after)
                .await
                .map(drop)
                .map_err(|_| Error::Unavailable("it was closed".into()))?;
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let page = self.source.page(&self.prefix, self.after).await?;
        self.after = page.through;
        let touching = page
            .batches
            .iter()
            .filter_map(|batch| under(batch, &self.prefix));
        self.ready = touching.collect();
        Ok(())
    }
}

/// The part of a revision that touches the prefix, if any does.
fn under(batch: &Batch, prefix: &str) -> Option<Batch> {
    let touched = |change: &&crate::Change| change.key().starts_with(prefix);
    let changes: Vec<_> = batch.changes.iter().filter(touched).cloned().collect();
    (!changes.is_empty()).then_some(Batch {
        revision: batch.revision,
        changes,
    })
}
