//! Rows of any kind: list, show, create, replace, change, delete.

mod read;
mod write;

use super::Api;
use super::X_REVISION;
use super::accesses::refused;
use super::columns::{Columns, json};
use super::problem::Problem;
use super::routes::{Endpoint, Matched};
use crate::catalog::{Mode, Point, Shown, Snapshot};
use crate::speaker::Counters;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use sdwan_model::policy::{Access, Fields};
use sdwan_model::resource::Row;
use sdwan_model::schema::Kind;
use std::sync::Arc;

/// `GET` and `POST` of `PREFIX/PLURAL`, also below a parent.
pub(super) async fn collection(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    found: &Matched<'_>,
    method: &Method,
    access: &Arc<Access>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let parent = match found.endpoint {
        Endpoint::NestedCollection(_) => Some(found.parent().to_owned()),
        _ => None,
    };
    let (parts, body) = request.into_parts();
    if *method == Method::GET {
        return read::list(api, kind, parent, access, &parts).await;
    }
    write::create(api, kind, parent, access, &parts, body).await
}

/// `GET`, `PUT`, `PATCH` and `DELETE` of one row, also below a parent.
pub(super) async fn item(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    found: &Matched<'_>,
    method: &Method,
    access: &Arc<Access>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let target = Target {
        kind,
        access,
        id: found.id(),
        parent: match found.endpoint {
            Endpoint::NestedItem(_) => Some(found.parent()),
            _ => None,
        },
    };
    let (parts, body) = request.into_parts();
    match *method {
        Method::GET => read::show(api, &target, &parts).await,
        Method::DELETE => write::delete(api, &target, &parts).await,
        Method::PUT => write::change(api, &target, &parts, body, Mode::Replace).await,
        _ => write::change(api, &target, &parts, body, Mode::Merge).await,
    }
}

/// `POST` and the like of a declared action, which nothing carries out: who
/// may not have it carried out is told that.
pub(super) fn act(
    api: &Api,
    kind: &Arc<Kind>,
    found: &Matched<'_>,
    action: &str,
    access: &Access,
) -> Result<Response<Body>, Problem> {
    let allowed = match found.id() {
        "" => !access.on_all(action, kind).is_nothing(),
        id => {
            let row = api.catalog.get(&kind.id, id);
            let seen = row.filter(|shown| access.sees(kind, &shown.row).is_some());
            let missing = || Problem::not_found(&format!("{} {id}", kind.id));
            let shown = seen.ok_or_else(missing)?;
            access.on(action, kind, id).fields(&shown.row).is_some()
        }
    };
    if !allowed {
        return Err(refused(action, &kind.plural));
    }
    let message = format!(
        "{} declares this action, but nothing carries it out",
        kind.id
    );
    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, message))
}

/// The row that a URL names, and for whom.
struct Target<'a> {
    kind: &'a Arc<Kind>,
    access: &'a Access,
    id: &'a str,
    parent: Option<&'a str>,
}

impl Target<'_> {
    /// The row, if it is there for the caller and below the parent of the URL.
    fn find(&self, snapshot: &Snapshot) -> Option<(Shown, Fields)> {
        let shown = snapshot.get(&self.kind.id, self.id)?;
        let fields = self.access.sees(self.kind, &shown.row)?;
        below(self.kind, self.parent, &shown.row).then_some((shown, fields))
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
/// 404 where a nested URL names a parent that is not there for the caller.
fn known_parent(
    api: &Api,
    snapshot: &Snapshot,
    kind: &Kind,
    parent: Option<&str>,
    access: &Access,
) -> Result<(), Problem> {
    let (Some(id), Some(of)) = (parent, &kind.parent) else {
        return Ok(());
    };
    let of_kind = api.catalog.schemas().get(of);
    let row = of_kind.zip(snapshot.get(of, id));
    match row.and_then(|(kind, shown)| access.sees(kind, &shown.row)) {
        Some(_) => Ok(()),
        None => Err(Problem::not_found(&format!("{of} {id}"))),
    }
}

/// `{singular: {..}}`.
pub(super) fn object(
    columns: &Columns,
    chosen: &[usize],
    shown: &Shown,
    counters: Option<&Counters>,
    snapshot: &Snapshot,
    access: &Access,
) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    json(&mut out, &columns.kind.singular);
    out.push(b':');
    columns.write(&mut out, chosen, shown, counters, snapshot, access);
    out.push(b'}');
    out.into()
}

fn etag(version: u64) -> HeaderValue {
    // Digits and quotes: always a header value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Of every answer about rows: JSON, true at this revision, not to be kept.
pub(super) fn headers(at: Point) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REVISION, revision(at));
    headers
}

pub(super) fn revision(at: Point) -> HeaderValue {
    // Digits and a hyphen: always a header value.
    HeaderValue::from_str(&at.to_string()).unwrap_or(HeaderValue::from_static("0"))
}

pub(super) fn respond(headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    response
}
