//! Live numbers of neighbors, asked of the routers when somebody wants to see
//! them. gobgpd lists all peers to answer for one, so what a router said is
//! good for a second, and one question at a time is under way.

use crate::catalog::Snapshot;
use crate::live::Live;
use crate::speaker::Counters;
use sdwan_model::resource::Row;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

/// How old a number may be.
const FRESH: Duration = Duration::from_secs(1);

/// How long a reader waits for a router; without its answer the numbers are null.
const PATIENCE: Duration = Duration::from_secs(2);

/// One router's numbers by neighbor; none where it did not answer.
pub(crate) type Numbers = Arc<HashMap<IpAddr, Counters>>;

/// The routers' last words.
pub(crate) struct CounterCache {
    live: Arc<dyn Live>,
    asked: Mutex<HashMap<String, Asked>>,
}

#[derive(Clone)]
struct Asked {
    at: Instant,
    numbers: Arc<OnceCell<Numbers>>,
}

impl CounterCache {
    pub(crate) fn new(live: Arc<dyn Live>) -> Self {
        Self {
            live,
            asked: Mutex::default(),
        }
    }

    /// The numbers of every neighbor of this router.
    pub(crate) async fn of_router(&self, router: &str) -> Numbers {
        let question = self.question(router);
        let ask = || async {
            let answer = timeout(PATIENCE, self.live.counters(router)).await;
            let counters = match answer {
                Ok(Ok(counters)) => counters,
                Ok(Err(error)) => {
                    tracing::debug!(router, %error, "no counters");
                    Vec::new()
                }
                Err(_) => {
                    tracing::debug!(router, "no counters in time");
                    Vec::new()
                }
            };
            Arc::new(counters.into_iter().map(|c| (c.neighbor, c)).collect())
        };
        Arc::clone(question.numbers.get_or_init(ask).await)
    }

    /// The question that is under way or was answered just now, or a new one.
    fn question(&self, router: &str) -> Asked {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, a| !a.numbers.initialized() || now.duration_since(a.at) < FRESH);
        let question = asked.entry(router.to_owned()).or_insert_with(|| Asked {
            at: now,
            numbers: Arc::default(),
        });
        question.clone()
    }

    /// The numbers of these rows, in their order; every router is asked once
    /// and all at the same time.
    pub(crate) async fn of_rows<'a>(
        &self,
        rows: impl Iterator<Item = &'a Row>,
        snapshot: &Snapshot,
    ) -> Vec<Option<Counters>> {
        let places: Vec<_> = rows.map(|row| place(row, snapshot)).collect();
        let routers: BTreeSet<&str> = places.iter().flatten().map(|(router, _)| *router).collect();
        let ask = |router| async move { (router, self.of_router(router).await) };
        let answers = futures::future::join_all(routers.into_iter().map(ask)).await;
        let answers: BTreeMap<&str, Numbers> = answers.into_iter().collect();
        places
            .iter()
            .map(|place| {
                let (router, neighbor) = place.as_ref()?;
                answers.get(router)?.get(neighbor).cloned()
            })
            .collect()
    }
}

/// The router that a row is about, and the neighbor's address there.
fn place<'a>(row: &Row, snapshot: &'a Snapshot) -> Option<(&'a str, IpAddr)> {
    let neighbor = row.text("neighbor_addr")?.parse().ok()?;
    Some((snapshot.router_of(row)?, neighbor))
}
