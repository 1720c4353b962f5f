//! The one who writes: a thread of its own, since a disk may take its time.
//! Whatever waits goes into one write; what can't be written is kept and
//! tried again, and meanwhile [`super::Recorder::ready`] lets nothing be
//! changed that could not be accounted for.

use super::chain::Line;
use super::damper::{By, Damper, Sort, WINDOW};
use super::entry::{Entry, Outcome, Record};
use super::file::Log;
use super::syslog::{self, Severity};
use super::{Clock, Shared, time};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Entries in one write.
const BATCH: usize = 512;
/// How long a line may be in the file without being safe from a power
/// failure, and how long after a failure it is tried again.
const SECOND: Duration = Duration::from_secs(1);

pub(super) enum Message {
    /// Something was done; who asks is told once it is written.
    Entry(Box<Entry>, Option<oneshot::Sender<()>>),
    /// Write what there is and end.
    Stop(oneshot::Sender<()>),
}

pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) syslog: Option<syslog::Sender>,
    pub(super) shared: Arc<Shared>,
    pub(super) server: String,
    pub(super) clock: Clock,
    /// How often the head is published.
    pub(super) heads: Duration,
}

/// What is not in the file yet.
#[derive(Default)]
struct Pending {
    records: Vec<(Severity, Record)>,
    asked: Vec<oneshot::Sender<()>>,
    /// Messages that this is of.
    taken: usize,
}

/// When something is to be done without being asked.
struct Due {
    sync: Instant,
    turn: Instant,
    head: Instant,
}

