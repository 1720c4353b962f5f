//! A pass with nothing to do: it must write nothing and cost little more
//! than asking for the peers.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{AT_ONCE, Server, connected, free_port, gobgpd};
use crate::proxy::{Hook, Moment, Proxy};
use crate::tools::Release;
use anyhow::{Context as _, Result, ensure};
use sdwan_gobgp::types::PeerFilter;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const NEIGHBORS: usize = 1000;
/// Looks a round: one takes tens of milliseconds.
const LOOKS: u32 = 10;
/// Asking for `/metrics` asks the daemon too, for its counters: not while a
/// pass is under way.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _daemon = gobgpd(folder.path(), release, port)?;
    let (client, _) = connected(port).await?;
    let server = Server::start().await?;
    let router = server.create_router("r", port, 1).await?;
    server.create_neighbors("r", NEIGHBORS, AT_ONCE).await?;
    server.until_applied(NEIGHBORS).await?;

    let (mut ours, mut bare) = (Series::default(), Series::default());
    for _ in 0..rounds * LOOKS {
        ours.add(looked(&server, &router).await?);
        let start = Instant::now();
        client.list_peers(PeerFilter::default()).await?;
        bare.add(start.elapsed().as_secs_f64());
    }

    // The same daemon, from here on behind a relay that counts.
    let calls = Arc::new(Calls::default());
    let relay = Proxy::start(
        (Ipv4Addr::LOCALHOST, 0).into(),
        &format!("127.0.0.1:{port}"),
        counting(Arc::clone(&calls)),
    )
    .await?;
    let url = server.url(&format!("/v2.0/routers/{router}"));
    let moved = serde_json::json!({"mgmt_addr": relay.address().to_string()});
    let answer = server.http().patch(&url).json(&moved).send().await?;
    answer.error_for_status()?;
    for _ in 0..LOOKS {
        looked(&server, &router).await?;
    }
    let (reads, writes) = (calls.reads.load(SeqCst), calls.writes.load(SeqCst));
    ensure!(reads > 0, "no call came through the relay");
    Ok(vec![
        Figure {
            what: format!("a pass over {NEIGHBORS} neighbors in step"),
            ours: seconds(ours.median()),
            against: format!("{} bare ListPeer", seconds(bare.median())),
            figure: ours.median() / bare.median(),
            unit: "x",
            aim: Aim::AtMost(2.0),
        },
        Figure {
            what: format!("calls that write, over {LOOKS} such passes"),
            ours: writes.to_string(),
            against: format!("{reads} that read"),
            #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
            figure: writes as f64,
            unit: "calls",
            aim: Aim::AtMost(0.0),
        },
    ])
}

/// Has the router looked at, and says how long that took.
async fn looked(server: &Server, router: &str) -> Result<f64> {
    let before = passes(server).await?;
    poke(server, router).await?;
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let after = passes(server).await?;
        if after.count > before.count {
            return Ok((after.seconds - before.seconds) / (after.count - before.count));
        }
    }
}

/// Calls to the daemon.
#[derive(Default)]
struct Calls {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

fn counting(calls: Arc<Calls>) -> Hook {
    Arc::new(move |call, moment| {
        let reads = ["Get", "List", "Watch"]
            .iter()
            .any(|verb| call.method.starts_with(verb));
        let count = if reads { &calls.reads } else { &calls.writes };
        if moment == Moment::Before {
            count.fetch_add(1, SeqCst);
        }
        Box::pin(std::future::ready(()))
    })
}

/// Ends a hold that was just begun: the router is looked at anew.
async fn poke(server: &Server, router: &str) -> Result<()> {
    let url = server.url(&format!("/sdwan/v1/holds/{router}"));
    let body = serde_json::json!({"why": "benchmark"});
    server
        .http()
        .put(&url)
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    server
        .http()
        .delete(&url)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

struct Passes {
    count: f64,
    seconds: f64,
}

/// The server's own count and time of its passes.
async fn passes(server: &Server) -> Result<Passes> {
    let text = server
        .http()
        .get(server.url("/metrics"))
        .send()
        .await?
        .text()
        .await?;
    let value = |name: &str| -> Result<f64> {
        let sum: f64 = text
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        text.contains(name)
            .then_some(sum)
            .with_context(|| format!("/metrics has no {name}"))
    };
    Ok(Passes {
        count: value("sdwan_pass_duration_seconds_count")?,
        seconds: value("sdwan_pass_duration_seconds_sum")?,
    })
}
