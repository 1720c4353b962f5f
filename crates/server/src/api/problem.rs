//! Refusals, as RFC 9457 problem details that old clients can read too:
//! beside the standard members, `error` carries all of it as one text and
//! `violations` every single thing that is wrong.

use crate::auth::Denied;
use crate::catalog;
use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use sdwan_model::validate::Violation;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// In words that a caller can act on; never an internal.
    pub(crate) detail: String,
    /// Everything that is wrong with the request, each with its place.
    pub(crate) violations: Vec<Violation>,
    allow: Option<Box<str>>,
    /// Of a 401: whose tokens are taken.
    challenges: Arc<[HeaderValue]>,
    /// Seconds after which it is worth another try.
    retry: Option<u64>,
    /// The log's name of the request, where only the log has more to tell.
    request: Option<Box<str>>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    error: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    violations: &'a [Violation],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            violations: Vec::new(),
            allow: None,
            challenges: Arc::default(),
            retry: None,
            request: None,
        }
    }

    /// Of a 401 that names nobody yet whose tokens are taken: these.
    pub(crate) fn challenging(self, challenges: Arc<[HeaderValue]>) -> Self {
        match self.status {
            StatusCode::UNAUTHORIZED if self.challenges.is_empty() => Self { challenges, ..self },
            _ => self,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// A 405 names what would be allowed.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        Self {
            allow: Some(allow.as_str().into()),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("this takes {allow} only"),
            )
        }
    }

    /// Whether somebody else, or somebody who says who he is, might get another
    /// answer.
    pub(crate) fn is_about_the_caller(&self) -> bool {
        [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
        ]
        .contains(&self.status)
    }

    /// Another try is of use after so long, rounded up to seconds.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let whole = Duration::from_secs(wait.as_secs());
        let seconds = wait.as_secs() + u64::from(wait > whole);
        Self {
            retry: Some(seconds.max(1)),
            ..self
        }
    }

    /// The same in other words.
    pub(crate) fn saying(self, detail: &str) -> Self {
        Self {
            detail: detail.to_owned(),
            violations: Vec::new(),
            ..self
        }
    }

    /// Several things wrong at once.
    pub(crate) fn violations(status: StatusCode, violations: Vec<Violation>) -> Self {
        let told = |v: &Violation| match v.pointer.as_str() {
            "" => v.message.clone(),
            pointer => format!("{pointer}: {}", v.message),
        };
        let detail: Vec<String> = violations.iter().map(told).collect();
        Self {
            violations,
            ..Self::new(status, detail.join("; "))
        }
    }

    /// The same with every pointer moved.
    pub(crate) fn below(self, place: impl Fn(&str) -> String) -> Self {
        if self.violations.is_empty() {
            return self;
        }
        let moved = self.violations.into_iter().map(|v| Violation {
            pointer: place(&v.pointer),
            ..v
        });
        Self::violations(self.status, moved.collect())
    }

    /// Our own fault: the log tells what, the answer only where to look.
    pub(crate) fn internal(request: &str) -> Self {
        Self {
            request: Some(request.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!(
                    "something went wrong in the server: its log says what at request {request}"
                ),
            )
        }
    }

    /// The problem details as JSON.
    pub(crate) fn document(&self) -> Vec<u8> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            error: &self.detail,
            violations: &self.violations,
            request_id: self.request.as_deref(),
        };
        // Text and numbers only: it always serialises.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(allow) = self.allow.and_then(|a| HeaderValue::from_str(&a).ok()) {
            headers.insert(ALLOW, allow);
        }
        for challenge in self.challenges.iter() {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
        let soon = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if let Some(seconds) = self.retry.or(soon.contains(&self.status).then_some(1)) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        use catalog::Error as E;
        match error {
            E::Invalid(violations) => Self::violations(StatusCode::BAD_REQUEST, violations),
            E::Conflict(violations) => Self::violations(StatusCode::CONFLICT, violations),
            E::NotFound(_) => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            E::NotAllowed(why) => Self::new(StatusCode::UNAUTHORIZED, why),
            E::NotDeletable(why) => Self::new(StatusCode::FORBIDDEN, why),
            E::VersionMismatch { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, error.to_string())
            }
            E::Contended | E::Unclaimed(_) | E::Away(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            E::Store(sdwan_store::Error::TooLarge { .. }) => Self::new(
                StatusCode::CONFLICT,
                "this would change too many rows at once: do it in smaller parts",
            ),
            E::Store(_) | E::Secret(_) | E::Open(_) => {
                // What the store says may name files and hosts.
                tracing::error!(%error, "the catalog can't serve a request");
                let what = if matches!(error, E::Secret(_)) {
                    "secrets can't be sealed or opened now: nothing was written"
                } else {
                    "the store does not answer: nothing is known to be written"
                };
                Self::new(StatusCode::SERVICE_UNAVAILABLE, what)
            }
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unproved { why, challenges } => Self {
                challenges,
                ..Self::new(StatusCode::UNAUTHORIZED, why)
            },
            Denied::Unknowable(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

impl From<crate::live::Error> for Problem {
    fn from(error: crate::live::Error) -> Self {
        use crate::speaker::Error as S;
        let status = match error {
            crate::live::Error::NotConnected(_)
            | crate::live::Error::Speaker(S::Unreachable(_) | S::Unanswered(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            crate::live::Error::Speaker(_) => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.to_string())
    }
}
