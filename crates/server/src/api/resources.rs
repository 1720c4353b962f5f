//! Rows of any kind: list, show, create, replace, change, delete.

use super::answers::Answer;
use super::columns::{Columns, json};
use super::precondition::Precondition;
use super::problem::Problem;
use super::query::{ListQuery, Params, fields};
use super::routes::{Endpoint, Matched};
use super::select::{Candidate, page};
use super::{Api, X_REVISION, X_TOTAL_COUNT, body, watch};
use crate::catalog::{DeleteOptions, Mode, Shown, Snapshot, WriteOptions};
use crate::speaker::Counters;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use sdwan_model::resource::Row;
use sdwan_model::schema::Kind;
use sdwan_model::validate::Violation;
use serde_json::Value;
use std::sync::Arc;

/// `GET` and `POST` of `PREFIX/PLURAL`, also below a parent.
pub(super) async fn collection(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    found: &Matched<'_>,
    method: &Method,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let parent = match found.endpoint {
        Endpoint::NestedCollection(_) => Some(found.parent().to_owned()),
        _ => None,
    };
    let (parts, body) = request.into_parts();
    if *method == Method::GET {
        return list(api, kind, parent, &parts).await;
    }
    let mut params = Params::new(&parts.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    known_parent(&api.catalog.snapshot(), kind, parent.as_deref())?;
    let body = body::read(&parts.headers, body).await?;
    let body = body::unwrap(body, &kind.singular);
    let options = WriteOptions { dry_run, parent };
    let shown = api.catalog.create(&kind.id, body, options).await?;
    Ok(written(api, kind, &shown, !dry_run))
}

/// `GET`, `PUT`, `PATCH` and `DELETE` of one row, also below a parent.
pub(super) async fn item(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    found: &Matched<'_>,
    method: &Method,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let target = Target {
        kind,
        id: found.id(),
        parent: match found.endpoint {
            Endpoint::NestedItem(_) => Some(found.parent()),
            _ => None,
        },
    };
    let (parts, body) = request.into_parts();
    match *method {
        Method::GET => show(api, &target, &parts).await,
        Method::DELETE => delete(api, &target, &parts).await,
        Method::PUT => write(api, &target, &parts, body, Mode::Replace).await,
        _ => write(api, &target, &parts, body, Mode::Merge).await,
    }
}

/// The row that a URL names.
pub(super) struct Target<'a> {
    pub(super) kind: &'a Arc<Kind>,
    pub(super) id: &'a str,
    parent: Option<&'a str>,
}

impl Target<'_> {
    /// The row, if it is there and below the parent of the URL.
    fn find(&self, snapshot: &Snapshot) -> Option<Shown> {
        let shown = snapshot.get(&self.kind.id, self.id)?;
        below(self.kind, self.parent, &shown.row).then_some(shown)
    }

    fn missing(&self) -> Problem {
        Problem::not_found(&format!("{} {}", self.kind.id, self.id))
    }
}

/// Whether a row belongs to this parent; every row does where there is none.
pub(super) fn below(kind: &Kind, parent: Option<&str>, row: &Row) -> bool {
    match (parent, kind.parent_property()) {
        (Some(parent), Some(property)) => row.text(&property) == Some(parent),
        _ => true,
    }
}

/// # Errors
/// 404 where a nested URL names a parent that is not there.
pub(super) fn known_parent(
    snapshot: &Snapshot,
    kind: &Kind,
    parent: Option<&str>,
) -> Result<(), Problem> {
    match (parent, &kind.parent) {
        (Some(id), Some(parent)) if snapshot.get(parent, id).is_none() => {
            Err(Problem::not_found(&format!("{parent} {id}")))
        }
        _ => Ok(()),
    }
}

