//! Whether a history can be one of a store that loses nothing, does nothing twice and never goes
//! back. Pure.
//!
//! What is demanded, for each row (versions go 0, 1, 2, .. and end in "gone"):
//! - From one version leads one write: two that succeeded from the same one are a violation. Only
//!   a deletion may succeed again, for a row that is on its way out: it changes nothing.
//! - What is read was written, by a write that was not refused, and no version is left out.
//! - By revision, a row only goes forward: a read at a revision shows at least what an earlier
//!   one, or any write that was acknowledged with it or before it, has shown. A read at
//!   `min_revision` is answered with that one or a later one.
//! - The writes of a transaction are made together: whoever sees one of them at a revision sees
//!   the others there, too.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Asked, Event, Row, Sight, Told, Write};

/// Where a row is in its life: 0 before it is created, then its version, then [`GONE`].
type Age = u64;

/// Deleted: never seen again.
const GONE: Age = u64::MAX;

/// Something that can't be. Says what, and names the events by their numbers in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that can't be, in the order of rows; empty for a sound history.
#[must_use]
pub fn judge(events: &[Event]) -> Vec<Violation> {
    let mut violations = early_answers(events);
    let mut lives: BTreeMap<Row, Life> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        match (&event.asked, &event.told) {
            (Asked::Write(writes), told) => {
                for write in writes {
                    let life = lives.entry(write.row).or_default();
                    life.attempts.push(Attempt::new(number, *write, told));
                }
            }
            (Asked::Read { .. }, Told::Saw { revision, rows }) => {
                for (row, sight) in rows {
                    let life = lives.entry(*row).or_default();
                    life.sights.push((*revision, number, *sight));
                }
            }
            (Asked::Read { .. }, _) => {}
        }
    }
    for (row, life) in &mut lives {
        life.settle();
        let told = life.violations.iter();
        violations.extend(told.map(|what| Violation(format!("{row}: {what}"))));
    }
    violations.extend(halves(events, &lives));
    violations
}

/// Reads that were answered from before their `min_revision`.
fn early_answers(events: &[Event]) -> Vec<Violation> {
    let early = events.iter().enumerate().filter_map(|(number, event)| {
        let Asked::Read { least: Some(least) } = event.asked else {
            return None;
        };
        match event.told {
            Told::Saw { revision, .. } if revision < least => Some(Violation(format!(
                "#{number} asked for revision {least} or later and was answered from {revision}"
            ))),
            _ => None,
        }
    });
    early.collect()
}

/// What is known of one row.
#[derive(Debug, Default)]
struct Life {
    attempts: Vec<Attempt>,
    /// Revision, event, what was seen; in order of revision once settled.
    sights: Vec<(u64, usize, Sight)>,
    /// The same as ages.
    ages: Vec<(u64, usize, Age)>,
    violations: Vec<String>,
}

/// A write, and what became of it.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    event: usize,
    write: Write,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Acknowledged with this revision.
    Made(u64),
    Refused,
    Unknown,
}

impl Attempt {
    fn new(event: usize, write: Write, told: &Told) -> Self {
        let fate = match told {
            Told::Made { revision } => Fate::Made(*revision),
            Told::Refused => Fate::Refused,
            Told::Unknown | Told::Saw { .. } | Told::Nothing => Fate::Unknown,
        };
        Self { event, write, fate }
    }

    /// What the row is after it.
    fn makes(&self) -> Age {
        self.write.value.map_or(GONE, |_| self.write.base + 1)
    }

    fn may_be_made(&self) -> bool {
        self.fate != Fate::Refused
    }

    fn is_made(&self) -> bool {
        matches!(self.fate, Fate::Made(_))
    }

    /// Whether not both can be made.
    fn excludes(&self, other: &Self) -> bool {
        let repeats = self.makes() == GONE && other.makes() == GONE;
        self.event != other.event && self.write.base == other.write.base && !repeats
    }
}

impl Life {
    /// Puts the row's life together, and finds what doesn't fit.
    fn settle(&mut self) {
        self.sights
            .sort_by_key(|(revision, event, _)| (*revision, *event));
        self.one_write_from_each_version();
        self.only_what_was_written();
        self.only_forward();
        self.no_version_left_out();
    }

