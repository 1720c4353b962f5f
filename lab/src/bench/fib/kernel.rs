//! When the kernel has what: its own events of routes, for whoever writes them.
//!
//! The same observer looks at the agent's, `ip`'s and BIRD's routes, so what it costs is on both
//! sides of each ratio. What it has counted is held against the kernel's table.

use super::ground::LIMIT;
use crate::network::Machine;
use anyhow::{Context as _, Result, anyhow, ensure};
use ipnet::IpNet;
use sdwan_agent::fib::Mark;
use sdwan_agent::kernel::Event;
use sdwan_agent::netlink::{self, Events};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// No event comes from this port: none is filtered away.
const NOBODY: u32 = u32::MAX;

/// BIRD's number in `rt_protos`.
pub(super) const BIRD: u8 = 12;

/// Without an event for so long, there are none waiting.
const QUIET: Duration = Duration::from_millis(100);

/// A node's routes of one protocol in the main table.
pub(super) struct Kernel<'a> {
    machine: &'a Machine,
    mark: Mark,
    events: Events,
    routes: usize,
    /// Events were lost: only the table tells.
    lost: bool,
    /// When the last one came.
    last: Instant,
}

impl<'a> Kernel<'a> {
    /// Begins to listen; there must be no such routes yet.
    pub(super) fn listen(machine: &'a Machine, protocol: u8) -> Result<Self> {
        let mark = Mark {
            protocol,
            ..Mark::DEFAULT
        };
        let runtime = tokio::runtime::Handle::current();
        let events = machine.netns().enter(|| {
            let _entered = runtime.enter();
            Ok(Events::open(netlink::tables(mark), NOBODY)?)
        })?;
        Ok(Self {
            machine,
            mark,
            events,
            routes: 0,
            lost: false,
            last: Instant::now(),
        })
    }

    /// Waits until there are exactly so many, and says since when.
    pub(super) async fn until(&mut self, routes: usize) -> Result<Instant> {
        let wait = async {
            while self.routes != routes {
                self.hear().await?;
            }
            anyhow::Ok(())
        };
        let waited = timeout(LIMIT, wait).await;
        waited.map_err(|_| anyhow!("the kernel has {} of {routes} routes", self.routes))??;
        self.lost = false;
        let table = self.table()?;
        ensure!(
            table == routes,
            "the kernel's table has {table} routes, its events told of {routes}"
        );
        Ok(self.last)
    }

    /// Waits until a route leads to a gateway, and says when that was told.
    pub(super) async fn until_leads(&mut self, prefix: IpNet, to: IpAddr) -> Result<Instant> {
        let leads = |event: &Event| match event {
            Event::Route(route, _) => {
                route.prefix == prefix && route.legs.iter().any(|leg| leg.gateway == Some(to))
            }
            _ => false,
        };
        let wait = async {
            while !self.hear().await?.iter().any(leads) {}
            anyhow::Ok(Instant::now())
        };
        timeout(LIMIT, wait)
            .await
            .with_context(|| format!("no event of {prefix} via {to}"))?
    }

    /// Counts what comes. Of more than could be heard it waits for the end, and counts the table.
    async fn hear(&mut self) -> Result<Vec<Event>> {
        let Ok(heard) = timeout(QUIET, self.events.next()).await else {
            if self.lost {
                self.routes = self.table()?;
            }
            return Ok(Vec::new());
        };
        let heard = heard?;
        self.last = Instant::now();
        self.lost |= heard.lost;
        for event in heard.events.iter().filter(|_| !self.lost) {
            match event {
                Event::Route(route, _) if self.mark.is_on(route) => self.routes += 1,
                Event::RouteGone(route) if self.mark.is_on(route) => self.routes -= 1,
                _ => {}
            }
        }
        Ok(heard.events)
    }

    /// The table's own count.
    fn table(&self) -> Result<usize> {
        let mark = self.mark;
        self.machine
            .netns()
            .enter(|| Ok(netlink::look_at_routes(mark)?.own().len()))
    }
}
