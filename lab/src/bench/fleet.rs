//! 100 real daemons with 10 neighbors each: first configuration, and all of
//! them restarted at once.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{Server, bare_push, connected, gobgpd};
use crate::daemon::Daemon;
use crate::tools::Release;
use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt};
use sdwan_gobgp::types::PeerFilter;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUTERS: usize = 100;
const EACH: usize = 10;

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (mut first, mut again, mut bare) =
        (Series::default(), Series::default(), Series::default());
    for _ in 0..rounds {
        let ports = ports()?;
        let server = Server::start().await?;
        for (index, port) in ports.iter().enumerate() {
            let name = format!("r{index}");
            server.create_router(&name, *port, index + 1).await?;
            server.create_neighbors(&name, EACH, EACH).await?;
        }
        let fleet = start(folder.path(), release, &ports)?;
        first.add(until_applied(&ports).await?);
        for daemon in fleet {
            daemon.kill()?;
        }
        let fleet = start(folder.path(), release, &ports)?;
        again.add(until_applied(&ports).await?);
        drop((server, fleet));

        let ports = self::ports()?;
        let _fleet = start(folder.path(), release, &ports)?;
        bare.add(bare_calls(&ports).await?);
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

/// Free ports, held together until all are found, so that no two are the same.
fn ports() -> Result<Vec<u16>> {
    let held: Vec<_> = (0..ROUTERS)
        .map(|_| std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

fn start(folder: &Path, release: Release, ports: &[u16]) -> Result<Vec<Daemon>> {
    ports
        .iter()
        .map(|port| gobgpd(folder, release, *port))
        .collect()
}

/// From the last daemon's first answer until each has its neighbors.
async fn until_applied(ports: &[u16]) -> Result<f64> {
    let clients: Vec<_> = futures::stream::iter(ports)
        .map(|port| connected(*port))
        .buffer_unordered(ROUTERS)
        .try_collect()
        .await?;
    let Some(last) = clients.iter().map(|(_, answered)| *answered).max() else {
        return Ok(0.0);
    };
    let end = last + Duration::from_secs(120);
    for (client, _) in &clients {
        loop {
            let there = client
                .list_peers(PeerFilter::default())
                .await
                .map_or(0, |p| p.len());
            if there == EACH {
                break;
            }
            ensure!(
                Instant::now() < end,
                "{} has {there} of {EACH} neighbors",
                client.address()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(last.elapsed().as_secs_f64())
}

async fn bare_calls(ports: &[u16]) -> Result<f64> {
    let clients: Vec<_> = futures::stream::iter(ports)
        .map(|port| connected(*port))
        .buffer_unordered(ROUTERS)
        .try_collect()
        .await?;
    let start = Instant::now();
    futures::stream::iter(&clients)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(ROUTERS, async |(client, _)| bare_push(client, EACH).await)
        .await?;
    Ok(start.elapsed().as_secs_f64())
}
