//! Everything that is wrong with what a store holds, all of it named.

use crate::catalog::soundness::{Index, misfits};
use crate::catalog::{FORMAT, Scope, Stored, stored_format};
use crate::keys::{self, Key};
use crate::mirror::record::Record;
use crate::mirror::{Context, ROUTER, State};
use crate::secrets;
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::rules::{self, Broken, View};
use sdwan_model::schema::Schemas;
use sdwan_model::validate::Violation;
use sdwan_store::{Listing, Op, Revision};
use serde_json::Value;
use std::sync::Arc;

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// One a line, each with its key.
    pub problems: Vec<String>,
    /// Kinds that have rows, and how many; those on their way out are among them.
    pub rows: Vec<(String, usize)>,
    /// All keys.
    pub entries: usize,
    /// The revision that it was read at.
    pub revision: Revision,
    /// How often it was restored.
    pub epoch: u64,
}

/// Reads everything as a server does that starts, and more closely.
pub fn check(listing: &Listing, schemas: Arc<Schemas>) -> Checked {
    let context = Context {
        schemas,
        instance: String::new(),
        alone: true,
    };
    let mut problems = Vec::new();
    problems.extend(
        stored_format(listing, FORMAT)
            .err()
            .map(|error| error.to_string()),
    );
    let epoch = super::epoch(listing).unwrap_or_else(|problem| {
        problems.push(problem);
        0
    });
    problems.extend(listing.entries.iter().filter_map(|e| unknown(&e.key)));
    let (state, nonsense) = State::from_listing(Arc::new(context), listing);
    problems.extend(nonsense);
    problems.extend(misfits(&state));
    let index = Index::of(&state);
    problems.extend_from_slice(index.collisions());
    problems.extend(index.repairs(&state).iter().map(misindexed));
    let key = listing.entries.iter().find(|e| e.key == keys::KEY);
    let key = key.map(|key| String::from_utf8_lossy(&key.value));
    problems.extend(broken(&state, &index, key.as_deref()));
    problems.extend(
        listing
            .entries
            .iter()
            .filter_map(|e| astray(&state, &e.key)),
    );
    let rows = state.context.schemas.iter().filter_map(|kind| {
        let rows = state.records(&kind.id).filter(|r| r.row().is_some());
        Some((kind.plural.clone(), rows.count())).filter(|(_, rows)| *rows > 0)
    });
    Checked {
        rows: rows.collect(),
        problems,
        entries: listing.entries.len(),
        revision: listing.revision,
        epoch,
    }
}

fn unknown(key: &str) -> Option<String> {
    let known = Key::parse(key) != Key::Other
        || key.starts_with(keys::META)
        || key.starts_with(keys::CLUSTER);
    (!known).then(|| format!("{key}: no key of this version's"))
}

fn misindexed(repair: &Op) -> String {
    match repair {
        Op::Put { key, .. } => format!("{key}: missing in the index, or wrong; a start mends it"),
        Op::Delete { key } => format!("{key}: no row calls for it; a start removes it"),
    }
}

/// Rows that the rules would not have let in, such as references to nothing,
/// and secrets that the store's key does not open.
fn broken(state: &State, index: &Index, key: Option<&str>) -> Vec<String> {
    let schemas = &state.context.schemas;
    let indexed = index.over(state);
    let view = Declared(&indexed);
    let mut problems = Vec::new();
    for kind in schemas.iter() {
        // What is on its way out is judged no more.
        for declared in state.records(&kind.id).filter_map(|r| r.live()) {
            let at = keys::config(&kind.plural, &declared.row.id);
            let mut row = Row::clone(&declared.row);
            let broken = rules::check(schemas, &view, &mut row);
            for broken in broken.err().into_iter().flatten() {
                // What is taken twice is named by the index.
                if let Broken::Invalid(violation) = broken {
                    let Violation {
                        pointer, message, ..
                    } = violation;
                    problems.push(format!("{at}: {pointer}: {message}"));
                }
            }
            for (property, envelope) in &declared.sealed {
                let why = badly_sealed(envelope, key);
                problems.extend(why.map(|why| format!("{at}: /{property}: {why}")));
            }
        }
    }
    problems
}

fn badly_sealed(envelope: &str, key: Option<&str>) -> Option<String> {
    let Some(with) = secrets::sealed_with(envelope) else {
        return Some("it should be sealed and is not: set it again".to_owned());
    };
    let key = key.filter(|key| *key != with)?;
    Some(format!(
        "it is sealed with key {with}, the store's key is {key}: set it again"
    ))
}

/// The rows that are declared. Others may refer to one that is on its way out
/// for as long as they are on theirs.
struct Declared<'a>(&'a State);

impl View for Declared<'_> {
    fn get(&self, kind: &str, id: &str) -> Option<Row> {
        let declared = self.0.record(kind, id)?.declared.as_ref()?;
        Some(Row::clone(&declared.row))
    }

    fn find(&self, kind: &str, property: &str, value: &Value) -> Vec<Row> {
        Stored(self.0).find(kind, property, value)
    }

    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef> {
        Stored(self.0).holder(kind, label, value)
    }
}

/// What an entry says of a row that is not there, or of a version to come.
fn astray(state: &State, key: &str) -> Option<String> {
    let row = |plural: &str, id: &str| {
        let kind = state.context.schemas.by_plural(plural)?;
        state.record(&kind.id, id)
    };
    let router = |id: &str| {
        let there = state.record(ROUTER, id).is_some_and(|r| r.row().is_some());
        (!there).then(|| format!("there is no router {id}"))
    };
    let why = match Key::parse(key) {
        Key::State(plural, id) => {
            let record = row(plural, id)?;
            misplaced(record, record.state.as_ref()?.version)
        }
        Key::Monitoring(plural, id) => {
            let record = row(plural, id)?;
            let session = record.monitoring.as_ref().map(|said| said.version);
            misplaced(
                record,
                session.or(record.fib.as_ref().map(|seen| seen.version))?,
            )
        }
        Key::Deleting(plural, id) => {
            let leaving = row(plural, id)?.leaving.as_ref()?;
            router(leaving.router.as_deref()?)
        }
        Key::Owned(id, _) | Key::Reachability(id) => router(id),
        Key::Hold(Scope::Router(id)) => router(&id),
        _ => None,
    };
    why.map(|why| format!("{key}: {why}"))
}

fn misplaced(record: &Record, version: u64) -> Option<String> {
    match &record.declared {
        None => Some("there is no such row".to_owned()),
        Some(declared) if version > declared.row.version => Some(format!(
            "it is about version {version}, the row is at version {}",
            declared.row.version
        )),
        Some(_) => None,
    }
}
