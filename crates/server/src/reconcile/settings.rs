//! How often, how long, how patient. One place, so that a simulation can
//! choose other values and own the randomness.

use std::sync::Arc;
use std::time::Duration;

/// The reconciler's and the monitor's times. All are upper bounds; jitter
/// shortens them, so that routers don't move in step.
#[derive(Clone)]
pub struct Settings {
    /// Between two passes over a router to which nothing happens.
    pub period: Duration,
    /// From a pass that wrote to the look at what became of it. When many
    /// routers come at once, their looks don't stand in the way of the others'
    /// first passes.
    pub look: Duration,
    /// The first wait after a pass that has to be repeated.
    pub retry_floor: Duration,
    /// The longest such wait.
    pub retry_ceiling: Duration,
    /// Between two heartbeats that are answered.
    pub heartbeat: Duration,
    /// How long a heartbeat or a connection attempt may take.
    pub deadline: Duration,
    /// Between two attempts to reach a router that is lost.
    pub probe: Duration,
    /// Without a report for so long, a router's agent is silent.
    pub silence: Duration,
    /// How long calls that nobody waits for any more may be under way, those
    /// of a server that died or those that had no answer: nothing else is
    /// written to the router for so long. Not under the time that a call may
    /// be late, [`sdwan_gobgp::Timeouts::late`].
    pub caution: Duration,
    /// How long calls may take to end when the server stops, if others wait
    /// for its routers; else each has its own deadline.
    pub grace: Option<Duration>,
    /// A number from 0 to 1, another one each time.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Settings {
    /// What a WAN needs, with this source of jitter.
    pub fn new(jitter: Arc<dyn Fn() -> f64 + Send + Sync>) -> Self {
        Self {
            period: Duration::from_secs(30),
            look: Duration::from_secs(1),
            retry_floor: Duration::from_millis(200),
            retry_ceiling: Duration::from_secs(30),
            heartbeat: Duration::from_secs(3),
            deadline: Duration::from_secs(3),
            probe: Duration::from_secs(1),
            silence: Duration::from_secs(90),
            caution: sdwan_gobgp::Timeouts::default().late(),
            grace: None,
            jitter,
        }
    }

    /// At most `whole`, at least three quarters of it.
    pub(crate) fn jittered(&self, whole: Duration) -> Duration {
        whole.mul_f64(0.75 + 0.25 * (self.jitter)().clamp(0.0, 1.0))
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("period", &self.period)
            .field("heartbeat", &self.heartbeat)
            .field("deadline", &self.deadline)
            .field("probe", &self.probe)
            .finish_non_exhaustive()
    }
}
