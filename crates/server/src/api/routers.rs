//! What is asked of a router rather than of its row: the plan of a pass, the
//! table, and leaving it alone for a while.

use super::accesses::{self, refused};
use super::problem::Problem;
use super::query::Params;
use super::resources::revision;
use super::{Api, X_REVISION, body, fresh, plan_text, rib_text};
use crate::catalog::{Hold, Scope, Shown};
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use ipnet::IpNet;
use sdwan_model::document::unknown;
use sdwan_model::policy::{Access, Fields};
use sdwan_model::schema::Kind;
use sdwan_model::validate::Violation;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// `GET PREFIX/routers/ID/plan`.
pub(super) async fn plan(
    api: &Api,
    router: &str,
    access: &Access,
    uri: &Uri,
) -> Result<Response<Body>, Problem> {
    Params::new(uri).finish(&[])?;
    let router = find(api, access, router)?.shown;
    allow(
        api,
        access,
        "read",
        &router.row.id,
        &below(api, &router, "plan"),
    )?;
    // It names everything that is declared for the router.
    let mut named = api.catalog.schemas().iter().filter(|kind| kind.builtin);
    if let Some(kind) = named.find(|kind| !access.list(kind).is_everything()) {
        return Err(refused(
            "read",
            &format!("plans, which tell of all {}", kind.plural),
        ));
    }
    let plan = api.live.plan(&router.row.id).await?;
    let holds = api.catalog.holds_on(&router.row.id);
    let mut document = plan_text::data(&plan);
    let host_name = router.row.text("host_name");
    name(&mut document, &router, host_name);
    document["hold"] = (!holds.is_empty()).into();
    let called = host_name.unwrap_or(&router.row.id);
    document["text"] = plan_text::text(&plan, called, &holds).into();
    Ok(respond(&document))
}

/// `GET PREFIX/routers/ID/rib?prefix=`.
pub(super) async fn rib(
    api: &Api,
    router: &str,
    access: &Access,
    uri: &Uri,
) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(uri);
    let prefix = params.one("prefix");
    params.finish(&["prefix"])?;
    let prefix = prefix.as_deref().map(network).transpose()?;
    let found = find(api, access, router)?;
    let router = &found.shown;
    allow(
        api,
        access,
        "read",
        &router.row.id,
        &below(api, router, "rib"),
    )?;
    let routes = api.live.rib(&router.row.id, prefix.as_deref()).await;
    let routes = routes.map_err(|error| found.told(error.into()))?;
    let mut document = json!({ "routes": rib_text::data(&routes) });
    name(&mut document, router, found.host_name());
    document["text"] = rib_text::text(&routes).into();
    Ok(respond(&document))
}

/// A network, or an address as the network of that one address.
fn network(text: &str) -> Result<String, Problem> {
    // Not by `IpNet`'s own parser, which reads 010 as 10.
    let network = match text.split_once('/') {
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
        Some((address, length)) => address
            .parse()
            .ok()
            .zip(length.parse().ok())
            .and_then(|(address, length)| IpNet::new(address, length).ok()),
    };
    match network {
        Some(network) => Ok(network.trunc().to_string()),
        None => Err(Problem::bad_request(format!(
            "parameter prefix must be a network such as 10.0.0.0/8, not {text:?}"
        ))),
    }
}

/// `GET /sdwan/v1/holds`.
pub(super) async fn holds(
    api: &Api,
    access: &Access,
    uri: &Uri,
) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(uri);
    let least = fresh::asked(&mut params);
    params.finish(&[fresh::MIN_REVISION])?;
    fresh::reach(api, least, fresh::MIN_REVISION).await?;
    let snapshot = api.catalog.snapshot();
    let show = |(scope, hold): (Scope, Hold)| {
        let mut shown = json!({ "since": hold.since, "why": hold.why });
        match scope {
            Scope::All => shown["router"] = "all".into(),
            Scope::Router(id) => {
                let router = find(api, access, &id).ok();
                if router.is_none() && !access.is_everything() {
                    return None;
                }
                shown["host_name"] = router.as_ref().and_then(Found::host_name).into();
                shown["router"] = id.into();
            }
        }
        Some(shown)
    };
    let holds: Vec<Value> = snapshot.holds().into_iter().filter_map(show).collect();
    let mut response = respond(&json!({ "holds": holds }));
    let at = revision(snapshot.point());
    response.headers_mut().insert(X_REVISION, at);
    Ok(response)
}

