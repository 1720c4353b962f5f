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
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let now = [text("status"), text("session_state"), text("status_reason")]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
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
        let reason = row
            .get("status_reason")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if Instant::now() >= end {
            return Err(Error::NotReached(format!(
                "still there after {} s: {reason}",
                timeout.as_secs()
            )));
        }
        progress.show(&format!("deleting: {reason}"));
        sleep(PERIOD).await;
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
            // A terminal that went away must not stop the command.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{:>3} s  {text}",
                self.start.elapsed().as_secs()
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
