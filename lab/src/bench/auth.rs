//! What it costs to know who calls: the same requests to servers that ask
//! nobody, ask for a token of their own, and ask for a Keystone's. And to keep
//! an audit of it.

use super::api::Cost;
use super::figures::{Aim, Figure, Series, ratio, seconds};
use super::subject::{AT_ONCE, Server, free_port, neighbor_address};
use crate::keystone::Keystone;
use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// As many as requests a round: each row is asked for once, so that no answer
/// is one that the server has given before.
const ROWS: usize = 2000;
const READS_A_TURN: usize = 200;
const PAGE: usize = 100;
/// Rows that are created a round, where an audit is kept and where none is.
const CREATES: usize = 200;
const CREATES_A_TURN: usize = 50;
/// Requests at once with a token that the server has never seen.
const AT_A_TIME: usize = 16;

/// A server, and the rows that it is asked for.
struct Subject {
    name: &'static str,
    server: Server,
    show: Vec<String>,
    pages: Vec<String>,
}

pub(super) async fn run(rounds: u32) -> Result<Vec<Figure>> {
    let keystone = Keystone::start().await?;
    let session = keystone.login(&keystone.admin()).await?;
    let none = Subject::new("none", configured(json!({})).await?).await?;
    let local = Subject::new("a local token", by_tokens().await?).await?;
    let theirs = by_keystone(&keystone).await?;
    let theirs = theirs.with_token(session.token.expose_secret())?;
    let theirs = Subject::new("a cached Keystone token", theirs).await?;
    let mut figures = Vec::new();
    for (name, urls) in [
        ("show", Subject::show as fn(&Subject) -> &[String]),
        ("list of 100", Subject::pages),
    ] {
        let subjects = [&none, &local, &theirs];
        let costs = reads(subjects, urls, rounds, name).await?;
        let [none, asked @ ..] = &costs;
        for (subject, cost) in subjects[1..].iter().zip(asked) {
            let figure = |what: &str, none: &Series, asked: &Series| Figure {
                what: format!("{name}, {}, {what}", subject.name),
                ours: seconds(asked.median()),
                against: format!("{} none", seconds(none.median())),
                figure: ratio(none, asked),
                unit: "of none's speed",
                aim: Aim::AtLeast(0.8),
            };
            figures.push(figure("server CPU", &none.cpu, &cost.cpu));
            figures.push(figure("latency p50", &none.latency, &cost.latency));
        }
    }
    figures.push(cold(&keystone, &theirs.server).await?);
    figures.extend(audited(rounds).await?);
    Ok(figures)
}

/// A server that asks for its own tokens, with the first admin's.
async fn by_tokens() -> Result<Server> {
    let server = configured(json!({"auth": "tokens"})).await?;
    let token = std::fs::read_to_string(server.folder().join("sdwan.db.admin-token"))?;
    server.with_token(token.trim_end())
}

/// A server that asks this Keystone.
async fn by_keystone(keystone: &Keystone) -> Result<Server> {
    let keystone = json!({
        "use_keystone": true,
        "auth_url": keystone.auth_url(),
        "user_name": "admin",
        "tenant_name": "admin",
        "password": keystone.admin_password().expose_secret(),
    });
    configured(json!({ "keystone": keystone })).await
}

/// A server of this configuration, which lets one caller ask as often as it can.
async fn configured(mut configuration: Value) -> Result<Server> {
    configuration["limits"] = json!({"requests_per_second": 0});
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("gohan.yaml"), configuration.to_string())?;
    Server::start_with(folder, &["--config-file", "gohan.yaml"]).await
}

impl Subject {
    async fn new(name: &'static str, server: Server) -> Result<Self> {
        server.create_router("r", free_port()?, 1).await?;
        server.create_neighbors("r", ROWS, AT_ONCE).await?;
        let list = server.url(&format!("/v2.0/neighbors?limit={ROWS}&_fields=id"));
        let list = server.http().get(list).send().await?.error_for_status()?;
        let list: Value = list.json().await?;
        let rows = list["neighbors"].as_array().context("no rows")?;
        let show = rows.iter().map(|row| {
            let id = row["id"].as_str().context("no id")?;
            Ok(server.url(&format!("/v2.0/neighbors/{id}")))
        });
        let show = show.collect::<Result<_>>()?;
        let page = |offset| server.url(&format!("/v2.0/neighbors?limit={PAGE}&offset={offset}"));
        Ok(Self {
            name,
            show,
            pages: (0..=ROWS - PAGE).map(page).collect(),
            server,
        })
    }

