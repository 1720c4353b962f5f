//! Over a restart of either, no packet is lost on routes that did not change, and what changed
//! meanwhile is put right.

use anyhow::{Context as _, Result, ensure};
use sdwan_gobgp::types::Family;
use sdwan_lab::agent::{Agent, PROTOCOL, routes, until_routes};
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::tools::Release;

use super::ground::{
    A, ALL, AS, B, BOTH, Ping, announce, far, join, on, path, router, settings, start, until,
    withdraw,
};

/// B, behind which 203.0.113.1 answers.
fn behind(fleet: &Fleet) -> Result<Gobgpd> {
    let b = far(fleet, "B", B)?;
    fleet
        .machine("B")?
        .netns()
        .ip("address add 203.0.113.1/32 dev lo\n")?;
    announce(fleet, &b, "203.0.113.0/24", "10.0.0.3")?;
    Ok(b)
}

#[test]
fn an_agent_that_is_killed_leaves_no_gap_and_what_changed_is_put_right() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, behind(&fleet)?);
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        join(&r, &b, B)?;
        announce(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "192.0.2.0/24", "10.0.0.2")?;
        let before = [
            ("192.0.2.0/24", "10.0.0.2%wan"),
            ("198.51.100.0/24", "10.0.0.2%wan"),
            ("203.0.113.0/24", "10.0.0.3%wan"),
        ];
        until_routes(machine, &before)?;
        let ping = Ping::start(machine, "203.0.113.1")?;
        agent.kill()?;
        until_routes(machine, &before)?;
        // Meanwhile one goes and one moves.
        withdraw(&fleet, &a, "192.0.2.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "198.51.100.0/24", "10.1.0.9")?;
        agent.go_on()?;
        let after = [
            ("198.51.100.0/24", "10.1.0.9%up0"),
            ("203.0.113.0/24", "10.0.0.3%wan"),
        ];
        until_routes(machine, &after)?;
        agent.until_in_step()?;
        // Stopped in peace, it leaves them as well.
        agent.stop()?;
        until_routes(machine, &after)?;
        ping.expect_no_loss()
    });
}

#[test]
fn an_agent_that_is_killed_in_the_middle_of_a_thousand_changes_gets_to_the_same_end() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        let prefix = |n: u32| format!("100.{}.{}.0/24", n / 250, n % 250);
        let prefix6 = |n: u32| format!("2001:db8:{:x}::/48", 0x1000 + n);
        // Each changes its next hop while the agent dies, again and again.
        let gateways = ["10.0.0.2", "10.1.0.9", "10.1.1.9"];
        let gateways6 = ["2001:db8::2", "2001:db8:10::9", "2001:db8:11::9"];
        for (round, (gateway, gateway6)) in gateways.into_iter().zip(gateways6).enumerate() {
            let half = |n: u32| -> Result<()> {
                announce(&fleet, &a, &prefix(n), gateway)?;
                announce(&fleet, &a, &prefix6(n), gateway6)
            };
            (0..250).try_for_each(half)?;
            until("some to be there", || {
                let count = routes(machine, "main", PROTOCOL)?
                    .values()
                    .filter(|legs| legs[0].starts_with(gateway) || legs[0].starts_with(gateway6))
                    .count();
                Ok((count == 0).then(|| "none yet".to_owned()))
            })?;
            agent.kill()?;
            (250..500).try_for_each(half)?;
            agent.go_on()?;
            ensure!(round < 3);
        }
        let names: Vec<[(String, &str); 2]> = (0..500)
            .map(|n| {
                [
                    (prefix(n), "10.1.1.9%up1"),
                    (prefix6(n), "2001:db8:11::9%up1"),
                ]
            })
            .collect();
        let all: Vec<(&str, &str)> = names
            .iter()
            .flatten()
            .map(|(to, via)| (to.as_str(), *via))
            .collect();
        until_routes(machine, &all)?;
        agent.until_in_step().map(drop)
    });
}