/// `PUT` and `DELETE /sdwan/v1/holds/{ROUTER|all}`.
pub(super) async fn hold(
    api: &Api,
    router: &str,
    method: &Method,
    access: &Access,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    Params::new(&parts.uri).finish(&[])?;
    let action = accesses::action(method);
    let scope = match router {
        "all" | "*" => {
            accesses::allow(access, action, "/sdwan/v1/holds/all")?;
            Scope::All
        }
        one => {
            let id = find(api, access, one)?.shown.row.id.clone();
            allow(api, access, action, &id, &format!("/sdwan/v1/holds/{id}"))?;
            Scope::Router(id)
        }
    };
    if *method == Method::DELETE {
        api.catalog.resume(scope).await?;
    } else {
        let why = why(&body::read(&api.limits, &parts.headers, body).await?)?;
        api.catalog.hold(scope, &why).await?;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let at = revision(api.catalog.snapshot().point());
    response.headers_mut().insert(X_REVISION, at);
    Ok(response)
}

/// The body of a hold: `{"why": "text"}`.
fn why(body: &Value) -> Result<String, Problem> {
    let wrong = |pointer: &str, message: String| {
        let violation = Violation::new(pointer, message);
        Problem::violations(StatusCode::BAD_REQUEST, vec![violation])
    };
    let Some(object) = body.as_object() else {
        return Err(wrong(
            "",
            "must be an object such as {\"why\": \"maintenance\"}".into(),
        ));
    };
    if let Some(key) = object.keys().find(|key| *key != "why") {
        return Err(wrong(
            &format!("/{key}"),
            unknown("property", key, &["why"]),
        ));
    }
    match object.get("why") {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(why)) => Ok(why.clone()),
        Some(_) => Err(wrong("/why", "must be text".into())),
    }
}

/// A router, and what the caller sees of it.
pub(super) struct Found {
    pub(super) shown: Shown,
    pub(super) fields: Fields,
}

impl Found {
    /// Its name, for who may know it.
    fn host_name(&self) -> Option<&str> {
        let known = self.fields.contains("host_name");
        self.shown.row.text("host_name").filter(|_| known)
    }

    /// What has become of a question to it, without its address where that is
    /// hidden.
    fn told(&self, problem: Problem) -> Problem {
        match self.fields.contains("mgmt_addr") {
            true => problem,
            false => problem.saying("the router can't be asked now"),
        }
    }
}

/// A router by id, or by what is its alone, as far as the caller may know that.
///
/// # Errors
/// 404 where it is not there for the caller.
pub(super) fn find(api: &Api, access: &Access, router: &str) -> Result<Found, Problem> {
    let missing = || Problem::not_found(&format!("router {router}"));
    let kind = api.catalog.schemas().get("router").ok_or_else(missing)?;
    let shown = match api.catalog.resolve(&kind.id, router) {
        Ok(shown) => shown,
        Err(error) if access.list(kind).is_everything() => return Err(error.into()),
        Err(_) => return Err(missing()),
    };
    let fields = access.sees(kind, &shown.row).ok_or_else(missing)?;
    let mut named = shown.row.body.iter();
    let known = named.any(|(name, value)| value == router && fields.contains(name));
    match known || shown.row.id == router {
        true => Ok(Found { shown, fields }),
        false => Err(missing()),
    }
}

/// # Errors
/// 401 unless an action on this router is allowed at a path that is its own.
pub(super) fn allow(
    api: &Api,
    access: &Access,
    action: &str,
    router: &str,
    path: &str,
) -> Result<(), Problem> {
    let kind = api.catalog.schemas().get("router");
    let known = kind.zip(api.catalog.get("router", router));
    let right = |(kind, shown): (&Arc<Kind>, Shown)| {
        access.at(action, path, kind).fields(&shown.row).map(|_| ())
    };
    known.and_then(right).ok_or_else(|| refused(action, path))
}

fn below(api: &Api, router: &Shown, what: &str) -> String {
    let kind = api.catalog.schemas().get(&router.row.kind);
    let url = kind.map(|kind| kind.url()).unwrap_or_default();
    format!("{url}/{}/{what}", router.row.id)
}

fn name(document: &mut Value, router: &Shown, host_name: Option<&str>) {
    document["router"] = router.row.id.as_str().into();
    document["host_name"] = host_name.into();
}

pub(super) fn respond(document: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
