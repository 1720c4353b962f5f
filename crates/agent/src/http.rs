//! `/metrics`, `/healthz` and `/status`, for this machine only unless asked
//! otherwise.

use crate::agent::Questions;
use crate::status::Status;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// An agent that takes longer to answer is ill.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until the task is dropped.
///
/// # Errors
/// The system's.
pub async fn serve(listener: TcpListener, questions: Questions) -> std::io::Result<()> {
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(questions);
    // A page from elsewhere, under a name that leads here, shall not read it.
    if listener.local_addr()?.ip().is_loopback() {
        router = router.layer(from_fn(local_names_only));
    }
    axum::serve(listener, router).await
}

async fn local_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    let local = name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if local {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "this is asked for by its own name only\n",
        )
            .into_response()
    }
}

async fn ask(questions: &Questions) -> Result<Status, Response> {
    let answer = async {
        let (answer, answered) = oneshot::channel();
        questions.send(answer).await.ok()?;
        answered.await.ok()
    };
    let answered = tokio::time::timeout(PATIENCE, answer).await.ok().flatten();
    answered.ok_or_else(|| {
        let ill = (
            StatusCode::SERVICE_UNAVAILABLE,
            "the agent does not answer\n",
        );
        ill.into_response()
    })
}

/// The agent's loop runs.
async fn health(State(questions): State<Questions>) -> Response {
    match ask(&questions).await {
        Ok(_) => "ok\n".into_response(),
        Err(response) => response,
    }
}

async fn status(State(questions): State<Questions>) -> Response {
    match ask(&questions).await {
        Ok(status) => axum::Json(status).into_response(),
        Err(response) => response,
    }
}

async fn metrics(State(questions): State<Questions>) -> Response {
    let status = match ask(&questions).await {
        Ok(status) => status,
        Err(response) => return response,
    };
    let mut text = String::new();
    if encode(&mut text, &registry(&status)).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn registry(status: &Status) -> Registry {
    let mut registry = Registry::with_prefix("sdwan_fib");
    let routes = &status.routes;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    for (name, help, value) in [
        (
            "in_step",
            "The kernel has what BGP wants, and all of BGP is known",
            i64::from(status.in_step),
        ),
        (
            "gobgpd_connected",
            "gobgpd's routes are followed",
            i64::from(status.gobgpd.connected),
        ),
        (
            "holding",
            "Routes that gobgpd has not confirmed are kept",
            i64::from(status.hold.is_some()),
        ),
        (
            "routes_wanted",
            "Routes that BGP wants",
            number(routes.wanted),
        ),
        (
            "routes_installed",
            "Routes in the kernel",
            number(routes.installed),
        ),
        (
            "routes_stale",
            "Routes that gobgpd has not confirmed since it was connected to",
            number(routes.stale),
        ),
        (
            "routes_pending",
            "Routes not yet compared with the kernel",
            number(routes.pending),
        ),
        (
            "routes_announced",
            "Routes of the kernel that BGP is told of",
            number(status.announced.len()),
        ),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    let since = Gauge::<f64, AtomicU64>::default();
    since.set(status.seconds);
    registry.register(
        "in_step_seconds",
        "For how long in_step has been what it is",
        since,
    );
    let unresolved = Family::<[(&str, &str); 1], Gauge>::default();
    for (reason, count) in &routes.unresolved {
        unresolved
            .get_or_create(&[("reason", *reason)])
            .set(number(*count));
    }
    registry.register(
        "routes_unresolved",
        "Routes that can't be installed",
        unresolved,
    );
    let totals = &status.totals;
    for (name, help, value) in [
        (
            "connections",
            "Connections made to gobgpd",
            totals.connections,
        ),
        ("changes", "Routes made, changed or deleted", totals.changes),
        (
            "changes_refused",
            "Routes that the kernel refused",
            totals.refused,
        ),
        (
            "audits",
            "Full looks at the kernel's table after the first",
            totals.audits,
        ),
        (
            "overruns",
            "Times that events of the kernel's were lost",
            totals.overruns,
        ),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    registry
}
