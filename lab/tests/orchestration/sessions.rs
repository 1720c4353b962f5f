//! The monitor: what is said of a session is what is.

use anyhow::ensure;
use sdwan_gobgp::types::{PeerSettings, SessionState};
use sdwan_lab::fleet::{Fleet, Server, Silence, half_speaker};
use sdwan_lab::topology::MANAGEMENT;
use serde_json::json;

use super::ground::{A, AS, B, BOTH, PREFIX, far, on};

#[test]
fn every_state_but_established_is_down_and_is_said() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "Open", "Confirm", "Nobody"])?;
        half_speaker(&fleet, "Open", "R", Silence::AtOnce)?;
        half_speaker(&fleet, "Confirm", "R", Silence::AfterOpen { asn: 65003 })?;
        let _r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        server.router("R")?;
        let waits = json!({"passive": true});
        let stays = [
            (server.neighbor("R", "Open", A, &waits)?, "OPENSENT"),
            (server.neighbor("R", "Confirm", B, &waits)?, "OPENCONFIRM"),
            // Between its attempts it waits in ACTIVE.
            (server.neighbor("R", "Nobody", B, &json!({}))?, "ACTIVE"),
        ];
        for (row, state) in &stays {
            let shown = server.until_shown(row, state, |shown| shown["session_state"] == *state)?;
            ensure!(shown["status"] == "DOWN", "{shown}");
            let reason = shown["status_reason"].as_str().unwrap_or_default();
            ensure!(reason.contains(state), "{shown}");
        }
        Ok(())
    });
}

#[test]
fn a_session_that_drops_is_down_and_strangers_block_nothing() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&router, "ACTIVE")?;
        // Nobody declares B; it comes and goes.
        r.cli("neighbor add 10.0.0.3 as 65003")?;
        b.until_established(r.wan()?)?;
        server.until(&to_a, "UP")?;
        b.delete_peer(r.wan()?)?;
        a.delete_peer(r.wan()?)?;
        let shown = server.until(&to_a, "DOWN")?;
        ensure!(shown["flaps"] == 1, "{shown}");
        ensure!(
            shown["session_state"]
                .as_str()
                .is_some_and(|s| s != "ESTABLISHED"),
            "{shown}"
        );
        b.add_peer(r.wan()?, &PeerSettings::new(AS))?;
        a.add_peer(r.wan()?, &PeerSettings::new(AS))?;
        let shown = server.until(&to_a, "UP")?;
        ensure!(shown["session_state"] == "ESTABLISHED", "{shown}");
        // Another row for the same neighbor: what is seen goes to that one, without a fall.
        server.cli(&["hold", "R", "--why", "test"])?;
        server.delete(&to_a, "")?;
        let again = server.neighbor("R", "A", A, &json!({}))?;
        server.cli(&["resume", "R"])?;
        server.until(&again, "UP")?;
        server.until_gone(&to_a)?;
        ensure!(a.falls(r.wan()?)? == 0);
        a.delete_peer(r.wan()?)?;
        server.until(&again, "DOWN")?;
        // B was left alone all the time.
        r.until_established(b.wan()?)
    });
}

#[test]
fn an_unreachable_router_is_unknown_and_then_the_truth() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", A, &json!({}))?;
        let to_b = server.neighbor("R", "B", B, &json!({}))?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        fleet.link("R", MANAGEMENT, false)?;
        for row in [&router, &to_a, &to_b] {
            let shown = server.until(row, "UNKNOWN")?;
            let reason = shown["status_reason"].as_str().unwrap_or_default();
            ensure!(reason.contains("192.168.200.1:50051"), "{shown}");
        }
        // Meanwhile BGP goes on, a session falls and the declared state changes.
        a.until_established(r.wan()?)?;
        a.delete_peer(r.wan()?)?;
        server.delete(&to_b, "")?;
        let policy = server.export("R", "p", "A", "med 9")?;
        ensure!(server.until(&to_b, "PENDING_DELETE")?["id"] == to_b.id.as_str());
        ensure!(server.until(&policy, "PENDING_CREATE")?["id"] == policy.id.as_str());
        ensure!(b.expect_peer(r.wan()?)?.state.session == SessionState::Established);
        fleet.link("R", MANAGEMENT, true)?;
        server.until(&to_a, "DOWN")?;
        server.until(&router, "ACTIVE")?;
        server.until(&policy, "ACTIVE")?;
        // What was deleted while nobody could be asked is deleted.
        server.until_gone(&to_b)?;
        r.until_no_peer(b.wan()?)?;
        a.add_peer(r.wan()?, &PeerSettings::new(AS))?;
        server.until(&to_a, "UP")?;
        r.announce(PREFIX)?;
        a.until_route(PREFIX, "with MED 9", |route| route.med == Some(9))?;
        Ok(())
    });
}
