//! Showing rows.

use super::{Target, below, etag, headers, known_parent, object, question, respond};
use crate::api::answers::Answer;
use crate::api::columns::{Columns, json};
use crate::api::problem::Problem;
use crate::api::query::{ListQuery, Params, fields};
use crate::api::select::{Candidate, page};
use crate::api::{Api, X_TOTAL_COUNT, watch};
use crate::catalog::Snapshot;
use crate::speaker::Counters;
use axum::body::Body;
use http::Response;
use http::header::ETAG;
use http::request::Parts;
use sdwan_model::schema::Kind;
use std::sync::Arc;

/// `GET` of many.
pub(super) async fn list(
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

    let rows = snapshot
        .rows(&kind.id)
        .filter(|row| below(kind, parent.as_deref(), row));
    let (found, total) = page(rows, columns, &query, |row| snapshot.show(row));
    let chosen = query.fields.as_deref();
    let live = chosen.is_some_and(|chosen| columns.live_among(chosen));
    let numbers = if live {
        let rows = found.iter().map(|c| &*c.row);
        api.counters.of_rows(kind, rows, &snapshot).await
    } else {
        Vec::new()
    };

    let mut headers = headers(snapshot.revision().0);
    headers.insert(X_TOTAL_COUNT, total.into());
    let chosen = chosen.unwrap_or(columns.all());
    let body = array(columns, chosen, found, &numbers, &snapshot).into();
    let answer = Answer { headers, body };
    if !live {
        api.answers.keep(snapshot.revision(), question, &answer);
    }
    Ok(respond(answer))
}

/// `{plural: [{..}, ..]}`.
fn array(
    columns: &Columns,
    chosen: &[usize],
    found: Vec<Candidate>,
    numbers: &[Option<Counters>],
    snapshot: &Snapshot,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + found.len() * 512);
    out.push(b'{');
    json(&mut out, &columns.kind.plural);
    out.extend_from_slice(b":[");
    for (nth, candidate) in found.into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        let Candidate { row, shown } = candidate;
        let shown = shown.unwrap_or_else(|| snapshot.show(&row));
        let counters = numbers.get(nth).and_then(Option::as_ref);
        columns.write(&mut out, chosen, &shown, counters, snapshot);
    }
    out.extend_from_slice(b"]}");
    out
}

/// `GET` of one.
pub(super) async fn show(
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
