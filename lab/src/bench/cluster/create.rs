//! Creates through one server and through three, against the same
//! transactions sent to the same etcd with nothing in between.
//!
//! The servers look after no routers, so that a create is all that they do.

use super::etcd::Etcd;
use super::transaction::{Template, committed, neighbor, router};
use super::{CLIENTS, Role, server};
use crate::bench::figures::{Aim, Figure, Series, ratio};
use crate::bench::subject::Server;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use sdwan_store::{Revision, Store, etcd};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Creates of one client in a turn of one side.
const EACH: usize = 20;
const TURNS: u32 = 5;

/// Until a server knows what another one was told; far longer than it takes.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn run(rounds: u32) -> Result<Vec<Figure>> {
    let template = Template::record().await?;
    let mut figures = Vec::new();
    for servers in [1, 3] {
        let etcd = Etcd::start().await?;
        let mut through = Vec::new();
        for first in 0..servers {
            through.push(server(&etcd, first, Role::Api).await?);
        }
        through[0].create("routers", &router()).await?;
        for server in &through {
            until_known(server).await?;
        }
        let bare = Bare::start(&etcd, servers, &template).await?;
        let numbers = AtomicU32::new(0);
        let (mut ours, mut theirs) = (Series::default(), Series::default());
        for _ in 0..rounds * TURNS {
            ours.add(turn(&through, &numbers).await?);
            theirs.add(bare.turn(&numbers).await?);
        }
        figures.push(figure(servers, &ours, &theirs));
    }
    Ok(figures)
}

/// Through whichever server neighbors are created, it knows their router.
async fn until_known(server: &Server) -> Result<()> {
    let start = Instant::now();
    while server.count("routers", "").await? == 0 {
        ensure!(start.elapsed() < LIMIT, "a server never knew of the router");
        sleep(PAUSE).await;
    }
    Ok(())
}

fn figure(servers: usize, ours: &Series, theirs: &Series) -> Figure {
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let rate = |seconds: &Series| (CLIENTS * EACH) as f64 / seconds.median();
    let through = match servers {
        1 => "1 server".to_owned(),
        servers => format!("{servers} servers"),
    };
    Figure {
        what: format!("create through {through}, {CLIENTS} clients"),
        ours: format!("{:.0} a second", rate(ours)),
        against: format!("{:.0} bare transactions", rate(theirs)),
        figure: ratio(theirs, ours),
        unit: "x",
        aim: Aim::AtLeast(0.6),
    }
}

/// Every client creates its share, one after the other; the seconds until all
/// have.
async fn turn(servers: &[Server], numbers: &AtomicU32) -> Result<f64> {
    let start = Instant::now();
    let clients = (0..CLIENTS).map(async |client| {
        let server = &servers[client % servers.len()];
        for _ in 0..EACH {
            let body = neighbor(numbers.fetch_add(1, Relaxed));
            server.create("neighbors", &body).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(clients).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// The clients that need no server, each with a connection of its own.
struct Bare<'a> {
    template: &'a Template,
    clients: Vec<etcd::Etcd>,
    base: Revision,
}

/// Beside the servers' keys, and none of theirs.
pub(super) const PREFIX: &str = "=";

impl<'a> Bare<'a> {
    /// They ask the members that the servers ask.
    async fn start(etcd: &Etcd, servers: usize, template: &'a Template) -> Result<Self> {
        let clients = (0..CLIENTS).map(|client| etcd.client(client % servers, PREFIX));
        let clients = try_join_all(clients).await?;
        let base = template.prepare(&clients[0]).await?;
        Ok(Self {
            template,
            clients,
            base,
        })
    }

    async fn turn(&self, numbers: &AtomicU32) -> Result<f64> {
        let start = Instant::now();
        let clients = self.clients.iter().map(async |client| {
            for _ in 0..EACH {
                let number = numbers.fetch_add(1, Relaxed);
                let create = self.template.create(number, self.base)?;
                committed(client.commit(create).await?)?;
            }
            anyhow::Ok(())
        });
        try_join_all(clients).await?;
        Ok(start.elapsed().as_secs_f64())
    }
}
