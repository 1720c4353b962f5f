//! A store that fails on demand, to test what stands on it: answers that are
//! lost before or after the commit, a backend that is down, watches that break.

use crate::{Commit, Error, LeaseId, Listing, Outcome, Revision, Stats, Store, Watch};
use futures::stream::{StreamExt as _, unfold};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What happens to one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused: nothing was sent.
    Unavailable,
    /// It gets lost on its way: nothing happens, the outcome is unknown.
    LostRequest,
    /// It is carried out, but the answer gets lost: the outcome is unknown.
    LostAnswer,
    /// It is carried out after so long.
    Late(Duration),
}

/// Passes everything on to another store, except for what it is told not to.
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    /// Whether the backend answers, and how often the watches were cut.
    link: watch::Sender<Link>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    down: bool,
    cuts: u64,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty")
            .field("faults", &self.faults)
            .field("link", &*self.link.borrow())
            .finish_non_exhaustive()
    }
}

impl Faulty {
    /// A store that works, until told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            link: watch::Sender::default(),
        }
    }

    /// The next commits that nothing was told for yet meet these, in order;
    /// `None` lets one pass. Those after them pass.
    pub fn next_commits(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.faults().extend(faults);
    }

    /// While it is down every call is [`Error::Unavailable`]. Going down ends
    /// the watches.
    pub fn set_down(&self, down: bool) {
        self.link.send_modify(|link| {
            link.down = down;
            link.cuts += u64::from(down);
        });
    }

    /// Ends the watches that are open, with [`Error::Unavailable`].
    pub fn cut_watches(&self) {
        self.link.send_modify(|link| link.cuts += 1);
    }

    fn up(&self) -> Result<&dyn Store, Error> {
        if self.link.borrow().down {
            return Err(Error::Unavailable("it is down for a test".into()));
        }
        Ok(&*self.inner)
    }

    fn faults(&self) -> MutexGuard<'_, VecDeque<Option<Fault>>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Store for Faulty {
    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.up()?.list(prefix).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let link = self.link.subscribe();
        let cuts = link.borrow().cuts;
        let watch = self.up()?.watch(prefix, after).await?;
        let open = Some((watch, link));
        Ok(unfold(open, move |open| async move {
            let (mut watch, mut link) = open?;
            let next = tokio::select! {
                biased;
                _ = link.wait_for(|link| link.cuts != cuts) => {
                    Err(Error::Unavailable("cut for a test".into()))
                }
                next = watch.next() => next?,
            };
            let open = next.is_ok().then_some((watch, link));
            Some((next, open))
        })
        .boxed())
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        let store = self.up()?;
        let fault = self.faults().pop_front().flatten();
        match fault {
            None => store.commit(commit).await,
            Some(Fault::Unavailable) => Err(Error::Unavailable("refused for a test".into())),
            Some(Fault::LostRequest) => Ok(Outcome::Unknown),
            Some(Fault::Late(by)) => {
                tokio::time::sleep(by).await;
                store.commit(commit).await
            }
            Some(Fault::LostAnswer) => store.commit(commit).await.map(|_| Outcome::Unknown),
        }
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        self.up()?.committed(id).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.up()?.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.up()?.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.up()?.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.up()?.compact(revision).await
    }
}
