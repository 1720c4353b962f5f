//! "This router needs a pass": marks that carry no input, merge with each
//! other and are never lost.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// When a pass is due at the latest. Any number of marks before the pass
/// starts make one pass; a mark during a pass makes one more.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    due: Mutex<Option<Instant>>,
    marked: Notify,
}

impl Signal {
    /// Asks for a pass within `delay`; an earlier mark stands.
    pub(crate) fn mark(&self, delay: Duration) {
        let at = Instant::now() + delay;
        let mut due = self.lock();
        if due.is_none_or(|earlier| at < earlier) {
            *due = Some(at);
            self.marked.notify_one();
        }
    }

    /// Waits until a pass is due and takes all marks. Nothing is lost when
    /// the future is dropped before it is ready.
    pub(crate) async fn due(&self) {
        loop {
            let at = *self.lock();
            match at {
                Some(at) if at <= Instant::now() => {
                    *self.lock() = None;
                    return;
                }
                Some(at) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(at) => {}
                    () = self.marked.notified() => {}
                },
                None => self.marked.notified().await,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // The guarded value is whole at every point where a panic could strike.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_mark_wins_and_marks_merge() {
        let signal = Signal::default();
        let start = Instant::now();
        signal.mark(Duration::from_secs(30));
        signal.mark(Duration::from_secs(1));
        signal.mark(Duration::from_secs(5));
        signal.due().await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        let more = tokio::time::timeout(Duration::from_secs(60), signal.due()).await;
        assert!(more.is_err(), "three marks made more than one pass");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_pulls_a_wait_in_progress_forward() {
        let signal = Signal::default();
        let start = Instant::now();
        signal.mark(Duration::from_secs(30));
        tokio::join!(signal.due(), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            signal.mark(Duration::ZERO);
        });
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }
}
