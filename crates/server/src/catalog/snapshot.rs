//! One consistent look at everything, for readers.

use super::{Error, Hold, Point, Scope, Shown};
use crate::mirror::State;
use bytes::Bytes;
use sdwan_model::resource::Row;
use sdwan_model::validate::Violation;
use sdwan_store::Revision;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One consistent look at everything; cheap to take, holds nobody up.
#[derive(Clone)]
pub struct Snapshot(pub(super) Arc<State>);

impl Snapshot {
    /// The revision that this is true at.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The same with its epoch, as callers hold it.
    pub fn point(&self) -> Point {
        Point {
            epoch: self.0.epoch(),
            revision: self.0.revision,
        }
    }

    /// A row, live or on its way out.
    pub fn get(&self, kind: &str, id: &str) -> Option<Shown> {
        self.0.show(kind, id)
    }

    /// Every row of a kind in order of id, without status: filter and page
    /// these, then [`Snapshot::show`] what is left.
    pub fn rows(&self, kind: &str) -> impl Iterator<Item = &Arc<Row>> {
        self.0.records(kind).filter_map(|record| record.row())
    }

    /// The row with its status.
    pub fn show(&self, row: &Arc<Row>) -> Shown {
        self.0.show(&row.kind, &row.id).unwrap_or_else(|| Shown {
            row: Arc::clone(row),
            status: None,
            monitoring: None,
            fib: None,
            revision: self.0.revision,
        })
    }

    /// The rows of a kind at these places in the order of ids, as `render`
    /// makes text of them, and how many rows there are. `render` may look at
    /// nothing but what it is given: what it made is kept for as long as the
    /// row and its status are the same.
    pub(crate) fn page(
        &self,
        kind: &str,
        places: Range<usize>,
        render: impl Fn(&Shown) -> Bytes,
    ) -> (Vec<Bytes>, usize) {
        let (records, rows) = self.0.page(kind, places);
        (self.0.rendered(records, render), rows)
    }

    /// Every hold there is.
    pub fn holds(&self) -> BTreeMap<Scope, Hold> {
        let holds = self.0.holds().iter();
        holds
            .map(|(scope, hold)| (scope.clone(), Hold::clone(hold)))
            .collect()
    }

    /// The id of the router whose daemon the row is about.
    pub(crate) fn router_of(&self, row: &Row) -> Option<&str> {
        self.0.record(&row.kind, &row.id)?.router()
    }

    /// By id, else by name: `name`, or a unique text property such as
    /// `host_name`. A live row goes before one on its way out.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the name fits several rows.
    pub fn resolve(&self, kind: &str, id_or_name: &str) -> Result<Shown, Error> {
        if let Some(shown) = self.get(kind, id_or_name) {
            return Ok(shown);
        }
        let not_found = || Error::NotFound(format!("{kind} {id_or_name}"));
        let described = self.0.kind(kind).ok_or_else(not_found)?;
        let value = Value::String(id_or_name.to_owned());
        let names = described
            .properties
            .iter()
            .filter(|(name, p)| *name != "id" && (p.unique || *name == "name"));
        for (name, _) in names {
            let (_, live) = self.0.find(kind, name, &value);
            let mut rows: Vec<&Arc<Row>> = live.into_iter().map(|d| &d.row).collect();
            if rows.is_empty() {
                rows.extend(
                    self.leaving(kind)
                        .filter(|r| r.body.get(name) == Some(&value)),
                );
            }
            match rows.as_slice() {
                [] => {}
                [row] => return Ok(self.show(row)),
                several => {
                    let ids: Vec<&str> = several.iter().map(|row| row.id.as_str()).collect();
                    let message = format!(
                        "{name} {id_or_name} fits {} rows, give an id: {}",
                        several.len(),
                        ids.join(", ")
                    );
                    return Err(Error::Conflict(vec![Violation::of(name, message)]));
                }
            }
        }
        Err(not_found())
    }

    /// The declared rows of `kind` whose `property` has this value; quick for
    /// relations and unique properties.
    pub fn find(&self, kind: &str, property: &str, value: &Value) -> Vec<Arc<Row>> {
        let (_, found) = self.0.find(kind, property, value);
        found.into_iter().map(|d| Arc::clone(&d.row)).collect()
    }

    fn leaving(&self, kind: &str) -> impl Iterator<Item = &Arc<Row>> {
        self.0
            .records(kind)
            .filter(|record| record.leaving.is_some())
            .filter_map(|record| record.row())
    }
}
