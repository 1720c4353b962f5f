//! What happened, as a number that is the same for the same history; and, if
//! somebody wants to read it, line by line.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use tokio::time::Instant;

/// See the module.
pub struct Trace {
    start: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Its keys are fixed.
    digest: DefaultHasher,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(kept: bool) -> Self {
        Self {
            start: Instant::now(),
            inner: Mutex::new(Inner {
                digest: DefaultHasher::new(),
                lines: kept.then(Vec::new),
            }),
        }
    }

    /// Since the start, e.g. `12.345 s`.
    pub fn time(&self) -> String {
        format!("{:.3} s", self.start.elapsed().as_secs_f64())
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        let mut inner = self.inner.lock().unwrap();
        let line = line();
        self.start.elapsed().as_nanos().hash(&mut inner.digest);
        line.hash(&mut inner.digest);
        if let Some(lines) = &mut inner.lines {
            lines.push(format!("[{}] {line}", self.time()));
        }
    }

    pub fn digest(&self) -> u64 {
        self.inner.lock().unwrap().digest.finish()
    }

    pub fn take_lines(&self) -> Vec<String> {
        let mut inner = self.inner.lock().unwrap();
        inner.lines.take().unwrap_or_default()
    }
}
