//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::term;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What a look has seen.
pub enum Seen<T> {
    /// It is there.
    Yes(T),
    /// Not yet; this is there instead.
    NotYet(String),
}

/// Looks again and again until something is there. Tells what it waits for, unless that is there
/// at the first look; on a terminal also what it sees meanwhile.
///
/// # Errors
/// After `limit`, with what it last saw; or at once, with a look's own error.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<Seen<T>>) -> Result<T> {
    look_again(what, limit, look, || term::waiting(what))
}

/// The same for what is hardly worth a word, such as a daemon's start.
///
/// # Errors
/// As [`until`].
pub fn quietly<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<Seen<T>>) -> Result<T> {
    look_again(what, limit, look, || {})
}

fn look_again<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Seen<T>>,
    tell: impl FnOnce(),
) -> Result<T> {
    let start = Instant::now();
    let mut tell = Some(tell);
    loop {
        let seen = match look()? {
            Seen::Yes(value) => {
                term::progress_over();
                return Ok(value);
            }
            Seen::NotYet(seen) => seen,
        };
        if let Some(tell) = tell.take() {
            tell();
        }
        let waited = start.elapsed();
        if waited > limit {
            term::progress_over();
            bail!(
                "waited {} s in vain for {what}; last seen: {seen}",
                limit.as_secs()
            );
        }
        term::progress(waited, &seen);
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_it_sees() {
        let mut looks = 0;
        let seen = until("the third", Duration::from_secs(60), || {
            looks += 1;
            Ok(if looks == 3 {
                Seen::Yes(looks)
            } else {
                Seen::NotYet(String::new())
            })
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn in_vain_it_says_what_it_saw() {
        let look = || Ok(Seen::<()>::NotYet("an empty table".to_owned()));
        let error = until("a route", Duration::ZERO, look).unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 0 s in vain for a route; last seen: an empty table"
        );
    }
}
