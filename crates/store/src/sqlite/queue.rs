//! Which requests share one fsync.
//!
//! Those that wait are taken together. With many clients that alone would
//! make two crowds that take turns, each waiting out the other's fsync; so
//! the writer gives those whom it has just answered a moment to come back.
//! A lone client is never waited for.

use super::writer::Request;
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The most requests in a group.
const MAX_REQUESTS: usize = 256;

/// A group that writes more bytes than this takes no further request.
const ENOUGH_BYTES: usize = 8 * 1024 * 1024;

/// However slow the disk, nobody waits longer than this for company.
const MAX_PATIENCE: Duration = Duration::from_millis(2);

pub(super) struct Queue {
    requests: Receiver<Request>,
    waiting: VecDeque<Request>,
    /// How many had a request under way when the last group was written.
    crowd: usize,
    /// How long the last group took to write: what there is to gain.
    patience: Duration,
}

impl Queue {
    pub(super) fn new(requests: Receiver<Request>) -> Self {
        Self {
            requests,
            waiting: VecDeque::new(),
            crowd: 0,
            patience: Duration::ZERO,
        }
    }

    /// The next requests to write together; none when the store is closed
    /// and everything is written.
    pub(super) fn next(&mut self) -> Option<Vec<Request>> {
        let first = match self.waiting.pop_front() {
            Some(first) => first,
            None => self.requests.recv().ok()?,
        };
        let mut group = vec![first];
        let mut bytes = 0;
        let deadline = Instant::now() + self.patience;
        while group.len() < MAX_REQUESTS && bytes < ENOUGH_BYTES {
            let Some(request) = self.another(group.len(), deadline) else {
                break;
            };
            bytes += request.bytes();
            group.push(request);
        }
        Some(group)
    }

    fn another(&mut self, have: usize, deadline: Instant) -> Option<Request> {
        if let Some(request) = self.waiting.pop_front() {
            return Some(request);
        }
        if let Ok(request) = self.requests.try_recv() {
            return Some(request);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if have >= self.crowd || left.is_zero() {
            return None;
        }
        self.requests.recv_timeout(left).ok()
    }

    /// Notes how the last group went, before anybody in it is answered.
    pub(super) fn written(&mut self, group: usize, took: Duration) {
        self.waiting.extend(self.requests.try_iter());
        self.crowd = group + self.waiting.len();
        self.patience = took.min(MAX_PATIENCE);
    }
}
