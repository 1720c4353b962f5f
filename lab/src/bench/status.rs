//! From a session's fall, as a bare reader of the same daemon sees it, to the
//! new status on a watch and in a list.

use super::figures::{Aim, Figure, Series, seconds};
use super::subject::{Server, connected, free_port, gobgpd};
use crate::tools::Release;
use anyhow::{Context as _, Result, bail};
use futures::StreamExt;
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{Global, PeerSettings, SessionState};
use sdwan_store::sqlite::{Options, Sqlite};
use sdwan_store::{Commit, Op, Store};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Sessions that fall one after the other, each once a round.
const SESSIONS: u8 = 20;
const LIMIT: Duration = Duration::from_secs(120);

/// Where the neighbor is, and what it sees of the router: both are this
/// machine, under one address for each session.
fn neighbor(index: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, index).into()
}

fn router(index: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 2, index).into()
}

pub(super) async fn run(release: Release, rounds: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (port, far_port) = (free_port()?, free_port()?);
    let _near = gobgpd(folder.path(), release, port)?;
    let _far = gobgpd(folder.path(), release, far_port)?;
    let (near, _) = connected(port).await?;
    let (far, _) = connected(far_port).await?;
    neighbors(&far).await?;
    let server = Server::start().await?;
    server.create_router("r", port, 1).await?;
    for index in 1..=SESSIONS {
        let body = json!({"host_name": "r", "neighbor_addr": neighbor(index),
            "local_address": router(index), "peer_as": 65000});
        server.create("neighbors", &body).await?;
    }
    let mut bare = bare_reader(near).await?;
    let mut watch = watch_reader(&server).await?;
    let (mut on_watch, mut in_list) = (Series::default(), Series::default());
    for _ in 0..rounds {
        until_up(&server).await?;
        for index in 1..=SESSIONS {
            far.disable_peer(&router(index).to_string()).await?;
            let listed = until_listed(&server, index);
            let (seen, shown, listed) =
                tokio::try_join!(next(&mut bare, index), next(&mut watch, index), listed)?;
            on_watch.add(shown.saturating_duration_since(seen).as_secs_f64());
            in_list.add(listed.saturating_duration_since(seen).as_secs_f64());
        }
        for index in 1..=SESSIONS {
            far.enable_peer(&router(index).to_string()).await?;
        }
    }
    let commit = one_commit(folder.path(), rounds).await?;
    let figure = |what: &str, series: &Series, share: f64, aim| Figure {
        what: format!("a session's fall to {what}, p{:.0}", share * 100.0),
        ours: seconds(series.quantile(share)),
        against: format!("{} one commit of the store", seconds(commit.median())),
        figure: series.quantile(share) * 1e3,
        unit: "ms",
        aim,
    };
    Ok(vec![
        figure("a watch", &on_watch, 0.5, Aim::None),
        figure("a watch", &on_watch, 0.99, Aim::AtMost(50.0)),
        figure("a list", &in_list, 0.5, Aim::None),
        figure("a list", &in_list, 0.99, Aim::AtMost(50.0)),
    ])
}

/// The far side, which waits to be called.
async fn neighbors(far: &Client) -> Result<()> {
    let global = Global {
        asn: 65000,
        router_id: "10.0.0.2".into(),
        ..Global::default()
    };
    far.start_bgp(&global).await?;
    for index in 1..=SESSIONS {
        let settings = PeerSettings {
            passive_mode: Some(true),
            local_address: Some(neighbor(index)),
            ..PeerSettings::new(65001)
        };
        far.add_peer(router(index), &settings).await?;
    }
    Ok(())
}

/// Sessions that were seen to fall, and when.
type Falls = mpsc::UnboundedReceiver<(IpAddr, Instant)>;

async fn next(falls: &mut Falls, index: u8) -> Result<Instant> {
    let wanted = neighbor(index);
    let found = tokio::time::timeout(LIMIT, async {
        while let Some((address, when)) = falls.recv().await {
            if address == wanted {
                return Ok(when);
            }
        }
        bail!("the reader of {wanted} has ended")
    });
    found
        .await
        .with_context(|| format!("{wanted} was not seen to fall"))?
}

/// WatchEvent and nothing else.
async fn bare_reader(client: Client) -> Result<Falls> {
    let (tell, falls) = mpsc::unbounded_channel();
    let mut events = Box::pin(client.watch_peers().await?);
    tokio::spawn(async move {
        let mut up = std::collections::HashSet::new();
        while let Some(Ok(event)) = events.next().await {
            let now = Instant::now();
            let Some((peer, address)) = event
                .peer
                .and_then(|p| Some((p.address()?, p)))
                .map(|(a, p)| (p, a))
            else {
                continue;
            };
            if peer.state.session == SessionState::Established {
                up.insert(address);
            } else if up.remove(&address) && tell.send((address, now)).is_err() {
                break;
            }
        }
    });
    Ok(falls)
}

/// The API's own watch.
async fn watch_reader(server: &Server) -> Result<Falls> {
    let (tell, falls) = mpsc::unbounded_channel();
    let url = server.url("/v2.0/neighbors?watch=true");
    let client = sdwan_http::local()?.build()?;
    let mut answer = client.get(url).send().await?.error_for_status()?;
    tokio::spawn(async move {
        let mut up = std::collections::HashSet::new();
        let mut text = String::new();
        while let Ok(Some(bytes)) = answer.chunk().await {
            let now = Instant::now();
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                let Some((address, status)) = line.strip_prefix("data:").and_then(row) else {
                    continue;
                };
                if status == "UP" {
                    up.insert(address);
                } else if status == "DOWN"
                    && up.remove(&address)
                    && tell.send((address, now)).is_err()
                {
                    return;
                }
            }
        }
    });
    Ok(falls)
}

fn row(data: &str) -> Option<(IpAddr, String)> {
    let data: serde_json::Value = serde_json::from_str(data.trim()).ok()?;
    let row = data.get("neighbor")?;
    let address = row["neighbor_addr"].as_str()?.parse().ok()?;
    Some((address, row["status"].as_str()?.to_owned()))
}

/// Asks again and again, each time after the answer before.
async fn until_listed(server: &Server, index: u8) -> Result<Instant> {
    let end = Instant::now() + LIMIT;
    let filter = format!("neighbor_addr={}&status=DOWN", neighbor(index));
    while server.count("neighbors", &filter).await? == 0 {
        if Instant::now() > end {
            bail!("{} is not listed as DOWN", neighbor(index));
        }
    }
    Ok(Instant::now())
}

async fn until_up(server: &Server) -> Result<()> {
    let end = Instant::now() + LIMIT;
    loop {
        let up = server.count("neighbors", "status=UP").await?;
        if up == usize::from(SESSIONS) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("only {up} of {SESSIONS} sessions are up");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What one commit takes on this disk.
async fn one_commit(folder: &std::path::Path, rounds: u32) -> Result<Series> {
    let store = Sqlite::open(folder.join("commit.db"), Options::default()).await?;
    let mut series = Series::default();
    for _ in 0..rounds * u32::from(SESSIONS) {
        let id = uuid::Uuid::new_v4();
        let put = Op::put(format!("/monitoring/v2.0/neighbors/{id}"), vec![b'x'; 200]);
        let start = Instant::now();
        store
            .commit(Commit {
                id,
                when: Vec::new(),
                then: vec![put],
            })
            .await?;
        series.add(start.elapsed().as_secs_f64());
    }
    Ok(series)
}
