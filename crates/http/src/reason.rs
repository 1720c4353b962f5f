//! What went wrong, in words that help.

use reqwest::Error;
use sdwan_tls::{Failure, root};
use std::error::Error as StdError;

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
        None if is_no_http(error) => {
            format!("{text}: it speaks no HTTP there; if it is TLS, write https://")
        }
        // The URL may have a password in it, and is known to whoever asked.
        None => match text.split_once(" for url (") {
            Some((front, _)) => front.to_owned(),
            None => text,
        },
    }
}

/// Whether somebody is there, but wants other certificates, or speaks something
/// else: the same will not work later.
pub fn is_misunderstood(error: &Error) -> bool {
    Failure::of(error).is_some() || is_no_http(error)
}

fn is_no_http(error: &(dyn StdError + 'static)) -> bool {
    let cause = root(error).downcast_ref::<hyper::Error>();
    cause.is_some_and(hyper::Error::is_parse)
}