    fn show(&self) -> &[String] {
        &self.show
    }

    fn pages(&self) -> &[String] {
        &self.pages
    }
}

/// Requests that are all different, after a write, by turns.
async fn reads(
    subjects: [&Subject; 3],
    urls: fn(&Subject) -> &[String],
    rounds: u32,
    name: &str,
) -> Result<[Cost; 3]> {
    let mut costs: [Cost; 3] = Default::default();
    for round in 0..rounds {
        for subject in subjects {
            let change = json!({"description": format!("{name}, round {round}")});
            let first = subject.show.first().context("no rows")?;
            let write = subject.server.http().patch(first).json(&change).send();
            write.await?.error_for_status()?;
        }
        for from in (0..urls(subjects[0]).len()).step_by(READS_A_TURN) {
            for (subject, cost) in subjects.iter().zip(&mut costs) {
                let chunk = urls(subject).iter().skip(from).take(READS_A_TURN);
                let mut next = chunk.clone().cycle();
                let fallback = &subject.show[0];
                let http = subject.server.http();
                let get = || http.get(next.next().unwrap_or(fallback));
                cost.turn(subject.server.id(), chunk.len(), get).await?;
            }
        }
    }
    Ok(costs)
}

/// How often Keystone is asked about a token that many requests bring at once.
async fn cold(keystone: &Keystone, server: &Server) -> Result<Figure> {
    let token = keystone.login(&keystone.admin()).await?.token;
    let before = validations(server).await?;
    let request = || async {
        let request = server.http().get(server.url("/v2.0/routers"));
        let request = request.header("X-Auth-Token", token.expose_secret());
        anyhow::Ok(request.send().await?.error_for_status()?)
    };
    try_join_all((0..AT_A_TIME).map(|_| request())).await?;
    let asked = validations(server).await? - before;
    Ok(Figure {
        what: format!("Keystone's round trips for {AT_A_TIME} requests with one cold token"),
        ours: format!("{asked} validations"),
        against: "1 token".to_owned(),
        figure: asked,
        unit: "round trips",
        aim: Aim::AtMost(1.0),
    })
}

/// Creates where each is answered once it is in the audit, and where there is
/// none, by turns.
async fn audited(rounds: u32) -> Result<Vec<Figure>> {
    let with = configured(json!({"audit": {}})).await?;
    let without = configured(json!({})).await?;
    for server in [&with, &without] {
        server.create_router("r", free_port()?, 1).await?;
    }
    let (mut kept, mut none) = (Cost::default(), Cost::default());
    for from in (0..rounds as usize * CREATES).step_by(CREATES_A_TURN) {
        for (server, cost) in [(&with, &mut kept), (&without, &mut none)] {
            let url = server.url("/v2.0/neighbors");
            let mut number = from;
            let create = || {
                let address = neighbor_address(number);
                number += 1;
                let body = json!({"host_name": "r", "neighbor_addr": address, "peer_as": 65000});
                server.http().post(&url).json(&body)
            };
            cost.turn(server.id(), CREATES_A_TURN, create).await?;
        }
    }
    let figure = |what: &str, kept: &Series, none: &Series| Figure {
        what: format!("create with an audit, {what}"),
        ours: seconds(kept.median()),
        against: format!("{} without", seconds(none.median())),
        figure: ratio(kept, none),
        unit: "x",
        aim: Aim::None,
    };
    Ok(vec![
        figure("server CPU", &kept.cpu, &none.cpu),
        figure("latency p50", &kept.latency, &none.latency),
    ])
}

async fn validations(server: &Server) -> Result<f64> {
    let text = server.http().get(server.url("/metrics")).send().await?;
    let text = text.error_for_status()?.text().await?;
    let name = "sdwan_auth_keystone_requests_total{request=\"validation\"";
    let mut sum = 0.0;
    for line in text.lines().filter(|line| line.starts_with(name)) {
        let (_, value) = line.rsplit_once(' ').context("no value")?;
        sum += value.parse::<f64>()?;
    }
    ensure!(sum > 0.0, "/metrics has no {name}");
    Ok(sum)
}
