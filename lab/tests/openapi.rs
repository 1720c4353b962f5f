//! The API against its own description, for each role: requests, right ones and wrong ones, that
//! Schemathesis makes up from the `/openapi.json` that this caller sees. None may end in a fault of
//! the server's, in an answer that the description does not have, or in success for what the
//! description does not allow or for who does not say who he is.
//!
//! `SDWAN_OPENAPI_EXAMPLES=1000` looks longer, `SDWAN_OPENAPI_SEED=7` elsewhere.

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::bench::subject::{Server, connected, free_port, gobgpd};
use sdwan_lab::daemon::Daemon;
use sdwan_lab::harness::{self, number};
use sdwan_lab::term;
use sdwan_lab::tools::{self, Release};
use serde_json::{Value, json};

/// Each in a world of its own: made-up routers have made-up addresses, and the server calls them.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// What must hold of every answer.
const CHECKS: [&str; 8] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
    "ignored_auth",
];

/// A kind whose rows have tenants.
const SITES: &str = "\
schemas:
- id: site
  singular: site
  plural: sites
  prefix: /v2.0
  schema:
    type: object
    required: [name]
    properties:
      id: {type: string, permission: [create]}
      name: {type: string, unique: true}
      tenant_id: {type: [string, 'null']}
";

/// What Schemathesis is told.
///
/// A watch does not end, so none is asked for: what it tells has tests of its own. And whether a
/// router answers is not the server's to say: requests make up routers that are nowhere. The token
/// that is revoked is one that nobody needs: Schemathesis learns from answers what there is.
fn configuration(token: Option<&str>, there: &[&str]) -> String {
    let there = json!(there);
    let headers = token.map_or_else(String::new, |token| {
        format!("[headers]\nX-Auth-Token = \"{token}\"\n")
    });
    format!(
        "\
{headers}
[dictionaries.there]
values = {there}

[parameters]
\"query.watch\" = false
\"path.id\" = {{ dictionary = \"there\", probability = 0.5 }}

[checks]
negative_data_rejection.expected-statuses = [\"4xx\", 502, 503]

[[operations]]
include-operation-id = [\"plan\", \"rib\"]
checks.not_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 502, 503]

[[operations]]
include-operation-id = [\"revoke_token\"]
parameters.\"path.id\" = \"{SPARE} of blue\"
"
    )
}

/// The role of a token that nobody needs.
const SPARE: &str = "spare";

/// A server that has something to show.
struct Subject {
    server: Server,
    /// Its rows: their kinds' plurals and their ids.
    there: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
    _daemon: Daemon,
}

impl Subject {
    async fn start(mut configuration: Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let daemon = gobgpd(folder.path(), Release::V4_8, port)?;
        connected(port).await?;

        configuration["schemas"] = json!(["sites.yaml"]);
        configuration["audit"] = json!({});
        // Here one caller asks as often as it can.
        configuration["limits"] = json!({"requests_per_second": 0, "failed_logins_per_minute": 0});
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join("sites.yaml"), SITES)?;
        std::fs::write(home.path().join("gohan.yaml"), configuration.to_string())?;
        let server = Server::start_with(home, &["--config-file", "gohan.yaml"]).await?;
        let server = match std::fs::read_to_string(server.folder().join("sdwan.db.admin-token")) {
            Ok(token) => server.with_token(token.trim_end())?,
            Err(_) => server,
        };

        let mut there = vec![("routers", server.create_router("GoBGP-1", port, 1).await?)];
        let policy = json!({
            "host_name": "GoBGP-1", "policy_name": "p", "statement_name": "s",
            "statement_action": "next-hop self", "route_disposition": "accept",
            "apply_direction": "export",
        });
        let neighbor = |n: u8| {
            let address = format!("10.99.0.{n}");
            json!({ "host_name": "GoBGP-1", "neighbor_addr": address, "peer_as": 65000 })
        };
        let site = |tenant: &str| json!({ "name": tenant, "tenant_id": tenant });
        for (plural, row) in [
            ("neighbors", neighbor(1)),
            ("neighbors", neighbor(2)),
            ("policyinfos", policy),
            ("sites", site("blue")),
            ("sites", site("green")),
        ] {
            there.push((plural, server.create(plural, &row).await?));
        }
        server.until_applied(2).await?;
        Ok(Self {
            server,
            there,
            folder,
            _daemon: daemon,
        })
    }

    /// A token of this role, of the tenant blue.
    async fn token(&self, role: &str) -> Result<String> {
        let wish = json!({ "name": format!("{role} of blue"), "roles": [role], "tenant": "blue" });
        let request = self.server.http().post(self.server.url("/sdwan/v1/tokens"));
        let answer = request.json(&wish).send().await?.error_for_status()?;
        let made: Value = answer.json().await?;
        let token = made["token"]["token"].as_str();
        Ok(token.context("no token in the answer")?.to_owned())
    }

    /// What could have been changed: every row's version, how many rows there are, holds and
    /// tokens.
    async fn declared(&self) -> Result<Vec<String>> {
        let get = async |path: &str| {
            let answer = self.server.http().get(self.server.url(path)).send().await;
            Ok::<_, anyhow::Error>(answer?.error_for_status()?)
        };
        let header = |answer: &reqwest::Response, name: &str| {
            let value = answer.headers().get(name);
            let value = value.with_context(|| format!("no {name} of {}", answer.url()))?;
            Ok::<_, anyhow::Error>(format!("{} {}", answer.url(), value.to_str()?))
        };
        let mut all = Vec::new();
        for (plural, id) in &self.there {
            all.push(header(
                &get(&format!("/v2.0/{plural}/{id}")).await?,
                "etag",
            )?);
            all.push(header(
                &get(&format!("/v2.0/{plural}")).await?,
                "x-total-count",
            )?);
        }
        for path in ["/sdwan/v1/holds", "/sdwan/v1/tokens"] {
            all.push(get(path).await?.text().await?);
        }
        Ok(all)
    }

    /// Makes requests with this token, or with none, and looks at each answer.
    async fn conforms(&self, token: Option<&str>) -> Result<()> {
        let before = self.successes().await?;
        let made = tokio::task::block_in_place(|| self.schemathesis(token))?;
        let succeeded = self.successes().await? - before;
        term::note(&format!("{made} requests, {succeeded} successes"));
        ensure!(made >= 500, "only {made} requests");
        // Else it may be that nobody was let in at all,
        ensure!(succeeded >= 100, "only {succeeded} successes");
        // or not until the end.
        let last = self.server.http().get(self.server.url("/v2.0/sites"));
        let last = last.header("X-Auth-Token", token.unwrap_or_default());
        last.send().await?.error_for_status()?;
        Ok(())
    }

    /// Runs it and gives how many requests it has made.
    fn schemathesis(&self, token: Option<&str>) -> Result<u64> {
        let folder = self.folder.path();
        let file = folder.join("schemathesis.toml");
        let ids: Vec<&str> = self.there.iter().map(|(_, id)| id.as_str()).collect();
        std::fs::write(&file, configuration(token, &ids))?;
        let seed = number("SDWAN_OPENAPI_SEED", 1)?.to_string();
        let examples = number("SDWAN_OPENAPI_EXAMPLES", 10)?.to_string();
        let output = tools::schemathesis()?
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .arg("--config-file")
            .arg(&file)
            .arg("run")
            .arg(self.server.url("/openapi.json"))
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

    /// How many requests have ended well so far, by the server's own count.
    async fn successes(&self) -> Result<u64> {
        let request = self.server.http().get(self.server.url("/metrics"));
        let metrics = request.send().await?.error_for_status()?.text().await?;
        let counters = metrics.lines().filter_map(|line| {
            let counter = line.strip_prefix("sdwan_http_requests_total{")?;
            let (labels, count) = counter.rsplit_once("} ")?;
            let well = labels.contains("status=\"2");
            well.then(|| count.parse::<u64>().ok()).flatten()
        });
        Ok(counters.sum())
    }
}

/// From its summary: `488 generated, 488 passed`.
fn requests(said: &str) -> Option<u64> {
    let mut lines = said.lines().map(str::trim);
    let line = lines.find(|line| line.contains(" generated"))?;
    line.split(' ').next()?.parse().ok()
}

#[test]
fn where_nobody_is_asked_every_answer_is_described() {
    harness::inside_async(LAB, || async {
        let subject = Subject::start(json!({"auth": "none"})).await?;
        subject.conforms(None).await
    });
}

#[test]
fn every_answer_to_an_admin_is_described() {
    harness::inside_async(LAB, || async {
        let subject = Subject::start(json!({"auth": "tokens"})).await?;
        let token = subject.token("admin").await?;
        subject.token(SPARE).await?;
        subject.conforms(Some(&token)).await
    });
}

#[test]
fn every_answer_to_an_operator_is_described() {
    harness::inside_async(LAB, || async {
        let subject = Subject::start(json!({"auth": "tokens"})).await?;
        let token = subject.token("operator").await?;
        subject.conforms(Some(&token)).await
    });
}

#[test]
fn every_answer_to_a_reader_is_described_and_none_of_them_was_a_change() {
    harness::inside_async(LAB, || async {
        let subject = Subject::start(json!({"auth": "tokens"})).await?;
        let token = subject.token("reader").await?;
        let before = subject.declared().await?;
        subject.conforms(Some(&token)).await?;
        let after = subject.declared().await?;
        ensure!(after == before, "{before:?}\nbecame\n{after:?}");
        Ok(())
    });
}
