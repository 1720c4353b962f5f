//! What this process may do to one router, and until when.

use super::Tenure;
use crate::catalog::Catalog;
use std::sync::Arc;
use tokio::time::Instant;

/// See the module.
pub(crate) struct Mandate {
    catalog: Arc<Catalog>,
    router: String,
    /// Calls of whoever looked after the router before may be under way
    /// until then.
    begins: Option<Instant>,
}

impl Mandate {
    pub(crate) fn new(catalog: Arc<Catalog>, router: &str, begins: Option<Instant>) -> Self {
        Self {
            catalog,
            router: router.to_owned(),
            begins,
        }
    }

    /// When a call that starts now must be over, if ever.
    ///
    /// # Errors
    /// Why none may start, in words.
    pub(crate) fn deadline(&self) -> Result<Option<Instant>, String> {
        let tenure = self.tenure();
        if tenure.is_alone() {
            return Ok(None);
        }
        let Some(term) = tenure.term() else {
            return Err("this server's lease has run out: it only watches".to_owned());
        };
        match self.catalog.claim(&self.router) {
            Some(claimed) if claimed.claim.is(tenure.instance(), term.lease) => Ok(Some(term.ends)),
            _ => Err("another server looks after the router".to_owned()),
        }
    }

    /// How long to wait before the first write, if there is still something
    /// to wait for.
    pub(crate) fn waits(&self) -> Option<Instant> {
        self.begins.filter(|begins| Instant::now() < *begins)
    }

    /// When the first write may be.
    pub(crate) fn begins(&self) -> Option<Instant> {
        self.begins
    }

    fn tenure(&self) -> &Tenure {
        self.catalog.tenure()
    }
}
