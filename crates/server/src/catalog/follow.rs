//! Rows that repeat a value of another go along when that changes: a renamed
//! router keeps its neighbors.

use super::draft::{Draft, Written};
use super::view::Stored;
use crate::mirror::State;
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::rules;
use std::collections::{BTreeMap, BTreeSet};

/// Adds the rows that only follow, with the version that they have.
pub(super) fn renames(base: &State, drafts: &mut BTreeMap<ResourceRef, Draft>) {
    let changes: Vec<(Row, Row)> = drafts
        .values()
        .filter_map(Draft::row)
        .filter_map(|after| {
            let before = base.live(&after.kind, &after.id)?;
            Some((Row::clone(&before.row), after.clone()))
        })
        .collect();
    for row in rules::follow_renames(&base.context.schemas, &Stored(base), &changes) {
        let resource = row.reference();
        match drafts.get_mut(&resource) {
            Some(Draft::Written(written)) => written.row.body = row.body,
            Some(Draft::Gone) => {}
            None => {
                let stored = base.live(&row.kind, &row.id);
                let written = Written {
                    kept: stored.map(|d| d.sealed.clone()).unwrap_or_default(),
                    fresh: BTreeMap::new(),
                    change: None,
                    wrong: BTreeSet::new(),
                    row,
                };
                drafts.insert(resource, Draft::Written(Box::new(written)));
            }
        }
    }
}
