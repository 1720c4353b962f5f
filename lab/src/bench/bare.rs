//! The floor that the API is held against: the same bytes from a handler
//! that knows nothing, and for a create the same transaction in the same store.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::routing::{get, post, put};
use sdwan_store::sqlite::Sqlite;
use sdwan_store::{Commit, Condition, Op, Store};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use uuid::Uuid;

struct Floor {
    store: Sqlite,
    bodies: RwLock<HashMap<String, Bytes>>,
}

/// Serves until the process ends: `PUT /bodies/NAME` stores bytes, `GET
/// /bodies/NAME` returns them, `POST /create` parses its body and commits.
///
/// # Errors
/// When it can't listen or open its database.
pub async fn serve(address: SocketAddr, database: &std::path::Path) -> Result<()> {
    let store = Sqlite::open(database, sdwan_store::sqlite::Options::default()).await?;
    let floor = Arc::new(Floor {
        store,
        bodies: RwLock::default(),
    });
    let routes = Router::new()
        .route("/bodies/{name}", put(keep))
        .route("/bodies/{name}", get(give))
        .route("/create", post(create))
        .with_state(floor);
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, routes).await?)
}

type Answer = (StatusCode, [(header::HeaderName, &'static str); 1], Bytes);

fn json(status: StatusCode, body: Bytes) -> Answer {
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

async fn keep(
    State(floor): State<Arc<Floor>>,
    Path(name): Path<String>,
    body: Bytes,
) -> StatusCode {
    match floor.bodies.write() {
        Ok(mut bodies) => {
            bodies.insert(name, body);
            StatusCode::NO_CONTENT
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn give(State(floor): State<Arc<Floor>>, Path(name): Path<String>) -> Answer {
    match floor
        .bodies
        .read()
        .ok()
        .and_then(|bodies| bodies.get(&name).cloned())
    {
        Some(body) => json(StatusCode::OK, body),
        None => json(StatusCode::NOT_FOUND, Bytes::new()),
    }
}

/// As many keys of the same size as a neighbor has: its row, its unique
/// value, its reference, and the same condition on them.
async fn create(State(floor): State<Arc<Floor>>, body: Bytes) -> Answer {
    let Ok(row) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return json(StatusCode::BAD_REQUEST, Bytes::new());
    };
    let id = Uuid::new_v4();
    let value = serde_json::json!({"body": row.to_string(), "version": 1}).to_string();
    let unique = format!(
        "/index/unique/neighbors/address/{}",
        row["neighbor_addr"].as_str().unwrap_or_default()
    );
    let commit = Commit {
        id,
        when: vec![Condition::Absent(unique.clone())],
        then: vec![
            Op::put(format!("/config/v2.0/neighbors/{id}"), value.clone()),
            Op::put(unique, id.to_string()),
            Op::put(format!("/index/reference/routers/{id}/neighbors/{id}"), ""),
        ],
    };
    match floor.store.commit(commit).await {
        Ok(_) => json(StatusCode::CREATED, Bytes::from(value)),
        Err(_) => json(StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
    }
}
