//! One route changes while a whole table stands: how long after a bare reader knows of it the
//! kernel has it.

use super::ground::{self, FEEDER, RIVAL, Router};
use super::kernel::Kernel;
use super::reader::Reader;
use crate::bench::figures::Series;
use anyhow::Result;
use ipnet::IpNet;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::Path;
use std::net::Ipv4Addr;
use std::time::{Instant, SystemTime};

/// Changes: each of half as many routes goes another way, and back.
pub(super) const CHANGES: usize = 400;

/// On a router whose agent is in step; leaves its routes as they were. In
/// seconds; negative where the agent was done before the reader.
pub(super) async fn measure(
    router: &Router<'_>,
    kernel: &mut Kernel<'_>,
    routes: usize,
) -> Result<Series> {
    let mut reader = Reader::open(&router.client).await?;
    let mut latencies = Series::default();
    let each = (routes / (CHANGES / 2)).max(1);
    for index in (0..routes).step_by(each).take(CHANGES / 2) {
        let prefix = IpNet::from(ground::prefix(index)?);
        let path = path_of_its_own(prefix);
        let there = async { Ok(router.client.add_path(&path).await.map(drop)?) };
        latencies.add(lag(&mut reader, kernel, prefix, RIVAL, there).await?);
        let back = async { Ok(router.client.delete_path(&path).await?) };
        latencies.add(lag(&mut reader, kernel, prefix, FEEDER, back).await?);
    }
    Ok(latencies)
}

/// Of a change that makes a route lead elsewhere.
async fn lag(
    reader: &mut Reader,
    kernel: &mut Kernel<'_>,
    prefix: IpNet,
    to: Ipv4Addr,
    change: impl Future<Output = Result<()>>,
) -> Result<f64> {
    let read = reader.until_leads(prefix, to.into());
    let installed = kernel.until_leads(prefix, to.into());
    let (read, installed, ()) = tokio::try_join!(read, installed, change)?;
    Ok(signed(read, installed))
}

fn signed(from: Instant, to: Instant) -> f64 {
    let late = to.saturating_duration_since(from).as_secs_f64();
    late - from.saturating_duration_since(to).as_secs_f64()
}

/// Of the router's own, which is preferred to what it is fed.
fn path_of_its_own(prefix: IpNet) -> Path {
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::default()),
        next_hop: Some(RIVAL.into()),
        ..Attributes::default()
    };
    Path {
        learned: Some(SystemTime::now()),
        ..Path::new(prefix, attributes)
    }
}
