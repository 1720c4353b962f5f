//! `sdwan server` as a process of its own, with everything logged, and its API.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Fleet;
use crate::daemon::Daemon;
use crate::orchestrator;
use crate::wait::{self, Seen};
use crate::{network, world};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// The configuration: everything that can be logged is.
const CONFIGURATION: &str = "logging:\n  stderr: {enabled: true, level: DEBUG}\n";

/// A server on a store of its own; killed when dropped.
pub struct Server {
    fleet: Fleet,
    folder: PathBuf,
    address: SocketAddr,
    http: reqwest::Client,
    process: Option<Daemon>,
}

/// A row, by the plural of its kind and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// E.g. `neighbors`.
    pub plural: &'static str,
    /// Its id.
    pub id: String,
}

impl Row {
    fn path(&self) -> String {
        format!("/v2.0/{}/{}", self.plural, self.id)
    }
}

impl Server {
    /// Starts one on an empty store.
    ///
    /// # Errors
    /// When it ends or doesn't get ready.
    pub fn start(fleet: &Fleet) -> Result<Self> {
        Self::numbered(fleet, 0)
    }

    /// Starts another one beside it; it has its own store and port.
    ///
    /// # Errors
    /// When it ends or doesn't get ready.
    pub fn numbered(fleet: &Fleet, number: u16) -> Result<Self> {
        let folder = Path::new(world::FOLDER).join(format!("sdwan-{number}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("gohan.yaml"), CONFIGURATION)?;
        let mut server = Self {
            fleet: fleet.clone(),
            folder,
            address: (Ipv4Addr::LOCALHOST, 9998 + number).into(),
            http: sdwan_http::local()?.timeout(LIMIT).build()?,
            process: None,
        };
        server.go_on()?;
        Ok(server)
    }

    /// Kills it, as a power failure would.
    ///
    /// # Errors
    /// When it can't be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Daemon::kill)
    }

    /// Starts it again on the same store.
    ///
    /// # Errors
    /// When it ends or doesn't get ready.
    pub fn go_on(&mut self) -> Result<()> {
        let mut command = orchestrator::command("sdwan", &self.folder)?;
        command
            .args(["server", "--config-file", "gohan.yaml"])
            .args(["--address", &self.address.to_string()]);
        let mut process = Daemon::start_here(&self.folder, "sdwan-server", command)?;
        wait::until("the server to be ready", LIMIT, || {
            process.check()?;
            let request = self.http.get(self.url("/readyz"));
            let answer = self.fleet.run(async { request.send().await });
            Ok(match answer {
                Ok(answer) if answer.status().is_success() => Seen::Yes(()),
                Ok(answer) => Seen::NotYet(answer.status().to_string()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Empties the store of a server that does not run.
    ///
    /// # Errors
    /// When its files can't be removed.
    pub fn forget(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("sdwan.db") {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One request: its status, and its body as JSON (null where there is none).
    ///
    /// # Errors
    /// When there is no answer, or one that is no JSON.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.fleet.run(async {
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            let value = match text.as_str() {
                "" => Value::Null,
                text => serde_json::from_str(text).with_context(|| text.to_owned())?,
            };
            Ok((status, value))
        })
    }

    fn expect(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.request(method.clone(), path, body)?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {answer}");
        }
        Ok(answer)
    }

    /// Creates a row.
    ///
    /// # Errors
    /// A refusal, in the server's words.
    pub fn create(&self, plural: &'static str, body: &Value) -> Result<Row> {
        let answer = self.expect(Method::POST, &format!("/v2.0/{plural}"), Some(body))?;
        let id = inner(&answer)["id"]
            .as_str()
            .context("no id in the answer")?;
        Ok(Row {
            plural,
            id: id.to_owned(),
        })
    }

    /// A router of AS 65001 whose gobgpd is this one, at an address of the test's choice.
    ///
    /// # Errors
    /// A refusal.
    pub fn router_at(&self, node: &str, management: &str, more: &Value) -> Result<Row> {
        let mut body = json!({
            "host_name": node, "mgmt_addr": management, "local_as": 65001,
            "router_id": self.fleet.wan(node)?.to_string(),
        });
        add(&mut body, more);
        self.create("routers", &body)
    }

    /// A router of AS 65001 on a node of the fleet.
    ///
    /// # Errors
    /// A refusal.
    pub fn router(&self, node: &str) -> Result<Row> {
        let address = self.fleet.management(node)?.to_string();
        self.router_at(node, &address, &json!({}))
    }

    /// A neighbor of a router: another node of the fleet.
    ///
    /// # Errors
    /// A refusal.
    pub fn neighbor(&self, router: &str, node: &str, asn: u32, more: &Value) -> Result<Row> {
        let mut body = json!({
            "host_name": router, "neighbor_addr": self.fleet.wan(node)?.to_string(),
            "peer_as": asn,
        });
        add(&mut body, more);
        self.create("neighbors", &body)
    }

    /// A policy `NAME` with one statement, for routes to a node of the fleet.
    ///
    /// # Errors
    /// A refusal.
    pub fn export(&self, router: &str, name: &str, to: &str, action: &str) -> Result<Row> {
        let body = json!({
            "host_name": router, "policy_name": name, "statement_name": "s",
            "statement_action": action, "route_disposition": "accept",
            "apply_direction": "export", "apply_neighbor": self.fleet.wan(to)?.to_string(),
        });
        self.create("policyinfos", &body)
    }

    /// Changes properties of a row.
    ///
    /// # Errors
    /// A refusal.
    pub fn update(&self, row: &Row, changes: &Value) -> Result<()> {
        self.expect(Method::PATCH, &row.path(), Some(changes))
            .map(drop)
    }

    /// Deletes a row; `how` is empty, `?cascade=true` or `?force=true`.
    ///
    /// # Errors
    /// A refusal.
    pub fn delete(&self, row: &Row, how: &str) -> Result<()> {
        let path = format!("{}{how}", row.path());
        self.expect(Method::DELETE, &path, None).map(drop)
    }

    /// A row as it is shown; `None` when it is gone.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub fn show(&self, row: &Row) -> Result<Option<Value>> {
        let (status, answer) = self.request(Method::GET, &row.path(), None)?;
        match status {
            StatusCode::OK => Ok(Some(inner(&answer).clone())),
            StatusCode::NOT_FOUND => Ok(None),
            other => bail!("GET {}: {other}: {answer}", row.path()),
        }
    }

    /// Waits until a row has a status; gives the row.
    ///
    /// # Errors
    /// When it doesn't get it, with the one that it has and why.
    pub fn until(&self, row: &Row, status: &str) -> Result<Value> {
        self.until_shown(row, status, |shown| shown["status"] == status)
    }

    /// Waits until something holds of a row as it is shown; gives the row.
    ///
    /// # Errors
    /// When it doesn't, with what is shown.
    pub fn until_shown(
        &self,
        row: &Row,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        wait::until(&format!("{} to be {what}", row.plural), LIMIT, || {
            Ok(match self.show(row)? {
                Some(shown) if holds(&shown) => Seen::Yes(shown),
                Some(shown) => Seen::NotYet(shown.to_string()),
                None => Seen::NotYet("no such row".to_owned()),
            })
        })
    }

    /// Waits until a row is gone.
    ///
    /// # Errors
    /// When it stays.
    pub fn until_gone(&self, row: &Row) -> Result<()> {
        wait::until(&format!("{} to be gone", row.plural), LIMIT, || {
            Ok(match self.show(row)? {
                None => Seen::Yes(()),
                Some(shown) => Seen::NotYet(shown.to_string()),
            })
        })
    }

    /// What a pass would do now.
    ///
    /// # Errors
    /// When the router can't be seen.
    pub fn plan(&self, router: &Row) -> Result<Value> {
        self.expect(Method::GET, &format!("{}/plan", router.path()), None)
    }

    /// Waits until a pass over this router would find nothing to do.
    ///
    /// # Errors
    /// When there is always something.
    pub fn until_in_step(&self, router: &Row) -> Result<()> {
        wait::until("the router to be in step", LIMIT, || {
            let (status, answer) =
                self.request(Method::GET, &format!("{}/plan", router.path()), None)?;
            let none = answer["steps"].as_array().is_some_and(Vec::is_empty);
            Ok(if status.is_success() && none {
                Seen::Yes(())
            } else {
                Seen::NotYet(answer.to_string())
            })
        })
    }

    /// Runs `sdwan` against it; an argument is an item.
    ///
    /// # Errors
    /// When it fails, with what it said on stderr.
    pub fn cli(&self, arguments: &[&str]) -> Result<String> {
        let mut command = orchestrator::command("sdwan", &self.folder)?;
        command
            .args(arguments)
            .env("GOHAN_ENDPOINT_URL", self.url(""))
            .stdin(Stdio::null());
        network::text(command.output()?).with_context(|| format!("sdwan {}", arguments.join(" ")))
    }

    /// What it has logged since it was started first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log(&self) -> Result<String> {
        let path = self.folder.join("sdwan-server.log");
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

/// `{singular: {..}}` without its wrapping.
fn inner(answer: &Value) -> &Value {
    let wrapped = answer.as_object().and_then(|object| object.values().next());
    wrapped.unwrap_or(&Value::Null)
}

fn add(body: &mut Value, more: &Value) {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
}
