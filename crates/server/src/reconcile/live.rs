//! The API's look at the routers, through the connections that stand anyway.

use super::Supervisor;
use super::decide::decide;
use super::pass::version;
use crate::live::{Error, Live};
use crate::monitor::Standing;
use crate::speaker::{self, Counters, Route, Speaker};
use sdwan_model::plan::Plan;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long somebody at a terminal waits for a router; the calls' own
/// deadlines are for work that nobody watches.
const PATIENCE: Duration = Duration::from_secs(10);

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

impl Supervisor {
    /// The router's connection; one that is being made is waited for.
    async fn speaker(&self, router: &str) -> Result<Arc<dyn Speaker>, Error> {
        let unknown = || Error::NotConnected(router.to_owned());
        let router = self.router(router).ok_or_else(unknown)?;
        match timeout(PATIENCE, router.link.settled()).await {
            Ok(Standing::Up(speaker)) => Ok(speaker),
            Ok(Standing::Down(error)) => Err(error.into()),
            Ok(Standing::Connecting) | Err(_) => Err(unknown()),
        }
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
