//! `cargo xtask`: everything that is done with this repository, one word each.
//!
//! It depends on no crate of the workspace, since it is what prepares the machine for building
//! and running them: set-up comes first, then the build, then the program that does the work.

mod cache;
mod parts;
mod run;
mod say;
mod setup;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cache::Cache;
use crate::setup::Want;

/// The tasks of this repository. Each one sets the machine up first: nothing is installed, no
/// service is started; what is needed is unpacked into the user's cache folder.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch the real daemons and tools (gobgpd 3.10, 3.36 and 4.8, etcd 3.4 and 3.5, FRR, BIRD,
    /// keepalived, ...) into the user's cache folder
    Setup,
    /// Walk through the whole demo on real daemons in network namespaces of its own
    Demo {
        /// The release of gobgpd that plays GoBGP-1 to GoBGP-3
        #[arg(long, value_name = "RELEASE", value_parser = setup::releases(), default_value = setup::DEFAULT_RELEASE)]
        gobgp: String,
        /// Leave the lab running at the end, and print how to look around
        #[arg(long)]
        keep: bool,
    },
    /// Keep a scenario of the lab running with a shell in it (`cargo xtask lab -- --help`)
    #[command(disable_help_flag = true)]
    Lab {
        /// What to hand to the lab: a scenario, and a command to run in it instead of a shell
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kill, stop and cut off servers, etcd members and gobgpds of a cluster, and check that nothing
    /// is lost, done twice or disturbed (`cargo xtask chaos --help`)
    #[command(disable_help_flag = true)]
    Chaos {
        /// What to hand to the run: `--seed N --minutes M`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run several servers through histories of writes and faults, in a simulation without
    /// daemons: the planted bugs, then many seeds; CONTRIBUTING.md says how to replay one
    Simulate {
        /// How many seeds
        #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
        seeds: u64,
        /// The first of them
        #[arg(long, value_name = "SEED", default_value_t = 0)]
        from: u64,
    },
    /// The quick checks: formatting, lints, documentation
    Check,
    /// Everything: the checks, every crate's tests, the lab's tests on real daemons
    Test,
    /// Measure the release binary side by side with bare calls (`cargo xtask bench -- --help`)
    #[command(disable_help_flag = true)]
    Bench {
        /// What to hand to the benchmarks
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match execute(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(task: Task) -> Result<ExitCode> {
    let cache = Cache::locate()?;
    match task {
        Task::Setup => {
            setup::run(&cache, &Want::everything())?;
            say::line(&format!("Everything is in {}", cache.root().display()));
        }
        Task::Demo { gobgp, keep } => {
            setup::run(&cache, &Want::lab(&gobgp))?;
            run::build(&cache, "dev")?;
            let mut arguments = vec!["demo".to_owned(), "--gobgp".to_owned(), gobgp];
            if keep {
                arguments.push("--keep".to_owned());
            }
            run::become_lab(&cache, "dev", &arguments)?;
        }
        Task::Lab { arguments } => {
            setup::run(&cache, &Want::everything())?;
            run::build(&cache, "dev")?;
            run::become_lab(&cache, "dev", &with_verb("shell", arguments))?;
        }
        Task::Chaos { arguments } => {
            setup::run(&cache, &Want::everything())?;
            run::build(&cache, "dev")?;
            run::become_lab(&cache, "dev", &with_verb("chaos", arguments))?;
        }
        Task::Simulate { seeds, from } => return run::simulate(&cache, from, seeds),
        Task::Check => return parts::check(&cache),
        Task::Test => return parts::test(&cache),
        Task::Bench { arguments } => {
            setup::run(&cache, &Want::everything())?;
            run::build(&cache, "release")?;
            run::become_lab(&cache, "release", &with_verb("bench", arguments))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn with_verb(verb: &str, rest: Vec<String>) -> Vec<String> {
    std::iter::once(verb.to_owned()).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_lab_is_handed_on_as_it_stands() {
        let parsed = Arguments::parse_from(["xtask", "lab", "declared", "--gobgp", "4.8"]);
        let Task::Lab { arguments } = parsed.task else {
            panic!("not the lab");
        };
        assert_eq!(
            with_verb("shell", arguments),
            ["shell", "declared", "--gobgp", "4.8"]
        );
    }

    #[test]
    fn a_release_that_the_lab_has_not_is_refused() {
        assert!(Arguments::try_parse_from(["xtask", "demo", "--gobgp", "2.0"]).is_err());
    }
}
