//! Beside others in the same kernel: what they put there is theirs, and is preferred.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::agent::{Agent, PROTOCOL, Table, routes, until_routes};
use sdwan_lab::fleet::Fleet;
use sdwan_lab::frr::{Bgp, Frr};
use sdwan_lab::network::Machine;
use sdwan_lab::tools;

use super::ground::{A, BOTH, announce, far, join, on, router, start, until, withdraw};

/// What everybody else has in the kernel.
fn others(machine: &Machine) -> Result<String> {
    let mut all = String::new();
    for family in ["-4", "-6"] {
        all += &machine.run("ip", &["-N", family, "route", "show"], None)?;
    }
    let ours = format!("proto {PROTOCOL} ");
    Ok(all
        .lines()
        .filter(|line| !line.contains(&ours))
        .map(|line| format!("{line}\n"))
        .collect())
}

#[test]
fn a_strangers_route_is_preferred_and_never_touched() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let mut r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        // Of every metric, ours among them, and of both families; one is of our own next hop.
        machine
            .netns()
            .ip("route add 203.0.113.0/24 via 10.1.0.9 dev up0\n\
             route add 203.0.114.0/24 via 10.1.0.9 dev up0 metric 2000\n\
             route add 203.0.115.0/24 via 10.0.0.2 dev wan metric 2000\n\
             route add blackhole 203.0.116.0/24 metric 2000\n\
             route add 203.0.117.0/24 via 10.1.0.9 dev up0 metric 9000\n\
             route add 2001:db8:aa::/48 via 2001:db8:10::9 dev up0\n\
             route add 2001:db8:ab::/48 via 2001:db8:10::9 dev up0 metric 2000\n\
             route add 2001:db8:ac::/48 via 2001:db8::2 dev wan metric 2000\n")?;
        let before = others(machine)?;
        let mut agent = Agent::start(machine, &["--hold", "5", "--metric", "2000"])?;
        join(&r, &a, A)?;
        for n in 113..118 {
            announce(&fleet, &a, &format!("203.0.{n}.0/24"), "10.0.0.2")?;
        }
        for n in ["aa", "ab", "ac"] {
            announce(&fleet, &a, &format!("2001:db8:{n}::/48"), "2001:db8::2")?;
        }
        let installed = [
            ("203.0.113.0/24", "10.0.0.2%wan"),
            ("203.0.117.0/24", "10.0.0.2%wan"),
            ("2001:db8:aa::/48", "2001:db8::2%wan"),
        ];
        until_routes(machine, &installed)?;
        let status = agent.until("the others to be reported", |status| {
            status["routes"]["unresolved"]["metric_taken"] == 5
        })?;
        ensure!(status["in_step"] == false, "{status}");
        let way = machine.run("ip", &["route", "get", "203.0.113.1"], None)?;
        ensure!(
            way.contains("via 10.1.0.9"),
            "the static one is preferred: {way}"
        );
        // Through changes, withdrawals, an agent's and a gobgpd's restart.
        announce(&fleet, &a, "203.0.113.0/24", "10.1.1.9")?;
        announce(&fleet, &a, "203.0.114.0/24", "10.1.1.9")?;
        announce(&fleet, &a, "2001:db8:ab::/48", "2001:db8:11::9")?;
        withdraw(&fleet, &a, "203.0.115.0/24", "10.0.0.2")?;
        withdraw(&fleet, &a, "2001:db8:ac::/48", "2001:db8::2")?;
        agent.kill()?;
        agent.go_on()?;
        agent.until("three to be left", |status| {
            status["routes"]["unresolved"]["metric_taken"] == 3
        })?;
        ensure!(others(machine)? == before, "{}\n{before}", others(machine)?);
        // Once a stranger leaves, BGP's takes its place.
        machine
            .netns()
            .ip("route del 203.0.114.0/24 metric 2000\nroute del 2001:db8:ab::/48 metric 2000\n")?;
        let mut more = installed.to_vec();
        more[0].1 = "10.1.1.9%up1";
        more.push(("203.0.114.0/24", "10.1.1.9%up1"));
        more.push(("2001:db8:ab::/48", "2001:db8:11::9%up1"));
        until_routes(machine, &more)?;
        // A stranger beside a route of ours that changes, and that goes.
        machine.netns().ip(
            "route append 203.0.114.0/24 via 10.1.0.9 dev up0 metric 2000\n\
             route add 203.0.113.0/24 via 10.1.0.9 dev up0 metric 5\n",
        )?;
        let beside = others(machine)?;
        announce(&fleet, &a, "203.0.114.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "203.0.113.0/24", "10.0.0.2")?;
        more[0].1 = "10.0.0.2%wan";
        more[3].1 = "10.0.0.2%wan";
        until_routes(machine, &more)?;
        ensure!(others(machine)? == beside, "{}\n{beside}", others(machine)?);
        r.kill()?;
        until_routes(machine, &[])?;
        ensure!(others(machine)? == beside, "{}\n{beside}", others(machine)?);
        Ok(())
    });
}

#[test]
fn what_others_do_to_our_routes_is_put_right() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "0", "--metric", "2000"])?;
        let all = [
            ("203.0.113.0/24", "10.1.0.9%up0"),
            ("2001:db8:aa::/48", "2001:db8:10::9%up0"),
        ];
        for (to, via) in all {
            announce(&fleet, &r, to, via.split('%').next().context("a gateway")?)?;
        }
        until_routes(machine, &all)?;
        for line in [
            "route del 203.0.113.0/24",
            "route del 2001:db8:aa::/48",
            "route flush proto 179",
            "route replace 203.0.113.0/24 via 10.1.1.7 dev up1 proto 179 metric 2000",
            "route add 198.51.100.0/24 via 10.1.1.7 dev up1 proto 179 metric 2000",
            "route append 2001:db8:aa::/48 via 2001:db8:11::7 dev up1 proto 179 metric 2000",
        ] {
            machine.netns().ip(&format!("{line}\n"))?;
            until_routes(machine, &all)?;
        }
        agent.until_in_step().map(drop)
    });
}

