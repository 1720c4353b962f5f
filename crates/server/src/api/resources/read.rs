//! Showing rows.

use super::{Target, below, etag, headers, known_parent, object, respond};
use crate::api::accesses::refused;
use crate::api::columns::{Columns, json};
use crate::api::problem::Problem;
use crate::api::query::{ListQuery, Params, fields};
use crate::api::select::{Candidate, page};
use crate::api::{Api, X_TOTAL_COUNT, fresh, watch};
use crate::catalog::{Shown, Snapshot};
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::header::ETAG;
use http::request::Parts;
use sdwan_model::policy::Access;
use sdwan_model::schema::Kind;
use std::sync::Arc;

/// Bytes of a usual row's text.
const ROW: usize = 640;

/// `GET` of many.
pub(super) async fn list(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    parent: Option<String>,
    access: &Arc<Access>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let columns = api.columns(kind)?;
    let right = access.list(kind);
    if right.is_nothing() {
        return Err(refused("read", &kind.plural));
    }
    let query = ListQuery::parse(&request.uri, columns, &right.widest())?;
    fresh::reach(api, query.least, fresh::MIN_REVISION).await?;
    let snapshot = api.catalog.snapshot();
    known_parent(api, &snapshot, kind, parent.as_deref(), access)?;
    if query.watch {
        return watch::start(api, kind, parent, query, access, request).await;
    }

    if right.is_everything() && parent.is_none() && query.is_plain() && columns.is_steady() {
        let render = |shown: &Shown| columns.text(shown, &snapshot);
        let (rows, total) = snapshot.page(&kind.id, query.range(), render);
        let body = array(columns, rows.iter().map(|text| &**text));
        return Ok(listed(&snapshot, total, body));
    }

    let rows = snapshot
        .rows(&kind.id)
        .filter(|row| below(kind, parent.as_deref(), row))
        .filter_map(|row| Some((row, right.fields(row)?)));
    let (found, total) = page(rows, columns, &query, |row| snapshot.show(row));
    let chosen = query.fields.as_deref();
    let live = chosen.is_some_and(|chosen| columns.live_among(chosen));
    let numbers = if live {
        let rows = found.iter().map(|c| &*c.row);
        api.counters.of_rows(rows, &snapshot).await
    } else {
        Vec::new()
    };

    let chosen = chosen.unwrap_or(columns.all());
    let texts = found
        .into_iter()
        .enumerate()
        .map(|(nth, Candidate { row, shown, fields })| {
            let chosen = columns.only(chosen, &fields);
            let shown = shown.unwrap_or_else(|| snapshot.show(&row));
            let counters = numbers.get(nth).and_then(Option::as_ref);
            let mut text = Vec::with_capacity(ROW);
            columns.write(&mut text, &chosen, &shown, counters, &snapshot, access);
            text
        });
    let texts: Vec<Vec<u8>> = texts.collect();
    let body = array(columns, texts.iter().map(Vec::as_slice));
    Ok(listed(&snapshot, total, body))
}

fn listed(snapshot: &Snapshot, total: usize, body: Bytes) -> Response<Body> {
    let mut headers = headers(snapshot.point());
    headers.insert(X_TOTAL_COUNT, total.into());
    respond(headers, body)
}

/// `{plural: [{..}, ..]}`.
fn array<'a>(columns: &Columns, rows: impl ExactSizeIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = Vec::with_capacity(64 + rows.len() * ROW);
    out.push(b'{');
    json(&mut out, &columns.kind.plural);
    out.extend_from_slice(b":[");
    for (nth, row) in rows.enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.extend_from_slice(row);
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// `GET` of one.
pub(super) async fn show(
    api: &Arc<Api>,
    target: &Target<'_>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let columns = api.columns(target.kind)?;
    let mut params = Params::new(&request.uri);
    let seen = target.access.fields("read", target.kind);
    let chosen = fields(&mut params, columns, &seen);
    let least = fresh::asked(&mut params);
    params.finish(&["_fields", fresh::MIN_REVISION])?;
    fresh::reach(api, least, fresh::MIN_REVISION).await?;
    let snapshot = api.catalog.snapshot();
    let chosen = chosen.as_deref().unwrap_or(columns.all());
    let found = target.find(&snapshot);
    let (shown, fields) = found.ok_or_else(|| target.missing())?;
    let chosen = &*columns.only(chosen, &fields);

    let live = columns.live_among(chosen);
    let counters = if live {
        let rows = std::iter::once(&*shown.row);
        api.counters.of_rows(rows, &snapshot).await.pop()
    } else {
        None
    };
    let body = object(
        columns,
        chosen,
        &shown,
        counters.flatten().as_ref(),
        &snapshot,
        target.access,
    );
    let mut headers = headers(snapshot.point());
    headers.insert(ETAG, etag(shown.row.version));
    Ok(respond(headers, body))
}
