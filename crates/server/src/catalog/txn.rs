//! A transaction, worked out on one state of the mirror: what the changes
//! come to, whether the rules allow it, and the one commit that does it. Pure;
//! the commit's conditions make sure that it is still right when it lands.

use super::draft::{Deletion, Draft, Drafts, Written};
use super::refusals::Refusals;
use super::view::{Recording, Stored, row_condition};
use super::{Change, Effect, Error, Held, follow, judge, ops, takeover};
use crate::keys;
use crate::mirror::State;
use crate::mirror::record::Declared;
use crate::secrets::SecretBox;
use sdwan_model::policy::Access;
use sdwan_model::resource::ResourceRef;
use sdwan_model::rules::{self, Broken, View};
use sdwan_model::validate::Violation;
use sdwan_store::Condition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many referring rows a refusal names.
const NAMED: usize = 5;

/// What a transaction works with besides its changes.
pub(super) struct Setting<'a> {
    pub(super) base: &'a State,
    /// What whoever asks for the changes may do.
    pub(super) access: &'a Access,
    pub(super) secrets: &'a SecretBox,
    /// RFC 3339.
    pub(super) now: &'a str,
    /// One for each change.
    pub(super) ids: &'a [String],
    /// Deletions wait for no router.
    pub(super) force: bool,
}

/// A transaction that the rules allow.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) when: Vec<Condition>,
    pub(super) then: ops::Ops,
    /// By change: which row it is about, and whether that is a new one.
    pub(super) rows: Vec<(ResourceRef, bool)>,
    /// What it comes to, rows that only go along included.
    pub(super) effects: Vec<Effect>,
}

/// Works the changes out.
pub(super) fn prepare(setting: &Setting<'_>, changes: &[Change]) -> Result<Prepared, Error> {
    let mut drafts = Drafts::new(setting, changes.len() > 1);
    let mut rows = Vec::new();
    for (number, (change, id)) in changes.iter().zip(setting.ids).enumerate() {
        rows.push(drafts.take(number, change, id)?);
    }
    let mut txn = Txn {
        setting,
        drafts: drafts.rows,
        refusals: drafts.refusals,
        when: BTreeMap::new(),
        then: ops::Ops::default(),
    };
    follow::renames(setting.base, &mut txn.drafts);
    txn.delete(drafts.deletions);
    txn.judge();
    let mut effects = Vec::new();
    if txn.refusals.is_empty() {
        txn.unique();
    }
    if txn.refusals.is_empty() {
        effects = txn.write()?;
    }
    txn.refusals.tell()?;
    Ok(Prepared {
        when: txn.when.into_values().flatten().collect(),
        then: txn.then,
        rows,
        effects,
    })
}

struct Txn<'a> {
    setting: &'a Setting<'a>,
    drafts: BTreeMap<ResourceRef, Draft>,
    refusals: Refusals,
    /// By key, so that none is asked twice; a prefix may be asked besides.
    when: BTreeMap<String, Vec<Condition>>,
    then: ops::Ops,
}

