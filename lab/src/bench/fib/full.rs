//! From nothing in the kernel to all of a table that has been there for long.

use super::feed::flush;
use super::ground::{Rival, Router};
use super::kernel::{BIRD, Kernel};
use super::reader::Reader;
use crate::bench::figures::Series;
use crate::network::Network;
use anyhow::{Result, ensure};
use std::time::Instant;

/// Seconds of each round.
#[derive(Default)]
pub(super) struct Full {
    /// From the agent's start.
    pub(super) ours: Series,
    /// A bare reader's, to the table's end: no kernel.
    pub(super) read: Series,
    /// From the enabling of BIRD's kernel protocol.
    pub(super) bird: Series,
}

/// The three by turns, on a router that is being fed; leaves its kernel empty.
pub(super) async fn measure(
    network: &Network,
    router: &Router<'_>,
    kernel: &mut Kernel<'_>,
    routes: usize,
    rounds: u32,
) -> Result<Full> {
    Reader::open(&router.client).await?.until(routes).await?;
    let mut rival = Rival::start(network, routes).await?;
    let mut of_rival = Kernel::listen(network.machine("rival")?, BIRD)?;
    let mut full = Full::default();
    for _ in 0..rounds {
        let start = Instant::now();
        let mut agent = router.agent()?;
        let end = kernel.until(routes).await?;
        full.ours.add((end - start).as_secs_f64());
        agent.stop()?;
        flush(router, kernel).await?;

        let start = Instant::now();
        let told = Reader::open(&router.client).await?.routes();
        full.read.add(start.elapsed().as_secs_f64());
        ensure!(told == routes, "gobgpd tells {told} of {routes} routes");

        let start = Instant::now();
        rival.enable()?;
        let end = of_rival.until(routes).await?;
        full.bird.add((end - start).as_secs_f64());
        rival.disable()?;
        of_rival.until(0).await?;
    }
    Ok(full)
}
