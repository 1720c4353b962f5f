//! `--redistribute`: BGP is told what the kernel has, as long as it has it.

use anyhow::Result;
use sdwan_lab::agent::{Agent, until_routes};
use sdwan_lab::fleet::{Fleet, Gobgpd};

use super::ground::{A, ALL, announce, far, join, on, router, start, until};

/// Waits until a neighbor has heard exactly these IPv4 prefixes from R.
fn heard(fleet: &Fleet, a: &Gobgpd, expected: &[&str]) -> Result<()> {
    use sdwan_gobgp::types::{Family, PathFilter};
    until(&format!("A to have heard {expected:?}"), || {
        let mut seen = Vec::new();
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            let table = fleet.run(a.client().list_paths(&PathFilter::global(family)))?;
            let foreign = table
                .into_iter()
                .filter(|d| d.paths.iter().any(|p| p.source_asn != 0));
            seen.extend(foreign.map(|d| d.prefix));
        }
        seen.sort();
        Ok((seen != expected).then(|| format!("{seen:?}")))
    })
}

#[test]
fn what_the_kernel_has_is_announced_and_withdrawn_when_it_goes() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let mut r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        machine
            .netns()
            .ip("route add 192.0.2.0/24 via 10.1.0.9 dev up0\n\
             route add blackhole 198.18.0.0/15\n\
             route add 172.16.0.0/12 via 10.1.0.9 dev up0 proto 42\n\
             route add 172.20.0.0/16 via 10.1.0.9 dev up0 proto 42\n")?;
        let words = ["connected", "static", "172.16.0.0/12"];
        let words: Vec<&str> = words
            .iter()
            .flat_map(|what| ["--redistribute", what])
            .collect();
        let mut agent = Agent::start(machine, &[&words[..], &["--hold", "3"]].concat())?;
        join(&r, &a, A)?;
        // The link-local and the host's own are of no use to anybody else.
        let all = [
            "10.0.0.0/24",
            "10.1.0.0/24",
            "10.1.1.0/24",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "192.168.200.0/24",
            "198.18.0.0/15",
            "2001:db8:10::/64",
            "2001:db8:11::/64",
            "2001:db8::/64",
        ];
        heard(&fleet, &a, &all)?;
        // What BGP brought is not told back.
        announce(&fleet, &a, "203.0.113.0/24", "10.0.0.2")?;
        until_routes(machine, &[("203.0.113.0/24", "10.0.0.2%wan")])?;
        let without = |gone: &[&str]| -> Vec<&str> {
            all.into_iter()
                .filter(|prefix| !gone.contains(prefix))
                .collect()
        };
        machine
            .netns()
            .ip("route del 192.0.2.0/24\nroute del 172.16.0.0/12\n")?;
        let two = ["192.0.2.0/24", "172.16.0.0/12"];
        heard(&fleet, &a, &without(&two))?;
        machine.netns().ip("link set far1 down\n")?;
        let more = [&two[..], &["10.1.1.0/24", "2001:db8:11::/64"]].concat();
        heard(&fleet, &a, &without(&more))?;
        machine.netns().ip("link set far1 up\n")?;
        heard(&fleet, &a, &without(&two))?;
        // gobgpd is empty after a restart, and is told anew.
        r.restart()?;
        start(&fleet, &r, false)?;
        join(&r, &a, A)?;
        heard(&fleet, &a, &without(&two))?;
        // What an earlier run announced goes with the route that is gone since.
        agent.kill()?;
        machine.netns().ip("route del blackhole 198.18.0.0/15\n")?;
        heard(&fleet, &a, &without(&two))?;
        agent.go_on()?;
        let three = [&two[..], &["198.18.0.0/15"]].concat();
        heard(&fleet, &a, &without(&three))?;
        // What somebody else announces stays, whatever the agent is told.
        announce(&fleet, &r, "100.64.0.0/10", "0.0.0.0")?;
        drop(agent);
        let mut agent = Agent::start(machine, &["--hold", "3"])?;
        heard(&fleet, &a, &["100.64.0.0/10"])?;
        agent.until_in_step().map(drop)
    });
}
