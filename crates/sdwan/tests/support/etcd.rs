//! A real etcd on loopback for the servers of a test; killed when dropped.

use super::free_port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One member, perhaps still starting: a server waits for it.
pub struct Etcd {
    child: Child,
    program: PathBuf,
    pub endpoint: String,
    _folder: tempfile::TempDir,
}

impl Etcd {
    pub fn start() -> Self {
        Self::start_release("3.5")
    }

    pub fn start_release(release: &str) -> Self {
        let program = program(release);
        let folder = tempfile::tempdir().unwrap();
        let endpoint = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let child = Command::new(&program)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &endpoint])
            .args(["--advertise-client-urls", &endpoint])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            program,
            endpoint,
            _folder: folder,
        }
    }

    /// It answers nothing until [`Etcd::go_on`].
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// See [`Etcd::stop`].
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// What etcd's own command line tool prints.
    pub fn etcdctl(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.program.with_file_name("etcdctl"))
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "etcdctl {arguments:?}");
        super::stdout(&output)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `SDWAN_ETCD_3_5` and the like, else where the project's set-up puts it.
fn program(release: &str) -> PathBuf {
    let variable = format!("SDWAN_ETCD_{}", release.replace('.', "_"));
    let path = std::env::var_os(variable).map_or_else(
        || {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
            home.join(".cache/sdwan/etcd")
                .join(release)
                .join("usr/bin/etcd")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "no etcd {release} at {}: run cargo xtask test, or cargo xtask setup",
        path.display()
    );
    path
}
