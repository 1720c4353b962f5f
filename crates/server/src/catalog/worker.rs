//! The workers' side: what a pass starts from, and what passes and the
//! monitor have to say. Each says it in one commit, and only what changes is
//! written; what is about a row that has gone meanwhile is dropped.

use super::ops::Ops;
use super::{Catalog, Error, Observation, OurRouter, Report, RouterView};
use crate::keys;
use crate::mirror::record::encode;
use crate::mirror::{NEIGHBOR, POLICY, ROUTER, State};
use sdwan_model::compile::Inputs;
use sdwan_model::config::Source;
use sdwan_model::plan::{OwnedKey, OwnedRecord, OwnedWrite, Verdict};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::{self, Monitoring, Reachability, fib};
use sdwan_store::{Condition, Op};
use std::collections::BTreeMap;

/// One word, with what must hold for it: never split between commits.
pub(super) type Word = (Option<Condition>, Op);

/// Commits of workers' words under way: the rest wait their turn, so that
/// after an outage, when every router has news, readers and operators get
/// through as well.
pub(super) const WORDS_AT_ONCE: usize = 64;

/// Words in one commit. Under the store's limit of operations, and words are
/// small.
const WORDS: usize = 2000;

impl Catalog {
    /// Every router that this process looks after: on a store of its own all
    /// that have work, ones on their way out included; else those of them
    /// that it has claimed, or that nobody has and it is `watching`.
    pub fn routers(&self, watching: impl Fn(&str) -> bool) -> Vec<OurRouter> {
        let now = self.mirror.now();
        let rows = now.records(ROUTER).filter_map(|record| record.row());
        rows.filter_map(|row| self.ours(&now, row, watching(&row.id)))
            .collect()
    }

    /// The router, if it is one of [`Catalog::routers`].
    pub fn router(&self, id: &str, watching: bool) -> Option<OurRouter> {
        let now = self.mirror.now();
        self.ours(&now, now.record(ROUTER, id)?.row()?, watching)
    }

    fn ours(&self, now: &State, row: &Row, watching: bool) -> Option<OurRouter> {
        let tenure = self.tenure();
        let ours = match now.claim(&row.id) {
            _ if tenure.is_alone() => true,
            Some(claimed) => claimed.claim.member == tenure.instance(),
            None => watching,
        };
        ours.then(|| OurRouter {
            id: row.id.clone(),
            address: address(row),
        })
    }

    /// What a pass starts from; `None` when there is no such router.
    pub fn router_view(&self, router: &str) -> Option<RouterView> {
        let now = self.mirror.now();
        let record = now.record(ROUTER, router)?;
        let row = record.row()?;
        let mut view = RouterView {
            revision: now.revision,
            router: router.to_owned(),
            address: address(row),
            inputs: Inputs::default(),
            sealed: Vec::new(),
            deleting: Vec::new(),
            owned: BTreeMap::new(),
            gobgp_version: version(row, record.fib.as_deref()),
            hold: now.held(router),
            states: BTreeMap::new(),
        };
        for (kind, id) in now.leaving(router) {
            let record = now.record(kind, id);
            view.deleting.extend(
                record
                    .and_then(|r| r.leaving.as_ref())
                    .map(|l| Row::clone(&l.row)),
            );
        }
        for (key, record) in now.owned(router).into_iter().flatten() {
            view.owned.insert(key.clone(), OwnedRecord::clone(record));
        }
        if record.live().is_some() {
            view.inputs.router = self.input(&now, &mut view, ROUTER, router);
            for (_, id) in now.referrers(ROUTER, router, Some(NEIGHBOR)) {
                let neighbor = self.input(&now, &mut view, NEIGHBOR, id);
                view.inputs.neighbors.extend(neighbor);
            }
            for (_, id) in now.referrers(ROUTER, router, Some(POLICY)) {
                let policy = self.input(&now, &mut view, POLICY, id);
                view.inputs.policies.extend(policy);
            }
        }
        Some(view)
    }

    /// A row with its secrets open; noted as sealed where they can't be.
    fn input(&self, now: &State, view: &mut RouterView, kind: &str, id: &str) -> Option<Row> {
        let record = now.record(kind, id)?;
        let declared = record.live()?;
        let resource = ResourceRef::new(kind, id);
        if let Some(state) = &record.state {
            view.states
                .insert(resource.clone(), status::State::clone(state));
        }
        match declared.open(&self.options.secrets) {
            Ok(row) => Some(row),
            Err(error) => {
                let version = declared.row.version;
                let source = Source { resource, version };
                view.sealed.push((source, error.to_string()));
                None
            }
        }
    }

