//! From nothing to UP, in whatever order things come.

use anyhow::{Result, ensure};
use sdwan_lab::fleet::{Fleet, Server};
use serde_json::json;

use super::ground::{BOTH, FAR, far_of_r, on};

#[test]
fn a_neighbor_that_is_declared_before_its_gobgpd_runs_waits_and_comes_up() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let far = far_of_r(&fleet, "A")?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let neighbor = server.neighbor("R", "A", FAR, &json!({}))?;
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
        r.announce("203.0.113.0/24")?;
        far.until_route("203.0.113.0/24", "with the policy's MED", |route| {
            route.med == Some(77)
        })?;
        // UP stays: it was there before its state was acknowledged, or after.
        ensure!(server.until(&neighbor, "UP")?["flaps"] == 0);
        ensure!(far.falls(r.wan()?)? == 0);
        server.until_in_step(&router)
    });
}

#[test]
fn a_router_that_is_dead_or_hangs_delays_no_other() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "Hung"])?;
        let far = far_of_r(&fleet, "A")?;
        let r = fleet.gobgpd("R", release)?;
        let hung = fleet.gobgpd("Hung", release)?;
        hung.freeze()?;
        let server = Server::start(&fleet)?;
        let nowhere = json!({"router_id": "10.0.0.99"});
        let dead = server.create(
            "routers",
            &json!({
                "host_name": "Dead", "mgmt_addr": "192.168.200.99", "local_as": 65001,
                "router_id": "10.0.0.99",
            }),
        )?;
        let _ = nowhere;
        let hanging = server.router("Hung")?;
        server.router("R")?;
        let neighbor = server.neighbor("R", "A", FAR, &json!({}))?;
        server.until(&neighbor, "UP")?;
        far.until_established(r.wan()?)?;
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

/// What GoBGP's CLI can read back of R, to compare.
#[allow(dead_code)]
fn nothing() -> Result<()> {
    Ok(())
}
