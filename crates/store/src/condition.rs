//! What each condition means, once for every backend that can look at its
//! own data.

use crate::{Condition, Revision};

/// The few questions that conditions ask of the entries.
pub(crate) trait View {
    type Error;

    /// The revision that last wrote the key, if it is there.
    fn modified(&self, key: &str) -> Result<Option<Revision>, Self::Error>;

    /// Whether any key under the prefix was last written after this revision.
    fn any_newer(&self, prefix: &str, than: Revision) -> Result<bool, Self::Error>;
}

/// Whether every condition holds.
pub(crate) fn all_hold<V: View>(view: &V, when: &[Condition]) -> Result<bool, V::Error> {
    for condition in when {
        if !holds(view, condition)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds<V: View>(view: &V, condition: &Condition) -> Result<bool, V::Error> {
    Ok(match condition {
        Condition::Absent(key) => view.modified(key)?.is_none(),
        Condition::Exists(key) => view.modified(key)?.is_some(),
        Condition::AtRevision(key, revision) => view.modified(key)? == Some(*revision),
        // Every key was written after the empty store.
        Condition::NoneUnder(prefix) => !view.any_newer(prefix, Revision(0))?,
        Condition::NothingNewer(prefix, revision) => !view.any_newer(prefix, *revision)?,
    })
}
