//! Between tries: longer each time, until something worked.

use std::time::Duration;

pub(super) struct Pause {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pause {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// How long the next one is.
    pub(super) const fn peek(&self) -> Duration {
        self.next
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (2 * self.next).min(self.longest);
    }

    /// It worked.
    pub(super) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_grows_to_its_longest_until_something_works() {
        let millis = Duration::from_millis;
        let mut pause = Pause::new(millis(20), millis(100));
        let mut waited = Vec::new();
        for _ in 0..4 {
            let start = tokio::time::Instant::now();
            pause.wait().await;
            waited.push(start.elapsed());
        }
        assert_eq!(waited, [20, 40, 80, 100].map(millis));
        pause.reset();
        assert_eq!(pause.peek(), millis(20));
    }
}
