//! A call that the network swallows is never made after it was given up.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::join_all;
use sdwan_gobgp::types::PeerSettings;
use sdwan_gobgp::{Client, Timeouts};
use sdwan_lab::fleet::Fleet;
use sdwan_lab::topology::MANAGEMENT;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::{network, tools};

use super::ground::{A, AS, BOTH, on};

/// Far longer than the calls may take; far shorter than the kernel tries by itself.
const LIMIT: Duration = Duration::from_secs(60);

/// A gobgpd may see that a call was given up before it makes it: of so many it would make some.
const CALLS: u8 = 40;

/// Waits until the kernel has nothing left to send to a gobgpd: no connection has, and no packet
/// of one that is dropped waits to learn to which link-layer address it goes.
fn until_nothing_is_left_to_send() -> Result<()> {
    wait::until("nothing to be left to send", LIMIT, || {
        let mut ss = Command::new(tools::tool("ss")?);
        let sockets = network::text(ss.args(["-Htn", "dport", "=", ":50051"]).output()?)?;
        // State, what is to be read, what is to be sent.
        let unsent = |line: &&str| line.split_whitespace().nth(2) != Some("0");
        let mut ip = Command::new(tools::tool("ip")?);
        let neighbors = network::text(ip.args(["neighbor", "show"]).output()?)?;
        let sought = |line: &&str| line.contains("INCOMPLETE");
        let unsent = sockets.lines().filter(unsent);
        let mut left = unsent.chain(neighbors.lines().filter(sought));
        Ok(match left.next() {
            None => Seen::Yes(()),
            Some(line) => Seen::NotYet(line.to_owned()),
        })
    })
}

#[test]
fn calls_into_a_partition_are_not_made_when_it_heals() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = fleet.gobgpd("R", release)?;
        r.start_bgp(AS)?;
        let timeouts = Timeouts {
            call: Duration::from_secs(2),
            ..Timeouts::default()
        };
        let client = fleet.run(Client::connect(&r.management()?, timeouts))?;
        fleet.link("R", MANAGEMENT, false)?;
        let settings = PeerSettings::new(A);
        let calls = (1..=CALLS).map(|last| {
            let address = Ipv4Addr::new(198, 18, 0, last);
            client.add_peer(address.into(), &settings)
        });
        let answers = fleet.run(join_all(calls));
        ensure!(answers.iter().all(Result::is_err), "{answers:?}");
        until_nothing_is_left_to_send()?;
        fleet.link("R", MANAGEMENT, true)?;
        // The same client finds its way again, and nothing was made of what it gave up.
        wait::until("gobgpd to answer", LIMIT, || {
            Ok(match fleet.run(client.get_bgp()) {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })?;
        ensure!(r.peers()?.is_empty(), "{:?}", r.peers()?);
        Ok(())
    });
}
