//! Who may do what.
//!
//! A [`Caller`] is what authentication found out; nothing here asks how.
//! [`Policies`] are what an operator's files say (`policies:`, in Gohan's
//! format) on top of three built-in roles. What they come to for one caller
//! is an [`Access`], and for one thing that he wants to do, on one path, a
//! [`Right`].
//!
//! Three things hold whatever the files say: what nothing allows is refused;
//! what anything denies is refused, whatever else allows it; and the order of
//! policies never matters.

mod access;
mod check;
mod condition;
mod fields;
mod parse;
mod pattern;
mod trim;

pub use access::{Access, Right};
pub use condition::TENANT;
pub use fields::Fields;

use crate::document::{Document, Error};
use crate::schema::{Kind, Schemas};
use condition::Conditions;
use pattern::{Pattern, Written};
use std::sync::Arc;

/// The role whose callers see every tenant's rows.
const ADMIN: &str = "admin";
/// The built-in role for everything but who may do what.
const OPERATOR: &str = "operator";
/// The built-in role for looking.
const READER: &str = "reader";
/// The principal of those who do not say who they are.
const NOBODY: &str = "Nobody";

/// What only an admin may do: decide who may do what, and see who did.
const GOVERNANCE: &[&str] = &[
    "/sdwan/v1/tokens",
    "/sdwan/v1/audit",
    "/sdwan/v1/policies",
    "/gohan/v0.1/policies",
];

/// Who calls, as far as that was proved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The user's id, or the token's: what ownership is compared by.
    pub id: String,
    /// What the log and the audit call it.
    pub name: String,
    /// The roles that it has where it calls from.
    pub roles: Vec<String>,
    /// The tenant (Keystone: project) that it calls for; none for a domain's or
    /// the system's.
    pub tenant: Option<Tenant>,
}

/// A tenant, whom rows of kinds with a `tenant_id` belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// What rows have as `tenant_id`.
    pub id: String,
    /// What people call it.
    pub name: String,
}

impl Caller {
    /// The one there is where nobody is asked who calls.
    #[must_use]
    pub fn anyone() -> Self {
        Self::only("anyone", ADMIN)
    }

    /// The one who was asked and did not say: may do what policies allow
    /// the principal `Nobody`.
    #[must_use]
    pub fn nobody() -> Self {
        Self::only("nobody", NOBODY)
    }

    fn only(name: &str, role: &str) -> Self {
        Self {
            id: name.to_owned(),
            name: name.to_owned(),
            roles: vec![role.to_owned()],
            tenant: None,
        }
    }
}

/// Every policy there is.
#[derive(Clone, Debug)]
pub struct Policies {
    list: Vec<Arc<Policy>>,
}

/// One policy.
#[derive(Clone, Debug)]
struct Policy {
    /// The role that it is about.
    principal: String,
    /// `*` for every action.
    action: String,
    deny: bool,
    path: Pattern,
    fields: Fields,
    /// The callers' tenants that it is about.
    tenant: Whose,
    conditions: Conditions,
}

/// Which callers a policy is about, besides their role.
#[derive(Clone, Debug, Default)]
struct Whose {
    id: Option<Written>,
    name: Option<Written>,
    /// With a tenant, or without.
    scoped: Option<bool>,
}

impl Default for Policies {
    /// The built-in roles alone.
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl Policies {
    /// What the files say, on top of the built-in roles, and what its author
    /// should know of it. A role that a file allows anything is the files'
    /// alone; one that they only deny something keeps the rest.
    ///
    /// # Errors
    /// Everything that is wrong with any policy, each with its place.
    pub fn load(files: &[Document], schemas: &Schemas) -> Result<(Self, Vec<Error>), Vec<Error>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut list = Vec::new();
        let below: Vec<String> = schemas.iter().map(|k| format!("{}/", k.url())).collect();
        for file in files {
            for (node, mut policy) in parse::file(file, schemas, &mut errors) {
                policy.path.learn(below.iter());
                check::policy(&node, &policy, schemas, &mut errors, &mut warnings);
                list.push(policy);
            }
        }
        if errors.is_empty() {
            Ok((Self::of(list), warnings))
        } else {
            Err(errors)
        }
    }

    fn of(files: Vec<Policy>) -> Self {
        let said = |role: &str| files.iter().any(|p| p.principal == role && !p.deny);
        let builtin = [
            (ADMIN, condition::EVERY, Pattern::Any),
            (OPERATOR, condition::EVERY, Pattern::AnyBut(GOVERNANCE)),
            (READER, "read", Pattern::AnyBut(GOVERNANCE)),
        ];
        let builtin: Vec<Policy> = builtin
            .into_iter()
            .filter(|(role, ..)| !said(role))
            .map(|(role, action, path)| Policy::allow(role, action, path))
            .collect();
        let list = files.into_iter().chain(builtin).map(Arc::new).collect();
        Self { list }
    }

    /// What they come to for this caller.
    #[must_use]
    pub fn access(&self, caller: &Caller) -> Access {
        let about = self.list.iter().filter(|policy| policy.is_about(caller));
        Access::new(about, caller.tenant.as_ref().map(|tenant| &*tenant.id))
    }
}

impl Policy {
    /// A policy without conditions.
    fn allow(role: &str, action: &str, path: Pattern) -> Self {
        Self {
            principal: role.to_owned(),
            action: action.to_owned(),
            deny: false,
            path,
            fields: Fields::All,
            tenant: Whose::default(),
            conditions: Conditions::default(),
        }
    }

    fn is_about(&self, caller: &Caller) -> bool {
        let tenant = caller.tenant.as_ref();
        let fits = |pattern: &Option<Written>, text: Option<&String>| match pattern {
            None => true,
            Some(pattern) => text.is_some_and(|text| pattern.matches(text)),
        };
        // What is open to who does not say who he is, is open to everybody.
        let anybody = self.principal == NOBODY && !self.deny;
        (anybody || caller.roles.contains(&self.principal))
            && fits(&self.tenant.id, tenant.map(|t| &t.id))
            && fits(&self.tenant.name, tenant.map(|t| &t.name))
            && self
                .tenant
                .scoped
                .is_none_or(|scoped| scoped == tenant.is_some())
    }

    fn covers(&self, action: &str, path: &str) -> bool {
        condition::is_for(&self.action, action) && self.path.matches(path)
    }

    /// Whether it is about rows of every tenant.
    fn sees_every_tenant(&self) -> bool {
        self.principal == ADMIN && !self.conditions.is_owner
    }
}

impl Kind {
    /// Whether its rows belong to tenants.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.properties.contains_key(TENANT)
    }
}

#[cfg(test)]
mod tests;