impl Txn<'_> {
    fn when(&mut self, condition: Condition) {
        let (Condition::Absent(key)
        | Condition::Exists(key)
        | Condition::AtRevision(key, _)
        | Condition::NoneUnder(key)
        | Condition::NothingNewer(key, _)) = &condition;
        let asked = self.when.entry(key.clone()).or_default();
        if asked.contains(&condition) {
            return;
        }
        // At a revision says all that existing says.
        if matches!(condition, Condition::Exists(_))
            && asked.iter().any(|c| matches!(c, Condition::AtRevision(..)))
        {
            return;
        }
        if matches!(condition, Condition::AtRevision(..)) {
            asked.retain(|c| !matches!(c, Condition::Exists(_)));
        }
        asked.push(condition);
    }

    /// Deletions, and what goes with them. What stays is held against what
    /// goes only when all that goes is known.
    fn delete(&mut self, deletions: Vec<Deletion>) {
        let base = self.setting.base;
        let mut work = deletions;
        let mut gone = Vec::new();
        while let Some(deletion) = work.pop() {
            let row = &deletion.row;
            if matches!(self.drafts.get(row), Some(Draft::Gone)) {
                continue;
            }
            self.drafts.insert(row.clone(), Draft::Gone);
            self.judge_deletion(&deletion);
            self.when(row_condition(base, &row.kind, &row.id));
            let mut referrers = Vec::new();
            for (kind, id) in base.referrers(&row.kind, &row.id, None) {
                let by = ResourceRef::new(kind, id);
                let (refers, follows) = self.refers(&by, row);
                if refers && (deletion.cascade || follows) {
                    let row = by.clone();
                    work.push(Deletion { row, ..deletion });
                }
                referrers.push(by);
            }
            let prefix = keys::references_to(base.plural(&row.kind), &row.id);
            self.when(if referrers.is_empty() {
                Condition::NoneUnder(prefix)
            } else {
                Condition::NothingNewer(prefix, base.revision)
            });
            gone.push((deletion, referrers));
        }
        for (Deletion { row, change, .. }, mut referrers) in gone {
            referrers.retain(|by| self.refers(by, &row).0);
            if !referrers.is_empty() {
                let all = referrers.len();
                referrers.retain(|by| self.sees(by));
                let violation = still_referred(&row, &referrers, referrers.len() < all);
                self.refusals.conflict(Some(change), violation);
            }
        }
    }

    /// What goes along must be the caller's to delete, too.
    fn judge_deletion(&mut self, deletion: &Deletion) {
        let base = self.setting.base;
        let ResourceRef { kind, id } = &deletion.row;
        let Some(declared) = base.live(kind, id) else {
            return;
        };
        let Err(error) = judge::delete(self.setting.access, base, &declared.row) else {
            return;
        };
        let message = match error {
            Error::NotFound(_) => "rows that you may not see would go along".to_owned(),
            told => told.to_string(),
        };
        let violation = Violation::new("", message);
        self.refusals.conflict(Some(deletion.change), violation);
    }

    /// Whether the caller may be told of a row.
    fn sees(&self, row: &ResourceRef) -> bool {
        Recording::new(self.setting.base, &self.drafts, self.setting.access).sees(row)
    }

    /// What is wrong with a row, as far as the caller may be told.
    fn discreet(&self, row: &ResourceRef, violation: Violation) -> Violation {
        let Setting { base, access, .. } = self.setting;
        let stored = base.live(&row.kind, &row.id).map(|d| &*d.row);
        match base.kind(&row.kind) {
            Some(kind) => judge::discreet(access, kind, stored, violation),
            None => violation,
        }
    }

    /// Whether a row will refer to another, and whether it goes with it.
    fn refers(&self, by: &ResourceRef, to: &ResourceRef) -> (bool, bool) {
        let base = self.setting.base;
        let row = match self.drafts.get(by) {
            Some(draft) => draft.row(),
            None => base.live(&by.kind, &by.id).map(|d| &*d.row),
        };
        let Some(row) = row else {
            return (false, false);
        };
        let references = rules::references(&base.context.schemas, &Stored(base), row);
        match references.into_iter().find(|(target, _)| target == to) {
            Some((_, cascades)) => (true, cascades),
            None => (false, false),
        }
    }

    /// Every written row against the rules, and what they read made conditions.
    fn judge(&mut self) {
        let base = self.setting.base;
        let view = Recording::new(base, &self.drafts, self.setting.access);
        let mut judged = Vec::new();
        let mut asked = Vec::new();
        let mut followed = Vec::new();
        for (resource, draft) in &self.drafts {
            let Draft::Written(written) = draft else {
                continue;
            };
            let mut row = written.row.clone();
            let Err(mut broken) = rules::check(&base.context.schemas, &view, &mut row) else {
                judged.push((resource.clone(), row));
                continue;
            };
            // One word on one property: the first is what is wrong in itself.
            broken.retain(|broken| !written.wrong.contains(&broken.violation().pointer));
            match written.change {
                Some(change) => {
                    let row = || resource.clone();
                    asked.extend(broken.into_iter().map(|b| (change, row(), b)));
                }
                None => followed.extend(broken.into_iter().map(|b| (resource.clone(), b))),
            }
        }
        for condition in view.conditions() {
            self.when(condition);
        }
        for (change, row, broken) in asked {
            let violation = self.discreet(&row, broken.violation().clone());
            match broken {
                Broken::Invalid(_) => self.refusals.invalid(Some(change), violation),
                Broken::Taken { .. } => self.refusals.conflict(Some(change), violation),
            }
        }
        // Where a change itself is wrong, what follows from it is noise.
        if self.refusals.is_empty() {
            for (row, broken) in followed {
                let why = &broken.violation().message;
                let message = match self.sees(&row) {
                    true => format!("{row}, which goes along: {why}"),
                    false => "a row that you may not see names this one, and can't go along".into(),
                };
                self.refusals.conflict(None, Violation::new("", message));
            }
        }
        for (resource, row) in judged {
            if let Some(Draft::Written(written)) = self.drafts.get_mut(&resource) {
                written.row = row;
            }
        }
    }

    /// Unique values, judged at the end: who lets go of one makes room.
    fn unique(&mut self) {
        let base = self.setting.base;
        let schemas = &base.context.schemas;
        let mut taken: BTreeMap<String, (String, ResourceRef)> = BTreeMap::new();
        let mut freed: BTreeSet<String> = BTreeSet::new();
        for (resource, draft) in &self.drafts {
            let plural = base.plural(&resource.kind);
            let key = |(label, value): &(String, String)| keys::unique(plural, label, value);
            let row = draft.row();
            let after = row.map(|row| rules::unique_values(schemas, row));
            for value in after.into_iter().flatten() {
                taken.insert(key(&value), (value.0, resource.clone()));
            }
            if let Some(before) = base.live(&resource.kind, &resource.id) {
                freed.extend(rules::unique_values(schemas, &before.row).iter().map(key));
            }
        }
        for key in freed.iter().filter(|key| !taken.contains_key(*key)) {
            self.then.delete(key.clone());
        }
        for (key, (label, by)) in taken {
            match base.unique_holder(&key) {
                Some(holder) if holder == by.id => continue,
                Some(_) if !freed.contains(&key) => {
                    let change = self.drafts.get(&by).and_then(Draft::change);
                    let violation = self.discreet(&by, still_held(&label));
                    self.refusals.conflict(change, violation);
                }
                // Its holder is written by this commit too, under the
                // condition that it is as it was.
                Some(_) => {}
                None => self.when(Condition::Absent(key.clone())),
            }
            self.then.put(key, by.id.as_bytes());
        }
    }

    /// The rows themselves, and their references; answers what that changes.
    fn write(&mut self) -> Result<Vec<Effect>, Error> {
        let base = self.setting.base;
        let drafts = std::mem::take(&mut self.drafts);
        let view = Recording::new(base, &drafts, self.setting.access);
        for (resource, draft) in &drafts {
            let before = base.live(&resource.kind, &resource.id);
            self.when(row_condition(base, &resource.kind, &resource.id));
            match draft {
                Draft::Written(written) => {
                    let references = rules::references(&base.context.schemas, &view, &written.row);
                    self.refer(resource, before, references);
                    self.put(written, before.is_none())?;
                }
                Draft::Gone => {
                    let Some(before) = before else { continue };
                    self.refer(resource, Some(before), Vec::new());
                    self.then
                        .leave(base, before, self.setting.now, self.setting.force);
                }
            }
        }
        let effects = drafts.into_iter();
        Ok(effects
            .filter_map(|(row, draft)| effect(base, row, draft))
            .collect())
    }

    fn put(&mut self, written: &Written, created: bool) -> Result<(), Error> {
        let base = self.setting.base;
        let row = &written.row;
        let sealed = written.seal(self.setting.secrets)?;
        let key = keys::config(base.plural(&row.kind), &row.id);
        self.then.put(key, Declared::encode(row, &sealed));
        if created && let Err(violation) = takeover::take(base, row, &mut self.then) {
            let violation = self.discreet(&row.reference(), violation);
            self.refusals.conflict(written.change, violation);
        }
        Ok(())
    }

    /// References are written anew with every version of a row, so that a
    /// rule that read its sisters sees by them that one has changed.
    fn refer(
        &mut self,
        resource: &ResourceRef,
        before: Option<&Declared>,
        references: Vec<(ResourceRef, bool)>,
    ) {
        let base = self.setting.base;
        let key = |target: &ResourceRef| {
            keys::reference(
                base.plural(&target.kind),
                &target.id,
                base.plural(&resource.kind),
                &resource.id,
            )
        };
        let old = before
            .map(|before| rules::references(&base.context.schemas, &Stored(base), &before.row));
        for (target, _) in old.into_iter().flatten() {
            self.then.delete(key(&target));
        }
        for (target, _) in references {
            let stored = keys::config(base.plural(&target.kind), &target.id);
            if base.live(&target.kind, &target.id).is_some() {
                self.when(Condition::Exists(stored));
            }
            self.then.put(key(&target), b"");
        }
    }
}

