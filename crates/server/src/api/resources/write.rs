//! Changing rows.

use super::{Target, etag, headers, known_parent, object, respond};
use crate::api::precondition::Precondition;
use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::api::{Api, body};
use crate::catalog::{DeleteOptions, Mode, Point, Shown, WriteOptions};
use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use sdwan_model::schema::Kind;
use std::sync::Arc;

/// `POST`.
pub(super) async fn create(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    parent: Option<String>,
    request: &Parts,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(&request.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    known_parent(&api.catalog.snapshot(), kind, parent.as_deref())?;
    let body = body::read(&request.headers, body).await?;
    let body = body::unwrap(body, &kind.singular);
    let options = WriteOptions { dry_run, parent };
    let shown = api.catalog.create(&kind.id, body, options).await?;
    Ok(written(api, kind, &shown, !dry_run))
}

/// `PUT` and `PATCH`.
pub(super) async fn change(
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
    let body = body::unwrap(body, &target.kind.singular);
    let (catalog, kind, id) = (&api.catalog, &target.kind.id, target.id);
    let (shown, created) = match mode {
        Mode::Merge => {
            let update = catalog.update(kind, id, body, mode, if_match, dry_run);
            (update.await?, false)
        }
        Mode::Replace => {
            let parent = target.parent.map(str::to_owned);
            let options = WriteOptions { dry_run, parent };
            catalog.upsert(kind, id, body, if_match, options).await?
        }
    };
    Ok(written(api, target.kind, &shown, created && !dry_run))
}

/// `DELETE`.
pub(super) async fn delete(
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
    *response.headers_mut() = headers(api.catalog.snapshot().point());
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
    let mut headers = headers(Point {
        revision: shown.revision,
        ..snapshot.point()
    });
    headers.insert(ETAG, etag(shown.row.version));
    if created {
        let url = format!("{}/{}", kind.url(), shown.row.id);
        if let Ok(url) = HeaderValue::from_str(&url) {
            headers.insert(LOCATION, url);
        }
    }
    let mut response = respond(headers, body);
    if created {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}