impl Writer {
    /// Works until it is told to stop, or everybody else has gone.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        let mut pending = Pending::default();
        let mut damper = Damper::default();
        let now = Instant::now();
        let mut due = Due {
            sync: now + SECOND,
            turn: now + WINDOW,
            head: now + self.heads,
        };
        let mut told = self.publish(None);
        let stop = loop {
            let next = due.sync.min(due.turn).min(due.head);
            let wait = next.saturating_duration_since(Instant::now());
            let stop = match queue.recv_timeout(wait) {
                Ok(message) => self.take(message, queue, &mut pending, &mut damper),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(None),
            };
            let now = Instant::now();
            if now >= due.turn || stop.is_some() {
                due.turn = now + WINDOW;
                self.turn(&mut damper, &mut pending);
            }
            let first = self.log.first();
            self.write(&mut pending);
            if now >= due.sync || stop.is_some() {
                due.sync = now + SECOND;
                self.sync(&pending);
            }
            if now >= due.head || first != self.log.first() || stop.is_some() {
                due.head = now + self.heads;
                told = self.publish(Some(told));
            }
            if let Some(stop) = stop {
                break stop;
            }
        };
        if !pending.records.is_empty() {
            let entries = pending.records.len();
            tracing::error!(
                entries,
                "the audit ends without them: its file can't be written"
            );
        }
        // Its queue first, so that who waits finds everything sent.
        drop(self.syslog);
        drop(self.log);
        if let Some(stop) = stop {
            let _ = stop.send(());
        }
    }

    /// Takes in a message and what waits behind it. Answers whether that is
    /// all there will be.
    fn take(
        &self,
        message: Message,
        queue: &Receiver<Message>,
        pending: &mut Pending,
        damper: &mut Damper,
    ) -> Option<Option<oneshot::Sender<()>>> {
        let behind = queue.try_iter().take(BATCH);
        for message in std::iter::once(message).chain(behind) {
            match message {
                Message::Stop(asked) => return Some(Some(asked)),
                Message::Entry(entry, asked) => {
                    pending.taken += 1;
                    if sort(&entry).is_none_or(|sort| damper.passes(sort)) {
                        let severity = severity(entry.outcome);
                        let records = entry.records(&self.server, syslog::MESSAGE);
                        let records = records.into_iter().map(|record| (severity, record));
                        pending.records.extend(records);
                    }
                    pending.asked.extend(asked);
                }
            }
        }
        None
    }

    /// What was only counted becomes entries.
    fn turn(&self, damper: &mut Damper, pending: &mut Pending) {
        for (sort, times) in damper.turn() {
            let (caller, from) = match sort.by {
                By::Caller(id) => (Some(id), None),
                By::Address(from) => (None, from),
                By::Others => (None, None),
            };
            pending.say(json!({
                "time": self.now(),
                "server": self.server,
                "event": "repeated",
                "caller": caller.map(|id| json!({ "id": id })),
                "from": from,
                "status": sort.status,
                "outcome": Outcome::Refused,
                "times": times,
            }));
        }
        let entries = self.shared.lost.swap(0, Ordering::Relaxed);
        if entries > 0 {
            pending.say(json!({
                "time": self.now(),
                "server": self.server,
                "event": "lost",
                "entries": entries,
            }));
        }
    }

    fn write(&mut self, pending: &mut Pending) {
        if pending.records.is_empty() {
            // Also who was only counted gets an answer.
            pending.answer(&self.shared);
            return;
        }
        let records = pending.records.iter();
        let whole: Vec<&[u8]> = records.map(|(_, record)| &*record.whole).collect();
        match self.log.append(&whole, &self.now()) {
            Err(error) => {
                self.shared.fail(&error.to_string());
                // Who waits goes on: it is kept, and tried again.
                pending.asked.clear();
            }
            Ok(lines) => {
                self.shared.work();
                let entries = pending.records.len() as u64;
                self.shared.written.fetch_add(entries, Ordering::Relaxed);
                pending.answer(&self.shared);
                self.tell(&lines, std::mem::take(&mut pending.records));
            }
        }
    }

    /// To syslog: the lines themselves where they are short enough.
    fn tell(&self, lines: &[u8], records: Vec<(Severity, Record)>) {
        let Some(syslog) = &self.syslog else {
            return;
        };
        let now = (self.clock)();
        let lines = lines.split(|b| *b == b'\n');
        for (line, (severity, record)) in lines.zip(records) {
            let text = match (record.short, Line::parse(line)) {
                (Some(short), Some(Line { seq, mac, .. })) => {
                    let short = String::from_utf8_lossy(&short[1..short.len() - 1]).into_owned();
                    format!("{{\"seq\":{seq},{short},\"cut\":true,\"mac\":\"{mac}\"}}").into()
                }
                _ => line.to_vec(),
            };
            syslog.send(severity, now, text);
        }
    }

    fn sync(&mut self, pending: &Pending) {
        match self.log.sync() {
            Err(error) => self.shared.fail(&error.to_string()),
            Ok(()) if pending.records.is_empty() => self.shared.work(),
            Ok(()) => {}
        }
    }

    /// Says the head where nobody who can write the file can take it back;
    /// answers its number. `told` is the last one that was said.
    fn publish(&mut self, told: Option<u64>) -> u64 {
        let said = self.log.published();
        let seq = said.head.seq;
        if told == Some(seq) {
            return seq;
        }
        // A head of lines that a power failure takes would cry wolf.
        if let Err(error) = self.log.sync() {
            self.shared.fail(&error.to_string());
            return told.unwrap_or_default();
        }
        tracing::info!("{said}");
        if let Some(syslog) = &self.syslog {
            let text = said.to_string().into_bytes();
            syslog.send(Severity::Notice, (self.clock)(), text);
        }
        seq
    }

    fn now(&self) -> String {
        time((self.clock)())
    }
}

impl Pending {
    fn say(&mut self, record: Value) {
        let record = Record {
            whole: record.to_string().into_bytes(),
            short: None,
        };
        self.records.push((Severity::Warning, record));
    }

    fn answer(&mut self, shared: &Shared) {
        let taken = std::mem::take(&mut self.taken);
        shared.waiting.fetch_sub(taken, Ordering::Relaxed);
        for asked in self.asked.drain(..) {
            // Who has gone does not want to know.
            let _ = asked.send(());
        }
    }
}

/// Which refusals count together; `None` for what is always an entry.
fn sort(entry: &Entry) -> Option<Sort> {
    let refused = entry.outcome == Outcome::Refused && entry.changes.is_empty();
    let asked = entry.asked.as_ref().filter(|_| refused)?;
    Some(Sort {
        by: match &entry.caller {
            Some(caller) => By::Caller(caller.id.clone()),
            None => By::Address(asked.from.map(|from| from.ip())),
        },
        status: asked.status,
    })
}

fn severity(outcome: Outcome) -> Severity {
    match outcome {
        Outcome::Done => Severity::Info,
        Outcome::Refused => Severity::Notice,
        Outcome::Failed | Outcome::Unknown => Severity::Warning,
    }
}