#[test]
fn frrs_zebra_beside_it_keeps_its_routes_and_we_keep_ours() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        announce(&fleet, &a, "203.0.113.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "192.0.2.0/24", "172.16.0.9")?;
        let ours = [
            ("198.51.100.0/24", "10.0.0.2%wan"),
            ("203.0.113.0/24", "10.0.0.2%wan"),
        ];
        until_routes(machine, &ours)?;
        // A zebra that starts sweeps what an earlier one left; and it brings routes of its own, one
        // of them to a prefix of ours, one that a next hop of ours is behind.
        let zebra = || {
            Frr {
                routes: vec![
                    ("198.51.100.0/24".parse()?, Ipv4Addr::new(10, 1, 0, 9)),
                    ("172.16.0.0/16".parse()?, Ipv4Addr::new(10, 1, 1, 9)),
                ],
                bgp: None::<Bgp>,
            }
            .start(machine)
        };
        let theirs = |expected: usize| {
            until("zebra's routes", || {
                let count = routes(machine, "main", "196")?.len();
                Ok((count != expected).then(|| format!("{count}")))
            })
        };
        let daemons = zebra()?;
        theirs(2)?;
        let with_zebra = [&[("192.0.2.0/24", "10.1.1.9%up1")], &ours[..]].concat();
        until_routes(machine, &with_zebra)?;
        let way = machine.run("ip", &["route", "get", "198.51.100.1"], None)?;
        ensure!(way.contains("via 10.1.0.9"), "{way}");
        // It restarts; we restart.
        for daemon in daemons.into_iter().rev() {
            daemon.stop()?;
        }
        agent.kill()?;
        let daemons = zebra()?;
        agent.go_on()?;
        theirs(2)?;
        until_routes(machine, &with_zebra)?;
        agent.until_in_step()?;
        agent.kill()?;
        theirs(2)?;
        drop(daemons);
        Ok(())
    });
}

#[test]
fn a_mark_that_somebody_else_has_is_refused_and_so_is_a_second_agent() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        machine
            .netns()
            .ip("route add 203.0.113.0/24 via 10.1.0.9 dev up0 proto 179 metric 20\n")?;
        let refused = |words: &[&str]| -> Result<String> {
            let program = tools::built("sdwan")?.display().to_string();
            let words = [&["agent"], words].concat();
            let Err(error) = machine.run(&program, &words, None) else {
                anyhow::bail!("it was not refused");
            };
            Ok(format!("{error:#}"))
        };
        let said = refused(&[])?;
        for part in [
            "protocol 179",
            "metric 20",
            "203.0.113.0/24",
            "another daemon",
        ] {
            ensure!(said.contains(part), "{part}: {said}");
        }
        ensure!(refused(&["--once", "--dry-run"])?.contains("another daemon"));
        machine.netns().ip("route del 203.0.113.0/24 proto 179\n")?;
        let mut agent = Agent::start(machine, &["--hold", "0"])?;
        ensure!(refused(&["--listen", "none"])?.contains("another sdwan agent runs"));
        // With another mark, in another table, there may be one more.
        let mut second = Agent::start_with_port(
            machine,
            &[
                "--table",
                "1000",
                "--protocol",
                "178",
                "--metric",
                "77",
                "--hold",
                "0",
            ],
            9180,
        )?;
        announce(&fleet, &r, "203.0.113.0/24", "10.1.0.9")?;
        until_routes(machine, &[("203.0.113.0/24", "10.1.0.9%up0")])?;
        second.until_in_step()?;
        let expected = Table::from([("203.0.113.0/24".parse()?, vec!["10.1.0.9%up0".to_owned()])]);
        until("the other table", || {
            let seen = routes(machine, "1000", "178")?;
            Ok((seen != expected).then(|| format!("{seen:?}")))
        })?;
        agent.until_in_step()?;
        Ok(())
    });
}

#[test]
fn what_is_missing_is_said() {
    on(&BOTH[1..], |_| {
        let fleet = Fleet::lay(&["R"])?;
        let machine = fleet.machine("R")?;
        let program = tools::built("sdwan")?;
        // In a user namespace of its own, it has no right over this network.
        let mut command = Command::new("unshare");
        command.arg("--user").arg(&program).arg("agent");
        let output = machine.netns().output(&mut command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && said.contains("CAP_NET_ADMIN"),
            "{said}"
        );
        // No gobgpd: once fails, else it is tried again and said.
        let once = machine.run(&program.display().to_string(), &["agent", "--once"], None);
        let said = format!("{:#}", once.err().context("there is no gobgpd")?);
        ensure!(said.contains("127.0.0.1:50051 does not answer"), "{said}");
        let mut agent = Agent::start(machine, &[])?;
        agent.until("the reason to be told", |status| {
            let reason = status["gobgpd"]["reason"].as_str().unwrap_or_default();
            reason.contains("Connection refused")
        })?;
        ensure!(agent.process()?.log()?.matches("no connection").count() == 1);
        let gobgpd = fleet.gobgpd("R", BOTH[1])?;
        agent.until("BGP to be missed", |status| {
            let reason = status["gobgpd"]["reason"].as_str().unwrap_or_default();
            reason.contains("BGP is not started")
        })?;
        start(&fleet, &gobgpd, false)?;
        agent.until("gobgpd to be found", |status| {
            status["gobgpd"]["connected"] == true
        })?;
        Ok(())
    });
}
