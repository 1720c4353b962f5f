//! What the audit is told of a request, and `GET /sdwan/v1/audit`, where it
//! is read.

use super::Api;
use super::columns::json as write_json;
use super::problem::Problem;
use super::query::Params;
use super::routes::{Endpoint, Matched};
use super::sender::{Sender, is_read};
use crate::audit::{Asked, Change, Entry, Outcome, Query, Rest};
use crate::auth;
use crate::catalog::Ledger;
use crate::cluster::Member;
use crate::listen::Peer;
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use sdwan_model::policy::Access;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// Entries in an answer, where nobody says how many, and the most.
const USUAL: usize = 100;
pub(super) const MOST: usize = 1000;

/// While the audit can't be written, nothing is changed.
///
/// # Errors
/// 503, and why.
pub(super) fn ready(
    api: &Api,
    found: Option<&Matched<'_>>,
    method: &Method,
) -> Result<(), Problem> {
    // Agents' reports are in no audit.
    if is_read(method) || found.is_some_and(|found| matches!(found.endpoint, Endpoint::Fib)) {
        return Ok(());
    }
    api.audit.ready().map_err(|why| {
        let message =
            format!("the audit can't be written ({why}), and nothing is changed that is not in it");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}

/// One request, followed from its head to its answer.
pub(super) struct Trail {
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
    ledger: Ledger,
}

impl Trail {
    pub(super) fn new(request: &Request<Body>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: request.extensions().get::<Peer>().map(|Peer(peer)| *peer),
            ledger: Ledger::default(),
        }
    }

    /// Does the request's work, and keeps account of what it changes.
    pub(super) async fn during<F: Future>(&self, work: F) -> F::Output {
        self.ledger.during(work).await
    }

    /// Tells the audit what became of it; of a change, before it is answered.
    pub(super) async fn end(
        self,
        api: &Api,
        request: &str,
        sender: Option<&Sender>,
        (status, detail): (StatusCode, Option<&str>),
    ) {
        if !api.audit.is_on() {
            return;
        }
        let found = api.routes.find(self.uri.path());
        let endpoint = found.as_ref().map(|found| found.endpoint);
        let caller = sender.map(|sender| sender.caller.clone());
        let asked = self.asked(request, found.as_ref(), status);
        let schemas = api.catalog.schemas();
        let account = self
            .ledger
            .close(|| Arc::new(Rest::of(&api.audit, schemas, caller.clone(), asked.clone())));
        let changed = !account.is_empty();
        let dry_run = Params::new(&self.uri).flag("dry_run") && !changed;
        let read = dry_run || is_read(&self.method);
        // To a row that a policy hides, the answer is that it is not there.
        let sees_all = sender.is_none_or(|sender| api.accesses.of(&sender.caller).is_everything());
        let refused = is_refusal(status) || status == StatusCode::NOT_FOUND && !sees_all;
        if !refused && !self.is_told(endpoint, read, api.audit.wants_reads()) {
            return;
        }
        // Who revokes a token may name it by its text, and be told so.
        let by_token = matches!(endpoint, Some(Endpoint::Token));
        let entry = Entry {
            time: api.audit.now(),
            caller,
            asked: Some(Asked { dry_run, ..asked }),
            outcome: outcome(status, !account.tried.is_empty()),
            detail: detail.filter(|_| !by_token).map(str::to_owned),
            revision: account.revision.map(|revision| revision.0),
            changes: Change::of(account, schemas),
        };
        if read || !(status.is_success() || changed) {
            api.audit.record(entry);
        } else {
            api.audit.recorded(entry).await;
        }
    }

    fn asked(&self, request: &str, found: Option<&Matched<'_>>, status: StatusCode) -> Asked {
        let kind = found.and_then(|found| found.endpoint.kind());
        let named = found.filter(|found| found.endpoint.names_one());
        Asked {
            request: request.to_owned(),
            from: self.peer,
            method: self.method.to_string(),
            path: auth::masked(self.uri.path()).into_owned(),
            route: found.map_or("none", |found| found.label).to_owned(),
            kind: kind.map(|kind| kind.id.clone()),
            id: named.map(|found| found.id().to_owned()),
            dry_run: false,
            status: status.as_u16(),
            answered: false,
        }
    }

    /// Everything that changes something, or was to.
    fn is_told(&self, endpoint: Option<&Endpoint>, read: bool, reads: bool) -> bool {
        // Agents say over and over how a kernel's table stands.
        let report = matches!(endpoint, Some(Endpoint::Fib));
        let probe = endpoint.is_some_and(Endpoint::is_open) || self.method == Method::OPTIONS;
        !report && (!read || reads && !probe)
    }
}

/// What is told whatever was asked for: it was refused for who asked.
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::MISDIRECTED_REQUEST
            | StatusCode::TOO_MANY_REQUESTS
    )
}

