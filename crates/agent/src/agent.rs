//! The loop: what gobgpd and the kernel tell goes into the table, what is due
//! goes into the kernel.
//!
//! ```text
//! gobgpd ──follow──► Told ──┐                    ┌─► Writer ──► kernel
//!                           ├──► Agent: Fib, Hold┤
//! kernel ──Events──► Heard ─┘                    └─► announce ──► gobgpd
//!                                  ▲
//!                          http ───┘ asks for a Status
//! ```

mod claim;
mod link;
mod report;

pub(crate) use claim::lock;
pub use claim::{Error, check_protocol};

use crate::announce::{Announced, Redistribute};
use crate::fib::{Change, Fib, Look, Mark, Trouble};
use crate::gobgp::{self, Announce, Ties, Told};
use crate::hold::Over;
use crate::netlink::{self, Events, Heard, Writer};
use crate::status::{Status, Totals};
use link::Link;
use sdwan_gobgp::types::{BestChange, Family};
use sdwan_gobgp::{Options, Tls};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Changes that are made at once: a few milliseconds of the kernel's time.
const AT_ONCE: usize = 1000;
/// Batches of gobgpd's that may wait; it sends the next ones when they are taken.
const WAITING: usize = 64;
/// How often time alone may matter.
const TICK: Duration = Duration::from_millis(100);
/// From the first sign of a silent loss to the full look: the kernel tells
/// that a link goes down before it drops what leads over it.
const AUDIT_DELAY: Duration = Duration::from_millis(100);
/// Between two full looks.
const AUDIT_PAUSE: Duration = Duration::from_millis(300);
/// A route that the kernel refused is tried again after this, then ever later.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// gobgpd's API.
    pub gobgpd: String,
    /// How to speak TLS with it, where it does.
    pub tls: Option<Tls>,
    /// What tells our routes.
    pub mark: Mark,
    /// How long what gobgpd has not confirmed may stay.
    pub hold: Duration,
    /// What BGP is told of.
    pub redistribute: BTreeSet<Redistribute>,
}

impl Settings {
    /// How to connect to gobgpd.
    pub(crate) fn options(&self) -> Options {
        Options {
            tls: self.tls.clone(),
            ..Options::default()
        }
    }
}

/// To ask the agent how things stand.
pub type Questions = mpsc::Sender<oneshot::Sender<Status>>;

/// The agent.
pub struct Agent {
    settings: Settings,
    fib: Fib,
    writer: Writer,
    events: Events,
    link: Link,
    announced: Announced,
    announce: watch::Sender<Announce>,
    told: mpsc::Receiver<Told>,
    asking: watch::Sender<bool>,
    /// A route came from a neighbor of which it is not known where it is.
    misses_neighbor: bool,
    questions: mpsc::Receiver<oneshot::Sender<Status>>,
    totals: Totals,
    step: (bool, Instant),
    last_audit: Instant,
    /// Since when a full look is due.
    audit_due: Option<Instant>,
    retry: Option<(Instant, Duration)>,
    /// Nobody else runs with this mark while it is held.
    _lock: std::os::unix::net::UnixListener,
}

