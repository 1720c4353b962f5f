//! The way to gobgpd: its routes as they change, its neighbors, and what it is
//! told of.

mod announcer;
mod sessions;

pub use announcer::{Announce, announce, is_announced};

use crate::hold::Neighbor;
use crate::resolve::{Interfaces, NextHop, On, is_link_local};
use futures::StreamExt;
use sdwan_gobgp::types::{
    AdminState, BestChange, BestPath, Family, Peer, PeerFilter, RouteEvent, SessionState,
};
use sdwan_gobgp::{Client, Error, Options};
use sessions::Sessions;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Both families.
pub const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two signs of life that are asked for.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// So many in a row may stay away while nothing else is heard,
const MISSES: u32 = 3;
/// or before the table has been told: of a million routes, gobgpd does nothing
/// else for a while.
const MISSES_AT_FIRST: u32 = 60;
/// Neighbors are asked for so often while they matter,
const ASK: Duration = Duration::from_millis(500);
/// are waited for so long,
const ANSWER: Duration = Duration::from_secs(5);
/// and are asked for so often else: who is there is to be expected after a restart.
const ASK_ELSE: Duration = Duration::from_secs(30);

/// What is told of gobgpd.
#[derive(Debug)]
pub enum Told {
    /// A connection stands; the table comes next.
    Connected,
    /// Routes, or that the first table is complete.
    Routes(Vec<BestChange>),
    /// The table as it was when the connection was made has been told.
    Table,
    /// Its neighbors now.
    Neighbors(Vec<Neighbor>),
    /// There is no connection, and the next one begins with the whole table.
    Lost {
        /// In words for an operator.
        reason: String,
        /// Nobody listens there, or BGP does not run: no session lives.
        gone: bool,
    },
}

/// What tells the follower what to ask for, and others whom to talk to.
#[derive(Clone, Debug)]
pub struct Ties {
    /// Where what is heard goes.
    pub out: mpsc::Sender<Told>,
    /// Whether the neighbors matter.
    pub asking: watch::Receiver<bool>,
    /// The connection that stands.
    pub client: watch::Sender<Option<Client>>,
}

/// Follows gobgpd until nobody listens any more.
pub async fn follow(address: String, options: Options, ties: Ties) {
    loop {
        let error = match attempt(&address, &options, &ties).await {
            Ok(()) => return,
            Err(error) => error,
        };
        ties.client.send_replace(None);
        let lost = Told::Lost {
            reason: error.to_string(),
            gone: error.is_nobody_there()
                || matches!(error, Error::NotStarted { .. } | Error::Stopped { .. }),
        };
        if ties.out.send(lost).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// One connection, as long as it lasts. `Ok` if nobody listens any more.
async fn attempt(address: &str, options: &Options, ties: &Ties) -> Result<(), Error> {
    let client = Client::connect(address, options.clone()).await?;
    let mut events = pin!(client.watch_routes(&FAMILIES).await?);
    ties.client.send_replace(Some(client.clone()));
    if ties.out.send(Told::Connected).await.is_err() {
        return Ok(());
    }
    let heard = watch::Sender::new(Heard {
        at: Instant::now(),
        table: false,
    });
    let mut alive = pin!(watch_over(&client, ties, heard.subscribe()));
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            ended = &mut alive => return ended,
        };
        heard.send_modify(|heard| {
            heard.at = Instant::now();
            heard.table |= matches!(event, Some(Ok(RouteEvent::EndOfInit)));
        });
        let told = match event {
            Some(Ok(RouteEvent::Best(changes))) => Told::Routes(changes),
            Some(Ok(RouteEvent::EndOfInit)) => Told::Table,
            // The list of neighbors says so on every version.
            Some(Ok(RouteEvent::EndOfRib { .. })) => continue,
            Some(Err(error)) => return Err(error),
            None => return Err(ended(address, "it ended the stream of routes")),
        };
        if ties.out.send(told).await.is_err() {
            return Ok(());
        }
    }
}

