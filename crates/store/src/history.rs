//! The latest revisions, kept in memory: all the history that the memory
//! store has, and what spares SQLite's watches from reading the file.

use crate::{Batch, Change, Error, Revision};
use std::collections::VecDeque;
use std::sync::Arc;

/// Revisions that one read hands out at the most, so that a watch far behind
/// never holds the whole history at once.
const PAGE: usize = 256;

/// A run of whole revisions.
#[derive(Debug)]
pub(crate) struct Page {
    /// In order; revisions that changed nothing may be left out.
    pub(crate) batches: Vec<Arc<Batch>>,
    /// Every revision up to this one is told.
    pub(crate) through: Revision,
}

/// The latest revisions without a gap, bounded by count and by bytes.
#[derive(Debug)]
pub(crate) struct Recent {
    /// One for each revision after `oldest`.
    batches: VecDeque<Arc<Batch>>,
    oldest: Revision,
    bytes: usize,
    max_revisions: usize,
    max_bytes: usize,
}

impl Recent {
    /// Nothing yet of a store that stands at `head`.
    pub(crate) fn new(head: Revision, max_revisions: usize, max_bytes: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            oldest: head,
            bytes: 0,
            max_revisions,
            max_bytes,
        }
    }

    /// The newest revision.
    pub(crate) fn head(&self) -> Revision {
        Revision(self.oldest.0 + self.batches.len() as u64)
    }

    /// Takes the next revision and forgets the oldest ones over the bounds.
    pub(crate) fn push(&mut self, batch: Batch) {
        debug_assert_eq!(batch.revision, self.head().next(), "revisions have no gap");
        self.bytes += weight(&batch);
        self.batches.push_back(Arc::new(batch));
        while self.batches.len() > self.max_revisions || self.bytes > self.max_bytes {
            self.forget_one();
        }
    }

    /// Forgets every revision up to this one.
    pub(crate) fn forget(&mut self, through: Revision) {
        while self.oldest < through && !self.batches.is_empty() {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= weight(&batch);
            self.oldest = batch.revision;
        }
    }

    /// The revisions after this one, or the first of them.
    ///
    /// # Errors
    /// [`Error::Compacted`] when some of them are forgotten.
    pub(crate) fn page(&self, after: Revision) -> Result<Page, Error> {
        let Some(skip) = after.0.checked_sub(self.oldest.0) else {
            return Err(Error::Compacted {
                oldest: self.oldest,
            });
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let batches: Vec<_> = self.batches.iter().skip(skip).take(PAGE).cloned().collect();
        let through = batches.last().map_or(after, |last| last.revision);
        Ok(Page { batches, through })
    }
}

/// What a revision costs to keep, roughly.
fn weight(batch: &Batch) -> usize {
    const OVERHEAD: usize = 128;
    let changes = batch.changes.iter().map(|change| match change {
        Change::Put(entry) => OVERHEAD + entry.key.len() + entry.value.len(),
        Change::Delete { key } => OVERHEAD + key.len(),
    });
    OVERHEAD + changes.sum::<usize>()
}

/// What lies ahead can't be forgotten.
///
/// # Errors
/// [`Error::Invalid`] for a revision that is yet to come.
pub(crate) fn check_compaction(revision: Revision, head: Revision) -> Result<(), Error> {
    if revision <= head {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "compaction to revision {revision}, but the store is at {head}"
    )))
}