fn effect(base: &State, resource: ResourceRef, draft: Draft) -> Option<Effect> {
    let before = base.live(&resource.kind, &resource.id);
    let Draft::Written(written) = draft else {
        return before.map(|declared| Effect::gone(Arc::clone(&declared.row)));
    };
    Some(Effect {
        kind: resource.kind,
        id: resource.id,
        before: before.map(|declared| Held::Row(Arc::clone(&declared.row))),
        after: Some(Held::Row(Arc::new(written.row))),
        secrets: written.fresh.into_keys().collect(),
    })
}

/// To the rules a row that is marked for deletion holds nothing, so that nobody
/// refers to it any more; but its values are not free before it is gone.
fn still_held(label: &str) -> Violation {
    let property = label.rsplit('+').next().unwrap_or(label);
    let message = "is still held by a row that is being deleted: try again later";
    Violation::of(property, message)
}

/// `hidden`: there are others, which the caller may not see.
fn still_referred(row: &ResourceRef, by: &[ResourceRef], hidden: bool) -> Violation {
    const OTHERS: &str = "rows that you may not see";
    if by.is_empty() {
        let message = format!("{row} is still referred to by {OTHERS}");
        return Violation::new("", message);
    }
    let named: Vec<String> = by.iter().take(NAMED).map(ToString::to_string).collect();
    let hidden = if hidden {
        format!(", and by {OTHERS}")
    } else {
        String::new()
    };
    let more = match by.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{row} is still referred to by {}{more}{hidden}: delete those first, or ask for a cascade",
        named.join(", ")
    );
    Violation::new("", message)
}
