//! Daemons that the lab owns: each logs to a file of its own and is killed when dropped.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bench::free_port;
use crate::network::Machine;
use crate::tools::{self, Release};
use crate::wait::{self, Seen};

/// How long a daemon may take until it answers.
const START: Duration = Duration::from_secs(20);

/// gobgpd's API port where nothing else is said.
pub const GOBGPD_PORT: u16 = 50051;

/// An agent's port where nothing else is said.
pub const AGENT_PORT: u16 = 9179;

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program on a node; `name` also names its log in the node's folder.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(machine: &Machine, name: &str, mut command: Command) -> Result<Self> {
        let log = machine.folder().join(format!("{name}.log"));
        quiet(&mut command, &log)?;
        let child = machine.netns().spawn(&mut command)?;
        Ok(Self {
            name: format!("{name} on {}", machine.name()),
            child,
            log,
        })
    }

    /// Starts a program where this process is, in the management network; its log lies in `folder`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_here(folder: &Path, name: &str, mut command: Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        quiet(&mut command, &log)?;
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Starts `sdwan server` where this process is, in `folder`, with this configuration, and waits
    /// until it listens; gives where that is.
    ///
    /// # Errors
    /// When it ends, or does not listen in time.
    pub fn server(folder: &Path, configuration: &Value) -> Result<(Self, SocketAddr)> {
        fs::write(folder.join("gohan.yaml"), configuration.to_string())?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(tools::built("sdwan")?);
        command
            .current_dir(folder)
            .args(["server", "--config-file", "gohan.yaml"])
            .args(["--address", &address.to_string()]);
        let mut server = Self::start_here(folder, "sdwan-server", command)?;
        server.wait_for_address(address)?;
        Ok((server, address))
    }

    /// Starts a gobgpd with no configuration, as the demo does, and waits until its API answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time.
    pub fn gobgpd(machine: &Machine, release: Release) -> Result<Self> {
        let mut daemon = Self::start_gobgpd(machine, release)?;
        daemon.wait_for_port(machine, GOBGPD_PORT)?;
        Ok(daemon)
    }

    /// Starts a gobgpd with no configuration; its API answers later.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_gobgpd(machine: &Machine, release: Release) -> Result<Self> {
        let mut command = machine.command("gobgpd", Some(release))?;
        command.args(["--pprof-disable", "--log-plain"]);
        Self::start(machine, "gobgpd", command)
    }

    /// Starts an agent beside the node's gobgpd, and waits until it serves.
    ///
    /// # Errors
    /// When it ends, or does not answer in time.
    pub fn agent(machine: &Machine) -> Result<Self> {
        let program = tools::built("sdwan")?;
        let mut command = machine.command(&program.to_string_lossy(), None)?;
        command.arg("agent");
        let mut daemon = Self::start(machine, "sdwan-agent", command)?;
        daemon.wait_for_port(machine, AGENT_PORT)?;
        Ok(daemon)
    }

    /// Waits until a port of the node takes connections.
    ///
    /// # Errors
    /// When the daemon ends, or the port stays closed.
    pub fn wait_for_port(&mut self, machine: &Machine, port: u16) -> Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.wait_until(&format!("port {port}"), || {
            machine.netns().enter(|| Ok(takes(address)))
        })
    }

    /// Waits until a daemon here takes connections at an address.
    ///
    /// # Errors
    /// When the daemon ends, or the port stays closed.
    pub fn wait_for_address(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until(&format!("its port {}", address.port()), || {
            Ok(takes(address))
        })
    }

    /// Waits until a file of the daemon is there, such as a socket.
    ///
    /// # Errors
    /// When the daemon ends, or the file does not come.
    pub fn wait_for_file(&mut self, path: &Path) -> Result<()> {
        self.wait_until(&format!("its {}", path.display()), || Ok(path.exists()))
    }

    fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let name = self.name.clone();
        wait::quietly(&format!("{name}: {what}"), START, || {
            self.check()?;
            Ok(if ready()? {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("starting {name}"))
            })
        })
    }

    /// Its name and node.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, inside of the world.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("{}", self.log.display()))
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// With its last lines.
    pub fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = self.log().unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        let last: String = last
            .into_iter()
            .rev()
            .map(|line| format!("\n    {line}"))
            .collect();
        bail!("{} has ended ({status}); its last words:{last}", self.name)
    }

    /// Kills it at once, as a power failure would.
    ///
    /// # Errors
    /// When it can't be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        Ok(self.child.wait()?)
    }

    /// The same, but waits no longer than this.
    ///
    /// # Errors
    /// When it still runs then.
    pub fn stop_within(mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        wait::quietly(&format!("{} to end", self.name), limit, || {
            Ok(match self.child.try_wait()? {
                Some(status) => Seen::Yes(status),
                None => Seen::NotYet("it runs".to_owned()),
            })
        })
    }

    /// Stops it where it stands (SIGSTOP): its ports take connections, and nothing is answered.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(id, signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Into the log with all it says, and out of the terminal's reach: Ctrl-C is for the lab to handle.
fn quiet(command: &mut Command, log: &Path) -> Result<()> {
    let file = open_log(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0);
    Ok(())
}

/// A daemon that is started again goes on in the same log.
fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn takes(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}
