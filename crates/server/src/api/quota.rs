//! How much of the server one caller may have: requests a second, watches at
//! once, and failed logins a minute.
//!
//! Who has said who it is counts as that, wherever it calls from. Who was not
//! asked counts as its network; but not on this machine, where it may be a
//! proxy for everybody, and where there are simpler ways to be a nuisance.

use super::problem::Problem;
use super::sender::Sender;
use crate::limits::{Limits, network};
use http::StatusCode;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What everybody has used up.
pub(super) struct Quotas {
    /// By the caller's id.
    callers: Option<Buckets<String>>,
    networks: Option<Buckets<IpAddr>>,
    failures: Option<Buckets<IpAddr>>,
    watches: Arc<Watches>,
}

/// Whom a request counts for.
enum Who<'a> {
    Caller(&'a str),
    Network(IpAddr),
}

/// A watch's place, until it is dropped.
pub(super) struct Watching {
    watches: Arc<Watches>,
    who: String,
}

#[derive(Default)]
struct Watches {
    each: usize,
    open: Mutex<HashMap<String, usize>>,
}

impl Quotas {
    pub(super) fn new(limits: &Limits) -> Self {
        let second = Duration::from_secs(1);
        let requests = limits.requests_per_second;
        let failures = limits.failed_logins_per_minute;
        Self {
            callers: Buckets::new(requests, second, requests.saturating_mul(2)),
            networks: Buckets::new(requests, second, requests.saturating_mul(2)),
            failures: Buckets::new(failures, second * 60, failures),
            watches: Arc::new(Watches {
                each: limits.watches,
                open: Mutex::default(),
            }),
        }
    }

    /// Whether somebody from there whom nobody knows yet may try to log in:
    /// asked before he is judged, since that may take a call of Keystone.
    ///
    /// # Errors
    /// 429.
    pub(super) fn login(&self, peer: Option<SocketAddr>) -> Result<(), Problem> {
        let (Some(failures), Some(peer)) = (&self.failures, peer) else {
            return Ok(());
        };
        let network = network(peer.ip());
        match failures.wait(&network, Instant::now()) {
            None => Ok(()),
            Some(wait) => Err(too_many(
                format!("too many failed logins from {network}: wait"),
                wait,
            )),
        }
    }

    /// A login from there has failed.
    pub(super) fn failed(&self, peer: Option<SocketAddr>) {
        if let (Some(failures), Some(peer)) = (&self.failures, peer) {
            // A second at once may find it full already: nothing is lost.
            let _ = failures.take(&network(peer.ip()), Instant::now());
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429.
    pub(super) fn request(&self, sender: &Sender) -> Result<(), Problem> {
        let now = Instant::now();
        let taken = match (who(sender), &self.callers, &self.networks) {
            (Some(Who::Caller(id)), Some(callers), _) => callers.take(id, now),
            (Some(Who::Network(network)), _, Some(networks)) => networks.take(&network, now),
            _ => Ok(()),
        };
        taken.map_err(|wait| too_many("too many requests of this caller: wait", wait))
    }

    /// A place for one more watch; `None` for who is not counted.
    ///
    /// # Errors
    /// 429.
    pub(super) fn watch(&self, sender: Option<&Sender>) -> Result<Option<Watching>, Problem> {
        let Some(who) = sender.and_then(who).filter(|_| self.watches.each > 0) else {
            return Ok(None);
        };
        let who = match who {
            Who::Caller(id) => format!("caller {id}"),
            Who::Network(network) => network.to_string(),
        };
        let each = self.watches.each;
        let mut open = self.watches.lock();
        let count = open.entry(who.clone()).or_default();
        if *count >= each {
            let message = format!("this caller has {each} watches open already: end one");
            return Err(too_many(message, Duration::from_secs(1)));
        }
        *count += 1;
        let watches = Arc::clone(&self.watches);
        Ok(Some(Watching { watches, who }))
    }
}

fn who(sender: &Sender) -> Option<Who<'_>> {
    if sender.proved {
        return Some(Who::Caller(&sender.caller.id));
    }
    let peer = sender.peer?.ip().to_canonical();
    (!peer.is_loopback()).then(|| Who::Network(network(peer)))
}

fn too_many(message: impl Into<String>, wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(wait)
}

impl Watches {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Every entry is whole by itself.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut open = self.watches.lock();
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

/// Token buckets by key, each kept as the one moment when it is full again
/// (the generic cell rate algorithm). Full ones are not kept.
struct Buckets<K> {
    /// For one token to come back.
    each: Duration,
    /// For an empty bucket to be full.
    whole: Duration,
    full_at: Mutex<Known<K>>,
}

struct Known<K> {
    full_at: HashMap<K, Instant>,
    /// With how many entries those that are over are looked for.
    sweep: usize,
}

/// So few are not worth a look.
const SWEEP: usize = 1024;

impl<K: Hash + Eq> Buckets<K> {
    /// `tokens` come back in `period`, and a bucket holds `size`; none where
    /// nothing is bounded.
    fn new(tokens: u32, period: Duration, size: u32) -> Option<Self> {
        let each = period.checked_div(tokens)?;
        Some(Self {
            each,
            whole: each * size,
            full_at: Mutex::new(Known {
                full_at: HashMap::new(),
                sweep: SWEEP,
            }),
        })
    }

