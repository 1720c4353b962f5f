//! `?watch=true`: a list that stays true, as server-sent events.
//!
//! First every row (`put`), then `listed`, then each change. The events of one
//! revision carry its number on the last of them only, so that whoever resumes
//! with `Last-Event-ID` gets no half of a revision. While nothing of interest
//! happens, `bookmark` events move that number on.

use super::columns::{Columns, json};
use super::problem::Problem;
use super::query::ListQuery;
use super::quota::Watching;
use super::resources::{below, object};
use super::select::{Candidate, page};
use super::sender::Sender;
use super::{Api, LAST_EVENT_ID, fresh};
use crate::auth::Parted;
use crate::catalog::{Changes, Point, Shown, Snapshot, What};
use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use sdwan_model::policy::{Access, Fields, Right};
use sdwan_model::schema::Kind;
use sdwan_store::Error;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Starts a watch, from now or from where an earlier one ended.
///
/// # Errors
/// 400 where paging is asked for, 410 where the place to resume from is
/// forgotten or of another store, or the caller does not see every row, 504 where this server does not get there.
pub(super) async fn start(
    api: &Arc<Api>,
    kind: &Arc<Kind>,
    parent: Option<String>,
    query: ListQuery,
    access: &Arc<Access>,
    request: &Parts,
) -> Result<Response<Body>, Problem> {
    let sender = request.extensions.get::<Sender>();
    let place = api.quotas.watch(sender)?;
    if query.limit.is_some() || query.offset > 0 || query.sort_key.is_some() {
        let message = "a watch has no pages and no order: leave out limit, offset and sort_key";
        return Err(Problem::bad_request(message));
    }
    let resumed = last_event_id(&request.headers)?;
    if resumed.is_some() && !access.list(kind).is_everything() {
        return Err(unknown_rows());
    }
    fresh::reach(api, resumed, "Last-Event-ID").await?;
    let snapshot = api.catalog.snapshot();
    let Point { epoch, revision } = snapshot.point();
    let after = resumed.map_or(revision, |point| point.revision);
    let mut changes = api.catalog.changes(after);
    let mut first = None;
    if let Some(ready) = changes.next().now_or_never() {
        match ready {
            Some(Err(Error::Compacted { .. })) => return Err(compacted()),
            other => first = other,
        }
    }
    let changes = stream::iter(first).chain(changes).boxed();

    let period = api.limits.heartbeat;
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch {
        api: Arc::clone(api),
        kind: Arc::clone(kind),
        parent,
        query,
        access: Arc::clone(access),
        changes: Some(changes),
        ready: VecDeque::new(),
        at: Point {
            epoch,
            revision: after,
        },
        seen: None,
        ticks,
        _place: place,
    };
    if resumed.is_none() {
        watch.list(&snapshot)?;
    }
    let end = Box::pin(departure(
        Arc::clone(api),
        sender.cloned(),
        request.headers.clone(),
    ));
    let events = stream::unfold(Some((watch, end)), |state| async {
        let (mut watch, mut end) = state?;
        tokio::select! {
            // First of all: what is ready may not be his to see any more.
            biased;
            last = &mut end => last.map(|event| (Ok::<_, Infallible>(event), None)),
            event = watch.next() => event.map(|event| (Ok(event), Some((watch, end)))),
        }
    });
    let mut response = Sse::new(events).into_response();
    // Proxies such as nginx collect answers unless told not to.
    response
        .headers_mut()
        .insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

/// When the watch has to end whatever happens, and what is said then.
async fn departure(api: Arc<Api>, sender: Option<Sender>, headers: HeaderMap) -> Option<Event> {
    let parted = async {
        match &sender {
            Some(sender) => {
                let period = api.limits.heartbeat;
                api.auth.parted(&sender.caller, &headers, period).await
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = api.shutdown.cancelled() => None,
        parted = parted => Some(end(&match parted {
            Parted::Denied(denied) => denied.into(),
            Parted::Changed => judged_anew(),
        })),
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Point>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let point = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || Problem::bad_request("Last-Event-ID is none of a watch's event ids");
    point.map(Some).ok_or_else(wrong)
}

fn compacted() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "what happened since Last-Event-ID is no longer kept: watch again without it, \
         and take the list that comes first",
    )
}

/// Who does not see every row could be told only by heart which of those that
/// went were his to see.
fn unknown_rows() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "who may not see every row can't resume: watch again without Last-Event-ID, \
         and take the list that comes first",
    )
}

/// What was told was judged by other roles; so there is nothing to go on from.
fn judged_anew() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "what you may see has changed: watch again without Last-Event-ID, \
         and take the list that comes first",
    )
}

