//! The audit: who did what, from where, and how it ended, refusals included.
//!
//! ```text
//! api/serve -> Recorder -> queue -> writer (a thread) -> file, chained
//!                                                     -> syslog, the head from time to time
//! api/audit <- query <- file           sdwan audit verify <- files, heads
//! ```
//!
//! A change is answered once its entry is in the file; while the file can't
//! be written, nothing can be changed. A power failure may take the last
//! second of it. Each server has a file and a chain of its own.

mod chain;
mod check;
mod damper;
mod entry;
mod file;
mod published;
mod query;
mod rest;
mod syslog;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use chain::Key;
pub use check::{Checked, check};
pub use entry::{Asked, Change, Entry, Outcome};
pub(crate) use query::Query;
pub(crate) use rest::Rest;
pub use syslog::Address as Syslog;
pub use verify::{Break, How, Report};

use crate::config;
use crate::secrets;
use file::{Log, Settings};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::{Message, Writer};

/// How long a change waits for its entry to be in the file. After that its
/// answer goes out, and nothing is changed until the file takes lines again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many refusals may wait; more are counted. Changes always find room:
/// there are no more of them than requests under way.
const WAITING: usize = 10_000;

/// Why there is no audit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be had.
    #[error("the audit's file {}: {reason}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Two servers would write into one file.
    #[error(
        "another server writes the audit {}: name another `file` in the configuration's `audit`",
        .0.display()
    )]
    Taken(PathBuf),
    /// The file is of something else.
    #[error(
        "{} is no audit: name another `file` in the configuration's `audit`",
        .0.display()
    )]
    Strange(PathBuf),
    /// There is no key for the chain.
    #[error("the audit has no key: {0}")]
    Key(#[from] secrets::Error),
}

impl Error {
    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The door for everybody: what is said here is written, in order.
pub struct Recorder(Option<Inner>);

struct Inner {
    queue: Sender<Message>,
    shared: Arc<Shared>,
    clock: Clock,
    server: String,
    path: PathBuf,
    reads: bool,
    /// Searches at once: each reads files from end to end.
    searches: tokio::sync::Semaphore,
}

/// What writer and recorder both know.
#[derive(Default)]
struct Shared {
    /// Why nothing can be written; `None` while all is well.
    failing: Mutex<Option<String>>,
    waiting: AtomicUsize,
    /// Refusals that found no room and no entry tells of yet.
    lost: AtomicU64,
    lost_ever: AtomicU64,
    written: AtomicU64,
    syslog_lost: Arc<AtomicU64>,
}

impl Shared {
    fn fail(&self, why: &str) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_none() {
            tracing::error!(
                why,
                "the audit can't be written: nothing is changed until it can"
            );
        }
        *failing = Some(why.to_owned());
    }

    fn work(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.take().is_some() {
            tracing::info!("the audit is written again");
        }
    }
}

/// A writer that came to grief writes no more, and so nothing is changed.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("its writer has failed: restart the server");
        }
    }
}

/// What the audit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries in the file.
    pub written: u64,
    /// Refusals that there was no room for.
    pub lost: u64,
    /// Messages that syslog did not take.
    pub syslog_lost: u64,
    /// The file can't be written, and nothing can be changed.
    pub failing: bool,
}

