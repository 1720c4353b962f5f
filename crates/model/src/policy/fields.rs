//! Which properties of a row a policy is about.

use std::collections::BTreeSet;

/// A set of properties. `id` is always in it: what can't be named can't be
/// asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Whatever the kind has.
    All,
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    But(BTreeSet<String>),
}

impl Fields {
    /// `id` and nothing else.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether a property is among them.
    #[must_use]
    pub fn contains(&self, property: &str) -> bool {
        match self {
            _ if property == "id" => true,
            Self::All => true,
            Self::Only(these) => these.contains(property),
            Self::But(these) => !these.contains(property),
        }
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Only(a), Self::Only(b)) => Self::Only(a | b),
            (Self::But(a), Self::But(b)) => Self::But(a & b),
            (Self::Only(only), Self::But(but)) | (Self::But(but), Self::Only(only)) => {
                Self::But(but - only)
            }
        }
    }
}
