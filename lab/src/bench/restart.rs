//! A daemon that comes back empty: from its first answer until everything is
//! applied again.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{AT_ONCE, Server, bare_push, connected, free_port, gobgpd};
use crate::tools::Release;
use anyhow::{Result, ensure};
use sdwan_gobgp::Client;
use sdwan_gobgp::types::PeerFilter;
use std::time::{Duration, Instant};

const NEIGHBORS: usize = 1000;

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut daemon = gobgpd(folder.path(), release, port)?;
    connected(port).await?;
    let server = Server::start().await?;
    server.create_router("r", port, 1).await?;
    server.create_neighbors("r", NEIGHBORS, AT_ONCE).await?;
    server.until_applied(NEIGHBORS).await?;

    let (mut ours, mut bare) = (Series::default(), Series::default());
    for _ in 0..rounds {
        daemon.kill()?;
        daemon = gobgpd(folder.path(), release, port)?;
        let (client, answered) = connected(port).await?;
        until_there(&client).await?;
        ours.add(answered.elapsed().as_secs_f64());

        let other = free_port()?;
        let floor = gobgpd(folder.path(), release, other)?;
        let (client, answered) = connected(other).await?;
        bare_push(&client, NEIGHBORS).await?;
        bare.add(answered.elapsed().as_secs_f64());
        floor.kill()?;
    }
    Ok(vec![Figure {
        what: format!("{NEIGHBORS} neighbors back after a restart, beyond 1 s"),
        ours: seconds(ours.median()),
        against: format!("{} bare calls", seconds(bare.median())),
        figure: (ours.median() - 1.0).max(0.0) / bare.median(),
        unit: "x",
        aim: Aim::AtMost(2.0),
    }])
}

async fn until_there(client: &Client) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let there = client
            .list_peers(PeerFilter::default())
            .await
            .map_or(0, |peers| peers.len());
        if there == NEIGHBORS {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "only {there} of {NEIGHBORS} neighbors came back"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
