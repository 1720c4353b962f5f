//! A world of its own: the lab runs in fresh network, mount and process namespaces, so that nothing
//! it does can reach the machine, and nothing of it can stay behind.
//!
//! ```text
//! lab (outside)      makes the namespaces, waits, passes signals on
//!  └─ lab init       process 1 inside: prepares the mounts, collects orphans
//!      └─ program    the demo, a shell, a test
//!          └─ ...    every daemon
//! ```
//!
//! When process 1 inside ends, for whatever reason, the kernel kills every process of the world and
//! with them go the interfaces, the mounts and all files of the lab, which lie on a tmpfs. Process 1
//! in turn dies with the process outside. So there is no clean-up that could be forgotten.
//!
//! As root no user namespace is needed; an ordinary user is root in one of his own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};
use tokio::signal::unix::{SignalKind, signal};

use crate::tools;

/// Set inside: the process id, as the outside knows it, of the world's process 1.
pub(crate) const MARK: &str = "SDWAN_LAB_WORLD";

/// Where the lab keeps what its nodes need and write; exists only inside.
pub const FOLDER: &str = "/run/lab";

/// What the management network, where the product runs, is called where a node is asked for.
pub const MANAGEMENT_NODE: &str = "management";

/// Holds the release whose `gobgp` belongs to the lab.
pub const RELEASE_FILE: &str = "/run/lab/release";

/// A signal from the outside ended the world.
const INTERRUPTED: i32 = 128;

/// Whether this process is inside a world.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(MARK).is_some() && Path::new(FOLDER).is_dir()
}

/// The world's process 1, as the outside knows it.
///
/// # Errors
/// When called outside.
pub fn process() -> Result<u32> {
    let mark = std::env::var(MARK).ok().and_then(|text| text.parse().ok());
    mark.context("this runs outside of a lab")
}

/// Runs a program in a world of its own; gives its exit code, or 128 and the number of the signal
/// that ended it.
///
/// `init` is the lab's own program: it becomes process 1 (see [`init`]). To be called while this
/// process has one thread.
///
/// # Errors
/// When the system doesn't allow namespaces; says which setting forbids them.
pub fn run(init: &Path, program: &OsStr, arguments: &[OsString]) -> Result<i32> {
    make_namespaces()?;
    let mut command = tokio::process::Command::new(init);
    command.arg("init").arg("--").arg(program).args(arguments);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(supervise(command))
}

/// Waits for the world to end, or ends it when asked to.
async fn supervise(mut command: tokio::process::Command) -> Result<i32> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut init = command
        .spawn()
        .context("cannot start the lab's process 1")?;
    let ended_by = tokio::select! {
        status = init.wait() => return Ok(code(status?)),
        _ = interrupt.recv() => Signal::SIGINT,
        _ = terminate.recv() => Signal::SIGTERM,
        _ = hangup.recv() => Signal::SIGHUP,
    };
    // Returns only once the kernel has taken every process inside down.
    init.kill().await.context("cannot end the lab")?;
    crate::term::note(&format!("{ended_by}: everything is taken down"));
    Ok(INTERRUPTED + ended_by as i32)
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| INTERRUPTED + status.signal().unwrap_or(0))
}

fn make_namespaces() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    let flags = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    // Root in a container may lack the right, yet be allowed what any user is.
    if user.is_root() && unshare(flags).is_ok() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | flags)
        .map_err(|errno| anyhow::anyhow!(forbidden(&format!("unshare: {}", errno.desc()))))?;
    // A group may be mapped only by one who can no longer change his groups.
    fs::write("/proc/self/setgroups", "deny").context("/proc/self/setgroups")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).context("/proc/self/uid_map")?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).context("/proc/self/gid_map")
}

/// Why namespaces can't be had, as far as the system tells.
fn forbidden(what: &str) -> String {
    let set = |name: &str, forbidding: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(path).is_ok_and(|value| value.trim() == forbidding)
    };
    let settings = [
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let mut text = format!("this system lets you make no namespaces to run the lab in ({what})");
    let mut named = false;
    for (name, forbidding, allowing) in settings {
        if set(name, forbidding) {
            named = true;
            text += &format!("\n  {name} is {forbidding}: `sysctl -w {name}={allowing}` allows it");
        }
    }
    if !named {
        text += "\n  a container's profile may forbid it: run it with --privileged, or outside";
    }
    if !geteuid().is_root() {
        text += "\n  or run it as root";
    }
    text
}

