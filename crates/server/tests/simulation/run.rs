//! One history from its start to its end: what happens to whom, then the
//! healing, then quiet.

use super::address;
use super::chance::Chance;
use super::end;
use super::history::{Event, History};
use super::judge::{Judge, Kind, Violation};
use super::operator::{Operator, neighbor};
use super::process::{Cut, Process};
use super::seat::{Plant, Seat, Shared};
use super::trace::Trace;
use super::wire::Wires;
use crate::support::{Server, World};
use sdwan_model::observed::SessionState;
use sdwan_server::cluster;
use sdwan_server::reconcile::Settings;
use sdwan_store::faults::Faulty;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Nothing may happen for so long before it counts as quiet: longer than any
/// wait of a server's.
const QUIET: Duration = Duration::from_secs(40);
/// How long it may take to become quiet.
const RESTLESS: Duration = Duration::from_secs(600);

/// What became of a history.
pub struct Outcome {
    pub violations: Vec<Violation>,
    pub digest: u64,
    /// If they were to be kept.
    pub lines: Vec<String>,
}

thread_local! {
    /// What panicked while this thread ran a history.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Tasks that panic say so to nobody but this.
fn hear_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            before(info);
        }));
    });
}

/// Runs the history of a seed, with a bug if one is planted.
pub fn run(seed: u64, plant: Option<Plant>, kept: bool) -> Outcome {
    hear_panics();
    PANICS.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut outcome = runtime.block_on(async {
        let simulation = Simulation::new(seed, plant, kept);
        simulation.run().await
    });
    let panics = PANICS.take().into_iter();
    outcome.violations.extend(panics.map(|words| Violation {
        kind: Kind::Panic,
        words,
    }));
    outcome
}

struct Simulation {
    history: History,
    world: Arc<World>,
    chance: Arc<Chance>,
    judge: Arc<Judge>,
    shared: Arc<Shared>,
    operator: Arc<Operator>,
    /// Routers and neighbors that are away.
    away: Arc<Mutex<BTreeSet<(u8, u8)>>>,
    slots: Vec<Option<Running>>,
    /// Every process that there was.
    processes: Vec<Arc<Process>>,
}

/// A server that runs.
pub struct Running {
    pub process: Arc<Process>,
    pub server: Server,
}

impl Simulation {
    fn new(seed: u64, plant: Option<Plant>, kept: bool) -> Self {
        let history = History::of(seed);
        let chance = Arc::new(Chance::new(seed));
        let jitter = chance.clone();
        let mut world = World::new();
        world.settings = Settings::new(Arc::new(move || jitter.share()));
        let world = Arc::new(world);
        let judge = Arc::new(Judge::new(world.clone(), Arc::new(Trace::new(kept))));
        let gap = 10 + chance.up_to(100);
        Self {
            shared: Shared::new(world.clone(), judge.clone(), plant, gap),
            operator: Arc::new(Operator::new(judge.clone())),
            away: Arc::default(),
            slots: (0..history.servers).map(|_| None).collect(),
            processes: Vec::new(),
            history,
            world,
            chance,
            judge,
        }
    }

