//! Faults in a cluster: three etcd members, three servers, twenty gobgpds with sessions among
//! them and clients that never rest; what goes wrong follows from a seed.
//!
//! ```text
//! fault (seed -> strikes) ──► mod (conducts) ──► cast (processes, wires)
//!                              │      ▲
//! clients ──► history ──► judge┤      └── view (what everybody has) ──► truth
//! ```
//!
//! After each strike all is healed, the clients pause, and everything must be true again: what
//! [`judge`] demands of the answers that clients got, and what [`truth`] demands of the rows, the
//! gobgpds and the claims. What decides is pure, and has tests of its own.
//!
//! A seed repeats what goes wrong and when. What the clients, the servers and the kernel do in
//! between is not repeated to the letter.

mod api;
mod cast;
mod clients;
mod declared;
mod fault;
mod ground;
mod history;
mod judge;
mod report;
mod rows;
mod truth;
mod view;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::tools::EtcdRelease;
use crate::wait::{self, Seen};
use crate::{term, world};
use cast::{Cast, Setup};
use clients::Clients;
use fault::{Strike, Strikes};
use ground::SERVERS;
use report::Report;
use truth::Falls;
use view::{Claims, Daemon, Rows};

/// How long it may take after a strike until all is well.
const LIMIT: Duration = Duration::from_secs(120);

/// A run.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Names the faults: the same seed, the same faults; if not given, one is drawn
    #[arg(long)]
    pub seed: Option<u64>,
    /// For how long strikes begin
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub minutes: u32,
    /// Stop as soon as each class of faults has come once
    #[arg(long)]
    pub once: bool,
    /// The etcd: 3.4 or 3.5
    #[arg(long, default_value_t = EtcdRelease::V3_5, value_name = "RELEASE")]
    pub etcd: EtcdRelease,
}

/// Strikes until the time is over, and checks everything after each of them.
///
/// # Errors
/// What is violated. The logs of everybody, and the history, lie in the world's folder then.
pub fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let mut report = Report::new(seed, arguments);
    let outcome = strikes(seed, arguments, &mut report);
    if outcome.is_err() {
        report.failed();
    }
    outcome
}

fn strikes(seed: u64, arguments: &Arguments, report: &mut Report) -> Result<()> {
    let setup = Setup {
        etcd: arguments.etcd,
        lease: LEASE,
    };
    let mut run = Run::begin(setup, seed)?;
    report.is_up();
    let end = Instant::now() + Duration::from_secs(60) * arguments.minutes;
    let mut strikes = Strikes::new(seed, setup.lease);
    while Instant::now() < end {
        let Some(strike) = strikes.next() else { break };
        let outcome = run.suffer(&strike, report);
        if outcome.is_err() {
            run.keep_history();
        }
        outcome?;
        if arguments.once && strikes.is_even() {
            break;
        }
    }
    report.over(run.clients.history());
    Ok(())
}

/// A run under way.
struct Run {
    clients: Clients,
    falls: Falls,
    cast: Cast,
}

impl Run {
    /// Everybody is up, everything is declared and true, and clients begin.
    fn begin(setup: Setup, seed: u64) -> Result<Self> {
        let cast = Cast::enter(setup)?;
        cast.runtime()
            .block_on(declared::declare(&cast.apis()[0]))?;
        let falls = until_true(&cast)?;
        let clients = Clients::start(cast.runtime().handle(), seed)?;
        Ok(Self {
            clients,
            falls,
            cast,
        })
    }

    fn suffer(&mut self, strike: &Strike, report: &mut Report) -> Result<()> {
        // These times are the strike's own, not waits for something.
        std::thread::sleep(strike.after);
        self.clients.hurry(true);
        std::thread::sleep(RUSH);
        for fault in &strike.faults {
            let victim = self.cast.strike(*fault)?;
            report.struck(*fault, victim);
        }
        std::thread::sleep(RUSH);
        self.clients.hurry(false);
        std::thread::sleep(strike.lasts);
        self.cast.heal()?;
        report.healed();
        let fallen: Vec<_> = strike
            .faults
            .iter()
            .filter(|fault| fault.fells().is_some())
            .collect();
        let fallen: Vec<_> = fallen.iter().map(|fault| fault.victim()).collect();
        self.check(&fallen)?;
        report.holds(self.clients.history());
        Ok(())
    }

