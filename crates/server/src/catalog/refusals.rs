//! What is wrong with a transaction, gathered until all of it is known.

use super::Error;
use sdwan_model::validate::Violation;

/// See the module.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Of several changes, pointers start with the number of the one that is
    /// to blame.
    several: bool,
    invalid: Vec<Violation>,
    conflicts: Vec<Violation>,
}

impl Refusals {
    pub(super) fn new(several: bool) -> Self {
        Self {
            several,
            invalid: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    pub(super) fn invalid(&mut self, change: Option<usize>, violation: Violation) {
        let placed = self.placed(change, violation);
        self.invalid.push(placed);
    }

    pub(super) fn conflict(&mut self, change: Option<usize>, violation: Violation) {
        let placed = self.placed(change, violation);
        self.conflicts.push(placed);
    }

    fn placed(&self, change: Option<usize>, mut violation: Violation) -> Violation {
        if let Some(change) = change.filter(|_| self.several) {
            violation.pointer.insert_str(0, &format!("/{change}"));
        }
        violation
    }

    pub(super) fn is_empty(&self) -> bool {
        self.invalid.is_empty() && self.conflicts.is_empty()
    }

    /// All of it at once: what is wrong in itself first.
    pub(super) fn tell(self) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        if self.invalid.is_empty() {
            return Err(Error::Conflict(self.conflicts));
        }
        let mut all = self.invalid;
        all.extend(self.conflicts);
        Err(Error::Invalid(all))
    }
}
