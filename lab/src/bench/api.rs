//! What a request costs, against a bare handler that returns the same bytes.

use super::figures::{Aim, Figure, Series, ratio, seconds};
use super::process::cpu_seconds;
use super::subject::{AT_ONCE, Server, free_port, neighbor_address};
use crate::daemon::Daemon;
use crate::tools;
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use std::process::Command;
use std::time::Instant;

/// As many as requests a round: each row is asked for once, so that no answer
/// is one that the server has given before.
const ROWS: usize = READS;
const PAGE: usize = 100;
/// Requests a round, and a turn of each side within it.
const READS: usize = 2000;
const READS_A_TURN: usize = 200;
const CREATES: usize = 300;
const CREATES_A_TURN: usize = 60;
const CLIENTS: usize = 16;

pub(super) async fn run(rounds: u32) -> Result<Vec<Figure>> {
    let server = Server::start().await?;
    server.create_router("r", free_port()?, 1).await?;
    server.create_neighbors("r", ROWS, AT_ONCE).await?;
    let floor = Floor::start().await?;
    let list = format!("/v2.0/neighbors?limit={ROWS}&_fields=id");
    let list: serde_json::Value = server
        .http()
        .get(server.url(&list))
        .send()
        .await?
        .json()
        .await?;
    let rows = list["neighbors"].as_array().context("no rows")?;
    let show: Vec<String> = rows
        .iter()
        .map(|row| {
            Ok(server.url(&format!(
                "/v2.0/neighbors/{}",
                row["id"].as_str().context("no id")?
            )))
        })
        .collect::<Result<_>>()?;
    let first = show.first().context("no rows")?.clone();
    let page = |offset| server.url(&format!("/v2.0/neighbors?limit={PAGE}&offset={offset}"));
    let pages = (0..=ROWS - PAGE).map(page).collect();

    let mut figures = Vec::new();
    for (name, urls) in [("show", show), ("list of 100", pages)] {
        let reads = Reads {
            server: &server,
            floor: &floor,
            urls,
        };
        figures.extend(reads.run(rounds, name, &first).await?);
    }
    figures.extend(creates(&server, &floor, rounds).await?);
    Ok(figures)
}

/// Requests that are all different, after a write: the server has no answer
/// ready for any of them.
struct Reads<'a> {
    server: &'a Server,
    floor: &'a Floor,
    urls: Vec<String>,
}

impl Reads<'_> {
    async fn run(&self, rounds: u32, name: &str, row: &str) -> Result<Vec<Figure>> {
        let http = self.server.http();
        let answer = http.get(&self.urls[0]).send().await?.error_for_status()?;
        let bare = format!("{}/bodies/same", self.floor.endpoint);
        let kept = self.floor.http.put(&bare).body(answer.bytes().await?);
        kept.send().await?.error_for_status()?;
        let (mut ours, mut theirs) = (Cost::default(), Cost::default());
        for round in 0..rounds {
            let change = json!({"description": format!("{name}, round {round}")});
            let write = http.patch(row).json(&change).send().await?;
            write.error_for_status()?;
            for urls in self.urls.chunks(READS_A_TURN) {
                let mut next = urls.iter();
                ours.turn(self.server.id(), urls.len(), || {
                    http.get(next.next().unwrap_or(&bare))
                })
                .await?;
                let get = || self.floor.http.get(&bare);
                let process = self.floor.daemon.id();
                theirs.turn(process, urls.len(), get).await?;
            }
        }
        Ok(ours.against(&theirs, name, Aim::AtMost(1.6)))
    }
}

