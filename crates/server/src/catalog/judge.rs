//! Whether whoever asks for a change may make it. Judged where a change is
//! worked out, on the same state that its commit stands on: who moves a row to
//! another tenant meanwhile makes the commit conflict.
//!
//! A row that the caller does not see is not there for him. What he sees and
//! may not change is refused by name.

use super::Error;
use crate::mirror::State;
use sdwan_model::document::unknown;
use sdwan_model::policy::{Access, Fields, TENANT};
use sdwan_model::resource::{Body, Row};
use sdwan_model::schema::{Kind, MASK};
use sdwan_model::validate::Violation;
use serde_json::Value;

/// More unknown properties are not told.
const MAX_TOLD: usize = 100;

/// # Errors
/// [`Error::NotFound`], [`Error::NotDeletable`].
pub(super) fn delete(access: &Access, base: &State, row: &Row) -> Result<(), Error> {
    if access.is_everything() {
        return Ok(());
    }
    let missing = || Error::NotFound(row.reference().to_string());
    let kind = base.kind(&row.kind).ok_or_else(missing)?;
    see(access, kind, row)?;
    if access.on("delete", kind, &row.id).fields(row).is_none() {
        let message = format!("no policy lets you delete {}", row.reference());
        return Err(Error::NotDeletable(message));
    }
    Ok(())
}

/// # Errors
/// [`Error::NotFound`] where the row is not there for the caller.
pub(super) fn see(access: &Access, kind: &Kind, row: &Row) -> Result<(), Error> {
    match access.sees(kind, row) {
        Some(_) => Ok(()),
        None => Err(Error::NotFound(row.reference().to_string())),
    }
}

/// A new row before it is validated: its tenant is filled in, and what is
/// given must be the caller's to give.
///
/// # Errors
/// [`Error::NotAllowed`], [`Error::Invalid`] for properties that are not there
/// for the caller.
pub(super) fn new(access: &Access, kind: &Kind, body: &mut Value) -> Result<(), Error> {
    let right = access.create(kind);
    if right.is_nothing() {
        let message = format!("no policy lets you create {}", kind.plural);
        return Err(Error::NotAllowed(message));
    }
    given(access, kind, body, &right.widest(), &Body::new())?;
    if let (Value::Object(members), Some(tenant)) = (body, access.tenant())
        && kind.properties.get(TENANT).is_some_and(|p| p.on_create)
    {
        let own = || Value::from(tenant);
        members.entry(TENANT).or_insert_with(own);
    }
    Ok(())
}

/// A new row as it will be.
///
/// # Errors
/// [`Error::NotAllowed`].
pub(super) fn created(access: &Access, kind: &Kind, body: &Body) -> Result<(), Error> {
    let right = access.create(kind);
    let Some(fields) = right.fields_of_new(body) else {
        let message = format!("no policy lets you create {} like this", kind.singular);
        return Err(Error::NotAllowed(
            whose(access, kind, body).unwrap_or(message),
        ));
    };
    // With a policy for this very row.
    let unset = |name: &str, value: &Value| {
        let property = kind.properties.get(name);
        name == TENANT
            || value.is_null()
            || property.is_some_and(|p| p.default.as_ref() == Some(value))
            || kind.parent_property().as_deref() == Some(name)
    };
    let mut set = body.iter().filter(|(name, value)| !unset(name, value));
    match set.find(|(name, _)| !fields.contains(name)) {
        Some((name, _)) => Err(not_to_give(name)),
        None => Ok(()),
    }
}

/// An update before it is validated. Of a replacement, what the caller may
/// not give stays as it is; and a row keeps its tenant unless one is given.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotAllowed`], [`Error::Invalid`] for
/// properties that are not there for the caller.
pub(super) fn update(
    access: &Access,
    kind: &Kind,
    current: &Row,
    patch: &mut Value,
    replace: bool,
) -> Result<(), Error> {
    see(access, kind, current)?;
    let right = access.on("update", kind, &current.id);
    let Some(fields) = right.fields(current) else {
        let message = format!("no policy lets you change {}", current.reference());
        return Err(Error::NotAllowed(message));
    };
    given(access, kind, patch, &fields, &current.body)?;
    let Value::Object(members) = patch else {
        return Ok(());
    };
    for (name, property) in kind.properties.iter().filter(|_| replace) {
        let stays = name == TENANT || !fields.contains(name);
        let before = current
            .body
            .get(name)
            .filter(|_| property.on_update && !property.secret);
        if let Some(before) = before.filter(|_| stays && !members.contains_key(name)) {
            members.insert(name.clone(), before.clone());
        }
    }
    Ok(())
}

