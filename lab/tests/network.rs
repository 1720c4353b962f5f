//! The demo's network stands: every cable carries packets, every daemon runs, and a cut is a cut.

use std::collections::BTreeMap;
use std::time::Duration;

use sdwan_lab::network::{Machine, Network};
use sdwan_lab::scenario::wait_for_owner;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::wan::Wan;
use sdwan_lab::{harness, topology};

const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Waits until an address answers; an interface that has just come up may lose the first packets.
fn wait_to_reach(machine: &Machine, address: &str) -> anyhow::Result<()> {
    let what = format!("{} to reach {address}", machine.name());
    wait::until(&what, Duration::from_secs(30), || {
        let answer = machine.run("ping", &["-c1", "-W1", address], None);
        Ok(match answer {
            Ok(_) => Seen::Yes(()),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        })
    })
}

#[test]
fn neighbors_on_every_segment_reach_each_other() {
    harness::inside(LAB, || {
        let network = Network::lay(topology::seed())?;
        let mut segments = BTreeMap::<_, Vec<_>>::new();
        for node in &network.topology().nodes {
            for port in &node.ports {
                segments
                    .entry(port.segment)
                    .or_default()
                    .push((node.name, port.address.addr()));
            }
        }
        for ports in segments.into_values() {
            let (first, _) = ports[0];
            for (_, address) in &ports[1..] {
                wait_to_reach(network.machine(first)?, &address.to_string())?;
            }
        }
        Ok(())
    });
}

#[test]
fn what_is_sent_to_a_silenced_wire_is_lost_and_nobody_is_told() {
    harness::inside(LAB, || {
        let network = Network::lay(topology::seed())?;
        let (node, neighbor) = (network.machine("SRX-1")?, network.machine("GoBGP-1")?);
        wait_to_reach(neighbor, "192.168.0.1")?;
        wait_to_reach(node, "192.168.3.1")?;
        network.silence("SRX-1", "net0")?;
        for _ in 0..3 {
            let lost = neighbor.run("ping", &["-c1", "-W1", "192.168.0.1"], None);
            anyhow::ensure!(lost.is_err(), "the wire is silent: {lost:?}");
        }
        for machine in [node, neighbor] {
            let link = machine.run("ip", &["-brief", "link", "show", "net0"], None)?;
            anyhow::ensure!(link.contains("LOWER_UP"), "{link}");
        }
        // Its other wires carry on.
        wait_to_reach(node, "192.168.3.1")?;
        network.hear("SRX-1", "net0")?;
        wait_to_reach(neighbor, "192.168.0.1")
    });
}

#[test]
fn a_cut_node_is_out_of_reach_and_its_neighbor_keeps_its_carrier() {
    harness::inside(LAB, || {
        let network = Network::lay(topology::seed())?;
        let neighbor = network.machine("GoBGP-1")?;
        wait_to_reach(neighbor, "192.168.0.1")?;
        network.cut("SRX-1")?;
        let cut = neighbor.run("ping", &["-c1", "-W1", "192.168.0.1"], None);
        anyhow::ensure!(cut.is_err(), "the cable is cut: {cut:?}");
        let link = neighbor.run("ip", &["-brief", "link", "show", "net0"], None)?;
        anyhow::ensure!(link.contains("LOWER_UP"), "{link}");
        network.mend("SRX-1")?;
        wait_to_reach(neighbor, "192.168.0.1")
    });
}

#[test]
fn every_daemon_of_the_wan_comes_up() {
    harness::inside(LAB, || {
        let mut wan = Wan::up(Release::V3_36)?;
        wait_for_owner(&mut wan, "SRX-1")?;
        for (node, programs) in [
            ("Quagga-1", &["zebra", "staticd"][..]),
            ("SRX-1", &["zebra", "staticd", "bgpd", "keepalived"]),
            ("SRX-2", &["zebra", "staticd", "bgpd", "keepalived"]),
            ("Quagga-2", &["zebra", "bgpd"]),
            ("GoBGP-1", &["gobgpd"]),
            ("GoBGP-2", &["gobgpd"]),
            ("GoBGP-3", &["gobgpd"]),
        ] {
            for program in programs {
                wan.daemon(node, program)?;
            }
        }
        wan.check()
    });
}

#[test]
fn a_daemon_that_ends_is_told_with_its_last_words() {
    harness::inside(LAB, || {
        let mut wan = Wan::lay(Release::V4_8)?;
        wan.start_gobgpd("GoBGP-1")?;
        let daemon = i32::try_from(wan.daemon("GoBGP-1", "gobgpd")?.id())?;
        let daemon = nix::unistd::Pid::from_raw(daemon);
        nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL)?;
        let error = wait::until("its end", Duration::from_secs(10), || {
            Ok(match wan.check() {
                Err(error) => Seen::Yes(error.to_string()),
                Ok(()) => Seen::NotYet("it runs".to_owned()),
            })
        })?;
        anyhow::ensure!(
            error.starts_with("gobgpd on GoBGP-1 has ended (signal: 9"),
            "{error}"
        );
        anyhow::ensure!(error.contains("gobgpd started"), "{error}");
        Ok(())
    });
}
