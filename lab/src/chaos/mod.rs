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
//! `judge` demands of the answers that clients got, and what `truth` demands of the rows, the
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

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;

use crate::tools::EtcdRelease;
use crate::wait::{self, Seen};
use crate::{term, world};
use api::Api;
use cast::{Cast, Setup};
use clients::Clients;
use fault::{Class, Strike, Strikes};
use ground::SERVERS;
use report::Report;
use truth::{By, Falls};
use view::{Claims, Daemon, Rows};

/// All servers.
const ALL: [usize; SERVERS.len()] = [0, 1, 2];

/// How long it may take after a strike until all is well.
const LIMIT: Duration = Duration::from_secs(300);

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
        let (falls, _) = until_true(&cast, &ALL)?;
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
        if strike
            .faults
            .iter()
            .any(|fault| fault.class == Class::FreezeAllOfEtcd)
        {
            self.read_without_etcd(strike)?;
        }
        if let Some(survivors) = strike.survivors(LEASE) {
            report.goes_on();
            let last = self.check(&survivors, &[])?;
            report.holds(self.clients.history(), last.as_deref());
        }
        self.cast.heal()?;
        report.healed();
        let fallen = strike.faults.iter().filter(|fault| fault.fells());
        let fallen: Vec<_> = fallen.map(|fault| fault.victim()).collect();
        let last = self.check(&ALL, &fallen)?;
        report.holds(self.clients.history(), last.as_deref());
        Ok(())
    }

    /// Every server that goes on still tells what it knows.
    fn read_without_etcd(&self, strike: &Strike) -> Result<()> {
        let hit = |server| strike.faults.iter().any(|fault| fault.victim() == server);
        for (server, api) in SERVERS.iter().zip(self.cast.apis()) {
            if !hit(*server) {
                let rows = Rows::of(api);
                let rows = self.cast.runtime().block_on(rows);
                rows.with_context(|| format!("{server} tells no rows while etcd is away"))?;
            }
        }
        Ok(())
    }

    /// Everything that must hold when these servers, and what they need, are well; only these
    /// routers' sessions may have fallen. Gives what became true last.
    fn check(&mut self, servers: &[usize], fallen: &[&str]) -> Result<Option<String>> {
        self.cast.check()?;
        let runtime = self.cast.runtime().handle().clone();
        let _paused = runtime.block_on(self.clients.pause());
        for &server in servers {
            let what = format!("{} to tell every row", SERVERS[server]);
            wait::quietly(&what, LIMIT, || {
                Ok(if runtime.block_on(self.clients.read_all(server)) {
                    Seen::Yes(())
                } else {
                    Seen::NotYet("no answer".to_owned())
                })
            })?;
        }
        let violations = self.clients.history().with(judge::judge);
        let mut found: Vec<_> = violations.iter().map(ToString::to_string).collect();
        found.extend(self.clients.complaints());
        found.extend(self.cast.panics()?);
        refuse("what clients were told", &found)?;
        let (falls, last) = until_true(&self.cast, servers)?;
        refuse(
            "sessions that nobody touched",
            &falls.since(&self.falls, fallen),
        )?;
        self.falls = falls;
        Ok(last)
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

/// Waits until everything is true as these servers have it; gives how often each session has
/// fallen until then, and what was not true at the last look but one.
fn until_true(cast: &Cast, servers: &[usize]) -> Result<(Falls, Option<String>)> {
    let apis: Vec<By<&Api>> = servers
        .iter()
        .map(|&server| (SERVERS[server], &cast.apis()[server]))
        .collect();
    let mut last = Vec::new();
    let waited = wait::quietly("everything to be true", LIMIT, || {
        let (found, falls) = match cast.runtime().block_on(look(&apis)) {
            Ok(looked) => looked,
            Err(error) => (vec![format!("{error:#}")], Falls::default()),
        };
        Ok(match found.first().cloned() {
            None => Seen::Yes(falls),
            Some(first) => {
                last = found;
                Seen::NotYet(first)
            }
        })
    });
    if waited.is_err() {
        let what = format!("not true {} s after all was well", LIMIT.as_secs());
        refuse(&what, &last)?;
    }
    Ok((waited?, last.into_iter().next()))
}

/// What isn't true now, and how often each session has fallen. Cheap things first: the rest is
/// looked at when they hold.
async fn look(apis: &[By<&Api>]) -> Result<(Vec<String>, Falls)> {
    let views = apis
        .iter()
        .map(async |(name, api)| anyhow::Ok((*name, Rows::of(api).await?)));
    let views = try_join_all(views).await?;
    let rows = &views.first().context("no server is left")?.1;
    let mut found = truth::unwell(rows);
    found.extend(truth::disagreements(&views));
    if !found.is_empty() {
        return Ok((found, Falls::default()));
    }
    let claims = apis
        .iter()
        .map(async |(name, api)| anyhow::Ok((*name, Claims::of(api).await?)));
    found.extend(truth::misclaimed(&try_join_all(claims).await?));
    found.extend(truth::out_of_step(&view::plans(apis).await?));
    if !found.is_empty() {
        return Ok((found, Falls::default()));
    }
    let daemons = Daemon::all().await?;
    Ok((truth::untrue(rows, &daemons), Falls::of(rows, &daemons)))
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