/// An update as it will leave the row.
///
/// # Errors
/// [`Error::NotAllowed`].
pub(super) fn updated(
    access: &Access,
    kind: &Kind,
    before: &Row,
    after: &Body,
) -> Result<(), Error> {
    let right = access.on("update", kind, &before.id);
    if right.fields_of_change(&before.body, after).is_some() {
        return Ok(());
    }
    let message = format!("no policy lets you change {} like this", before.reference());
    Err(Error::NotAllowed(
        whose(access, kind, after).unwrap_or(message),
    ))
}

/// Every given property must be one that the caller may give. One that he
/// sees may be sent back as it is; one that he may not even see is unknown.
fn given(
    access: &Access,
    kind: &Kind,
    body: &Value,
    fields: &Fields,
    before: &Body,
) -> Result<(), Error> {
    let Value::Object(members) = body else {
        return Ok(());
    };
    if *fields == Fields::All {
        return Ok(());
    }
    let seen = access.fields("read", kind);
    let mut strange = Vec::new();
    for (name, value) in members {
        let there = kind.properties.contains_key(name);
        if there && fields.contains(name) {
            continue;
        }
        if there && seen.contains(name) {
            let same = before.get(name) == Some(value) && value != MASK;
            match same {
                true => continue,
                false => return Err(not_to_give(name)),
            }
        }
        strange.push(name);
    }
    if strange.is_empty() {
        return Ok(());
    }
    let names = kind.properties.keys().map(String::as_str);
    let known: Vec<&str> = names
        .filter(|name| fields.contains(name) || seen.contains(name))
        .collect();
    let strange = strange.into_iter().take(MAX_TOLD);
    let violations = strange.map(|name| Violation::of(name, unknown("property", name, &known)));
    Err(Error::Invalid(violations.collect()))
}

fn not_to_give(name: &str) -> Error {
    Error::NotAllowed(format!("no policy lets you set {name}"))
}

/// Words for a row that would be another tenant's.
fn whose(access: &Access, kind: &Kind, body: &Body) -> Option<String> {
    if !kind.is_scoped() || body.get(TENANT).and_then(Value::as_str) == access.tenant() {
        return None;
    }
    Some(match access.tenant() {
        Some(tenant) => format!("{TENANT} must be your own, {tenant}"),
        None => format!("{} belong to tenants, and you call for none", kind.plural),
    })
}

/// Whether a kind's property is there for the caller: he sees it in some row, or
/// may give it.
pub(super) fn names(access: &Access, kind: &Kind, property: &str) -> bool {
    let mut actions = ["read", "create", "update"].iter();
    actions.any(|action| access.fields(action, kind).contains(property))
}

/// What is wrong with a property that the caller may neither see nor give
/// names it no more, and what is wrong with another tells of none that he does
/// not see in the row. `stored` is the row as it was, where it is not a new one.
pub(super) fn discreet(
    access: &Access,
    kind: &Kind,
    stored: Option<&Row>,
    violation: Violation,
) -> Violation {
    if access.is_everything() {
        return violation;
    }
    let name = violation.pointer.trim_start_matches('/');
    let name = name.split('/').next().unwrap_or_default();
    if kind.properties.contains_key(name) && !names(access, kind, name) {
        let message = "a property that you may not see is missing, wrong or taken";
        return Violation::new("", message);
    }
    let told = |name: &&str| tells(access, kind, stored, name);
    if violation.beside.iter().all(told) {
        return violation;
    }
    let message = "does not go with a property that you may not see";
    Violation::new(violation.pointer, message)
}

/// Whether the caller may be told what a row says there. Of a new row, he has
/// said it himself.
pub(super) fn tells(access: &Access, kind: &Kind, stored: Option<&Row>, property: &str) -> bool {
    match stored {
        _ if access.is_everything() => true,
        None => names(access, kind, property),
        Some(row) => {
            let seen = access.sees(kind, row);
            seen.is_some_and(|fields| fields.contains(property))
        }
    }
}
