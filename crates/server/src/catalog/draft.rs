//! From what a request asks to the rows that it means: each change validated
//! on its own, secrets taken out of the body, nothing judged between rows yet.
//! Of a change that is wrong in itself the row is what is right in it, so that
//! the rules can have their say too.

use super::refusals::Refusals;
use super::txn::Setting;
use super::{Change, Error, Mode, judge};
use crate::mirror::State;
use crate::mirror::record::{Sealed, slim};
use crate::secrets::SecretBox;
use sdwan_model::policy::Access;
use sdwan_model::resource::{Body, ResourceRef, Row};
use sdwan_model::schema::{Kind, MASK};
use sdwan_model::validate::{self, Violation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a row will be when the transaction ends.
pub(super) enum Draft {
    /// Created or changed.
    Written(Box<Written>),
    /// Deleted.
    Gone,
}

impl Draft {
    /// The row, if it will be there.
    pub(super) fn row(&self) -> Option<&Row> {
        match self {
            Self::Written(written) => Some(&written.row),
            Self::Gone => None,
        }
    }

    /// The change that wrote it last.
    pub(super) fn change(&self) -> Option<usize> {
        match self {
            Self::Written(written) => written.change,
            Self::Gone => None,
        }
    }

    /// The row, if it will be there and every word of it counts: what is left
    /// of a wrong body tells of no sister that she contradicts it.
    pub(super) fn right(&self) -> Option<&Row> {
        match self {
            Self::Written(written) if written.wrong.is_empty() => Some(&written.row),
            _ => None,
        }
    }
}

/// A row to be written. Its secrets are masked in `row`.
pub(super) struct Written {
    pub(super) row: Row,
    /// Envelopes that stay.
    pub(super) kept: Sealed,
    /// Secrets to be sealed.
    pub(super) fresh: BTreeMap<String, SecretString>,
    /// The change that wrote it last; `None` for a row that only goes along.
    pub(super) change: Option<usize>,
    /// Pointers to what is wrong with the body and told already.
    pub(super) wrong: BTreeSet<String>,
}

impl Written {
    /// The envelopes to store.
    pub(super) fn seal(&self, secrets: &SecretBox) -> Result<Sealed, Error> {
        let row = self.row.reference();
        let mut sealed = self.kept.clone();
        for (property, secret) in &self.fresh {
            let envelope = secrets.seal(&row, property, secret.expose_secret())?;
            sealed.push((property.clone(), envelope));
        }
        Ok(sealed)
    }
}

/// A row to be deleted.
pub(super) struct Deletion {
    pub(super) row: ResourceRef,
    /// Rows that refer to it go too.
    pub(super) cascade: bool,
    pub(super) change: usize,
}

/// A transaction's rows, being gathered.
pub(super) struct Drafts<'a> {
    base: &'a State,
    access: &'a Access,
    secrets: &'a SecretBox,
    pub(super) rows: BTreeMap<ResourceRef, Draft>,
    pub(super) refusals: Refusals,
    pub(super) deletions: Vec<Deletion>,
    /// The number of the change that is being taken in.
    change: usize,
}

impl<'a> Drafts<'a> {
    /// `several` changes make one transaction.
    pub(super) fn new(setting: &Setting<'a>, several: bool) -> Self {
        Self {
            base: setting.base,
            access: setting.access,
            secrets: setting.secrets,
            rows: BTreeMap::new(),
            refusals: Refusals::new(several),
            deletions: Vec::new(),
            change: 0,
        }
    }

    /// Takes change `number` in; answers which row it is about and whether
    /// that is a new one. `id` is for a row that brings none.
    pub(super) fn take(
        &mut self,
        number: usize,
        change: &Change,
        id: &str,
    ) -> Result<(ResourceRef, bool), Error> {
        self.change = number;
        match change {
            Change::Create { kind, body, parent } => {
                let kind = self.kind(kind)?;
                let row = self.create(&kind, body.clone(), parent.as_deref(), id)?;
                Ok((row, true))
            }
            Change::Update {
                kind,
                id,
                patch,
                mode,
                if_match,
            } => {
                let kind = self.kind(kind)?;
                let row = self.update(&kind, id, patch.clone(), *mode, *if_match)?;
                Ok((row, false))
            }
            Change::Upsert {
                kind,
                id,
                body,
                parent,
                if_match,
            } => self.upsert(kind, id, body, parent.as_deref(), *if_match),
            Change::Delete {
                kind,
                id,
                cascade,
                if_match,
            } => {
                let kind = self.kind(kind)?;
                let resource = ResourceRef::new(&kind.id, id);
                let Some(row) = self.current(&resource) else {
                    return Err(Error::NotFound(resource.to_string()));
                };
                judge::delete(self.access, self.base, row)?;
                expect(&resource, row.version, *if_match)?;
                self.deletions.push(Deletion {
                    row: resource.clone(),
                    cascade: *cascade,
                    change: number,
                });
                Ok((resource, false))
            }
        }
    }