    fn found(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    fn one_write_from_each_version(&mut self) {
        let made: Vec<_> = self
            .attempts
            .iter()
            .filter(|a| a.is_made())
            .copied()
            .collect();
        for (place, attempt) in made.iter().enumerate() {
            if let Some(first) = made[..place].iter().find(|first| first.excludes(attempt)) {
                let (first, event, base) = (first.event, attempt.event, attempt.write.base);
                self.found(format!(
                    "#{first} and #{event} both succeeded from version {base}"
                ));
            }
        }
    }

    /// Every value that was seen is one that a write put which may have been made, at the version
    /// that follows from it, and is the only one at that version.
    fn only_what_was_written(&mut self) {
        let mut seen: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
        for (_, event, sight) in self.sights.clone() {
            let Sight::There { value, version } = sight else {
                continue;
            };
            let Some(attempt) = self.writer_of(value).copied() else {
                self.found(format!("#{event} saw {value}, which nobody wrote"));
                continue;
            };
            let (by, makes) = (attempt.event, attempt.makes());
            if !attempt.may_be_made() {
                self.found(format!(
                    "#{event} saw {value}, though #{by}, which puts it, was refused"
                ));
            }
            if version.is_some_and(|version| version != makes) {
                let version = version.unwrap_or_default();
                self.found(format!(
                    "#{event} saw {value} at version {version}, and #{by} puts it at {makes}"
                ));
            }
            if let Some(other) = self.other_made(&attempt) {
                self.found(format!(
                    "#{event} saw {value} of #{by}, though #{other} was acknowledged from the \
                     same version {}",
                    attempt.write.base
                ));
            }
            if let Some((first, at)) = seen.insert(makes, (value, event))
                && first != value
            {
                self.found(format!(
                    "at version {makes}, #{at} saw {first} and #{event} saw {value}"
                ));
            }
        }
    }

    fn writer_of(&self, value: u64) -> Option<&Attempt> {
        let mut attempts = self.attempts.iter();
        attempts.find(|attempt| attempt.write.value == Some(value))
    }

    /// Another write that was acknowledged from the version that this one starts from.
    fn other_made(&self, attempt: &Attempt) -> Option<usize> {
        let mut others = self.attempts.iter().filter(|other| other.is_made());
        let other = others.find(|other| other.excludes(attempt));
        other.map(|other| other.event)
    }

    /// By revision, nothing that was acknowledged or seen is ever taken back.
    fn only_forward(&mut self) {
        let mut floors: Vec<(u64, usize, Age)> = Vec::new();
        for attempt in &self.attempts {
            if let Fate::Made(revision) = attempt.fate {
                floors.push((revision, attempt.event, attempt.makes()));
            }
        }
        floors.sort_by_key(|(revision, _, age)| (*revision, *age));
        let mut floors = floors.into_iter().peekable();
        // The furthest age until now, and the event that told of it.
        let (mut reached, mut by): (Age, usize) = (0, 0);
        let mut last: Option<(u64, usize, Age)> = None;
        for (revision, event, sight) in self.sights.clone() {
            while let Some((_, teller, age)) = floors.next_if(|floor| floor.0 <= revision) {
                if age > reached {
                    (reached, by) = (age, teller);
                }
            }
            let age = self.age(sight, reached);
            self.ages.push((revision, event, age));
            if age == GONE
                && !self
                    .attempts
                    .iter()
                    .any(|a| a.makes() == GONE && a.may_be_made())
            {
                self.found(format!(
                    "#{event} at revision {revision} saw it gone after #{by} told of {}, and \
                     nobody deleted it",
                    stage(reached)
                ));
            }
            if age < reached {
                self.found(format!(
                    "#{event} at revision {revision} saw {}, though #{by} told of {} before",
                    stage(age),
                    stage(reached)
                ));
            }
            if let Some((at, other, seen)) = last
                && at == revision
                && seen != age
            {
                self.found(format!(
                    "at revision {revision}, #{other} saw {} and #{event} saw {}",
                    stage(seen),
                    stage(age)
                ));
            }
            last = Some((revision, event, age));
            if age > reached {
                (reached, by) = (age, event);
            }
        }
    }

    /// A row that is not there has not come yet, or is gone.
    fn age(&self, sight: Sight, reached: Age) -> Age {
        match sight {
            Sight::There { value, version } => {
                let attempt = self.writer_of(value);
                attempt.map_or(version.unwrap_or(1), Attempt::makes)
            }
            Sight::Absent if reached == 0 => 0,
            Sight::Absent => GONE,
        }
    }

    /// Up to the furthest version that the row is known to have had, each was made by somebody.
    fn no_version_left_out(&mut self) {
        let seen = self.ages.iter().map(|(_, _, age)| *age);
        let seen = seen.filter(|age| *age != GONE);
        let bases = self.attempts.iter().filter(|a| a.is_made());
        let furthest = seen.chain(bases.map(|a| a.write.base)).max().unwrap_or(0);
        for version in 1..=furthest {
            let made = |a: &Attempt| a.makes() == version && a.may_be_made();
            if !self.attempts.iter().any(made) {
                self.found(format!(
                    "it came to version {furthest}, and nobody made version {version}"
                ));
            }
        }
    }

    /// The first revision at which this write is known to be made.
    fn made_since(&self, attempt: &Attempt) -> Option<u64> {
        let acknowledged = match attempt.fate {
            Fate::Made(revision) => Some(revision),
            Fate::Refused | Fate::Unknown => None,
        };
        if acknowledged.is_none() && !self.is_seen(attempt) {
            return None;
        }
        let shows = self
            .ages
            .iter()
            .filter(|(_, _, age)| *age >= attempt.makes());
        let shown = shows.map(|(revision, _, _)| *revision);
        shown.chain(acknowledged).min()
    }

    /// Whether somebody has seen what only this write can have made.
    fn is_seen(&self, attempt: &Attempt) -> bool {
        let Some(value) = attempt.write.value else {
            // A deletion shows only in the row's being gone, which must be nobody else's work.
            let mut deletions = self.attempts.iter().filter(|a| a.makes() == GONE);
            return deletions.all(|a| a.event == attempt.event || !a.may_be_made())
                && self.ages.iter().any(|(_, _, age)| *age == GONE);
        };
        let shows =
            |sight: &Sight| matches!(sight, Sight::There { value: seen, .. } if *seen == value);
        self.sights.iter().any(|(_, _, sight)| shows(sight))
    }

    /// Evidence that this write is not made as of a revision: an event that saw the row before it
    /// there, or another write in its place.
    fn missing_at(&self, attempt: &Attempt, revision: u64) -> Option<usize> {
        let base = attempt.write.base;
        let before = |(at, _, age): &&(u64, usize, Age)| *at >= revision && *age <= base;
        if let Some((_, event, _)) = self.ages.iter().find(before) {
            return Some(*event);
        }
        if let Some(other) = self.other_made(attempt) {
            return Some(other);
        }
        let instead = self.sights.iter().find(|(_, _, sight)| match sight {
            Sight::There { value, .. } => self
                .writer_of(*value)
                .is_some_and(|writer| writer.write.base == base && writer.event != attempt.event),
            Sight::Absent => false,
        });
        instead.map(|(_, event, _)| *event)
    }
}

/// Transactions of which a part is made and another one is not.
fn halves(events: &[Event], lives: &BTreeMap<Row, Life>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let Asked::Write(writes) = &event.asked else {
            continue;
        };
        let parts: Vec<(&Life, Attempt)> = writes
            .iter()
            .filter_map(|write| {
                let attempt = Attempt::new(number, *write, &event.told);
                lives.get(&write.row).map(|life| (life, attempt))
            })
            .collect();
        let made = parts.iter().filter_map(|(life, attempt)| {
            let since = life.made_since(attempt)?;
            Some((since, attempt.write.row))
        });
        let Some((since, made)) = made.min() else {
            continue;
        };
        for (life, attempt) in &parts {
            if let Some(evidence) = life.missing_at(attempt, since) {
                violations.push(Violation(format!(
                    "#{number} is half made: {made} is changed at revision {since}, and \
                     #{evidence} shows that {} is not",
                    attempt.write.row
                )));
            }
        }
    }
    violations
}

/// An age in words.
fn stage(age: Age) -> String {
    match age {
        0 => "no row yet".to_owned(),
        GONE => "the row's end".to_owned(),
        version => format!("version {version}"),
    }
}
