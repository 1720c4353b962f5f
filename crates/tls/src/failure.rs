//! Why there is no connection, where TLS is the cause, and what to do.

use rustls::{AlertDescription, CertificateError};
use std::error::Error as StdError;

/// What a handshake failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Whoever has signed the other side's certificate is not trusted.
    Untrusted,
    /// Its certificate has another name.
    OtherName,
    /// Its certificate is not valid any more, or not yet.
    OutOfDate,
    /// It is not content with the certificate that it was shown, or with none.
    WantsCertificate,
    /// It does not speak TLS.
    NoTls,
}

impl Failure {
    /// Of the cause of an error; `None` where it is not one of TLS.
    pub fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        use AlertDescription as Alert;
        use CertificateError as Certificate;
        let cause = root(error);
        let Some(error) = tls(cause) else {
            // HTTP/2 keeps the text alone of what breaks a connection that
            // stood, as one does in TLS 1.3 before the other side has judged
            // the certificate.
            let text = cause.to_string();
            return text
                .starts_with("received fatal alert")
                .then_some(Self::WantsCertificate);
        };
        Some(match error {
            // The latter where two authorities have the same name.
            rustls::Error::InvalidCertificate(
                Certificate::UnknownIssuer | Certificate::BadSignature,
            ) => Self::Untrusted,
            rustls::Error::InvalidCertificate(
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
            ) => Self::OtherName,
            rustls::Error::InvalidCertificate(
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. },
            ) => Self::OutOfDate,
            rustls::Error::AlertReceived(
                Alert::BadCertificate
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::UnsupportedCertificate,
            ) => Self::WantsCertificate,
            rustls::Error::InvalidMessage(_) => Self::NoTls,
            _ => return None,
        })
    }

    /// What whoever made the connection can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Untrusted => "its certificate is signed by nobody who is trusted here",
            Self::OtherName => {
                "name it as its certificate does, or have its certificate name it so"
            }
            Self::OutOfDate => "its certificate is out of date, or this machine's clock is wrong",
            Self::WantsCertificate => {
                "it asks for a client's certificate that its authority has signed: give it one"
            }
            Self::NoTls => "it speaks no TLS there",
        }
    }
}

/// The innermost cause, e.g. `Connection refused (os error 111)`, with what
/// can be done about it where TLS is the cause.
pub fn reason(error: &(dyn StdError + 'static)) -> String {
    let cause = root(error);
    match Failure::of(cause) {
        Some(failure) => format!("{cause}: {}", failure.advice()),
        None => cause.to_string(),
    }
}

/// The innermost cause says what happened, the ones around it only where.
pub fn root<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn tls_is_found_within_what_is_wrapped_around_it() {
        let error = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(Failure::of(&error), Some(Failure::Untrusted));
        let wrapped = io::Error::other(io::Error::other(error));
        assert_eq!(Failure::of(&wrapped), Some(Failure::Untrusted));
        assert!(reason(&wrapped).ends_with("trusted here"));
    }

    #[test]
    fn what_is_not_about_tls_is_told_as_it_is() {
        let error = io::Error::from_raw_os_error(111);
        assert_eq!(Failure::of(&error), None);
        assert_eq!(reason(&error), "Connection refused (os error 111)");
    }

    #[test]
    fn an_alert_is_known_by_its_text_where_there_is_nothing_else() {
        let error = io::Error::other("received fatal alert: CertificateRequired");
        assert_eq!(Failure::of(&error), Some(Failure::WantsCertificate));
    }
}