    fn kind(&self, kind: &str) -> Result<std::sync::Arc<Kind>, Error> {
        self.base
            .kind(kind)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("kind {kind}")))
    }

    /// The row as the changes so far make it.
    fn current(&self, resource: &ResourceRef) -> Option<&Row> {
        match self.rows.get(resource) {
            Some(draft) => draft.row(),
            None => Some(&self.base.live(&resource.kind, &resource.id)?.row),
        }
    }

    /// Refuses the change of this row for that; answers the pointers.
    fn refuse(&mut self, kind: &Kind, id: &str, violations: Vec<Violation>) -> BTreeSet<String> {
        let stored = self.base.live(&kind.id, id).map(|declared| &*declared.row);
        let pointers = violations.iter().map(|v| v.pointer.clone()).collect();
        for violation in violations {
            let violation = judge::discreet(self.access, kind, stored, violation);
            self.refusals.invalid(Some(self.change), violation);
        }
        pointers
    }

    fn create(
        &mut self,
        kind: &Kind,
        mut body: Value,
        parent: Option<&str>,
        id: &str,
    ) -> Result<ResourceRef, Error> {
        judge::new(self.access, kind, &mut body)?;
        if let (Some(of), Some(parent)) = (&kind.parent, parent) {
            self.adopt(kind, &mut body, of, parent, id);
        }
        let (mut body, wrong) = match validate::create(kind, body) {
            Ok(body) => (body, BTreeSet::new()),
            Err(refused) => (refused.right, self.refuse(kind, id, refused.violations)),
        };
        if wrong.is_empty() {
            judge::created(self.access, kind, &body)?;
        }
        let id = match body.get("id").and_then(Value::as_str) {
            Some(given) => given.to_owned(),
            None => {
                body.shift_insert(0, "id".to_owned(), Value::String(id.to_owned()));
                id.to_owned()
            }
        };
        let resource = ResourceRef::new(&kind.id, id);
        let record = self.base.record(&resource.kind, &resource.id);
        let stands = record.is_some_and(|r| r.declared.is_some());
        let holder = self.current(&resource);
        if holder.is_some() || stands {
            let holder = holder.or_else(|| Some(&**record?.row()?));
            let seen = holder.is_none_or(|row| judge::see(self.access, kind, row).is_ok());
            let message = match seen {
                true => format!("{resource} is there already"),
                false => "is taken".to_owned(),
            };
            let violation = Violation::of("id", message);
            self.refusals.conflict(Some(self.change), violation);
            return Ok(resource);
        }
        let before = record.and_then(|r| r.leaving.as_ref());
        let row = Row {
            kind: kind.id.clone(),
            id: resource.id.clone(),
            // Goes on counting where the same row is still on its way out, so
            // that no late word on the old one is taken for the new one.
            version: before.map_or(1, |leaving| leaving.row.version + 1),
            created: u64::MAX,
            body,
        };
        self.write(kind, row, &Vec::new(), wrong);
        Ok(resource)
    }

    /// A nested URL names the parent; the body may say the same.
    fn adopt(&mut self, kind: &Kind, body: &mut Value, of: &str, parent: &str, id: &str) {
        let Value::Object(members) = body else {
            return;
        };
        let property = format!("{of}_id");
        let parent = Value::String(parent.to_owned());
        if members.get(&property).is_some_and(|given| *given != parent) {
            let message = "is not the parent that the URL names";
            self.refuse(kind, id, vec![Violation::of(&property, message)]);
        }
        members.insert(property, parent);
    }

    fn update(
        &mut self,
        kind: &Kind,
        id: &str,
        mut patch: Value,
        mode: Mode,
        if_match: Option<u64>,
    ) -> Result<ResourceRef, Error> {
        let resource = ResourceRef::new(&kind.id, id);
        let Some(current) = self.current(&resource).cloned() else {
            let record = self.base.record(&kind.id, id);
            if let Some(row) = record.and_then(|r| r.row()) {
                judge::see(self.access, kind, row)?;
                let violation = Violation::new("", format!("{resource} is being deleted"));
                self.refusals.conflict(Some(self.change), violation);
                return Ok(resource);
            }
            return Err(Error::NotFound(resource.to_string()));
        };
        let replace = mode == Mode::Replace;
        judge::update(self.access, kind, &current, &mut patch, replace)?;
        expect(&resource, current.version, if_match)?;
        let (mut body, wrong) = match validate::update(kind, &current.body, patch, replace) {
            Ok(body) => (body, BTreeSet::new()),
            Err(refused) => (refused.right, self.refuse(kind, id, refused.violations)),
        };
        if wrong.is_empty() {
            judge::updated(self.access, kind, &current, &body)?;
        }
        if let Some(id) = current.body.get("id")
            && !body.contains_key("id")
        {
            body.shift_insert(0, "id".to_owned(), id.clone());
        }
        let stored = self.base.live(&kind.id, id);
        let sealed = stored.map_or_else(Sealed::new, |d| d.sealed.clone());
        self.write(kind, Row { body, ..current }, &sealed, wrong);
        Ok(resource)
    }

    fn upsert(
        &mut self,
        kind: &str,
        id: &str,
        body: &Value,
        parent: Option<&str>,
        if_match: Option<u64>,
    ) -> Result<(ResourceRef, bool), Error> {
        let kind = self.kind(kind)?;
        let resource = ResourceRef::new(&kind.id, id);
        if self.current(&resource).is_some() {
            let row = self.update(&kind, id, body.clone(), Mode::Replace, if_match)?;
            return Ok((row, false));
        }
        if if_match.is_some() {
            return Err(Error::NotFound(resource.to_string()));
        }
        let mut body = body.clone();
        if let Value::Object(members) = &mut body {
            let given = Value::String(id.to_owned());
            if members.insert("id".to_owned(), given).is_some() {
                self.refuse(&kind, id, vec![validate::fixed_id()]);
            }
        }
        let row = self.create(&kind, body, parent, id)?;
        Ok((row, true))
    }

    /// Takes a whole body in, its secrets open or masked. A body that says
    /// what the row says already is no change and makes no version.
    fn write(&mut self, kind: &Kind, mut row: Row, sealed: &Sealed, mut wrong: BTreeSet<String>) {
        slim(kind, &mut row.body);
        let resource = row.reference();
        // Set by an earlier change of this transaction.
        let mut earlier = match self.rows.get_mut(&resource) {
            Some(Draft::Written(written)) => {
                wrong.append(&mut written.wrong);
                std::mem::take(&mut written.fresh)
            }
            _ => BTreeMap::new(),
        };
        let mut kept = Sealed::new();
        let mut fresh = BTreeMap::new();
        for (name, _) in kind.properties.iter().filter(|(_, p)| p.secret) {
            let envelope = sealed.iter().find(|(property, _)| property == name);
            let Some(secret) = take_secret(&mut row.body, name) else {
                continue;
            };
            if let (MASK, Some(secret)) = (secret.expose_secret(), earlier.remove(name)) {
                fresh.insert(name.clone(), secret);
                continue;
            }
            match envelope {
                Some(envelope) if self.same(&resource, envelope, &secret) => {
                    kept.push(envelope.clone());
                }
                _ => {
                    fresh.insert(name.clone(), secret);
                }
            }
        }
        let stored = self.base.live(&resource.kind, &resource.id);
        if let Some(stored) = stored {
            let unchanged = fresh.is_empty() && wrong.is_empty() && stored.row.body == row.body;
            if unchanged && !self.rows.contains_key(&resource) {
                return;
            }
            row.version = stored.row.version + 1;
        }
        let written = Written {
            row,
            kept,
            fresh,
            change: Some(self.change),
            wrong,
        };
        self.rows
            .insert(resource, Draft::Written(Box::new(written)));
    }

    fn same(
        &self,
        row: &ResourceRef,
        (name, envelope): &(String, String),
        given: &SecretString,
    ) -> bool {
        given.expose_secret() == MASK
            || self
                .secrets
                .open(row, name, envelope)
                .is_ok_and(|open| open.expose_secret() == given.expose_secret())
    }
}

/// Takes a secret out of the body and leaves the mask.
fn take_secret(body: &mut Body, name: &str) -> Option<SecretString> {
    let value = body.get_mut(name)?;
    match std::mem::replace(value, Value::String(MASK.to_owned())) {
        Value::String(secret) => Some(SecretString::from(secret)),
        other => {
            *value = other;
            None
        }
    }
}

/// Holds an If-Match against the row.
pub(super) fn expect(row: &ResourceRef, actual: u64, expected: Option<u64>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != actual => Err(Error::VersionMismatch {
            resource: row.clone(),
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}
