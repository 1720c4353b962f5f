//! Numbers for Prometheus, at `/metrics`.
//!
//! BGP's keep GoBGP's own names (`bgp_peer_state`, `bgp_routes_received`, ..)
//! with a `router` label beside `peer`, so that a dashboard for one gobgpd
//! shows all of them; ours start with `sdwan_`. What is true now (sessions,
//! rows by status) is read when somebody asks; what only adds up is counted.

mod audit;
mod cluster;
mod fib;
mod sessions;

use crate::api::CounterCache;
use crate::auth::Authenticator;
use crate::catalog::{Catalog, Snapshot};
use crate::listen::{self, Tls};
use crate::reconcile::Supervisor;
use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sdwan_store::{Stats, Store};
use std::sync::Arc;
use std::time::Duration;

/// The server's own counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    store: Option<Arc<dyn Store>>,
    tls: Option<Arc<Tls>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    kind: String,
    status: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("sdwan_build", "What runs", Info::new(version));
        registry.register("sdwan_http_requests", "Answered requests", requests.clone());
        registry.register(
            "sdwan_http_request_duration_seconds",
            "From a request's head to its answer's",
            durations.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            store: None,
            tls: None,
        }
    }
}

/// Buckets for what takes milliseconds when all is well.
pub(crate) fn histogram() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
    ])
}

impl Metrics {
    /// Also shows what the store and the reconciler count, and when the
    /// certificate ends.
    pub fn new(
        store: Arc<dyn Store>,
        supervisor: &Supervisor,
        tls: Option<Arc<Tls>>,
        connections: &listen::Counts,
    ) -> Self {
        let mut metrics = Self::default();
        metrics.registry.register(
            "sdwan_pass_duration_seconds",
            "Passes over a router that saw it, from the look to the report",
            supervisor.passes(),
        );
        metrics.store = Some(store);
        metrics.tls = tls;
        metrics.registry.register(
            "sdwan_http_connections",
            "Connections that are open",
            connections.open.clone(),
        );
        metrics.registry.register(
            "sdwan_http_connections_refused",
            "Connections that a network was not allowed to have",
            connections.refused.clone(),
        );
        metrics
    }

    /// Also shows what comes of asking callers who they are.
    #[must_use]
    pub fn with_auth(mut self, auth: &Authenticator) -> Self {
        auth.register(&mut self.registry);
        self
    }

    /// Counts an answered request. `route` is one of few, never a path.
    pub(crate) fn http(
        &self,
        method: &Method,
        route: &Arc<str>,
        status: StatusCode,
        took: Duration,
    ) {
        let labels = Request {
            method: known(method),
            route: Arc::clone(route),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        let seconds = took.as_secs_f64();
        let route = Route {
            route: Arc::clone(route),
        };
        self.durations.get_or_create(&route).observe(seconds);
    }

    /// The text of one scrape. Routers that don't answer within a moment show
    /// their sessions' last known state and no counters.
    pub(crate) async fn scrape(
        &self,
        catalog: &Catalog,
        counters: &CounterCache,
        recorded: Option<crate::audit::Stats>,
    ) -> String {
        let snapshot = catalog.snapshot();
        let mut now = Registry::default();
        rows(&mut now, catalog, &snapshot);
        if let Some(store) = &self.store {
            writes(&mut now, store.stats());
        }
        if let Some(tls) = &self.tls {
            let expires: Gauge = Gauge::default();
            expires.set(tls.expires());
            now.register(
                "sdwan_tls_certificate_expires_timestamp_seconds",
                "When the API's certificate ends",
                expires,
            );
        }
        cluster::collect(&mut now, catalog, &snapshot);
        fib::collect(&mut now, &snapshot);
        audit::collect(&mut now, recorded);
        sessions::collect(&mut now, catalog, &snapshot, counters).await;
        let mut text = String::new();
        // Into a String: neither can fail.
        let _ = encode(&mut text, &self.registry);
        text.truncate(text.len() - END.len());
        let _ = encode(&mut text, &now);
        text
    }
}

/// What closes an exposition; one text must have one.
const END: &str = "# EOF\n";

/// A method that a client made up is no label of its own.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Commits and syncs: their ratio is how well writers share the disk.
fn writes(registry: &mut Registry, stats: Stats) {
    let counted = [
        (
            "sdwan_store_commits",
            "Commits that made a revision",
            stats.commits,
        ),
        (
            "sdwan_store_fsyncs",
            "Syncs that made them durable",
            stats.fsyncs,
        ),
        (
            "sdwan_store_conflicts",
            "Commits whose conditions did not hold",
            stats.conflicts,
        ),
    ];
    for (name, help, count) in counted {
        registry.register(name, help, ConstCounter::new(count));
    }
}

fn rows(registry: &mut Registry, catalog: &Catalog, snapshot: &Snapshot) {
    let resources: Family<Rows, Gauge> = Family::default();
    for kind in catalog.schemas().iter() {
        for row in snapshot.rows(&kind.id) {
            let folded = snapshot.show(row).status;
            let status = folded.and_then(|f| serde_json::to_value(f.status).ok());
            let labels = Rows {
                kind: kind.id.clone(),
                status: status
                    .as_ref()
                    .and_then(|s| s.as_str())
                    .unwrap_or("none")
                    .to_owned(),
            };
            resources.get_or_create(&labels).inc();
        }
    }
    let holds: Gauge = Gauge::default();
    holds.set(i64::try_from(catalog.holds().len()).unwrap_or(i64::MAX));
    let revision: Gauge = Gauge::default();
    revision.set(i64::try_from(snapshot.revision().0).unwrap_or(i64::MAX));
    registry.register("sdwan_resources", "Rows by kind and status", resources);
    registry.register("sdwan_holds", "Routers, or all of them, on hold", holds);
    registry.register("sdwan_store_revision", "The store's revision", revision);
}