#[test]
fn a_gobgpd_that_is_killed_and_comes_back_loses_no_packet_and_stale_routes_go() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, behind(&fleet)?);
        let mut r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "60"])?;
        join(&r, &a, A)?;
        join(&r, &b, B)?;
        announce(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        let before = [
            ("198.51.100.0/24", "10.0.0.2%wan"),
            ("203.0.113.0/24", "10.0.0.3%wan"),
        ];
        until_routes(machine, &before)?;
        agent.until_in_step()?;
        let ping = Ping::start(machine, "203.0.113.1")?;
        r.kill()?;
        agent.until("gobgpd to be missed", |status| {
            status["gobgpd"]["connected"] == false
        })?;
        // A has let go of it before it comes back.
        withdraw(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        r.restart()?;
        let status = agent.status()?;
        ensure!(status["routes"]["installed"] == 2, "{status}");
        start(&fleet, &r, false)?;
        agent.until("gobgpd to be found", |status| {
            status["gobgpd"]["connected"] == true
        })?;
        until_routes(machine, &before)?;
        join(&r, &b, B)?;
        // One of two has told everything: nothing goes yet.
        let status = agent.until("B to have told everything", |status| {
            status["hold"]["waits_for"] == serde_json::json!(["10.0.0.2"])
        })?;
        ensure!(status["routes"]["stale"] == 1, "{status}");
        until_routes(machine, &before)?;
        join(&r, &a, A)?;
        until_routes(machine, &before[1..])?;
        agent.until_in_step()?;
        let log = agent.process()?.log()?;
        ensure!(
            log.contains("gobgpd has told all IPv4 routes; 1 that it did not confirm go"),
            "{log}"
        );
        ping.expect_no_loss()
    });
}

#[test]
fn a_neighbor_is_not_waited_for_in_a_family_that_it_does_not_speak() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = fleet.far("A", A)?;
        let mut only_ipv4 = settings(AS);
        let families = only_ipv4.afi_safis.as_mut().context("families")?;
        families.retain(|family| family.family == Family::IPV4_UNICAST);
        a.add_peer(fleet.wan("R")?, &only_ipv4)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "3600"])?;
        join(&r, &a, A)?;
        agent.until_in_step()?;
        let log = agent.process()?.log()?;
        for family in ["IPv4", "IPv6"] {
            ensure!(
                log.contains(&format!("gobgpd has told all {family} routes; 0 that")),
                "{log}"
            );
        }
        Ok(())
    });
}

#[test]
fn bgp_that_is_stopped_and_started_within_one_gobgpd_leaves_no_stale_route() {
    // Version 4's answers no more once it is stopped.
    on(&[Release::V3_10, Release::V3_36], |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "3600"])?;
        join(&r, &a, A)?;
        for prefix in ["198.51.100.0/24", "203.0.113.0/24"] {
            announce(&fleet, &a, prefix, "10.0.0.2")?;
        }
        let both = [
            ("198.51.100.0/24", "10.0.0.2%wan"),
            ("203.0.113.0/24", "10.0.0.2%wan"),
        ];
        until_routes(machine, &both)?;
        agent.until_in_step()?;
        // Between two heartbeats, and one of the routes does not come again.
        r.cli("global del all")?;
        start(&fleet, &r, false)?;
        withdraw(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        join(&r, &a, A)?;
        until_routes(machine, &both[1..])?;
        agent.until_in_step().map(drop)
    });
}

#[test]
fn without_marks_of_completeness_stale_routes_go_when_the_hold_is_over() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let mut r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "6"])?;
        announce(&fleet, &r, "198.51.100.0/24", "10.1.0.9")?;
        announce(&fleet, &r, "203.0.113.0/24", "10.1.0.9")?;
        let both = [
            ("198.51.100.0/24", "10.1.0.9%up0"),
            ("203.0.113.0/24", "10.1.0.9%up0"),
        ];
        until_routes(machine, &both)?;
        r.restart()?;
        start(&fleet, &r, false)?;
        announce(&fleet, &r, "203.0.113.0/24", "10.1.0.9")?;
        until_routes(machine, &both[1..])?;
        agent.until_in_step()?;
        let log = agent.process()?.log()?;
        ensure!(log.contains("the hold is over"), "{log}");
        // Gone for good: its neighbors have long given it up.
        r.kill()?;
        until_routes(machine, &[])?;
        let log = agent.process()?.log()?;
        ensure!(log.contains("gobgpd has been gone for 6 s"), "{log}");
        Ok(())
    });
}

#[test]
fn a_gobgpd_that_lives_and_does_not_answer_keeps_its_routes() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "1"])?;
        announce(&fleet, &r, "203.0.113.0/24", "10.1.0.9")?;
        until_routes(machine, &[("203.0.113.0/24", "10.1.0.9%up0")])?;
        r.freeze()?;
        let status = agent.until("its silence to be noticed", |status| {
            status["gobgpd"]["connected"] == false && status["seconds"].as_f64() > Some(5.0)
        })?;
        ensure!(status["routes"]["installed"] == 1, "{status}");
        // Links are followed all the same.
        machine.netns().ip("link set up0 down\n")?;
        until_routes(machine, &[])?;
        machine.netns().ip("link set up0 up\n")?;
        until_routes(machine, &[("203.0.113.0/24", "10.1.0.9%up0")])?;
        r.thaw()?;
        agent.until_in_step()?;
        fleet.run(r.client().delete_path(&path("203.0.113.0/24", "10.1.0.9")?))?;
        until_routes(machine, &[])
    });
}
