//! What is asked of a router rather than of its row: the plan of a pass, the
//! table, and leaving it alone for a while.

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
use sdwan_model::validate::Violation;
use serde_json::{Value, json};
use std::net::IpAddr;

/// `GET PREFIX/routers/ID/plan`.
pub(super) async fn plan(api: &Api, router: &str, uri: &Uri) -> Result<Response<Body>, Problem> {
    Params::new(uri).finish(&[])?;
    let router = find(api, router)?;
    let plan = api.live.plan(&router.row.id).await?;
    let holds = api.catalog.holds_on(&router.row.id);
    let mut document = plan_text::data(&plan);
    name(&mut document, &router);
    document["hold"] = (!holds.is_empty()).into();
    let called = router.row.text("host_name").unwrap_or(&router.row.id);
    document["text"] = plan_text::text(&plan, called, &holds).into();
    Ok(respond(&document))
}

/// `GET PREFIX/routers/ID/rib?prefix=`.
pub(super) async fn rib(api: &Api, router: &str, uri: &Uri) -> Result<Response<Body>, Problem> {
    let mut params = Params::new(uri);
    let prefix = params.one("prefix");
    params.finish(&["prefix"])?;
    let prefix = prefix.as_deref().map(network).transpose()?;
    let router = find(api, router)?;
    let routes = api.live.rib(&router.row.id, prefix.as_deref()).await?;
    let mut document = json!({ "routes": rib_text::data(&routes) });
    name(&mut document, &router);
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
pub(super) async fn holds(api: &Api, uri: &Uri) -> Result<Response<Body>, Problem> {
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
                let router = snapshot.get("router", &id);
                shown["host_name"] = router
                    .and_then(|r| Some(r.row.text("host_name")?.into()))
                    .unwrap_or_default();
                shown["router"] = id.into();
            }
        }
        shown
    };
    let holds: Vec<Value> = snapshot.holds().into_iter().map(show).collect();
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
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    Params::new(&parts.uri).finish(&[])?;
    let scope = match router {
        "all" | "*" => Scope::All,
        one => Scope::Router(find(api, one)?.row.id.clone()),
    };
    if *method == Method::DELETE {
        api.catalog.resume(scope).await?;
    } else {
        let why = why(&body::read(&parts.headers, body).await?)?;
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
        let violation = Violation {
            pointer: pointer.to_owned(),
            message,
        };
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

/// A router by id or by host_name.
fn find(api: &Api, router: &str) -> Result<Shown, Problem> {
    Ok(api.catalog.resolve("router", router)?)
}

fn name(document: &mut Value, router: &Shown) {
    document["router"] = router.row.id.as_str().into();
    document["host_name"] = router.row.text("host_name").into();
}

pub(super) fn respond(document: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
