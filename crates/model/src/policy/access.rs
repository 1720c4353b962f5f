//! What the policies come to for one caller.

use super::condition::{Case, EVERY, TENANT, is_for};
use super::{Fields, NOBODY, Policy};
use crate::resource::{Body, Row};
use crate::schema::Kind;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// What one caller may do. Cheap to ask, worth keeping: it stays right for as
/// long as the policies do.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Anything, with any row.
    everything: bool,
    tenant: Option<String>,
    grants: Vec<Arc<Policy>>,
    denials: Vec<Arc<Policy>>,
}

/// What a caller may do in one way (an action) at one path: on which rows, and
/// with which of their properties.
#[derive(Debug)]
pub struct Right<'a> {
    access: &'a Access,
    action: &'a str,
    grants: Vec<&'a Policy>,
    /// Paths of rows below this one that may be denied.
    denials: Vec<&'a Policy>,
    url: String,
    scoped: bool,
}

impl Access {
    pub(super) fn new<'a>(
        policies: impl Iterator<Item = &'a Arc<Policy>>,
        tenant: Option<&str>,
    ) -> Self {
        let (denials, grants): (Vec<_>, Vec<_>) = policies.cloned().partition(|p| p.deny);
        let whole = |policy: &Arc<Policy>| {
            policy.action == EVERY
                && policy.path.is_any()
                && policy.fields == Fields::All
                && policy.conditions.is_empty()
                && policy.sees_every_tenant()
        };
        Self {
            everything: denials.is_empty() && grants.iter().any(whole),
            tenant: tenant.map(str::to_owned),
            grants,
            denials,
        }
    }

    /// Anything, for who is not asked: the server itself.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Whether nothing at all is kept from the caller.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether no policy allows the caller anything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.everything && self.grants.is_empty()
    }

    /// The tenant that the caller's new rows belong to.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Whether an action is allowed at a path that is no row's and no kind's.
    /// What is allowed for certain rows only is not.
    #[must_use]
    pub fn allows(&self, action: &str, path: &str) -> bool {
        let free =
            |policy: &Arc<Policy>| policy.covers(action, path) && policy.conditions.is_empty();
        self.everything || !self.denies(action, path) && self.grants.iter().any(free)
    }

    /// Whether an action is forbidden at a path by name.
    #[must_use]
    pub fn denies(&self, action: &str, path: &str) -> bool {
        self.denials
            .iter()
            .any(|policy| policy.covers(action, path))
    }

    /// Reading a kind's rows as a list.
    #[must_use]
    pub fn list(&self, kind: &Kind) -> Right<'_> {
        let url = kind.url();
        let mut right = self.right("read", &url, kind);
        let below = format!("{url}/");
        let denials = self.denials.iter().map(|policy| &**policy);
        right.denials = denials
            .filter(|policy| is_for(&policy.action, "read"))
            .filter(|policy| policy.path.may_match_below(&below))
            .collect();
        right.url = url;
        right
    }

    /// Creating rows of a kind.
    #[must_use]
    pub fn create(&self, kind: &Kind) -> Right<'_> {
        self.right("create", &kind.url(), kind)
    }

    /// An action on one row of a kind, whether it is there or not.
    #[must_use]
    pub fn on<'a>(&'a self, action: &'a str, kind: &Kind, id: &str) -> Right<'a> {
        self.right(action, &format!("{}/{id}", kind.url()), kind)
    }

    /// An action on all of a kind.
    #[must_use]
    pub fn on_all<'a>(&'a self, action: &'a str, kind: &Kind) -> Right<'a> {
        self.right(action, &kind.url(), kind)
    }

    /// What the caller sees of a row; `None` where it is not there for him.
    #[must_use]
    pub fn sees(&self, kind: &Kind, row: &Row) -> Option<Fields> {
        if self.everything {
            return Some(Fields::All);
        }
        let right = self.on("read", kind, &row.id);
        right.fields(row).map(Cow::into_owned)
    }

    /// Whether the caller may do this, or anything for `*`, with some row of
    /// the kind, as far as that can be said without a row.
    #[must_use]
    pub fn knows(&self, action: &str, kind: &Kind) -> bool {
        let url = kind.url();
        let below = format!("{url}/");
        let any = action == EVERY;
        let covers = |policy: &Arc<Policy>| {
            (any || is_for(&policy.action, action)) && policy.path.may_match_at_or_below(&url)
        };
        let denied = |policy: &Arc<Policy>| {
            is_for(&policy.action, action)
                && policy.path.matches(&url)
                && policy.path.matches(&format!("{below}x"))
        };
        self.everything || self.grants.iter().any(covers) && !self.denials.iter().any(denied)
    }

    /// The properties that an action on the kind may ever be about.
    #[must_use]
    pub fn fields(&self, action: &str, kind: &Kind) -> Fields {
        if self.everything {
            return Fields::All;
        }
        let url = kind.url();
        let reached = self.grants.iter().filter(|policy| {
            is_for(&policy.action, action) && policy.path.may_match_at_or_below(&url)
        });
        reached.fold(Fields::none(), |all, policy| all.or(&policy.fields))
    }

    /// Whether an action may be allowed somewhere at paths that begin so.
    #[must_use]
    pub fn reaches(&self, action: &str, prefix: &str) -> bool {
        let may = |policy: &Arc<Policy>| {
            is_for(&policy.action, action)
                && (policy.path.matches(prefix) || policy.path.may_match_below(prefix))
        };
        self.everything || !self.denies(action, prefix) && self.grants.iter().any(may)
    }

    /// An action on a row of the kind at a path besides the row's own.
    #[must_use]
    pub fn at<'a>(&'a self, action: &'a str, path: &str, kind: &Kind) -> Right<'a> {
        self.right(action, path, kind)
    }

    fn right<'a>(&'a self, action: &'a str, path: &str, kind: &Kind) -> Right<'a> {
        let open = !self.everything && !self.denies(action, path);
        let grants = self.grants.iter().map(|policy| &**policy);
        Right {
            access: self,
            action,
            grants: grants
                .filter(|policy| open && policy.covers(action, path))
                .collect(),
            denials: Vec::new(),
            url: String::new(),
            scoped: kind.is_scoped(),
        }
    }
}

