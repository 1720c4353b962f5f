//! What must hold of a row for a policy to be about it.

use super::pattern::Written;
use crate::resource::Body;
use serde_json::Value;
use std::collections::BTreeMap;

/// The property that says whose a row is.
pub const TENANT: &str = "tenant_id";

/// The property with that tenant's name, where a kind has one.
pub(super) const TENANT_NAME: &str = "tenant_name";

/// The name of an action that stands for every one.
pub(super) const EVERY: &str = "*";

/// A row that somebody wants to do something with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) action: &'a str,
    /// Its kind has a `tenant_id`.
    pub(super) scoped: bool,
    /// As it is; of a new one, as it will be.
    pub(super) row: &'a Body,
    /// As an update leaves it.
    pub(super) after: Option<&'a Body>,
    /// The caller's tenant.
    pub(super) tenant: Option<&'a str>,
}

impl Case<'_> {
    /// The row is the caller's own. One without a tenant is nobody's.
    pub(super) fn is_own(&self, row: &Body) -> bool {
        let whose = row.get(TENANT).and_then(Value::as_str);
        self.scoped && whose.is_some() && whose == self.tenant
    }
}

/// The conditions of one policy; all must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// `is_owner`.
    pub(super) is_owner: bool,
    /// `belongs_to`: whose rows besides the caller's own.
    pub(super) belongs_to: Vec<BelongsTo>,
    /// `type: property`.
    pub(super) properties: Vec<Properties>,
    /// `and` and `or`.
    pub(super) tests: Vec<Test>,
}

/// Rows of a tenant, for an action.
#[derive(Clone, Debug)]
pub(super) struct BelongsTo {
    pub(super) action: String,
    pub(super) id: Option<Written>,
    pub(super) name: Option<Written>,
}

/// Values that properties must have, for an action.
#[derive(Clone, Debug)]
pub(super) struct Properties {
    pub(super) action: String,
    pub(super) allowed: BTreeMap<String, Allowed>,
}

/// What a property's value must be.
#[derive(Clone, Debug)]
pub(super) enum Allowed {
    /// One of these.
    Values(Vec<Value>),
    /// One of the keys, and after an update one of that key's values.
    Next(BTreeMap<String, Vec<Value>>),
}

/// A part of `and` or `or`.
#[derive(Clone, Debug)]
pub(super) enum Test {
    IsOwner,
    All(Vec<Test>),
    Any(Vec<Test>),
    Match {
        property: String,
        equal: bool,
        values: Vec<Value>,
    },
}

impl Conditions {
    /// Nothing has to be known of a row.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_owner && self.properties.is_empty() && self.tests.is_empty()
    }

    /// The tests themselves say whose rows are meant.
    pub(super) fn names_owner(&self) -> bool {
        self.tests.iter().any(Test::names_owner)
    }

    /// Whether all but whose row it is holds.
    pub(super) fn hold(&self, case: &Case<'_>) -> bool {
        let properties = self.properties.iter();
        let mut of_action = properties.filter(|p| is_for(&p.action, case.action));
        of_action.all(|p| p.hold(case)) && self.tests.iter().all(|test| test.holds(case))
    }

    /// Whether the row is of a tenant that is named for the action.
    pub(super) fn belongs(&self, action: &str, row: &Body) -> bool {
        let named = |pattern: &Option<Written>, property: &str| match pattern {
            None => true,
            Some(pattern) => {
                let value = row.get(property).and_then(Value::as_str);
                value.is_some_and(|value| pattern.matches(value))
            }
        };
        self.belongs_to
            .iter()
            .filter(|tenant| is_for(&tenant.action, action))
            .any(|tenant| named(&tenant.id, TENANT) && named(&tenant.name, TENANT_NAME))
    }
}

/// Whether what is said of an action counts for this one.
pub(super) fn is_for(said: &str, action: &str) -> bool {
    said == EVERY || said == action
}

impl Properties {
    fn hold(&self, case: &Case<'_>) -> bool {
        let value = |row: &Body, name: &str| row.get(name).cloned().unwrap_or_default();
        self.allowed.iter().all(|(name, allowed)| {
            let now = value(case.row, name);
            match allowed {
                Allowed::Values(values) => values.contains(&now),
                Allowed::Next(next) => {
                    let next = now.as_str().and_then(|now| next.get(now));
                    next.is_some_and(|next| {
                        case.after
                            .is_none_or(|after| next.contains(&value(after, name)))
                    })
                }
            }
        })
    }
}

impl Test {
    fn names_owner(&self) -> bool {
        match self {
            Self::IsOwner => true,
            Self::All(tests) | Self::Any(tests) => tests.iter().any(Self::names_owner),
            Self::Match { .. } => false,
        }
    }

    fn holds(&self, case: &Case<'_>) -> bool {
        match self {
            Self::IsOwner => case.is_own(case.row),
            Self::All(tests) => tests.iter().all(|test| test.holds(case)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(case)),
            Self::Match {
                property,
                equal,
                values,
            } => {
                let value = case.row.get(property).unwrap_or(&Value::Null);
                values.contains(value) == *equal
            }
        }
    }

    /// Every property that is looked at.
    pub(super) fn properties(&self) -> Vec<&str> {
        match self {
            Self::IsOwner => Vec::new(),
            Self::All(tests) | Self::Any(tests) => {
                tests.iter().flat_map(Self::properties).collect()
            }
            Self::Match { property, .. } => vec![property],
        }
    }
}