async fn list(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    parent: Option<String>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let snapshot = api.catalog.snapshot();
    let question = question(&request.uri);
    if let Some(answer) = api.answers.get(snapshot.revision(), question) {
        return Ok(respond(answer));
    }
    let columns = api.columns(kind)?;
    let query = ListQuery::parse(&request.uri, columns)?;
    known_parent(&snapshot, kind, parent.as_deref())?;
    if query.watch {
        return watch::start(api, kind, parent, query, &request.headers);
    }

    let observed = query.needs_status(columns);
    let rows = snapshot
        .rows(&kind.id)
        .filter(|row| below(kind, parent.as_deref(), row))
        .map(|row| Candidate {
            row: Arc::clone(row),
            shown: observed.then(|| snapshot.show(row)),
        });
    let (found, total) = page(rows, columns, &query);

    let asked = query.fields.as_deref();
    let live = asked.is_some_and(|chosen| columns.live_among(chosen));
    let numbers = if live {
        let rows = found.iter().map(|c| &*c.row);
        api.counters.of_rows(kind, rows, &snapshot).await
    } else {
        Vec::new()
    };
    let mut out = Vec::with_capacity(64 + found.len() * 512);
    out.push(b'{');
    json(&mut out, &kind.plural);
    out.extend_from_slice(b":[");
    for (nth, candidate) in found.into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        let shown = candidate
            .shown
            .unwrap_or_else(|| snapshot.show(&candidate.row));
        let counters = numbers.get(nth).and_then(Option::as_ref);
        let chosen = asked.unwrap_or(columns.all());
        columns.write(&mut out, chosen, &shown, counters, &snapshot);
    }
    out.extend_from_slice(b"]}");

    let mut headers = headers(snapshot.revision().0);
    headers.insert(X_TOTAL_COUNT, total.into());
    let answer = Answer {
        headers,
        body: out.into(),
    };
    if !live {
        api.answers.keep(snapshot.revision(), question, &answer);
    }
    Ok(respond(answer))
}

async fn show(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let snapshot = api.catalog.snapshot();
    let question = question(&request.uri);
    if let Some(answer) = api.answers.get(snapshot.revision(), question) {
        return Ok(respond(answer));
    }
    let columns = api.columns(target.kind)?;
    let mut params = Params::new(&request.uri);
    let chosen = fields(&mut params, columns);
    params.finish(&["_fields"])?;
    let chosen = chosen.as_deref().unwrap_or(columns.all());
    let shown = target.find(&snapshot).ok_or_else(|| target.missing())?;

    let live = columns.live_among(chosen);
    let counters = if live {
        let rows = std::iter::once(&*shown.row);
        api.counters
            .of_rows(target.kind, rows, &snapshot)
            .await
            .pop()
    } else {
        None
    };
    let body = object(
        columns,
        chosen,
        &shown,
        counters.flatten().as_ref(),
        &snapshot,
    );
    let mut headers = headers(snapshot.revision().0);
    headers.insert(ETAG, etag(shown.row.version));
    let answer = Answer { headers, body };
    if !live {
        api.answers.keep(snapshot.revision(), question, &answer);
    }
    Ok(respond(answer))
}

async fn write(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
    body: Body,
    mode: Mode,
) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(&request.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    let snapshot = api.catalog.snapshot();
    known_parent(&snapshot, target.kind, target.parent)?;
    let anywhere = snapshot.get(&target.kind.id, target.id);
    let current = target.find(&snapshot);
    if current.is_none() && (anywhere.is_some() || mode == Mode::Merge) {
        return Err(target.missing());
    }
    let version = current.map(|shown| shown.row.version);
    let if_match = Precondition::of(&request.headers)?.check(version)?;

    let body = body::read(&request.headers, body).await?;
    let mut body = body::unwrap(body, &target.kind.singular);
    let renamed = body.as_object_mut().and_then(|o| o.shift_remove("id"));
    let change = Write {
        target,
        mode,
        if_match,
        dry_run: dry_run || renamed.is_some(),
    };
    let done = change.run(api, body).await;
    if renamed.is_some() {
        return Err(id_in_body(done.err()));
    }
    let (shown, created) = done?;
    Ok(written(api, target.kind, &shown, created && !dry_run))
}

