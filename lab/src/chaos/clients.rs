//! Clients that write and read all the while, at any server, and put down what they were told.
//!
//! They share their rows: several change one row from the version that they know, and only one of
//! them can get through. After an answer that leaves doubt, a row is read before it is written
//! again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinSet;

use super::api::{Answer, Api, Ask, Failure, list_path};
use super::cast;
use super::history::{Asked, Event, History, Kind, Row, Sight, Told, Write};
use super::rows::change;

/// Clients at work at the same time.
const CLIENTS: u64 = 8;

/// Between two requests of one client: the machine has daemons to run, too.
const PACE: Duration = Duration::from_millis(200);

/// The same in a hurry.
const HURRY: Duration = Duration::from_millis(1);

/// How long they wait for an answer: less than a fault lasts, so that some never learn what became
/// of what they asked for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Rows that there are at most.
const ROWS: usize = 36;

/// Deleted rows that are still looked for.
const GRAVES: usize = 48;

/// The clients, and what they know together.
pub struct Clients {
    shared: Arc<Shared>,
    gate: Arc<RwLock<()>>,
    // Ends them when it goes.
    _tasks: JoinSet<()>,
}

struct Shared {
    apis: Vec<Api>,
    history: History,
    began: Instant,
    hurry: AtomicBool,
    numbers: AtomicU64,
    revision: AtomicU64,
    known: Mutex<Known>,
    complaints: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Known {
    /// Rows, each with its version where that is known.
    rows: BTreeMap<Row, Option<u64>>,
    /// Rows that are gone, the latest last.
    graves: VecDeque<Row>,
}

impl Clients {
    /// Lets them begin.
    ///
    /// # Errors
    /// When there is no HTTP client to be had.
    pub fn start(runtime: &tokio::runtime::Handle, seed: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            apis: cast::apis(PATIENCE)?,
            history: History::default(),
            began: Instant::now(),
            hurry: AtomicBool::new(false),
            numbers: AtomicU64::new(1),
            revision: AtomicU64::new(0),
            known: Mutex::default(),
            complaints: Mutex::default(),
        });
        let gate = Arc::new(RwLock::new(()));
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let random = StdRng::seed_from_u64(seed ^ (client + 1).rotate_left(32));
            let life = live(Arc::clone(&shared), Arc::clone(&gate), random);
            tasks.spawn_on(life, runtime);
        }
        Ok(Self {
            shared,
            gate,
            _tasks: tasks,
        })
    }

    /// Lets them ask without a pause, or takes that back: many requests are under way then.
    pub fn hurry(&self, hurry: bool) {
        self.shared.hurry.store(hurry, Relaxed);
    }

    /// Waits until no request is under way, and lets none begin until the answer is dropped.
    pub async fn pause(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// What they were told.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.shared.history
    }

    /// Answers that no client should ever get, each once.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.shared.complaints).clone()
    }

    /// Reads every row that there ever was, at a server, at the latest revision that anybody was
    /// told or later; false when there is no answer.
    pub async fn read_all(&self, server: usize) -> bool {
        let rows = self.shared.history.with(|events| {
            let writes = events.iter().filter_map(|event| match &event.asked {
                Asked::Write(writes) => Some(writes),
                Asked::Read { .. } => None,
            });
            writes
                .flatten()
                .map(|write| write.row)
                .collect::<BTreeSet<_>>()
        });
        let mut answered = true;
        for kind in Kind::ALL {
            let rows = rows
                .iter()
                .filter(|row| row.kind == kind)
                .copied()
                .collect();
            let least = Some(self.shared.revision.load(Relaxed));
            answered &= self.shared.list(server, kind, rows, least).await;
        }
        answered
    }
}

async fn live(shared: Arc<Shared>, gate: Arc<RwLock<()>>, mut random: StdRng) {
    loop {
        let hurries = shared.hurry.load(Relaxed);
        tokio::time::sleep(if hurries { HURRY } else { PACE }).await;
        let _open = gate.read().await;
        let server = random.random_range(0..shared.apis.len());
        match shared.choose(&mut random) {
            Choice::Write(writes) => shared.write(server, writes).await,
            Choice::Read(row) => shared.read(server, row, random.random()).await,
            Choice::List(kind) => {
                let rows = shared.watched(kind);
                let least = random.random::<bool>();
                let least = least.then(|| shared.revision.load(Relaxed));
                shared.list(server, kind, rows, least).await;
            }
        }
    }
}

enum Choice {
    Write(Vec<Write>),
    Read(Row),
    List(Kind),
}