impl Right<'_> {
    /// No row at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.access.everything && self.grants.is_empty()
    }

    /// Every row, with all of its properties.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let whole = |policy: &&Policy| {
            policy.fields == Fields::All
                && policy.conditions.is_empty()
                && (!self.scoped || policy.sees_every_tenant())
        };
        self.access.everything || self.denials.is_empty() && self.grants.iter().any(whole)
    }

    /// The properties that it is about in any row.
    #[must_use]
    pub fn widest(&self) -> Fields {
        if self.access.everything {
            return Fields::All;
        }
        let each = self.grants.iter().map(|policy| &policy.fields);
        each.fold(Fields::none(), |all, more| all.or(more))
    }

    /// The properties that it is about in this row; `None` where it is not
    /// about this row.
    #[must_use]
    pub fn fields(&self, row: &Row) -> Option<Cow<'_, Fields>> {
        if self.access.everything {
            return Some(Cow::Owned(Fields::All));
        }
        let path = || format!("{}/{}", self.url, row.id);
        if !self.denials.is_empty() {
            let path = path();
            if self.denials.iter().any(|policy| policy.path.matches(&path)) {
                return None;
            }
        }
        self.in_case(&row.body, None)
    }

    /// The properties that may be given to a new row that will be like this.
    #[must_use]
    pub fn fields_of_new(&self, row: &Body) -> Option<Cow<'_, Fields>> {
        self.in_case(row, None)
    }

    /// The properties that may be given to a row which an update leaves so.
    #[must_use]
    pub fn fields_of_change(&self, before: &Body, after: &Body) -> Option<Cow<'_, Fields>> {
        self.in_case(before, Some(after))
    }

    fn in_case(&self, row: &Body, after: Option<&Body>) -> Option<Cow<'_, Fields>> {
        if self.access.everything {
            return Some(Cow::Owned(Fields::All));
        }
        let case = Case {
            action: self.action,
            scoped: self.scoped,
            row,
            after,
            tenant: self.access.tenant.as_deref(),
        };
        let mut found: Option<Cow<'_, Fields>> = None;
        for policy in self.grants.iter().filter(|policy| policy.holds(&case)) {
            found = Some(match found {
                None => Cow::Borrowed(&policy.fields),
                Some(fields) => Cow::Owned(fields.or(&policy.fields)),
            });
        }
        found
    }
}

impl Policy {
    /// Whether it is about the row.
    fn holds(&self, case: &Case<'_>) -> bool {
        let conditions = &self.conditions;
        if !conditions.hold(case) {
            return false;
        }
        if !case.scoped {
            // What has no owner is not the caller's own.
            return !conditions.is_owner;
        }
        let theirs = |row: &Body| {
            self.sees_every_tenant()
                || self.principal != NOBODY && case.is_own(row)
                || conditions.belongs(case.action, row)
        };
        let tenant = |row: &Body| row.get(TENANT).cloned().unwrap_or(Value::Null);
        // A row that is there may be another's where the tests say so; nobody
        // makes one for another, or gives one away, by that.
        let other = case.action != "create" && conditions.names_owner();
        let after = case
            .after
            .is_none_or(|after| theirs(after) || other && tenant(after) == tenant(case.row));
        (other || theirs(case.row)) && after
    }
}
