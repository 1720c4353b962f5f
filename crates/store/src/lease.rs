//! When leases run out. The clock is tokio's, so a test or a simulation that
//! pauses it owns it; which keys a lease holds is the backend's own business.

use crate::{Error, LeaseId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// No lease runs longer: it keeps the arithmetic far from overflowing.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Between two tries to end a lease while the backend does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// The running leases.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    running: Mutex<HashMap<LeaseId, Timer>>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    ttl: Duration,
    deadline: Instant,
}

impl Timer {
    fn new(ttl: Duration) -> Self {
        let deadline = Instant::now() + ttl;
        Self { ttl, deadline }
    }
}

/// A lease needs some time to live.
///
/// # Errors
/// [`Error::Invalid`] for a ttl of zero.
pub(crate) fn check(ttl: Duration) -> Result<Duration, Error> {
    if ttl.is_zero() {
        return Err(Error::Invalid("a lease's ttl is zero".into()));
    }
    Ok(ttl.min(LONGEST))
}

impl Timers {
    pub(crate) fn start(&self, lease: LeaseId, ttl: Duration) {
        self.lock().insert(lease, Timer::new(ttl));
        self.changed.notify_one();
    }

    /// Starts the time anew.
    ///
    /// # Errors
    /// [`Error::LeaseExpired`] when it no longer runs.
    pub(crate) fn restart(&self, lease: LeaseId) -> Result<(), Error> {
        let mut running = self.lock();
        let timer = running.get_mut(&lease).ok_or(Error::LeaseExpired)?;
        // Run out, though nobody has come by to end it yet.
        if timer.deadline <= Instant::now() {
            return Err(Error::LeaseExpired);
        }
        // No need to wake anybody: deadlines only move away.
        *timer = Timer::new(timer.ttl);
        Ok(())
    }

    pub(crate) fn stop(&self, lease: LeaseId) {
        self.lock().remove(&lease);
    }

    /// Ends each lease as it runs out, for as long as the task lives. `end`
    /// deletes the lease and its keys.
    pub(crate) fn expire<F, Fut>(self: &Arc<Self>, end: F) -> JoinHandle<()>
    where
        F: Fn(LeaseId) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send,
    {
        let timers = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let lease = timers.due().await;
                if let Err(error) = end(lease).await {
                    tracing::warn!(lease = lease.0, %error, "the lease's keys stay for now");
                    sleep(RETRY).await;
                    while end(lease).await.is_err() {
                        sleep(RETRY).await;
                    }
                }
            }
        })
    }

    /// Waits for a lease to run out and takes it from the running ones.
    async fn due(&self) -> LeaseId {
        loop {
            let first = self.first();
            match first {
                // From here on nobody can restart it.
                Some((deadline, lease)) if deadline <= Instant::now() => {
                    self.stop(lease);
                    return lease;
                }
                Some((deadline, _)) => tokio::select! {
                    biased;
                    () = sleep_until(deadline) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    fn first(&self) -> Option<(Instant, LeaseId)> {
        let running = self.lock();
        running
            .iter()
            .map(|(id, timer)| (timer.deadline, *id))
            .min()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Timer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
