//! What 10,000 neighbors cost: memory, and time from start to ready.

use super::figures::{Aim, Figure, seconds};
use super::process::resident_mib;
use super::subject::{AT_ONCE, Server, free_port};
use anyhow::Result;
use std::time::Instant;

const ROUTERS: usize = 10;
const EACH: usize = 1000;

pub(super) async fn run() -> Result<Vec<Figure>> {
    let server = Server::start().await?;
    let empty = resident_mib(server.id())?;
    // Nothing listens there: what is declared is what is measured.
    let port = free_port()?;
    for index in 0..ROUTERS {
        let name = format!("r{index}");
        server
            .create_router(&name, port + u16::try_from(index)?, index + 1)
            .await?;
        server.create_neighbors(&name, EACH, AT_ONCE).await?;
    }
    let grown = resident_mib(server.id())?;
    let folder = server.kill()?;
    let start = Instant::now();
    let server = Server::start_in(folder).await?;
    let ready = start.elapsed().as_secs_f64();
    let fresh = resident_mib(server.id())?;
    let count = ROUTERS * EACH;
    let memory = |what: &str, figure: f64| Figure {
        what: format!("resident with {count} neighbors, {what}"),
        ours: format!("{figure:.0} MiB"),
        against: format!("{empty:.0} MiB empty"),
        figure,
        unit: "MiB",
        aim: Aim::None,
    };
    Ok(vec![
        memory("after creating them", grown),
        memory("after a restart", fresh),
        Figure {
            what: format!("start to ready with {count} neighbors"),
            ours: seconds(ready),
            against: String::new(),
            figure: ready,
            unit: "s",
            aim: Aim::None,
        },
    ])
}