    /// Commits ownership records before the calls that they are about.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the router has gone meanwhile, and
    /// [`Error::Unclaimed`] when it is another server's: send nothing.
    pub async fn intents(&self, router: &str, writes: Vec<OwnedWrite>) -> Result<(), Error> {
        self.tell_of(router, |base| owned(base, router, &writes))
            .await
    }

    /// Commits what a pass has to say; only what changes is written.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Unclaimed`]; what is about rows that have
    /// gone is dropped silently.
    pub async fn report(&self, report: Report) -> Result<(), Error> {
        let now = self.now();
        self.tell_of(&report.router, |base| {
            let mut words = match owned(base, &report.router, &report.owned) {
                Err(Error::NotFound(_)) => Vec::new(),
                other => other?,
            };
            for (resource, verdict) in &report.verdicts {
                words.extend(judged(base, &report, resource, verdict, &now));
            }
            words.extend(released(base, &report));
            Ok(words)
        })
        .await
    }

    /// Commits a burst of what the monitor saw; only what changes is written.
    /// `observer`, `since` and `flaps` are filled in here.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Unclaimed`]; what is about rows that have
    /// gone is dropped silently.
    pub async fn observe(&self, observation: Observation) -> Result<(), Error> {
        let now = self.now();
        self.tell_of(&observation.router, |base| {
            let mut words = Vec::new();
            if let Some(seen) = &observation.reachability {
                let instance = self.tenure().instance();
                words.extend(reached(base, &observation.router, seen, instance, &now));
            }
            for (resource, seen) in &observation.sessions {
                words.extend(watched(base, resource, seen, &now));
            }
            Ok(words)
        })
        .await
    }

    /// [`Catalog::tell`] of one router, while it is this server's.
    async fn tell_of(
        &self,
        router: &str,
        words: impl Fn(&State) -> Result<Vec<Word>, Error>,
    ) -> Result<(), Error> {
        self.tell_if(|base| self.claimed(base, router), words).await
    }

    /// The workers' loop: what there is to say on the newest state, in as few
    /// commits as it takes; again if a row went away meanwhile.
    pub(super) async fn tell(
        &self,
        words: impl Fn(&State) -> Result<Vec<Word>, Error>,
    ) -> Result<(), Error> {
        self.tell_if(|_| Ok(None), words).await
    }

    async fn tell_if(
        &self,
        allowed: impl Fn(&State) -> Result<Option<Condition>, Error>,
        words: impl Fn(&State) -> Result<Vec<Word>, Error>,
    ) -> Result<(), Error> {
        let mut lost = Vec::new();
        loop {
            let base = self.mirror.now();
            let mut words = words(&base)?;
            if words.is_empty() {
                return Ok(());
            }
            let turn = self.words.acquire().await;
            let more = words.split_off(words.len().min(WORDS));
            let mut when: Vec<Condition> = Vec::with_capacity(words.len() + 1);
            when.extend(allowed(&base)?);
            let mut then = Vec::with_capacity(words.len());
            for (condition, op) in words {
                when.extend(condition.filter(|c| when.last() != Some(c)));
                then.push(op);
            }
            let outcome = self.commit(when, then, &mut lost).await;
            drop(turn);
            match outcome? {
                Some(revision) => {
                    lost.clear();
                    self.mirror.wait_for(revision).await;
                    if more.is_empty() {
                        return Ok(());
                    }
                }
                None => self.catch_up(base.revision).await?,
            }
        }
    }
}

/// What runs counts more than what was declared to.
fn version(router: &Row, seen: Option<&fib::Seen>) -> Option<String> {
    let shown = fib::show(router.text("fib"), seen);
    let reported = shown.and_then(|shown| shown.gobgpd_version);
    let version = reported.or_else(|| router.text("gobgp_version"));
    version.map(str::to_owned)
}

/// `host:port` in canonical text.
fn address(router: &Row) -> String {
    let text = router.text("mgmt_addr").unwrap_or_default();
    sdwan_model::format::Format::MgmtAddr.key(text)
}

/// The router is still there, declared or on its way out.
fn present(base: &State, router: &str) -> Result<Condition, Error> {
    let record = base.record(ROUTER, router);
    let plural = base.plural(ROUTER);
    match record {
        Some(record) if record.declared.is_some() => {
            Ok(Condition::Exists(keys::config(plural, router)))
        }
        Some(record) if record.leaving.is_some() => {
            Ok(Condition::Exists(keys::deleting(plural, router)))
        }
        _ => Err(Error::NotFound(format!("{ROUTER} {router}"))),
    }
}

