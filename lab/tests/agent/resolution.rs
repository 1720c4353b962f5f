//! From next hops to gateways, as the kernel's other routes and links come and go.

use anyhow::ensure;
use sdwan_lab::agent::{Agent, until_routes};
use sdwan_lab::fleet::Fleet;

use super::ground::{A, ALL, BOTH, announce, far, join, on, router, withdraw};

#[test]
fn next_hops_are_followed_and_their_routes_come_and_go_with_them() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        // On the wire, behind a static route, and one that nothing leads to.
        machine
            .netns()
            .ip("route add 192.0.2.0/24 via 10.1.0.9 dev up0\n")?;
        announce(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        announce(&fleet, &a, "203.0.113.0/24", "192.0.2.1")?;
        announce(&fleet, &a, "203.0.113.7/32", "192.0.2.1")?;
        announce(&fleet, &a, "100.64.0.0/10", "192.168.77.1")?;
        announce(&fleet, &a, "0.0.0.0/0", "10.0.0.2")?;
        let reached = [
            ("0.0.0.0/0", "10.0.0.2%wan"),
            ("198.51.100.0/24", "10.0.0.2%wan"),
            ("203.0.113.0/24", "10.1.0.9%up0"),
            ("203.0.113.7/32", "10.1.0.9%up0"),
        ];
        until_routes(machine, &reached)?;
        let status = agent.until("one to be unresolved", |status| {
            status["routes"]["unresolved"]["no_route"] == 1
        })?;
        ensure!(
            status["unresolved"][0]["prefix"] == "100.64.0.0/10",
            "{status}"
        );
        let reason = "192.168.77.1: only BGP's own routes lead there";
        ensure!(status["unresolved"][0]["reason"] == reason, "{status}");
        // It appears late, moves, and goes again.
        let late = |gateway| [&reached[..], &[("100.64.0.0/10", gateway)]].concat();
        machine
            .netns()
            .ip("route add 192.168.77.0/24 via 10.1.1.9 dev up1\n")?;
        until_routes(machine, &late("10.1.1.9%up1"))?;
        agent.until("none to be unresolved", |status| {
            status["routes"]["unresolved"] == serde_json::json!({})
        })?;
        machine
            .netns()
            .ip("route replace 192.168.77.0/24 via 10.1.0.8 dev up0\n")?;
        until_routes(machine, &late("10.1.0.8%up0"))?;
        machine
            .netns()
            .ip("route add 192.168.77.0/30 via 10.1.0.7 dev up0\n")?;
        until_routes(machine, &late("10.1.0.7%up0"))?;
        machine
            .netns()
            .ip("route del 192.168.77.0/30\nroute del 192.168.77.0/24\n")?;
        until_routes(machine, &reached)?;
        machine
            .netns()
            .ip("route add blackhole 192.168.77.0/24\n")?;
        agent.until("the reason to be told", |status| {
            status["routes"]["unresolved"]["dropped"] == 1
        })?;
        until_routes(machine, &reached)?;
        withdraw(&fleet, &a, "0.0.0.0/0", "10.0.0.2")?;
        withdraw(&fleet, &a, "203.0.113.7/32", "192.0.2.1")?;
        until_routes(machine, &reached[1..3])
    });
}

#[test]
fn a_route_never_leads_to_its_own_next_hop() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        // Of its own prefix, and of another route of BGP's.
        announce(&fleet, &a, "203.0.113.0/24", "203.0.113.1")?;
        announce(&fleet, &a, "198.51.100.0/24", "203.0.113.1")?;
        // The neighbor's own address, though, is reached over the wire.
        announce(&fleet, &a, "10.0.0.2/32", "10.0.0.2")?;
        announce(&fleet, &a, "2001:db8::2/128", "2001:db8::2")?;
        agent.until("two to be unresolved", |status| {
            status["routes"]["unresolved"]["no_route"] == 2
        })?;
        // One that comes later is not confused by those.
        announce(&fleet, &a, "100.64.0.0/10", "10.0.0.2")?;
        announce(&fleet, &a, "2001:db8:aa::/48", "2001:db8::2")?;
        until_routes(
            machine,
            &[
                ("10.0.0.2/32", "10.0.0.2%wan"),
                ("100.64.0.0/10", "10.0.0.2%wan"),
                ("2001:db8::2/128", "2001:db8::2%wan"),
                ("2001:db8:aa::/48", "2001:db8::2%wan"),
            ],
        )
    });
}

#[test]
fn routes_follow_their_interface_and_its_carrier() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "0"])?;
        for n in 0..20 {
            announce(&fleet, &r, &format!("203.0.{n}.0/24"), "10.1.0.9")?;
            announce(&fleet, &r, &format!("2001:db8:a{n}::/48"), "2001:db8:10::9")?;
        }
        announce(&fleet, &r, "198.51.100.0/24", "10.1.1.9")?;
        announce(&fleet, &r, "2001:db8:bb::/48", "2001:db8:11::9")?;
        let other = [
            ("198.51.100.0/24", "10.1.1.9%up1"),
            ("2001:db8:bb::/48", "2001:db8:11::9%up1"),
        ];
        let names: Vec<(String, &str)> = (0..20)
            .flat_map(|n| {
                [
                    (format!("203.0.{n}.0/24"), "10.1.0.9%up0"),
                    (format!("2001:db8:a{n}::/48"), "2001:db8:10::9%up0"),
                ]
            })
            .collect();
        let mut all: Vec<(&str, &str)> =
            names.iter().map(|(to, via)| (to.as_str(), *via)).collect();
        all.extend(other);
        until_routes(machine, &all)?;
        for (down, up, reason) in [
            // The kernel takes IPv4's away without a word.
            (
                "link set up0 down",
                "link set up0 up",
                "10.1.0.9: up0 is down",
            ),
            (
                "link set far0 down",
                "link set far0 up",
                "10.1.0.9: up0 has no carrier",
            ),
        ] {
            machine.netns().ip(&format!("{down}\n"))?;
            until_routes(machine, &other)?;
            let status = agent.until("the reason to be told", |status| {
                let all = status["unresolved"].as_array();
                all.is_some_and(|all| all.iter().any(|one| one["reason"] == reason))
            })?;
            ensure!(status["routes"]["wanted"] == 42, "{status}");
            machine.netns().ip(&format!("{up}\n"))?;
            if down.contains("up0") {
                // With the interface the kernel took this address.
                machine
                    .netns()
                    .ip("address replace 2001:db8:10::1/64 dev up0 nodad\n")?;
            }
            until_routes(machine, &all)?;
        }
        // Down and up faster than anybody can look.
        machine.netns().ip(
            "link set up0 down\nlink set up0 up\naddress replace 2001:db8:10::1/64 dev up0 nodad\n",
        )?;
        until_routes(machine, &all)?;
        // The address goes, and with it what was on its network.
        machine
            .netns()
            .ip("address del 10.1.0.1/24 dev up0\naddress del 2001:db8:10::1/64 dev up0\n")?;
        until_routes(machine, &other)?;
        machine
            .netns()
            .ip("address add 10.1.0.1/24 dev up0\naddress add 2001:db8:10::1/64 dev up0 nodad\n")?;
        until_routes(machine, &all)?;
        // The interface goes altogether.
        machine.netns().ip("link del up0\n")?;
        until_routes(machine, &other)?;
        agent.until_in_step().map(drop)
    });
}
