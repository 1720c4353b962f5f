//! The embedded store: one SQLite file, one writing thread, any number of
//! readers.
//!
//! A commit is answered when it is on the disk. Commits that arrive together
//! share one sync ([`Stats`] tells how many), each with its own revision and
//! its own outcome. When a sync fails nobody can tell what is on the disk:
//! those commits are [`Outcome::Unknown`], and every later one is refused
//! until the file is opened anew; reading goes on.

mod backup;
mod file;
mod queue;
mod readers;
mod retention;
mod round;
mod schema;
mod tables;
mod writer;

pub use backup::{backup, list};

use crate::follow::{Source, follow};
use crate::history::{Page, Recent};
use crate::lease::{self, Timers};
use crate::{Commit, Error, LeaseId, Listing, Outcome, Revision, Stats, Store, Watch};
use queue::Queue;
use readers::Readers;
use retention::Retention;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};
use tables::Tables;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;
use writer::{Position, Reply, Request, Writer};

/// What of the latest history is also kept in memory, for the watches.
const RECENT_REVISIONS: usize = 1024;
const RECENT_BYTES: usize = 8 * 1024 * 1024;

/// Where the time of day comes from; only the age of history depends on it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How a store keeps its history. A watch can resume from a revision that is
/// neither too many revisions back nor too old; one that is being read must
/// not fall behind as far, so a few hundred revisions are the least to keep.
#[derive(Clone)]
pub struct Options {
    /// Revisions of history that are kept at the most.
    pub retain_revisions: u64,
    /// Older history is dropped.
    pub retain_age: Duration,
    /// The time of day.
    pub clock: Clock,
}

impl Default for Options {
    /// 10,000 revisions, a day, the system's clock.
    fn default() -> Self {
        Self {
            retain_revisions: 10_000,
            retain_age: Duration::from_secs(24 * 3600),
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("retain_revisions", &self.retain_revisions)
            .field("retain_age", &self.retain_age)
            .finish_non_exhaustive()
    }
}

/// A store in one file.
///
/// Beside it lie SQLite's own files while it is open, and `FILE.lock`, which
/// stays: only the lock on it counts, and that ends with the process.
///
/// Dropping it waits for the commits under way; [`Sqlite::close`] does so
/// without blocking the runtime.
#[derive(Debug)]
pub struct Sqlite {
    /// Taken away to tell the writer that no request follows.
    requests: Option<Arc<Sender<Request>>>,
    writer: Option<thread::JoinHandle<()>>,
    expiry: JoinHandle<()>,
    shared: Arc<Shared>,
    head: watch::Receiver<Revision>,
    timers: Arc<Timers>,
}

/// What the writer, the reads and the watches have in common.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    readers: Arc<Readers>,
    recent: Mutex<Recent>,
    /// Why no commit is taken any more.
    failed: OnceLock<String>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    fsyncs: AtomicU64,
    conflicts: AtomicU64,
}

impl Shared {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file opened, nothing started yet.
struct Opened {
    writer: Writer,
    shared: Arc<Shared>,
    head: watch::Receiver<Revision>,
    leases: Vec<(LeaseId, Duration)>,
}

impl Sqlite {
    /// Opens the store in this file, or makes it. Leases that ran when it was
    /// closed run again, with their whole ttl before them.
    ///
    /// # Errors
    /// [`Error::Open`], one line that says what is wrong and what to do: a
    /// file of another program or a newer version, a damaged one, one that
    /// can't be written, or that another process has open.
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let opened = tokio::task::spawn_blocking(move || open(&path, options)).await;
        let broken_off = |_| Error::Open("opening the store was broken off".into());
        opened.map_err(broken_off)??.start()
    }

    /// Closes the file, once the commits under way are answered.
    pub async fn close(self) {
        // It panics only if the writer's thread did, which has said so itself.
        let _joined = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// Copies the store as it stands to a new file; see [`backup`].
    ///
    /// # Errors
    /// As [`backup`].
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), Error> {
        let from = self.shared.path.clone();
        let to = to.as_ref().to_owned();
        tokio::task::spawn_blocking(move || backup(&from, &to))
            .await
            .map_err(|_| Error::Unavailable("the backup was broken off".into()))?
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let requests = self.requests.as_deref().ok_or_else(stopped)?;
        send(requests, request)?.await.map_err(|_| stopped())?
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.expiry.abort();
        self.shared.readers.close();
        self.requests.take();
        if let Some(writer) = self.writer.take() {
            // A panic there has been printed there.
            let _joined = writer.join();
        }
    }
}

