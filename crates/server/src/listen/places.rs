//! Places for connections: so many, and so many for one network, so that
//! whoever opens all that it can leaves places for others.

use crate::limits::{Limits, network};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections there are, and how many there were not.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub(crate) open: Gauge,
    pub(crate) refused: Counter,
}

/// All places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    each: usize,
    counts: Counts,
    networks: Mutex<HashMap<IpAddr, Taken>>,
}

/// What one network has.
#[derive(Default)]
struct Taken {
    places: usize,
    /// The log has it that there are no more for it.
    told: bool,
}

/// A place for whoever comes next.
pub(super) type Free = OwnedSemaphorePermit;

/// A connection's place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
    _free: Free,
}

impl Places {
    pub(super) fn new(limits: &Limits, counts: Counts) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limits.connections)),
            each: limits.connections_per_peer,
            counts,
            networks: Mutex::default(),
        })
    }

    /// Waits for one.
    pub(super) async fn free(&self) -> Option<Free> {
        // It is never closed.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Gives it to this peer, if it may have one more.
    pub(super) fn take(self: &Arc<Self>, free: Free, peer: SocketAddr) -> Option<Place> {
        let network = network(peer.ip());
        let mut networks = self.lock();
        let taken = networks.entry(network).or_default();
        if taken.places >= self.each {
            self.counts.refused.inc();
            if !std::mem::replace(&mut taken.told, true) {
                let most = self.each;
                tracing::warn!(%network, most, "no more connections from there: see `limits`");
            }
            return None;
        }
        taken.places += 1;
        self.counts.open.inc();
        Some(Place {
            places: Arc::clone(self),
            network,
            _free: free,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Taken>> {
        // Every entry is whole by itself.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.counts.open.dec();
        if let Entry::Occupied(mut entry) = self.places.lock().entry(self.network) {
            entry.get_mut().places -= 1;
            if entry.get().places == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, connections_per_peer: usize) -> Arc<Places> {
        let limits = Limits {
            connections,
            connections_per_peer,
            ..Limits::default()
        };
        Places::new(&limits, Counts::default())
    }

    #[tokio::test]
    async fn one_network_takes_its_share_and_gives_it_back() {
        let places = places(4, 2);
        let take = async |address: &str| {
            let free = places.free().await.unwrap();
            places.take(free, address.parse().unwrap())
        };
        let first = take("[2001:db8::1]:1").await;
        let second = take("[2001:db8::2]:1").await;
        assert!(first.is_some() && second.is_some());
        assert!(take("[2001:db8::3]:1").await.is_none(), "the same network");
        assert_eq!(places.counts.refused.get(), 1);
        let other = take("192.0.2.1:1").await;
        assert!(other.is_some(), "a refusal has taken no place");
        drop(first);
        assert!(take("[2001:db8::3]:1").await.is_some());
        drop((second, other));
        assert_eq!(places.counts.open.get(), 0);
        assert!(places.lock().is_empty(), "nothing is kept of who is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_taken_one_waits() {
        let places = places(1, 1);
        let free = places.free().await.unwrap();
        let place = places.take(free, "192.0.2.1:1".parse().unwrap());
        let wait = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, places.free()).await.is_err());
        drop(place);
        assert!(places.free().await.is_some());
    }
}