    /// Takes a token, or tells how long it is until there is one.
    fn take<Q>(&self, key: &Q, now: Instant) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut known = self.lock();
        if let Some(full_at) = known.full_at.get_mut(key) {
            let next = (*full_at).max(now) + self.each;
            return match self.missing(next, now) {
                Some(wait) => Err(wait),
                None => {
                    *full_at = next;
                    Ok(())
                }
            };
        }
        if known.full_at.len() >= known.sweep {
            known.full_at.retain(|_, full_at| *full_at > now);
            known.sweep = SWEEP.max(known.full_at.len() * 2);
        }
        known.full_at.insert(key.to_owned(), now + self.each);
        Ok(())
    }

    /// How long it is until there is a token, where there is none.
    fn wait<Q>(&self, key: &Q, now: Instant) -> Option<Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let full_at = *self.lock().full_at.get(key)?;
        self.missing(full_at.max(now) + self.each, now)
    }

    fn missing(&self, next: Instant, now: Instant) -> Option<Duration> {
        let wait = next.saturating_duration_since(now + self.whole);
        (!wait.is_zero()).then_some(wait)
    }

    fn lock(&self) -> MutexGuard<'_, Known<K>> {
        // Every entry is whole by itself.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_tokens_at_once_and_then_as_they_come_back() {
        let buckets = Buckets::<String>::new(10, Duration::from_secs(1), 20).unwrap();
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(buckets.wait("a", start), None);
            assert_eq!(buckets.take("a", start), Ok(()));
        }
        let tenth = Duration::from_millis(100);
        assert_eq!(buckets.take("a", start), Err(tenth));
        assert_eq!(
            buckets.wait("a", start),
            Some(tenth),
            "a look takes nothing"
        );
        assert_eq!(buckets.take("b", start), Ok(()), "another's");
        assert_eq!(buckets.take("a", start + tenth), Ok(()));
        assert_eq!(buckets.take("a", start + tenth), Err(tenth));
        // Nobody saves up more than a bucket.
        let later = start + Duration::from_secs(60);
        let taken = (0..100).filter(|_| buckets.take("a", later).is_ok());
        assert_eq!(taken.count(), 20);
    }

    #[test]
    fn nothing_is_kept_of_full_buckets() {
        let buckets = Buckets::<String>::new(10, Duration::from_secs(1), 20).unwrap();
        let start = Instant::now();
        for n in 0..SWEEP {
            buckets.take(&*n.to_string(), start).unwrap();
        }
        let later = start + Duration::from_secs(1);
        buckets.take("one more", later).unwrap();
        assert_eq!(buckets.lock().full_at.len(), 1);
    }

    #[test]
    fn nought_is_no_bound() {
        assert!(Buckets::<String>::new(0, Duration::from_secs(1), 0).is_none());
    }
}
