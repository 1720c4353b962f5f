//! The floor: nothing but gobgpd's events as this project's client reads them, and `ip -batch`.

use super::ground::{LIMIT, WIRE};
use anyhow::{Context as _, Result};
use futures::{Stream, StreamExt};
use ipnet::IpNet;
use sdwan_agent::fib::Mark;
use sdwan_gobgp::types::{BestChange, Family, RouteEvent};
use sdwan_gobgp::{Client, Error};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Instant;
use tokio::time::timeout;

/// Reads gobgpd's best routes and keeps none.
pub(super) struct Reader {
    events: Pin<Box<dyn Stream<Item = Result<RouteEvent, Error>> + Send>>,
    /// How many routes stand by what was read.
    routes: usize,
}

impl Reader {
    /// Asks for the routes, and reads the table that there is.
    pub(super) async fn open(client: &Client) -> Result<Self> {
        let events = client.watch_routes(&[Family::IPV4_UNICAST]).await?;
        let mut reader = Self {
            events: Box::pin(events),
            routes: 0,
        };
        let table = async {
            loop {
                match reader.next().await? {
                    RouteEvent::Best(changes) => reader.count(&changes),
                    RouteEvent::EndOfInit => return anyhow::Ok(()),
                    RouteEvent::EndOfRib { .. } => {}
                }
            }
        };
        let read = timeout(LIMIT, table).await;
        read.context("no table from gobgpd")??;
        Ok(reader)
    }

    /// How many routes stand by what was read.
    pub(super) fn routes(&self) -> usize {
        self.routes
    }

    /// Reads until so many routes stand.
    pub(super) async fn until(&mut self, routes: usize) -> Result<()> {
        self.read_until(routes, |_| Ok(())).await
    }

    /// The same, with a line for `ip -batch` for each route.
    pub(super) async fn write_until(&mut self, routes: usize, file: &Path) -> Result<()> {
        let Mark {
            protocol, metric, ..
        } = Mark::DEFAULT;
        let mut lines = BufWriter::new(File::create(file)?);
        self.read_until(routes, |change| {
            for path in &change.paths {
                writeln!(
                    lines,
                    "route add {} via {} dev {WIRE} proto {protocol} metric {metric}",
                    change.prefix, path.next_hop
                )?;
            }
            Ok(())
        })
        .await?;
        Ok(lines.flush()?)
    }

    /// Reads until a route leads to a next hop, and says when that was read.
    pub(super) async fn until_leads(&mut self, prefix: IpNet, to: IpAddr) -> Result<Instant> {
        let leads = |change: &BestChange| {
            change.prefix == prefix && change.paths.iter().any(|path| path.next_hop == to)
        };
        let wait = async {
            loop {
                if let RouteEvent::Best(changes) = self.next().await?
                    && changes.iter().any(leads)
                {
                    return anyhow::Ok(Instant::now());
                }
            }
        };
        timeout(LIMIT, wait)
            .await
            .with_context(|| format!("gobgpd tells nothing of {prefix} via {to}"))?
    }

    async fn read_until(
        &mut self,
        routes: usize,
        mut each: impl FnMut(&BestChange) -> Result<()>,
    ) -> Result<()> {
        let read = timeout(LIMIT, async {
            while self.routes != routes {
                if let RouteEvent::Best(changes) = self.next().await? {
                    changes.iter().try_for_each(&mut each)?;
                    self.count(&changes);
                }
            }
            Ok(())
        });
        let read = read.await;
        read.map_err(|_| anyhow::anyhow!("gobgpd has told {} of {routes} routes", self.routes))?
    }

    async fn next(&mut self) -> Result<RouteEvent> {
        let event = self.events.next().await;
        Ok(event.context("gobgpd ended its stream")??)
    }

    /// Each route comes once and goes once: there is one feeder.
    fn count(&mut self, changes: &[BestChange]) {
        for change in changes {
            match change.paths.is_empty() {
                false => self.routes += 1,
                true => self.routes -= 1,
            }
        }
    }
}
