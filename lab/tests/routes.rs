//! What gobgpd tells of its routes, and does with them, where there are interfaces: what the tests
//! of `crates/gobgp`, on loopback, can't show.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use sdwan_gobgp::Error;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{BestPath, Family, Path, RouteEvent, Zebra};
use sdwan_lab::fleet::{Fleet, Gobgpd, WAN};
use sdwan_lab::frr::Frr;
use sdwan_lab::harness;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};

const LIMIT: Duration = Duration::from_secs(90);

fn on<F: FnOnce(Release) -> Result<()>>(releases: &[Release], body: F) {
    let test = harness::test_of(&body);
    harness::on_each(env!("CARGO_BIN_EXE_lab"), test, releases, body);
}

fn path(prefix: &str, next_hop: &str) -> Result<Path> {
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::default()),
        next_hop: Some(next_hop.parse()?),
        ..Attributes::default()
    };
    Ok(Path::new(prefix.parse()?, attributes))
}

/// The paths to the only destination that a gobgpd has, once it has one.
fn only_paths(fleet: &Fleet, gobgpd: &Gobgpd) -> Result<Vec<BestPath>> {
    fleet.run(async {
        let events = gobgpd.client().watch_routes(&[Family::IPV4_UNICAST]);
        let mut events = Box::pin(events.await?);
        let paths = async {
            while let Some(event) = events.next().await {
                if let RouteEvent::Best(mut changes) = event? {
                    return changes.pop().map(|change| change.paths).context("a change");
                }
            }
            anyhow::bail!("the stream has ended")
        };
        tokio::time::timeout(LIMIT, paths).await?
    })
}

#[test]
fn a_neighbor_by_interface_is_told_with_it_or_listed_with_it() {
    on(&Release::ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let (own, other) = (fleet.link_local("R")?, fleet.link_local("A")?);
        let r = fleet.by_interface("R", release, other)?;
        // 3.36 announces `::` as its own next hop on such a session.
        let a = fleet.by_interface("A", Release::V4_8, own)?;
        fleet.run(a.client().add_path(&path("203.0.113.0/24", "0.0.0.0")?))?;
        let paths = only_paths(&fleet, &r)?;
        let told = release == Release::V4_8;
        let expected = BestPath {
            next_hop: other.into(),
            link_local: None,
            neighbor: Some(other.into()),
            interface: told.then(|| WAN.to_owned()),
            source_id: Some(fleet.wan("A")?),
            source_asn: 65002,
            identifier: 0,
        };
        ensure!(paths == [expected], "{paths:?}");
        let peers = r.peers()?;
        let [peer] = &peers[..] else {
            anyhow::bail!("{peers:?}")
        };
        ensure!(peer.conf.neighbor_interface == WAN, "{peer:?}");
        let address = format!("{other}%{WAN}");
        ensure!(peer.state.neighbor_address == address, "{peer:?}");
        Ok(())
    });
}

#[test]
fn a_zebra_of_a_pair_that_works_installs_and_withdraws() {
    // 3.10 panics with this zebra.
    on(&[Release::V3_36, Release::V4_8], |release| {
        let fleet = Fleet::lay(&["R"])?;
        let machine = fleet.machine("R")?;
        let _frr = Frr::default().start(machine)?;
        let r = fleet.gobgpd("R", release)?;
        r.start_bgp(65001)?;
        let socket = machine.folder().join("zserv.api");
        let zebra = Zebra::new(format!("unix:{}", socket.display()), 6, "frr8.4");
        fleet.run(r.client().enable_zebra(&zebra))?;
        let again = fleet.run(r.client().enable_zebra(&zebra));
        ensure!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
        let route = path("203.0.113.0/24", "10.0.0.77")?;
        let kernel = |wanted: bool| {
            wait::until("the kernel's route", LIMIT, || {
                let routes = machine.run("ip", &["route", "show", "proto", "bgp"], None)?;
                let there = routes.contains("203.0.113.0/24") && routes.contains("via 10.0.0.77");
                Ok(if there == wanted && (wanted || routes.is_empty()) {
                    Seen::Yes(())
                } else {
                    Seen::NotYet(routes)
                })
            })
        };
        fleet.run(r.client().add_path(&route))?;
        kernel(true)?;
        fleet.run(r.client().delete_path(&route))?;
        kernel(false)
    });
}
