//! Real gobgpd processes: on loopback, on ports of their own, without any
//! configuration file, killed when dropped.

use sdwan_gobgp::{Client, Error, Options};
use std::ffi::OsStr;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A released version to test against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    V3_10,
    V3_36,
    V4_8,
}

impl Release {
    pub(crate) const ALL: [Self; 3] = [Self::V3_10, Self::V3_36, Self::V4_8];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V3_10 => "3.10",
            Self::V3_36 => "3.36",
            Self::V4_8 => "4.8",
        }
    }

    /// `SDWAN_GOBGPD_4_8`, else where the project's set-up puts it.
    pub(crate) fn gobgpd(self) -> PathBuf {
        let variable = format!("SDWAN_GOBGPD_{}", self.name().replace('.', "_"));
        let path = std::env::var_os(&variable)
            .map(PathBuf::from)
            .unwrap_or_else(|| {
                let home = std::env::var_os("HOME")
                    .map(PathBuf::from)
                    .unwrap_or_default();
                home.join(".cache/sdwan/gobgpd")
                    .join(self.name())
                    .join("usr/bin/gobgpd")
            });
        assert!(
            path.is_file(),
            "no gobgpd {} at {}: run cargo xtask test, or cargo xtask setup",
            self.name(),
            path.display()
        );
        path
    }
}

/// Runs it on every version, side by side.
pub(crate) async fn everywhere(test: impl AsyncFn(Release)) {
    futures::future::join_all(Release::ALL.map(|release| test(release))).await;
}

pub(crate) struct Daemon {
    pub(crate) release: Release,
    pub(crate) address: String,
    port: u16,
    api_hosts: String,
    door: Door,
    child: Child,
}

/// How its API is guarded, and the way in.
#[derive(Clone, Default)]
pub(crate) struct Door {
    pub(crate) flags: Vec<String>,
    pub(crate) options: Options,
}

impl Daemon {
    /// Starts it and waits until its API answers.
    pub(crate) async fn start(release: Release) -> Self {
        Self::start_with(release, &[]).await
    }

    /// The same, with further places for its API.
    pub(crate) async fn start_with(release: Release, hosts: &[String]) -> Self {
        Self::start_in(release, hosts, None, Door::default()).await
    }

    /// The same, with a configuration file.
    pub(crate) async fn configured(release: Release, config: &str) -> Self {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        file.write_all(config.as_bytes()).unwrap();
        Self::start_in(release, &[], Some(file), Door::default()).await
    }

    /// The same, behind this door.
    pub(crate) async fn behind(release: Release, door: &Door) -> Self {
        Self::start_in(release, &[], None, door.clone()).await
    }

    async fn start_in(
        release: Release,
        hosts: &[String],
        config: Option<NamedTempFile>,
        door: Door,
    ) -> Self {
        // Another process may take the port in between: then gobgpd ends, and
        // it is tried again with another one.
        for _ in 0..5 {
            let port = free_port();
            let address = format!("127.0.0.1:{port}");
            let api_hosts = [std::slice::from_ref(&address), hosts].concat().join(",");
            let child = spawn(release, &api_hosts, config.as_ref(), &door.flags);
            let mut daemon = Self {
                release,
                address,
                port,
                api_hosts,
                door: door.clone(),
                child,
            };
            if daemon.answers().await {
                // It has read its configuration when BGP runs.
                let client = daemon.client().await;
                while config.is_some() && client.get_bgp().await.unwrap().asn == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return daemon;
            }
        }
        panic!("gobgpd {} does not answer", release.name());
    }

    /// Starts it again in the same place after [`Self::kill`].
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.release, &self.api_hosts, None, &self.door.flags);
        assert!(
            self.answers().await,
            "gobgpd {} does not come back",
            self.release.name()
        );
    }

    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            match Client::connect(&self.address, self.door.options.clone()).await {
                Ok(_) => return true,
                Err(Error::Unreachable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    pub(crate) async fn client(&self) -> Client {
        let options = self.door.options.clone();
        Client::connect(&self.address, options).await.unwrap()
    }

    /// What the daemon's own command line tool says, as JSON.
    pub(crate) fn gobgp_json(&self, args: &[&str]) -> serde_json::Value {
        let text = self.gobgp(&[&["-j"], args].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("gobgp {args:?}: {e}: {text}"))
    }

    /// What the daemon's own command line tool says.
    pub(crate) fn gobgp(&self, args: &[&str]) -> String {
        let output = Command::new(self.release.gobgpd().with_file_name("gobgp"))
            .args(["-p", &self.port.to_string()])
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "gobgp {args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(
    release: Release,
    api_hosts: &str,
    config: Option<&NamedTempFile>,
    flags: &[String],
) -> Child {
    let config = config.map(|file| [OsStr::new("-f"), file.path().as_os_str()]);
    Command::new(release.gobgpd())
        .args(config.into_iter().flatten())
        .args([
            "--pprof-disable",
            "--log-level",
            "error",
            "--api-hosts",
            api_hosts,
        ])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