/// Creates, one client at a time and many at once.
async fn creates(server: &Server, floor: &Floor, rounds: u32) -> Result<Vec<Figure>> {
    let numbers = std::cell::Cell::new(ROWS);
    let body = || {
        numbers.set(numbers.get() + 1);
        json!({"host_name": "r", "neighbor_addr": neighbor_address(numbers.get()), "peer_as": 65000})
    };
    let url = server.url("/v2.0/neighbors");
    let bare = format!("{}/create", floor.endpoint);
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    for _ in 0..rounds as usize * CREATES / CREATES_A_TURN {
        let create = || server.http().post(&url).json(&body());
        ours.turn(server.id(), CREATES_A_TURN, create).await?;
        let create = || floor.http.post(&bare).json(&body());
        theirs
            .turn(floor.daemon.id(), CREATES_A_TURN, create)
            .await?;
    }
    let mut figures = ours.against(&theirs, "create, 1 client", Aim::AtMost(1.5));

    let before = Writes::read(server).await?;
    futures::stream::iter(0..CREATES * 4)
        .map(|_| server.http().post(&url).json(&body()))
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(CLIENTS, async |request| {
            request.send().await?.error_for_status()?;
            Ok(())
        })
        .await?;
    let after = Writes::read(server).await?;
    let (commits, fsyncs) = (after.commits - before.commits, after.fsyncs - before.fsyncs);
    figures.push(Figure {
        what: format!("commits an fsync, {CLIENTS} clients"),
        ours: format!("{commits} commits"),
        against: format!("{fsyncs} fsyncs"),
        figure: commits / fsyncs,
        unit: "commits",
        aim: Aim::AtLeast(8.0),
    });
    Ok(figures)
}

/// CPU and latency of one side, a turn a sample.
#[derive(Default)]
pub(super) struct Cost {
    pub(super) cpu: Series,
    pub(super) latency: Series,
}

impl Cost {
    /// So many requests, one after the other.
    pub(super) async fn turn(
        &mut self,
        process: u32,
        requests: usize,
        mut make: impl FnMut() -> RequestBuilder,
    ) -> Result<()> {
        let mut latency = Series::default();
        let before = cpu_seconds(process)?;
        for _ in 0..requests {
            let request = make();
            let start = Instant::now();
            let answer = request.send().await?;
            ensure!(answer.status().is_success(), "{}", answer.text().await?);
            answer.bytes().await?;
            latency.add(start.elapsed().as_secs_f64());
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        self.cpu
            .add((cpu_seconds(process)? - before) / requests as f64);
        self.latency.add(latency.median());
        Ok(())
    }

    fn against(&self, floor: &Self, name: &str, aim: Aim) -> Vec<Figure> {
        let figure = |what: &str, ours: &Series, theirs: &Series| Figure {
            what: format!("{name}, {what}"),
            ours: seconds(ours.median()),
            against: format!("{} bare handler", seconds(theirs.median())),
            figure: ratio(ours, theirs),
            unit: "x",
            aim,
        };
        vec![
            figure("server CPU", &self.cpu, &floor.cpu),
            figure("latency p50", &self.latency, &floor.latency),
        ]
    }
}

/// The store's own counts.
struct Writes {
    commits: f64,
    fsyncs: f64,
}

impl Writes {
    async fn read(server: &Server) -> Result<Self> {
        let text = server
            .http()
            .get(server.url("/metrics"))
            .send()
            .await?
            .text()
            .await?;
        let value = |name: &str| -> Result<f64> {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
                .with_context(|| format!("/metrics has no {name}"))
        };
        Ok(Self {
            commits: value("sdwan_store_commits_total")?,
            fsyncs: value("sdwan_store_fsyncs_total")?,
        })
    }
}

/// The bare handler, in a process of its own.
struct Floor {
    daemon: Daemon,
    endpoint: String,
    http: Client,
    _folder: tempfile::TempDir,
}

impl Floor {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(tools::built("lab")?);
        command
            .arg("bench-floor")
            .arg(address.to_string())
            .arg(folder.path().join("floor.db"));
        let mut daemon = Daemon::start_here(folder.path(), "floor", command)?;
        daemon.wait_for_address(address)?;
        Ok(Self {
            daemon,
            endpoint: format!("http://{address}"),
            http: sdwan_http::local()?.build()?,
            _folder: folder,
        })
    }
}
