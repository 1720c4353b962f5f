//! From a dump to an empty store.
//!
//! A mark goes in first and out last: as long as it stands no server starts on
//! the store, and a restore that was broken off starts over. Every commit
//! between stands under the condition that the mark is the one that this
//! restore has put there, so that two of them can't mix.

use super::dump::LARGEST;
use super::{Dump, Entry, Error};
use crate::catalog::{Hold, Scope};
use crate::keys;
use crate::mirror::record::{encode, json};
use sdwan_store::{
    Commit, Condition, Error as StoreError, Listing, MAX_OPS, Op, Outcome, Revision, Store,
};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// How often a commit is sent whose answer is lost, and the wait in between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(500);
/// How many keys a refusal names.
const NAMED: usize = 3;

/// What a restore needs from outside.
pub struct Restore<'a> {
    /// Where to.
    pub store: &'a dyn Store,
    /// Makes the ids of commits.
    pub ids: &'a (dyn Fn() -> Uuid + Sync),
    /// RFC 3339.
    pub now: String,
    /// Told how many entries are done, of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many entries came from the dump.
    pub entries: usize,
    /// The epoch that begins with it.
    pub epoch: u64,
    /// The revision that completed it.
    pub revision: Revision,
    /// A restore that had been broken off was cleared away before.
    pub again: bool,
}

impl Restore<'_> {
    /// Puts what the dump holds into the store, which begins a new epoch with
    /// a hold on every router.
    ///
    /// # Errors
    /// [`Error::Refused`] where the store is not empty: nothing was written.
    /// [`Error::Unfinished`] where it could not go on.
    pub async fn run(&self, dump: &Dump) -> Result<Restored, Error> {
        let listing = self.store.list(keys::ALL).await?;
        let before = listing.entries.iter().find(|e| e.key == keys::RESTORING);
        let first = match before {
            Some(mark) => Condition::AtRevision(mark.key.clone(), mark.modified),
            None if listing.entries.is_empty() => Condition::NoneUnder(keys::ALL.to_owned()),
            None => return Err(not_empty(&listing)),
        };
        let mark = Op::put(keys::RESTORING, self.now.as_bytes());
        let mark = self.commit(first, vec![mark]).await?;
        let run = Run {
            restore: self,
            mark: Condition::AtRevision(keys::RESTORING.to_owned(), mark),
        };
        let revision = match run.all(&listing, dump).await {
            Ok(revision) => revision,
            Err(error) => return Err(Error::Unfinished(error.to_string())),
        };
        Ok(Restored {
            entries: dump.entries.len(),
            epoch: dump.header.epoch + 1,
            revision,
            again: before.is_some(),
        })
    }

    /// Commits; where the answer is lost, the same again, which is never made
    /// twice.
    async fn commit(&self, when: Condition, then: Vec<Op>) -> Result<Revision, Error> {
        let commit = Commit {
            id: (self.ids)(),
            when: vec![when],
            then,
        };
        for _ in 0..TRIES {
            match self.store.commit(commit.clone()).await? {
                Outcome::Committed(revision) => return Ok(revision),
                Outcome::Conflict => {
                    let why = "something else writes to the store, maybe another restore: \
                               stop that";
                    return Err(Error::Refused(why.to_owned()));
                }
                Outcome::Unknown => tokio::time::sleep(PAUSE).await,
            }
        }
        let why = "what became of a commit can't be learned".to_owned();
        Err(Error::Store(StoreError::Unavailable(why)))
    }
}

/// A restore whose mark stands.
struct Run<'a> {
    restore: &'a Restore<'a>,
    mark: Condition,
}

impl Run<'_> {
    async fn all(&self, before: &Listing, dump: &Dump) -> Result<Revision, Error> {
        let left = before.entries.iter().map(|entry| entry.key.as_str());
        let left: Vec<&str> = left.filter(|key| *key != keys::RESTORING).collect();
        for keys in left.chunks(MAX_OPS) {
            let then = keys.iter().map(|key| Op::delete(*key)).collect();
            self.commit(then).await?;
        }
        let all = dump.entries.len();
        let mut done = 0;
        for entries in commits(&dump.entries) {
            done += entries.len();
            let put = |entry: &Entry| Op::put(entry.key.as_str(), entry.value.as_slice());
            self.commit(entries.into_iter().map(put).collect()).await?;
            (self.restore.progress)(done, all);
        }
        let header = &dump.header;
        let last = vec![
            Op::put(keys::FORMAT, header.store_format.to_string()),
            Op::put(keys::EPOCH, (header.epoch + 1).to_string()),
            self.hold(dump),
            Op::delete(keys::RESTORING),
        ];
        self.commit(last).await
    }

    async fn commit(&self, then: Vec<Op>) -> Result<Revision, Error> {
        self.restore.commit(self.mark.clone(), then).await
    }

    /// What is declared may be older than what the routers were told since:
    /// somebody has to look before they are put back to it.
    fn hold(&self, dump: &Dump) -> Op {
        let key = keys::hold(&Scope::All);
        let held = dump.entries.iter().find(|entry| entry.key == key);
        let held: Option<Hold> = held.and_then(|entry| json(&entry.value).ok());
        let before = held.map_or_else(String::new, |hold| format!(" (was {hold})"));
        let hold = Hold {
            since: self.restore.now.clone(),
            why: format!(
                "restored from the dump of {}: look at `sdwan plan`, then `sdwan resume`{before}",
                dump.header.at
            ),
        };
        Op::put(key, encode(&hold))
    }
}

/// The entries in as many commits as it takes: those whose order of creation
/// means something come in that order, each place of it in commits of its own.
fn commits(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut places: BTreeMap<Option<u64>, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        places.entry(entry.order).or_default().push(entry);
    }
    let mut commits = Vec::new();
    for place in places.into_values() {
        let mut commit: Vec<&Entry> = Vec::new();
        let mut bytes = 0;
        for entry in place {
            let size = entry.key.len() + entry.value.len();
            if commit.len() == MAX_OPS || bytes + size > LARGEST {
                commits.push(std::mem::take(&mut commit));
                bytes = 0;
            }
            bytes += size;
            commit.push(entry);
        }
        commits.push(commit);
    }
    commits
}

fn not_empty(listing: &Listing) -> Error {
    let keys = listing.entries.iter().map(|entry| entry.key.as_str());
    let named: Vec<&str> = keys.take(NAMED).collect();
    let more = match listing.entries.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::Refused(format!(
        "the store is not empty: it holds {}{more}; restore into a new one",
        named.join(", ")
    ))
}
