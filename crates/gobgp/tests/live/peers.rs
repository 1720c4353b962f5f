//! Peers: how they are found, held down, let up and deleted.

use crate::daemon::{Daemon, Release};
use sdwan_gobgp::types::{
    AdminState, AfiSafiSettings, Family, Global, Peer, PeerFilter, PeerSettings,
};
use sdwan_gobgp::{Client, Error};
use serde_json::{Value, json};
use std::net::IpAddr;

pub(crate) const NEIGHBOR: &str = "192.0.2.7";

pub(crate) fn neighbor() -> IpAddr {
    NEIGHBOR.parse().unwrap()
}

pub(crate) async fn started(release: Release) -> (Daemon, Client) {
    let daemon = Daemon::start(release).await;
    let client = daemon.client().await;
    let global = Global {
        asn: 65001,
        router_id: "192.0.2.1".to_owned(),
        listen_port: -1,
        ..Global::default()
    };
    client.start_bgp(&global).await.unwrap();
    (daemon, client)
}

pub(crate) async fn list(client: &Client) -> Vec<Peer> {
    client.list_peers(PeerFilter::default()).await.unwrap()
}

pub(crate) async fn only(client: &Client) -> Peer {
    let mut peers = list(client).await;
    assert_eq!(peers.len(), 1);
    peers.remove(0)
}

/// What `gobgp -j neighbor` says of the one peer.
pub(crate) fn cli(daemon: &Daemon) -> Value {
    daemon.gobgp_json(&["neighbor"])[0].clone()
}

/// That the daemon's own tool sees these values. Where a default is left out,
/// `Null` stands.
pub(crate) fn assert_cli(daemon: &Daemon, expected: &[(&str, Value)]) {
    let peer = cli(daemon);
    for (pointer, expected) in expected {
        let actual = peer.pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(actual, *expected, "{} {pointer}", daemon.release.name());
    }
}

/// A drifting enum's number on this version.
pub(crate) fn drifting(release: Release, number: u32) -> Value {
    match release {
        Release::V3_10 | Release::V3_36 if number == 0 => Value::Null,
        Release::V3_10 | Release::V3_36 => json!(number),
        Release::V4_8 => json!(number + 1),
    }
}

#[tokio::test]
async fn peers_are_held_down_let_up_and_deleted() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        client
            .add_peer(neighbor(), &PeerSettings::new(65002))
            .await
            .unwrap();
        client.disable_peer(NEIGHBOR).await.unwrap();
        let peer = only(&client).await;
        assert_eq!(peer.state.admin, AdminState::Down);
        // Another matter than what is configured.
        assert!(!peer.conf.admin_down);
        assert_cli(&daemon, &[("/state/admin_state", drifting(release, 1))]);
        client.enable_peer(NEIGHBOR).await.unwrap();
        assert_eq!(only(&client).await.state.admin, AdminState::Up);
        client.delete_peer(NEIGHBOR).await.unwrap();
        assert!(list(&client).await.is_empty());
    }
}

#[tokio::test]
async fn a_call_that_would_hit_every_peer_is_not_sent() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client
            .add_peer(neighbor(), &PeerSettings::new(65002))
            .await
            .unwrap();
        let direction = sdwan_gobgp::types::ResetDirection::Both;
        for outcome in [
            client.disable_peer("").await,
            client.enable_peer("").await,
            client.reset_peer("").await,
            client.soft_reset_peer("", direction).await,
            client.delete_peer("").await,
            client.add_peer(neighbor(), &PeerSettings::default()).await,
            client.add_peer(neighbor(), &PeerSettings::new(0)).await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
        assert_eq!(only(&client).await.state.admin, AdminState::Up);
    }
}

#[tokio::test]
async fn an_address_is_found_by_its_own_spelling() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        daemon.gobgp(&["neighbor", "add", "2001:DB8::0007", "as", "65002"]);
        let peer = only(&client).await;
        assert_eq!(peer.address(), Some("2001:db8::7".parse().unwrap()));
        let canonical = client.delete_peer("2001:db8::7").await;
        if release < Release::V4_8 {
            assert_eq!(peer.conf.neighbor_address, "2001:DB8::0007");
            assert!(
                matches!(canonical, Err(Error::NotFound { .. })),
                "{canonical:?}"
            );
            client
                .delete_peer(&peer.conf.neighbor_address)
                .await
                .unwrap();
        } else {
            canonical.unwrap();
        }
        assert!(list(&client).await.is_empty());
    }
}

#[tokio::test]
async fn one_peer_can_be_asked_for() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        for address in ["192.0.2.7", "192.0.2.8", "2001:db8::8"] {
            let address = address.parse().unwrap();
            client
                .add_peer(address, &PeerSettings::new(65002))
                .await
                .unwrap();
        }
        for address in ["192.0.2.8", "2001:db8::8"] {
            let filter = PeerFilter {
                address: Some(address),
                advertised: false,
            };
            let peers = client.list_peers(filter).await.unwrap();
            assert_eq!(peers.len(), 1);
            assert_eq!(peers[0].conf.neighbor_address, address);
        }
    }
}

#[tokio::test]
async fn families_by_their_numbers() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        let families = [
            Family::IPV4_UNICAST,
            Family::IPV6_UNICAST,
            Family::IPV4_VPN,
            Family::IPV6_VPN,
            Family::L2VPN_EVPN,
            Family::IPV4_FLOWSPEC,
            Family::IPV6_FLOWSPEC,
        ];
        let settings = PeerSettings {
            afi_safis: Some(families.map(AfiSafiSettings::from).to_vec()),
            ..PeerSettings::new(65002)
        };
        client.add_peer(neighbor(), &settings).await.unwrap();
        let listed = only(&client).await.afi_safis;
        assert!(listed.iter().all(|afi_safi| afi_safi.enabled));
        assert_eq!(
            listed.iter().map(|a| a.family).collect::<Vec<_>>(),
            families
        );
        // By name, the way that people see it.
        let text = daemon.gobgp(&["neighbor", NEIGHBOR]);
        for name in [
            "ipv4-unicast",
            "ipv6-unicast",
            "l3vpn-ipv4-unicast",
            "l3vpn-ipv6-unicast",
            "l2vpn-evpn",
            "ipv4-flowspec",
            "ipv6-flowspec",
        ] {
            assert!(text.contains(name), "{}: {name} in {text}", release.name());
        }
    }
}

#[tokio::test]
async fn an_ibgp_peer_tells_the_daemons_version() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client
            .add_peer(neighbor(), &PeerSettings::new(65001))
            .await
            .unwrap();
        let version = only(&client).await.state.software_version;
        let expected = match release {
            Release::V3_10 => "",
            Release::V3_36 => "GoBGP/3.36.",
            Release::V4_8 => "GoBGP/4.8.",
        };
        assert!(version.starts_with(expected), "{version}");
        assert_eq!(version.is_empty(), expected.is_empty());
        client.delete_peer(NEIGHBOR).await.unwrap();
        client
            .add_peer(neighbor(), &PeerSettings::new(65002))
            .await
            .unwrap();
        assert_eq!(only(&client).await.state.software_version, "");
    }
}
