//! An agent that reports to the server.
//!
//! The server runs in the test itself, so that silence need not last as long as in the field.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use sdwan_gobgp::Timeouts;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{Path, PeerSettings};
use sdwan_lab::agent::Agent;
use sdwan_lab::fleet::Fleet;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::{network, tools, world};
use sdwan_server::config::Config;
use sdwan_server::reconcile::Settings;
use sdwan_server::secrets::SecretBox;
use sdwan_server::server::{Deps, Server};
use sdwan_server::speaker::GobgpDial;
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ground::{AS, BOTH, PREFIX, on};

/// Where the routers can reach the server.
const ADDRESS: &str = "192.168.200.254:9998";
/// Longer than between two heartbeats of an agent, and shorter than in the field.
const SILENCE: Duration = Duration::from_secs(35);
const LIMIT: Duration = Duration::from_secs(120);

/// Where R finds no way to at first.
const NEXT_HOP: [u8; 4] = [192, 0, 2, 9];

async fn server() -> Result<Server> {
    let config = Config {
        address: ADDRESS.parse().map_err(anyhow::Error::msg)?,
        insecure: true,
        ..Config::default()
    };
    let deps = Deps {
        cluster: None,
        store: Arc::new(Memory::new()),
        secrets: SecretBox::from_key([7; 32]),
        dial: Arc::new(GobgpDial::new(Timeouts::default(), SystemTime::now)),
        ids: Arc::new(Uuid::new_v4),
        clock: Arc::new(jiff::Timestamp::now),
        random: Arc::new(rand::random),
        settings: Settings {
            silence: SILENCE,
            ..Settings::new(Arc::new(rand::random::<f64>))
        },
        instance: "lab".to_owned(),
    };
    Ok(Server::start(&config, deps).await?)
}

struct Operator<'a> {
    fleet: &'a Fleet,
    http: reqwest::Client,
}

impl Operator<'_> {
    fn says(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.http.request(method, format!("http://{ADDRESS}{path}"));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.fleet.run(async {
            let answer = request.send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status.is_success(), "{path}: {status}: {text}");
            Ok(serde_json::from_str(&text)?)
        })
    }

    /// Waits until R shows this state of its FIB.
    fn until(&self, state: &str) -> Result<Value> {
        wait::until(&format!("R's FIB to be {state}"), LIMIT, || {
            let list = self.says(Method::GET, "/v2.0/routers", None)?;
            let row = &list["routers"][0];
            let is = row["fib_state"].as_str().unwrap_or_default();
            Ok(match is.starts_with(state) {
                true => Seen::Yes(row.clone()),
                false => Seen::NotYet(row.to_string()),
            })
        })
    }

    /// The listing as an operator sees it.
    fn wide_listing(&self) -> Result<String> {
        let mut command = Command::new(tools::built("gohan")?);
        command
            .current_dir(world::FOLDER)
            .args(["client", "router", "list", "-o", "wide"])
            .env("GOHAN_ENDPOINT_URL", format!("http://{ADDRESS}"));
        network::text(command.output()?)
    }
}

#[test]
fn an_agent_tells_the_server_how_the_kernels_table_stands() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = fleet.far("A", AS)?;
        a.add_peer(fleet.wan("R")?, &PeerSettings::new(AS))?;
        let _r = fleet.gobgpd("R", release)?;
        let server = fleet.run(server())?;
        let operator = Operator {
            fleet: &fleet,
            http: sdwan_http::local()?.timeout(LIMIT).build()?,
        };
        let router = json!({
            "host_name": "R", "mgmt_addr": fleet.management("R")?.to_string(), "local_as": AS,
            "router_id": fleet.wan("R")?.to_string(), "fib": "agent",
        });
        operator.says(Method::POST, "/v2.0/routers", Some(&router))?;
        let neighbor = json!({
            "host_name": "R", "neighbor_addr": fleet.wan("A")?.to_string(), "peer_as": AS,
        });
        operator.says(Method::POST, "/v2.0/neighbors", Some(&neighbor))?;
        operator.until("no report yet")?;
        let machine = fleet.machine("R")?;
        let url = format!("http://{ADDRESS}");
        let mut agent = Agent::start(machine, &["--server", &url, "--router", "R", "--hold", "1"])?;
        let in_step = operator.until("in step")?;
        let version = in_step["gobgpd_version"].as_str();
        let version = version.context("no version was found")?;
        ensure!(
            version.starts_with(&format!("{}.", release.name())),
            "{version} is not {}",
            release.name()
        );

        // A route whose next hop leads nowhere.
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::default()),
            next_hop: Some(std::net::IpAddr::from(NEXT_HOP)),
            ..Attributes::default()
        };
        let path = Path::new(PREFIX.parse()?, attributes);
        fleet.run(a.client().add_path(&path))?;
        let unresolved = operator.until("1 unresolved")?;
        ensure!(unresolved["fib_unresolved"] == 1, "{unresolved}");
        let why = unresolved["fib_reason"].as_str().unwrap_or_default();
        ensure!(why.contains("192.0.2.9"), "{why}");
        let since = |row: &Value| -> Result<jiff::Timestamp> {
            Ok(row["fib_since"].as_str().context("no time")?.parse()?)
        };
        ensure!(since(&unresolved)? > since(&in_step)?, "{unresolved}");
        let listing = operator.wide_listing()?;
        println!("{listing}");
        for word in ["FIB STATE", "1 unresolved", "FIB SINCE", version] {
            ensure!(listing.contains(word), "{word} is not in\n{listing}");
        }

        // And then leads somewhere.
        machine.netns().ip("address add 192.0.2.1/24 dev wan\n")?;
        let resolved = operator.until("in step")?;
        ensure!(since(&resolved)? > since(&unresolved)?, "{resolved}");

        agent.kill()?;
        let silent = operator.until("no report since")?;
        ensure!(silent["gobgpd_version"].is_null(), "{silent}");
        agent.go_on()?;
        operator.until("in step")?;
        fleet.run(server.stop());
        Ok(())
    });
}
