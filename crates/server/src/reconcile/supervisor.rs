//! Who looks after which router: starts and stops a worker and a monitor for
//! each, and passes the catalog's marks on.

use super::pass::Ground;
use super::signal::Signal;
use super::worker::Worker;
use super::{Settings, called};
use crate::catalog::Catalog;
use crate::metrics;
use crate::monitor::{Board, Link, Monitor};
use crate::speaker::Dial;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Keeps all routers; one for the whole server.
pub struct Supervisor {
    pub(super) catalog: Arc<Catalog>,
    dial: Arc<dyn Dial>,
    settings: Settings,
    routers: Mutex<BTreeMap<String, Arc<Router>>>,
    passes: Histogram,
}

/// One router that is looked after.
pub(super) struct Router {
    id: String,
    /// Where its gobgpd listens; a change moves the whole room.
    address: watch::Sender<String>,
    pub(super) link: Arc<Link>,
    wake: Arc<Signal>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Nothing starts before [`Supervisor::run`].
    pub fn new(catalog: Arc<Catalog>, dial: Arc<dyn Dial>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            catalog,
            dial,
            settings,
            routers: Mutex::default(),
            passes: metrics::histogram(),
        })
    }

    /// How long passes take that see their router.
    pub(crate) fn passes(&self) -> Histogram {
        self.passes.clone()
    }

    /// Looks after every router until `stop`; then lets calls in flight end,
    /// reports them and returns with no task left behind.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut dirty = self.catalog.dirty();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                marked = dirty.next() => {
                    self.settle(&stop, &mut tasks);
                    let routers = self.routers();
                    for router in marked.iter().filter_map(|id| routers.get(id)) {
                        router.wake.mark(Duration::ZERO);
                    }
                }
                Some(ended) = tasks.join_next() => {
                    if let Ok(id) = ended {
                        self.routers().remove(&id);
                    }
                    self.settle(&stop, &mut tasks);
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        self.routers().clear();
    }

    /// The connection to a router, for who only wants to look.
    pub(super) fn router(&self, id: &str) -> Option<Arc<Router>> {
        self.routers().get(id).cloned()
    }

    fn routers(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Router>>> {
        self.routers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tasks fit the catalog's routers.
    fn settle(self: &Arc<Self>, stop: &CancellationToken, tasks: &mut JoinSet<String>) {
        let declared: BTreeMap<String, String> = self.catalog.routers().into_iter().collect();
        let mut routers = self.routers();
        for (id, router) in routers.iter() {
            if !declared.contains_key(id) {
                router.stop.cancel();
            }
        }
        for (id, address) in declared {
            if let Some(router) = routers.get(&id) {
                router.address.send_if_modified(|current| {
                    let moved = *current != address;
                    *current = address;
                    moved
                });
                continue;
            }
            let router = Arc::new(Router {
                id: id.clone(),
                address: watch::Sender::new(address),
                link: Arc::new(Link::new()),
                wake: Arc::new(Signal::default()),
                stop: stop.child_token(),
            });
            routers.insert(id.clone(), router.clone());
            let supervisor = self.clone();
            tasks.spawn(async move {
                supervisor.look_after(&router).await;
                id
            });
        }
    }

    /// One router at one address after the other, until it goes.
    async fn look_after(&self, router: &Router) {
        let mut address = router.address.subscribe();
        loop {
            let here = address.borrow_and_update().clone();
            let leave = router.stop.child_token();
            let mut tasks = self.move_in(router, here.clone(), &leave);
            let next = tokio::select! {
                _ = address.changed() => Next::Move,
                ended = tasks.join_next() => Next::after(router, ended),
            };
            leave.cancel();
            while let Some(ended) = tasks.join_next().await {
                Next::after(router, Some(ended));
            }
            match next {
                Next::Move if !router.stop.is_cancelled() => {
                    tracing::warn!(
                        router = called(&self.catalog, &router.id),
                        from = here,
                        to = *address.borrow(),
                        "the router's address has changed: what is configured at the old one stays"
                    );
                }
                Next::Again if !router.stop.is_cancelled() => {
                    tokio::time::sleep(self.settings.jittered(self.settings.probe)).await;
                }
                _ => return,
            }
        }
    }

    fn move_in(&self, router: &Router, address: String, leave: &CancellationToken) -> JoinSet<()> {
        let board = Arc::new(Board::default());
        let worker = Worker::new(
            Ground {
                router: router.id.clone(),
                catalog: self.catalog.clone(),
                link: router.link.clone(),
                board: board.clone(),
                wake: router.wake.clone(),
                durations: self.passes.clone(),
            },
            self.settings.clone(),
        );
        let monitor = Monitor {
            router: router.id.clone(),
            address,
            catalog: self.catalog.clone(),
            dial: self.dial.clone(),
            link: router.link.clone(),
            board,
            wake: router.wake.clone(),
            settings: self.settings.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(leave.clone()));
        tasks.spawn(monitor.run(leave.clone()));
        tasks
    }
}

/// What follows when a router's tasks end.
enum Next {
    /// Its gobgpd listens elsewhere now.
    Move,
    /// A task has died: start over.
    Again,
    /// It is no more, or the server stops.
    Leave,
}

impl Next {
    fn after(router: &Router, ended: Option<Result<(), JoinError>>) -> Self {
        match ended {
            Some(Err(error)) => {
                tracing::error!(router = %router.id, %error, "a task has died, which is a bug");
                Self::Again
            }
            Some(Ok(())) | None => Self::Leave,
        }
    }
}
