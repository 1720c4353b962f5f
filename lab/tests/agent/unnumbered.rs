//! Neighbors that are known by their interface: next hops are link-local, of IPv4 routes too
//! (RFC 8950).

use anyhow::ensure;
use sdwan_gobgp::types::PeerFilter;
use sdwan_lab::agent::{Agent, until_routes};
use sdwan_lab::fleet::Fleet;
use sdwan_lab::tools::Release;

use super::ground::{ALL, announce, on, withdraw};

#[test]
fn a_neighbor_by_interface_is_followed_on_its_link() {
    on(ALL, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let machine = fleet.machine("R")?;
        // Every link has that network: an address in it does not tell which.
        machine
            .netns()
            .ip("link add first type veth peer name other\n\
             link set first up\nlink set other up\n")?;
        let (own, other) = (fleet.link_local("R")?, fleet.link_local("A")?);
        let mut agent = Agent::start(machine, &["--hold", "5"])?;
        let r = fleet.by_interface("R", release, other)?;
        // 3.36 announces `::`, and means itself. Two of version 3 seldom get a session up: each
        // calls while the other is idle.
        let fars = match release {
            Release::V4_8 => &[Release::V4_8, Release::V3_36][..],
            Release::V3_10 | Release::V3_36 => &[Release::V4_8],
        };
        for &far in fars {
            let a = fleet.by_interface("A", far, own)?;
            announce(&fleet, &a, "203.0.113.0/24", "0.0.0.0")?;
            announce(&fleet, &a, "2001:db8:aa::/48", "::")?;
            let gateway = format!("{other}%wan");
            let both = [
                ("203.0.113.0/24", gateway.as_str()),
                ("2001:db8:aa::/48", gateway.as_str()),
            ];
            until_routes(machine, &both)?;
            withdraw(&fleet, &a, "203.0.113.0/24", "0.0.0.0")?;
            until_routes(machine, &both[1..])?;
            withdraw(&fleet, &a, "2001:db8:aa::/48", "::")?;
            until_routes(machine, &[])?;
        }
        let peers = fleet.run(r.client().list_peers(PeerFilter::default()))?;
        ensure!(peers.len() == 1, "{peers:?}");
        agent.until_in_step().map(drop)
    });
}
