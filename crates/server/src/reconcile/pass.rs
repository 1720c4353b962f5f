//! One pass over one router: read everything, decide, write what differs,
//! tell what became of it.

use super::decide::{Decision, address, decide};
use super::execute::{Fate, execute};
use super::verdict::{Silence, of_hold, of_plan, of_silence};
use super::{Signal, called};
use crate::catalog::{Catalog, Report, RouterView};
use crate::cluster::Mandate;
use crate::monitor::{Board, Link, Roster, Standing};
use crate::speaker::{Error, Speaker};
use prometheus_client::metrics::histogram::Histogram;
use sdwan_model::observed::{Observed, Version};
use sdwan_model::plan::Verdict;
use sdwan_model::status::{FAILED, State};
use std::sync::Arc;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a pass works with.
pub(super) struct Ground {
    pub(super) router: String,
    pub(super) mandate: Arc<Mandate>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) link: Arc<Link>,
    pub(super) board: Arc<Board>,
    pub(super) wake: Arc<Signal>,
    pub(super) durations: Histogram,
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There is no such router any more.
    Gone,
    /// Nothing to do until something changes.
    Rest,
    /// The router can't be seen; the monitor asks for a pass when it can.
    Unseen,
    /// The router is not this server's to speak of now.
    Lapsed,
    /// There is something to write, but not before then.
    Early(Instant),
    /// It wrote: another pass looks whether the daemon did what it said.
    Wrote,
    /// It could not finish, but trying again may help.
    Trouble(String),
}

impl Ground {
    pub(super) fn name(&self) -> String {
        called(&self.catalog, &self.router)
    }

    /// One pass. Dropping it is safe at any point; letting it end is kinder.
    pub(super) async fn pass(&self, stop: &CancellationToken) -> Ended {
        let started = Instant::now();
        if let Err(why) = self.mandate.deadline() {
            tracing::debug!(why, "no pass");
            return Ended::Lapsed;
        }
        let Some(view) = self.catalog.router_view(&self.router) else {
            return Ended::Gone;
        };
        self.board.enroll(roster(&view));
        let speaker = match self.link.standing() {
            Standing::Up(speaker) => speaker,
            Standing::Connecting => return Ended::Unseen,
            Standing::Down(error) => {
                let report = of_silence(&view, &Silence::from(&error));
                return self.report(&view, report, Ended::Unseen).await;
            }
        };
        let observed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ended::Rest,
            // Nobody waits for the answer of a connection that is given up.
            () = self.link.left(&speaker) => return Ended::Unseen,
            observed = speaker.observe(version(&view)) => observed,
        };
        let observed = match observed {
            Ok(observed) => observed,
            Err(error) => return self.blind(&view, &error).await,
        };
        let (view, decision) = match think(view, observed).await {
            Ok(thought) => thought,
            Err(trouble) => return Ended::Trouble(trouble),
        };
        match self.act(&view, &decision, &*speaker, stop).await {
            Ok(fates) => {
                let ended = ended(&fates);
                tracing::debug!(steps = fates.len(), ?ended, "pass");
                let report = of_plan(&view, &decision, &fates);
                let ended = self.report(&view, report, ended).await;
                self.durations.observe(started.elapsed().as_secs_f64());
                ended
            }
            Err(ended) => ended,
        }
    }

    /// The observation failed: nothing is concluded, nothing is sent.
    async fn blind(&self, view: &RouterView, error: &Error) -> Ended {
        self.doubt(error);
        let ended = Ended::Trouble(error.to_string());
        let report = of_silence(view, &Silence::from(error));
        self.report(view, report, ended).await
    }

    /// Commits the intents and sends the steps, unless somebody holds us back.
    async fn act(
        &self,
        view: &RouterView,
        decision: &Decision,
        speaker: &dyn Speaker,
        stop: &CancellationToken,
    ) -> Result<Vec<Fate>, Ended> {
        let plan = &decision.plan;
        for note in &plan.notes {
            tracing::debug!(note, "noticed");
        }
        if stop.is_cancelled() {
            return Err(Ended::Rest);
        }
        if let Some(why) = self.hold() {
            let report = of_hold(view, decision, &why);
            return Err(self.report(view, report, Ended::Rest).await);
        }
        if let Some(begins) = self.mandate.begin()
            && !(plan.steps.is_empty() && plan.intents.is_empty())
        {
            return Err(Ended::Early(begins));
        }
        if view.hold {
            // Lifted since: what was declared meanwhile counts as a whole.
            // The next pass is marked already.
            return Err(Ended::Rest);
        }
        if !plan.intents.is_empty() {
            self.catalog
                .intents(&self.router, plan.intents.clone())
                .await
                .map_err(|error| Ended::Trouble(error.to_string()))?;
        }
        let leave = || match (stop.is_cancelled(), self.hold()) {
            (true, _) => Err("the server is stopping".to_owned()),
            (false, Some(hold)) => Err(hold),
            (false, None) => self.mandate.write(),
        };
        let fates = execute(speaker, &plan.steps, &leave).await;
        for fate in &fates {
            if let Fate::Failed(error) = fate {
                self.doubt(error);
                if matches!(error, Error::Unanswered(_)) {
                    self.mandate.unanswered();
                }
            }
        }
        Ok(fates)
    }

    /// The operator's word that this router must not be touched now.
    fn hold(&self) -> Option<String> {
        let holds = self.catalog.holds_on(&self.router);
        holds.first().map(|(_, hold)| hold.to_string())
    }

    fn doubt(&self, error: &Error) {
        if matches!(error, Error::Unreachable(_) | Error::Unanswered(_)) {
            self.link.doubt();
        }
    }

    async fn report(&self, view: &RouterView, report: Report, ended: Ended) -> Ended {
        announce(view, &report);
        match self.catalog.report(report).await {
            Ok(()) => ended,
            Err(error) => Ended::Trouble(error.to_string()),
        }
    }
}