/// Process 1 inside: prepares the world, runs the program and collects orphans until it ends.
///
/// # Errors
/// When the mounts can't be made or the program can't be started.
pub fn init(program: &OsStr, arguments: &[OsString]) -> Result<i32> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .context("cannot bind to the process outside")?;
    anyhow::ensure!(
        std::process::id() == 1,
        "`lab init` is for the lab's own use"
    );
    // Still the outside's /proc: what it calls us is our number there.
    let outside = fs::read_link("/proc/self").context("/proc/self")?;
    prepare_mounts()?;
    let loopback = Command::new(tools::tool("ip")?)
        .args(["link", "set", "lo", "up"])
        .status();
    anyhow::ensure!(
        loopback.is_ok_and(|status| status.success()),
        "cannot bring lo up"
    );
    let child = Command::new(program)
        .args(arguments)
        .env(MARK, outside)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    collect(child.id())
}

/// Waits for children, orphans among them, until `program` ends.
fn collect(program: u32) -> Result<i32> {
    use nix::sys::wait::{WaitStatus, wait};
    loop {
        let (process, code) = match wait() {
            Ok(WaitStatus::Exited(process, code)) => (process, code),
            Ok(WaitStatus::Signaled(process, signal, _)) => (process, INTERRUPTED + signal as i32),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => bail!("cannot wait for the lab's program: {}", errno.desc()),
        };
        if u32::try_from(process.as_raw()) == Ok(program) {
            return Ok(code);
        }
    }
}

/// Makes the file systems private and puts the lab's own in place: an empty `/run` (the names of
/// network namespaces, the lab's folder), `/var/tmp` (FRR writes there), `/proc` (this world's
/// processes) and the user tables.
fn prepare_mounts() -> Result<()> {
    let recursive_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    place(None, "/", None, recursive_private)?;
    place(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty())?;
    let folder = Path::new(FOLDER);
    for new in [
        "/run/netns",
        FOLDER,
        "/run/lab/bin",
        "/run/lab/.var-tmp",
        "/run/lab/.etc",
    ] {
        fs::create_dir_all(new).with_context(|| format!("cannot make {new}"))?;
    }
    place(
        Some("/run/lab/.var-tmp"),
        "/var/tmp",
        None,
        MsFlags::MS_BIND,
    )?;
    // Where the system hides parts of /proc, a new one is refused, and the old one does.
    let _ = mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    );
    map_users(&folder.join(".etc"))
}

/// FRR looks its user and groups up and changes to them, which a user namespace with one user
/// refuses; so inside, they are root.
fn map_users(folder: &Path) -> Result<()> {
    let tables = [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\nfrr:x:0:0::/:/bin/false\n",
        ),
        ("group", "root:x:0:\nfrr:x:0:\nfrrvty:x:0:\n"),
    ];
    for (name, ours) in tables {
        let place_of = Path::new("/etc").join(name);
        let rest = fs::read_to_string(&place_of).unwrap_or_default();
        let file = folder.join(name);
        // The first line that fits counts.
        fs::write(&file, format!("{ours}{rest}"))?;
        let (file, place_of) = (file.display().to_string(), place_of.display().to_string());
        place(Some(&file), &place_of, None, MsFlags::MS_BIND)?;
    }
    Ok(())
}

fn place(source: Option<&str>, target: &str, kind: Option<&str>, flags: MsFlags) -> Result<()> {
    mount(source, target, kind, flags, None::<&str>)
        .map_err(|errno| anyhow::anyhow!(forbidden(&format!("mount {target}: {}", errno.desc()))))
}

/// Copies the logs of all daemons out of the world, where they would vanish with it.
///
/// # Errors
/// When the folder for them can't be written.
pub fn save_logs() -> Result<PathBuf> {
    let kept = tempfile::Builder::new()
        .prefix("sdwan-lab-")
        .tempdir()?
        .keep();
    let mut folders = vec![PathBuf::from(FOLDER)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|kind| kind == "log" || kind == "conf")
            {
                let name = path
                    .strip_prefix(FOLDER)?
                    .display()
                    .to_string()
                    .replace('/', ".");
                fs::copy(&path, kept.join(name))?;
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forbids_namespaces_is_said_with_a_way_out() {
        let text = forbidden("unshare: no");
        assert!(text.starts_with("this system lets you make no namespaces"));
        assert!(text.lines().count() >= 2, "{text}");
    }

    #[test]
    fn a_unit_test_is_outside() {
        assert!(process().is_err());
        assert!(!is_inside());
    }
}
