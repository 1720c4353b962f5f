//! Three members of etcd on loopback, as they come: default options.

use crate::bench::subject::free_ports;
use crate::daemon::Daemon;
use crate::tools::EtcdRelease;
use crate::world;
use anyhow::{Result, ensure};
use sdwan_store::etcd::{self, Options};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The newest that the lab has.
const RELEASE: EtcdRelease = EtcdRelease::V3_5;

const MEMBERS: usize = 3;

/// How long they may take to elect a leader.
const START: Duration = Duration::from_secs(60);

/// See the module; they end when dropped.
pub(super) struct Etcd {
    members: Vec<Daemon>,
    endpoints: Vec<String>,
    folder: TempDir,
}

impl Etcd {
    /// Starts them with nothing in them.
    ///
    /// # Errors
    /// When they don't answer.
    pub(super) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir_in(Path::new(world::FOLDER))?;
        let ports = free_ports(2 * MEMBERS)?;
        let (clients, peers) = ports.split_at(MEMBERS);
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let (clients, peers): (Vec<_>, Vec<_>) = (
            clients.iter().map(url).collect(),
            peers.iter().map(url).collect(),
        );
        let all = peers.iter().enumerate();
        let all: Vec<_> = all.map(|(index, url)| format!("m{index}={url}")).collect();
        let all = all.join(",");
        let member = |index: usize| {
            let name = format!("m{index}");
            let mut command = Command::new(RELEASE.program()?);
            command
                .args(["--name", &name])
                .arg("--data-dir")
                .arg(folder.path().join(&name))
                .args(["--listen-client-urls", &clients[index]])
                .args(["--advertise-client-urls", &clients[index]])
                .args(["--listen-peer-urls", &peers[index]])
                .args(["--initial-advertise-peer-urls", &peers[index]])
                .args(["--initial-cluster", &all, "--log-level", "error"]);
            Daemon::start_here(folder.path(), &format!("etcd-{name}"), command)
        };
        let mut etcd = Self {
            members: (0..MEMBERS).map(member).collect::<Result<_>>()?,
            endpoints: clients,
            folder,
        };
        for index in 0..MEMBERS {
            etcd.until_answers(index).await?;
        }
        Ok(etcd)
    }

    async fn until_answers(&mut self, index: usize) -> Result<()> {
        let end = Instant::now() + START;
        let alone = vec![self.endpoints[index].clone()];
        loop {
            self.members[index].check()?;
            if let Ok(store) = etcd::Etcd::open(Options::at(alone.clone())).await
                && sdwan_store::Store::list(&store, "/").await.is_ok()
            {
                return Ok(());
            }
            ensure!(Instant::now() < end, "etcd does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What goes with it, while it lasts.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its members, beginning with this one.
    pub(super) fn endpoints(&self, first: usize) -> Vec<String> {
        let mut endpoints = self.endpoints.clone();
        endpoints.rotate_left(first % MEMBERS);
        endpoints
    }

    /// A client with a connection of its own; its keys begin with `prefix`.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub(super) async fn client(&self, first: usize, prefix: &str) -> Result<etcd::Etcd> {
        let options = Options {
            prefix: prefix.to_owned(),
            ..Options::at(self.endpoints(first))
        };
        Ok(etcd::Etcd::open(options).await?)
    }
}
