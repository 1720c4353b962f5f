//! Several paths to a destination, used side by side.

use crate::daemon::{Daemon, Release, everywhere, free_port};
use crate::routes::{Watch, own, via};
use crate::session::{LISTENER, eventually};
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{
    BestPath, Family, Global, PathFilter, PeerFilter, PeerSettings, RouteEvent, SessionState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// A daemon that uses multiple paths, and neighbors of one AS.
struct Star {
    _daemons: Vec<Daemon>,
    /// AS 65001.
    hub: Client,
    /// AS 65002, 127.0.0.2 and so on.
    neighbors: Vec<Client>,
}

fn address(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2 + index as u8)
}

impl Star {
    /// Waits until all sessions are up.
    async fn established(release: Release, size: usize) -> Self {
        let daemon = Daemon::start(release).await;
        let hub = daemon.client().await;
        let port = free_port();
        let global = Global {
            asn: 65001,
            router_id: "192.0.2.1".to_owned(),
            listen_port: port.into(),
            listen_addresses: vec![LISTENER.to_owned()],
            use_multiple_paths: true,
        };
        hub.start_bgp(&global).await.unwrap();
        let mut star = Self {
            _daemons: vec![daemon],
            hub,
            neighbors: Vec::new(),
        };
        for index in 0..size {
            star.add_neighbor(release, index, port).await;
        }
        eventually(|| async {
            let peers = star.hub.list_peers(PeerFilter::default()).await.unwrap();
            let mut states = peers.iter().map(|peer| peer.state.session);
            states
                .all(|state| state == SessionState::Established)
                .then_some(())
        })
        .await;
        star
    }

    async fn add_neighbor(&mut self, release: Release, index: usize, port: u16) {
        let waits = PeerSettings {
            passive_mode: Some(true),
            ..PeerSettings::new(65002)
        };
        let at: IpAddr = address(index).into();
        self.hub.add_peer(at, &waits).await.unwrap();
        let daemon = Daemon::start(release).await;
        let neighbor = daemon.client().await;
        let global = Global {
            asn: 65002,
            router_id: at.to_string(),
            listen_port: -1,
            ..Global::default()
        };
        neighbor.start_bgp(&global).await.unwrap();
        let calls = PeerSettings {
            local_address: Some(at),
            remote_port: Some(port),
            connect_retry: Some(1),
            ..PeerSettings::new(65001)
        };
        let hub = LISTENER.parse().unwrap();
        neighbor.add_peer(hub, &calls).await.unwrap();
        self._daemons.push(daemon);
        self.neighbors.push(neighbor);
    }
}

/// What the hub learns from a neighbor.
fn learned(index: usize, next_hop: &str) -> BestPath {
    BestPath {
        neighbor: Some(address(index).into()),
        source_id: Some(address(index)),
        source_asn: 65002,
        ..own(next_hop)
    }
}

const PREFIX: &str = "10.1.0.0/16";

/// The set that the next event tells, in the order of its neighbors.
async fn set(watch: &mut Watch) -> Vec<BestPath> {
    let (prefix, mut paths) = watch.change().await;
    assert_eq!(prefix, PREFIX);
    paths.sort_by_key(|path| path.neighbor);
    paths
}

#[tokio::test]
async fn a_set_grows_changes_shrinks_and_goes() {
    everywhere(async |release| {
        let star = Star::established(release, 3).await;
        let mut watch = Watch::start(&star.hub).await;
        watch.table().await;
        let mut expected = Vec::new();
        for (index, neighbor) in star.neighbors.iter().enumerate() {
            let next_hop = format!("192.0.2.1{index}");
            neighbor.add_path(&via(PREFIX, &next_hop)).await.unwrap();
            expected.push(learned(index, &next_hop));
            assert_eq!(set(&mut watch).await, expected, "{}", release.name());
        }
        star.neighbors[0]
            .add_path(&via(PREFIX, "192.0.2.20"))
            .await
            .unwrap();
        expected[0] = learned(0, "192.0.2.20");
        assert_eq!(set(&mut watch).await, expected);
        let mut late = Watch::start(&star.hub).await;
        let mut table = late.table().await;
        let paths = table.get_mut(PREFIX).unwrap();
        paths.sort_by_key(|path| path.neighbor);
        assert_eq!(*paths, expected);
        // A better one takes the place of all, and leaves it again.
        star.hub.add_path(&via(PREFIX, "192.0.2.30")).await.unwrap();
        for watch in [&mut watch, &mut late] {
            assert_eq!(set(watch).await, [own("192.0.2.30")]);
        }
        star.hub
            .delete_path(&via(PREFIX, "192.0.2.30"))
            .await
            .unwrap();
        for watch in [&mut watch, &mut late] {
            assert_eq!(set(watch).await, expected);
        }
        for neighbor in &star.neighbors {
            neighbor
                .delete_path(&via(PREFIX, "192.0.2.9"))
                .await
                .unwrap();
            expected.remove(0);
            for watch in [&mut watch, &mut late] {
                assert_eq!(set(watch).await, expected, "{}", release.name());
            }
        }
    })
    .await;
}

/// Next hops by destination.
type NextHops = BTreeMap<String, BTreeSet<IpAddr>>;

/// What the daemon lists; all its paths are equally good here.
async fn listed(client: &Client) -> NextHops {
    let filter = PathFilter::global(Family::IPV4_UNICAST);
    let destinations = client.list_paths(&filter).await.unwrap();
    destinations
        .into_iter()
        .map(|destination| {
            let next_hops = destination.paths.iter();
            let next_hops = next_hops.filter_map(|path| path.attributes.next_hop);
            (destination.prefix, next_hops.collect())
        })
        .collect()
}

#[tokio::test]
async fn after_many_changes_a_watch_knows_what_is_listed() {
    everywhere(async |release| {
        let star = Star::established(release, 3).await;
        let mut watch = Watch::start(&star.hub).await;
        watch.table().await;
        // The same ones in each run (numerical recipes' generator).
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..400 {
            let neighbor = &star.neighbors[random(3) as usize];
            let prefix = format!("10.{}.0.0/16", random(6));
            let path = via(&prefix, &format!("192.0.2.{}", 1 + random(200)));
            match random(3) {
                0 => neighbor.delete_path(&path).await.unwrap(),
                _ => neighbor.add_path(&path).await.map(drop).unwrap(),
            }
        }
        // The last of all, from each of them.
        let last = "10.99.0.0/16";
        for neighbor in &star.neighbors {
            neighbor.add_path(&via(last, "192.0.2.9")).await.unwrap();
        }
        let mut known = BTreeMap::new();
        while known.get(last).is_none_or(|paths: &Vec<_>| paths.len() < 3) {
            let RouteEvent::Best(changes) = watch.next().await else {
                continue;
            };
            for change in changes {
                let prefix = change.prefix.to_string();
                match change.paths.is_empty() {
                    true => known.remove(&prefix),
                    false => known.insert(prefix, change.paths),
                };
            }
        }
        let known: NextHops = known
            .into_iter()
            .map(|(prefix, paths)| (prefix, paths.iter().map(|path| path.next_hop).collect()))
            .collect();
        assert_eq!(known, listed(&star.hub).await, "{}", release.name());
    })
    .await;
}
