//! From a peer that begins to announce until the last of its routes is in the kernel.

use super::ground::{Feeder, Router};
use super::kernel::Kernel;
use super::reader::Reader;
use crate::bench::figures::Series;
use crate::network::text;
use crate::tools;
use anyhow::{Context as _, Result};
use sdwan_agent::fib::Mark;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Seconds of each round.
#[derive(Default)]
pub(super) struct Feed {
    /// By the agent.
    pub(super) ours: Series,
    /// By a bare reader, and by `ip -batch` after it.
    pub(super) bare: Series,
    /// The reader's part of it.
    pub(super) read: Series,
    /// `ip`'s part of it.
    pub(super) ip: Series,
}

/// The one and the other by turns; leaves the router and its kernel empty.
pub(super) async fn measure(
    router: &Router<'_>,
    feeder: &mut Feeder<'_>,
    kernel: &mut Kernel<'_>,
    routes: usize,
    rounds: u32,
) -> Result<Feed> {
    let mut feed = Feed::default();
    for _ in 0..rounds {
        by_the_agent(router, feeder, kernel, routes, &mut feed).await?;
        by_hand(router, feeder, kernel, routes, &mut feed).await?;
    }
    Ok(feed)
}

async fn by_the_agent(
    router: &Router<'_>,
    feeder: &mut Feeder<'_>,
    kernel: &mut Kernel<'_>,
    routes: usize,
    feed: &mut Feed,
) -> Result<()> {
    let mut agent = router.agent()?;
    agent.until_in_step()?;
    let start = Instant::now();
    feeder.feed()?;
    let end = kernel.until(routes).await?;
    feed.ours.add((end - start).as_secs_f64());
    feeder.withdraw()?;
    kernel.until(0).await?;
    agent.stop()
}

async fn by_hand(
    router: &Router<'_>,
    feeder: &mut Feeder<'_>,
    kernel: &mut Kernel<'_>,
    routes: usize,
    feed: &mut Feed,
) -> Result<()> {
    let mut reader = Reader::open(&router.client).await?;
    let lines = router.machine().folder().join("routes");
    let start = Instant::now();
    feeder.feed()?;
    reader.write_until(routes, &lines).await?;
    let read = Instant::now();
    let mut ip = Command::new(tools::tool("ip")?);
    ip.arg("-batch").arg(&lines);
    ip.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ip = router.machine().netns().spawn(&mut ip)?;
    let end = kernel.until(routes).await?;
    text(ip.wait_with_output()?).context("ip -batch")?;
    feed.bare.add((end - start).as_secs_f64());
    feed.read.add((read - start).as_secs_f64());
    feed.ip.add((end - read).as_secs_f64());
    flush(router, kernel).await?;
    feeder.withdraw()?;
    reader.until(0).await
}

/// Takes away what an agent, or `ip` in its stead, has left.
pub(super) async fn flush(router: &Router<'_>, kernel: &mut Kernel<'_>) -> Result<()> {
    let protocol = Mark::DEFAULT.protocol.to_string();
    let words = ["route", "flush", "table", "main", "proto", &protocol];
    router.machine().run("ip", &words, None)?;
    kernel.until(0).await.map(drop)
}
