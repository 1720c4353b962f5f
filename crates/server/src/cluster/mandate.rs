//! What this process may do to one router, and until when.

use super::{Claimed, Tenure};
use crate::catalog::Catalog;
use sdwan_store::Revision;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
pub(crate) struct Mandate {
    catalog: Arc<Catalog>,
    router: String,
    /// How long calls of a server that died may be under way.
    caution: Duration,
    /// The last claim that came suddenly, and until when that lasts from when
    /// it was first noticed.
    sudden: Mutex<Option<(Revision, Instant)>>,
}

impl Mandate {
    pub(crate) fn new(catalog: Arc<Catalog>, router: &str, caution: Duration) -> Self {
        Self {
            catalog,
            router: router.to_owned(),
            caution,
            sudden: Mutex::default(),
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

    /// The same for a call that writes.
    ///
    /// # Errors
    /// Also while others' calls may be under way.
    pub(crate) fn write(&self) -> Result<Option<Instant>, String> {
        let deadline = self.deadline()?;
        match self.waits() {
            None => Ok(deadline),
            Some(_) => Err("calls of another server may still be under way".to_owned()),
        }
    }

    /// Until when nothing may be written, if there is something to wait for:
    /// who had the router before died, and its calls may still be under way.
    /// A claim can come so while the router is looked after already, as it is
    /// again and again where servers lose the store in turn.
    pub(crate) fn waits(&self) -> Option<Instant> {
        let mut sudden = self.sudden.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = self.catalog.claim(&self.router).filter(|claimed| {
            claimed.claim.is_sudden() && claimed.claim.member == self.tenure().instance()
        });
        // A claim that is not sudden, on what was ours, ends no wait.
        if let Some(Claimed { at, .. }) = claimed
            && sudden.is_none_or(|(known, _)| known != at)
        {
            *sudden = Some((at, Instant::now() + self.caution));
        }
        let (_, begins) = (*sudden)?;
        (Instant::now() < begins).then_some(begins)
    }

    fn tenure(&self) -> &Tenure {
        self.catalog.tenure()
    }
}