/// Logs a failure when it becomes one, not each time it is still one.
fn announce(view: &RouterView, report: &Report) {
    for (row, verdict) in &report.verdicts {
        let Verdict::Failed { version, reason } = verdict else {
            continue;
        };
        let known = |state: &State| state.state == FAILED && state.error == *reason;
        if !view.states.get(row).is_some_and(known) {
            tracing::warn!(
                kind = row.kind,
                id = row.id,
                version,
                reason,
                "can't be applied"
            );
        }
    }
}

fn ended(fates: &[Fate]) -> Ended {
    let failed = || {
        fates.iter().filter_map(|fate| match fate {
            Fate::Failed(error) => Some(error),
            Fate::Done | Fate::Held(_) => None,
        })
    };
    if let Some(error) = failed().find(|error| !matches!(error, Error::Refused(_))) {
        Ended::Trouble(error.to_string())
    } else if failed().next().is_none() && fates.iter().any(|fate| matches!(fate, Fate::Done)) {
        Ended::Wrote
    } else {
        // What was refused is tried again when something changes.
        Ended::Rest
    }
}

/// Plans away from the threads that serve: ten thousand neighbors take a
/// while. Where there is one thread only, as in tests that own the time, it is
/// done there.
async fn think(view: RouterView, observed: Observed) -> Result<(RouterView, Decision), String> {
    let think = move || {
        let decision = decide(&view, &observed);
        (view, decision)
    };
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(think());
    }
    tokio::task::spawn_blocking(think)
        .await
        .map_err(|error| format!("planning failed, which is a bug: {error}"))
}

/// The version that the daemon is said to have.
pub(super) fn version(view: &RouterView) -> Option<Version> {
    Version::parse(view.gobgp_version.as_deref()?)
}

fn roster(view: &RouterView) -> Roster {
    view.inputs
        .neighbors
        .iter()
        .filter_map(|row| Some((address(row)?, (row.reference(), row.version))))
        .collect()
}
