//! The API against its own description: requests, right ones and wrong ones, that Schemathesis
//! makes up from `/openapi.json`. None may end in a fault of the server's, or in an answer that the
//! description does not have.
//!
//! `SDWAN_OPENAPI_EXAMPLES=1000` looks longer, `SDWAN_OPENAPI_SEED=7` elsewhere.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::bench::subject::{Server, connected, free_port, gobgpd};
use sdwan_lab::tools::{self, Release};
use serde_json::json;

/// What must hold of every answer.
const CHECKS: [&str; 6] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
];

/// A watch does not end, so none is asked for: what it tells has tests of its own. And whether a
/// router answers is not the server's to say: requests make up routers that are nowhere.
const CONFIGURATION: &str = "\
[parameters]
\"query.watch\" = false

[[operations]]
include-operation-id = [\"plan\", \"rib\"]
checks.not_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 502, 503]
";

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Runs Schemathesis and gives how many requests it has made.
fn conform(server: &Server, folder: &Path) -> Result<u64> {
    let configuration = folder.join("schemathesis.toml");
    std::fs::write(&configuration, CONFIGURATION)?;
    let seed = setting("SDWAN_OPENAPI_SEED", "1");
    let examples = setting("SDWAN_OPENAPI_EXAMPLES", "60");
    let output = tools::schemathesis()?
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .arg("--config-file")
        .arg(&configuration)
        .arg("run")
        .arg(server.url("/openapi.json"))
        .args(["--checks", &CHECKS.join(",")])
        .args(["--phases", "coverage,fuzzing"])
        .args(["--seed", &seed, "--max-examples", &examples])
        .args(["--continue-on-failure", "--no-shrink", "--warnings", "off"])
        .args(["--suppress-health-check", "all", "--request-timeout", "40"])
        .output()
        .context("Schemathesis can't be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "seed {seed}:\n{said}\n{complaint}");
    requests(&said).with_context(|| format!("how many requests were there?\n{said}"))
}

/// From its summary: `488 generated, 488 passed`.
fn requests(said: &str) -> Option<u64> {
    let mut lines = said.lines().map(str::trim);
    let line = lines.find(|line| line.contains(" generated"))?;
    line.split(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_description_has() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _daemon = gobgpd(folder.path(), Release::V4_8, port)?;
    connected(port).await?;
    let server = Server::start().await?;
    // Something to find, so that not every path ends in a 404.
    server.create_router("GoBGP-1", port, 1).await?;
    server.create_neighbors("GoBGP-1", 3, 1).await?;
    server.until_applied(3).await?;
    let policy = json!({
        "host_name": "GoBGP-1", "policy_name": "p", "statement_name": "s",
        "statement_action": "next-hop self", "route_disposition": "accept",
        "apply_direction": "export",
    });
    server.create("policyinfos", &policy).await?;
    let made = tokio::task::block_in_place(|| conform(&server, folder.path()))?;
    ensure!(made >= 1000, "only {made} requests");
    Ok(())
}