struct Watch {
    api: Arc<Api>,
    kind: Arc<Kind>,
    parent: Option<String>,
    query: ListQuery,
    access: Arc<Access>,
    /// `None` after the last event.
    changes: Option<BoxStream<'static, Result<Arc<Changes>, Error>>>,
    ready: VecDeque<Event>,
    /// Everything up to here was told.
    at: Point,
    /// The rows that the reader has; unknown after resuming.
    seen: Option<BTreeSet<String>>,
    ticks: Interval,
    /// One of those that its caller may have.
    _place: Option<Watching>,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let changes = self.changes.as_mut()?;
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(changes)) => self.tell(&changes),
                    Some(Err(error)) => {
                        self.changes = None;
                        return Some(failure(&error));
                    }
                    None => return None,
                },
                _ = self.ticks.tick() => return Some(self.bookmark()),
            }
        }
    }

    fn columns(&self) -> Result<&Columns, Problem> {
        self.api.columns(&self.kind)
    }

    /// Every row there is, then `listed`.
    fn list(&mut self, snapshot: &Snapshot) -> Result<(), Problem> {
        let columns = self.columns()?;
        let parent = self.parent.as_deref();
        let right = self.access.list(&self.kind);
        let rows = snapshot
            .rows(&self.kind.id)
            .filter(|row| below(&self.kind, parent, row))
            .filter_map(|row| Some((row, right.fields(row)?)));
        let (found, _) = page(rows, columns, &self.query, |row| snapshot.show(row));
        let mut seen = BTreeSet::new();
        let mut events = VecDeque::with_capacity(found.len() + 1);
        for Candidate { row, shown, fields } in found {
            let shown = shown.unwrap_or_else(|| snapshot.show(&row));
            events.push_back(self.put(columns, &shown, &fields, snapshot));
            seen.insert(shown.row.id.clone());
        }
        events.push_back(last(Event::default().event("listed").data("{}"), self.at));
        self.ready = events;
        self.seen = Some(seen);
        Ok(())
    }

    /// One revision's events of this kind, the last of them with its number.
    fn tell(&mut self, changes: &Changes) {
        self.at.revision = changes.revision;
        let Ok(columns) = self.api.columns(&self.kind) else {
            return;
        };
        // For joined rows; the row itself is as it was at this revision.
        let snapshot = self.api.catalog.snapshot();
        if snapshot.point().epoch != self.at.epoch {
            self.changes = None;
            let message = "the store was restored: watch again, without Last-Event-ID";
            let problem = Problem::new(StatusCode::GONE, message);
            self.ready.push_back(end(&problem));
            return;
        }
        let mut events = Vec::new();
        let access = Arc::clone(&self.access);
        let right = access.list(&self.kind);
        for event in &changes.events {
            if event.resource.kind != self.kind.id {
                continue;
            }
            let id = &event.resource.id;
            let shown = match &event.what {
                What::Put(shown) => self
                    .wants(columns, &right, shown)
                    .map(|fields| (shown, fields)),
                What::Deleted => None,
            };
            if let Some((shown, fields)) = shown {
                if let Some(seen) = &mut self.seen {
                    seen.insert(id.clone());
                }
                events.push(self.put(columns, shown, &fields, &snapshot));
            } else if self.seen.as_mut().is_none_or(|seen| seen.remove(id)) {
                events.push(self.delete(id));
            }
        }
        if let Some(end) = events.pop() {
            events.push(last(end, self.at));
        }
        self.ready.extend(events);
    }

    /// What the reader sees of a row that he asked for.
    fn wants<'f>(
        &self,
        columns: &Columns,
        right: &'f Right<'_>,
        shown: &Shown,
    ) -> Option<Cow<'f, Fields>> {
        let candidate = Candidate {
            row: Arc::clone(&shown.row),
            shown: Some(shown.clone()),
            fields: right.fields(&shown.row)?,
        };
        let wanted = below(&self.kind, self.parent.as_deref(), &shown.row)
            && candidate.passes(columns, &self.query);
        wanted.then_some(candidate.fields)
    }

    fn put(&self, columns: &Columns, shown: &Shown, fields: &Fields, snapshot: &Snapshot) -> Event {
        let chosen = self.query.fields.as_deref().unwrap_or(columns.all());
        let chosen = columns.only(chosen, fields);
        let data = object(columns, &chosen, shown, None, snapshot, &self.access);
        event("put", data)
    }

    fn delete(&self, id: &str) -> Event {
        let mut data = Vec::new();
        json(
            &mut data,
            &serde_json::json!({ self.kind.singular.as_str(): { "id": id } }),
        );
        event("delete", data.into())
    }

    /// A sign of life that says how far the reader is.
    fn bookmark(&mut self) -> Event {
        last(Event::default().event("bookmark").data("{}"), self.at)
    }
}

fn event(name: &str, data: Bytes) -> Event {
    // JSON from serde is UTF-8 and one line.
    let text = String::from_utf8_lossy(&data);
    Event::default().event(name).data(text)
}

fn last(event: Event, at: Point) -> Event {
    event.id(at.to_string())
}

/// The end of a watch that can't go on.
fn failure(error: &Error) -> Event {
    let problem = match error {
        Error::Compacted { .. } => compacted(),
        _ => {
            tracing::warn!(%error, "a watch ends");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not answer: watch again",
            )
        }
    };
    end(&problem)
}

fn end(problem: &Problem) -> Event {
    event("error", problem.document().into())
}
