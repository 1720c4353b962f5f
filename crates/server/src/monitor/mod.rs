//! Watches one router: its sessions and whether it answers at all.
//!
//! ```text
//! gobgpd -- WatchEvent --> attend -+-> Sessions (the fold) --> tell --> catalog.observe
//!        <-- GetBgp ------ pulse --+                            |
//!        <-- connect ----- probe --+--> Link --> reconcile      store
//! ```
//!
//! Reading and telling are two futures that share the fold: a store that
//! stalls never stops the reading, because what gobgpd can't send it keeps,
//! without a bound.

mod link;
mod sessions;

#[cfg(test)]
mod tests;

pub(crate) use link::{Link, Standing};
pub(crate) use sessions::{Roster, Sessions};

use crate::catalog::Catalog;
use crate::reconcile::{Settings, Signal, called};
use crate::speaker::{Dial, Error, SessionEvent, Speaker};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Heartbeats or connection attempts in a row that must fail before a router
/// counts as unreachable.
const MISSES: u32 = 3;

/// Attempts to reach a router that was there a moment ago: so far apart at
/// first, then by this share of the time that it has been away.
const QUICK: Duration = Duration::from_millis(50);
const SHARE: u32 = 20;

/// How long after a fall the reconciler looks at the router: a peer that was
/// deleted by hand falls too, and a session that flaps must not cost a pass
/// each time.
const AFTER_A_FALL: Duration = Duration::from_secs(1);

/// How long a detail of a status (CONNECT, ACTIVE, a reason) waits for company.
const DETAILS: Duration = Duration::from_secs(2);

/// The fold, shared between who reads, who tells and who knows the rows.
#[derive(Default)]
pub(crate) struct Board {
    sessions: Mutex<Sessions>,
    changed: Notify,
}

impl Board {
    /// The declared neighbors as a pass found them.
    pub(crate) fn enroll(&self, roster: Roster) {
        self.lock().enroll(roster);
        self.changed.notify_one();
    }

    fn update<T>(&self, change: impl FnOnce(&mut Sessions) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        // The fold is a set of last words: a torn update is mended by the next.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a router has been away.
struct Absence {
    since: Instant,
    /// Attempts to reach it that failed.
    misses: u32,
    /// It has been given up: everybody knows.
    known: bool,
}

impl Absence {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            misses: 0,
            known: false,
        }
    }

    /// The wait between two attempts that fail at once: a daemon that restarts
    /// is configured again with hardly a delay, and one that stays away costs
    /// little. At most `period`.
    fn pace(&self, period: Duration) -> Duration {
        let share = self.since.elapsed() / SHARE;
        share.max(QUICK).min(period)
    }

    /// Whether it is away for as long as several misses, `period` apart, take.
    fn is_long(&self, period: Duration) -> bool {
        self.misses >= MISSES && self.since.elapsed() >= period.mul_f64(0.75) * (MISSES - 1)
    }
}

/// See the module.
pub(crate) struct Monitor {
    pub(crate) router: String,
    pub(crate) address: String,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) link: Arc<Link>,
    pub(crate) board: Arc<Board>,
    /// Asks for a pass.
    pub(crate) wake: Arc<Signal>,
    pub(crate) settings: Settings,
}

impl Monitor {
    fn name(&self) -> String {
        called(&self.catalog, &self.router)
    }