struct Write<'a> {
    target: &'a Target<'a>,
    mode: Mode,
    if_match: Option<u64>,
    dry_run: bool,
}

impl Write<'_> {
    /// The row, and whether it is new.
    async fn run(&self, api: &Api, body: Value) -> Result<(Shown, bool), crate::catalog::Error> {
        let (kind, id) = (&self.target.kind.id, self.target.id);
        match self.mode {
            Mode::Merge => {
                let (if_match, dry_run) = (self.if_match, self.dry_run);
                let shown = api
                    .catalog
                    .update(kind, id, body, Mode::Merge, if_match, dry_run)
                    .await?;
                Ok((shown, false))
            }
            Mode::Replace => {
                let options = WriteOptions {
                    dry_run: self.dry_run,
                    parent: self.target.parent.map(str::to_owned),
                };
                api.catalog
                    .upsert(kind, id, body, self.if_match, options)
                    .await
            }
        }
    }
}

/// The id stands in the URL and nowhere else; what else is wrong is told with it.
fn id_in_body(other: Option<crate::catalog::Error>) -> Problem {
    let mut violations = vec![Violation {
        pointer: "/id".into(),
        message: "the id stands in the URL and can't be changed: leave it out".into(),
    }];
    if let Some(crate::catalog::Error::Invalid(more)) = other {
        violations.extend(more);
    }
    Problem::violations(StatusCode::BAD_REQUEST, violations)
}

async fn delete(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(&request.uri);
    let mut options = DeleteOptions {
        cascade: params.flag("cascade"),
        force: params.flag("force"),
        dry_run: params.flag("dry_run"),
        if_match: None,
    };
    params.finish(&["cascade", "force", "dry_run"])?;
    let snapshot = api.catalog.snapshot();
    let shown = target.find(&snapshot).ok_or_else(|| target.missing())?;
    let precondition = Precondition::of(&request.headers)?;
    options.if_match = precondition.check(Some(shown.row.version))?;
    api.catalog
        .delete(&target.kind.id, target.id, options)
        .await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers(api.catalog.revision().0);
    response.headers_mut().remove(CONTENT_TYPE);
    Ok(response)
}

/// The answer to a write: the row as it is now.
fn written(api: &Api, kind: &Arc<Kind>, shown: &Shown, created: bool) -> Response<Body> {
    let Ok(columns) = api.columns(kind) else {
        return Response::new(Body::empty());
    };
    let snapshot = api.catalog.snapshot();
    let body = object(columns, columns.all(), shown, None, &snapshot);
    let mut headers = headers(shown.revision.0);
    headers.insert(ETAG, etag(shown.row.version));
    if created {
        let url = format!("{}/{}", kind.url(), shown.row.id);
        if let Ok(url) = HeaderValue::from_str(&url) {
            headers.insert(LOCATION, url);
        }
    }
    let mut response = respond(Answer { headers, body });
    if created {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}

/// `{singular: {..}}`.
pub(super) fn object(
    columns: &Columns,
    chosen: &[usize],
    shown: &Shown,
    counters: Option<&Counters>,
    snapshot: &Snapshot,
) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    json(&mut out, &columns.kind.singular);
    out.push(b':');
    columns.write(&mut out, chosen, shown, counters, snapshot);
    out.push(b'}');
    out.into()
}

/// What an answer is kept under.
fn question(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |whole| whole.as_str())
}

fn etag(version: u64) -> HeaderValue {
    // Digits and quotes: always a header value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Of every answer about rows: JSON, true at this revision, not to be kept.
fn headers(revision: u64) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REVISION, revision.into());
    headers
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.headers_mut() = answer.headers;
    response
}
