//! What the server tells of itself: its kinds, its API, its version, its
//! health and its numbers.

use super::problem::Problem;
use super::routes::Endpoint;
use super::{Api, openapi};
use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use sdwan_model::policy::Access;
use sdwan_model::schema::Schemas;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Documents that never change while the server runs.
pub(super) struct Documents {
    schemas: Bytes,
    /// By the kind's id.
    schema: HashMap<String, Bytes>,
    version: Bytes,
    openapi: Bytes,
}

impl Documents {
    pub(super) fn new(schemas: &Schemas, access: &Access, asked: bool) -> Self {
        let all: Vec<&Value> = schemas.iter().map(|kind| &kind.source).collect();
        let one = |source: &Value| bytes(&json!({ "schema": source }));
        Self {
            schemas: bytes(&json!({ "schemas": all })),
            schema: schemas
                .iter()
                .map(|kind| (kind.id.clone(), one(&kind.source)))
                .collect(),
            version: bytes(&json!({ "app": "sdwan", "version": env!("CARGO_PKG_VERSION") })),
            openapi: bytes(&openapi::document(schemas, access, asked)),
        }
    }

    fn answer(&self, endpoint: &Endpoint, id: &str) -> Result<Response<Body>, Problem> {
        let document = match endpoint {
            Endpoint::Schemas => Some(&self.schemas),
            Endpoint::Schema => self.schema.get(id),
            Endpoint::Version => Some(&self.version),
            _ => Some(&self.openapi),
        };
        let missing = || Problem::not_found(&format!("schema {id}"));
        let document = document.ok_or_else(missing)?;
        Ok(respond("application/json", document.clone()))
    }
}

/// A document as the caller may know it.
pub(super) fn document(
    api: &Api,
    endpoint: &Endpoint,
    id: &str,
    access: &Access,
) -> Result<Response<Body>, Problem> {
    if access.is_everything() {
        return api.about.answer(endpoint, id);
    }
    let schemas = api.catalog.schemas().for_caller(access);
    Documents::new(&schemas, access, api.asked).answer(endpoint, id)
}

fn bytes(document: &Value) -> Bytes {
    document.to_string().into()
}

/// The process runs.
pub(super) fn healthz() -> Response<Body> {
    respond("application/json", "{\"status\":\"ok\"}")
}

/// The mirror has read the whole store before the API starts, so reads can be
/// served until it shuts down, when nothing new should come. A store that does
/// not answer is no reason to send readers elsewhere: they are told.
pub(super) fn readyz(api: &Api) -> Result<Response<Body>, Problem> {
    if api.shutdown.is_cancelled() {
        let message = "the server is shutting down";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message));
    }
    let document = match api.catalog.stale() {
        None => json!({ "status": "ready" }),
        Some(age) => json!({
            "status": "stale",
            "age": age.as_secs(),
            "detail": "the store does not answer: what is read is so many seconds old, \
                       and nothing can be written",
        }),
    };
    Ok(respond("application/json", document.to_string()))
}

/// Prometheus' text.
pub(super) async fn metrics(api: &Api) -> Result<Response<Body>, Problem> {
    let recorded = api.audit.stats();
    let text = api.metrics.scrape(&api.catalog, &api.counters, recorded);
    let text = text.await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(respond(kind, text))
}

fn respond(kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let value = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}
