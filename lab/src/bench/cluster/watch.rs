//! From a create at one server to a watcher at another, against the same
//! transaction and a watch of etcd's own, on two connections.
//!
//! Both are timed from when the client sends, at a quiet cluster: one create
//! at a time.

use super::create::PREFIX;
use super::etcd::Etcd;
use super::transaction::{Template, address, committed, neighbor, router};
use super::{Role, server};
use crate::bench::figures::{Aim, Figure, Series, seconds};
use crate::bench::subject::Server;
use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use sdwan_store::{Revision, Store, Watch, etcd};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Samples of each side in a turn.
const EACH: u32 = 20;
const TURNS: u32 = 10;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(rounds: u32) -> Result<Vec<Figure>> {
    let etcd = Etcd::start().await?;
    let writer = server(&etcd, 0, Role::Api).await?;
    let reader = server(&etcd, 1, Role::Api).await?;
    writer.create("routers", &router()).await?;
    let mut ours = Ours {
        seen: watch(&reader).await?,
        writer,
        _reader: reader,
    };
    let mut bare = Bare::start(&etcd).await?;
    let (mut through, mut alone) = (Series::default(), Series::default());
    let mut numbers = 0..;
    for _ in 0..rounds * TURNS {
        for number in numbers.by_ref().take(EACH as usize) {
            through.add(ours.sample(number).await?);
        }
        for number in numbers.by_ref().take(EACH as usize) {
            alone.add(bare.sample(number).await?);
        }
    }
    let figure = |share: f64, aim| {
        let (ours, bare) = (through.quantile(share), alone.quantile(share));
        Figure {
            what: format!(
                "a create at one server to a watch at another, p{:.0}",
                share * 100.0
            ),
            ours: seconds(ours),
            against: format!("{} bare transaction and watch", seconds(bare)),
            figure: ours / bare,
            unit: "x",
            aim,
        }
    };
    Ok(vec![figure(0.5, Aim::None), figure(0.99, Aim::AtMost(3.0))])
}

struct Ours {
    writer: Server,
    _reader: Server,
    seen: mpsc::UnboundedReceiver<(String, Instant)>,
}

impl Ours {
    async fn sample(&mut self, number: u32) -> Result<f64> {
        let wanted = address(number).to_string();
        let seen = async {
            while let Some((neighbor, at)) = self.seen.recv().await {
                if neighbor == wanted {
                    return Ok(at);
                }
            }
            bail!("the watch has ended")
        };
        let start = Instant::now();
        let body = neighbor(number);
        let create = self.writer.create("neighbors", &body);
        let both = async { tokio::try_join!(create, seen) };
        let (_, at) = timeout(LIMIT, both)
            .await
            .with_context(|| format!("the watch does not tell of {wanted}"))??;
        Ok((at - start).as_secs_f64())
    }
}

/// The neighbors that a server's watch tells of, and when.
async fn watch(server: &Server) -> Result<mpsc::UnboundedReceiver<(String, Instant)>> {
    let (tell, seen) = mpsc::unbounded_channel();
    let url = server.url("/v2.0/neighbors?watch=true");
    // Without a limit on how long the answer may be.
    let client = sdwan_http::local()?.build()?;
    let mut answer = client.get(url).send().await?.error_for_status()?;
    tokio::spawn(async move {
        let mut text = String::new();
        while let Ok(Some(bytes)) = answer.chunk().await {
            let now = Instant::now();
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                if let Some(neighbor) = line.strip_prefix("data:").and_then(told)
                    && tell.send((neighbor, now)).is_err()
                {
                    return;
                }
            }
        }
    });
    Ok(seen)
}

fn told(data: &str) -> Option<String> {
    let data: Value = serde_json::from_str(data.trim()).ok()?;
    Some(data["neighbor"]["neighbor_addr"].as_str()?.to_owned())
}

/// A client that commits and one that watches.
struct Bare {
    template: Template,
    base: Revision,
    writer: etcd::Etcd,
    _reader: etcd::Etcd,
    watch: Watch,
}

impl Bare {
    async fn start(etcd: &Etcd) -> Result<Self> {
        let template = Template::record().await?;
        let writer = etcd.client(0, PREFIX).await?;
        let reader = etcd.client(1, PREFIX).await?;
        let base = template.prepare(&writer).await?;
        Ok(Self {
            watch: reader.watch("/", base).await?,
            _reader: reader,
            template,
            base,
            writer,
        })
    }

    async fn sample(&mut self, number: u32) -> Result<f64> {
        let create = self.template.create(number, self.base)?;
        let start = Instant::now();
        let commit = async { committed(self.writer.commit(create).await?) };
        let seen = async {
            let next = timeout(LIMIT, self.watch.next()).await;
            let next = next.context("etcd's watch tells nothing")?;
            let batch = next.context("etcd's watch has ended")??;
            anyhow::Ok((batch.revision, Instant::now()))
        };
        let (made, (seen, at)) = tokio::try_join!(commit, seen)?;
        anyhow::ensure!(made == seen, "etcd's watch tells of {seen}, not of {made}");
        Ok((at - start).as_secs_f64())
    }
}
