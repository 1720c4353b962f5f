//! 1,000 neighbors, from the first POST until all are applied.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{AT_ONCE, Server, bare_push, connected, free_port, gobgpd, neighbor_address};
use crate::tools::Release;
use anyhow::{Result, ensure};
use std::process::Command;
use std::time::Instant;

const NEIGHBORS: usize = 1000;
/// A fork takes ten milliseconds, so that one round of them says enough.
const FORKED_ROUNDS: u32 = 2;

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (mut ours, mut posts, mut bare, mut forked) = (
        Series::default(),
        Series::default(),
        Series::default(),
        Series::default(),
    );
    for round in 0..rounds {
        let port = free_port()?;
        let daemon = gobgpd(folder.path(), release, port)?;
        connected(port).await?;
        ours.add(pushed(port).await?);
        daemon.kill()?;

        posts.add(posted().await?);

        let port = free_port()?;
        let daemon = gobgpd(folder.path(), release, port)?;
        let (client, _) = connected(port).await?;
        let start = Instant::now();
        bare_push(&client, NEIGHBORS).await?;
        bare.add(start.elapsed().as_secs_f64());
        daemon.kill()?;

        if round < FORKED_ROUNDS {
            let port = free_port()?;
            let daemon = gobgpd(folder.path(), release, port)?;
            let (client, _) = connected(port).await?;
            bare_push(&client, 0).await?;
            forked.add(forks(release, port)?);
            daemon.kill()?;
        }
    }
    let floor = posts.median() + bare.median();
    Ok(vec![
        Figure {
            what: format!("push {NEIGHBORS} neighbors"),
            ours: seconds(ours.median()),
            against: format!(
                "{} POSTs alone + {} bare AddPeer",
                seconds(posts.median()),
                seconds(bare.median())
            ),
            figure: ours.median() / floor,
            unit: "x",
            aim: Aim::AtMost(1.5),
        },
        Figure {
            what: format!("push {NEIGHBORS} neighbors"),
            ours: seconds(ours.median()),
            against: format!("{} gobgp forked for each", seconds(forked.median())),
            figure: forked.median() / ours.median(),
            unit: "x faster",
            aim: Aim::AtLeast(15.0),
        },
    ])
}

/// Ours, on an empty daemon.
async fn pushed(port: u16) -> Result<f64> {
    let server = Server::start().await?;
    server.create_router("r", port, 1).await?;
    let start = Instant::now();
    server.create_neighbors("r", NEIGHBORS, AT_ONCE).await?;
    server.until_applied(NEIGHBORS).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// The same POSTs with no daemon behind them.
async fn posted() -> Result<f64> {
    let server = Server::start().await?;
    server.create_router("r", free_port()?, 1).await?;
    let start = Instant::now();
    server.create_neighbors("r", NEIGHBORS, AT_ONCE).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// The predecessor's way: one `gobgp neighbor add` for each. BGP is started
/// already, since the command takes no port of -1.
fn forks(release: Release, port: u16) -> Result<f64> {
    let gobgp = release.folder()?.join("gobgp");
    let port = port.to_string();
    let call = |words: &[&str]| -> Result<()> {
        let output = Command::new(&gobgp)
            .args(["-p", &port])
            .args(words)
            .output()?;
        ensure!(
            output.status.success(),
            "gobgp {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    let start = Instant::now();
    call(&[
        "global",
        "as",
        "65001",
        "router-id",
        "10.0.0.1",
        "listen-port",
        "-1",
    ])?;
    for index in 0..NEIGHBORS {
        call(&[
            "neighbor",
            "add",
            &neighbor_address(index).to_string(),
            "as",
            "65000",
        ])?;
    }
    Ok(start.elapsed().as_secs_f64())
}