fn open(path: &Path, options: Options) -> Result<Opened, Error> {
    let absolute = file::resolve(path)?;
    let lock = file::lock(&absolute, path)?;
    file::ensure_usable(&absolute, path)?;
    let unusable = |error: rusqlite::Error| file::refuse(path, schema::explain(&error));
    let mut connection = schema::connect(&absolute).map_err(unusable)?;
    schema::prepare(&mut connection).map_err(|why| file::refuse(path, why))?;
    let (revision, compacted) = readers::position(&connection).map_err(unusable)?;
    let leases = Tables(&connection).leases().map_err(unusable)?;
    let shared = Arc::new(Shared {
        readers: Arc::new(Readers::new(absolute.clone())),
        path: absolute,
        recent: Mutex::new(Recent::new(revision, RECENT_REVISIONS, RECENT_BYTES)),
        failed: OnceLock::new(),
        counters: Counters::default(),
    });
    let (head, watching) = watch::channel(revision);
    let writer = Writer {
        connection,
        position: Position {
            revision,
            compacted,
        },
        retention: Retention {
            revisions: options.retain_revisions,
            age: options.retain_age,
        },
        clock: options.clock,
        shared: Arc::clone(&shared),
        head,
        _lock: lock,
    };
    Ok(Opened {
        writer,
        shared,
        head: watching,
        leases,
    })
}

impl Opened {
    fn start(self) -> Result<Sqlite, Error> {
        let (requests, received): (_, Receiver<Request>) = channel();
        let requests = Arc::new(requests);
        let writer = self.writer;
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(Queue::new(received)))
            .map_err(|error| Error::Open(format!("the store's thread can't start: {error}")))?;
        let timers: Arc<Timers> = Arc::default();
        for (lease, ttl) in self.leases {
            timers.start(lease, ttl);
        }
        let weak = Arc::downgrade(&requests);
        let expiry = timers.expire(move |lease| end(weak.clone(), lease));
        Ok(Sqlite {
            requests: Some(requests),
            writer: Some(writer),
            expiry,
            shared: self.shared,
            head: self.head,
            timers,
        })
    }
}

fn stopped() -> Error {
    Error::Unavailable("it was closed".into())
}

fn send<T>(
    requests: &Sender<Request>,
    request: impl FnOnce(Reply<T>) -> Request,
) -> Result<oneshot::Receiver<Result<T, Error>>, Error> {
    let (reply, answer) = oneshot::channel();
    requests.send(request(reply)).map_err(|_| stopped())?;
    Ok(answer)
}

/// Ends a lease on the clock's behalf; keeps nothing open while it waits.
async fn end(requests: Weak<Sender<Request>>, lease: LeaseId) -> Result<(), Error> {
    let answer = match requests.upgrade() {
        Some(requests) => send(&requests, |reply| Request::End(lease, reply))?,
        None => return Ok(()),
    };
    answer.await.map_err(|_| stopped())?
}

/// What a watch reads: the memory if that goes back far enough, else the file.
impl Source for Arc<Shared> {
    async fn page(&self, prefix: &str, after: Revision) -> Result<Page, Error> {
        let recent = self.recent().page(after);
        match recent {
            Err(Error::Compacted { .. }) => self.readers.page(prefix, after).await,
            page => page,
        }
    }
}

#[async_trait::async_trait]
impl Store for Sqlite {
    fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            commits: counters.commits.load(Relaxed),
            fsyncs: counters.fsyncs.load(Relaxed),
            conflicts: counters.conflicts.load(Relaxed),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.shared.readers.list(prefix).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        follow(Arc::clone(&self.shared), self.head.clone(), prefix, after).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        commit.check()?;
        let requests = self.requests.as_deref().ok_or_else(stopped)?;
        let answer = send(requests, |reply| Request::Commit(commit, reply))?;
        // Without an answer the writer's thread has broken down over it.
        answer.await.unwrap_or(Ok(Outcome::Unknown))
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        // Behind the commits that are under way, so that none is overlooked.
        self.ask(|reply| Request::Committed(id, reply)).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = lease::check(ttl)?;
        let lease = self.ask(|reply| Request::Grant(ttl, reply)).await?;
        self.timers.start(lease, ttl);
        Ok(lease)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.timers.restart(lease)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.ask(|reply| Request::End(lease, reply)).await?;
        self.timers.stop(lease);
        Ok(())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.ask(|reply| Request::Compact(revision, reply)).await
    }
}
