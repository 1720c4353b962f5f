//! Starts and stops a worker and a monitor for each router that this process
//! looks after, and passes the catalog's marks on.
//!
//! In a cluster these are the routers that it has claimed. One whose claim is
//! gone and that nobody else has taken is still watched: [`Mandate`] keeps
//! everything but looks from it.

use super::live::Visits;
use super::pass::Ground;
use super::signal::Signal;
use super::worker::Worker;
use super::{Settings, called};
use crate::catalog::{Catalog, Marks, OurRouter};
use crate::cluster::Mandate;
use crate::metrics;
use crate::monitor::{Board, Link, Monitor};
use crate::speaker::Dial;
use prometheus_client::metrics::histogram::Histogram;
use sdwan_store::Revision;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Keeps all routers; one for the whole server.
pub struct Supervisor {
    pub(super) catalog: Arc<Catalog>,
    pub(super) dial: Arc<dyn Dial>,
    settings: Settings,
    rooms: Mutex<Rooms>,
    /// Which routers there should be has changed.
    settle: Notify,
    /// A router is not looked after any more.
    ended: Notify,
    pub(super) visits: Visits,
    passes: Histogram,
}

#[derive(Default)]
struct Rooms {
    routers: BTreeMap<String, Arc<Router>>,
    /// Routers that are about to be another's.
    vacated: BTreeSet<String>,
    /// Routers that were left while a call might still arrive.
    unsure: BTreeSet<String>,
}