    /// Everything that must hold when all is healed; only these routers' sessions may have fallen.
    fn check(&mut self, fallen: &[&str]) -> Result<()> {
        self.cast.check()?;
        let runtime = self.cast.runtime().handle().clone();
        let _paused = runtime.block_on(self.clients.pause());
        for server in 0..self.cast.apis().len() {
            let what = format!("{} to tell every row", SERVERS[server]);
            wait::quietly(&what, LIMIT, || {
                Ok(if runtime.block_on(self.clients.read_all(server)) {
                    Seen::Yes(())
                } else {
                    Seen::NotYet("no answer".to_owned())
                })
            })?;
        }
        let mut violations = self.clients.history().with(judge::judge);
        let violations_told = violations.drain(..).map(|violation| violation.to_string());
        let mut found: Vec<String> = violations_told.collect();
        found.extend(self.clients.complaints());
        refuse("what clients were told", &found)?;
        let falls = until_true(&self.cast)?;
        refuse(
            "sessions that nobody touched",
            &falls.since(&self.falls, fallen),
        )?;
        self.falls = falls;
        Ok(())
    }

    /// For whoever looks for the cause: with the logs.
    fn keep_history(&self) {
        let path = std::path::Path::new(world::FOLDER).join("history.log");
        let text = self.clients.history().with(report::told);
        if let Err(error) = std::fs::write(&path, text) {
            term::note(&format!("{}: {error}", path.display()));
        }
    }
}

/// Waits until everything is true; gives how often each session has fallen until then.
fn until_true(cast: &Cast) -> Result<Falls> {
    let mut last = Vec::new();
    let waited = wait::quietly("everything to be true", LIMIT, || {
        let looked = cast.runtime().block_on(look(cast));
        Ok(match looked {
            Ok((found, falls)) if found.is_empty() => Seen::Yes(falls),
            Ok((found, _)) => {
                last = found;
                Seen::NotYet(last[0].clone())
            }
            Err(error) => {
                last = vec![format!("{error:#}")];
                Seen::NotYet(last[0].clone())
            }
        })
    });
    waited.or_else(|_| {
        refuse(
            &format!("the truth, {} s after all was healed", LIMIT.as_secs()),
            &last,
        )?;
        bail!("nothing was looked at")
    })
}

/// What isn't true now. Cheap things first: the rest is looked at when they hold.
async fn look(cast: &Cast) -> Result<(Vec<String>, Falls)> {
    let apis = cast.apis();
    let nothing_yet = |found| Ok((found, Falls::default()));
    let views = futures::future::try_join_all(apis.iter().map(Rows::of)).await?;
    let mut found = truth::unwell(&views[0]);
    found.extend(truth::disagreements(&views));
    if !found.is_empty() {
        return nothing_yet(found);
    }
    let claims = futures::future::try_join_all(apis.iter().map(Claims::of)).await?;
    found.extend(truth::misclaimed(apis.len(), &claims));
    found.extend(truth::out_of_step(&view::plans(apis).await?));
    if !found.is_empty() {
        return nothing_yet(found);
    }
    let daemons = Daemon::all().await?;
    let found = truth::untrue(&views[0], &daemons);
    let falls = Falls::of(&views[0], &daemons);
    Ok((found, falls))
}

/// An error with all of these, unless there are none.
fn refuse(what: &str, found: &[String]) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let shown = found.iter().take(SHOWN).map(|line| format!("\n  - {line}"));
    let rest = found.len().saturating_sub(SHOWN);
    let rest = (rest > 0).then(|| format!("\n  and {rest} more"));
    bail!(
        "{what}:{}{}",
        shown.collect::<String>(),
        rest.unwrap_or_default()
    )
}

/// Clients hurry so long before a strike and after it: many requests are under way when it comes.
const RUSH: Duration = Duration::from_millis(200);

/// Of a long list, so many lines tell enough.
const SHOWN: usize = 12;

/// Short, so that strikes that outlast it are.
const LEASE: Duration = Duration::from_secs(5);
