//! A daemon that forgets, and hands that meddle.

use anyhow::ensure;
use sdwan_lab::fleet::{Fleet, Server};
use serde_json::json;

use super::ground::{A, B, BOTH, PREFIX, far, on};

#[test]
fn a_gobgpd_that_restarts_empty_comes_back_to_its_declared_state() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        a.announce(PREFIX)?;
        let mut r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", A, &json!({"hold_time": 30}))?;
        let to_b = server.neighbor("R", "B", B, &json!({}))?;
        let policy = server.export("R", "p", "B", "community add 65001:7")?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        b.until_route(PREFIX, "tagged", |route| route.communities.len() == 1)?;
        r.restart()?;
        for row in [&to_a, &to_b] {
            server.until_shown(row, "UP again", |shown| {
                shown["status"] == "UP" && shown["flaps"] == 1
            })?;
        }
        server.until(&policy, "ACTIVE")?;
        b.until_route(PREFIX, "tagged", |route| route.communities.len() == 1)?;
        ensure!(r.expect_peer(a.wan()?)?.timers.negotiated_hold_time == 30);
        server.until_in_step(&router)
    });
}

#[test]
fn what_hands_take_away_is_back_within_one_pass() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", A, &json!({}))?;
        let to_b = server.neighbor("R", "B", B, &json!({}))?;
        server.export("R", "p", "B", "med 5")?;
        r.until_peer(b.wan()?, "to be declared", |_| true)?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        r.announce(PREFIX)?;
        b.until_route(PREFIX, "with MED 5", |route| route.med == Some(5))?;
        r.cli("neighbor del 10.0.0.2")?;
        r.cli("global policy export del p/export")?;
        a.until_peer(r.wan()?, "to have fallen", |peer| peer.state.flaps == 1)?;
        a.until_established(r.wan()?)?;
        server.until(&to_a, "UP")?;
        server.until_in_step(&router)?;
        // Nothing was sent to B meanwhile that it should not have.
        b.until_route(PREFIX, "with MED 5", |route| route.med == Some(5))?;
        ensure!(b.falls(r.wan()?)? == 0);
        Ok(())
    });
}