impl Agent {
    /// Looks at the kernel, takes over what an earlier run left, and begins to
    /// follow gobgpd.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start(settings: Settings) -> Result<(Self, Questions), Error> {
        let mark = settings.mark;
        let lock = lock(mark)?;
        let mut writer = Writer::open(mark)?;
        writer.check_permission()?;
        // First listen, then look: what happens in between is heard.
        let events = Events::open(netlink::tables(mark), writer.port())?;
        let (view, own) = netlink::look(mark)?.into_view();
        check_protocol(mark, &own)?;
        let announced = Announced::new(settings.redistribute.clone(), &view);
        let mut fib = Fib::new(mark, view);
        let count = fib.take_over(own);
        let Mark {
            table,
            protocol,
            metric,
        } = mark;
        tracing::info!(
            table,
            protocol,
            metric,
            "took {count} routes over from an earlier run"
        );
        let (out, told) = mpsc::channel(WAITING);
        let (ask, questions) = mpsc::channel(8);
        let announce = watch::Sender::new(Announce::default());
        let asking = watch::Sender::new(false);
        let client = watch::Sender::new(None);
        tokio::spawn(gobgp::announce(announce.subscribe(), client.subscribe()));
        let ties = Ties {
            out,
            asking: asking.subscribe(),
            client,
        };
        tokio::spawn(gobgp::follow(
            settings.gobgpd.clone(),
            settings.options(),
            ties,
        ));
        let now = Instant::now();
        let agent = Self {
            link: Link::new(settings.hold),
            settings,
            fib,
            writer,
            events,
            announced,
            announce,
            told,
            asking,
            misses_neighbor: false,
            questions,
            totals: Totals::default(),
            step: (false, now),
            last_audit: now,
            audit_due: None,
            retry: None,
            _lock: lock,
        };
        agent.want_announced();
        Ok((agent, ask))
    }

    /// Runs until `stop` is ready. The routes stay.
    ///
    /// # Errors
    /// When the kernel can't be talked to any more.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut stop = std::pin::pin!(stop);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.work()?;
            let (due, timed) = (self.fib.is_due(), self.is_timed());
            tokio::select! {
                biased;
                () = &mut stop => break,
                heard = self.events.next() => self.hear(heard?)?,
                Some(answer) = self.questions.recv() => {
                    // One that asked and went away needs no answer.
                    let _ = answer.send(self.status());
                }
                told = self.told.recv() => match told {
                    Some(told) => self.take(told),
                    None => return Err(Error::Ended("following gobgpd")),
                },
                _ = tick.tick(), if timed => {}
                () = std::future::ready(()), if due => {}
            }
        }
        let installed = self.fib.counts().installed;
        tracing::info!("stopped; {installed} routes stay in the kernel");
        Ok(())
    }

    /// One batch of what is due.
    fn work(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        self.in_time(now);
        if self.fib.is_due() {
            let changes = self.fib.due(AT_ONCE);
            self.write(&changes)?;
        } else if self.is_time_for_an_audit(now) {
            self.audit(now)?;
        }
        self.log_notices();
        let step = self.why_not_in_step().is_none();
        if step != self.step.0 {
            self.step = (step, now);
        }
        Ok(())
    }

    fn is_time_for_an_audit(&mut self, now: Instant) -> bool {
        if !self.fib.is_audit_due() {
            return false;
        }
        let since = *self.audit_due.get_or_insert(now);
        now >= since + AUDIT_DELAY && now >= self.last_audit + AUDIT_PAUSE
    }

    fn audit(&mut self, now: Instant) -> Result<(), Error> {
        (self.last_audit, self.audit_due) = (now, None);
        match netlink::look_at_routes(self.settings.mark) {
            Ok(look) => self.compare(look),
            // It stays due.
            Err(error @ netlink::Error::Unsteady(_)) => tracing::warn!("{error}"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn compare(&mut self, look: Look) {
        self.totals.audits += 1;
        if let Err(error) = check_protocol(self.settings.mark, look.own()) {
            tracing::error!("{error}");
        }
        self.fib.audit(look);
        if self.announced.look(self.fib.view()) {
            self.want_announced();
        }
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Error> {
        let report = self.writer.write(changes)?;
        self.totals.changes += changes.len() as u64;
        self.totals.refused += report.failed.len() as u64;
        for (prefix, trouble) in report.failed {
            let again = matches!(trouble, Trouble::Refused(_));
            self.fib.failed(prefix, trouble);
            if again && self.retry.is_none() {
                self.retry = Some((Instant::now() + RETRY.0, RETRY.0));
            }
        }
        if report.doubt {
            self.fib.ask_for_audit();
        }
        Ok(())
    }

    /// What only time brings.
    fn in_time(&mut self, now: Instant) {
        for (family, over, waited_for) in self.link.over(now) {
            let count = self.fib.sweep(family == Family::IPV6_UNICAST);
            let family = if family == Family::IPV6_UNICAST {
                "IPv6"
            } else {
                "IPv4"
            };
            match over {
                Over::Complete => {
                    tracing::info!(
                        "gobgpd has told all {family} routes; {count} that it did not confirm go"
                    );
                }
                Over::Expired => {
                    let missing = waited_for.iter().map(ToString::to_string);
                    let missing: Vec<String> = missing.collect();
                    tracing::info!(
                        missing = missing.join(" "),
                        "the hold is over; {count} {family} routes that gobgpd did not confirm go"
                    );
                }
            }
        }
        let ask = self.link.is_holding() || self.misses_neighbor;
        self.asking
            .send_if_modified(|asking| std::mem::replace(asking, ask) != ask);
        if self.link.has_been_gone_for_too_long(now) {
            self.fib.begin();
            let count: usize = [false, true].into_iter().map(|v6| self.fib.sweep(v6)).sum();
            tracing::warn!(
                "gobgpd has been gone for {} s, and its neighbors with it; its {count} routes go",
                self.settings.hold.as_secs()
            );
        }
        if let Some((at, pause)) = self.retry
            && now >= at
        {
            self.fib.try_all_again();
            let pause = (pause * 2).min(RETRY.1);
            self.retry = (self.fib.counts().unresolved() > 0).then_some((now + pause, pause));
        }
    }

    /// Whether time alone can bring something.
    fn is_timed(&self) -> bool {
        self.link.is_timed() || self.retry.is_some() || self.fib.is_audit_due()
    }

    fn hear(&mut self, heard: Heard) -> Result<(), Error> {
        let mut changed = false;
        for event in heard.events {
            let touched = self.fib.kernel(event);
            changed |= self.announced.changed(self.fib.view(), &touched);
        }
        if changed {
            self.want_announced();
        }
        if heard.lost {
            self.totals.overruns += 1;
            tracing::warn!("the kernel told more than could be heard; looking at everything");
            let mut seen = netlink::look(self.settings.mark)?;
            for event in seen.differences(self.fib.view()) {
                self.fib.kernel(event);
            }
            self.compare(std::mem::take(&mut seen.routes));
        }
        Ok(())
    }

    fn take(&mut self, told: Told) {
        let now = Instant::now();
        match told {
            Told::Connected => {
                self.totals.connections += 1;
                let connection = self.totals.connections;
                self.announce
                    .send_modify(|announce| announce.connection = connection);
                self.fib.begin();
                self.link.connected(now);
                tracing::info!(gobgpd = self.settings.gobgpd, "following gobgpd");
            }
            Told::Routes(changes) => {
                self.link.changed(now);
                for change in &changes {
                    self.want(change);
                }
            }
            Told::Table => {
                let there = self.link.told(now);
                self.announce
                    .send_modify(|announce| announce.there = Some(there));
            }
            Told::Neighbors(neighbors) => {
                self.misses_neighbor = false;
                self.fib.neighbors(gobgp::interfaces(&neighbors));
                self.link.observe(neighbors, now);
            }
            Told::Lost { reason, gone } => {
                self.announce.send_modify(|announce| announce.there = None);
                if self.link.lost(reason.clone(), gone, now) {
                    tracing::warn!(
                        gobgpd = self.settings.gobgpd,
                        "no connection, routes stay: {reason}"
                    );
                }
            }
        }
    }

    fn want(&mut self, change: &BestChange) {
        let view = self.fib.view();
        let hops = gobgp::next_hops(change, |address| view.is_own(address));
        self.misses_neighbor |= hops.iter().any(|hop| self.fib.misses(hop));
        self.fib.want(change.prefix.trunc(), &hops);
        if let Some(there) = self
            .link
            .announced(change.prefix, gobgp::is_announced(change))
        {
            let there = there.clone();
            self.announce
                .send_modify(|announce| announce.there = Some(there));
        }
    }

    fn want_announced(&self) {
        let want = self.announced.prefixes().clone();
        self.announce.send_modify(|announce| announce.want = want);
    }
}