impl Shared {
    /// What a client does next.
    fn choose(&self, random: &mut StdRng) -> Choice {
        let kind = *Kind::ALL.choose(random).unwrap_or(&Kind::Mark);
        let rows: Vec<(Row, Option<u64>)> = {
            let known = lock(&self.known);
            known.rows.iter().map(|(row, base)| (*row, *base)).collect()
        };
        // One in doubt is looked at first.
        if let Some((row, _)) = rows.iter().find(|(_, base)| base.is_none())
            && random.random_ratio(1, 2)
        {
            return Choice::Read(*row);
        }
        let settled: Vec<(Row, u64)> = rows
            .iter()
            .filter_map(|(row, base)| Some((*row, (*base)?)))
            .collect();
        let some = |random: &mut StdRng, count: usize| -> Vec<(Row, u64)> {
            settled.sample(random, count).copied().collect()
        };
        match random.random_range(0..20) {
            0..4 if rows.len() < ROWS => Choice::Write(vec![self.creation(kind)]),
            4..10 => Choice::Write(
                some(random, 1)
                    .into_iter()
                    .map(|at| self.update(at))
                    .collect(),
            ),
            10..12 => Choice::Write(some(random, 1).into_iter().map(deletion).collect()),
            12..15 => {
                let count = random.random_range(2..=4);
                let mut writes: Vec<_> = some(random, count)
                    .into_iter()
                    .map(|at| {
                        if random.random_ratio(1, 6) {
                            deletion(at)
                        } else {
                            self.update(at)
                        }
                    })
                    .collect();
                if rows.len() < ROWS && random.random_ratio(1, 3) {
                    writes.push(self.creation(kind));
                }
                Choice::Write(writes)
            }
            15..17 => some(random, 1)
                .first()
                .map_or(Choice::List(kind), |(row, _)| Choice::Read(*row)),
            _ => Choice::List(kind),
        }
    }

    /// A number that was never used: a row's, or a value.
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    fn creation(&self, kind: Kind) -> Write {
        let row = Row {
            kind,
            number: self.number(),
        };
        let value = Some(self.number());
        Write {
            row,
            base: 0,
            value,
        }
    }

    fn update(&self, (row, base): (Row, u64)) -> Write {
        let value = Some(self.number());
        Write { row, base, value }
    }

    /// Rows of a kind that a list is held against.
    fn watched(&self, kind: Kind) -> BTreeSet<Row> {
        let known = lock(&self.known);
        let rows = known.rows.keys().chain(&known.graves);
        rows.filter(|row| row.kind == kind).copied().collect()
    }

    async fn write(&self, server: usize, writes: Vec<Write>) {
        let Some(ask) = request(&writes) else {
            return;
        };
        // Others may see a row before its creator hears of it.
        for write in writes.iter().filter(|write| write.base == 0) {
            lock(&self.known).rows.insert(write.row, None);
        }
        let asked_at = self.began.elapsed();
        let answer = self.apis[server].send(&ask).await;
        let told = self.outcome(&ask, &answer);
        for write in &writes {
            self.learn(write, &told);
        }
        self.put_down(asked_at, server, Asked::Write(writes), told);
    }