fn ended(address: &str, why: &str) -> Error {
    Error::Unreachable {
        address: address.to_owned(),
        reason: why.to_owned(),
    }
}

/// The last that was heard in a connection.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    /// Whether the table has been told.
    table: bool,
}

/// Asks for signs of life, and for the neighbors.
async fn watch_over(
    client: &Client,
    ties: &Ties,
    heard: watch::Receiver<Heard>,
) -> Result<(), Error> {
    let mut asking = ties.asking.clone();
    let mut misses = 0;
    let mut asked_at = None;
    let mut sessions = Sessions::default();
    loop {
        let ask = *asking.borrow_and_update();
        let pause = if ask { ASK } else { ASK_ELSE };
        if asked_at.is_none_or(|at: Instant| at.elapsed() >= pause) {
            // gobgpd may be busy with a table; it is asked again.
            let answer = timeout(ANSWER, client.list_peers(PeerFilter::default())).await;
            asked_at = Some(Instant::now());
            if let Ok(Ok(peers)) = answer {
                if sessions.began_anew(&peers) {
                    return Err(ended(&client.address(), "BGP began anew on it"));
                }
                let now = SystemTime::now();
                let neighbors = peers.iter().filter_map(|peer| neighbor(peer, now));
                let told = Told::Neighbors(neighbors.collect());
                if ties.out.send(told).await.is_err() {
                    return Ok(());
                }
            }
        }
        let asked = Instant::now();
        match client.get_bgp().await {
            Ok(global) if global.asn == 0 => {
                return Err(Error::NotStarted { call: "GetBgp" });
            }
            Ok(_) => misses = 0,
            // One that still tells of routes is only busy.
            Err(_) if heard.borrow().at > asked => misses = 0,
            Err(error) => {
                misses += 1;
                let table = heard.borrow().table;
                let limit = if table { MISSES } else { MISSES_AT_FIRST };
                if misses >= limit || !matches!(error, Error::Deadline { .. }) {
                    return Err(error);
                }
            }
        }
        // What makes them matter is not slept through.
        let pause = if ask { ASK } else { HEARTBEAT };
        if let Ok(Err(_)) = timeout(pause, asking.changed()).await {
            return Ok(());
        }
    }
}

/// A neighbor, as far as its having told everything goes.
pub(crate) fn neighbor(peer: &Peer, now: SystemTime) -> Option<Neighbor> {
    // One by interface is `fe80::1%eth0`.
    let address: IpAddr = sessions::address(peer).split('%').next()?.parse().ok()?;
    let zone = peer.state.neighbor_address.split_once('%');
    let interface = match peer.conf.neighbor_interface.as_str() {
        "" => zone.map(|(_, zone)| zone),
        name => Some(name),
    };
    let spoken = &peer.state.families;
    let families = peer
        .afi_safis
        .iter()
        .filter(|family| family.enabled && (spoken.is_empty() || spoken.contains(&family.family)));
    let complete = peer
        .afi_safis
        .iter()
        .filter(|family| family.end_of_rib_received);
    let established = peer.state.session == SessionState::Established;
    let since = peer.timers.uptime.filter(|_| established);
    Some(Neighbor {
        address,
        interface: interface
            .filter(|_| is_link_local(address))
            .map(str::to_owned),
        families: families.map(|family| family.family).collect(),
        complete: complete.map(|family| family.family).collect(),
        admin_down: peer.conf.admin_down || peer.state.admin != AdminState::Up,
        uptime: since.map(|since| now.duration_since(since).unwrap_or_default()),
    })
}

/// Where neighbors are that have only a link-local address; of two with the
/// same one, nothing is said.
#[must_use]
pub fn interfaces(neighbors: &[Neighbor]) -> Interfaces {
    let mut found = BTreeMap::new();
    for neighbor in neighbors {
        if let Some(interface) = &neighbor.interface {
            let all: &mut BTreeSet<&String> = found.entry(neighbor.address).or_default();
            all.insert(interface);
        }
    }
    let only = |(address, mut all): (IpAddr, BTreeSet<&String>)| {
        let one = all.pop_first().filter(|_| all.is_empty());
        one.map(|interface| (address, interface.clone()))
    };
    found.into_iter().filter_map(only).collect()
}

