//! `sdwan`'s own verbs about routers: what would a pass do, what is in the
//! table, leave it alone, go on.

use crate::error::Error;
use crate::http::{Http, segment};
use crate::output;
use crate::settings::Format;
use reqwest::Method;
use serde_json::{Value, json};

/// Where the routers are.
const ROUTERS: &str = "/v2.0/routers";
/// Where the holds are.
const HOLDS: &str = "/sdwan/v1/holds";

/// `sdwan plan [ROUTER]`: one router's plan, or every router's under its name.
///
/// # Errors
/// As [`Http::get`]; with several routers, one that does not answer is told
/// in its place and the rest goes on.
pub async fn plan(http: &Http, router: Option<&str>, format: Format) -> Result<String, Error> {
    if let Some(router) = router {
        let answer = http
            .get(&format!("{ROUTERS}/{}/plan", segment(router)), &[])
            .await?
            .body;
        return Ok(print(&answer, format));
    }
    let routers = http
        .get(ROUTERS, &[("sort_key".into(), "host_name".into())])
        .await?
        .body;
    let mut plans = serde_json::Map::new();
    let mut text = String::new();
    for row in routers["routers"].as_array().into_iter().flatten() {
        let (Some(id), Some(name)) = (row["id"].as_str(), row["host_name"].as_str()) else {
            continue;
        };
        let answer = match http
            .get(&format!("{ROUTERS}/{}/plan", segment(id)), &[])
            .await
        {
            Ok(answer) => answer.body,
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => json!({"error": error.to_string(), "text": format!("{error}\n")}),
        };
        text += &format!("{name}\n{}\n", print(&answer, format));
        plans.insert(name.to_owned(), answer);
    }
    Ok(match format {
        Format::Json | Format::Yaml => output::document(&plans.into(), format),
        _ => text,
    })
}

/// `sdwan rib ROUTER [PREFIX]`, in the form of `gobgp global rib`.
///
/// # Errors
/// As [`Http::get`].
pub async fn rib(
    http: &Http,
    router: &str,
    prefix: Option<&str>,
    format: Format,
) -> Result<String, Error> {
    let query: Vec<_> = prefix
        .map(|p| ("prefix".to_owned(), p.to_owned()))
        .into_iter()
        .collect();
    let answer = http
        .get(&format!("{ROUTERS}/{}/rib", segment(router)), &query)
        .await?
        .body;
    Ok(print(&answer, format))
}

/// `sdwan cluster`: the servers on one store, and which router is whose.
///
/// # Errors
/// As [`Http::get`].
pub async fn cluster(http: &Http, format: Format) -> Result<String, Error> {
    let answer = http.get("/sdwan/v1/cluster", &[]).await?.body;
    Ok(print(&answer, format))
}

/// `sdwan hold [ROUTER]`: observe and plan, but send nothing.
///
/// # Errors
/// As [`Http::send`].
pub async fn hold(http: &Http, router: Option<&str>, why: Option<&str>) -> Result<String, Error> {
    let body = json!({"why": why.unwrap_or_default()});
    http.send(Method::PUT, &hold_path(router), &[], Some(&body))
        .await?;
    Ok(format!(
        "{} on hold: observed, not touched\n",
        router.unwrap_or("every router")
    ))
}

/// `sdwan resume [ROUTER]`.
///
/// # Errors
/// As [`Http::send`].
pub async fn resume(http: &Http, router: Option<&str>) -> Result<String, Error> {
    http.send(Method::DELETE, &hold_path(router), &[], None)
        .await?;
    let left = http.get(HOLDS, &[]).await?.body;
    let left: Vec<&Value> = left["holds"].as_array().into_iter().flatten().collect();
    Ok(match router {
        Some(router) if left.iter().any(|hold| hold["router"] == "all") => {
            format!("{router} resumed, but every router is on hold: end that with `sdwan resume`\n")
        }
        Some(router) => format!("{router} resumed\n"),
        None if left.is_empty() => "every router resumed\n".to_owned(),
        None => {
            let names: Vec<&str> = left
                .iter()
                .filter_map(|hold| hold["host_name"].as_str().or(hold["router"].as_str()))
                .collect();
            format!(
                "every router resumed but {}: each has a hold of its own\n",
                names.join(", ")
            )
        }
    })
}

fn hold_path(router: Option<&str>) -> String {
    format!(
        "{HOLDS}/{}",
        router.map_or_else(|| "all".to_owned(), segment)
    )
}

/// The server's own text, or its data.
pub(crate) fn print(answer: &Value, format: Format) -> String {
    match (format, answer["text"].as_str()) {
        (Format::Table | Format::Wide, Some(text)) => text.to_owned(),
        _ => output::document(answer, format),
    }
}
