//! Updates of every class of disturbance: in force, with exactly the falls that it takes, or said.

use anyhow::{Result, ensure};
use sdwan_gobgp::types::{AfiSafiSettings, Family, PeerSettings};
use sdwan_lab::fleet::{Fleet, Gobgpd, Row, Server};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::ground::{A, AS, B, BOTH, PASSWORD, PREFIX, far, far_with, on};

/// One neighbor of R, seen from both sides.
struct Pair<'a> {
    server: &'a Server,
    r: &'a Gobgpd,
    far: &'a Gobgpd,
    router: &'a Row,
    row: &'a Row,
}

impl Pair<'_> {
    /// Changes the row: its session falls just once and comes back.
    fn update_with_a_fall(&self, changes: &Value) -> Result<()> {
        let near = self.r.wan()?;
        let falls = self.far.falls(near)? + 1;
        self.server.update(self.row, changes)?;
        let what = format!("to have fallen for {changes}");
        self.far
            .until_peer(near, &what, |peer| peer.state.flaps >= falls)?;
        self.far.until_established(near)?;
        self.settled(falls)
    }

    /// Changes the row: its session stays.
    fn update_with_no_fall(&self, changes: &Value) -> Result<()> {
        let falls = self.far.falls(self.r.wan()?)?;
        self.server.update(self.row, changes)?;
        self.settled(falls)
    }

    fn settled(&self, falls: u32) -> Result<()> {
        self.server.until_in_step(self.router)?;
        self.server.until(self.row, "UP")?;
        let fell = self.far.falls(self.r.wan()?)?;
        ensure!(fell == falls, "the session fell {fell} times, not {falls}");
        Ok(())
    }
}

#[test]
fn timers_are_negotiated_anew() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        let other = server.neighbor("R", "B", B, &json!({}))?;
        server.until(&row, "UP")?;
        server.until(&other, "UP")?;
        let pair = Pair {
            server: &server,
            r: &r,
            far: &a,
            router: &router,
            row: &row,
        };
        let negotiated =
            || Ok::<_, anyhow::Error>(a.expect_peer(r.wan()?)?.timers.negotiated_hold_time);
        let configured = || Ok::<_, anyhow::Error>(r.expect_peer(a.wan()?)?.timers);

        pair.update_with_a_fall(&json!({"hold_time": 30}))?;
        ensure!(negotiated()? == 30);
        pair.update_with_a_fall(&json!({"keepalive_interval": 4}))?;
        ensure!(configured()?.keepalive_interval == 4 && negotiated()? == 30);
        // The same again, and a row of another neighbor, change nothing here.
        pair.update_with_no_fall(&json!({"hold_time": 30}))?;
        server.update(&other, &json!({"description": "B"}))?;
        b.until_peer(r.wan()?, "to have fallen", |peer| peer.state.flaps == 1)?;
        // What is no longer declared goes back to GoBGP's default.
        pair.update_with_a_fall(&json!({"hold_time": null, "keepalive_interval": null}))?;
        ensure!(negotiated()? == 90 && configured()?.keepalive_interval == 30);
        b.until_established(r.wan()?)?;
        ensure!(b.falls(r.wan()?)? == 1);
        Ok(())
    });
}

#[test]
fn what_a_session_starts_with_is_renewed() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let settings = PeerSettings {
            afi_safis: Some(
                [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
                    .map(AfiSafiSettings::from)
                    .into(),
            ),
            ..PeerSettings::new(AS)
        };
        let a = far_with(&fleet, "A", A, &settings)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&row, "UP")?;
        let pair = Pair {
            server: &server,
            r: &r,
            far: &a,
            router: &router,
            row: &row,
        };
        let peer = || r.expect_peer(a.wan()?);
        let ipv6 = |agreed: bool| {
            let text = a.cli("neighbor 10.0.0.1")?;
            let both = text.lines().any(|line| {
                line.contains("ipv6-unicast") && line.contains("advertised and received")
            });
            ensure!(both == agreed, "{text}");
            Ok(())
        };

        pair.update_with_a_fall(&json!({"description": "to A"}))?;
        ensure!(peer()?.conf.description == "to A");
        ipv6(false)?;
        pair.update_with_a_fall(&json!({"families": ["ipv4-unicast", "ipv6-unicast"]}))?;
        ensure!(peer()?.afi_safis.len() == 2);
        ipv6(true)?;
        pair.update_with_a_fall(&json!({"ebgp_multihop": 5}))?;
        ensure!(peer()?.ebgp_multihop.enabled && peer()?.ebgp_multihop.multihop_ttl == 5);
        ipv6(true)?;
        // A far side that connects itself finds a router that waits.
        pair.update_with_a_fall(&json!({"passive": true}))?;
        ensure!(peer()?.transport.passive_mode);
        pair.update_with_no_fall(&json!({"passive": true, "description": "to A"}))
    });
}

