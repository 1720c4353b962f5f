//! Deleting more than one commit takes, and deleting for good.
//!
//! A large cascade begins with one marking commit: the row stands under
//! `/deleting` beside `/config`, shows as PENDING_DELETE, and nobody can refer
//! to it any more. Then its referring rows go, leaves first, in commits of
//! their own; with the last one the row itself goes. A restart goes on from
//! the mark.

use super::ops::{self, Ops};
use super::view::{Stored, row_condition};
use super::{Catalog, DeleteOptions, Error, Ledger, Rest, draft, ledger};
use crate::keys;
use crate::mirror::record::{Declared, Leaving};
use crate::mirror::{ROUTER, State};
use sdwan_model::resource::ResourceRef;
use sdwan_model::rules;
use sdwan_store::{Condition, Op};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows that go in one commit: each is a handful of operations and its body.
const ROWS: usize = 250;
/// Operations in one commit where each is small.
const OPS: usize = 2000;

impl Catalog {
    /// Deletes a row that is on its way out already.
    pub(super) async fn delete_again(
        self: &Arc<Self>,
        resource: &ResourceRef,
        options: &DeleteOptions,
    ) -> Result<(), Error> {
        let base = self.mirror.now();
        let record = base.record(&resource.kind, &resource.id);
        let Some(leaving) = record.and_then(|r| r.leaving.as_ref()) else {
            return Ok(());
        };
        draft::expect(resource, leaving.row.version, options.if_match)?;
        if options.dry_run {
            return Ok(());
        }
        if leaving.cascade {
            return self.delete_large(resource.clone(), options.force).await;
        }
        if options.force {
            return self.forget(resource).await;
        }
        Ok(())
    }

    /// Drops what waits under `/deleting` for a row, and for a router all that
    /// we know of its daemon.
    pub(super) async fn forget(&self, resource: &ResourceRef) -> Result<(), Error> {
        self.say(|base| {
            let mut ops = Ops::default();
            let record = base.record(&resource.kind, &resource.id);
            if record.is_some_and(|r| r.declared.is_some()) {
                return ops.into_ops();
            }
            if resource.kind == ROUTER {
                ops.forget_router(base, &resource.id);
            }
            if record.is_some_and(|r| r.leaving.is_some()) {
                ops.delete(keys::deleting(base.plural(&resource.kind), &resource.id));
            }
            ops.into_ops()
        })
        .await
    }

    /// Commits operations that no other write contradicts, in as many commits
    /// as it takes, until there are none left.
    pub(super) async fn say(&self, ops: impl Fn(&State) -> Vec<Op>) -> Result<(), Error> {
        loop {
            let mut then = ops(&self.mirror.now());
            if then.is_empty() {
                return Ok(());
            }
            then.truncate(OPS);
            if let Some(revision) = self.commit(Vec::new(), then, &mut Vec::new()).await? {
                self.mirror.wait_for(revision).await;
            }
        }
    }

    /// Commits one operation that no other write contradicts.
    pub(crate) async fn once(&self, op: Op) -> Result<(), Error> {
        let mut lost = Vec::new();
        loop {
            let then = vec![op.clone()];
            if let Some(revision) = self.commit(Vec::new(), then, &mut lost).await? {
                ledger::done(revision);
                self.mirror.wait_for(revision).await;
                return Ok(());
            }
        }
    }

    /// A cascade in several commits. It goes on when the caller has gone.
    pub(super) async fn delete_large(
        self: &Arc<Self>,
        resource: ResourceRef,
        force: bool,
    ) -> Result<(), Error> {
        let catalog = Arc::clone(self);
        let work = ledger::inherited(async move {
            catalog.mark(&resource, force).await?;
            catalog.finish(&resource).await
        });
        self.cascades.spawn(work).await.unwrap_or_else(|error| {
            let message = format!("the cascade stopped: {error}");
            Err(Error::Store(sdwan_store::Error::Unavailable(message)))
        })
    }

    async fn mark(&self, resource: &ResourceRef, force: bool) -> Result<(), Error> {
        let mut lost = Vec::new();
        loop {
            let base = self.mirror.now();
            let ResourceRef { kind, id } = resource;
            let record = base.record(kind, id);
            let Some(declared) = record.and_then(|r| r.declared.as_ref()) else {
                return Ok(());
            };
            let marked = record.and_then(|r| r.leaving.as_deref());
            if marked.is_some_and(|leaving| leaving.force || !force) {
                return Ok(());
            }
            let router = base.router_of(&declared.row);
            let leaving = Leaving {
                cascade: true,
                force,
                router: router.clone(),
                ..ops::leaving(&declared.row, router.unwrap_or_default(), &self.now())
            };
            let when = vec![row_condition(&base, kind, id)];
            // The row is written as it is, so that who is about to refer to
            // it meets a conflict.
            let config = keys::config(base.plural(kind), id);
            let then = vec![
                Op::put(config, Declared::encode(&declared.row, &declared.sealed)),
                Op::put(keys::deleting(base.plural(kind), id), leaving.encode()),
            ];
            if let Some(revision) = self.commit(when, then, &mut lost).await? {
                self.mirror.wait_for(revision).await;
                return Ok(());
            }
            self.catch_up(base.revision).await?;
        }
    }

