//! What gobgpd is told of the kernel's routes, and kept at.

use ipnet::IpNet;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{BestChange, BestPath, Path};
use sdwan_gobgp::{Client, Error};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::timeout;

/// What gobgpd refused is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// The path identifier of what the agent announces: it tells these from the
/// routes that others add to gobgpd, over a restart of the agent too. It is
/// not sent to neighbors.
const IDENTIFIER: u32 = 0x5dca_6e47;

/// Whether a destination is announced by an agent, this one or an earlier one.
#[must_use]
pub fn is_announced(change: &BestChange) -> bool {
    let ours = |path: &BestPath| path.neighbor.is_none() && path.identifier == IDENTIFIER;
    change.paths.iter().any(ours)
}

/// What gobgpd shall announce, and what it does as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announce {
    /// Which connection that is about.
    pub connection: u64,
    /// What it shall.
    pub want: BTreeSet<IpNet>,
    /// What it does: known when its table has been told.
    pub there: Option<BTreeSet<IpNet>>,
}

/// Keeps what gobgpd announces of the kernel's routes as it shall be.
pub async fn announce(
    mut wanted: watch::Receiver<Announce>,
    client: watch::Receiver<Option<Client>>,
) {
    let mut belief = Belief::default();
    loop {
        let now = wanted.borrow_and_update().clone();
        belief.hear(now.connection, now.there);
        let client = client.borrow().clone();
        let done = match client {
            Some(client) if belief.heard.is_some() => belief.close(&client, &now.want).await,
            _ => true,
        };
        let changed = wanted.changed();
        let ended = if done {
            changed.await.is_err()
        } else {
            timeout(AGAIN, changed)
                .await
                .is_ok_and(|changed| changed.is_err())
        };
        if ended {
            return;
        }
    }
}

/// What gobgpd announces with our mark: what it told, and what it was asked for since.
#[derive(Debug, Default)]
struct Belief {
    connection: u64,
    heard: Option<BTreeSet<IpNet>>,
    there: BTreeSet<IpNet>,
}

impl Belief {
    fn hear(&mut self, connection: u64, there: Option<BTreeSet<IpNet>>) {
        let same = std::mem::replace(&mut self.connection, connection) == connection;
        match (&self.heard, &there) {
            (Some(before), Some(now)) if same => {
                self.there.extend(now.difference(before));
                for gone in before.difference(now) {
                    self.there.remove(gone);
                }
            }
            (_, now) => self.there = now.clone().unwrap_or_default(),
        }
        self.heard = there;
    }

    /// Says whether all calls went through.
    async fn close(&mut self, client: &Client, want: &BTreeSet<IpNet>) -> bool {
        let (mut done, there) = (true, self.there.clone());
        for prefix in there.difference(want) {
            let outcome = client.delete_path(&path(*prefix)).await;
            let gone = log(*prefix, "withdrawn", outcome);
            if gone {
                self.there.remove(prefix);
            }
            done &= gone;
        }
        for prefix in want.difference(&there) {
            let outcome = client.add_path(&path(*prefix)).await;
            let came = log(*prefix, "announced", outcome.map(drop));
            if came {
                self.there.insert(*prefix);
            }
            done &= came;
        }
        done
    }
}

fn log(prefix: IpNet, what: &str, outcome: Result<(), Error>) -> bool {
    match outcome {
        Ok(()) => tracing::info!(%prefix, "{what}"),
        Err(error) => {
            tracing::warn!(%prefix, "not {what}: {error}");
            return false;
        }
    }
    true
}

fn path(prefix: IpNet) -> Path {
    let itself: IpAddr = match prefix {
        IpNet::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpNet::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let attributes = Attributes {
        origin: Some(Origin::Incomplete),
        as_path: Some(AsPath::default()),
        next_hop: Some(itself),
        ..Attributes::default()
    };
    Path {
        identifier: IDENTIFIER,
        learned: Some(SystemTime::now()),
        ..Path::new(prefix, attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(neighbor: Option<&str>, identifier: u32) -> BestChange {
        BestChange {
            prefix: "192.0.2.0/24".parse().unwrap(),
            paths: vec![BestPath {
                next_hop: Ipv4Addr::UNSPECIFIED.into(),
                link_local: None,
                neighbor: neighbor.map(|text| text.parse().unwrap()),
                interface: None,
                source_id: None,
                source_asn: 0,
                identifier,
            }],
        }
    }

    #[test]
    fn only_what_an_agent_announced_bears_its_mark() {
        assert!(is_announced(&told(None, IDENTIFIER)));
        assert!(!is_announced(&told(None, 0)));
        assert!(!is_announced(&told(Some("10.0.0.2"), IDENTIFIER)));
    }

    #[test]
    fn what_was_asked_for_is_believed_until_something_else_is_told() {
        let set = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
        let mut belief = Belief::default();
        belief.hear(1, Some(set(&["10.0.0.0/8"])));
        belief.there = set(&["192.0.2.0/24"]);
        // Neither what was asked for nor what was taken away has been told yet.
        belief.hear(1, Some(set(&["10.0.0.0/8", "198.51.100.0/24"])));
        assert_eq!(belief.there, set(&["192.0.2.0/24", "198.51.100.0/24"]));
        // Somebody took one away.
        belief.hear(1, Some(set(&[])));
        assert_eq!(belief.there, set(&["192.0.2.0/24"]));
        // Another gobgpd knows nothing of that.
        belief.hear(2, Some(set(&[])));
        assert_eq!(belief.there, set(&[]));
    }
}
