//! Real etcds: on loopback, on ports of their own, with their data in a
//! temporary folder, killed when dropped.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sdwan_store::etcd::{Etcd, Options, Timeouts, Tls};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The oldest release that the store is made for.
pub(crate) const OLDEST: &str = "3.4";

/// A newer one.
pub(crate) const NEWER: &str = "3.5";

/// `SDWAN_ETCD_3_4`, else where the project's set-up puts it.
fn program(release: &str) -> PathBuf {
    let variable = format!("SDWAN_ETCD_{}", release.replace('.', "_"));
    let path = std::env::var_os(&variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = std::env::var_os("HOME")
                .map(PathBuf::from)
                .unwrap_or_default();
            let folder = home.join(".cache/sdwan/etcd").join(release);
            folder.join("usr/bin/etcd")
        });
    assert!(
        path.is_file(),
        "no etcd {release} at {}: run cargo xtask test, or cargo xtask setup",
        path.display()
    );
    path
}

/// How one speaks TLS with it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) tls: Tls,
    /// The same for etcd and for its command line tool.
    pub(crate) etcd: Vec<String>,
    pub(crate) etcdctl: Vec<String>,
}

/// One member.
pub(crate) struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    pub(crate) address: String,
    pub(crate) door: Option<Door>,
    child: Child,
    _folder: TempDir,
}

impl Daemon {
    /// An etcd of one member that answers.
    pub(crate) async fn start(release: &str) -> Self {
        Self::start_with(release, &[]).await
    }

    /// The same with further arguments.
    pub(crate) async fn start_with(release: &str, more: &[&str]) -> Self {
        let mut members = Self::cluster(release, 1, more).await;
        members.remove(0)
    }

    /// One that speaks nothing but TLS.
    pub(crate) async fn behind(release: &str, door: &Door) -> Self {
        let mut members = Self::started(release, 1, &[], Some(door)).await;
        members.remove(0)
    }

    /// So many members of one cluster, which all answer.
    pub(crate) async fn cluster(release: &str, size: usize, more: &[&str]) -> Vec<Self> {
        Self::started(release, size, more, None).await
    }

    async fn started(release: &str, size: usize, more: &[&str], door: Option<&Door>) -> Vec<Self> {
        // Another process may take a port in between: then that member ends,
        // and all is tried again with others.
        'tries: for _ in 0..5 {
            let peers: Vec<_> = (0..size).map(|_| free_port()).collect();
            let mut members: Vec<_> = (0..size)
                .map(|index| Self::member(release, &peers, index, more, door))
                .collect();
            for member in &mut members {
                if !member.answers().await {
                    continue 'tries;
                }
            }
            return members;
        }
        panic!("etcd {release} does not answer");
    }

    fn member(
        release: &str,
        peers: &[u16],
        index: usize,
        more: &[&str],
        door: Option<&Door>,
    ) -> Self {
        // In memory where that can be: these etcds need not outlive the machine.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let (address, client) = match door {
            Some(_) => (format!("https://{address}"), format!("https://{address}")),
            None => (address.clone(), format!("http://{address}")),
        };
        let peer = |index: usize| format!("http://127.0.0.1:{}", peers[index]);
        let all = (0..peers.len()).map(|index| format!("m{index}={}", peer(index)));
        let data = folder.path().join("data");
        let pairs = [
            ("--name", format!("m{index}")),
            ("--data-dir", data.display().to_string()),
            ("--listen-client-urls", client.clone()),
            ("--advertise-client-urls", client),
            ("--listen-peer-urls", peer(index)),
            ("--initial-advertise-peer-urls", peer(index)),
            ("--initial-cluster", all.collect::<Vec<_>>().join(",")),
            ("--initial-cluster-state", "new".into()),
            ("--heartbeat-interval", "50".into()),
            ("--election-timeout", "500".into()),
            ("--logger", "zap".into()),
            ("--log-level", "error".into()),
        ];
        let pairs = pairs.into_iter().flat_map(|(a, b)| [a.to_owned(), b]);
        let guard = door.iter().flat_map(|door| door.etcd.clone());
        let more = more.iter().map(|&a| a.to_owned());
        let arguments: Vec<_> = pairs.chain(more).chain(guard).collect();
        let program = program(release);
        let child = spawn(&program, &arguments);
        Self {
            program,
            arguments,
            address,
            door: door.cloned(),
            child,
            _folder: folder,
        }
    }

    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        let options = Options {
            timeouts: Timeouts {
                call: Duration::from_secs(1),
                ..Timeouts::default()
            },
            ..self.options()
        };
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if Etcd::open(options.clone()).await.is_ok() {
                return true;
            }
        }
        false
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            tls: self.door.as_ref().map(|door| door.tls.clone()),
            ..Options::at(vec![self.address.clone()])
        }
    }

    pub(crate) async fn store(&self) -> Etcd {
        Etcd::open(self.options()).await.unwrap()
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in the same place after [`Self::kill`].
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.program, &self.arguments);
        assert!(self.answers().await, "etcd does not come back");
    }

    /// It stands still, and what is sent to it waits, until it may go on.
    pub(crate) fn stand_still(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
        // All of its threads do when this returns.
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
    }

    pub(crate) fn go_on(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// What etcd's own command line tool says.
    pub(crate) fn etcdctl(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.program.with_file_name("etcdctl"))
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.address])
            .args(self.door.iter().flat_map(|door| &door.etcdctl))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "etcdctl {arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ends one that stands still, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &PathBuf, arguments: &[String]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
