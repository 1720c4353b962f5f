//! The API's look at the routers: through the connections that stand anyway,
//! or, at routers that another server looks after, through a connection of
//! its own that is kept for a while.

use super::Supervisor;
use super::decide::decide;
use super::pass::version;
use crate::live::{Error, Live};
use crate::monitor::Standing;
use crate::speaker::{self, Counters, Route, Speaker};
use sdwan_model::plan::Plan;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long somebody at a terminal waits for a router; the calls' own
/// deadlines are for work that nobody watches.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection to somebody else's router is kept unused.
const KEPT: Duration = Duration::from_secs(60);

#[async_trait::async_trait]
impl Live for Supervisor {
    async fn plan(&self, router: &str) -> Result<Plan, Error> {
        let speaker = self.speaker(router).await?;
        let view = self
            .catalog
            .router_view(router)
            .ok_or_else(|| Error::NotConnected(router.to_owned()))?;
        let observed = patiently(speaker.observe(version(&view))).await?;
        Ok(decide(&view, &observed).plan)
    }

    async fn rib(&self, router: &str, prefix: Option<&str>) -> Result<Vec<Route>, Error> {
        let speaker = self.speaker(router).await?;
        patiently(speaker.rib(prefix)).await
    }

    async fn counters(&self, router: &str) -> Result<Vec<Counters>, Error> {
        let speaker = self.speaker(router).await?;
        patiently(speaker.counters()).await
    }
}

/// Connections to routers that this process does not look after, by address.
#[derive(Default)]
pub(super) struct Visits(Mutex<HashMap<String, Visit>>);

struct Visit {
    speaker: Arc<dyn Speaker>,
    last: Instant,
}

impl Visits {
    /// The connection, if there is one; those that nobody used for a while
    /// are closed.
    fn get(&self, address: &str) -> Option<Arc<dyn Speaker>> {
        let mut visits = self.lock();
        visits.retain(|_, visit| visit.last.elapsed() < KEPT);
        let visit = visits.get_mut(address)?;
        visit.last = Instant::now();
        Some(Arc::clone(&visit.speaker))
    }

    fn keep(&self, address: &str, speaker: &Arc<dyn Speaker>) {
        let visit = Visit {
            speaker: Arc::clone(speaker),
            last: Instant::now(),
        };
        self.lock().insert(address.to_owned(), visit);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Visit>> {
        // Every entry is whole by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// The router's connection; one that is being made is waited for.
    async fn speaker(&self, router: &str) -> Result<Arc<dyn Speaker>, Error> {
        let unknown = || Error::NotConnected(router.to_owned());
        let Some(router) = self.router(router) else {
            return match self.catalog.tenure().is_alone() {
                true => Err(unknown()),
                false => self.visit(router).await,
            };
        };
        match timeout(PATIENCE, router.link.settled()).await {
            Ok(Standing::Up(speaker)) => Ok(speaker),
            Ok(Standing::Down(error)) => Err(error.into()),
            Ok(Standing::Connecting) | Err(_) => Err(unknown()),
        }
    }

    async fn visit(&self, router: &str) -> Result<Arc<dyn Speaker>, Error> {
        let view = self.catalog.router_view(router);
        let address = view.map(|view| view.address);
        let address = address.ok_or_else(|| Error::NotConnected(router.to_owned()))?;
        if let Some(speaker) = self.visits.get(&address) {
            // It may have gone since.
            if let Ok(Ok(_)) = timeout(PATIENCE, speaker.heartbeat()).await {
                return Ok(speaker);
            }
        }
        let speaker: Arc<dyn Speaker> = Arc::from(patiently(self.dial.dial(&address)).await?);
        self.visits.keep(&address, &speaker);
        Ok(speaker)
    }
}

async fn patiently<T>(call: impl Future<Output = Result<T, speaker::Error>>) -> Result<T, Error> {
    match timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Speaker(speaker::Error::Unreachable(format!(
            "the router did not answer within {} s",
            PATIENCE.as_secs()
        )))),
    }
}
