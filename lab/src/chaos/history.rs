//! What the clients asked and what they were told: the evidence that [`judge`](super::judge)
//! looks at.
//!
//! Every write names the version that it starts from, and puts a value that no other write puts.
//! So whoever reads a value knows which write made it, and which version that is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A kind of rows that the clients write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Of the test's own schema: no router hears of it.
    Mark,
    /// Neighbors that nobody answers for.
    Neighbor,
    /// Policies on such neighbors.
    Policy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mark, Self::Neighbor, Self::Policy];
}

/// A row of the clients'. A number is used once: a deleted row never comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// Its kind.
    pub kind: Kind,
    /// Which one.
    pub number: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Mark => "mark",
            Kind::Neighbor => "neighbor",
            Kind::Policy => "policy",
        };
        write!(f, "{kind} {}", self.number)
    }
}

/// A change of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which row.
    pub row: Row,
    /// The version that it must find; 0 where there must be no row.
    pub base: u64,
    /// What it puts; `None` deletes.
    pub value: Option<u64>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One change, or several that happen together.
    Write(Vec<Write>),
    /// Rows, at this revision or a later one.
    Read {
        /// `min_revision`, where one was given.
        least: Option<u64>,
    },
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The write is made; the store was at this revision then, or at a later one.
    Made {
        /// `X-Revision`.
        revision: u64,
    },
    /// The write is not made and never will be.
    Refused,
    /// The write is made, will be, or never is: nobody could say.
    Unknown,
    /// What a read saw.
    Saw {
        /// `X-Revision`: what it saw is the whole truth at this revision.
        revision: u64,
        /// The state of every row that it looked at.
        rows: BTreeMap<Row, Sight>,
    },
    /// A read that was not answered.
    Nothing,
}

/// A row as a read saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is not there, or on its way out.
    Absent,
    /// It is there.
    There {
        /// What it holds.
        value: u64,
        /// Its version, where the answer told it.
        version: Option<u64>,
    },
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the start of the run, when it was asked.
    pub asked_at: Duration,
    /// Which server, by its place in the cluster.
    pub server: usize,
    /// What was asked.
    pub asked: Asked,
    /// What was answered.
    pub told: Told,
}

/// All events of a run, in the order of their answers.
#[derive(Debug, Default)]
pub struct History {
    events: Mutex<Vec<Event>>,
}

impl History {
    /// Adds an event.
    pub fn add(&self, event: Event) {
        self.lock().push(event);
    }

    /// Calls `look` with all events until now.
    pub fn with<T>(&self, look: impl FnOnce(&[Event]) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        // A panic of one client takes no answer away from the others.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many events of which sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes that were acknowledged.
    pub made: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Writes whose outcome nobody could say.
    pub unknown: usize,
    /// Reads that were answered.
    pub read: usize,
    /// Reads that were not.
    pub unanswered: usize,
}

impl Counts {
    /// Counts events.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut counts = Self::default();
        for event in events {
            *match event.told {
                Told::Made { .. } => &mut counts.made,
                Told::Refused => &mut counts.refused,
                Told::Unknown => &mut counts.unknown,
                Told::Saw { .. } => &mut counts.read,
                Told::Nothing => &mut counts.unanswered,
            } += 1;
        }
        counts
    }
}