    fn outcome(&self, ask: &Ask, answer: &Result<Answer, Failure>) -> Told {
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure::NotSent(_)) => return Told::Refused,
            Err(Failure::Lost(_)) => return Told::Unknown,
        };
        let status = answer.status;
        match (status, answer.revision) {
            (status, Some(revision)) if status.is_success() => Told::Made { revision },
            (StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _) => {
                Told::Refused
            }
            _ => {
                self.unless_unavailable(ask, answer);
                if status.is_client_error() {
                    Told::Refused
                } else {
                    Told::Unknown
                }
            }
        }
    }

    /// What a write's answer says of the row's version.
    fn learn(&self, write: &Write, told: &Told) {
        let mut known = lock(&self.known);
        match told {
            Told::Made { .. } if write.value.is_none() => known.bury(write.row),
            Told::Made { .. } => known.raise(write.row, write.base + 1),
            // It may be there, or somebody else was faster: a look will tell.
            _ => known.doubt(write.row, write.base),
        }
    }

    async fn read(&self, server: usize, row: Row, fresh: bool) {
        let least = fresh.then(|| self.revision.load(Relaxed));
        let fields = row
            .kind
            .fields()
            .iter()
            .map(|field| format!("_fields={field}"));
        let path = format!("{}?{}", row.path(), fields.collect::<Vec<_>>().join("&"));
        let asked_at = self.began.elapsed();
        let answer = self.ask(server, path, least).await;
        let told = match answer {
            Some(answer) => {
                let shown = &answer.body[row.kind.singular()];
                let sight = match answer.status {
                    StatusCode::OK => row.sight(shown, answer.version),
                    _ => Sight::Absent,
                };
                self.see(row, sight, fresh);
                // That a row is not there is told without a revision, so it is no evidence: lists
                // are.
                answer.revision.map_or(Told::Nothing, |revision| Told::Saw {
                    revision,
                    rows: BTreeMap::from([(row, sight)]),
                })
            }
            None => Told::Nothing,
        };
        self.put_down(asked_at, server, Asked::Read { least }, told);
    }

    /// A row that a read saw. One from before a write of our own tells nothing new.
    fn see(&self, row: Row, sight: Sight, fresh: bool) {
        let mut known = lock(&self.known);
        match sight {
            Sight::There {
                version: Some(version),
                ..
            } => known.raise(row, version),
            Sight::Absent if fresh && known.rows.get(&row) == Some(&None) => known.bury(row),
            Sight::There { .. } | Sight::Absent => {}
        }
    }

    async fn list(
        &self,
        server: usize,
        kind: Kind,
        watched: BTreeSet<Row>,
        least: Option<u64>,
    ) -> bool {
        let path = list_path(kind.plural(), kind.fields());
        let asked_at = self.began.elapsed();
        let answer = self.ask(server, path, least).await;
        let answer = answer.filter(|answer| answer.status == StatusCode::OK);
        let told = answer.and_then(|answer| {
            let shown = answer.body[kind.plural()].as_array()?;
            let mut rows: BTreeMap<_, _> = watched
                .into_iter()
                .map(|row| (row, Sight::Absent))
                .collect();
            for shown in shown {
                if let Some(row) = Row::of(kind, shown) {
                    rows.insert(row, row.sight(shown, None));
                }
            }
            let revision = answer.revision?;
            Some(Told::Saw { revision, rows })
        });
        let answered = told.is_some();
        let told = told.unwrap_or(Told::Nothing);
        self.put_down(asked_at, server, Asked::Read { least }, told);
        answered
    }

    /// A read's answer, where it is one.
    async fn ask(&self, server: usize, path: String, least: Option<u64>) -> Option<Answer> {
        let query = least.map(|least| format!("&min_revision={least}"));
        let ask = Ask::get(format!("{path}{}", query.unwrap_or_default()));
        let answer = self.apis[server].send(&ask).await.ok()?;
        if [StatusCode::OK, StatusCode::NOT_FOUND].contains(&answer.status) {
            return Some(answer);
        }
        self.unless_unavailable(&ask, &answer);
        None
    }

    fn put_down(&self, asked_at: Duration, server: usize, asked: Asked, told: Told) {
        if let Told::Made { revision } | Told::Saw { revision, .. } = told {
            self.revision.fetch_max(revision, Relaxed);
        }
        self.history.add(Event {
            asked_at,
            server,
            asked,
            told,
        });
    }

    /// Remembers an answer that nobody should get, whatever has failed. Unavailable is what a
    /// server may be while something is wrong.
    fn unless_unavailable(&self, ask: &Ask, answer: &Answer) {
        let fine = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if fine.contains(&answer.status) {
            return;
        }
        let complaint = format!(
            "{} {}: {}: {}",
            ask.method, ask.path, answer.status, answer.body
        );
        let mut complaints = lock(&self.complaints);
        if complaints.len() < 20 && !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }
}

impl Known {
    /// The row has come to this version; one known to be gone stays so.
    fn raise(&mut self, row: Row, version: u64) {
        if let Some(known) = self.rows.get_mut(&row) {
            *known = Some(known.map_or(version, |known| known.max(version)));
        }
    }

    /// The row may no longer be at this version.
    fn doubt(&mut self, row: Row, version: u64) {
        if let Some(known) = self.rows.get_mut(&row)
            && known.is_none_or(|known| known <= version)
        {
            *known = None;
        }
    }

    fn bury(&mut self, row: Row) {
        if self.rows.remove(&row).is_some() {
            self.graves.push_back(row);
            if self.graves.len() > GRAVES {
                self.graves.pop_front();
            }
        }
    }
}

fn deletion((row, base): (Row, u64)) -> Write {
    let value = None;
    Write { row, base, value }
}

/// The request that makes these writes; `None` where there is nothing to write.
fn request(writes: &[Write]) -> Option<Ask> {
    let ask = |method, path, version, body: Option<Value>| Ask {
        method,
        path,
        version,
        body,
    };
    match writes {
        [] => None,
        [write] => {
            let (row, base) = (write.row, write.base);
            let collection = format!("/v2.0/{}", row.kind.plural());
            Some(match (base, write.value) {
                (0, Some(value)) => ask(Method::POST, collection, None, Some(row.body(value))),
                (base, Some(value)) => ask(
                    Method::PATCH,
                    row.path(),
                    Some(base),
                    Some(row.patch(value)),
                ),
                (base, None) => ask(Method::DELETE, row.path(), Some(base), None),
            })
        }
        several => {
            let changes: Vec<_> = several.iter().map(change).collect();
            let body = json!({ "changes": changes });
            Some(ask(
                Method::POST,
                "/sdwan/v1/transaction".to_owned(),
                None,
                Some(body),
            ))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one client takes nothing away from the others.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
