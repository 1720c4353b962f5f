//! A pass with nothing to do: it must write nothing and cost little more
//! than asking for the peers.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{AT_ONCE, Server, connected, free_port, gobgpd};
use crate::proxy::{Hook, Moment, Proxy};
use crate::tools::Release;
use anyhow::{Context as _, Result};
use sdwan_gobgp::types::PeerFilter;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const NEIGHBORS: usize = 1000;
/// Looks a round: one takes tens of milliseconds.
const LOOKS: u32 = 10;

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _daemon = gobgpd(folder.path(), release, port)?;
    let (client, _) = connected(port).await?;
    let writes = Arc::new(AtomicUsize::new(0));
    let relay = Proxy::start(
        (Ipv4Addr::LOCALHOST, 0).into(),
        &format!("127.0.0.1:{port}"),
        counting(Arc::clone(&writes)),
    )
    .await?;
    let server = Server::start().await?;
    let router = server.create_router("r", relay.address().port(), 1).await?;
    server.create_neighbors("r", NEIGHBORS, AT_ONCE).await?;
    server.until_applied(NEIGHBORS).await?;

    let written = writes.load(Ordering::SeqCst);
    let (mut ours, mut bare) = (Series::default(), Series::default());
    for _ in 0..rounds * LOOKS {
        let before = passes(&server).await?;
        poke(&server, &router).await?;
        let after = loop {
            let now = passes(&server).await?;
            if now.count > before.count {
                break now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        ours.add((after.seconds - before.seconds) / (after.count - before.count));
        let start = Instant::now();
        client.list_peers(PeerFilter::default()).await?;
        bare.add(start.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
    let more = (writes.load(Ordering::SeqCst) - written) as f64;
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
            what: "calls that write, over all those passes".to_owned(),
            ours: format!("{more}"),
            against: format!("{written} to bring it there"),
            figure: more,
            unit: "calls",
            aim: Aim::AtMost(0.0),
        },
    ])
}

/// Counts the calls that change something.
fn counting(writes: Arc<AtomicUsize>) -> Hook {
    Arc::new(move |call, moment| {
        let reads = ["Get", "List", "Watch"]
            .iter()
            .any(|verb| call.method.starts_with(verb));
        if moment == Moment::Before && !reads {
            writes.fetch_add(1, Ordering::SeqCst);
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
