//! What went wrong, in words that help.

use reqwest::Error;
use sdwan_tls::{Failure, root};

/// The innermost cause says it best, e.g. `Connection refused (os error 111)`;
/// where it is about TLS, with what to do.
pub fn reason(error: &Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let text = root(error).to_string();
    match Failure::of(error) {
        Some(Failure::NoTls) => format!("{text}: {}: write http://", Failure::NoTls.advice()),
        Some(failure) => format!("{text}: {}", failure.advice()),
        // The URL may have a password in it, and is known to whoever asked.
        None => match text.split_once(" for url (") {
            Some((front, _)) => front.to_owned(),
            None => text,
        },
    }
}
