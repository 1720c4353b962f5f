//! The server's refusals turned into [`Error`]: in its own words, and with
//! what to do where it does not know who asks.

use crate::caller::Caller;
use crate::error::Error;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// What the head of an answer says that is no success.
pub(crate) struct Refusal {
    status: StatusCode,
    /// It was not believed who asks, but these would be: `WWW-Authenticate`.
    challenges: Option<Vec<String>>,
}

/// Who was refused, where, and what he can do.
pub(crate) struct Asked<'a> {
    /// The server's URL.
    pub(crate) endpoint: &'a str,
    /// Who asked.
    pub(crate) caller: &'a Caller,
    /// For who is not believed.
    pub(crate) advice: &'a str,
}

impl Refusal {
    /// None of a success.
    pub(crate) fn of(answer: &Response) -> Option<Self> {
        let status = answer.status();
        let texts = || {
            let values = answer.headers().get_all(WWW_AUTHENTICATE).iter();
            let texts = values.filter_map(|value: &HeaderValue| value.to_str().ok());
            texts.map(str::to_owned).collect()
        };
        (!status.is_success()).then(|| Self {
            status,
            challenges: sdwan_http::refuses_token(answer).then(texts),
        })
    }

    /// With the answer's body.
    pub(crate) fn error(&self, body: &[u8], asked: &Asked<'_>) -> Error {
        if let Some(challenges) = &self.challenges {
            return Error::Unproved(unproved(challenges, asked));
        }
        let text =
            words(body).unwrap_or_else(|| format!("{} answered {}", asked.endpoint, self.status));
        match self.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Error::Away(text),
            StatusCode::NOT_FOUND => Error::NotFound(text),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Error::Conflict(text),
            _ => Error::Refused(text),
        }
    }
}

fn unproved(challenges: &[String], asked: &Asked<'_>) -> String {
    let Asked {
        endpoint, advice, ..
    } = asked;
    let refused = match *asked.caller == Caller::nobody() {
        true => "asks who you are",
        false => "does not take the token: it has expired, was revoked, or is from somewhere else",
    };
    let issuers: Vec<_> = challenges.iter().filter_map(|text| issuer(text)).collect();
    let takes = match issuers.is_empty() {
        true => String::new(),
        false => format!("; it takes tokens of {}", issuers.join(" and of ")),
    };
    format!("{endpoint} {refused}{takes}\n{advice}")
}

/// Whose tokens a challenge asks for, in words.
fn issuer(challenge: &str) -> Option<String> {
    if challenge.starts_with("Bearer ") {
        return Some("its own".to_owned());
    }
    let (uri, _) = challenge.strip_prefix("Keystone uri=\"")?.split_once('"')?;
    Some(match uri {
        "fake" => "the fake Keystone".to_owned(),
        uri => format!("Keystone at {uri}"),
    })
}

/// A refusal's own words: every violation on a line of its own.
fn words(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let word = |violation: &Value, name: &str| {
        let text = violation[name].as_str().unwrap_or_default();
        text.to_owned()
    };
    let violations = body["violations"].as_array().into_iter().flatten();
    let lines: Vec<String> = violations
        .map(|violation| {
            let message = word(violation, "message");
            match word(violation, "pointer").trim_start_matches('/') {
                "" => message,
                property => format!("{property}: {message}"),
            }
        })
        .collect();
    match lines.is_empty() {
        true => body["error"]
            .as_str()
            .or(body["detail"].as_str())
            .map(str::to_owned),
        false => Some(lines.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdwan_keystone::credentials::Target;

    fn refused(status: StatusCode, challenges: Option<&[&str]>, body: &[u8]) -> Error {
        refused_to(&Caller::nobody(), status, challenges, body)
    }

    fn refused_to(
        caller: &Caller,
        status: StatusCode,
        challenges: Option<&[&str]>,
        body: &[u8],
    ) -> Error {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let refusal = Refusal {
            status,
            challenges: challenges.map(owned),
        };
        let asked = Asked {
            endpoint: "http://192.0.2.1:9998",
            caller,
            advice: "Log in.",
        };
        refusal.error(body, &asked)
    }

    #[test]
    fn a_refusal_lists_every_violation() {
        let body = br#"{"error":"two","violations":[
            {"pointer":"/peer_as","message":"must be at least 1"},
            {"pointer":"","message":"no body"}]}"#;
        let error = refused(StatusCode::BAD_REQUEST, None, body);
        assert!(matches!(error, Error::Refused(_)));
        assert_eq!(error.to_string(), "peer_as: must be at least 1\nno body");
        let error = refused(StatusCode::BAD_GATEWAY, None, b"<html>");
        assert_eq!(
            error.to_string(),
            "http://192.0.2.1:9998 answered 502 Bad Gateway"
        );
        let body = br#"{"error":"try again later"}"#;
        let error = refused(StatusCode::SERVICE_UNAVAILABLE, None, body);
        assert!(matches!(error, Error::Away(_)), "{error}");
    }

    #[test]
    fn who_is_not_known_is_told_whose_tokens_are_taken() {
        let body = br#"{"error":"say who you are"}"#;
        let both = ["Bearer realm=\"sdwan\"", "Keystone uri=\"http://k/v3\""];
        let error = refused(StatusCode::UNAUTHORIZED, Some(&both), body);
        assert!(matches!(error, Error::Unproved(_)));
        assert_eq!(
            error.to_string(),
            "http://192.0.2.1:9998 asks who you are; it takes tokens of its own and of Keystone \
             at http://k/v3\nLog in."
        );
        let caller = Caller::with_token("t", &Target::Usual);
        let error = refused_to(&caller, StatusCode::UNAUTHORIZED, Some(&["Basic"]), body);
        assert_eq!(
            error.to_string(),
            "http://192.0.2.1:9998 does not take the token: it has expired, was revoked, or is \
             from somewhere else\nLog in."
        );
        // Known, but not allowed.
        let body = br#"{"error":"no policy lets you create routers"}"#;
        let error = refused(StatusCode::UNAUTHORIZED, None, body);
        assert_eq!(error.to_string(), "no policy lets you create routers");
    }
}
