//! The real binaries, as a user runs them.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests; not every test binary uses all of them"
)]

pub mod etcd;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server in a folder of its own; killed when dropped.
pub struct Server {
    child: Child,
    pub endpoint: String,
    pub folder: tempfile::TempDir,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// `sdwan server`, its output to be read later.
pub fn server_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sdwan"));
    command
        .current_dir(folder)
        .env_clear()
        .arg("server")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Server {
    /// With no configuration but its port.
    pub fn start() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), &[])
    }

    /// In a folder that may hold a database and configuration already.
    pub fn start_with(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let command = server_command(folder.path(), arguments);
        Self::start_by(folder, command)
    }

    /// By a command that gets the port as its last arguments.
    pub fn start_by(folder: tempfile::TempDir, mut command: Command) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
        let child = command
            .args(["--address", &address])
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            endpoint: format!("http://{address}"),
            folder,
        };
        server.until_ready();
        server
    }

    fn until_ready(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        // 3 is "no answer".
        while self.client(&["router", "list"]).status.code() == Some(3) {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "the server has ended:\n{}",
                self.log()
            );
            assert!(
                Instant::now() < end,
                "the server does not answer:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap()
    }

    /// `gohan client ...` against it, with an environment that says nothing else.
    pub fn client(&self, words: &[&str]) -> Output {
        self.program(env!("CARGO_BIN_EXE_gohan"), &[&["client"], words].concat())
    }

    /// `sdwan ...` against it.
    pub fn sdwan(&self, words: &[&str]) -> Output {
        self.program(env!("CARGO_BIN_EXE_sdwan"), words)
    }

    /// `sdwan ...` with a token.
    pub fn sdwan_as(&self, token: &str, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_sdwan"), words)
            .env("OS_TOKEN", token)
            .output()
            .unwrap()
    }

    fn program(&self, program: &str, words: &[&str]) -> Output {
        self.command(program, words).output().unwrap()
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("GOHAN_ENDPOINT_URL", &self.endpoint)
            .env("HOME", self.folder.path())
            .args(words);
        command
    }

    /// The stdout of a command that must succeed.
    pub fn must(&self, words: &[&str]) -> String {
        let output = self.client(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Kills it, as a power failure would, and gives back its folder.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is spoken with in another way; killed when dropped.
pub struct Running {
    child: Child,
    log: std::path::PathBuf,
}

impl Running {
    /// Does not wait until it is ready.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("server.log");
        let child = server_command(folder, arguments)
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that must refuse to start, and gives what it said.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let mut child = server_command(folder, arguments).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the server did not refuse {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(!status.success(), "{said}");
    said
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
