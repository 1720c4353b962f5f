//! `lab`: the demo, a shell in a scenario, a program in a world of its own. Started by
//! `cargo xtask demo` and `cargo xtask lab`, and by the lab's tests.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use sdwan_lab::scenario::{Lab, Scenario};
use sdwan_lab::tools::{self, Release};
use sdwan_lab::{bench, chaos, demo, harness, term, visit, world};

/// Real daemons in network namespaces of their own.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Walk through the whole demo; exits 0 only if all of it holds
    Demo {
        /// The release of gobgpd: 3.10, 3.36 or 4.8
        #[arg(long, value_name = "RELEASE", default_value_t = Release::V3_36)]
        gobgp: Release,
        /// Leave the lab running at the end, until Ctrl-C
        #[arg(long)]
        keep: bool,
    },
    /// Bring a scenario up and open a shell in its management network; the lab ends with it
    Shell {
        /// bare (daemons and an empty server), declared (all applied and up) or halted (SRX-1 gone)
        #[arg(default_value_t = Scenario::Declared)]
        scenario: Scenario,
        /// The release of gobgpd: 3.10, 3.36 or 4.8
        #[arg(long, value_name = "RELEASE", default_value_t = Release::V3_36)]
        gobgp: Release,
        /// A command to run instead of the shell
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Run a command on a node of a lab that is running
    At {
        /// The lab's process, where several run
        #[arg(long, value_name = "PID")]
        lab: Option<u32>,
        /// GoBGP-1, Quagga-2, pc1, ...
        node: String,
        /// The command; a shell if none
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Run a program in a world of its own
    Exec {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Measure the server and the agent beside bare calls; nothing leaves this machine
    Bench(bench::Arguments),
    /// Kill, stop and cut off servers, etcd members and gobgpds, and check that nothing is lost,
    /// done twice or disturbed
    Chaos(chaos::Arguments),
    /// The bare handler that the API is measured against
    #[command(hide = true)]
    BenchFloor {
        /// Where it listens
        address: std::net::SocketAddr,
        /// Its database
        database: std::path::PathBuf,
    },
    /// Process 1 of a world
    #[command(hide = true)]
    Init {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let code = match execute(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            term::progress_over();
            term::bad(&format!("{error:#}"));
            1
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn execute(verb: Verb) -> Result<i32> {
    match verb {
        Verb::Init { command } => {
            let (program, arguments) = command.split_first().context("no program to run")?;
            world::init(program, arguments)
        }
        Verb::Exec { command } => {
            let (program, arguments) = command.split_first().context("no program to run")?;
            world::run(&std::env::current_exe()?, program, arguments)
        }
        Verb::At { lab, node, command } => visit::at(lab, &node, &command),
        Verb::BenchFloor { address, database } => {
            tokio::runtime::Runtime::new()?.block_on(bench::serve(address, &database))?;
            Ok(0)
        }
        Verb::Demo { .. } | Verb::Shell { .. } | Verb::Bench(_) | Verb::Chaos(_)
            if !world::is_inside() =>
        {
            let own = std::env::current_exe()?;
            let arguments: Vec<_> = std::env::args_os().skip(1).collect();
            world::run(&own, own.as_os_str(), &arguments)
        }
        Verb::Demo { gobgp, keep } => keeping_logs(|| {
            let lab = demo::walk(gobgp)?;
            if keep { visit::keep(lab) } else { Ok(0) }
        }),
        Verb::Bench(arguments) => keeping_logs(|| {
            tokio::runtime::Runtime::new()?.block_on(bench::run(&arguments))?;
            Ok(0)
        }),
        Verb::Chaos(arguments) => keeping_logs(|| chaos::run(&arguments).map(|()| 0)),
        Verb::Shell {
            scenario,
            gobgp,
            command,
        } => keeping_logs(|| shell(scenario, gobgp, &command)),
    }
}

/// Whatever fails inside leaves its logs behind.
fn keeping_logs(body: impl FnOnce() -> Result<i32>) -> Result<i32> {
    let outcome = body();
    if outcome.is_err() {
        term::progress_over();
        harness::keep_logs();
    }
    outcome
}

fn shell(scenario: Scenario, release: Release, command: &[OsString]) -> Result<i32> {
    let _lab = Lab::bring(scenario, release)?;
    let path = tools::path(Some(release))?;
    let status = if let Some((program, arguments)) = command.split_first() {
        Command::new(program)
            .args(arguments)
            .env("PATH", path)
            .status()
    } else {
        term::good(
            &format!("{scenario}, on gobgpd {release}; the lab ends with this shell"),
            None,
        );
        visit::hints(world::process()?)?;
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        Command::new(shell).env("PATH", path).status()
    };
    Ok(status
        .context("cannot start the command")?
        .code()
        .unwrap_or(1))
}