impl Recorder {
    /// Records nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Goes on in this file, or begins it. `new_chain` is what a new chain is
    /// called.
    ///
    /// # Errors
    /// Whatever keeps the file from being written.
    pub fn start(
        path: PathBuf,
        settings: &config::Audit,
        key: Key,
        clock: Clock,
        new_chain: String,
    ) -> Result<Self, Error> {
        let opened = Log::open(
            Settings {
                path: path.clone(),
                max_size: settings.max_size,
                keep: settings.keep,
                server: settings.server.clone(),
                new_chain,
            },
            key,
            &time(clock()),
        );
        let (log, warnings) = opened?;
        for warning in warnings {
            tracing::error!(file = %path.display(), "the audit: {warning}");
        }
        let unable = |e: std::io::Error| Error::file(&path, &e);
        let shared = Arc::new(Shared::default());
        let lost = || Arc::clone(&shared.syslog_lost);
        let syslog = settings.syslog.clone();
        let syslog = syslog.map(|to| syslog::Sender::start(to, &settings.server, lost()));
        let writer = Writer {
            log,
            syslog: syslog.transpose().map_err(unable)?,
            shared: Arc::clone(&shared),
            server: settings.server.clone(),
            clock: Arc::clone(&clock),
            heads: settings.heads,
        };
        let (queue, messages) = mpsc::channel();
        let thread = thread::Builder::new().name("audit".into());
        let alarm = Alarm(Arc::clone(&shared));
        let run = move || {
            let _alarm = alarm;
            writer.run(&messages);
        };
        thread.spawn(run).map_err(unable)?;
        Ok(Self(Some(Inner {
            queue,
            shared,
            clock,
            server: settings.server.clone(),
            path,
            reads: settings.reads,
            searches: tokio::sync::Semaphore::new(2),
        })))
    }

    /// Whether anything is recorded at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether also reads that were answered are recorded.
    pub(crate) fn wants_reads(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.reads)
    }

    /// Whether something may be changed.
    ///
    /// # Errors
    /// Why it could not be accounted for.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let failing = inner.shared.failing.lock();
        match &*failing.unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }

    /// Now, as entries have it.
    pub(crate) fn now(&self) -> String {
        self.0
            .as_ref()
            .map_or_else(String::new, |inner| time((inner.clock)()))
    }

    /// Records what needs no answer. Where too much waits already, it is
    /// counted only.
    pub fn record(&self, entry: Entry) {
        let Some(inner) = &self.0 else { return };
        let shared = &inner.shared;
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            shared.lost.fetch_add(1, Ordering::Relaxed);
            shared.lost_ever.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // It ends with the recorder.
        let _ = inner.queue.send(Message::Entry(Box::new(entry), None));
    }

    /// Records a change, and comes back once it is in the file.
    pub async fn recorded(&self, entry: Entry) {
        let Some(inner) = &self.0 else { return };
        inner.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let (asked, written) = oneshot::channel();
        let _ = inner
            .queue
            .send(Message::Entry(Box::new(entry), Some(asked)));
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            inner.shared.fail("the file does not take lines in time");
        }
    }

    /// Who writes, and where.
    pub(crate) fn place(&self) -> Option<(&str, &Path)> {
        let inner = self.0.as_ref()?;
        Some((&inner.server, &inner.path))
    }

    /// Searches what was written; waits for its turn.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn search(&self, query: Query) -> std::io::Result<query::Page> {
        let Some(inner) = &self.0 else {
            return Ok(query::Page::default());
        };
        let _turn = inner.searches.acquire().await;
        let path = inner.path.clone();
        let search = tokio::task::spawn_blocking(move || query.run(&path));
        search.await.map_err(std::io::Error::other)?
    }

    /// What is counted.
    pub fn stats(&self) -> Option<Stats> {
        let shared = &self.0.as_ref()?.shared;
        Some(Stats {
            written: shared.written.load(Ordering::Relaxed),
            lost: shared.lost_ever.load(Ordering::Relaxed),
            syslog_lost: shared.syslog_lost.load(Ordering::Relaxed),
            failing: self.ready().is_err(),
        })
    }

    /// Writes what there is, publishes the head, and ends.
    pub async fn stop(&self) {
        let Some(inner) = &self.0 else { return };
        let (asked, ended) = oneshot::channel();
        let _ = inner.queue.send(Message::Stop(asked));
        // A disk that does not answer must not keep the server from ending.
        if tokio::time::timeout(10 * PATIENCE, ended).await.is_err() {
            tracing::error!("the audit did not end in time");
        }
    }
}

/// RFC 3339, to the millisecond.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
