//! What a worker's end, and another one's start, costs its routers: how long
//! nobody watches their sessions, as the routers themselves tell.

use super::routers::{Ground, until};
use super::{View, WORKERS};
use crate::bench::figures::{Aim, Figure, Series, seconds};
use crate::bench::subject::Server;
use crate::sim::serve::Router;
use crate::tools::Release;
use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use sdwan_store::{Change, Store as _, Watch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Routers of a worker.
const EACH: usize = 300;

/// As it is by default.
const LEASE: Duration = Duration::from_secs(10);

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(180);

/// Nobody takes or gives any more when nobody has for so long.
const QUIET: Duration = Duration::from_secs(2);

/// Where the members stand in the store, under their leases.
const MEMBERS: &str = "/cluster/members/";

pub(super) async fn run(release: Release, rounds: u32, routers: usize) -> Result<Vec<Figure>> {
    let ground = Ground::lay(release, routers.min(WORKERS * EACH), 1).await?;
    let mut workers = VecDeque::new();
    for first in 0..WORKERS {
        workers.push_back(ground.worker(first).await?);
    }
    ground.until_applied(LIMIT).await?;
    until_quiet(&ground).await?;
    let (mut beyond, mut whole, mut joined) =
        (Series::default(), Series::default(), Series::default());
    let mut sizes = Series::default();
    for first in 0..rounds as usize {
        let victim = workers.pop_front().context("no worker is left")?;
        let taken = take_over(&ground, victim).await?;
        beyond.add((taken.watched - taken.lease_ended).as_secs_f64());
        whole.add((taken.watched - taken.killed).as_secs_f64());
        sizes.add(taken.routers);
        until_quiet(&ground).await?;
        let (worker, took) = join(&ground, first).await?;
        joined.add(took);
        workers.push_back(worker);
    }
    let share = sizes.median();
    let figure = |what: &str, series: &Series, against: String| Figure {
        what: format!("{share:.0} routers of a worker that {what}, at worst"),
        ours: seconds(series.median()),
        against,
        figure: series.quantile(1.0),
        unit: "s",
        aim: Aim::AtMost(2.0),
    };
    let lease = LEASE.as_secs();
    let since = format!("{} from SIGKILL, lease {lease} s", seconds(whole.median()));
    Ok(vec![
        figure("was killed, watched again after its lease", &beyond, since),
        figure(
            "joins, watched by it after its start",
            &joined,
            String::new(),
        ),
    ])
}

/// What became of a killed worker's routers, and when.
struct Taken {
    killed: Instant,
    /// As a client of etcd sees it.
    lease_ended: Instant,
    /// The last of its routers is watched by somebody else.
    watched: Instant,
    routers: f64,
}

async fn take_over(ground: &Ground, victim: Server) -> Result<Taken> {
    let routers = ground.share(&victim).await?;
    ensure!(!routers.is_empty(), "the worker to kill has no routers");
    let view = View::of(&ground.api).await?;
    let member = view.members.get(victim.address());
    let member = format!("{MEMBERS}{}", member.context("the worker is no member")?);
    let client = ground.etcd.client(0, "").await?;
    let now = client.list(MEMBERS).await?.revision;
    let leases = client.watch(MEMBERS, now).await?;
    let killed = Instant::now();
    // Its folder goes with it.
    drop(victim.kill()?);
    let ended = timeout(LIMIT, gone(leases, &member)).await;
    let lease_ended = ended.context("the killed worker stays a member")??;
    Ok(Taken {
        killed,
        lease_ended,
        watched: until_watched(&routers, killed).await?,
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        routers: routers.len() as f64,
    })
}

/// When a member's record went.
async fn gone(mut members: Watch, member: &str) -> Result<Instant> {
    while let Some(batch) = members.next().await {
        let gone = |change: &Change| matches!(change, Change::Delete { key } if key == member);
        if batch?.changes.iter().any(gone) {
            return Ok(Instant::now());
        }
    }
    anyhow::bail!("etcd's watch has ended")
}

/// Seconds until a new worker watches its share.
async fn join(ground: &Ground, first: usize) -> Result<(Server, f64)> {
    let start = Instant::now();
    let worker = ground.worker(first).await?;
    until_quiet(ground).await?;
    let routers = ground.share(&worker).await?;
    ensure!(!routers.is_empty(), "the new worker has no share");
    let watched = until_watched(&routers, start).await?;
    Ok((worker, (watched - start).as_secs_f64()))
}

/// Waits until all of them are watched by somebody who came after `since`;
/// when the last one was.
async fn until_watched(routers: &[Arc<Router>], since: Instant) -> Result<Instant> {
    let anew = |router: &Arc<Router>| router.watched().filter(|at| *at > since);
    until("all routers to be watched", LIMIT, || {
        routers.iter().all(|router| anew(router).is_some())
    })
    .await?;
    let last = routers.iter().filter_map(anew).max();
    last.context("there are no routers")
}

/// Waits until somebody has each router, and that stays so.
async fn until_quiet(ground: &Ground) -> Result<()> {
    let end = Instant::now() + LIMIT;
    let mut last = View::of(&ground.api).await?.routers;
    let mut since = Instant::now();
    loop {
        let now = View::of(&ground.api).await?.routers;
        if now != last || now.values().any(Option::is_none) {
            since = Instant::now();
            last = now;
        }
        if since.elapsed() >= QUIET {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "whose the routers are does not come to rest"
        );
        sleep(Duration::from_millis(100)).await;
    }
}
