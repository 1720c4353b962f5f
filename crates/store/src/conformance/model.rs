//! What a store should do, as plainly as it can be said: a map, and a list of
//! what happened to it.

use crate::{Batch, Change, Commit, Condition, Entry, Op, Revision};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The reference.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    entries: BTreeMap<String, Entry>,
    pub(super) history: Vec<Batch>,
}

impl Model {
    pub(super) fn holds(&self, when: &[Condition]) -> bool {
        when.iter().all(|condition| match condition {
            Condition::Absent(key) => !self.entries.contains_key(key),
            Condition::Exists(key) => self.entries.contains_key(key),
            Condition::AtRevision(key, revision) => self
                .entries
                .get(key)
                .is_some_and(|entry| entry.modified == *revision),
            Condition::NoneUnder(prefix) => self.listing(prefix).is_empty(),
            Condition::NothingNewer(prefix, revision) => self
                .listing(prefix)
                .iter()
                .all(|entry| entry.modified <= *revision),
        })
    }

    pub(super) fn apply(&mut self, then: &[Op], revision: Revision) {
        let mut changes: Vec<_> = then
            .iter()
            .filter_map(|op| self.change(op, revision))
            .collect();
        changes.sort_by(|a, b| a.key().as_bytes().cmp(b.key().as_bytes()));
        self.history.push(Batch { revision, changes });
    }

    fn change(&mut self, op: &Op, revision: Revision) -> Option<Change> {
        match op {
            Op::Put { key, value, .. } => {
                let before = self.entries.get(key);
                let entry = Entry {
                    key: key.clone(),
                    value: value.clone(),
                    created: before.map_or(revision, |before| before.created),
                    modified: revision,
                };
                self.entries.insert(key.clone(), entry.clone());
                Some(Change::Put(entry))
            }
            Op::Delete { key } => {
                self.entries.remove(key)?;
                Some(Change::Delete { key: key.clone() })
            }
        }
    }

    pub(super) fn listing(&self, prefix: &str) -> Vec<Entry> {
        let under = |entry: &&Entry| entry.key.as_bytes().starts_with(prefix.as_bytes());
        self.entries.values().filter(under).cloned().collect()
    }

    /// What a watch of the prefix tells after this revision.
    pub(super) fn watched(&self, prefix: &str, after: Revision) -> Vec<Batch> {
        let later = self.history.iter().filter(|batch| batch.revision > after);
        later
            .map(|batch| Batch {
                revision: batch.revision,
                changes: batch
                    .changes
                    .iter()
                    .filter(|change| change.key().as_bytes().starts_with(prefix.as_bytes()))
                    .cloned()
                    .collect(),
            })
            .filter(|batch| !batch.changes.is_empty())
            .collect()
    }
}

/// A commit with places left open: keys lie under a root yet to be chosen,
/// revisions are picked from those that exist when its turn comes.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    when: Vec<(u8, &'static str, prop::sample::Index)>,
    then: BTreeMap<&'static str, Option<u8>>,
}

/// Few keys, so that commits meet; some are prefixes of others.
pub(super) const KEYS: [&str; 6] = ["a", "a/1", "a/2", "ab", "b/1", "é"];

/// What conditions and watches look at as a whole.
pub(super) const PREFIXES: [&str; 6] = ["", "a", "a/", "b", "c", "é"];

pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    let key = prop::sample::select(&KEYS[..]);
    let subject = prop::sample::select([KEYS, PREFIXES].concat());
    let when = (0..5_u8, subject, any::<prop::sample::Index>());
    let then = prop::collection::btree_map(key, prop::option::weighted(0.7, any::<u8>()), 0..4);
    (prop::collection::vec(when, 0..3), then).prop_map(|(when, then)| Sketch { when, then })
}

impl Sketch {
    /// The commit, under `root`, with revisions out of `revisions`.
    pub(super) fn draw(&self, root: &str, revisions: &[Revision]) -> Commit {
        let when = self.when.iter().map(|(kind, subject, index)| {
            let subject = format!("{root}{subject}");
            let revision = *index.get(revisions);
            match kind {
                0 => Condition::Absent(subject),
                1 => Condition::Exists(subject),
                2 => Condition::AtRevision(subject, revision),
                3 => Condition::NoneUnder(subject),
                _ => Condition::NothingNewer(subject, revision),
            }
        });
        let then = self.then.iter().map(|(key, value)| match value {
            Some(value) => Op::put(format!("{root}{key}"), [*value]),
            None => Op::delete(format!("{root}{key}")),
        });
        super::commit(when.collect::<Vec<_>>(), then.collect::<Vec<_>>())
    }
}
