//! What this process may do to one router, and until when.

use super::{Claimed, Tenure};
use crate::catalog::Catalog;
use sdwan_store::Revision;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
pub(crate) struct Mandate {
    catalog: Arc<Catalog>,
    router: String,
    /// How long calls that nobody waits for any more may be under way.
    caution: Duration,
    waiting: Mutex<Waiting>,
}

/// For calls that may still arrive.
#[derive(Default)]
struct Waiting {
    /// The last claim of ours that was noticed.
    noticed: Option<Revision>,
    /// A call of ours had no answer, and the router has not been seen since.
    unanswered: bool,
    until: Option<Instant>,
}

impl Waiting {
    fn lasts(&mut self, caution: Duration) {
        self.until = self.until.max(Some(Instant::now() + caution));
    }
}

impl Mandate {
    pub(crate) fn new(catalog: Arc<Catalog>, router: &str, caution: Duration) -> Self {
        Self {
            catalog,
            router: router.to_owned(),
            caution,
            waiting: Mutex::default(),
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
    /// Also while earlier calls may still arrive.
    pub(crate) fn write(&self) -> Result<Option<Instant>, String> {
        let deadline = self.deadline()?;
        match self.waits() {
            None => Ok(deadline),
            Some(_) => Err("earlier calls may still arrive".to_owned()),
        }
    }

    /// Until when nothing may be written, if there is something to wait for:
    /// who had the router before died, and its calls may still be under way.
    /// A claim can come so while the router is looked after already, as it is
    /// again and again where servers lose the store in turn.
    pub(crate) fn waits(&self) -> Option<Instant> {
        let mut waiting = self.waiting();
        let claimed = self.catalog.claim(&self.router);
        let ours = claimed.filter(|c| c.claim.member == self.tenure().instance());
        // A claim that is not sudden, on what was ours, ends no wait.
        if let Some(Claimed { claim, at }) = ours
            && waiting.noticed != Some(at)
        {
            waiting.noticed = Some(at);
            if claim.is_sudden() {
                waiting.lasts(self.caution);
            }
        }
        waiting.until.filter(|until| Instant::now() < *until)
    }

    /// [`Mandate::waits`] of a pass that has seen the router and would write
    /// now. From here on a call that nobody answered is waited for: what a
    /// stopped gobgpd, or a network that was cut, had of it arrives when they
    /// go on.
    pub(crate) fn begin(&self) -> Option<Instant> {
        let mut waiting = self.waiting();
        if std::mem::take(&mut waiting.unanswered) {
            waiting.lasts(self.caution);
        }
        drop(waiting);
        self.waits()
    }

    /// A call of ours was given up without an answer: it may still arrive.
    pub(crate) fn unanswered(&self) {
        self.waiting().unanswered = true;
    }

    /// Whether no call may arrive any more but those under way.
    pub(crate) fn is_sure(&self) -> bool {
        self.waits().is_none() && !self.waiting().unanswered
    }

    /// Whether no call may arrive any more, where this claim of ours was the
    /// last one: one that came and went unnoticed may have been sudden.
    pub(crate) fn is_sure_since(&self, claim: Revision) -> bool {
        self.is_sure() && self.waiting().noticed == Some(claim)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenure(&self) -> &Tenure {
        self.catalog.tenure()
    }
}
