//! What went wrong, in words that help.

use reqwest::Error;
use rustls::{AlertDescription, CertificateError};
use std::error::Error as StdError;

/// The innermost cause says it best, e.g. `Connection refused (os error 111)`;
/// where it is about TLS, with what to do.
pub fn reason(error: &Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let root = root(error);
    let text = root.to_string();
    match tls(root).and_then(advice) {
        Some(advice) => format!("{text}: {advice}"),
        // The URL may have a password in it, and is known to whoever asked.
        None => match text.split_once(" for url (") {
            Some((front, _)) => front.to_owned(),
            None => text,
        },
    }
}

fn root<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}

/// An I/O error is not its content's cause, but its wrapping.
fn tls<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return tls(io.get_ref()?);
    }
    cause.downcast_ref()
}

fn advice(error: &rustls::Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    use CertificateError as Certificate;
    Some(match error {
        // The latter where two authorities have the same name.
        rustls::Error::InvalidCertificate(
            Certificate::UnknownIssuer | Certificate::BadSignature,
        ) => "its certificate is signed by nobody who is trusted here",
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "name it as its certificate does, or have its certificate name it so",
        rustls::Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        ) => "its certificate is out of date, or this machine's clock is wrong",
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate,
        ) => "it asks for a client's certificate that its authority has signed",
        rustls::Error::InvalidMessage(_) => "it speaks no TLS there: write http://",
        _ => return None,
    })
}