    /// Until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.follow() => {}
            () = self.tell() => {}
        }
        self.link.stand(Standing::Connecting);
    }

    /// Connects, attends until the connection breaks, connects again.
    async fn follow(&self) {
        let mut next = Instant::now();
        let mut absence = Absence::new();
        loop {
            let speaker = self.probe(absence, &mut next).await;
            self.link.stand(Standing::Up(speaker.clone()));
            self.wake.mark(Duration::ZERO);
            tokio::select! {
                biased;
                error = self.attend(&*speaker) => {
                    // It may be back before anybody has to know.
                    absence = Absence::new();
                    self.link.stand(Standing::Connecting);
                    self.board.update(Sessions::disconnected);
                    tracing::info!(router = self.name(), address = %self.address, %error,
                        "connection lost, connecting again");
                }
                error = self.pulse(&*speaker) => {
                    absence = Absence { known: true, ..Absence::new() };
                    self.give_up(&error);
                }
            }
        }
    }

    /// Tries to connect until that works. The next attempt is due a period
    /// after the last one began, however long that takes to fail; sooner
    /// after one that failed at once.
    async fn probe(&self, mut absence: Absence, next: &mut Instant) -> Arc<dyn Speaker> {
        let mut attempts = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(result) = attempts.next() => match result {
                    Ok(speaker) => return Arc::from(speaker),
                    Err(error) => {
                        absence.misses += 1;
                        if absence.known {
                            self.link.stand(Standing::Down(error));
                        } else if absence.is_long(self.settings.probe) {
                            absence.known = true;
                            self.give_up(&error);
                        }
                        if attempts.is_empty() {
                            let soon = absence.pace(self.settings.probe);
                            *next = (*next).min(Instant::now() + self.settings.jittered(soon));
                        }
                    }
                },
                () = sleep_until(*next) => {
                    *next = Instant::now() + self.settings.jittered(self.settings.probe);
                    if attempts.len() < MISSES as usize {
                        attempts.push(self.dial());
                    }
                }
            }
        }
    }

    async fn dial(&self) -> Result<Box<dyn Speaker>, Error> {
        timeout(self.settings.deadline, self.dial.dial(&self.address))
            .await
            .unwrap_or_else(|_| {
                Err(Error::Unreachable(format!(
                    "gobgpd at {} did not answer within {:?}",
                    self.address, self.settings.deadline
                )))
            })
    }

    /// Says that the router does not answer; its sessions can't be known.
    fn give_up(&self, error: &Error) {
        tracing::warn!(router = self.name(), address = %self.address, %error,
            "router is unreachable");
        self.link.stand(Standing::Down(error.clone()));
        self.board
            .update(|sessions| sessions.unreachable(&error.to_string()));
        self.wake.mark(Duration::ZERO);
    }

    /// Folds the watch until it breaks.
    async fn attend(&self, speaker: &dyn Speaker) -> Error {
        self.board.update(Sessions::connected);
        let mut events = match speaker.watch().await {
            Ok(events) => events,
            Err(error) => return error,
        };
        while let Some(batch) = events.next().await {
            match batch {
                Ok(batch) => self.fold(batch),
                Err(error) => return error,
            }
        }
        Error::Unreachable(format!("gobgpd at {} closed the watch", self.address))
    }

    fn fold(&self, batch: Vec<SessionEvent>) {
        let listed = batch.contains(&SessionEvent::Listed);
        let fell = self.board.update(|sessions| {
            batch
                .into_iter()
                .fold(false, |fell, event| sessions.apply(event) | fell)
        });
        if listed {
            tracing::info!(router = self.name(), address = %self.address, "watching sessions");
        }
        if fell {
            self.wake.mark(AFTER_A_FALL);
        }
    }

    /// Heartbeats until too many in a row are missed. A daemon that has lost
    /// its configuration in between is a router with work.
    async fn pulse(&self, speaker: &dyn Speaker) -> Error {
        let mut misses = 0;
        let mut last_asn = None;
        loop {
            let wait = if misses == 0 {
                self.settings.heartbeat
            } else {
                self.settings.probe
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {}
                () = self.link.doubted() => {}
            }
            let error = match timeout(self.settings.deadline, speaker.heartbeat()).await {
                Ok(Ok(asn)) => {
                    misses = 0;
                    if last_asn.replace(asn).is_some_and(|last| last != asn) {
                        self.wake.mark(Duration::ZERO);
                    }
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => Error::Unreachable(format!(
                    "gobgpd at {} missed {MISSES} heartbeats",
                    self.address
                )),
            };
            misses += 1;
            if misses == MISSES {
                return error;
            }
        }
    }

    /// Commits what the fold has to tell, one commit at a time: what happens
    /// during one goes into the next.
    async fn tell(&self) {
        let mut details_at = None;
        let mut trouble = None;
        loop {
            let claim = self.catalog.claim(&self.router).map(|claimed| claimed.at);
            let news = {
                let mut sessions = self.board.lock();
                sessions.claimed(claim);
                sessions.news(&self.router, |row| {
                    let shown = self.catalog.get(&row.kind, &row.id)?;
                    shown.monitoring.map(|stored| (*stored).clone())
                })
            };
            let Some(news) = news else {
                details_at = None;
                self.board.changed.notified().await;
                continue;
            };
            let now = Instant::now();
            let due = *details_at.get_or_insert(now + DETAILS);
            if !news.urgent && now < due {
                tokio::select! {
                    biased;
                    () = self.board.changed.notified() => {}
                    () = sleep_until(due) => {}
                }
                continue;
            }
            details_at = None;
            match self.catalog.observe(news.observation.clone()).await {
                Ok(()) => {
                    trouble = None;
                    self.board.lock().told(news.observation);
                }
                Err(error) => {
                    let error = error.to_string();
                    if trouble.as_ref() != Some(&error) {
                        tracing::warn!(router = self.name(), %error,
                            "what the monitor sees can't be stored, trying again");
                    }
                    trouble = Some(error);
                    tokio::time::sleep(self.settings.jittered(self.settings.probe)).await;
                }
            }
        }
    }
}
