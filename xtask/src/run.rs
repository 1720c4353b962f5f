//! Running cargo and the lab's program.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::cache::Cache;

/// `cargo`, the one that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the product's binaries and the lab's, in cargo's `profile`.
pub(crate) fn build(cache: &Cache, profile: &str) -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--locked", "--bins", "--profile", profile]);
    command.args(["--package", "sdwan", "--package", "sdwan-lab"]);
    cache.equip(&mut command);
    if !command.status().context("cannot start cargo")?.success() {
        bail!("the build failed");
    }
    Ok(())
}

/// Runs the server's simulation with these seeds, built to be quick.
pub(crate) fn simulate(cache: &Cache, from: u64, seeds: u64) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["test", "--locked", "--profile", "simulation"]);
    command.args(["--package", "sdwan-server", "--test", "simulation"]);
    // One after the other, so that what they print stands together.
    command.args(["--", "--nocapture", "--test-threads", "1"]);
    let seeds = format!("{from}..{}", from.saturating_add(seeds));
    command.env("SDWAN_SEEDS", seeds);
    command.env_remove("SDWAN_SEED");
    cache.equip(&mut command);
    let passed = command.status().context("cannot start cargo")?.success();
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Turns this process into the lab's program, so that signals reach it directly.
pub(crate) fn become_lab(cache: &Cache, profile: &str, arguments: &[String]) -> Result<()> {
    let program = binaries(profile)?.join("lab");
    let mut command = Command::new(&program);
    command.args(arguments);
    cache.equip(&mut command);
    Err(command.exec()).with_context(|| format!("cannot start {}", program.display()))
}

/// Where cargo puts the binaries of a profile: beside this very program's folder.
fn binaries(profile: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let target = own.parent().and_then(|folder| folder.parent());
    let target = target.context("this program lies outside a target folder")?;
    Ok(target.join(if profile == "dev" { "debug" } else { profile }))
}
