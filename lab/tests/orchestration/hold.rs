//! Looking without touching: hold, plan, rib.

use std::time::Duration;

use anyhow::ensure;
use sdwan_lab::fleet::{Fleet, Gate, Server};
use sdwan_lab::wait::{self, Seen};
use serde_json::json;

use super::ground::{A, B, BOTH, PREFIX, far, on};

#[test]
fn on_hold_nothing_is_sent_and_the_plan_says_what_would_be() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = fleet.gobgpd("R", release)?;
        let gate = Gate::before(&fleet, &r.management()?)?;
        let server = Server::start(&fleet)?;
        let router = server.router_at("R", &gate.address(), &json!({}))?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&row, "UP")?;
        ensure!(
            server
                .cli(&["plan", "R"])?
                .contains("in step, nothing to do")
        );
        server.cli(&["hold", "R", "--why", "maintenance"])?;
        gate.open();
        server.update(&row, &json!({"hold_time": 30}))?;
        let policy = server.export("R", "p", "A", "med 8")?;
        for row in [&row, &policy] {
            server.until_shown(row, "waiting for the hold to end", |shown| {
                shown["status_reason"]
                    .as_str()
                    .is_some_and(|why| why.contains("maintenance"))
            })?;
        }
        let plan = server.cli(&["plan", "R"])?;
        for part in [
            "DeletePeer, AddPeer",
            "session reset",
            "hold_time 90 -> 30",
            "p/export",
        ] {
            ensure!(plan.contains(part), "{plan}");
        }
        ensure!(plan.contains("on hold"), "{plan}");
        ensure!(gate.writes().is_empty(), "{:?}", gate.writes());
        ensure!(a.falls(r.wan()?)? == 0);
        server.cli(&["resume", "R"])?;
        server.until(&policy, "ACTIVE")?;
        a.until_peer(r.wan()?, "to have agreed on 30 s", |peer| {
            peer.timers.negotiated_hold_time == 30
        })?;
        ensure!(a.falls(r.wan()?)? == 1);
        server.until_in_step(&router)
    });
}

/// A table without its ages, which go on between two looks; and of a route of its own, version 4
/// prints the time since 1970.
fn ageless(table: &str) -> Vec<String> {
    let column = table.find("Age").unwrap_or(table.len());
    let line = |line: &str| {
        let (before, after) = line.split_at_checked(column).unwrap_or((line, ""));
        let attributes = after.find('[').map_or(after, |start| &after[start..]);
        format!("{before}{attributes}")
    };
    let mut lines: Vec<_> = table.lines().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_rib_is_printed_as_gobgp_prints_it() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        for prefix in [PREFIX, "198.51.100.0/24"] {
            a.announce(prefix)?;
            b.announce(prefix)?;
        }
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        server.router("R")?;
        for (node, asn) in [("A", A), ("B", B)] {
            let row = server.neighbor("R", node, asn, &json!({}))?;
            server.until(&row, "UP")?;
        }
        r.announce("10.0.0.0/8")?;
        let many = wait::until("all five paths", Duration::from_secs(60), || {
            let table = r.cli("global rib")?;
            Ok(match table.lines().count() {
                6 => Seen::Yes(table),
                _ => Seen::NotYet(table),
            })
        })?;
        let ours = server.cli(&["rib", "R"])?;
        ensure!(
            ageless(&ours) == ageless(&many),
            "ours:\n{ours}\nGoBGP's:\n{many}"
        );
        let one = server.cli(&["rib", "R", PREFIX])?;
        let theirs = r.cli(&format!("global rib {PREFIX}"))?;
        ensure!(
            ageless(&one) == ageless(&theirs),
            "ours:\n{one}\nGoBGP's:\n{theirs}"
        );
        Ok(())
    });
}
