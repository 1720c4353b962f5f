//! The processes of the run, each on its node, and what is done to them.
//!
//! Healing needs no memory of what was done: whoever does not run is started, whoever stands
//! still goes on, and every wire that was silenced is heard again.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::api::{Api, Ask};
use super::fault::{Class, Fault};
use super::ground::{self, ETCDS, OUT_OF_BAND, PEER, ROUTERS, SERVERS, STORE};
use crate::daemon::{Daemon, GOBGPD_PORT};
use crate::network::Network;
use crate::tools::EtcdRelease;
use crate::topology::MANAGEMENT;
use crate::wait::{self, Seen};
use crate::{orchestrator, world};

/// Far longer than anything here takes to start, on a slow machine too.
const START: Duration = Duration::from_secs(90);

/// Far longer than anything here takes to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Where a server listens.
const SERVER_PORT: u16 = 9998;

/// Where etcd listens for clients, and for its other members.
const ETCD_PORTS: (u16, u16) = (2379, 2380);

/// A server's configuration: all is logged that can be, and there is a kind of the test's own.
const CONFIGURATION: &str = "\
logging:\n  stderr: {enabled: true, level: DEBUG}
schemas: [mark.yaml]
";

const MARK: &str = "\
schemas:
- id: mark
  singular: mark
  plural: marks
  prefix: /v2.0
  description: A number that clients change
  schema:
    required: [value]
    properties:
      value: {type: integer, title: Value}
";

/// How the cluster is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which etcd.
    pub etcd: EtcdRelease,
    /// A server's lease.
    pub lease: Duration,
}

/// Everybody.
pub struct Cast {
    setup: Setup,
    // Before the network: a daemon goes before its node.
    etcds: Vec<Option<Daemon>>,
    servers: Vec<Option<Daemon>>,
    routers: Vec<Option<Daemon>>,
    apis: Vec<Api>,
    silent: BTreeSet<(&'static str, &'static str)>,
    network: Network,
    runtime: Runtime,
}

impl Cast {
    /// Lays the ground and starts everybody; nothing is declared yet.
    ///
    /// # Errors
    /// When somebody doesn't start.
    pub fn enter(setup: Setup) -> Result<Self> {
        let none = |count: usize| (0..count).map(|_| None).collect();
        let mut cast = Self {
            setup,
            etcds: none(ETCDS.len()),
            servers: none(SERVERS.len()),
            routers: none(ROUTERS.len()),
            apis: apis(ANSWER)?,
            silent: BTreeSet::new(),
            network: Network::lay(ground::topology()?)?,
            runtime: Runtime::new()?,
        };
        cast.start_etcds()?;
        cast.start_routers()?;
        // The first one makes the key that they share.
        for server in 0..SERVERS.len() {
            cast.start_server(server)?;
            cast.until_ready(server)?;
        }
        Ok(cast)
    }

