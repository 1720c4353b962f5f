//! As many routers as one cluster is made for: until all is applied, and what
//! a worker takes from then on.

use super::WORKERS;
use super::routers::Ground;
use crate::bench::figures::{Aim, Figure, Series, seconds};
use crate::bench::process::{cpu_seconds, resident_mib};
use crate::bench::subject::Server;
use crate::tools::Release;
use anyhow::Result;
use futures::future::try_join_all;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Neighbors of a router.
const EACH: usize = 10;

/// Far longer than it takes.
const LIMIT: Duration = Duration::from_secs(1800);

/// What was begun ends.
const CALM: Duration = Duration::from_secs(15);

const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn run(release: Release, routers: usize) -> Result<Vec<Figure>> {
    let start = Instant::now();
    let ground = Ground::lay(release, routers, EACH).await?;
    let declared = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let workers = try_join_all((0..WORKERS).map(|first| ground.worker(first))).await?;
    ground.until_configured(LIMIT).await?;
    let configured = start.elapsed().as_secs_f64();
    ground.until_applied(LIMIT).await?;
    let applied = start.elapsed().as_secs_f64();
    sleep(CALM).await;
    let before = used(&workers)?;
    sleep(MINUTE).await;
    let after = used(&workers)?;
    let (mut memory, mut cpu) = (Series::default(), Series::default());
    for (worker, (before, after)) in workers.iter().zip(before.iter().zip(&after)) {
        memory.add(resident_mib(worker.id())?);
        cpu.add((after - before) / MINUTE.as_secs_f64() * 100.0);
    }
    let figure = |what: &str, ours: String, against: String, figure: f64, unit| Figure {
        what: format!("{routers} routers of {EACH} neighbors, {WORKERS} workers: {what}"),
        ours,
        against,
        figure,
        unit,
        aim: Aim::None,
    };
    let api = resident_mib(ground.api.id())?;
    Ok(vec![
        figure(
            "all applied",
            seconds(applied),
            format!(
                "{} until all are on the routers, {} to declare them",
                seconds(configured),
                seconds(declared)
            ),
            applied,
            "s",
        ),
        figure(
            "memory of a worker, at most",
            format!("{:.0} MiB", memory.median()),
            format!("{api:.0} MiB of a server without routers"),
            memory.quantile(1.0),
            "MiB",
        ),
        figure(
            "CPU of a worker at rest, at most",
            format!("{:.1} %", cpu.median()),
            "one core, over a minute".to_owned(),
            cpu.quantile(1.0),
            "%",
        ),
    ])
}

/// CPU seconds of each so far.
fn used(workers: &[Server]) -> Result<Vec<f64>> {
    workers
        .iter()
        .map(|worker| cpu_seconds(worker.id()))
        .collect()
}
