//! A daemon that forgets, and hands that meddle.

use anyhow::ensure;
use sdwan_lab::fleet::{Fleet, Server};
use serde_json::json;

use super::ground::{BOTH, FAR, far_of_r, on};

#[test]
fn a_gobgpd_that_restarts_empty_comes_back_to_its_declared_state() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far_of_r(&fleet, "A")?, far_of_r(&fleet, "B")?);
        a.announce("203.0.113.0/24")?;
        let mut r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", FAR, &json!({"hold_time": 30}))?;
        let to_b = server.neighbor("R", "B", FAR, &json!({}))?;
        let policy = server.export("R", "p", "B", "community add 65001:7")?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        b.until_route("203.0.113.0/24", "tagged", |route| route.communities.len() == 1)?;
        r.restart()?;
        for row in [&to_a, &to_b] {
            server.until_shown(row, "UP again", |shown| {
                shown["status"] == "UP" && shown["flaps"] == 1
            })?;
        }
        server.until(&policy, "ACTIVE")?;
        b.until_route("203.0.113.0/24", "tagged", |route| route.communities.len() == 1)?;
        ensure!(r.expect_peer(a.wan()?)?.timers.negotiated_hold_time == 30);
        server.until_in_step(&router)
    });
}