/// What ownership writes come to, one a key.
fn owned(base: &State, router: &str, writes: &[OwnedWrite]) -> Result<Vec<Word>, Error> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let present = present(base, router)?;
    let before = base.owned(router);
    let stored = |key: &OwnedKey| before.and_then(|owned| owned.get(key)).map(|r| &**r);
    let mut after: BTreeMap<&OwnedKey, Option<OwnedRecord>> = BTreeMap::new();
    for write in writes {
        match write {
            OwnedWrite::Put(key, record) => {
                after.insert(key, Some(record.clone()));
            }
            OwnedWrite::Remove(key) => {
                after.insert(key, None);
            }
            OwnedWrite::Done(key, effect) => {
                let record = after.entry(key).or_insert_with(|| stored(key).cloned());
                if let Some(record) = record {
                    record.owed.remove(effect);
                }
            }
        }
    }
    let changed = after
        .into_iter()
        .filter(|(key, record)| stored(key) != record.as_ref());
    let word = |(key, record): (&OwnedKey, Option<OwnedRecord>)| {
        let key = keys::owned(router, key);
        let op = match record {
            Some(record) => Op::put(key, encode(&record)),
            None => Op::delete(key),
        };
        (Some(present.clone()), op)
    };
    Ok(changed.map(word).collect())
}

/// A verdict as the state to store, if it says anything new.
fn judged(
    base: &State,
    report: &Report,
    resource: &ResourceRef,
    verdict: &Verdict,
    now: &str,
) -> Option<Word> {
    let record = base.record(&resource.kind, &resource.id)?;
    let row = &record.live()?.row;
    // An older row of the same id is not this one.
    if row.created > report.at.0 {
        return None;
    }
    let (version, word, error) = match verdict {
        Verdict::Applied { version } => (*version, status::ACTIVE, ""),
        Verdict::Failed { version, reason } => (*version, status::FAILED, reason.as_str()),
        Verdict::Waiting { version, reason } => (*version, status::PENDING, reason.as_str()),
    };
    let said = status::State {
        version,
        error: error.to_owned(),
        state: word.to_owned(),
        ..status::State::default()
    };
    let taken = status::take_state(row.version, record.state.as_deref(), said, now);
    let state = refused(resource, taken)?;
    let plural = base.plural(&resource.kind);
    Some((
        Some(Condition::Exists(keys::config(plural, &resource.id))),
        Op::put(keys::state(plural, &resource.id), encode(&state)),
    ))
}

/// A report that can't be right is for the log only.
fn refused<T>(resource: &ResourceRef, taken: Result<Option<T>, status::Error>) -> Option<T> {
    taken.unwrap_or_else(|error| {
        tracing::error!(kind = resource.kind, id = resource.id, %error, "a report is refused");
        None
    })
}

/// Rows that the router has let go of.
fn released(base: &State, report: &Report) -> Vec<Word> {
    let mut ops = Ops::default();
    for resource in &report.released {
        let record = base.record(&resource.kind, &resource.id);
        let Some(leaving) = record.and_then(|r| r.leaving.as_ref()) else {
            continue;
        };
        // A deletion that began after the pass, or is not through yet, waits
        // for the next one.
        if leaving.modified > report.at || leaving.cascade {
            continue;
        }
        if resource.kind == ROUTER {
            ops.forget_router(base, &resource.id);
            // A word on it may be on its way while this is.
            ops.delete(keys::reachability(&resource.id));
        }
        ops.delete(keys::deleting(base.plural(&resource.kind), &resource.id));
    }
    ops.into_ops().into_iter().map(|op| (None, op)).collect()
}

/// A router's reachability, if it says anything new.
fn reached(
    base: &State,
    router: &str,
    seen: &Reachability,
    instance: &str,
    now: &str,
) -> Option<Word> {
    let present = present(base, router).ok()?;
    let before = base.reachability(router);
    let since = match before {
        Some(before) if before.reachable == seen.reachable => before.since.clone(),
        _ => now.to_owned(),
    };
    let after = Reachability {
        since,
        observer: instance.to_owned(),
        ..seen.clone()
    };
    if before.is_some_and(|before| **before == after) {
        return None;
    }
    Some((
        Some(present),
        Op::put(keys::reachability(router), encode(&after)),
    ))
}

/// A session, if it says anything new.
fn watched(base: &State, resource: &ResourceRef, seen: &Monitoring, now: &str) -> Option<Word> {
    let record = base.record(&resource.kind, &resource.id)?;
    let row = &record.live()?.row;
    let taken =
        status::take_monitoring(row.version, record.monitoring.as_deref(), seen.clone(), now);
    let after = refused(resource, taken)?;
    let plural = base.plural(&resource.kind);
    let there = Condition::Exists(keys::config(plural, &resource.id));
    let key = keys::monitoring(plural, &resource.id);
    Some((Some(there), Op::put(key, encode(&after))))
}