/// The next hops of what the kernel shall have for a destination: none for
/// what gobgpd itself is the origin of, whether it names itself as the next hop
/// or an address of this host.
#[must_use]
pub fn next_hops(change: &BestChange, is_own: impl Fn(IpAddr) -> bool) -> Vec<NextHop> {
    let from_here = |path: &BestPath| path.neighbor.is_none() && is_own(path.next_hop);
    let paths = change.paths.iter().filter(|path| !from_here(path));
    paths.filter_map(next_hop).collect()
}

fn next_hop(path: &BestPath) -> Option<NextHop> {
    let address = match (path.next_hop, path.link_local) {
        (address, Some(link_local)) if address.is_unspecified() => link_local.into(),
        // gobgpd 3 announces `::` over a session between link-local addresses:
        // it means its own.
        (address, None) if address.is_unspecified() => {
            path.neighbor.filter(|neighbor| is_link_local(*neighbor))?
        }
        (address, _) => address,
    };
    let on_link = is_link_local(address);
    let on = match (&path.interface, path.neighbor) {
        _ if !on_link => On::Unknown,
        (Some(interface), _) => On::Interface(interface.clone()),
        (None, Some(neighbor)) => On::Neighbor(neighbor),
        (None, None) => On::Unknown,
    };
    Some(NextHop { address, on })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(next_hop: &str, link_local: Option<&str>, neighbor: Option<&str>) -> BestPath {
        BestPath {
            next_hop: next_hop.parse().unwrap(),
            link_local: link_local.map(|text| text.parse().unwrap()),
            neighbor: neighbor.map(|text| text.parse().unwrap()),
            interface: None,
            source_id: None,
            source_asn: 0,
            identifier: 0,
        }
    }

    #[test]
    fn a_next_hop_is_where_the_path_says() {
        let hop = |path: &BestPath| next_hop(path).map(|hop| (hop.address.to_string(), hop.on));
        let neighbor = "2001:db8::2";
        assert_eq!(
            hop(&told("192.0.2.1", None, Some("10.0.0.2"))),
            Some(("192.0.2.1".to_owned(), On::Unknown))
        );
        assert_eq!(
            hop(&told("2001:db8::1", Some("fe80::1"), Some(neighbor))),
            Some(("2001:db8::1".to_owned(), On::Unknown))
        );
        assert_eq!(
            hop(&told("::", Some("fe80::1"), Some(neighbor))),
            Some((
                "fe80::1".to_owned(),
                On::Neighbor(neighbor.parse().unwrap())
            ))
        );
        let unnumbered = BestPath {
            interface: Some("eth0".to_owned()),
            ..told("fe80::1", None, Some("fe80::1"))
        };
        assert_eq!(
            hop(&unnumbered),
            Some(("fe80::1".to_owned(), On::Interface("eth0".to_owned())))
        );
        assert_eq!(hop(&told("0.0.0.0", None, None)), None);
        assert_eq!(hop(&told("::", None, Some(neighbor))), None);
        let near: IpAddr = "fe80::2".parse().unwrap();
        assert_eq!(
            hop(&told("::", None, Some("fe80::2"))),
            Some(("fe80::2".to_owned(), On::Neighbor(near)))
        );
        let change = BestChange {
            prefix: "192.0.2.0/24".parse().unwrap(),
            paths: vec![
                told("10.0.0.1", None, None),
                told("10.0.0.1", None, Some("10.0.0.2")),
            ],
        };
        assert_eq!(next_hops(&change, |_| true).len(), 1);
        assert_eq!(next_hops(&change, |_| false).len(), 2);
    }
}
