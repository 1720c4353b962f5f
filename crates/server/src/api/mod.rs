//! The REST API: Gohan's, generic over the schemas, and what today's clients
//! expect beside it (docs/API.md).
//!
//! ```text
//! request -> serve (id, guard, sender, time limit, log) -> routes -> resources | watch | routers | fib | about
//!                                                              |
//!                                                catalog (writes, snapshots), live (routers),
//!                                                agents (reports)
//! ```
//!
//! What a caller may not see is not there for him: `accesses` knows what he may
//! do, every handler is told. No kind has code here: paths, parameters, answers and the OpenAPI document
//! all come from the schemas.

mod about;
mod accesses;
mod audit;
mod body;
mod cluster;
mod columns;
mod counters;
mod fib;
mod fields;
mod fresh;
mod guard;
mod openapi;
mod plan_text;
mod precondition;
mod problem;
mod query;
mod quota;
mod resources;
mod rib_text;
mod routers;
mod routes;
mod select;
mod sender;
mod serve;
mod tokens;
mod transaction;
mod watch;

use crate::agents::Agents;
use crate::audit::Recorder;
use crate::auth::Authenticator;
use crate::catalog::Catalog;
use crate::cluster::Membership;
use crate::config::Config;
use crate::limits::Limits;
use crate::live::Live;
use crate::metrics::Metrics;
use accesses::Accesses;
use axum::Router;
use axum::extract::Request;
use columns::Columns;
pub(crate) use counters::CounterCache;
use guard::Guard;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use http::{HeaderName, HeaderValue, Method};
use problem::Problem;
use quota::Quotas;
use routes::Routes;
use sdwan_model::policy::{Access, Policies};
use sdwan_model::schema::Kind;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::services::ServeDir;

/// The revision of the store that an answer is true at.
const X_REVISION: HeaderName = HeaderName::from_static("x-revision");
/// How many seconds old an answer may be while the store does not answer.
const X_DATA_AGE: HeaderName = HeaderName::from_static("x-data-age");
/// How many rows a list has before paging.
const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// The log's name of a request.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where a watch goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keystone's; accepted from pages of other origins for clients that send it.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// What the API stands on.
pub struct Deps {
    /// The resources.
    pub catalog: Arc<Catalog>,
    /// Who calls.
    pub auth: Arc<Authenticator>,
    /// Who may do what.
    pub policies: Policies,
    /// The servers that share the store.
    pub membership: Arc<Membership>,
    /// The routers themselves.
    pub live: Arc<dyn Live>,
    /// Hears what routers' agents report.
    pub agents: Arc<Agents>,
    /// Writes down who did what.
    pub audit: Arc<Recorder>,
    /// Counts requests, and is shown at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Starts every request id: tells apart the processes in one log.
    pub instance: String,
    /// Ends the watches.
    pub shutdown: CancellationToken,
}

/// What every handler needs.
struct Api {
    catalog: Arc<Catalog>,
    auth: Arc<Authenticator>,
    accesses: Accesses,
    /// Whether nothing but probes is open to who does not say who he is.
    asked: bool,
    membership: Arc<Membership>,
    live: Arc<dyn Live>,
    agents: Arc<Agents>,
    audit: Arc<Recorder>,
    metrics: Arc<Metrics>,
    instance: String,
    shutdown: CancellationToken,
    limits: Limits,
    quotas: Quotas,
    routes: Routes,
    guard: Guard,
    /// By the kind's id.
    columns: HashMap<String, Columns>,
    counters: CounterCache,
    about: about::Documents,
    files: Option<ServeDir>,
    requests: AtomicU64,
}

/// The API as a service; needs a tokio runtime.
///
/// # Errors
/// Every URL that two kinds would share.
pub fn router(deps: Deps, config: &Config, limits: Limits) -> Result<Router, Vec<String>> {
    let schemas = Arc::clone(deps.catalog.schemas());
    let columns = schemas
        .iter()
        .map(|kind| (kind.id.clone(), Columns::new(kind, &schemas)))
        .collect();
    let accesses = Accesses::new(deps.policies);
    let asked = deps.auth.asks() && accesses.nobody().is_none();
    let api = Arc::new(Api {
        routes: Routes::new(&schemas)?,
        guard: Guard::new(config),
        columns,
        counters: CounterCache::new(Arc::clone(&deps.live)),
        about: about::Documents::new(&schemas, &Access::everything(), asked),
        files: config.document_root.as_ref().map(ServeDir::new),
        requests: AtomicU64::new(0),
        quotas: Quotas::new(&limits),
        limits,
        catalog: deps.catalog,
        auth: deps.auth,
        accesses,
        asked,
        membership: deps.membership,
        live: deps.live,
        agents: deps.agents,
        audit: deps.audit,
        metrics: deps.metrics,
        instance: deps.instance,
        shutdown: deps.shutdown,
    });
    let router =
        Router::new().fallback(move |request: Request| serve::serve(Arc::clone(&api), request));
    Ok(if config.cors.is_empty() {
        router
    } else {
        router.layer(cors(&config.cors))
    })
}

fn cors(origins: &[String]) -> CorsLayer {
    let listed = origins.iter().filter_map(|o| HeaderValue::from_str(o).ok());
    // Without credentials: no page reads what a cookie opens.
    let origins = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(listed),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            LAST_EVENT_ID,
            X_AUTH_TOKEN,
        ])
        .expose_headers([
            ETAG,
            LOCATION,
            X_TOTAL_COUNT,
            X_REVISION,
            X_DATA_AGE,
            X_REQUEST_ID,
        ])
        .max_age(Duration::from_secs(600))
}

impl Api {
    /// The columns of a kind.
    fn columns(&self, kind: &Kind) -> Result<&Columns, Problem> {
        let missing = || Problem::not_found(&kind.plural);
        self.columns.get(&kind.id).ok_or_else(missing)
    }
}
