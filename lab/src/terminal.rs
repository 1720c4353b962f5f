//! A terminal with a program in front of it, for what asks whoever sits there.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

use crate::wait::{self, Seen};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// A terminal; what runs in it is killed when it is dropped.
pub struct Terminal {
    /// The side of the person.
    person: std::fs::File,
    /// Held open, so that the terminal outlives what runs in it.
    _program: OwnedFd,
    /// How it was set.
    before: Termios,
    child: Child,
    shown: String,
}

impl Terminal {
    /// Runs a command line in a shell of this environment and no other, in this folder.
    ///
    /// # Errors
    /// When the system gives no terminal, or the shell does not start.
    pub fn start(line: &str, folder: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let ends = openpty(None, None).context("no terminal")?;
        fcntl(&ends.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let before = tcgetattr(&ends.master)?;
        let end = || ends.slave.try_clone();
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait", "bash", "-c", line])
            .current_dir(folder)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?);
        let child = command.spawn().context("cannot start a shell")?;
        Ok(Self {
            person: ends.master.into(),
            _program: ends.slave,
            before,
            child,
            shown: String::new(),
        })
    }

    /// Fails unless it is set as it was at first: echo and the like.
    ///
    /// # Errors
    /// With how it is.
    pub fn expect_as_before(&self) -> Result<()> {
        let now = tcgetattr(&self.person)?;
        ensure!(now == self.before, "{now:?}, not {:?}", self.before);
        Ok(())
    }

    /// All that has been shown so far.
    ///
    /// # Errors
    /// The system's.
    pub fn shown(&mut self) -> Result<&str> {
        let mut bytes = Vec::new();
        match self.person.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            _ => {}
        }
        self.shown += &String::from_utf8_lossy(&bytes);
        Ok(&self.shown)
    }

    /// Waits until this is shown.
    ///
    /// # Errors
    /// When it isn't in time.
    pub fn until_shown(&mut self, text: &str) -> Result<()> {
        wait::quietly(&format!("{text:?} on the terminal"), LIMIT, || {
            let shown = self.shown()?;
            Ok(match shown.contains(text) {
                true => Seen::Yes(()),
                false => Seen::NotYet(format!("{shown:?}")),
            })
        })
    }

    /// Waits until what is typed is shown no more.
    ///
    /// # Errors
    /// When it is for too long.
    pub fn until_hidden(&self) -> Result<()> {
        wait::quietly("a terminal without echo", LIMIT, || {
            let settings = tcgetattr(&self.person)?;
            Ok(match settings.local_flags.contains(LocalFlags::ECHO) {
                false => Seen::Yes(()),
                true => Seen::NotYet("it echoes".to_owned()),
            })
        })
    }

    /// Types this.
    ///
    /// # Errors
    /// The system's.
    pub fn type_in(&mut self, keys: &str) -> Result<()> {
        Ok(self.person.write_all(keys.as_bytes())?)
    }

    /// Waits until the shell has ended.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        wait::quietly("the shell's end", LIMIT, || {
            Ok(match self.child.try_wait()? {
                Some(status) => Seen::Yes(status),
                None => Seen::NotYet(format!("{:?}", self.shown()?)),
            })
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