    async fn run(mut self) -> Outcome {
        for router in 1..=self.history.routers {
            self.world.daemon(&address(router)).let_updates_flap();
        }
        tokio::spawn(self.shared.clone().follow());
        tokio::spawn(neighbors_connect(
            self.world.clone(),
            self.history.routers,
            self.away.clone(),
            self.chance.clone(),
        ));
        let start = Instant::now();
        for (at, event) in std::mem::take(&mut self.history.events) {
            sleep_until(start + at).await;
            self.judge.trace.note(|| format!("{event:?}"));
            self.happens(event).await;
        }
        sleep_until(start + self.history.ends).await;
        self.heal().await;
        if self.becomes_quiet().await {
            end::look(
                &self.world,
                &self.judge,
                &self.operator,
                &self.slots,
                self.history.routers,
            )
            .await;
        }
        Outcome {
            violations: self.judge.violations(),
            digest: self.judge.trace.digest(),
            lines: self.judge.trace.take_lines(),
        }
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Start(slot) => self.start(slot).await,
            Event::Kill(slot) => self.kill(slot),
            Event::Term(slot) => self.term(slot),
            Event::Write(slot, write) => {
                if let Some(running) = &self.slots[slot] {
                    let (operator, catalog) =
                        (self.operator.clone(), running.server.catalog.clone());
                    tokio::spawn(async move { operator.ask(catalog, write).await });
                }
            }
            Event::Compact => self.shared.compact(),
            Event::DaemonRestart(router) => self.world.daemon(&address(router)).restart_empty(),
            Event::DaemonDown(router, time) => {
                let daemon = self.world.daemon(&address(router));
                daemon.cut();
                after(time, move || daemon.mend());
            }
            Event::NeighborDown(router, number, time) => {
                let away = self.away.clone();
                away.lock().unwrap().insert((router, number));
                let daemon = self.world.daemon(&address(router));
                let known = daemon.observed().peers.contains_key(&neighbor(number));
                if known {
                    let name = neighbor(number).to_string();
                    daemon.session(&name, SessionState::Active, "hold timer expired");
                }
                after(time, move || {
                    away.lock().unwrap().remove(&(router, number));
                });
            }
            Event::Stop { server, time, late } => {
                self.to(server, time, |p| p.stop(late), |p| p.go_on());
            }
            Event::StoreCut(server, time) => {
                self.to(server, time, |p| p.cut_store(true), |p| p.cut_store(false));
            }
            Event::RouterCut {
                server,
                router,
                silent,
                time,
            } => {
                let (here, cut) = (
                    address(router),
                    if silent { Cut::Silent } else { Cut::Refused },
                );
                let there = here.clone();
                let (begin, end) = (
                    move |p: &Process| p.cut_router(&here, Some(cut)),
                    move |p: &Process| p.cut_router(&there, None),
                );
                self.to(server, time, begin, end);
            }
            Event::LoseCommits(server, answers) => {
                self.to(server, Duration::ZERO, |p| p.lose_commits(&answers), |_| {});
            }
            Event::LoseCall(server, calls, answer) => {
                self.to(
                    server,
                    Duration::ZERO,
                    |p| p.lose_call(calls, answer),
                    |_| {},
                );
            }
            Event::BreakWatch(server) => {
                self.to(server, Duration::ZERO, |p| p.break_watch(), |_| {});
            }
        }
    }

    /// Something that befalls a server's process, and is over after a while.
    fn to(
        &self,
        slot: usize,
        time: Duration,
        begin: impl FnOnce(&Process),
        end: impl FnOnce(&Process) + Send + 'static,
    ) {
        let Some(running) = &self.slots[slot] else {
            return;
        };
        let process = running.process.clone();
        begin(&process);
        after(time, move || end(&process));
    }

    async fn start(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            return;
        }
        let process = Process::new(self.chance.clone());
        self.processes.push(process.clone());
        let seat = Seat {
            shared: self.shared.clone(),
            process: process.clone(),
        };
        let wires = Wires {
            network: self.world.network.clone(),
            judge: self.judge.clone(),
            process: process.clone(),
        };
        let settings = cluster::Settings {
            lease: self.history.lease,
            ..cluster::Settings::default()
        };
        let store = Arc::new(Faulty::new(Arc::new(seat)));
        match self
            .world
            .launch_on(store, Arc::new(wires), Some(settings))
            .await
        {
            Ok(server) => {
                process.is_called(server.catalog.tenure().instance());
                self.judge
                    .trace
                    .note(|| format!("{slot} is {}", process.name()));
                self.slots[slot] = Some(Running { process, server });
            }
            Err(error) => self
                .judge
                .accuse(Kind::Restless, &format!("no start: {error}")),
        }
    }

    fn kill(&mut self, slot: usize) {
        if let Some(Running { process, server }) = self.slots[slot].take() {
            process.die();
            tokio::spawn(server.kill());
        }
    }

    fn term(&mut self, slot: usize) {
        if let Some(Running { process, server }) = self.slots[slot].take() {
            tokio::spawn(async move {
                server.stop().await;
                process.die();
            });
        }
    }

    async fn heal(&mut self) {
        self.judge.trace.note(|| "everything is healed".into());
        for process in &self.processes {
            process.heal();
        }
        for router in 1..=self.history.routers {
            self.world.daemon(&address(router)).mend();
        }
        self.away.lock().unwrap().clear();
        for slot in 0..self.history.servers {
            self.start(slot).await;
        }
    }

    async fn becomes_quiet(&self) -> bool {
        let start = Instant::now();
        let mut last = None;
        while start.elapsed() < RESTLESS {
            let now = (self.world.revision().await, self.world.network.writes());
            if last == Some(now) {
                return true;
            }
            last = Some(now);
            sleep(QUIET).await;
        }
        let words = format!("after {RESTLESS:?} there are still commits or calls");
        self.judge.accuse(Kind::Restless, &words);
        false
    }
}

fn after(time: Duration, then: impl FnOnce() + Send + 'static) {
    if time.is_zero() {
        return then();
    }
    tokio::spawn(async move {
        sleep(time).await;
        then();
    });
}

/// The other ends of the sessions: they come up, some sooner, some later.
async fn neighbors_connect(
    world: Arc<World>,
    routers: u8,
    away: Arc<Mutex<BTreeSet<(u8, u8)>>>,
    chance: Arc<Chance>,
) {
    loop {
        sleep(Duration::from_millis(900)).await;
        for router in 1..=routers {
            let daemon = world.daemon(&address(router));
            for number in 1..=super::history::NEIGHBORS {
                let there = !away.lock().unwrap().contains(&(router, number));
                let idle = || daemon.awaits(neighbor(number));
                if there && idle() && chance.up_to(2) == 0 {
                    let name = neighbor(number).to_string();
                    daemon.session(&name, SessionState::Established, "");
                }
            }
        }
    }
}
