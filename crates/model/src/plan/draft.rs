//! A plan under construction.

use super::{Disturbance, Op, OwnedKey, OwnedRecord, OwnedWrite, Plan, Stage, Step, Verdict};
use crate::config::Source;
use crate::resource::ResourceRef;
use std::collections::BTreeMap;

/// Collects steps, verdicts and notes, and the records as they will be when
/// the intents are written.
pub(super) struct Draft<'a> {
    owned: &'a BTreeMap<OwnedKey, OwnedRecord>,
    /// `None` is a record that goes before the first step.
    changed: BTreeMap<OwnedKey, Option<OwnedRecord>>,
    plan: Plan,
}

impl<'a> Draft<'a> {
    pub(super) fn new(owned: &'a BTreeMap<OwnedKey, OwnedRecord>) -> Self {
        Self {
            owned,
            changed: BTreeMap::new(),
            plan: Plan::default(),
        }
    }

    /// The records as the store has them.
    pub(super) fn owned(&self) -> &'a BTreeMap<OwnedKey, OwnedRecord> {
        self.owned
    }

    /// A record as it will be before the first step.
    pub(super) fn record(&self, key: &OwnedKey) -> Option<&OwnedRecord> {
        match self.changed.get(key) {
            Some(record) => record.as_ref(),
            None => self.owned.get(key),
        }
    }

    /// Has a record written before the first step.
    pub(super) fn put(&mut self, key: OwnedKey, record: OwnedRecord) {
        self.changed.insert(key, Some(record));
    }

    /// Has a record removed before the first step: its object is gone.
    pub(super) fn forget(&mut self, key: OwnedKey) {
        self.changed.insert(key, None);
    }

    pub(super) fn step(
        &mut self,
        stage: Stage,
        op: Op,
        disturbance: Disturbance,
        why: impl Into<String>,
        resources: Vec<ResourceRef>,
        settles: Vec<OwnedWrite>,
    ) {
        self.plan.steps.push(Step {
            stage,
            op,
            disturbance,
            why: why.into(),
            resources,
            settles,
        });
    }

    /// Steps so far, for what later rooms have to know of earlier ones.
    pub(super) fn steps(&self) -> &[Step] {
        &self.plan.steps
    }

    /// In its declared state, unless something else is said of it.
    pub(super) fn applied(&mut self, source: &Source) {
        let version = source.version;
        self.plan
            .verdicts
            .entry(source.resource.clone())
            .or_insert(Verdict::Applied { version });
    }

    /// Overrides whatever milder was said.
    pub(super) fn failed(&mut self, source: &Source, reason: impl Into<String>) {
        let (version, reason) = (source.version, reason.into());
        let verdict = Verdict::Failed { version, reason };
        match self.plan.verdicts.get_mut(&source.resource) {
            Some(Verdict::Failed { .. }) => {}
            Some(other) => *other = verdict,
            None => {
                self.plan.verdicts.insert(source.resource.clone(), verdict);
            }
        }
    }

    /// Overrides only `applied`.
    pub(super) fn waiting(&mut self, source: &Source, reason: impl Into<String>) {
        let (version, reason) = (source.version, reason.into());
        let verdict = Verdict::Waiting { version, reason };
        match self.plan.verdicts.get_mut(&source.resource) {
            Some(slot @ Verdict::Applied { .. }) => *slot = verdict,
            Some(_) => {}
            None => {
                self.plan.verdicts.insert(source.resource.clone(), verdict);
            }
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.plan.notes.push(text.into());
    }

    /// Puts the steps in order of stage and keeps only records that change.
    pub(super) fn finish(mut self) -> Plan {
        self.plan.steps.sort_by_key(|step| step.stage);
        for (key, record) in self.changed {
            let before = self.owned.get(&key);
            if before == record.as_ref() {
                continue;
            }
            self.plan.intents.push(match record {
                Some(record) => OwnedWrite::Put(key, record),
                None => OwnedWrite::Remove(key),
            });
        }
        self.plan
    }
}
