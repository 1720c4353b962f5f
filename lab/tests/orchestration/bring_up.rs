//! From nothing to UP, in whatever order things come.

use anyhow::ensure;
use sdwan_lab::fleet::{Fleet, Server};
use serde_json::json;

use super::ground::{A, BOTH, PREFIX, far, on};

#[test]
fn a_neighbor_that_is_declared_before_its_gobgpd_runs_waits_and_comes_up() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let neighbor = server.neighbor("R", "A", A, &json!({}))?;
        let policy = server.export("R", "p", "A", "med 77")?;
        for row in [&router, &neighbor, &policy] {
            let shown = server.until_shown(row, "PENDING_CREATE, with the reason", |shown| {
                shown["status"] == "PENDING_CREATE" && shown["status_reason"].is_string()
            })?;
            let reason = shown["status_reason"].to_string();
            ensure!(reason.contains("192.168.200.1:50051"), "{reason}");
        }
        let r = fleet.gobgpd("R", release)?;
        server.until(&neighbor, "UP")?;
        server.until(&router, "ACTIVE")?;
        server.until(&policy, "ACTIVE")?;
        r.announce(PREFIX)?;
        a.until_route(PREFIX, "with the policy's MED", |route| {
            route.med == Some(77)
        })?;
        // UP stays: it was there before its state was acknowledged, or after.
        ensure!(server.until(&neighbor, "UP")?["flaps"] == 0);
        ensure!(a.falls(r.wan()?)? == 0);
        server.until_in_step(&router)
    });
}

#[test]
fn a_router_that_is_dead_or_hangs_delays_no_other() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "Hung"])?;
        let a = far(&fleet, "A", A)?;
        let r = fleet.gobgpd("R", release)?;
        let hung = fleet.gobgpd("Hung", release)?;
        hung.freeze()?;
        let server = Server::start(&fleet)?;
        let dead = server.create(
            "routers",
            &json!({
                "host_name": "Dead", "mgmt_addr": "192.168.200.99", "local_as": 65001,
                "router_id": "10.0.0.99",
            }),
        )?;
        let hanging = server.router("Hung")?;
        server.router("R")?;
        let neighbor = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&neighbor, "UP")?;
        a.until_established(r.wan()?)?;
        for row in [&dead, &hanging] {
            let shown = server.show(row)?.unwrap_or_default();
            ensure!(shown["status"] == "PENDING_CREATE", "{shown}");
        }
        let why = |shown: &serde_json::Value| !shown["status_reason"].is_null();
        server.until_shown(&dead, "waiting for a reason", why)?;
        server.until_shown(&hanging, "waiting for a reason", why)?;
        hung.thaw()?;
        server.until(&hanging, "ACTIVE")?;
        ensure!(hung.asn()? == 65001);
        Ok(())
    });
}
