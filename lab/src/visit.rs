//! Looking around in a lab that is running.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::unistd::geteuid;

use crate::network::NODE;
use crate::scenario::Lab;
use crate::{netns, term, tools, world};

/// Prints how to look around, and waits until the lab is ended from the outside.
///
/// # Errors
/// When a daemon of the lab ends.
pub fn keep(mut lab: Lab) -> Result<i32> {
    term::heading("The lab keeps running");
    hints(world::process()?)?;
    term::note("\nCtrl-C takes everything down.");
    loop {
        lab.check()?;
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

/// Prints how to look around in the lab whose process 1 is `process`.
///
/// # Errors
/// When this program's own path can't be told.
pub fn hints(process: u32) -> Result<()> {
    let own = std::env::current_exe()?.display().to_string();
    let user = if in_user_namespace()? {
        " --user --preserve-credentials"
    } else {
        ""
    };
    term::line("From any terminal, on a node or with `sdwan` in the management network:\n");
    for line in [
        "GoBGP-3 gobgp neighbor".to_owned(),
        "Quagga-2 vtysh".to_owned(),
        format!("{} gohan client neighbor list", world::MANAGEMENT_NODE),
    ] {
        term::command(" ", &format!("{own} at --lab {process} {line}"));
    }
    term::line("\nThe same by hand, for a shell in the management network or on a node:\n");
    let enter = format!("nsenter --target {process}{user} --mount --pid");
    term::command(" ", &format!("{enter} --net"));
    let of_node = format!("/proc/{process}/root{}/GoBGP-3", netns::FOLDER);
    term::command(" ", &format!("{enter} --net={of_node}"));
    term::line(&format!(
        "\nLogs and configurations are in {} there.",
        world::FOLDER
    ));
    Ok(())
}

fn in_user_namespace() -> Result<bool> {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    // The first namespace of all maps every user to himself.
    Ok(map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"])
}

/// Runs a command on a node, from inside of its lab or from the outside.
///
/// # Errors
/// When there is no such lab or node.
pub fn at(lab: Option<u32>, node: &str, command: &[OsString]) -> Result<i32> {
    if world::is_inside() {
        return Err(become_command(node, command)?);
    }
    let process = match lab {
        Some(process) => process,
        None => the_only_lab()?,
    };
    Err(enter(process, node, command)?)
}

/// Enters a lab and goes on there with `lab at`.
fn enter(process: u32, node: &str, command: &[OsString]) -> Result<anyhow::Error> {
    let namespace = |of: &str| fs::metadata(format!("/proc/{of}/ns/user")).map(|data| data.ino());
    let theirs = namespace(&process.to_string())
        .with_context(|| format!("there is no lab with process {process} of yours"))?;
    let mut nsenter = Command::new("nsenter");
    nsenter.args([
        "--target",
        &process.to_string(),
        "--mount",
        "--net",
        "--pid",
        "--ipc",
        "--uts",
    ]);
    if theirs != namespace("self")? {
        nsenter.args(["--user", "--preserve-credentials"]);
    }
    nsenter
        .arg(std::env::current_exe()?)
        .args(["at", node])
        .args(command);
    nsenter.env(world::MARK, process.to_string());
    Ok(anyhow::Error::new(nsenter.exec()).context("cannot start nsenter"))
}

/// Becomes the command, on the node.
fn become_command(node: &str, command: &[OsString]) -> Result<anyhow::Error> {
    if node != world::MANAGEMENT_NODE {
        let file = fs::File::open(Path::new(netns::FOLDER).join(node));
        setns(
            file.with_context(|| format!("the lab has no node {node}"))?,
            CloneFlags::CLONE_NEWNET,
        )?;
    }
    let shell = [std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())];
    let command = if command.is_empty() {
        &shell[..]
    } else {
        command
    };
    let (program, arguments) = command.split_first().context("no command")?;
    let mut command = Command::new(program);
    let release = fs::read_to_string(world::RELEASE_FILE)
        .ok()
        .and_then(|name| name.parse().ok());
    command
        .args(arguments)
        .env("PATH", tools::path(release)?)
        .env(NODE, node);
    command.current_dir(world::FOLDER);
    let error = anyhow::Error::new(command.exec());
    Ok(error.context(format!("cannot start {}", program.display())))
}

/// The process 1 of the one lab that this user runs.
fn the_only_lab() -> Result<u32> {
    let own = fs::read_link("/proc/self/exe")?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let mine = entry
            .metadata()
            .is_ok_and(|data| data.uid() == geteuid().as_raw());
        if mine && fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == own) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.split(|byte| *byte == 0).nth(1) == Some(b"init") {
                found.push(process);
            }
        }
    }
    match found[..] {
        [process] => Ok(process),
        [] => bail!("no lab is running: `cargo xtask demo --keep` leaves one"),
        _ => bail!("several labs are running; choose one with --lab: {found:?}"),
    }
}