#[test]
fn who_speaks_with_whom_and_whether_at_all() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        fleet
            .machine("R")?
            .netns()
            .ip("address add 10.0.0.101/24 dev wan\n")?;
        let waits = PeerSettings {
            passive_mode: Some(true),
            ..PeerSettings::new(AS)
        };
        let a = far_with(&fleet, "A", A, &waits)?;
        let second = "10.0.0.101".parse()?;
        a.add_peer(second, &waits)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&row, "UP")?;

        server.update(&row, &json!({"local_address": "10.0.0.101"}))?;
        a.until_established(second)?;
        a.until_fallen(r.wan()?)?;
        server.until_in_step(&router)?;
        server.until(&row, "UP")?;
        // Another AS than the far side has: said to be down, not tried in circles.
        server.update(&row, &json!({"peer_as": 65099}))?;
        a.until_fallen(second)?;
        let shown = server.until(&row, "DOWN")?;
        ensure!(shown["peer_as"] == 65099, "{shown}");
        server.until_in_step(&router)?;
        server.update(&row, &json!({"peer_as": A}))?;
        a.until_established(second)?;
        server.until(&row, "UP")?;
        server.update(&row, &json!({"admin_state": "down"}))?;
        a.until_fallen(second)?;
        server.until(&row, "DOWN")?;
        server.until_in_step(&router)?;
        let falls = a.falls(second)?;
        server.update(&row, &json!({"admin_state": "up"}))?;
        a.until_established(second)?;
        server.until(&row, "UP")?;
        server.until_in_step(&router)?;
        ensure!(a.falls(second)? == falls && falls == 2, "{falls}");
        ensure!(a.falls(r.wan()?)? == 1);
        Ok(())
    });
}

#[test]
fn a_password_is_in_force_and_never_shown() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let secret = PeerSettings {
            auth_password: Some(SecretString::from(PASSWORD)),
            ..PeerSettings::new(AS)
        };
        let a = far_with(&fleet, "A", A, &secret)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let row = server.neighbor("R", "A", A, &json!({"auth_password": PASSWORD}))?;
        let shown = server.until(&row, "UP")?;
        ensure!(shown["auth_password"] == "********", "{shown}");
        let plan = server.plan(&router)?.to_string();
        ensure!(!plan.contains(PASSWORD));
        // TCP drops what is signed with another one, so the far side sees nothing any more.
        let wrong = format!("not-{PASSWORD}");
        server.update(&row, &json!({"auth_password": wrong}))?;
        server.until(&row, "DOWN")?;
        server.until_in_step(&router)?;
        server.update(&row, &json!({"auth_password": PASSWORD}))?;
        server.until(&row, "UP")?;
        a.until_established(r.wan()?)?;
        server.until_in_step(&router)
    });
}

/// gobgpd's listener goes on asking for the password of a peer that is deleted. The router waits
/// for its neighbor to connect, so that its own connections prove nothing.
#[test]
fn a_password_that_is_taken_away_is_asked_for_no_more() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let plain = PeerSettings::new(AS);
        let secret = PeerSettings {
            auth_password: Some(SecretString::from(PASSWORD)),
            ..plain.clone()
        };
        let a = far_with(&fleet, "A", A, &secret)?;
        let r = fleet.gobgpd("R", release)?;
        let near = r.wan()?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let with = json!({"passive": true, "auth_password": PASSWORD});
        let row = server.neighbor("R", "A", A, &with)?;
        server.until(&row, "UP")?;
        // With what only a peer that is added anew works with.
        server.update(&row, &json!({"auth_password": null, "hold_time": 30}))?;
        server.until(&row, "DOWN")?;
        a.delete_peer(near)?;
        a.add_peer(near, &plain)?;
        server.until(&row, "UP")?;
        a.until_peer(near, "to have agreed on 30 s", |peer| {
            peer.timers.negotiated_hold_time == 30
        })?;
        // With the whole neighbor.
        server.update(&row, &with)?;
        server.until(&row, "DOWN")?;
        a.delete_peer(near)?;
        a.add_peer(near, &secret)?;
        server.until(&row, "UP")?;
        server.delete(&row, "")?;
        server.until_gone(&row)?;
        a.delete_peer(near)?;
        a.add_peer(near, &plain)?;
        let row = server.neighbor("R", "A", A, &json!({"passive": true}))?;
        server.until(&row, "UP")?;
        server.until_in_step(&router)
    });
}

#[test]
fn a_route_reflectors_client_is_sent_what_another_sent() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", AS)?, far(&fleet, "B", AS)?);
        a.announce(PREFIX)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", AS, &json!({}))?;
        let to_b = server.neighbor("R", "B", AS, &json!({}))?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        let pair = Pair {
            server: &server,
            r: &r,
            far: &b,
            router: &router,
            row: &to_b,
        };
        ensure!(b.paths(PREFIX)?.is_empty());
        pair.update_with_a_fall(&json!({"route_reflector_client": true}))?;
        b.until_route(PREFIX, "reflected", |route| route.originator_id.is_some())?;
        pair.update_with_a_fall(&json!({"route_reflector_client": false}))?;
        b.until_no_route(PREFIX)?;
        ensure!(a.falls(r.wan()?)? == 0);
        Ok(())
    });
}

/// A neighbor of another AS is declared with a number that it doesn't have, and corrected.
#[test]
fn a_stranger_of_another_as_is_said_to_be_down() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        server.router("R")?;
        let row = server.neighbor("R", "A", B, &json!({}))?;
        server.until(&row, "DOWN")?;
        server.update(&row, &json!({"peer_as": A}))?;
        server.until(&row, "UP")?;
        a.until_established(r.wan()?)
    });
}
