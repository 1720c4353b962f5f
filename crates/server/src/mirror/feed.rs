//! The recent past, for those who follow: whole revisions in order, kept up
//! to a bound. Followers pull at their own pace; one that falls behind the
//! bound is told so and slows nobody down.

use super::shown::Changes;
use sdwan_store::{Error, Revision};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Events kept; about 4 MB at the most.
const MAX_EVENTS: usize = 16 * 1024;
/// Revisions kept.
const MAX_STEPS: usize = 4 * 1024;

/// One revision's meaning.
#[derive(Debug)]
pub(crate) struct Step {
    /// To watchers.
    pub(crate) changes: Arc<Changes>,
    /// To workers: routers whose inputs changed.
    pub(crate) dirty: BTreeSet<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed {
    steps: VecDeque<Arc<Step>>,
    events: usize,
    /// What happened up to here is forgotten.
    floor: Revision,
    /// How far it goes.
    tip: Revision,
}

impl Feed {
    pub(crate) fn new(start: Revision) -> Self {
        Self {
            steps: VecDeque::new(),
            events: 0,
            floor: start,
            tip: start,
        }
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.tip = step.changes.revision;
        if step.changes.events.is_empty() && step.dirty.is_empty() {
            return;
        }
        self.events += step.changes.events.len();
        self.steps.push_back(Arc::new(step));
        while self.steps.len() > 1 && (self.events > MAX_EVENTS || self.steps.len() > MAX_STEPS) {
            if let Some(old) = self.steps.pop_front() {
                self.events -= old.changes.events.len();
                self.floor = old.changes.revision;
            }
        }
    }

    /// Everything after `cursor`, and the cursor to go on from.
    pub(crate) fn after(&self, cursor: Revision) -> Result<(Vec<Arc<Step>>, Revision), Error> {
        // A cursor from the future is from another store.
        if cursor < self.floor || cursor > self.tip {
            return Err(Error::Compacted { oldest: self.floor });
        }
        let start = self
            .steps
            .partition_point(|step| step.changes.revision <= cursor);
        Ok((self.steps.range(start..).cloned().collect(), self.tip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(revision: u64) -> Step {
        Step {
            changes: Arc::new(Changes {
                revision: Revision(revision),
                events: Vec::new(),
            }),
            dirty: ["r".to_owned()].into(),
        }
    }

    #[test]
    fn goes_on_from_any_retained_cursor() {
        let mut feed = Feed::new(Revision(10));
        let last = 10 + MAX_STEPS as u64 + 5;
        for revision in 11..=last {
            feed.push(step(revision));
        }
        assert!(matches!(
            feed.after(Revision(14)),
            Err(Error::Compacted {
                oldest: Revision(15)
            })
        ));
        let (steps, cursor) = feed.after(Revision(15)).unwrap();
        assert_eq!((steps.len(), cursor), (MAX_STEPS, Revision(last)));
        let (steps, _) = feed.after(cursor).unwrap();
        assert!(steps.is_empty());
        assert!(feed.after(Revision(last + 1)).is_err(), "from the future");
    }
}
