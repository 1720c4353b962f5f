//! The run as it is told: when which fault came, when it was healed, and that all held then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Arguments;
use super::fault::{Class, Fault};
use super::ground::{self, ROUTERS, SERVERS};
use super::history::{Counts, Event, History};
use crate::term;

/// What takes longer until all holds is told.
const LONG: Duration = Duration::from_secs(5);

/// What has been told until now.
#[derive(Debug)]
pub(super) struct Report {
    command: String,
    began: Instant,
    healed: Instant,
    longest: Duration,
    checks: usize,
    faults: BTreeMap<Class, usize>,
}

impl Report {
    pub(super) fn new(seed: u64, arguments: &Arguments) -> Self {
        let length = if arguments.once {
            "--once".to_owned()
        } else {
            format!("--minutes {}", arguments.minutes)
        };
        let (etcd, now) = (arguments.etcd, Instant::now());
        term::heading(&format!("Chaos, seed {seed}"));
        Self {
            command: format!("cargo xtask chaos --seed {seed} {length} --etcd {etcd}"),
            began: now,
            healed: now,
            longest: Duration::ZERO,
            checks: 0,
            faults: BTreeMap::new(),
        }
    }

    fn line(&self, text: &str) {
        let at = self.began.elapsed().as_secs_f64();
        let at = term::styled(term::Style::Faint, &format!("{at:>7.1} s"));
        term::line(&format!("{at}  {text}"));
    }

    pub(super) fn is_up(&self) {
        let good = term::styled(term::Style::Good, "✓");
        self.line(&format!(
            "{good} 3 etcd members, {} servers, {} gobgpds with {} sessions are up",
            SERVERS.len(),
            ROUTERS.len(),
            ground::sessions().len()
        ));
    }

    pub(super) fn struck(&mut self, fault: Fault, victim: &str) {
        *self.faults.entry(fault.class).or_default() += 1;
        let mark = term::styled(term::Style::Busy, "⚡");
        self.line(&format!("{mark} {}: {victim}", fault.class));
    }

    pub(super) fn goes_on(&mut self) {
        self.healed = Instant::now();
        self.line("… the others must do");
    }

    pub(super) fn healed(&mut self) {
        self.healed = Instant::now();
        self.line("… all is healed");
    }

    /// `last` is what became true last.
    pub(super) fn holds(&mut self, history: &History, last: Option<&str>) {
        self.checks += 1;
        let took = self.healed.elapsed();
        self.longest = self.longest.max(took);
        let counts = history.with(Counts::of);
        let good = term::styled(term::Style::Good, "✓");
        self.line(&format!(
            "{good} all holds {:.1} s later: {} writes acknowledged, {} refused, {} unknown; {} reads",
            took.as_secs_f64(),
            counts.made,
            counts.refused,
            counts.unknown,
            counts.read
        ));
        if let Some(last) = last.filter(|_| took > LONG) {
            self.line(&term::styled(
                term::Style::Faint,
                &format!("  before: {last}"),
            ));
        }
    }

    pub(super) fn over(&self, history: &History) {
        let counts = history.with(Counts::of);
        term::heading("Nothing is lost, nothing is done twice");
        for (class, count) in &self.faults {
            term::line(&format!("{count:>5} x {class}"));
        }
        term::line(&format!(
            "\nEach of the {} times that everything was checked, all of the {} acknowledged writes \
             until\nthen were there, none of the {} refused ones was, and each of the {} unknown ones \
             was there\nwhole or not at all. At most {:.1} s after the faults were healed, every \
             gobgpd was as\ndeclared, every router had one server, and no session had fallen that \
             no fault touched.",
            self.checks,
            counts.made,
            counts.refused,
            counts.unknown,
            self.longest.as_secs_f64()
        ));
        term::note(&format!("\nThe same faults again: {}", self.command));
    }

    /// What is violated is for the caller to tell.
    pub(super) fn failed(&self) {
        self.line(&term::styled(term::Style::Bad, "✗ violated"));
        term::note(&format!("\nThe same faults again: {}", self.command));
    }
}

/// A history as text, an event a line, each with the number that violations name it by.
pub(super) fn told(events: &[Event]) -> String {
    let lines = events.iter().enumerate().map(|(number, event)| {
        let at = event.asked_at.as_secs_f64();
        let server = SERVERS[event.server];
        format!(
            "#{number} {at:.3} s {server} {:?} -> {:?}\n",
            event.asked, event.told
        )
    });
    lines.collect()
}
