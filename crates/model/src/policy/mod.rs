//! Who may do what.
//!
//! A [`Caller`] is what authentication found out; nothing here asks how.

/// Who calls, as far as that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        Self {
            id: "anyone".to_owned(),
            name: "anyone".to_owned(),
            roles: vec!["admin".to_owned()],
            tenant: None,
        }
    }
}
