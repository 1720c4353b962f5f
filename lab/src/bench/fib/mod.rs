//! The agent beside what does parts of its work: a bare reader with `ip -batch`, and BIRD.

mod change;
mod feed;
mod full;
mod ground;
mod kernel;
mod reader;

use super::figures::{Aim, Figure, Series, seconds};
use super::process::{cpu_seconds, resident_mib};
use crate::network::Network;
use crate::tools::Release;
use anyhow::{Context as _, Result};
use feed::Feed;
use full::Full;
use ground::{Feeder, Router};
use kernel::Kernel;
use sdwan_agent::fib::Mark;
use std::time::Duration;

/// For so long an agent with nothing to do is looked at.
const IDLE: Duration = Duration::from_secs(30);

/// `routes`: the first for all that is measured, the others for the feed alone, once each.
pub(super) async fn run(release: Release, rounds: u32, routes: &[u32]) -> Result<Vec<Figure>> {
    let network = ground::lay()?;
    let routes: Vec<usize> = routes
        .iter()
        .map(|&n| usize::try_from(n))
        .collect::<Result<_, _>>()?;
    let (&first, more) = routes.split_first().context("how many routes?")?;
    let mut figures = all(&network, release, rounds, first).await?;
    for &routes in more {
        let mut feeder = Feeder::start(&network, routes)?;
        let router = Router::start(&network, release).await?;
        let mut kernel = Kernel::listen(router.machine(), Mark::DEFAULT.protocol)?;
        let feed = feed::measure(&router, &mut feeder, &mut kernel, routes, 1).await?;
        figures.push(fed(routes, &feed));
    }
    Ok(figures)
}

/// Everything, on one table.
async fn all(
    network: &Network,
    release: Release,
    rounds: u32,
    routes: usize,
) -> Result<Vec<Figure>> {
    let mut feeder = Feeder::start(network, routes)?;
    let router = Router::start(network, release).await?;
    let mut kernel = Kernel::listen(router.machine(), Mark::DEFAULT.protocol)?;
    let empty = empty_mib(&router)?;
    let feed = feed::measure(&router, &mut feeder, &mut kernel, routes, rounds).await?;
    feeder.feed()?;
    let full = full::measure(network, &router, &mut kernel, routes, rounds).await?;

    let mut agent = router.agent()?;
    kernel.until(routes).await?;
    agent.until_in_step()?;
    let id = agent.process()?.id();
    let before = cpu_seconds(id)?;
    tokio::time::sleep(IDLE).await;
    let idle = (cpu_seconds(id)? - before) * 60.0 / IDLE.as_secs_f64();
    let resident = resident_mib(id)?;
    let latencies = change::measure(&router, &mut kernel, routes).await?;
    agent.stop()?;
    feed::flush(&router, &mut kernel).await?;
    Ok([
        vec![fed(routes, &feed)],
        from_full(routes, &full),
        changed(routes, &latencies),
        at_rest(routes, resident, empty, idle),
    ]
    .concat())
}

/// What an agent takes that has nothing to do.
fn empty_mib(router: &Router<'_>) -> Result<f64> {
    let mut agent = router.agent()?;
    agent.until_in_step()?;
    resident_mib(agent.process()?.id())
}

fn fed(routes: usize, feed: &Feed) -> Figure {
    let (read, ip) = (feed.read.median(), feed.ip.median());
    Figure {
        what: format!("{routes} routes, from a peer's first to the kernel's last"),
        ours: seconds(feed.ours.median()),
        against: format!("{} a bare reader, {} ip -batch", seconds(read), seconds(ip)),
        figure: feed.ours.median() / feed.bare.median(),
        unit: "x",
        aim: Aim::AtMost(1.0),
    }
}

fn from_full(routes: usize, full: &Full) -> Vec<Figure> {
    let (ours, read, bird) = (full.ours.median(), full.read.median(), full.bird.median());
    vec![
        Figure {
            what: format!("start beside a full table of {routes}, to the kernel's last"),
            ours: seconds(ours),
            against: format!("{} BIRD's kernel protocol", seconds(bird)),
            figure: ours / bird,
            unit: "x",
            aim: Aim::AtMost(1.0),
        },
        Figure {
            what: "the same beyond what gobgpd takes to tell its table".to_owned(),
            ours: seconds((ours - read).max(0.0)),
            against: format!("{} BIRD, whose table is its own", seconds(bird)),
            figure: (ours - read).max(0.0) / bird,
            unit: "x",
            aim: Aim::None,
        },
        Figure {
            what: "the same against a bare reader of that table".to_owned(),
            ours: seconds(ours),
            against: format!("{} a bare reader, no kernel", seconds(read)),
            figure: ours / read,
            unit: "x",
            aim: Aim::None,
        },
    ]
}

fn changed(routes: usize, latencies: &Series) -> Vec<Figure> {
    let figure = |share: f64, name: &str, aim| {
        let late = latencies.quantile(share);
        Figure {
            what: format!(
                "a change among {routes} routes, {name} of {}",
                change::CHANGES
            ),
            ours: seconds(late),
            against: "a bare reader's sight of it".to_owned(),
            figure: late * 1e3,
            unit: "ms",
            aim,
        }
    };
    vec![
        figure(0.5, "p50", Aim::None),
        figure(0.99, "p99", Aim::AtMost(10.0)),
    ]
}

fn at_rest(routes: usize, resident: f64, empty: f64, idle: f64) -> Vec<Figure> {
    #[expect(clippy::cast_precision_loss, reason = "no table has 2^52 routes")]
    let each = (resident - empty) * 100_000.0 / routes as f64;
    vec![
        Figure {
            what: "resident for each 100000 routes".to_owned(),
            ours: format!("{resident:.1} MiB with {routes}"),
            against: format!("{empty:.1} MiB empty"),
            figure: each,
            unit: "MiB",
            aim: Aim::None,
        },
        Figure {
            what: format!("CPU at rest with {routes} routes"),
            ours: format!("looked at for {} s", IDLE.as_secs()),
            against: String::new(),
            figure: idle,
            unit: "s/min",
            aim: Aim::None,
        },
    ]
}
