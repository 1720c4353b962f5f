//! Several servers on three members of etcd: what sharing a store costs, and
//! what a server's end costs the others.
//!
//! etcd's data lies in memory (the lab's own tmpfs), for the bare side of a
//! pair as well: what is compared is computing, not the machine's disk. Where
//! there are routers, they are simulated.

mod create;
mod etcd;
mod routers;
mod scale;
mod takeover;
mod transaction;
mod watch;

use super::figures::Figure;
use super::subject::Server;
use crate::tools::Release;
use crate::world;
use anyhow::{Context as _, Result};
use etcd::Etcd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Clients that create at once.
const CLIENTS: usize = 16;

/// Servers that share the routers.
const WORKERS: usize = 3;

pub(super) async fn run(release: Release, rounds: u32, routers: usize) -> Result<Vec<Figure>> {
    allow_connections()?;
    let mut figures = create::run(rounds).await?;
    figures.extend(watch::run(rounds).await?);
    figures.extend(takeover::run(release, rounds, routers).await?);
    figures.extend(scale::run(release, routers).await?);
    Ok(figures)
}

/// Every simulated router has a connection that ends in this process; the
/// servers that it starts have as many.
fn allow_connections() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// What a server does: `--role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Api,
    Worker,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// Starts a server on this etcd, whose `first` member it asks first. All have
/// one key file, which the first one makes.
async fn server(etcd: &Etcd, first: usize, role: Role) -> Result<Server> {
    let key = etcd.folder().join("sdwan.key");
    let endpoints = etcd.endpoints(first).join(",");
    let folder = tempfile::tempdir_in(Path::new(world::FOLDER))?;
    let arguments = [
        "--etcd",
        &endpoints,
        "--role",
        role.as_str(),
        "--key-file",
        &key.to_string_lossy(),
    ];
    Server::start_with(folder, &arguments).await
}

/// Who looks after which router, by one server's word.
struct View {
    /// The members' ids, by where their APIs listen.
    members: BTreeMap<String, String>,
    /// The members that have them, by the routers' names; none where nobody has.
    routers: BTreeMap<String, Option<String>>,
}

impl View {
    async fn of(server: &Server) -> Result<Self> {
        let url = server.url("/sdwan/v1/cluster");
        let answer = server.http().get(url).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let members = answer["members"].as_array().context("no members")?;
        let routers = answer["routers"].as_array().context("no routers")?;
        let member = |member: &Value| Some((text(&member["address"])?, text(&member["id"])?));
        let router = |row: &Value| Some((text(&row["host_name"])?, text(&row["member"])));
        Ok(Self {
            members: members.iter().filter_map(member).collect(),
            routers: routers.iter().filter_map(router).collect(),
        })
    }

    /// The names of a server's routers.
    fn share(&self, of: &Server) -> Vec<&str> {
        let Some(member) = self.members.get(of.address()) else {
            return Vec::new();
        };
        let theirs = self.routers.iter();
        theirs
            .filter(|(_, by)| by.as_ref() == Some(member))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