fn outcome(status: StatusCode, unknown: bool) -> Outcome {
    match status.as_u16() {
        ..400 => Outcome::Done,
        400..500 => Outcome::Refused,
        _ if unknown => Outcome::Unknown,
        _ => Outcome::Failed,
    }
}

/// `GET /sdwan/v1/audit`.
pub(super) async fn search(
    api: &Api,
    access: &Access,
    uri: &Uri,
) -> Result<Response<Body>, Problem> {
    let query = query(uri)?;
    let Some((server, file)) = api.audit.place() else {
        let message = "this server keeps no audit: see `audit` of its configuration";
        return Err(Problem::new(StatusCode::NOT_FOUND, message));
    };
    let page = api.audit.search(query).await.map_err(|error| {
        tracing::error!(file = %file.display(), %error, "the audit can't be read");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the audit can't be read: the log says why",
        )
    })?;
    // The lines as they stand in the file: their MACs are over these bytes.
    let mut out = b"{\"server\":".to_vec();
    write_json(&mut out, server);
    out.extend_from_slice(b",\"more\":");
    write_json(&mut out, &page.more);
    out.extend_from_slice(b",\"last\":");
    write_json(&mut out, &page.last);
    out.extend_from_slice(b",\"others\":");
    write_json(&mut out, &others(api, access));
    out.extend_from_slice(b",\"entries\":[");
    out.extend_from_slice(&page.entries.join(&b','));
    out.extend_from_slice(b"]}");
    let mut response = Response::new(Body::from(out));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The servers that share the store, each of which tells of itself alone: so
/// that nobody takes one's audit for everybody's.
fn others(api: &Api, access: &Access) -> Value {
    let shown = access.allows("read", "/sdwan/v1/cluster");
    let me = api.catalog.tenure().instance();
    let members = api.membership.members().into_iter();
    let others = members.filter(|(id, _)| shown && id != me);
    let other = |(id, member): (String, Member)| json!({ "id": id, "address": member.address });
    others.map(other).collect()
}

const PARAMETERS: [&str; 9] = [
    "since", "until", "caller", "kind", "id", "outcome", "after", "before", "limit",
];

fn query(uri: &Uri) -> Result<Query, Problem> {
    let mut params = Params::new(uri);
    let mut time = |name: &str| {
        let text = params.one(name)?;
        let time = text.parse::<Timestamp>();
        if time.is_err() {
            let message = format!("must be a time such as 2026-11-23T10:00:00Z, not {text:?}");
            params.refuse(name, &message);
        }
        time.ok()
    };
    let (since, until) = (time("since"), time("until"));
    let mut number = |name: &str| {
        let number = params.count(name)?;
        u64::try_from(number).ok()
    };
    let (after, before) = (number("after"), number("before"));
    let limit = params.count("limit").unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        params.refuse("limit", &format!("must be 1 to {MOST}, not {limit}"));
    }
    let outcome = params.one("outcome");
    if let Some(outcome) = outcome.as_deref().filter(|o| !Outcome::NAMES.contains(o)) {
        let names = Outcome::NAMES.join(", ");
        params.refuse(
            "outcome",
            &format!("must be one of {names}, not {outcome:?}"),
        );
    }
    let query = Query {
        since,
        until,
        caller: params.one("caller"),
        kind: params.one("kind"),
        id: params.one("id"),
        outcome,
        after,
        before,
        limit,
    };
    params.finish(&PARAMETERS)?;
    Ok(query)
}
