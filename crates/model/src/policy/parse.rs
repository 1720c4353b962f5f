//! `policies:` of a schema file, in Gohan's format. What is not understood is
//! an error: a rule that is silently ignored is one that silently does not
//! hold.

use super::condition::{
    Allowed, BelongsTo, Conditions, EVERY, Properties, TENANT, TENANT_NAME, Test,
};
use super::pattern::{Pattern, Written};
use super::{Fields, NOBODY, Policy, Whose};
use crate::document::{Document, Error, Node};
use crate::schema::{Schemas, keep, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Of an entry of `policies`.
const POLICY: [&str; 10] = [
    "id",
    "description",
    "principal",
    "action",
    "effect",
    "resource",
    "condition",
    TENANT,
    TENANT_NAME,
    "scope",
];

/// Of a policy's `resource`.
const RESOURCE: [&str; 3] = ["path", "properties", "blacklistProperties"];

/// Conditions that are one word, and why the others of Gohan's are refused.
const IS_OWNER: &str = "is_owner";
const UNKNOWN_HERE: [(&str, &str); 3] = [
    (
        "is_domain_owner",
        "rows belong to tenants here, not to domains",
    ),
    (
        "same_tenancy",
        "it goes with __attach__, which is not carried out here",
    ),
    (
        "skip_tenant_domain_check",
        "it goes with __attach__, which is not carried out here",
    ),
];

/// What every kind can be asked for.
const ACTIONS: [&str; 5] = ["create", "read", "update", "delete", EVERY];

/// `and` in `or` in `and` ...: deeper ones are nobody's intention.
const DEEPEST: usize = 16;

/// The policies of one file that can be read, and where each stands.
pub(super) fn file<'a>(
    file: &'a Document,
    schemas: &Schemas,
    errors: &mut Vec<Error>,
) -> Vec<(Node<'a>, Policy)> {
    let Some(list) = member(&file.root(), "policies") else {
        return Vec::new();
    };
    let entries = keep(list.items(), errors).unwrap_or_default();
    let read = |node: Node<'a>| {
        let before = errors.len();
        let policy = one(&node, schemas, errors)?;
        (errors.len() == before).then_some((node, policy))
    };
    entries.into_iter().filter_map(read).collect()
}

fn one(node: &Node<'_>, schemas: &Schemas, errors: &mut Vec<Error>) -> Option<Policy> {
    keep(node.object(), errors)?;
    errors.extend(node.unknown_keys(&POLICY));
    // For who reads the file.
    text(node, "id", errors);
    text(node, "description", errors);
    let principal = needed(node, "principal", "a role", errors);
    let deny = effect(node, errors);
    let nobody = principal.as_deref() == Some(NOBODY);
    let action = match text(node, "action", errors) {
        // Gohan's policies for Nobody have none.
        None if nobody => Some("read".to_owned()),
        None => {
            errors.push(node.error("a policy needs an action: * for every one"));
            None
        }
        Some(action) => known_action(node, action, schemas, errors),
    };
    let (path, fields) = resource(node, errors);
    let tenant = Whose {
        id: pattern(node, TENANT, errors),
        name: pattern(node, TENANT_NAME, errors),
        scoped: scope(node, errors),
    };
    let conditions = conditions(node, errors);
    if deny
        && (!conditions.is_empty() || !conditions.belongs_to.is_empty() || fields != Fields::All)
    {
        errors.push(node.error(
            "a policy that denies takes no conditions and no properties: it closes its paths \
             whole; leave the rows or properties out of what is allowed instead",
        ));
    }
    Some(Policy {
        principal: principal?,
        action: action?,
        deny,
        path: path?,
        fields,
        tenant,
        conditions,
    })
}

fn member<'a>(node: &Node<'a>, key: &str) -> Option<Node<'a>> {
    node.get(key).filter(|n| !n.value().is_null())
}

fn needed(node: &Node<'_>, key: &str, what: &str, errors: &mut Vec<Error>) -> Option<String> {
    match member(node, key) {
        None => {
            errors.push(node.error(format!("a policy needs a {key}: {what}")));
            None
        }
        Some(_) => text(node, key, errors),
    }
}

fn effect(node: &Node<'_>, errors: &mut Vec<Error>) -> bool {
    const EFFECTS: [&str; 2] = ["allow", "deny"];
    let Some(effect) = text(node, "effect", errors) else {
        return false;
    };
    match effect.to_ascii_lowercase().as_str() {
        "allow" => false,
        "deny" => true,
        other => {
            let at = node.get("effect");
            errors.extend(at.map(|at| at.unknown("effect", other, &EFFECTS)));
            true
        }
    }
}

