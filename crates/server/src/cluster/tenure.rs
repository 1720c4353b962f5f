//! Until when this process may act, by its own clock.

use sdwan_store::LeaseId;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// This part of a lease is not used: clocks differ in speed, and an answer
/// that is there has to be read.
const SPARE: u32 = 10;

/// This process's standing: alone on its store, or a member of a cluster
/// while its lease holds.
#[derive(Debug)]
pub struct Tenure {
    instance: String,
    /// None where it is alone.
    term: Option<watch::Sender<Option<Term>>>,
}

/// A lease and how long it certainly holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) lease: LeaseId,
    pub(crate) ends: Instant,
}

impl Tenure {
    /// Of a process that nobody shares the store with.
    #[must_use]
    pub fn alone(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            term: None,
        }
    }

    /// Of one member of several, which begins without a lease.
    #[must_use]
    pub fn shared(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            term: Some(watch::Sender::new(None)),
        }
    }

    /// The process's name: in the log, in what it observes and as a member.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether nobody else works on the store.
    pub fn is_alone(&self) -> bool {
        self.term.is_none()
    }

    /// The term that holds now.
    pub(crate) fn term(&self) -> Option<Term> {
        let term = (*self.term.as_ref()?.borrow())?;
        (Instant::now() < term.ends).then_some(term)
    }

    /// The lease was alive at `asked` for `ttl` more.
    pub(super) fn renew(&self, lease: LeaseId, asked: Instant, ttl: Duration) {
        if let Some(current) = &self.term {
            let ends = asked + ttl - ttl / SPARE;
            current.send_replace(Some(Term { lease, ends }));
        }
    }

    /// The lease is gone, or given back.
    pub(super) fn end(&self) {
        if let Some(current) = &self.term {
            current.send_replace(None);
        }
    }

    /// Waits until the term that holds has another lease than this.
    pub(super) async fn changed(&self, than: Option<LeaseId>) {
        let Some(current) = &self.term else {
            return std::future::pending().await;
        };
        let other = |term: &Option<Term>| {
            let holds = term.filter(|term| Instant::now() < term.ends);
            holds.map(|term| term.lease) != than
        };
        // An error would mean that `self` is gone.
        let _ = current.subscribe().wait_for(other).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_by_our_own_clock_before_the_lease_does() {
        let tenure = Tenure::shared("a");
        assert_eq!(tenure.term(), None);
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(2)).await;
        tenure.renew(LeaseId(7), asked, Duration::from_secs(10));
        assert_eq!(tenure.term().unwrap().lease, LeaseId(7));
        tokio::time::advance(Duration::from_millis(6999)).await;
        assert!(tenure.term().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(tenure.term(), None);
        tenure.renew(LeaseId(7), Instant::now(), Duration::from_secs(10));
        assert!(tenure.term().is_some(), "heard of again");
        tenure.end();
        assert_eq!(tenure.term(), None);
    }
}
