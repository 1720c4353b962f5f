//! Changing rows.

use super::{Target, etag, headers, known_parent, object, respond};
use crate::api::accesses::refused;
use crate::api::precondition::Precondition;
use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::api::{Api, body};
use crate::catalog::{Change, DeleteOptions, Mode, Point, Shown};
use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use sdwan_model::policy::{Access, Fields};
use sdwan_model::schema::Kind;
use std::sync::Arc;

/// `POST`.
pub(super) async fn create(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    parent: Option<String>,
    access: &Access,
    request: &Parts,
    body: Body,
) -> Result<Response<Body>, Problem> {
    if access.create(kind).is_nothing() {
        return Err(refused("create", &kind.plural));
    }
    let mut params = Params::new(&request.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    known_parent(
        api,
        &api.catalog.snapshot(),
        kind,
        parent.as_deref(),
        access,
    )?;
    let body = body::read(&api.limits, &request.headers, body).await?;
    let body = body::unwrap(body, &kind.singular);
    let change = Change::Create {
        kind: kind.id.clone(),
        body,
        parent,
    };
    let (shown, _) = api.catalog.write_as(access, change, dry_run).await?;
    Ok(written(api, kind, access, &shown, !dry_run))
}

/// `PUT` and `PATCH`.
pub(super) async fn change(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
    body: Body,
    mode: Mode,
) -> Result<Response<Body>, Problem> {
    let snapshot = api.catalog.snapshot();
    known_parent(api, &snapshot, target.kind, target.parent, target.access)?;
    let anywhere = snapshot.get(&target.kind.id, target.id);
    let current = target.find(&snapshot);
    let may_create = || !target.access.create(target.kind).is_nothing();
    let merges = mode == Mode::Merge;
    if current.is_none() && (anywhere.is_some() || merges || !may_create()) {
        return Err(target.missing());
    }
    if let Some((shown, _)) = &current {
        let right = target.access.on("update", target.kind, target.id);
        if right.fields(&shown.row).is_none() {
            return Err(refused("update", &shown.row.reference().to_string()));
        }
    }
    let mut params = Params::new(&request.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    let version = current.map(|(shown, _)| shown.row.version);
    let if_match = Precondition::of(&request.headers)?.check(version)?;

    let body = body::read(&api.limits, &request.headers, body).await?;
    let body = body::unwrap(body, &target.kind.singular);
    let (kind, id) = (target.kind.id.clone(), target.id.to_owned());
    let change = match mode {
        Mode::Merge => Change::Update {
            kind,
            id,
            patch: body,
            mode,
            if_match,
        },
        Mode::Replace => Change::Upsert {
            kind,
            id,
            body,
            parent: target.parent.map(str::to_owned),
            if_match,
        },
    };
    let write = api.catalog.write_as(target.access, change, dry_run);
    let (shown, created) = write.await?;
    let created = created && !dry_run;
    Ok(written(api, target.kind, target.access, &shown, created))
}

/// `DELETE`.
pub(super) async fn delete(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let snapshot = api.catalog.snapshot();
    let found = target.find(&snapshot);
    let (shown, _) = found.ok_or_else(|| target.missing())?;
    let right = target.access.on("delete", target.kind, target.id);
    if right.fields(&shown.row).is_none() {
        let message = format!("no policy lets you delete {}", shown.row.reference());
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    let mut params = Params::new(&request.uri);
    let mut options = DeleteOptions {
        cascade: params.flag("cascade"),
        force: params.flag("force"),
        dry_run: params.flag("dry_run"),
        if_match: None,
    };
    params.finish(&["cascade", "force", "dry_run"])?;
    let precondition = Precondition::of(&request.headers)?;
    options.if_match = precondition.check(Some(shown.row.version))?;
    api.catalog
        .delete_as(target.access, &target.kind.id, target.id, options)
        .await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers(api.catalog.snapshot().point());
    response.headers_mut().remove(CONTENT_TYPE);
    Ok(response)
}

/// The answer to a write: the row as it is now.
fn written(
    api: &Api,
    kind: &Arc<Kind>,
    access: &Access,
    shown: &Shown,
    created: bool,
) -> Response<Body> {
    let Ok(columns) = api.columns(kind) else {
        return Response::new(Body::empty());
    };
    let snapshot = api.catalog.snapshot();
    // Who may write and not read is told what he has to name it by.
    let fields = access.sees(kind, &shown.row).unwrap_or(Fields::none());
    let chosen = columns.only(columns.all(), &fields);
    let body = object(columns, &chosen, shown, None, &snapshot, access);
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
