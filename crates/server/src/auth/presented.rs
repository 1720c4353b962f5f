//! Which token a request carries, and where: Gohan's header, OAuth's header,
//! or Gohan's cookie. Whatever else a request says of its sender (X-User-Id,
//! X-Roles, X-Identity-Status, ...) proves nothing and is read by nobody.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const COOKIE_NAME: &str = "Auth-Token";

/// No token is as long; Keystone is not bothered with longer ones.
const MAX_BYTES: usize = 4096;

/// Why a request carries no token that could be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// There is none.
    Missing,
    /// There are several, or it is nothing that a token can be.
    Malformed,
}

/// The token that a request carries.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, Absent> {
    let found = match in_header(headers)? {
        Some(token) => token,
        None => in_cookie(headers).ok_or(Absent::Missing)?,
    };
    let plain = found.bytes().all(|byte| byte.is_ascii_graphic());
    match found.len() {
        1..=MAX_BYTES if plain => Ok(found),
        _ => Err(Absent::Malformed),
    }
}

/// Whether the token is in a header: no page can put one there that does not
/// know it, as it can send a cookie along.
pub(crate) fn is_in_header(headers: &HeaderMap) -> bool {
    matches!(in_header(headers), Ok(Some(_)))
}

fn in_header(headers: &HeaderMap) -> Result<Option<&str>, Absent> {
    if let Some(value) = only(headers, &X_AUTH_TOKEN)? {
        return text(value).map(Some);
    }
    let Some(value) = only(headers, &AUTHORIZATION)? else {
        return Ok(None);
    };
    // Another scheme is a proxy's business.
    let bearer = text(value)?.split_once(' ');
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(bearer.map(|(_, token)| token.trim_start_matches(' ')))
}

/// The value of a header that must not stand twice: two proxies could each
/// mean another one.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Absent> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Absent::Malformed),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Absent> {
    value.to_str().map_err(|_| Absent::Malformed)
}

fn in_cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(COOKIE).iter();
    let mut pairs = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.trim() == COOKIE_NAME).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> HeaderMap {
        let entry = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        headers.iter().map(entry).collect()
    }

    #[test]
    fn the_header_goes_before_bearer_and_that_before_the_cookie() {
        for (headers, expected) in [
            (vec![("x-auth-token", "t")], Ok("t")),
            (vec![("authorization", "Bearer t")], Ok("t")),
            (vec![("authorization", "bearer  t")], Ok("t")),
            (vec![("cookie", "a=b; Auth-Token=t; c=d")], Ok("t")),
            (vec![("cookie", "a=b"), ("cookie", "Auth-Token=t")], Ok("t")),
            (
                vec![("x-auth-token", "t"), ("authorization", "Bearer u")],
                Ok("t"),
            ),
            (
                vec![("authorization", "Bearer t"), ("cookie", "Auth-Token=u")],
                Ok("t"),
            ),
            (
                vec![("authorization", "Basic YQ=="), ("cookie", "Auth-Token=t")],
                Ok("t"),
            ),
            (vec![], Err(Absent::Missing)),
            (vec![("authorization", "Basic YQ==")], Err(Absent::Missing)),
            (vec![("authorization", "Bearer")], Err(Absent::Missing)),
            (vec![("cookie", "auth-token=t")], Err(Absent::Missing)),
            (
                vec![("x-user-id", "admin"), ("x-roles", "admin")],
                Err(Absent::Missing),
            ),
            (vec![("x-auth-token", "")], Err(Absent::Malformed)),
            (vec![("authorization", "Bearer ")], Err(Absent::Malformed)),
            (vec![("x-auth-token", "a b")], Err(Absent::Malformed)),
            (
                vec![("x-auth-token", "t"), ("x-auth-token", "t")],
                Err(Absent::Malformed),
            ),
            (
                vec![
                    ("authorization", "Bearer t"),
                    ("authorization", "Basic YQ=="),
                ],
                Err(Absent::Malformed),
            ),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(token(&map), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_no_token() {
        let long = "t".repeat(MAX_BYTES);
        assert_eq!(token(&of(&[("x-auth-token", &long)])), Ok(&*long));
        let longer = "t".repeat(MAX_BYTES + 1);
        let map = of(&[("x-auth-token", &longer)]);
        assert_eq!(token(&map), Err(Absent::Malformed));
        let mut map = HeaderMap::new();
        map.insert(X_AUTH_TOKEN, HeaderValue::from_bytes(b"t\xe9").unwrap());
        assert_eq!(token(&map), Err(Absent::Malformed));
    }

    #[test]
    fn a_cookie_is_no_header() {
        assert!(is_in_header(&of(&[("x-auth-token", "t")])));
        assert!(is_in_header(&of(&[("authorization", "Bearer t")])));
        assert!(!is_in_header(&of(&[("cookie", "Auth-Token=t")])));
        assert!(!is_in_header(&of(&[("authorization", "Basic YQ==")])));
    }
}
