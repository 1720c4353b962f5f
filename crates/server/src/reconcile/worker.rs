//! One router's loop: a pass whenever one is due, never two at once, and the
//! choice of when the next is due without anybody asking.

use super::backoff::Backoff;
use super::pass::{Ended, Ground};
use super::settings::Settings;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// See the module.
pub(super) struct Worker {
    ground: Ground,
    settings: Settings,
    backoff: Backoff,
    /// When this loop itself asked for the next pass.
    own: Option<Instant>,
    /// Taken over from a server that died: a last look for what its last
    /// calls did.
    second_look: Option<Instant>,
    /// What was last complained about: said once, not every time.
    trouble: Option<String>,
}

impl Worker {
    pub(super) fn new(ground: Ground, settings: Settings) -> Self {
        let backoff = Backoff::new(settings.retry_floor, settings.retry_ceiling);
        Self {
            second_look: None,
            ground,
            settings,
            backoff,
            own: None,
            trouble: None,
        }
    }

    /// Until `stop`, or until there is no such router any more.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.ground.wake.mark(Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.ground.wake.due() => {}
            }
            let span = tracing::info_span!("pass", router = self.ground.name());
            let ended = self.ground.pass(&stop).instrument(span).await;
            if ended == Ended::Unseen {
                self.until_seen(&stop).await;
            }
            let Some(wait) = self.next(ended) else {
                return;
            };
            let wait = self.sooner(wait);
            self.own = Some(Instant::now() + wait);
            self.ground.wake.mark(wait);
        }
    }

    /// A pass over a router that can't be seen has little to say: however
    /// much is declared meanwhile, one a while says it.
    async fn until_seen(&self, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.ground.link.up() => {}
            () = tokio::time::sleep(self.settings.probe) => {}
        }
    }

    /// At the latest when a router that was taken over may be written to, and
    /// once more after that.
    fn sooner(&mut self, wait: Duration) -> Duration {
        let now = Instant::now();
        let begins = self.ground.mandate.waits();
        if let Some(begins) = begins {
            self.second_look = Some(begins + self.settings.caution);
        }
        self.second_look = self.second_look.filter(|look| now < *look);
        let looks = begins.or(self.second_look);
        looks.map_or(wait, |look| wait.min(look - now))
    }

    /// How long until this loop asks again; `None` ends it.
    fn next(&mut self, ended: Ended) -> Option<Duration> {
        // A pass that somebody else asked for starts the patience anew.
        if self.own.is_none_or(|own| Instant::now() < own) {
            self.backoff.reset();
        }
        let least = match ended {
            Ended::Gone => return None,
            Ended::Unseen => None,
            Ended::Lapsed => return Some(self.settings.jittered(self.settings.probe)),
            Ended::Early(begins) => return Some(begins.saturating_duration_since(Instant::now())),
            Ended::Rest => {
                self.complain(None);
                None
            }
            Ended::Wrote => {
                self.complain(None);
                Some(self.settings.jittered(self.settings.look))
            }
            Ended::Trouble(trouble) => {
                self.complain(Some(trouble));
                Some(Duration::ZERO)
            }
        };
        if let Some(least) = least {
            let wait = self.backoff.next((self.settings.jitter)());
            return Some(wait.max(least));
        }
        self.backoff.reset();
        Some(self.settings.jittered(self.settings.period))
    }

    fn complain(&mut self, trouble: Option<String>) {
        if trouble == self.trouble {
            return;
        }
        let router = self.ground.name();
        match &trouble {
            Some(error) => tracing::warn!(router, %error, "the pass will be tried again"),
            None => tracing::info!(router, "passes succeed again"),
        }
        self.trouble = trouble;
    }
}
