//! Benchmarks: the shipped server and agent beside bare calls, in one run.
//!
//! Each figure is a ratio of two things measured by turns, because absolute
//! times say more about the machine than about the program. `cargo xtask
//! bench` runs them on release builds; nothing here is ever a test.

mod api;
mod auth;
mod bare;
mod cluster;
mod fib;
mod figures;
mod fleet;
mod process;
mod push;
mod restart;
mod size;
mod standing;
mod status;
pub mod subject;

pub use bare::serve;
pub use subject::free_port;

use crate::term;
use crate::tools::Release;
use anyhow::{Context as _, Result};
use figures::{Figure, table};
use std::path::PathBuf;

/// What to measure, and how often.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Which ones; all of them when none is named
    #[arg(value_enum)]
    pub names: Vec<Name>,
    /// The gobgpd to measure on
    #[arg(long, default_value = "3.36")]
    pub gobgp: Release,
    /// Rounds of each pair
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Routes for `fib`: the first number for all its rows, each further one for a single feed
    #[arg(long, value_delimiter = ',', default_value = "100000,500000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub routes: Vec<u32>,
    /// Simulated routers for `cluster`
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(6..=16_000))]
    pub routers: u32,
    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    pub json: PathBuf,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// 1,000 neighbors from POST to applied
    Push,
    /// A pass over 1,000 neighbors in step
    Standing,
    /// From a session's fall to its new status
    Status,
    /// A daemon that comes back empty
    Restart,
    /// Requests against a bare handler
    Api,
    /// 100 daemons with 10 neighbors each
    Fleet,
    /// Memory and start with 10,000 neighbors
    Size,
    /// The agent, from BGP's routes to the kernel's
    Fib,
    /// Several servers on etcd
    Cluster,
    /// Requests of callers who have to prove who they are, by Keystone too, and with an audit
    Auth,
}

impl Name {
    const ALL: [Self; 10] = [
        Self::Push,
        Self::Standing,
        Self::Status,
        Self::Restart,
        Self::Api,
        Self::Fleet,
        Self::Size,
        Self::Fib,
        Self::Cluster,
        Self::Auth,
    ];
}

/// Runs them, prints the table and writes the JSON.
///
/// # Errors
/// The first thing that does not work; what was measured until then is printed.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let names = if arguments.names.is_empty() {
        &Name::ALL[..]
    } else {
        &arguments.names
    };
    let mut all: Vec<Figure> = Vec::new();
    let mut result = Ok(());
    for name in names {
        term::heading(&format!("{name:?}"));
        match one(*name, arguments).await {
            Ok(figures) => {
                term::line(&table(&figures));
                all.extend(figures);
            }
            Err(error) => {
                result = Err(error.context(format!("{name:?}")));
                break;
            }
        }
    }
    term::heading(&format!(
        "{} ({} rounds, gobgpd {})",
        machine(),
        arguments.rounds,
        arguments.gobgp
    ));
    term::line(&table(&all));
    let json = serde_json::json!({
        "machine": machine(), "gobgpd": arguments.gobgp.name(), "rounds": arguments.rounds,
        "figures": all,
    });
    if let Some(folder) = arguments.json.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&json)?)
        .with_context(|| arguments.json.display().to_string())?;
    result
}

async fn one(name: Name, arguments: &Arguments) -> Result<Vec<Figure>> {
    let (release, rounds) = (arguments.gobgp, arguments.rounds);
    match name {
        Name::Push => push::run(release, rounds).await,
        Name::Standing => standing::run(release, rounds).await,
        Name::Status => status::run(release, rounds).await,
        Name::Restart => restart::run(release, rounds).await,
        Name::Api => api::run(rounds).await,
        Name::Fleet => fleet::run(release, rounds).await,
        Name::Size => size::run().await,
        Name::Fib => fib::run(release, rounds, &arguments.routes).await,
        Name::Auth => auth::run(rounds).await,
        Name::Cluster => cluster::run(release, rounds, usize::try_from(arguments.routers)?).await,
    }
}

/// Cores and memory: a figure without them says little.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    format!("{cores} cores, {} GiB", kib / 1024 / 1024)
}