    /// The servers' APIs, for somebody who can wait.
    #[must_use]
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    /// Where tasks run beside the conductor's.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Does a fault; says to whom, where only this moment decides it.
    ///
    /// # Errors
    /// When it can't be done.
    pub fn strike(&mut self, fault: Fault) -> Result<&'static str> {
        let target = fault.target;
        match fault.class {
            Class::KillServer => kill(self.servers.get_mut(target))?,
            Class::StopServer => stop(self.servers.get_mut(target))?,
            Class::KillEtcd => kill(self.etcds.get_mut(target))?,
            Class::KillRouter => kill(self.routers.get_mut(target))?,
            Class::FreezeServer => freeze(self.servers.get(target))?,
            Class::FreezeEtcd => freeze(self.etcds.get(target))?,
            Class::FreezeAllOfEtcd => {
                (0..ETCDS.len()).try_for_each(|member| freeze(self.etcds.get(member)))?;
            }
            Class::FreezeRouter => freeze(self.routers.get(target))?,
            Class::ServerFromEtcd => self.silence(fault.victim(), STORE)?,
            Class::ServerFromRouters => self.silence(fault.victim(), OUT_OF_BAND)?,
            Class::EtcdFromOthers => self.silence(fault.victim(), PEER)?,
            Class::KillLeader => {
                let leader = self.until_leader()?;
                kill(self.etcds.get_mut(leader))?;
                return Ok(ETCDS[leader]);
            }
        }
        Ok(fault.victim())
    }

    /// Undoes all faults and waits until everybody answers again.
    ///
    /// # Errors
    /// When somebody doesn't.
    pub fn heal(&mut self) -> Result<()> {
        for (node, wire) in std::mem::take(&mut self.silent) {
            self.network.hear(node, wire)?;
        }
        for daemon in [&self.etcds, &self.servers, &self.routers]
            .into_iter()
            .flatten()
        {
            daemon.as_ref().map_or(Ok(()), Daemon::thaw)?;
        }
        self.start_etcds()?;
        self.start_routers()?;
        for server in 0..self.servers.len() {
            if self.servers[server].is_none() {
                self.start_server(server)?;
            }
        }
        (0..self.servers.len()).try_for_each(|server| self.until_ready(server))
    }

    /// Fails if a process has ended that nobody ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn check(&mut self) -> Result<()> {
        let all = [&mut self.etcds, &mut self.servers, &mut self.routers];
        let mut daemons = all.into_iter().flatten().flatten();
        daemons.try_for_each(Daemon::check)
    }

    /// Panics in the servers' logs: a panic that a server survives is a fault of its own.
    ///
    /// # Errors
    /// When a log can't be read.
    pub fn panics(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for server in self.servers.iter().flatten() {
            let log = server.log()?;
            let panics = log.lines().filter(|line| line.contains("panicked"));
            found.extend(panics.map(|line| format!("{}: {line}", server.name())));
        }
        Ok(found)
    }

    fn silence(&mut self, node: &'static str, wire: &'static str) -> Result<()> {
        self.silent.insert((node, wire));
        self.network.silence(node, wire)
    }

    fn start_etcds(&mut self) -> Result<()> {
        for (member, name) in ETCDS.iter().enumerate() {
            if self.etcds[member].is_none() {
                let machine = self.network.machine(name)?;
                let program = self.setup.etcd.program()?;
                let mut command = machine.command(&program.to_string_lossy(), None)?;
                command.args(etcd_arguments(name));
                self.etcds[member] = Some(Daemon::start(machine, "etcd", command)?);
            }
        }
        for member in 0..ETCDS.len() {
            self.until_healthy(member)?;
        }
        Ok(())
    }

    fn start_routers(&mut self) -> Result<()> {
        let mut started = Vec::new();
        for (router, name) in ROUTERS.iter().enumerate() {
            if self.routers[router].is_none() {
                let machine = self.network.machine(name)?;
                let daemon = Daemon::start_gobgpd(machine, ground::release(router))?;
                self.routers[router] = Some(daemon);
                started.push(router);
            }
        }
        for router in started {
            let machine = self.network.machine(ROUTERS[router])?;
            let daemon = self.routers[router].as_mut();
            daemon.map_or(Ok(()), |daemon| daemon.wait_for_port(machine, GOBGPD_PORT))?;
        }
        Ok(())
    }

    fn start_server(&mut self, server: usize) -> Result<()> {
        let name = SERVERS[server];
        let machine = self.network.machine(name)?;
        fs::write(machine.folder().join("gohan.yaml"), CONFIGURATION)?;
        fs::write(machine.folder().join("mark.yaml"), MARK)?;
        let mut command = orchestrator::command("sdwan", machine.folder())?;
        let etcds = ETCDS.map(|etcd| client_url(STORE, etcd)).join(",");
        let address = SocketAddr::from((ground::address(MANAGEMENT, name), SERVER_PORT));
        let key = Path::new(world::FOLDER).join("sdwan.key");
        command
            .args(["server", "--config-file", "gohan.yaml", "--insecure"])
            .args(["--etcd", &etcds])
            .args(["--lease", &self.setup.lease.as_secs().to_string()])
            .args(["--address", &address.to_string()])
            .arg("--key-file")
            .arg(key);
        self.servers[server] = Some(Daemon::start(machine, "sdwan-server", command)?);
        Ok(())
    }

    fn until_ready(&mut self, server: usize) -> Result<()> {
        let what = format!("the server {} to be ready", SERVERS[server]);
        wait::quietly(&what, START, || {
            self.servers[server]
                .as_mut()
                .map_or(Ok(()), Daemon::check)?;
            let api = &self.apis[server];
            Ok(match self.runtime.block_on(api.get("/readyz")) {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })
    }

    fn until_healthy(&mut self, member: usize) -> Result<()> {
        let what = format!("{} to have a leader", ETCDS[member]);
        wait::quietly(&what, START, || {
            self.etcds[member].as_mut().map_or(Ok(()), Daemon::check)?;
            Ok(match self.status(member) {
                Ok((_, Some(_))) => Seen::Yes(()),
                Ok((_, None)) => Seen::NotYet("no leader".to_owned()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })
    }

    /// The member that leads.
    fn until_leader(&self) -> Result<usize> {
        wait::quietly("etcd to have a leader", START, || {
            let leads = |member: &usize| {
                let status = self.status(*member);
                status.is_ok_and(|(own, leader)| leader == Some(own))
            };
            Ok(match (0..ETCDS.len()).find(leads) {
                Some(leader) => Seen::Yes(leader),
                None => Seen::NotYet("nobody leads".to_owned()),
            })
        })
    }

    /// A member's own id and the one of the leader that it knows.
    fn status(&self, member: usize) -> Result<(String, Option<String>)> {
        let address = ground::address(MANAGEMENT, ETCDS[member]);
        let api = Api::at(SocketAddr::from((address, ETCD_PORTS.0)), ANSWER)?;
        let ask = Ask {
            method: reqwest::Method::POST,
            path: "/v3/maintenance/status".to_owned(),
            version: None,
            body: Some(json!({})),
        };
        let body = self.runtime.block_on(api.ask(&ask))?.body;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let own = text(&body["header"]["member_id"]).with_context(|| body.to_string())?;
        // No leader is 0, which its JSON leaves out.
        Ok((own, text(&body["leader"])))
    }
}

/// The servers' APIs, for somebody who waits this long for an answer.
///
/// # Errors
/// When there is no HTTP client to be had.
pub fn apis(limit: Duration) -> Result<Vec<Api>> {
    let apis = SERVERS.iter().map(|server| {
        let address = ground::address(MANAGEMENT, server);
        Api::at(SocketAddr::from((address, SERVER_PORT)), limit)
    });
    apis.collect()
}

fn kill(daemon: Option<&mut Option<Daemon>>) -> Result<()> {
    let running = daemon.and_then(Option::take);
    running.context("it does not run")?.kill()
}

/// Ends it as an operator does.
fn stop(daemon: Option<&mut Option<Daemon>>) -> Result<()> {
    let running = daemon.and_then(Option::take);
    let status = running.context("it does not run")?.stop_within(ANSWER)?;
    anyhow::ensure!(status.success(), "told to leave, it ended with {status}");
    Ok(())
}

fn freeze(daemon: Option<&Option<Daemon>>) -> Result<()> {
    let running = daemon.and_then(Option::as_ref);
    running.context("it does not run")?.freeze()
}

fn client_url(wire: &str, etcd: &str) -> String {
    format!("http://{}:{}", ground::address(wire, etcd), ETCD_PORTS.0)
}

fn peer_url(etcd: &str) -> String {
    format!("http://{}:{}", ground::address(PEER, etcd), ETCD_PORTS.1)
}

/// Its data lies in the node's folder, in memory.
fn etcd_arguments(name: &str) -> Vec<String> {
    let all = ETCDS
        .map(|etcd| format!("{etcd}={}", peer_url(etcd)))
        .join(",");
    let clients = [STORE, MANAGEMENT].map(|wire| client_url(wire, name));
    let pairs = [
        ("--name", name.to_owned()),
        ("--data-dir", "data".to_owned()),
        ("--listen-client-urls", clients.join(",")),
        ("--advertise-client-urls", clients[0].clone()),
        ("--listen-peer-urls", peer_url(name)),
        ("--initial-advertise-peer-urls", peer_url(name)),
        ("--initial-cluster", all),
        ("--initial-cluster-state", "new".to_owned()),
        ("--logger", "zap".to_owned()),
    ];
    let words = pairs
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value]);
    words.collect()
}