fn known_action(
    node: &Node<'_>,
    action: String,
    schemas: &Schemas,
    errors: &mut Vec<Error>,
) -> Option<String> {
    let at = node.get("action")?;
    if action == "__attach__" {
        errors.push(at.error("__attach__ is not carried out here: relations lead only to rows that the caller may read"));
        return None;
    }
    let custom = schemas.iter().flat_map(|kind| kind.actions.keys());
    let known: Vec<&str> = ACTIONS
        .into_iter()
        .chain(custom.map(String::as_str))
        .collect();
    if known.contains(&action.as_str()) {
        return Some(action);
    }
    errors.push(at.unknown("action", &action, &known));
    None
}

fn resource(node: &Node<'_>, errors: &mut Vec<Error>) -> (Option<Pattern>, Fields) {
    let missing = "a policy needs resource.path: .* for every path";
    let Some(resource) = member(node, "resource") else {
        errors.push(node.error(missing));
        return (None, Fields::All);
    };
    if keep(resource.object(), errors).is_none() {
        return (None, Fields::All);
    }
    errors.extend(resource.unknown_keys(&RESOURCE));
    if member(&resource, "path").is_none() {
        errors.push(resource.error(missing));
    }
    let path = pattern(&resource, "path", errors).map(Pattern::Written);
    let allowed = names(&resource, "properties", errors);
    let hidden = names(&resource, "blacklistProperties", errors);
    let fields = match (allowed, hidden) {
        (None, None) => Fields::All,
        (Some(these), None) => Fields::Only(these),
        (None, Some(these)) => Fields::But(these),
        (Some(_), Some(_)) => {
            errors.push(resource.error("give properties or blacklistProperties, not both"));
            Fields::none()
        }
    };
    (path, fields)
}

