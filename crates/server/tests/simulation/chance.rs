//! The one source of randomness while a history runs: whoever asks next gets
//! the next number, and the order in which they ask is the seed's.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Mutex;
use std::time::Duration;

/// See the module.
pub struct Chance(Mutex<StdRng>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        // Not the numbers that the history is made of.
        Self(Mutex::new(StdRng::seed_from_u64(!seed)))
    }

    pub fn up_to(&self, limit: u64) -> u64 {
        self.0.lock().unwrap().random_range(0..limit)
    }

    /// From 0 to 1.
    pub fn share(&self) -> f64 {
        self.0.lock().unwrap().random()
    }

    /// Mostly nothing, sometimes long; under a twentieth of the shortest
    /// lease and, there and back, under the grace of a server that stops.
    pub fn latency(&self) -> Duration {
        let millis = match self.up_to(20) {
            0..10 => 0,
            10..18 => self.up_to(8),
            _ => self.up_to(95),
        };
        Duration::from_millis(millis)
    }
}
