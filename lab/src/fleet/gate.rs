//! A gate between the server and a router: it counts the calls that write, and can stop at one of
//! them for as long as it takes to kill the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures::FutureExt as _;

use super::Fleet;
use crate::proxy::{Call, Moment, Proxy};

/// See the module; the way is open until [`Gate::stop_at`].
pub struct Gate {
    state: Arc<Mutex<State>>,
    proxy: Proxy,
}

#[derive(Default)]
struct State {
    writes: Vec<Call>,
    stop: Option<(usize, Moment)>,
    reached: bool,
}

impl Gate {
    /// Opens a gate before the gobgpd at `daemon`, `host:port`.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn before(fleet: &Fleet, daemon: &str) -> Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let hook = Arc::new(move |call: Call, moment| {
            if !pass(&mut lock(&shared), call, moment) {
                return std::future::pending().boxed();
            }
            std::future::ready(()).boxed()
        });
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let proxy = fleet.run(Proxy::start(any, daemon, hook))?;
        Ok(Self { state, proxy })
    }

    /// Where the server finds the router: `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    /// The calls that wrote since the last [`Self::stop_at`] or [`Self::open`], by name.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        let state = lock(&self.state);
        state
            .writes
            .iter()
            .map(|call| call.method.clone())
            .collect()
    }

    /// Stops the write call of this number, counted from now on, at this moment. It never goes on.
    pub fn stop_at(&self, number: usize, moment: Moment) {
        *lock(&self.state) = State {
            stop: Some((number, moment)),
            ..State::default()
        };
    }

    /// Lets all calls that come from now on through.
    pub fn open(&self) {
        *lock(&self.state) = State::default();
    }

    /// Whether the call to stop at has come.
    #[must_use]
    pub fn reached(&self) -> bool {
        lock(&self.state).reached
    }
}

/// Counts a call; false if it stops here.
fn pass(state: &mut State, call: Call, moment: Moment) -> bool {
    if !writes(&call.method) {
        return true;
    }
    if moment == Moment::Before {
        state.writes.push(call.clone());
    }
    let here = state
        .writes
        .iter()
        .position(|seen| seen.number == call.number);
    let stops = here.is_some() && state.stop == here.map(|number| (number, moment));
    state.reached |= stops;
    !stops
}

fn writes(method: &str) -> bool {
    !["Get", "List", "Watch"]
        .iter()
        .any(|prefix| method.starts_with(prefix))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A list of calls: whoever panicked has left it whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: usize, method: &str) -> Call {
        Call {
            number,
            method: method.to_owned(),
        }
    }

    #[test]
    fn it_stops_at_the_write_that_was_asked_for_and_no_other() {
        let mut state = State {
            stop: Some((1, Moment::After)),
            ..State::default()
        };
        assert!(pass(&mut state, call(7, "ListPeer"), Moment::Before));
        assert!(pass(&mut state, call(8, "AddPeer"), Moment::Before));
        assert!(pass(&mut state, call(9, "AddPeer"), Moment::Before));
        assert!(pass(&mut state, call(8, "AddPeer"), Moment::After));
        assert!(!state.reached);
        assert!(!pass(&mut state, call(9, "AddPeer"), Moment::After));
        assert!(state.reached);
    }
}
