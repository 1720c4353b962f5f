//! Network namespaces, named so that `ip netns` and `ip -n NAME` know them too.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::tools;

/// Where `ip netns` looks names up.
pub const FOLDER: &str = "/run/netns";

/// A network namespace; gone when dropped and no process is left in it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    path: PathBuf,
}

impl Netns {
    /// Makes one, its loopback interface up.
    ///
    /// # Errors
    /// When one of this name exists, or outside of a world.
    pub fn create(name: &str) -> Result<Self> {
        anyhow::ensure!(
            crate::world::is_inside(),
            "network namespaces are made inside of a lab only: see `lab::world`"
        );
        let path = Path::new(FOLDER).join(name);
        File::create_new(&path).with_context(|| format!("the network namespace {name}"))?;
        let made = Self {
            name: name.to_owned(),
            path,
        };
        made.pin()?;
        made.ip("link set lo up\n")?;
        Ok(made)
    }

    /// A namespace belongs to a thread: makes a thread, gives it a new one and keeps that by its
    /// file when the thread is over.
    fn pin(&self) -> Result<()> {
        let pinned = on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let own = "/proc/thread-self/ns/net";
            mount(
                Some(own),
                &self.path,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )?;
            Ok(())
        });
        pinned.with_context(|| format!("cannot make the network namespace {}", self.name))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a function in this namespace, on a thread of its own: sockets that it opens belong
    /// here.
    ///
    /// # Errors
    /// The function's, or when the namespace can't be entered.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            let file = File::open(&self.path)?;
            setns(file, CloneFlags::CLONE_NEWNET)
                .with_context(|| format!("cannot enter the network namespace {}", self.name))?;
            body()
        })
    }

    /// Starts a program in this namespace.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let name = command.get_program().to_os_string();
        self.enter(|| {
            command
                .spawn()
                .with_context(|| format!("cannot start {}", name.display()))
        })
    }

    /// Runs a program in this namespace and collects what it prints.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(self.spawn(command)?.wait_with_output()?)
    }

    /// Runs lines of `ip` in this namespace; stops at the first that fails.
    ///
    /// # Errors
    /// With `ip`'s own words.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let mut command = Command::new(tools::tool("ip")?);
        command.args(["-batch", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        feed(self.spawn(&mut command)?, lines)
            .with_context(|| format!("ip, in the network namespace {}", self.name))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The world's end takes away what could not be taken away here.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&self.path);
    }
}

/// Runs lines of `ip` in the namespace that this process is in.
///
/// # Errors
/// With `ip`'s own words.
pub fn ip_here(lines: &str) -> Result<()> {
    let mut command = Command::new(tools::tool("ip")?);
    command.args(["-batch", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    feed(command.spawn()?, lines).context("ip")
}

fn feed(mut ip: Child, lines: &str) -> Result<()> {
    if let Some(mut input) = ip.stdin.take() {
        input.write_all(lines.as_bytes())?;
    }
    let output = ip.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn on_a_thread<T: Send>(body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(body).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
