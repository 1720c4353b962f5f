//! A policy against the kinds that there are: names that no kind has are
//! errors, paths that match less than they seem to are warnings.

use super::condition::{TENANT, Test};
use super::{Fields, Policy};
use crate::document::{Error, Node};
use crate::schema::{Kind, Property, Schemas};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Judges one policy.
pub(super) fn policy(
    node: &Node<'_>,
    policy: &Policy,
    schemas: &Schemas,
    errors: &mut Vec<Error>,
    warnings: &mut Vec<Error>,
) {
    let kinds: Vec<&Arc<Kind>> = schemas
        .iter()
        .filter(|kind| concerns(policy, kind))
        .collect();
    let resource = node.get("resource");
    let at = |key: &str| resource.as_ref().and_then(|r| r.get(key));
    for (key, name) in fields(policy) {
        if !has(&kinds, name, |_| true) && !joins(&kinds, name) {
            let known = names(&kinds, |_| true);
            errors.extend(at(key).map(|at| at.unknown("property", name, &known)));
        }
    }
    if let (Fields::But(these), Some(at)) = (&policy.fields, at("blacklistProperties"))
        && these.contains("id")
    {
        errors.push(at.error("id can't be hidden: without it no row can be asked for"));
    }
    for name in looked_at(policy) {
        if !has(&kinds, &name, judged) {
            let known = names(&kinds, judged);
            let at = node.get("condition");
            errors.extend(at.map(|at| at.unknown("property", &name, &known)));
        }
    }
    let conditions = &policy.conditions;
    let owner =
        conditions.is_owner || conditions.names_owner() || !conditions.belongs_to.is_empty();
    if owner && !kinds.is_empty() && !kinds.iter().any(|kind| kind.is_scoped()) {
        let message = format!(
            "none of the kinds at this path has a {TENANT}: their rows are nobody's own, so this \
             policy allows nothing"
        );
        let at = node.get("condition");
        warnings.extend(at.map(|at| at.error(message)));
    }
    if let Some(at) = at("path") {
        warnings.extend(narrow(policy, &kinds).map(|message| at.error(message)));
    }
}

/// Whether it may be about rows of the kind.
fn concerns(policy: &Policy, kind: &Kind) -> bool {
    policy.path.may_match_at_or_below(&kind.url())
}

/// A list that it allows and none of whose rows can be shown.
fn narrow(policy: &Policy, kinds: &[&Arc<Kind>]) -> Option<String> {
    // Ids as people and as the server make them.
    const IDS: [&str; 2] = ["x", "00000000-0000-4000-8000-000000000000"];
    let lone = |kind: &&&Arc<Kind>| {
        let url = kind.url();
        let row = |id| policy.path.matches(&format!("{url}/{id}"));
        policy.path.matches(&url) && !IDS.into_iter().any(row)
    };
    let kind = kinds.iter().find(lone)?;
    let single = policy.action == "create" || policy.deny;
    if single {
        return None;
    }
    let url = kind.url();
    Some(format!(
        "a path matches whole here: this is the list of {plural} and not one of them by its id; \
         {url}(/.*)? is both",
        plural = kind.plural
    ))
}

fn has(kinds: &[&Arc<Kind>], name: &str, wanted: fn(&Property) -> bool) -> bool {
    let mut properties = kinds.iter().filter_map(|kind| kind.properties.get(name));
    properties.any(wanted)
}

/// A joined row counts as a property where rows are shown.
fn joins(kinds: &[&Arc<Kind>], name: &str) -> bool {
    let properties = kinds.iter().flat_map(|kind| kind.properties.values());
    let mut relations = properties.filter_map(|property| property.relation.as_ref());
    relations.any(|relation| relation.joined_as.as_deref() == Some(name))
}

/// A condition is judged by what is stored: what a worker reports is not, and
/// nobody reads a secret.
fn judged(property: &Property) -> bool {
    !property.computed && !property.secret
}

fn names<'a>(kinds: &[&'a Arc<Kind>], wanted: fn(&Property) -> bool) -> Vec<&'a str> {
    let each = kinds.iter().flat_map(|kind| &kind.properties);
    let names: BTreeSet<&str> = each
        .filter(|(_, property)| wanted(property))
        .map(|(name, _)| name.as_str())
        .collect();
    names.into_iter().collect()
}

fn fields(policy: &Policy) -> Vec<(&'static str, &str)> {
    let (key, these) = match &policy.fields {
        Fields::All => return Vec::new(),
        Fields::Only(these) => ("properties", these),
        Fields::But(these) => ("blacklistProperties", these),
    };
    these.iter().map(|name| (key, name.as_str())).collect()
}

/// Every property that its conditions look at.
fn looked_at(policy: &Policy) -> BTreeSet<String> {
    let conditions = &policy.conditions;
    let by_value = conditions.properties.iter().flat_map(|p| p.allowed.iter());
    let by_value = by_value.map(|(name, _)| name.as_str());
    let by_test = conditions.tests.iter().flat_map(Test::properties);
    by_value.chain(by_test).map(str::to_owned).collect()
}
