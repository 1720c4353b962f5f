//! What the cluster's side needs of the catalog: claims as conditions, and
//! the looks that members decide on.

use super::{Catalog, Error, ledger};
use crate::cluster::{Claimed, Tenure};
use crate::keys;
use crate::mirror::State;
use sdwan_store::{Condition, Op, Revision};
use std::sync::Arc;

impl Catalog {
    /// This process's standing.
    pub fn tenure(&self) -> &Arc<Tenure> {
        &self.options.tenure
    }

    /// The newest format of the store that this server knows.
    pub(crate) fn newest_format(&self) -> u64 {
        self.options.format
    }

    /// Everything as it is now, for members to decide on.
    pub(crate) fn state(&self) -> Arc<State> {
        self.mirror.now()
    }

    /// The member that looks after a router, if one does.
    pub fn member_of(&self, router: &str) -> Option<String> {
        let tenure = self.tenure();
        if tenure.is_alone() {
            return Some(tenure.instance().to_owned());
        }
        self.claim(router).map(|claimed| claimed.claim.member)
    }

    /// Whether this server looks after a router.
    pub fn has(&self, router: &str) -> bool {
        let tenure = self.tenure();
        tenure.is_alone() || {
            let now = self.mirror.now();
            let claimed = now.claim(router);
            claimed.is_some_and(|claimed| claimed.claim.member == tenure.instance())
        }
    }

    /// A router's claim as it stands.
    pub(crate) fn claim(&self, router: &str) -> Option<Claimed> {
        self.mirror.now().claim(router).cloned()
    }

    /// Waits until members, claims, the format or the routers that there are
    /// have changed after `seen`.
    pub(crate) async fn cluster_changed(&self, seen: Revision) {
        self.mirror.until(|state| state.cluster_at() > seen).await;
    }

    /// Waits until the store has a format that this server does not know: it
    /// must not write any more.
    pub(crate) async fn outgrown(&self) -> u64 {
        let newest = self.options.format;
        self.mirror.until(|state| state.format() > newest).await;
        self.mirror.now().format()
    }

    /// One commit that was worked out on this state.
    ///
    /// # Errors
    /// [`Error::Contended`] when a condition does not hold: work it out anew.
    pub(crate) async fn commit_on(
        &self,
        base: &State,
        when: Vec<Condition>,
        then: Vec<Op>,
    ) -> Result<(), Error> {
        match self.commit(when, then, &mut Vec::new()).await? {
            Some(revision) => {
                ledger::done(revision);
                self.mirror.wait_for(revision).await;
                Ok(())
            }
            None => {
                ledger::undone();
                self.catch_up(base.revision).await?;
                Err(Error::Contended)
            }
        }
    }

    /// Raises the store's format once every member knows a newer one: until
    /// then all of them write the old one.
    ///
    /// # Errors
    /// [`Error::Store`], or [`Error::Contended`] when a member came meanwhile.
    pub(crate) async fn raise_format(&self) -> Result<(), Error> {
        let base = self.mirror.now();
        let newest = self.options.format;
        let known = base.members().map(|(_, member)| member.format);
        let known = known.min().unwrap_or(newest).min(newest);
        if base.format() >= known {
            return Ok(());
        }
        tracing::info!(
            from = base.format(),
            to = known,
            "every member knows a newer format of the store: raising it"
        );
        let when = vec![
            Condition::NothingNewer(keys::FORMAT.to_owned(), base.revision),
            Condition::NothingNewer(keys::MEMBERS.to_owned(), base.revision),
        ];
        let then = vec![Op::put(keys::FORMAT, known.to_string())];
        self.commit_on(&base, when, then).await
    }

    /// What must hold for a word on this router: that it is ours to speak of.
    ///
    /// # Errors
    /// [`Error::Unclaimed`] when it is not.
    pub(super) fn claimed(&self, base: &State, router: &str) -> Result<Option<Condition>, Error> {
        let tenure = self.tenure();
        if tenure.is_alone() {
            return Ok(None);
        }
        match base.claim(router) {
            Some(claimed) if claimed.claim.member == tenure.instance() => {
                let at = Condition::AtRevision(keys::claim(router), claimed.at);
                Ok(Some(at))
            }
            _ => Err(Error::Unclaimed(router.to_owned())),
        }
    }
}