/// One router that is looked after.
pub(super) struct Router {
    id: String,
    /// Where its gobgpd listens; a change moves the whole room.
    address: watch::Sender<String>,
    mandate: Arc<Mandate>,
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
            rooms: Mutex::default(),
            settle: Notify::new(),
            ended: Notify::new(),
            visits: Visits::default(),
            passes: metrics::histogram(),
        })
    }

    /// How long calls that nobody waits for any more may be under way.
    pub(crate) fn caution(&self) -> Duration {
        self.settings.caution
    }

    /// How long passes take that see their router.
    pub(crate) fn passes(&self) -> Histogram {
        self.passes.clone()
    }

    /// Looks after its routers until `stop`; then lets calls in flight end,
    /// reports them and returns with no task left behind. Who does not get
    /// there within the grace that there may be counts as busy.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut dirty = self.catalog.dirty();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next() => {
                    if let Some(id) = self.left(ended) {
                        self.settle(&id, &stop, &mut tasks);
                    }
                }
                () = self.settle.notified() => {
                    for id in self.all() {
                        self.settle(&id, &stop, &mut tasks);
                    }
                }
                marks = dirty.next() => {
                    let marked = match marks {
                        Marks::All => self.all(),
                        Marks::Of(routers) => routers,
                    };
                    for id in marked {
                        self.settle(&id, &stop, &mut tasks);
                        if let Some(router) = self.router(&id) {
                            router.wake.mark(Duration::ZERO);
                        }
                    }
                }
            }
        }
        let end = async {
            while let Some(ended) = tasks.join_next().await {
                self.left(ended);
            }
        };
        match self.settings.grace {
            Some(grace) => {
                let _ = timeout(grace, end).await;
                tasks.shutdown().await;
            }
            None => end.await,
        }
    }

    /// The router whose room this was.
    fn left(&self, ended: Result<String, JoinError>) -> Option<String> {
        let id = ended.ok()?;
        let mut rooms = self.rooms();
        let left = rooms.routers.remove(&id);
        if left.is_some_and(|router| !router.mandate.is_sure()) {
            rooms.unsure.insert(id.clone());
        } else {
            rooms.unsure.remove(&id);
        }
        drop(rooms);
        self.ended.notify_waiters();
        Some(id)
    }

    /// Every router that is or was ours.
    fn all(&self) -> BTreeSet<String> {
        let ours = self.catalog.routers(|_| false);
        let ours = ours.into_iter().map(|router| router.id);
        ours.chain(self.rooms().routers.keys().cloned()).collect()
    }

    /// Lets go of these routers, for at most `grace`: those that nobody here
    /// works on any more. None of them comes back before
    /// [`Supervisor::admit`].
    pub(crate) async fn vacate(
        &self,
        routers: &BTreeSet<String>,
        grace: Duration,
    ) -> BTreeSet<String> {
        {
            let mut rooms = self.rooms();
            rooms.vacated.extend(routers.iter().cloned());
            for router in routers.iter().filter_map(|id| rooms.routers.get(id)) {
                router.stop.cancel();
            }
        }
        let left = || {
            let rooms = self.rooms();
            let there = routers.iter().filter(|id| !rooms.routers.contains_key(*id));
            there.cloned().collect::<BTreeSet<String>>()
        };
        let deadline = Instant::now() + grace;
        loop {
            let ended = self.ended.notified();
            let now = left();
            if now.len() == routers.len() || timeout_at(deadline, ended).await.is_err() {
                return now;
            }
        }
    }

    /// These routers may be looked after again.
    pub(crate) fn admit(&self, routers: &BTreeSet<String>) {
        self.rooms().vacated.retain(|id| !routers.contains(id));
        self.settle.notify_one();
    }

    /// Whether a call to this router may be under way.
    pub(crate) fn is_busy(&self, router: &str) -> bool {
        self.rooms().routers.contains_key(router)
    }

    /// Whether calls that nobody waits for may still arrive at this router;
    /// none if nobody here looked after it.
    pub(crate) fn waits(&self, router: &str) -> Option<bool> {
        let rooms = self.rooms();
        match rooms.routers.get(router) {
            Some(router) => Some(!router.mandate.is_sure()),
            None => rooms.unsure.contains(router).then_some(true),
        }
    }

    /// Whether no call may arrive at this router any more but those of who
    /// looks after it here, since this claim of ours.
    pub(crate) fn is_sure_since(&self, router: &str, claim: Revision) -> bool {
        let rooms = self.rooms();
        let router = rooms.routers.get(router);
        router.is_some_and(|router| router.mandate.is_sure_since(claim))
    }

    /// The connection to a router, for who only wants to look.
    pub(super) fn router(&self, id: &str) -> Option<Arc<Router>> {
        self.rooms().routers.get(id).cloned()
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the router's task fit whether it is ours, and where it is.
    fn settle(self: &Arc<Self>, id: &str, stop: &CancellationToken, tasks: &mut JoinSet<String>) {
        let mut rooms = self.rooms();
        let room = rooms.routers.get(id);
        let ours = self.catalog.router(id, room.is_some());
        let ours = ours.filter(|_| !rooms.vacated.contains(id));
        match (room, ours) {
            (Some(room), Some(OurRouter { address, .. })) => {
                room.address.send_if_modified(|current| {
                    let moved = *current != address;
                    *current = address;
                    moved
                });
            }
            (Some(room), None) => room.stop.cancel(),
            (None, Some(ours)) => {
                let room = Arc::new(self.room(&ours, stop));
                rooms.routers.insert(ours.id.clone(), Arc::clone(&room));
                let supervisor = Arc::clone(self);
                tasks.spawn(async move {
                    supervisor.look_after(&room).await;
                    ours.id
                });
            }
            (None, None) => {}
        }
    }

    fn room(&self, router: &OurRouter, stop: &CancellationToken) -> Router {
        let catalog = Arc::clone(&self.catalog);
        Router {
            id: router.id.clone(),
            address: watch::Sender::new(router.address.clone()),
            mandate: Arc::new(Mandate::new(catalog, &router.id, self.settings.caution)),
            link: Arc::new(Link::new()),
            wake: Arc::new(Signal::default()),
            stop: stop.child_token(),
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
                biased;
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
                mandate: router.mandate.clone(),
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
