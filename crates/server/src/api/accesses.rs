//! What each caller may do, worked out once and kept.

use super::problem::Problem;
use super::routes::{Endpoint, Matched};
use http::{Method, StatusCode};
use sdwan_model::policy::{Access, Caller, Policies};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// More callers are not remembered at once.
const MOST: usize = 4096;

/// See the module.
pub(super) struct Accesses {
    policies: Policies,
    known: RwLock<HashMap<Arc<Caller>, Arc<Access>>>,
    /// Of whoever does not say who he is; none where policies allow him nothing.
    nobody: Option<Arc<Caller>>,
}

impl Accesses {
    pub(super) fn new(policies: Policies) -> Self {
        let nobody = Caller::nobody();
        let allowed = !policies.access(&nobody).is_nothing();
        Self {
            policies,
            known: RwLock::default(),
            nobody: allowed.then(|| Arc::new(nobody)),
        }
    }

    /// Who it is that did not say, where that one may do anything.
    pub(super) fn nobody(&self) -> Option<&Arc<Caller>> {
        self.nobody.as_ref()
    }

    pub(super) fn of(&self, caller: &Arc<Caller>) -> Arc<Access> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(access) = known.get(caller) {
            return Arc::clone(access);
        }
        drop(known);
        let access = Arc::new(self.policies.access(caller));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(Arc::clone(caller), Arc::clone(&access));
        access
    }
}

/// What a method does to what stands at a path.
pub(super) fn action(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT | Method::PATCH => "update",
        Method::DELETE => "delete",
        _ => "read",
    }
}

/// Before anything else is said of what stands at a path: whether it is there
/// for the caller at all, and, where no row has a say, whether he may do this.
///
/// # Errors
/// 404 for a kind that he may do nothing with, 401 for what he may not do.
pub(super) fn gate(access: &Access, found: &Matched<'_>, method: &Method) -> Result<(), Problem> {
    if access.is_everything() {
        return Ok(());
    }
    if let Some(kind) = found.endpoint.kind() {
        return match access.knows("*", kind) {
            true => Ok(()),
            false => Err(nothing()),
        };
    }
    let path = match found.endpoint {
        // Judged with their rows.
        Endpoint::Collection(_)
        | Endpoint::Item(_)
        | Endpoint::NestedCollection(_)
        | Endpoint::NestedItem(_)
        | Endpoint::Actions(..) => return Ok(()),
        // What they tell, or do, is what the caller may see, or do, anyway.
        Endpoint::Schemas | Endpoint::Schema => {
            return trimmed(access, "read", "/gohan/v0.1/schemas");
        }
        Endpoint::Version => return trimmed(access, "read", "/gohan/v0.1/version"),
        Endpoint::OpenApi => return trimmed(access, "read", "/openapi.json"),
        Endpoint::Transaction => return trimmed(access, "create", "/sdwan/v1/transaction"),
        // Judged with the router that they are about.
        Endpoint::Plan | Endpoint::Rib | Endpoint::Fib | Endpoint::Hold => return Ok(()),
        Endpoint::Healthz | Endpoint::Readyz => return Ok(()),
        Endpoint::Tokens | Endpoint::Token => {
            return for_admins(access, action(method), "/sdwan/v1/tokens", "tokens are");
        }
        Endpoint::Audit => {
            return for_admins(access, action(method), "/sdwan/v1/audit", "the audit is");
        }
        Endpoint::Holds => "/sdwan/v1/holds",
        Endpoint::Cluster => "/sdwan/v1/cluster",
        Endpoint::Metrics => "/metrics",
    };
    allow(access, action(method), path)
}

/// The header of a 405 and of OPTIONS: the methods that the caller may ever
/// use there. No row is looked at, so it tells of none.
pub(super) fn allow_header(access: &Access, found: &Matched<'_>) -> String {
    let may = |method: &&Method| {
        let action = action(method);
        let on = |action, kind| !access.on(action, kind, found.id()).is_nothing();
        match found.endpoint {
            Endpoint::Collection(kind) | Endpoint::NestedCollection(kind) => match action {
                "create" => !access.create(kind).is_nothing(),
                _ => !access.list(kind).is_nothing(),
            },
            Endpoint::Item(kind) | Endpoint::NestedItem(kind) => {
                let creates = **method == Method::PUT && !access.create(kind).is_nothing();
                on(action, kind) || creates
            }
            Endpoint::Actions(kind, methods, names) => {
                let mut named = methods.iter().zip(names);
                named.any(|(known, name)| known == *method && access.knows(name, kind))
            }
            Endpoint::Hold => access.reaches(action, "/sdwan/v1/holds/"),
            Endpoint::Fib => access.reaches(action, "/sdwan/v1/routers/"),
            _ => gate(access, found, method).is_ok(),
        }
    };
    let methods = found.endpoint.methods().iter().filter(may);
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

/// Whoever may do anything may have it, unless it is forbidden by name.
fn trimmed(access: &Access, action: &str, path: &str) -> Result<(), Problem> {
    if access.is_nothing() || access.denies(action, path) {
        return Err(refused(action, path));
    }
    Ok(())
}

/// # Errors
/// 401 unless an action is allowed at a path that is no row's.
pub(super) fn allow(access: &Access, action: &str, path: &str) -> Result<(), Problem> {
    match access.allows(action, path) {
        true => Ok(()),
        false => Err(refused(action, path)),
    }
}

/// As Gohan has it: who may not do something is asked who else he is.
pub(super) fn refused(action: &str, path: &str) -> Problem {
    let message = format!("no policy lets you {action} {path}");
    Problem::new(StatusCode::UNAUTHORIZED, message)
}

/// What decides who may do what, and tells who did.
fn for_admins(access: &Access, action: &str, path: &str, what: &str) -> Result<(), Problem> {
    match access.allows(action, path) {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{what} for admins alone"),
        )),
    }
}

/// The same words whether there is nothing, or nothing for the caller.
pub(super) fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is at this path")
}
