//! `--wait`: come back when the routers have it, and say meanwhile what is
//! being waited for.

use crate::command::WaitFor;
use crate::error::Error;
use crate::http::Http;
use crate::kinds::Kind;
use crate::resolve;
use crate::run::reached;
use serde_json::{Map, Value};
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Often enough to feel immediate, rare enough to cost nothing.
const PERIOD: Duration = Duration::from_millis(200);

/// Until the row's status says what was asked for.
///
/// # Errors
/// [`Error::NotReached`] on FAILED, or when the time is over, with the status
/// and its reason.
pub async fn until(
    http: &Http,
    kind: &Kind,
    path: &str,
    what: WaitFor,
    timeout: Duration,
) -> Result<Map<String, Value>, Error> {
    let mut progress = Progress::start();
    let end = Instant::now() + timeout;
    loop {
        let row = resolve::unwrap(kind, http.get(path, &[]).await?.body)?;
        match reached(&row, what) {
            Some(Ok(())) => return Ok(row),
            Some(Err(reason)) => return Err(Error::NotReached(format!("FAILED: {reason}"))),
            None => {}
        }
        let now = status(&row);
        if Instant::now() >= end {
            let seconds = timeout.as_secs();
            return Err(Error::NotReached(format!("still {now} after {seconds} s")));
        }
        progress.show(&now);
        sleep(PERIOD).await;
    }
}

/// Until the row is gone from its router and from every list.
///
/// # Errors
/// [`Error::NotReached`] when the time is over.
pub async fn until_gone(
    http: &Http,
    kind: &Kind,
    path: &str,
    timeout: Duration,
) -> Result<(), Error> {
    let mut progress = Progress::start();
    let end = Instant::now() + timeout;
    loop {
        let row = match http.get(path, &[]).await {
            Err(Error::NotFound(_)) => return Ok(()),
            other => resolve::unwrap(kind, other?.body)?,
        };
        let now = status(&row);
        if Instant::now() >= end {
            let seconds = timeout.as_secs();
            return Err(Error::NotReached(format!("still {now} after {seconds} s")));
        }
        progress.show(&now);
        sleep(PERIOD).await;
    }
}

/// A row's status, and why where that is known.
fn status(row: &Map<String, Value>) -> String {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("status"), text("status_reason")) {
        ("", reason) => reason.to_owned(),
        (status, "") => status.to_owned(),
        (status, reason) => format!("{status}: {reason}"),
    }
}

/// One line that is written over, on a terminal only.
struct Progress {
    start: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    fn show(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            let text = crate::table::printable(text);
            let seconds = self.start.elapsed().as_secs();
            // One line whatever the width: what is over the edge is not wrapped.
            // A terminal that went away must not stop the command.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K\x1b[?7l{seconds:>3} s  {text}\x1b[?7h"
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
