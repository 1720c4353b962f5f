//! What a router's agent says of the FIB: the one thing that routers tell of
//! themselves.

use super::fields::{Fields, text};
use super::problem::Problem;
use super::query::Params;
use super::{Api, body, routers};
use crate::catalog;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use sdwan_model::policy::Access;
use sdwan_model::status::fib::{Reason, Report};
use sdwan_model::validate::Violation;
use serde_json::Value;

/// More reasons than an agent tells apart.
pub(super) const MAX_REASONS: usize = 32;
/// Characters of a reason.
pub(super) const MAX_REASON: usize = 512;
/// Characters of a version.
pub(super) const MAX_VERSION: usize = 64;
/// More routes than a kernel holds.
pub(super) const MAX_ROUTES: u64 = u32::MAX as u64;

/// What is told of a router whose properties are hidden.
const NOT_EXPECTED: &str = "no agent's reports are expected of this router: declare \
    `fib: agent`, or start the agent without --server";

/// `PUT /sdwan/v1/routers/ID/fib`.
pub(super) async fn report(
    api: &Api,
    router: &str,
    access: &Access,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    Params::new(&parts.uri).finish(&[])?;
    let found = routers::find(api, access, router)?;
    let router = found.shown.row.id.clone();
    routers::allow(
        api,
        access,
        "update",
        &router,
        &format!("/sdwan/v1/routers/{router}/fib"),
    )?;
    let body = body::read(&api.limits, &parts.headers, body).await?;
    let report = parse(body)
        .map_err(|violations| Problem::violations(StatusCode::BAD_REQUEST, violations))?;
    let reported = api.agents.report(&router, &report).await;
    let seen = ["host_name", "fib"]
        .iter()
        .all(|p| found.fields.contains(p));
    reported.map_err(|error| match error {
        catalog::Error::Conflict(_) if !seen => Problem::new(StatusCode::CONFLICT, NOT_EXPECTED),
        error => error.into(),
    })?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The report, or everything that is wrong with it.
fn parse(body: Value) -> Result<Report, Vec<Violation>> {
    const NAMES: [&str; 7] = [
        "gobgpd_version",
        "in_step",
        "wanted",
        "installed",
        "unresolved",
        "since",
        "reasons",
    ];
    let mut fields = Fields::of(body, "", &NAMES)?;
    let gobgpd_version = fields.optional("gobgpd_version", VERSION, version);
    let in_step = fields.required("in_step", "true or false", |value| value.as_bool());
    // For who reads the request; the agent's own metrics have them.
    for name in ["wanted", "installed"] {
        fields.required(name, COUNT, count);
    }
    let unresolved = fields.required("unresolved", COUNT, count);
    let since = fields.required("since", "a time (RFC 3339)", time);
    let list = fields.required("reasons", "a list of at most 32 reasons", |value| {
        let list = value.as_array()?;
        (list.len() <= MAX_REASONS).then(|| list.clone())
    });
    let mut violations = fields.violations;
    let mut reasons = Vec::new();
    for (nth, item) in list.into_iter().flatten().enumerate() {
        match reason(item, &format!("/reasons/{nth}")) {
            Ok(reason) => reasons.push(reason),
            Err(more) => violations.extend(more),
        }
    }
    match (in_step, unresolved, since) {
        (Some(in_step), Some(unresolved), Some(since)) if violations.is_empty() => Ok(Report {
            gobgpd_version,
            in_step,
            unresolved,
            since,
            reasons,
        }),
        _ => Err(violations),
    }
}

fn reason(item: Value, place: &str) -> Result<Reason, Vec<Violation>> {
    let mut fields = Fields::of(item, place, &["reason", "routes"])?;
    let reason = fields.required(
        "reason",
        "text of 1 to 512 characters in one line",
        |value| text(value, MAX_REASON),
    );
    let routes = fields.required("routes", COUNT, count);
    match (reason, routes) {
        (Some(reason), Some(routes)) if fields.violations.is_empty() => {
            Ok(Reason { reason, routes })
        }
        _ => Err(fields.violations),
    }
}

const COUNT: &str = "a number of 0 to 4294967295";
const VERSION: &str = "a version such as 4.8.0, or null";

fn count(value: &Value) -> Option<u64> {
    value.as_u64().filter(|count| *count <= MAX_ROUTES)
}

/// `MAJOR.MINOR`, and what may follow.
fn version(value: &Value) -> Option<String> {
    let text = text(value, MAX_VERSION)?;
    let known = |c: char| c.is_ascii_alphanumeric() || ".-+~".contains(c);
    let mut numbers = text.split('.').map(|part| part.parse::<u16>().is_ok());
    let whole = numbers.next() == Some(true) && numbers.next() == Some(true);
    (whole && text.chars().all(known)).then_some(text)
}

fn time(value: &Value) -> Option<String> {
    let time: Timestamp = value.as_str()?.parse().ok()?;
    Some(time.to_string())
}
