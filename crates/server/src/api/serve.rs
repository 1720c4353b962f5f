//! Around every request: a name for the log, who may call, a time limit, a
//! net under panics, and one line that says how it went.

use super::problem::Problem;
use super::routes::{Endpoint, FIB, Matched};
use super::sender::{Sender, is_read};
use super::{
    Api, X_DATA_AGE, X_REQUEST_ID, about, accesses, audit, cluster, fib, resources, routers,
    routes, tokens, transaction,
};
use crate::auth::{self, Denied};
use crate::cluster::Role;
use crate::listen::{Peer, Subject};
use axum::body::Body;
use futures::FutureExt;
use http::header::{ALLOW, CONTENT_LENGTH};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use sdwan_model::policy::Access;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// Answers a request; never panics, never waits longer than the limit.
pub(super) async fn serve(api: Arc<Api>, request: Request<Body>) -> Response<Body> {
    if is_read(request.method()) {
        return answer(api, request).await;
    }
    // Carried through, and accounted for, also where who asked hangs up.
    let work = tokio::spawn(answer(api, request));
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not carried through");
        let message = "the server is ending: whether a change was made can be seen by reading it";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
    })
}

async fn answer(api: Arc<Api>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let number = api.requests.fetch_add(1, Ordering::Relaxed);
    let id = format!("{}-{number:x}", api.instance);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let found = api.routes.find(uri.path());
    let label = found
        .as_ref()
        .map_or_else(|| "none".into(), |f| Arc::clone(f.label));

    let mut sender = None;
    let trail = audit::Trail::new(&request);
    let work = trail.during(dispatch(&api, found, request, &mut sender));
    let work = AssertUnwindSafe(work).catch_unwind();
    let answer = match tokio::time::timeout(api.limits.request, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => {
            tracing::error!(request = id, what = message(&*panic), "a request panicked");
            Err(Problem::internal(&id))
        }
        Err(_) => Err(timed_out(&api)),
    };
    let ended = match &answer {
        Ok(response) => (response.status(), None),
        Err(problem) => (problem.status, Some(problem.detail.as_str())),
    };
    trail.end(&api, &id, sender.as_ref(), ended).await;
    let mut response = answer.unwrap_or_else(Problem::into_response);

    if method == Method::HEAD {
        strip_body(&mut response);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    if is_read(&method)
        && let Some(age) = api.catalog.stale()
    {
        let headers = response.headers_mut();
        headers.insert(X_DATA_AGE, age.as_secs().into());
    }
    let took = started.elapsed();
    let status = response.status();
    api.metrics.http(&method, &label, status, took);
    let usual = is_read(&method) || &*label == FIB;
    log(
        &method,
        &auth::masked(uri.path()),
        status,
        took,
        &id,
        sender.as_ref(),
        usual,
    );
    response
}

/// Reading is the normal case, and so are agents' reports: at the usual level
/// only changes and failures get a line.
fn log(
    method: &Method,
    path: &str,
    status: StatusCode,
    took: Duration,
    request: &str,
    sender: Option<&Sender>,
    usual: bool,
) {
    let caller = sender.map(|sender| sender.caller.name.as_str());
    let from = sender.and_then(|sender| sender.peer).map(|peer| peer.ip());
    let from = from.as_ref().map(tracing::field::display);
    let certificate = sender.and_then(|sender| sender.subject.as_deref());
    let status = status.as_u16();
    let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    if status >= 500 {
        tracing::warn!(%method, path, status, ms, request, caller, from, certificate, "request");
    } else if status < 400 && usual {
        tracing::debug!(%method, path, status, ms, request, caller, from, certificate, "request");
    } else {
        tracing::info!(%method, path, status, ms, request, caller, from, certificate, "request");
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

fn timed_out(api: &Api) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!(
            "not done within {} s: whether a change was made can be seen by reading it",
            api.limits.request.as_secs()
        ),
    )
}

/// HEAD is GET without the body, and with its length.
fn strip_body(response: &mut Response<Body>) {
    use axum::body::HttpBody as _;
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

/// Only probes, and what browsers ask before they ask, are not asked back who
/// they are; but which kinds an operator has is not for everybody to find out,
/// and whoever says who he is wants to know what he may do.
fn is_asked(found: Option<&Matched<'_>>, request: &Request<Body>) -> bool {
    let open = found.is_some_and(|found| found.endpoint.is_open());
    let own = |found: &Matched<'_>| found.endpoint.kind().is_some_and(|kind| !kind.builtin);
    let says = || *request.method() != Method::OPTIONS || !auth::is_silent(request.headers());
    !open && (found.is_none_or(own) || says())
}

/// Who sent a request; with why he was not believed, where he may go on all the
/// same, as anybody may.
async fn identify(
    api: &Api,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(Sender, Option<Denied>), Problem> {
    let peer = extensions.get::<Peer>().map(|Peer(peer)| *peer);
    let asked = match api.auth.recognize(headers) {
        Some(caller) => Ok(caller),
        None => {
            api.quotas.login(peer)?;
            api.auth.identify(headers).await
        }
    };
    let (caller, denied) = match asked {
        Ok(caller) => (caller, None),
        // Whoever does not say who he is may do what anybody may.
        Err(denied) => {
            let silent = auth::is_silent(headers);
            match api.accesses.nobody().filter(|_| silent) {
                Some(nobody) => (Arc::clone(nobody), Some(denied)),
                None => {
                    let problem = Problem::from(denied);
                    // Who shows nothing has guessed nothing.
                    if !silent && problem.status == StatusCode::UNAUTHORIZED {
                        api.quotas.failed(peer);
                    }
                    return Err(problem);
                }
            }
        }
    };
    let subject = extensions.get::<Subject>();
    let sender = Sender {
        caller,
        proved: denied.is_none() && api.auth.asks(),
        peer,
        subject: subject.map(|Subject(name)| Arc::clone(name)),
    };
    Ok((sender, denied))
}

/// # Errors
/// 414.
fn check_url(api: &Api, uri: &Uri) -> Result<(), Problem> {
    let most = api.limits.url_bytes;
    let length = uri.path_and_query().map_or(0, |url| url.as_str().len());
    if length <= most {
        return Ok(());
    }
    let message = format!("the URL is over {most} bytes");
    Err(Problem::new(StatusCode::URI_TOO_LONG, message))
}

async fn dispatch(
    api: &Arc<Api>,
    found: Option<Matched<'_>>,
    mut request: Request<Body>,
    sender: &mut Option<Sender>,
) -> Result<Response<Body>, Problem> {
    check_url(api, request.uri())?;
    api.guard.check(&request)?;
    if !is_asked(found.as_ref(), &request) {
        let open = Arc::new(Access::everything());
        return route(api, found, request, &open).await;
    }
    let (known, denied) = identify(api, request.headers(), request.extensions()).await?;
    let known = sender.insert(known);
    let access = api.accesses.of(&known.caller);
    request.extensions_mut().insert(known.clone());
    api.quotas.request(known)?;
    match (route(api, found, request, &access).await, denied) {
        // He might see more if he said it.
        (Err(problem), Some(denied)) if problem.is_about_the_caller() => Err(denied.into()),
        (Err(problem), _) => Err(problem.challenging(api.auth.challenges())),
        (answer, _) => answer,
    }
}

/// To what stands at the path, as far as it is there for the caller.
async fn route(
    api: &Arc<Api>,
    found: Option<Matched<'_>>,
    request: Request<Body>,
    access: &Arc<Access>,
) -> Result<Response<Body>, Problem> {
    audit::ready(api, found.as_ref(), request.method())?;
    let Some(found) = found else {
        return file(api, access, request).await;
    };
    if api.membership.role() == Role::Worker && !found.endpoint.is_about_the_server() {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this server only looks after routers (`--role worker`): \
             ask one that `sdwan cluster` shows as api or all",
        ));
    }
    accesses::gate(access, &found, request.method())?;
    let allowed = found.endpoint.methods();
    let method = match *request.method() {
        Method::HEAD if allowed.contains(&Method::GET) => Method::GET,
        Method::OPTIONS => return Ok(options(&accesses::allow_header(access, &found))),
        ref method if allowed.contains(method) => method.clone(),
        _ => {
            let allow = accesses::allow_header(access, &found);
            return Err(Problem::method_not_allowed(allow));
        }
    };
    match found.endpoint {
        Endpoint::Collection(kind) | Endpoint::NestedCollection(kind) => {
            let kind = Arc::clone(kind);
            resources::collection(api, &kind, &found, &method, access, request).await
        }
        Endpoint::Item(kind) | Endpoint::NestedItem(kind) => {
            let kind = Arc::clone(kind);
            resources::item(api, &kind, &found, &method, access, request).await
        }
        Endpoint::Actions(kind, methods, names) => {
            let mut named = methods.iter().zip(names);
            let name = named.find(|(known, _)| **known == method);
            let name = name.map_or("", |(_, name)| name.as_str());
            resources::act(api, kind, &found, name, access)
        }
        Endpoint::Plan => routers::plan(api, found.id(), access, request.uri()).await,
        Endpoint::Rib => routers::rib(api, found.id(), access, request.uri()).await,
        Endpoint::Fib => fib::report(api, found.id(), access, request).await,
        Endpoint::Holds => routers::holds(api, access, request.uri()).await,
        Endpoint::Hold => routers::hold(api, found.id(), &method, access, request).await,
        Endpoint::Tokens => tokens::all(api, &method, request).await,
        Endpoint::Token => tokens::revoke(api, found.id(), request).await,
        Endpoint::Transaction => transaction::run(api, access, request).await,
        Endpoint::Schemas | Endpoint::Schema | Endpoint::Version | Endpoint::OpenApi => {
            about::document(api, found.endpoint, found.id(), access)
        }
        Endpoint::Cluster => cluster::show(api, access, request.uri()),
        Endpoint::Audit => audit::search(api, access, request.uri()).await,
        Endpoint::Healthz => Ok(about::healthz()),
        Endpoint::Readyz => about::readyz(api),
        Endpoint::Metrics => about::metrics(api).await,
    }
}

fn options(allow: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// A static file, where a folder is configured and has it.
async fn file(
    api: &Api,
    access: &Access,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let missing = accesses::nothing;
    let path = routes::plain(request.uri().path());
    let readable = matches!(*request.method(), Method::GET | Method::HEAD)
        && path.is_some_and(|path| access.allows("read", &path));
    let Some(files) = api.files.clone().filter(|_| readable) else {
        return Err(missing());
    };
    match files.oneshot(request).await {
        Ok(response) if response.status() != StatusCode::NOT_FOUND => Ok(response.map(Body::new)),
        Ok(_) => Err(missing()),
        Err(never) => match never {},
    }
}
