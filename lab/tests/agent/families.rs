//! IPv6 and several paths at once.

use anyhow::ensure;
use sdwan_gobgp::types::{AfiSafiSettings, Family, PeerSettings};
use sdwan_lab::agent::{Agent, until_routes};
use sdwan_lab::fleet::Fleet;

use super::ground::{A, ALL, AS, B, BOTH, announce, far, join, on, router, start, withdraw};

#[test]
fn ipv6_goes_the_same_ways() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        machine
            .netns()
            .ip("route add 2001:db8:99::/48 via 2001:db8:10::9 dev up0\n")?;
        announce(&fleet, &a, "::/0", "2001:db8::2")?;
        announce(&fleet, &a, "2001:db8:aa::/48", "2001:db8:99::1")?;
        announce(&fleet, &a, "2001:db8:aa::7/128", "2001:db8:99::1")?;
        announce(&fleet, &a, "2001:db8:bb::/48", "2001:db8:77::1")?;
        let reached = [
            ("::/0", "2001:db8::2%wan"),
            ("2001:db8:aa::/48", "2001:db8:10::9%up0"),
            ("2001:db8:aa::7/128", "2001:db8:10::9%up0"),
        ];
        until_routes(machine, &reached)?;
        machine
            .netns()
            .ip("route add 2001:db8:77::/48 via 2001:db8:11::9 dev up1\n")?;
        let late = [&reached[..], &[("2001:db8:bb::/48", "2001:db8:11::9%up1")]].concat();
        until_routes(machine, &late)?;
        machine.netns().ip("route del 2001:db8:77::/48\n")?;
        until_routes(machine, &reached)?;
        withdraw(&fleet, &a, "::/0", "2001:db8::2")?;
        until_routes(machine, &reached[1..])?;
        agent.until("the reason to be told", |status| {
            status["unresolved"][0]["reason"] == "2001:db8:77::1: no route leads there"
        })?;
        Ok(())
    });
}

#[test]
fn a_link_local_next_hop_is_reached_over_the_neighbors_link() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let _agent = Agent::start(machine, &[])?;
        // Over a session that runs over IPv6, so that the neighbor is on a link for sure.
        let v6 = |asn| PeerSettings {
            connect_retry: Some(1),
            afi_safis: Some(vec![AfiSafiSettings::from(Family::IPV6_UNICAST)]),
            ..PeerSettings::new(asn)
        };
        let peer = |last: u16| std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        fleet.run(a.client().add_peer(peer(1), &v6(AS)))?;
        fleet.run(r.client().add_peer(peer(2), &v6(A)))?;
        announce(&fleet, &a, "2001:db8:aa::/48", "fe80::77")?;
        until_routes(machine, &[("2001:db8:aa::/48", "fe80::77%wan")])?;
        announce(&fleet, &a, "2001:db8:aa::/48", "fe80::78")?;
        until_routes(machine, &[("2001:db8:aa::/48", "fe80::78%wan")])
    });
}

#[test]
fn equal_paths_share_one_route() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        router(&fleet, release)?;
        // Several paths are used by a gobgpd that was started so.
        let r = fleet.gobgpd("R", release)?;
        start(&fleet, &r, true)?;
        let machine = fleet.machine("R")?;
        let agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        join(&r, &b, B)?;
        for far in [&a, &b] {
            announce(&fleet, far, "203.0.113.0/24", &far.wan()?.to_string())?;
            announce(
                &fleet,
                far,
                "2001:db8:aa::/48",
                &format!("2001:db8::{}", far.wan()?.octets()[3]),
            )?;
        }
        let both = [
            ("203.0.113.0/24", "10.0.0.2%wan 10.0.0.3%wan"),
            ("2001:db8:aa::/48", "2001:db8::2%wan 2001:db8::3%wan"),
        ];
        until_routes(machine, &both)?;
        // One leaves, comes back, and moves.
        withdraw(&fleet, &b, "203.0.113.0/24", "10.0.0.3")?;
        withdraw(&fleet, &b, "2001:db8:aa::/48", "2001:db8::3")?;
        let one = [
            ("203.0.113.0/24", "10.0.0.2%wan"),
            ("2001:db8:aa::/48", "2001:db8::2%wan"),
        ];
        until_routes(machine, &one)?;
        announce(&fleet, &b, "203.0.113.0/24", "10.1.0.9")?;
        announce(&fleet, &b, "2001:db8:aa::/48", "2001:db8:10::9")?;
        let moved = [
            ("203.0.113.0/24", "10.0.0.2%wan 10.1.0.9%up0"),
            ("2001:db8:aa::/48", "2001:db8:10::9%up0 2001:db8::2%wan"),
        ];
        until_routes(machine, &moved)?;
        // A leg's link goes: the other carries on.
        machine.netns().ip("link set up0 down\n")?;
        until_routes(machine, &one)?;
        machine
            .netns()
            .ip("link set up0 up\naddress replace 2001:db8:10::1/64 dev up0 nodad\n")?;
        until_routes(machine, &moved)?;
        // The kernel's own routes with several legs are followed too.
        machine.netns().ip(
            "route add 192.0.2.0/24 nexthop via 10.1.0.8 dev up0 nexthop via 10.1.1.8 dev up1\n",
        )?;
        announce(&fleet, &a, "198.51.100.0/24", "192.0.2.1")?;
        let all = [
            &moved[..],
            &[("198.51.100.0/24", "10.1.0.8%up0 10.1.1.8%up1")],
        ]
        .concat();
        until_routes(machine, &all)?;
        // The neighbor fails: what it told goes, once gobgpd lets it go.
        r.delete_peer(a.wan()?)?;
        until_routes(
            machine,
            &[
                ("203.0.113.0/24", "10.1.0.9%up0"),
                ("2001:db8:aa::/48", "2001:db8:10::9%up0"),
            ],
        )?;
        let status = agent.status()?;
        ensure!(status["routes"]["wanted"] == 2, "{status}");
        Ok(())
    });
}
