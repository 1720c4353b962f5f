//! Where etcd's members are, as an operator writes it.

use super::failure::innermost;
use super::{Options, tls};
use crate::Error;
use http::Uri;
use std::net::IpAddr;
use tonic::transport::Endpoint;

/// One for each that the options name.
///
/// # Errors
/// [`Error::Open`] for endpoints that are none, or don't go together.
pub(super) fn all(options: &Options) -> Result<Vec<Endpoint>, Error> {
    let uris = options.endpoints.iter().map(|text| parse(text));
    let uris: Vec<Uri> = uris.collect::<Result<_, _>>()?;
    let tls = match (uses_tls(&uris)?, &options.tls) {
        (true, Some(tls)) => tls::config(tls)?.timeout(options.timeouts.connect),
        (false, None) => return Ok(uris.into_iter().map(Endpoint::from).collect()),
        (true, None) => {
            return Err(open(
                "https:// needs the certificate of the authority that has signed etcd's: \
                 give it a CA file",
            ));
        }
        (false, Some(_)) => {
            return Err(open(
                "there are certificates for etcd, but its endpoints are without TLS: \
                 write https:// or take the certificates out",
            ));
        }
    };
    let with_tls = |uri| Endpoint::from(uri).tls_config(tls.clone());
    let endpoints = uris.into_iter().map(with_tls);
    endpoints
        .collect::<Result<_, _>>()
        .map_err(|error| open(format!("TLS with etcd: {}", innermost(&error))))
}

/// What a member's address says.
///
/// # Errors
/// [`Error::Open`], with what is wrong.
pub(super) fn parse(text: &str) -> Result<Uri, Error> {
    if text.contains('@') {
        // Which may be followed by a password: it is not repeated.
        return Err(open(
            "an endpoint of etcd has a user in it: give the user and the password by themselves",
        ));
    }
    let wrong = |why: &str| open(format!("{text:?} is no endpoint of etcd: {why}"));
    let uri = match text.split_once("://") {
        None => format!("http://{text}"),
        Some(("http" | "https", _)) => text.to_owned(),
        Some(_) => return Err(wrong("it starts with http:// or https://")),
    };
    let uri: Uri = uri.parse().map_err(|_| wrong("expected HOST:PORT"))?;
    if uri.port_u16().is_none() || uri.host().is_none_or(str::is_empty) {
        return Err(wrong("expected HOST:PORT"));
    }
    if uri.path_and_query().is_some_and(|path| path != "/") {
        return Err(wrong("nothing may follow HOST:PORT"));
    }
    Ok(uri)
}

/// What an operator should know of options that work all the same.
pub(super) fn warning(options: &Options) -> Option<String> {
    let user = options.user.as_ref().filter(|_| options.tls.is_none())?;
    let mut seen = options.endpoints.iter();
    let seen = seen.find(|text| parse(text).is_ok_and(|uri| !is_loopback(&uri)))?;
    Some(format!(
        "the password of etcd's user {:?} goes to {seen} as it is, and so does all that is \
         stored: use https://",
        user.name
    ))
}

/// The same for all of them: where some are without, whoever listens in only
/// needs to bring down the others.
fn uses_tls(uris: &[Uri]) -> Result<bool, Error> {
    let is_tls = |uri: &&Uri| uri.scheme_str() == Some("https");
    let with = uris.iter().find(is_tls);
    let without = uris.iter().find(|uri| !is_tls(uri));
    match (with, without) {
        (Some(with), Some(without)) => Err(open(format!(
            "etcd's endpoints are some with TLS ({with}) and some without ({without}): \
             write https:// for all of them, or for none"
        ))),
        (None, None) => Err(open("no endpoint of etcd is given")),
        (with, _) => Ok(with.is_some()),
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn open(why: impl Into<String>) -> Error {
    Error::Open(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::{Tls, User};

    fn refused(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for (text, scheme) in [
            ("h:1", "http"),
            ("http://192.0.2.1:2379/", "http"),
            ("https://[::1]:2379", "https"),
        ] {
            assert_eq!(parse(text).unwrap().scheme_str(), Some(scheme), "{text}");
        }
        for text in [
            "", "h", "http://h", ":1", "h:x", "h:65536", "a b:1", "::1:1",
        ] {
            let told = refused(text);
            assert!(told.contains("HOST:PORT"), "{told}");
            assert!(told.contains(&format!("{text:?}")), "{told}");
        }
        assert!(refused("ftp://h:1").contains("http://"));
        assert!(refused("http://h:1/v3").contains("follow"));
        assert!(!refused("http://me:hush@h:1").contains("hush"));
    }

    #[test]
    fn endpoints_go_together_and_with_the_certificates() {
        let told = |endpoints: &[&str], tls| {
            let endpoints = endpoints.iter().map(|&text| text.to_owned()).collect();
            let options = Options {
                tls,
                ..Options::at(endpoints)
            };
            all(&options).expect_err("they were taken").to_string()
        };
        let tls = Some(Tls {
            ca: String::new(),
            identity: None,
        });
        assert!(told(&[], None).contains("no endpoint"));
        let mixed = told(&["https://a:1", "http://b:1"], tls.clone());
        assert!(
            mixed.contains("https://a:1") && mixed.contains("http://b:1"),
            "{mixed}"
        );
        assert!(told(&["https://a:1"], None).contains("CA file"));
        assert!(told(&["a:1"], tls.clone()).contains("write https://"));
        assert!(told(&["https://a:1"], tls).contains("authority's certificate"));
    }

    #[test]
    fn a_password_that_others_may_read_is_warned_of() {
        let warned = |endpoint: &str, user: bool| {
            let user = user.then(|| User {
                name: "me".into(),
                password: "hush".to_owned().into(),
            });
            warning(&Options {
                user,
                ..Options::at(vec![endpoint.to_owned()])
            })
        };
        let told = warned("etcd.example:2379", true).unwrap();
        assert!(
            told.contains("etcd.example:2379") && !told.contains("hush"),
            "{told}"
        );
        assert_eq!(warned("etcd.example:2379", false), None);
        for near in ["127.0.0.1:1", "http://[::1]:1", "localhost:1"] {
            assert_eq!(warned(near, true), None, "{near}");
        }
    }
}
