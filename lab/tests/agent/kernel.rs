//! The writer and the kernel alone: what a message may do to whom.

use std::sync::Arc;

use anyhow::{Result, ensure};
use sdwan_agent::fib::{Change, Mark, Trouble};
use sdwan_agent::kernel::Leg;
use sdwan_agent::netlink::{self, Writer};
use sdwan_lab::fleet::Fleet;
use sdwan_lab::harness;
use sdwan_lab::network::Machine;

const MARK: Mark = Mark {
    table: 254,
    protocol: 179,
    metric: 2000,
};

/// `PREFIX GATEWAY...`: legs through `up0`.
fn change(prefix: &str, device: u32, old: &[&str], new: &[&str]) -> Result<Change> {
    let legs = |gateways: &[&str]| -> Result<Option<Arc<[Leg]>>> {
        let leg = |text: &&str| -> Result<Leg> {
            let gateway = text.parse()?;
            Ok(Leg {
                gateway: Some(gateway),
                device,
                onlink: sdwan_agent::resolve::is_taken_for_onlink(gateway),
            })
        };
        let legs = gateways.iter().map(leg).collect::<Result<Vec<_>>>()?;
        Ok((!legs.is_empty()).then(|| legs.into()))
    };
    Ok(Change {
        prefix: prefix.parse()?,
        old: legs(old)?,
        new: legs(new)?,
    })
}

fn routes(machine: &Machine, family: &str) -> Result<Vec<String>> {
    let text = machine.run(
        "ip",
        &["-N", "-o", family, "route", "show", "root", "203.0.0.0/16"],
        None,
    );
    let text = match family {
        "-4" => text?,
        family => machine.run(
            "ip",
            &[
                "-N",
                "-o",
                family,
                "route",
                "show",
                "root",
                "2001:db8:a0::/44",
            ],
            None,
        )?,
    };
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(words).collect())
}

#[test]
fn no_change_touches_a_strangers_route_whatever_stands_where() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let fleet = Fleet::lay(&["R"])?;
        let machine = fleet.machine("R")?;
        machine.netns().ip(
            "link add up0 type veth peer name far0\nlink set far0 up\nlink set up0 up\n\
             address add 10.1.0.1/24 dev up0\naddress add 2001:db8:10::1/64 dev up0 nodad\n\
             route add 203.0.113.0/24 via 10.1.0.9 dev up0 proto 42 metric 2000\n\
             route add 2001:db8:aa::/48 via 2001:db8:10::9 dev up0 proto 42 metric 2000\n",
        )?;
        let theirs = [
            "203.0.113.0/24 via 10.1.0.9 dev up0 proto 42 metric 2000",
            "2001:db8:aa::/48 via 2001:db8:10::9 dev up0 proto 42 metric 2000 pref medium",
        ];
        let stand = || -> Result<()> {
            let all = [routes(machine, "-4")?, routes(machine, "-6")?].concat();
            ensure!(all == theirs, "{all:?}");
            Ok(())
        };
        stand()?;
        machine.netns().enter(|| {
            let view = netlink::look(MARK)?.into_view().0;
            let device = view.link_named("up0").map_or(0, |link| link.index);
            let mut writer = Writer::open(MARK)?;
            // The same route, another, a change, and taking away, by one who thinks that it is his.
            for (prefix, gateways) in [
                ("203.0.113.0/24", ["10.1.0.9", "10.1.0.8"]),
                ("2001:db8:aa::/48", ["2001:db8:10::9", "2001:db8:10::8"]),
            ] {
                let [same, other] = gateways;
                for new in [[same].as_slice(), &[other], &[same, other]] {
                    let report = writer.write(&[change(prefix, device, &[], new)?])?;
                    let taken = vec![(prefix.parse()?, Trouble::Taken)];
                    ensure!(report.failed == taken, "{report:?}");
                    stand()?;
                }
                for old in [[same].as_slice(), &[other], &[same, other]] {
                    let report = writer.write(&[change(prefix, device, old, &[])?])?;
                    ensure!(report.failed.is_empty(), "{report:?}");
                    stand()?;
                }
                writer.write(&[change(prefix, device, &[same], &[other])?])?;
                writer.write(&[change(prefix, device, &[other], &[])?])?;
                stand()?;
            }
            Ok(())
        })
    });
}

#[test]
fn the_kernel_takes_what_is_written_and_gives_it_back() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let fleet = Fleet::lay(&["R"])?;
        let machine = fleet.machine("R")?;
        machine.netns().ip(
            "link add up0 type veth peer name far0\nlink set far0 up\nlink set up0 up\n\
             address add 10.1.0.1/24 dev up0\naddress add 2001:db8:10::1/64 dev up0 nodad\n",
        )?;
        machine.netns().enter(|| {
            for table in [254, 100, 100_000] {
                let mark = Mark { table, ..MARK };
                let view = netlink::look(mark)?.into_view().0;
                let device = view.link_named("up0").map_or(0, |link| link.index);
                let mut writer = Writer::open(mark)?;
                writer.check_permission()?;
                for (prefix, gateways) in [
                    ("203.0.113.0/24", ["10.1.0.9", "10.1.0.8"]),
                    ("203.0.113.7/32", ["10.1.0.9", "10.1.0.8"]),
                    ("0.0.0.0/0", ["10.1.0.9", "10.1.0.8"]),
                    // RFC 8950.
                    ("203.0.114.0/24", ["10.1.0.9", "2001:db8:10::9"]),
                    ("2001:db8:aa::/48", ["2001:db8:10::8", "2001:db8:10::9"]),
                    ("2001:db8:ab::/48", ["2001:db8:10::9", "fe80::9"]),
                    ("::/0", ["2001:db8:10::9", "fe80::9"]),
                ] {
                    let [a, b] = gateways;
                    let states = [[].as_slice(), &[a], &[a, b], &[b], &[a], &[b, a], &[]];
                    for pair in states.windows(2) {
                        let step = change(prefix, device, pair[0], pair[1])?;
                        let report = writer.write(std::slice::from_ref(&step))?;
                        ensure!(report == netlink::Report::default(), "{step:?}: {report:?}");
                        let own = netlink::look_at_routes(mark)?.into_parts().1;
                        let mut expected = step.new.as_deref().unwrap_or_default().to_vec();
                        let mut seen: Vec<Leg> = own.iter().flat_map(|o| o.legs.to_vec()).collect();
                        expected.sort();
                        seen.sort();
                        ensure!(seen == expected, "{step:?}: {own:?}");
                    }
                }
            }
            Ok(())
        })
    });
}