    /// Goes on with deletions that an earlier server has not finished.
    pub(super) fn go_on(
        self: &Arc<Self>,
        unfinished: Vec<ResourceRef>,
        rest: Option<Arc<dyn Rest>>,
    ) {
        for resource in unfinished {
            let catalog = Arc::clone(self);
            let ledger = rest.clone().map(Ledger::telling).unwrap_or_default();
            self.cascades.spawn(ledger::apart(ledger, async move {
                if let Err(error) = catalog.finish(&resource).await {
                    tracing::error!(%resource, %error, "the deletion is not finished: delete it again");
                }
            }));
        }
    }

    /// Stops what no request waits for, after the commit that is under way:
    /// the next start goes on with it.
    pub(crate) async fn end(&self) {
        self.ending.cancel();
        self.cascades.close();
        self.cascades.wait().await;
    }

    /// The work after the mark; from the start or from where it stopped.
    pub(super) async fn finish(&self, resource: &ResourceRef) -> Result<(), Error> {
        let mut lost = Vec::new();
        loop {
            tokio::select! {
                biased;
                // The next start goes on.
                () = self.ending.cancelled() => return Ok(()),
                () = ledger::ready() => {}
            }
            let base = self.mirror.now();
            let record = base.record(&resource.kind, &resource.id);
            let mark = record.and_then(|r| r.leaving.as_deref());
            let Some(mark) = mark.filter(|leaving| leaving.cascade) else {
                break;
            };
            let rows = leaves_first(&base, resource);
            let rows = &rows[..rows.len().min(ROWS)];
            let (when, ops) = away(&base, rows, mark);
            ledger::trying(|| gone(&base, rows));
            match self.commit(when, ops.into_ops(), &mut lost).await? {
                Some(revision) => {
                    lost.clear();
                    ledger::done(revision);
                    self.mirror.wait_for(revision).await;
                    ledger::settle().await;
                }
                None => {
                    ledger::undone();
                    self.catch_up(base.revision).await?;
                }
            }
        }
        let now = self.mirror.now();
        let gone = now.record(&resource.kind, &resource.id).is_none();
        if gone && resource.kind == ROUTER {
            self.forget(resource).await?;
        }
        Ok(())
    }
}

/// A row and all that refer to it, each after those that refer to it.
fn leaves_first(base: &State, root: &ResourceRef) -> Vec<ResourceRef> {
    let mut ordered = Vec::new();
    let mut seen = BTreeSet::from([root.clone()]);
    // Twice on the stack: to be opened, and to be taken once all below it are.
    let mut stack = vec![(root.clone(), false)];
    while let Some((row, open)) = stack.pop() {
        if open {
            ordered.push(row);
            continue;
        }
        stack.push((row.clone(), true));
        for (kind, id) in base.referrers(&row.kind, &row.id, None) {
            let by = ResourceRef::new(kind, id);
            if seen.insert(by.clone()) {
                stack.push((by, false));
            }
        }
    }
    ordered
}

/// What taking these rows away changes.
fn gone(base: &State, rows: &[ResourceRef]) -> Vec<ledger::Effect> {
    let declared = |row: &ResourceRef| {
        let record = base.record(&row.kind, &row.id)?;
        Some(Arc::clone(&record.declared.as_ref()?.row))
    };
    let rows = rows.iter().filter_map(declared);
    rows.map(ledger::Effect::gone).collect()
}

/// The commit that takes these rows away.
fn away(base: &State, rows: &[ResourceRef], mark: &Leaving) -> (Vec<Condition>, Ops) {
    let schemas = &base.context.schemas;
    let mut when = Vec::new();
    let mut ops = Ops::default();
    for resource in rows {
        let plural = base.plural(&resource.kind);
        let record = base.record(&resource.kind, &resource.id);
        let Some(declared) = record.and_then(|r| r.declared.as_ref()) else {
            continue;
        };
        when.push(row_condition(base, &resource.kind, &resource.id));
        let referring = keys::references_to(plural, &resource.id);
        when.push(Condition::NothingNewer(referring, base.revision));
        for (label, value) in rules::unique_values(schemas, &declared.row) {
            ops.delete(keys::unique(plural, &label, &value));
        }
        for (target, _) in rules::references(schemas, &Stored(base), &declared.row) {
            let of = base.plural(&target.kind);
            ops.delete(keys::reference(of, &target.id, plural, &resource.id));
        }
        ops.leave(base, declared, &mark.since, mark.force);
    }
    (when, ops)
}