fn names(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Option<BTreeSet<String>> {
    let list = keep(member(node, key)?.texts(), errors)?;
    Some(list.into_iter().map(str::to_owned).collect())
}

/// A regular expression; none where there is no such member.
fn pattern(node: &Node<'_>, key: &str, errors: &mut Vec<Error>) -> Option<Written> {
    let at = member(node, key)?;
    let text = keep(at.text(), errors)?;
    Written::new(text)
        .map_err(|why| errors.push(at.error(why)))
        .ok()
}

/// Gohan's kinds of tokens; those without a tenant are a domain's here.
fn scope(node: &Node<'_>, errors: &mut Vec<Error>) -> Option<bool> {
    const SCOPES: [&str; 2] = ["tenant", "domain"];
    let list = keep(member(node, "scope")?.items(), errors)?;
    if list.is_empty() {
        errors.push(node.error("an empty scope matches nobody: leave it out"));
    }
    let mut tenant = false;
    let mut domain = false;
    for item in list {
        match keep(item.text(), errors) {
            Some("tenant") => tenant = true,
            Some("domain") => domain = true,
            Some("admin") => errors.push(item.error(
                "Keystone's admin project is not told apart here: leave the scope out, and say \
                 which project is meant with tenant_name",
            )),
            Some(other) => errors.push(item.unknown("scope", other, &SCOPES)),
            None => {}
        }
    }
    (tenant != domain).then_some(tenant)
}

fn conditions(node: &Node<'_>, errors: &mut Vec<Error>) -> Conditions {
    let mut conditions = Conditions::default();
    let list = member(node, "condition").and_then(|list| keep(list.items(), errors));
    for item in list.into_iter().flatten() {
        match item.value() {
            Value::String(word) if word == IS_OWNER => conditions.is_owner = true,
            Value::String(word) => errors.push(unknown_word(&item, word)),
            Value::Object(_) if item.get("type").is_some() => {
                typed(&item, &mut conditions, errors);
            }
            _ => conditions.tests.extend(test(&item, DEEPEST, errors)),
        }
    }
    conditions
}

fn unknown_word(item: &Node<'_>, word: &str) -> Error {
    match UNKNOWN_HERE.iter().find(|(name, _)| *name == word) {
        Some((name, why)) => item.error(format!("{name} can't hold: {why}")),
        None => item.unknown("condition", word, &[IS_OWNER, "belongs_to", "property"]),
    }
}

/// `{type: belongs_to, ..}` and `{type: property, ..}`.
fn typed(item: &Node<'_>, conditions: &mut Conditions, errors: &mut Vec<Error>) {
    let action = match text(item, "action", errors) {
        None => EVERY.to_owned(),
        Some(action) => {
            let at = item.get("action").filter(|_| !ACTIONS.contains(&&*action));
            errors.extend(at.map(|at| at.unknown("action", &action, &ACTIONS)));
            action
        }
    };
    match text(item, "type", errors).as_deref() {
        Some("belongs_to") => {
            errors.extend(item.unknown_keys(&["type", "action", TENANT, TENANT_NAME]));
            conditions.belongs_to.push(BelongsTo {
                action,
                id: pattern(item, TENANT, errors),
                name: pattern(item, TENANT_NAME, errors),
            });
        }
        Some("property") => {
            errors.extend(item.unknown_keys(&["type", "action", "match"]));
            let allowed = allowed(item, errors);
            conditions.properties.push(Properties { action, allowed });
        }
        Some(other) => {
            let at = item.get("type");
            let known = ["belongs_to", "property"];
            errors.extend(at.map(|at| at.unknown("type", other, &known)));
        }
        None => {}
    }
}

fn allowed(item: &Node<'_>, errors: &mut Vec<Error>) -> BTreeMap<String, Allowed> {
    let Some(matching) = member(item, "match") else {
        errors
            .push(item.error("a property condition needs match: the properties and their values"));
        return BTreeMap::new();
    };
    let members = keep(matching.members(), errors).unwrap_or_default();
    let one = |(name, node): (&str, Node<'_>)| {
        let allowed = match node.members() {
            Ok(next) => {
                let values = next.into_iter();
                Allowed::Next(
                    values
                        .map(|(now, node)| (now.to_owned(), values_of(&node)))
                        .collect(),
                )
            }
            Err(_) => Allowed::Values(values_of(&node)),
        };
        (name.to_owned(), allowed)
    };
    members.into_iter().map(one).collect()
}

/// One value, or several.
fn values_of(node: &Node<'_>) -> Vec<Value> {
    match node.value() {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    }
}

/// A part of `and` or `or`, or one of them.
fn test(item: &Node<'_>, depth: usize, errors: &mut Vec<Error>) -> Option<Test> {
    if let Value::String(word) = item.value() {
        if word == IS_OWNER {
            return Some(Test::IsOwner);
        }
        errors.push(unknown_word(item, word));
        return None;
    }
    keep(item.object(), errors)?;
    errors.extend(item.unknown_keys(&["and", "or", "match"]));
    let Some(depth) = depth.checked_sub(1) else {
        errors.push(item.error(format!(
            "conditions are nested deeper than {DEEPEST} levels"
        )));
        return None;
    };
    let several = |node: &Node<'_>, errors: &mut Vec<Error>| -> Vec<Test> {
        let items = keep(node.items(), errors).unwrap_or_default();
        let tests = items.iter().filter_map(|item| test(item, depth, errors));
        let tests: Vec<Test> = tests.collect();
        if tests.is_empty() {
            errors.push(node.error("there must be at least one condition"));
        }
        tests
    };
    let mut tests = Vec::new();
    if let Some(all) = item.get("and") {
        tests.push(Test::All(several(&all, errors)));
    }
    if let Some(any) = item.get("or") {
        tests.push(Test::Any(several(&any, errors)));
    }
    if let Some(matching) = item.get("match") {
        tests.extend(comparison(&matching, errors));
    }
    if tests.is_empty() {
        errors.push(item.error("a condition is is_owner, or has a type, and, or, or match"));
    }
    Some(Test::All(tests))
}

/// `match: {property, type, value}`.
fn comparison(node: &Node<'_>, errors: &mut Vec<Error>) -> Option<Test> {
    keep(node.object(), errors)?;
    errors.extend(node.unknown_keys(&["property", "type", "value"]));
    let property = text(node, "property", errors);
    let equal = match text(node, "type", errors).as_deref() {
        Some("eq") => Some(true),
        Some("neq") => Some(false),
        Some(other) => {
            let at = node.get("type");
            errors.extend(at.map(|at| at.unknown("type", other, &["eq", "neq"])));
            None
        }
        None => None,
    };
    let value = node.get("value");
    let (Some(property), Some(equal), Some(value)) = (property, equal, value) else {
        errors.push(node.error("match needs a property, a type (eq or neq) and a value"));
        return None;
    };
    Some(Test::Match {
        property,
        equal,
        values: values_of(&value),
    })
}
