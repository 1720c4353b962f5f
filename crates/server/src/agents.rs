//! Hears the agents, and notices when one falls silent. What an agent says is
//! stored when it is new; that it says anything is only remembered here, so a
//! heartbeat costs no write.

use crate::catalog::{Catalog, Error};
use sdwan_model::status::fib::Report;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often silence is looked for, as a part of what counts as silence.
const LOOKS: u32 = 18;

/// The agents of all routers; one for the whole server.
pub struct Agents {
    catalog: Arc<Catalog>,
    silence: Duration,
    heard: Mutex<HashMap<String, Heard>>,
}

/// When a router's agent was last heard; of one that never was, since when
/// it is listened to.
struct Heard {
    at: Instant,
    /// The same (RFC 3339).
    time: String,
}

impl Agents {
    /// An agent that has not reported for as long as `silence` is silent.
    pub fn new(catalog: Arc<Catalog>, silence: Duration) -> Self {
        Self {
            catalog,
            silence,
            heard: Mutex::default(),
        }
    }

    /// Takes a report on a router, by id.
    ///
    /// # Errors
    /// No such router, no agent declared for it, or the store's.
    pub(crate) async fn report(&self, router: &str, report: &Report) -> Result<(), Error> {
        let heard = self.now();
        self.catalog.report_fib(router, report).await?;
        self.heard().insert(router.to_owned(), heard);
        Ok(())
    }

    /// Tells of silence until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = interval(self.silence / LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trouble = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let told = self.look().await;
            if let (Err(error), false) = (&told, trouble) {
                tracing::warn!(%error, "that agents are silent can't be stored, trying again");
            }
            trouble = told.is_err();
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let expected = self.catalog.agents();
        {
            let mut heard = self.heard();
            heard.retain(|router, _| expected.contains(router));
            for router in expected {
                heard.entry(router).or_insert_with(|| self.now());
            }
        }
        let last = |router: &str| {
            let heard = self.heard();
            let last = heard.get(router)?;
            (last.at.elapsed() >= self.silence).then(|| last.time.clone())
        };
        self.catalog.silent_fibs(last).await
    }

    fn now(&self) -> Heard {
        Heard {
            at: Instant::now(),
            time: self.catalog.now_in_seconds(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<String, Heard>> {
        // Every entry is whole by itself: a panic in between tears nothing.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
