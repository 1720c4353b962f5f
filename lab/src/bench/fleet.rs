//! 100 real daemons with 10 neighbors each: first configuration, and all of
//! them restarted at once.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{Server, bare_push, connected, free_ports, gobgpd};
use crate::daemon::Daemon;
use crate::tools::Release;
use anyhow::{Context as _, Result, ensure};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{PeerEvent, PeerFilter};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const ROUTERS: usize = 100;
const EACH: usize = 10;
const LIMIT: Duration = Duration::from_secs(120);

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (mut first, mut again, mut bare) =
        (Series::default(), Series::default(), Series::default());
    for _ in 0..rounds {
        let ports = free_ports(ROUTERS)?;
        let server = Server::start().await?;
        for (index, port) in ports.iter().enumerate() {
            let name = format!("r{index}");
            server.create_router(&name, *port, index + 1).await?;
            server.create_neighbors(&name, EACH, EACH).await?;
        }
        let fleet = start(folder.path(), release, &ports)?;
        first.add(after_the_last_answer(&ports).await?);
        for daemon in fleet {
            daemon.kill()?;
        }
        let fleet = start(folder.path(), release, &ports)?;
        again.add(after_the_last_answer(&ports).await?);
        drop((server, fleet));

        let ports = free_ports(ROUTERS)?;
        let _fleet = start(folder.path(), release, &ports)?;
        bare.add(of_bare_calls(&ports).await?);
    }
    let figure = |what: &str, ours: &Series| Figure {
        what: format!("{ROUTERS} daemons of {EACH} neighbors, {what}"),
        ours: seconds(ours.median()),
        against: format!("{} bare calls", seconds(bare.median())),
        figure: ours.median() / bare.median(),
        unit: "x",
        aim: Aim::AtMost(1.5),
    };
    Ok(vec![
        figure("configured", &first),
        figure("restarted", &again),
    ])
}

fn start(folder: &Path, release: Release, ports: &[u16]) -> Result<Vec<Daemon>> {
    ports
        .iter()
        .map(|port| gobgpd(folder, release, *port))
        .collect()
}

/// From the last daemon's first answer until each has its neighbors.
async fn after_the_last_answer(ports: &[u16]) -> Result<f64> {
    let daemons = heard(ports).await?;
    let last = daemons.iter().map(|daemon| daemon.answered).max();
    let last = last.unwrap_or_else(Instant::now);
    until_applied(daemons, last).await
}

/// Bare calls to all of them, seen by the same observer.
async fn of_bare_calls(ports: &[u16]) -> Result<f64> {
    let daemons = heard(ports).await?;
    let clients: Vec<Client> = daemons.iter().map(|one| one.client.clone()).collect();
    let push = futures::stream::iter(&clients)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(ROUTERS, async |client| bare_push(client, EACH).await);
    let start = Instant::now();
    let (seconds, ()) = tokio::try_join!(until_applied(daemons, start), push)?;
    Ok(seconds)
}

/// A daemon whose neighbors are heard of as they come: a list for each look
/// would cost it more than what is measured.
struct Heard {
    client: Client,
    answered: Instant,
    events: BoxStream<'static, Result<PeerEvent, sdwan_gobgp::Error>>,
}

async fn heard(ports: &[u16]) -> Result<Vec<Heard>> {
    futures::stream::iter(ports)
        .map(async |port| {
            let (client, answered) = connected(*port).await?;
            let events = client.watch_peers().await?.boxed();
            Ok(Heard {
                client,
                answered,
                events,
            })
        })
        .buffer_unordered(ROUTERS)
        .try_collect()
        .await
}

/// Seconds since then; afterwards it makes sure of the lists.
async fn until_applied(daemons: Vec<Heard>, since: Instant) -> Result<f64> {
    let each = daemons.into_iter().map(async |mut daemon| {
        let mut there = BTreeSet::new();
        while there.len() < EACH {
            let event = daemon.events.try_next().await?.context("the watch ended")?;
            there.extend(event.peer.and_then(|peer| peer.address()));
        }
        anyhow::Ok((Instant::now(), daemon.client))
    });
    let all = timeout(LIMIT, futures::future::try_join_all(each)).await;
    let all = all.context("not all neighbors came")??;
    let end = all.iter().map(|(at, _)| *at).max();
    for (_, client) in &all {
        let there = client.list_peers(PeerFilter::default()).await?.len();
        let address = client.address();
        ensure!(there == EACH, "{address} has {there} of {EACH} neighbors");
    }
    Ok(end.map_or(0.0, |end| (end - since).as_secs_f64()))
}
