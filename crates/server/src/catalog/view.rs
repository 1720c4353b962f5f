//! The rows as they will be when a transaction ends, for the rules to read.
//! What they read of the store is recorded, and becomes the commit's
//! conditions: a rule that held when it was judged holds when it is stored.

use super::draft::Draft;
use super::judge;
use crate::keys;
use crate::mirror::record::Declared;
use crate::mirror::{Found, State};
use sdwan_model::policy::Access;
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::rules::{self, View};
use sdwan_store::Condition;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// See the module.
pub(super) struct Recording<'a> {
    base: &'a State,
    drafts: &'a BTreeMap<ResourceRef, Draft>,
    /// What whoever writes may see.
    access: &'a Access,
    /// Who will hold which unique value, of the drafts.
    planned: HashMap<(String, String, String), ResourceRef>,
    reads: RefCell<Reads>,
}

/// What was read of the store.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Reads {
    rows: BTreeSet<ResourceRef>,
    unique: BTreeSet<(String, String, String)>,
    referring: BTreeSet<(String, String, String)>,
    scanned: BTreeSet<String>,
}

impl<'a> Recording<'a> {
    pub(super) fn new(
        base: &'a State,
        drafts: &'a BTreeMap<ResourceRef, Draft>,
        access: &'a Access,
    ) -> Self {
        let mut planned = HashMap::new();
        for row in drafts.values().filter_map(Draft::row) {
            for (label, value) in rules::unique_values(&base.context.schemas, row) {
                planned
                    .entry((row.kind.clone(), label, value))
                    .or_insert_with(|| row.reference());
            }
        }
        Self {
            base,
            drafts,
            access,
            planned,
            reads: RefCell::default(),
        }
    }

    fn draft(&self, kind: &str, id: &str) -> Option<&Draft> {
        self.drafts.get(&ResourceRef::new(kind, id))
    }

    /// Drafts of a kind as they will be.
    fn planned(&self, kind: &str) -> impl Iterator<Item = &Row> {
        self.drafts
            .iter()
            .filter(move |(resource, _)| resource.kind == kind)
            .filter_map(|(_, draft)| draft.right())
    }

    fn stored(&self, kind: &str, id: &str) -> Option<Row> {
        let mut reads = self.reads.borrow_mut();
        reads.rows.insert(ResourceRef::new(kind, id));
        Some(Row::clone(&self.base.live(kind, id)?.row))
    }

    /// The conditions under which what was read still holds.
    pub(super) fn conditions(self) -> Vec<Condition> {
        let Self { base, reads, .. } = self;
        let reads = reads.into_inner();
        let mut when = Vec::new();
        for ResourceRef { kind, id } in reads.rows {
            when.push(row_condition(base, &kind, &id));
        }
        for (kind, label, value) in reads.unique {
            when.push(match base.holder(&kind, &label, &value) {
                Some(id) => row_condition(base, &kind, id),
                None => Condition::Absent(keys::unique(base.plural(&kind), &label, &value)),
            });
        }
        for (kind, id, by) in reads.referring {
            let prefix = keys::references_by(base.plural(&kind), &id, base.plural(&by));
            when.push(Condition::NothingNewer(prefix, base.revision));
        }
        for kind in reads.scanned {
            let prefix = keys::configs(base.plural(&kind));
            when.push(Condition::NothingNewer(prefix, base.revision));
        }
        when
    }
}

/// The row is as it is in this state.
pub(super) fn row_condition(base: &State, kind: &str, id: &str) -> Condition {
    let key = keys::config(base.plural(kind), id);
    let declared = base.record(kind, id).and_then(|r| r.declared.as_ref());
    match declared {
        Some(declared) => Condition::AtRevision(key, declared.modified),
        None => Condition::Absent(key),
    }
}

impl View for Recording<'_> {
    fn get(&self, kind: &str, id: &str) -> Option<Row> {
        match self.draft(kind, id) {
            Some(draft) => draft.row().cloned(),
            None => self.stored(kind, id),
        }
    }

    fn find(&self, kind: &str, property: &str, value: &Value) -> Vec<Row> {
        let (how, stored) = self.base.find(kind, property, value);
        let mut rows: Vec<Row> = stored
            .into_iter()
            .filter(|declared| self.draft(kind, &declared.row.id).is_none())
            .map(|declared| Row::clone(&declared.row))
            .collect();
        {
            let mut reads = self.reads.borrow_mut();
            match how {
                Found::Unique(label, text) => {
                    reads.unique.insert((kind.to_owned(), label, text));
                    let found = rows.iter().map(Row::reference);
                    reads.rows.extend(found);
                }
                // A sister that goes breaks no rule; one that comes or
                // changes writes its reference anew.
                Found::Referring(target, id) => {
                    reads.referring.insert((target, id, kind.to_owned()));
                }
                Found::Scanned => {
                    reads.scanned.insert(kind.to_owned());
                }
            }
        }
        let planned = self.planned(kind);
        rows.extend(
            planned
                .filter(|row| row.body.get(property) == Some(value))
                .cloned(),
        );
        rows
    }

    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef> {
        let key = (kind.to_owned(), label.to_owned(), value.to_owned());
        self.reads.borrow_mut().unique.insert(key.clone());
        // A row that the transaction does not write goes first: asked for the
        // value of a draft, the draft itself is no answer while another has it.
        // One that is marked for deletion can't be referred to any more.
        match self.base.holder(kind, label, value) {
            Some(id) if self.draft(kind, id).is_none() && self.base.live(kind, id).is_some() => {
                Some(ResourceRef::new(kind, id))
            }
            _ => self.planned.get(&key).cloned(),
        }
    }

    // Not recorded: a row that is hidden by the time of the commit was seen
    // when the caller asked.
    fn sees(&self, row: &ResourceRef) -> bool {
        if self.access.is_everything() {
            return true;
        }
        let stored = || Some(&**self.base.record(&row.kind, &row.id)?.row()?);
        let draft = self.draft(&row.kind, &row.id).and_then(Draft::row);
        let kind = self.base.kind(&row.kind);
        let named = kind.zip(draft.or_else(stored));
        named.is_some_and(|(kind, row)| self.access.sees(kind, row).is_some())
    }

    fn tells(&self, row: &Row, property: &str) -> bool {
        let stored = self.base.live(&row.kind, &row.id).map(|d| &*d.row);
        let kind = self.base.kind(&row.kind);
        kind.is_some_and(|kind| judge::tells(self.access, kind, stored, property))
    }

    fn knows(&self, kind: &str) -> bool {
        let kind = self.base.kind(kind);
        kind.is_some_and(|kind| self.access.knows("*", kind))
    }

    fn may_name(&self, row: &Row, property: &str, named: &ResourceRef) -> bool {
        let same = |before: &Declared| before.row.body.get(property) == row.body.get(property);
        self.sees(named) || self.base.live(&row.kind, &row.id).is_some_and(same)
    }
}

/// The rows as the store has them, unrecorded.
pub(crate) struct Stored<'a>(pub(crate) &'a State);

impl View for Stored<'_> {
    fn get(&self, kind: &str, id: &str) -> Option<Row> {
        Some(Row::clone(&self.0.live(kind, id)?.row))
    }

    fn find(&self, kind: &str, property: &str, value: &Value) -> Vec<Row> {
        let (_, found) = self.0.find(kind, property, value);
        found.into_iter().map(|d| Row::clone(&d.row)).collect()
    }

    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef> {
        let id = self.0.holder(kind, label, value)?;
        Some(ResourceRef::new(kind, id))
    }
}
