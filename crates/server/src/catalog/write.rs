//! Writes: worked out, committed, seen in the mirror, and only then answered.

use super::txn::{self, Prepared, Setting};
use super::{Catalog, Change, DeleteOptions, Error, Mode, Shown, WriteOptions, judge, ledger};
use crate::mirror::State;
use sdwan_model::policy::Access;
use sdwan_model::resource::ResourceRef;
use sdwan_model::validate::Violation;
use sdwan_store::{Batch, Commit, Condition, Entry, Op, Outcome, Revision};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often a transaction is worked out anew when others were faster. Each
/// time at least one of them got through.
const ATTEMPTS: usize = 256;
/// How often the store is asked what became of a commit, and the waits.
const QUESTIONS: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// How long to wait for the mirror to show why a commit conflicted.
const CATCH_UP: Duration = Duration::from_secs(1);

impl Catalog {
    /// Creates a row (201).
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`], [`Error::NotFound`] for the
    /// kind, and what [`Error`] says of the store.
    pub async fn create(
        &self,
        kind: &str,
        body: Value,
        options: WriteOptions,
    ) -> Result<Shown, Error> {
        let change = Change::Create {
            kind: kind.to_owned(),
            body,
            parent: options.parent,
        };
        let (shown, _) = self
            .write_as(&Access::everything(), change, options.dry_run)
            .await?;
        Ok(shown)
    }

    /// Changes a row; its version goes up by 1, or stays if nothing changes.
    ///
    /// # Errors
    /// As [`Catalog::create`], and [`Error::VersionMismatch`].
    pub async fn update(
        &self,
        kind: &str,
        id: &str,
        patch: Value,
        mode: Mode,
        if_match: Option<u64>,
        dry_run: bool,
    ) -> Result<Shown, Error> {
        let change = Change::Update {
            kind: kind.to_owned(),
            id: id.to_owned(),
            patch,
            mode,
            if_match,
        };
        let (shown, _) = self
            .write_as(&Access::everything(), change, dry_run)
            .await?;
        Ok(shown)
    }

    /// Replaces or creates the row; true when it was created (201).
    ///
    /// # Errors
    /// As [`Catalog::update`].
    pub async fn upsert(
        &self,
        kind: &str,
        id: &str,
        body: Value,
        if_match: Option<u64>,
        options: WriteOptions,
    ) -> Result<(Shown, bool), Error> {
        let change = Change::Upsert {
            kind: kind.to_owned(),
            id: id.to_owned(),
            body,
            parent: options.parent,
            if_match,
        };
        self.write_as(&Access::everything(), change, options.dry_run)
            .await
    }

    /// Deletes a row: a built-in kind's stays as PENDING_DELETE until its
    /// router has let go. Deleting it again meanwhile is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it is still referred to;
    /// [`Error::VersionMismatch`].
    pub async fn delete(
        self: &Arc<Self>,
        kind: &str,
        id: &str,
        options: DeleteOptions,
    ) -> Result<(), Error> {
        let access = Access::everything();
        self.delete_as(&access, kind, id, options).await
    }

    /// As [`Catalog::delete`], by a caller who may not do everything.
    ///
    /// # Errors
    /// As [`Catalog::delete`], and [`Error::NotDeletable`].
    pub async fn delete_as(
        self: &Arc<Self>,
        access: &Access,
        kind: &str,
        id: &str,
        options: DeleteOptions,
    ) -> Result<(), Error> {
        let resource = ResourceRef::new(kind, id);
        let base = self.mirror.now();
        let record = base.record(kind, id);
        if let Some(row) = record.filter(|r| r.live().is_none()).and_then(|r| r.row()) {
            judge::delete(access, &base, row)?;
            return self.delete_again(&resource, &options).await;
        }
        let changes = [Change::Delete {
            kind: kind.to_owned(),
            id: id.to_owned(),
            cascade: options.cascade,
            if_match: options.if_match,
        }];
        match self
            .run(access, &changes, options.force, options.dry_run)
            .await
        {
            Ok(_) if options.dry_run => Ok(()),
            Ok(_) if options.force => self.forget(&resource).await,
            Ok(_) => Ok(()),
            Err(Error::Store(sdwan_store::Error::TooLarge { .. })) if options.dry_run => Ok(()),
            Err(Error::Store(sdwan_store::Error::TooLarge { .. })) => {
                self.delete_large(resource, options.force).await
            }
            Err(error) => Err(error),
        }
    }

    /// Several changes in one commit. Rules are judged at the end, so unique
    /// values can swap. Answers each change's row, `None` for a deletion that
    /// left none.
    ///
    /// # Errors
    /// As the single ones; of all changes at once. The pointer of a violation
    /// starts with the change's index when there are several.
    pub async fn transact(
        &self,
        changes: Vec<Change>,
        dry_run: bool,
    ) -> Result<Vec<Option<Shown>>, Error> {
        self.transact_as(&Access::everything(), changes, dry_run)
            .await
    }

    /// As [`Catalog::transact`], by a caller who may not do everything.
    ///
    /// # Errors
    /// As [`Catalog::transact`], and [`Error::NotAllowed`].
    pub async fn transact_as(
        &self,
        access: &Access,
        changes: Vec<Change>,
        dry_run: bool,
    ) -> Result<Vec<Option<Shown>>, Error> {
        let run = self.run(access, &changes, false, dry_run).await;
        let (prepared, state) = run.map_err(too_large)?;
        let show = |(row, _): &(ResourceRef, bool)| state.show(&row.kind, &row.id);
        Ok(prepared.rows.iter().map(show).collect())
    }

    /// One change that leaves a row, by a caller who may not do everything;
    /// true when it created the row.
    ///
    /// # Errors
    /// As [`Catalog::update`], and [`Error::NotAllowed`].
    pub async fn write_as(
        &self,
        access: &Access,
        change: Change,
        dry_run: bool,
    ) -> Result<(Shown, bool), Error> {
        let run = self.run(access, &[change], false, dry_run).await;
        let (prepared, state) = run.map_err(too_large)?;
        let (row, created) = prepared.rows.into_iter().next().unwrap_or_else(|| {
            unreachable!("a transaction that the rules allow answers each of its changes")
        });
        let shown = state
            .show(&row.kind, &row.id)
            .unwrap_or_else(|| unreachable!("the state has what the change made of its row"));
        Ok((shown, created))
    }

    /// The one loop: work out, commit, and again if others were faster.
    /// Answers with a state that has the changes' rows as they were left.
    async fn run(
        &self,
        access: &Access,
        changes: &[Change],
        force: bool,
        dry_run: bool,
    ) -> Result<(Prepared, Arc<State>), Error> {
        let ids: Vec<String> = changes
            .iter()
            .map(|_| (self.options.ids)().to_string())
            .collect();
        let now = self.now();
        let mut lost = Vec::new();
        for _ in 0..ATTEMPTS {
            let base = self.mirror.now();
            let setting = Setting {
                base: &base,
                access,
                secrets: &self.options.secrets,
                now: &now,
                ids: &ids,
                force,
            };
            let mut prepared = txn::prepare(&setting, changes)?;
            let when = std::mem::take(&mut prepared.when);
            let then = std::mem::take(&mut prepared.then);
            if then.is_empty() {
                return Ok((prepared, base));
            }
            then.check()?;
            let then = then.into_ops();
            if dry_run {
                let state = imagine(&base, then, base.revision);
                return Ok((prepared, Arc::new(state)));
            }
            if let Some(age) = self.stale() {
                // Whoever waits for the store's answer would wait for long,
                // and what was read here may not be so any more.
                return Err(Error::Away(age.as_secs()));
            }
            ledger::trying(|| std::mem::take(&mut prepared.effects));
            if let Some(revision) = self.commit(when, then.clone(), &mut lost).await? {
                ledger::done(revision);
                self.mirror.wait_for(revision).await;
                let mut state = self.mirror.now();
                if overtaken(&state, &prepared, &then, revision) {
                    state = Arc::new(imagine(&base, then, revision));
                }
                return Ok((prepared, state));
            }
            ledger::undone();
            self.catch_up(base.revision).await?;
        }
        Err(Error::Contended)
    }

    /// Commits; `None` is a conflict. `lost` holds commits of the same
    /// transaction whose answers were lost: one of them may be the cause.
    pub(super) async fn commit(
        &self,
        when: Vec<Condition>,
        then: Vec<Op>,
        lost: &mut Vec<Uuid>,
    ) -> Result<Option<Revision>, Error> {
        let id = (self.options.ids)();
        let commit = Commit { id, when, then };
        match self.store.commit(commit).await? {
            Outcome::Committed(revision) => Ok(Some(revision)),
            Outcome::Unknown => {
                lost.push(id);
                self.became(id).await
            }
            Outcome::Conflict => {
                for id in &*lost {
                    if let Some(revision) = self.became(*id).await? {
                        return Ok(Some(revision));
                    }
                }
                Ok(None)
            }
        }
    }

    /// What became of a commit whose answer was lost.
    async fn became(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        let mut wait = FIRST_WAIT;
        let mut asked = 1;
        loop {
            match self.store.committed(id).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) if asked == QUESTIONS => return Err(error.into()),
                Err(error) => tracing::debug!(%error, %id, "what became of the commit?"),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
            asked += 1;
        }
    }

    /// Waits until the mirror shows why a commit on this state conflicted.
    pub(super) async fn catch_up(&self, base: Revision) -> Result<(), Error> {
        if self.mirror.now().revision > base {
            return Ok(());
        }
        let revision = self.store.list(crate::keys::FORMAT).await?.revision;
        // On a shared store the newest revision may be somebody else's, and
        // never reach the mirror.
        let _ = tokio::time::timeout(CATCH_UP, self.mirror.wait_for(revision)).await;
        Ok(())
    }
}

/// More than one commit takes is the request's fault, not the store's.
fn too_large(error: Error) -> Error {
    match error {
        Error::Store(sdwan_store::Error::TooLarge { what, limit }) => {
            let message = format!(
                "this would change {what} at once, with all rows that repeat the changed \
                 values; {limit} are the limit"
            );
            Error::Invalid(vec![Violation::new("", message)])
        }
        other => other,
    }
}

/// Whether somebody wrote or deleted one of the changes' rows after they were
/// committed: what is there now is not what these changes made.
fn overtaken(now: &State, prepared: &Prepared, then: &[Op], committed: Revision) -> bool {
    let deleted = |row: &ResourceRef| {
        let config = crate::keys::config(now.plural(&row.kind), &row.id);
        let mut ops = then.iter();
        ops.any(|op| matches!(op, Op::Delete { key } if *key == config))
    };
    let mut rows = prepared.rows.iter();
    rows.any(|(row, _)| match now.live(&row.kind, &row.id) {
        Some(live) => live.modified > committed,
        None => !deleted(row),
    })
}

/// The state with these operations done, which says that it is at `revision`.
fn imagine(base: &State, then: Vec<Op>, revision: Revision) -> State {
    let mut state = base.clone();
    let made = Revision(base.revision.0 + 1);
    let change = |op| match op {
        Op::Put { key, value, .. } => sdwan_store::Change::Put(Entry {
            key,
            value,
            created: made,
            modified: made,
        }),
        Op::Delete { key } => sdwan_store::Change::Delete { key },
    };
    state.apply(&Batch {
        revision: made,
        changes: then.into_iter().map(change).collect(),
    });
    state.revision = revision;
    state
}
