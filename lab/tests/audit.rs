//! Who did what, where a real Keystone says who calls and rows have tenants;
//! and who has been at the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use sdwan_keystone::credentials::Target;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::keystone::{Keystone, named, password_for};
use sdwan_lab::{harness, tools};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// A kind whose rows have tenants and a secret.
const SITES: &str = "
schemas:
- id: site
  singular: site
  plural: sites
  prefix: /v2.0
  schema:
    required: [name]
    propertiesOrder: [id, name, tenant_id, password, note]
    properties:
      name: {type: string, title: Name}
      tenant_id: {type: [string, 'null'], title: Tenant}
      password: {type: [string, 'null'], title: Password, format: secret}
      note: {type: string, title: Note, default: ''}
";

const SITES_PATH: &str = "/v2.0/sites";
const PASSWORD: &str = "hunter2-hunter2";
const OTHER_PASSWORD: &str = "swordfish-swordfish";

/// `sdwan server` with an audit in files of 64 KiB; killed when dropped.
struct Server {
    process: Option<Daemon>,
    endpoint: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Server {
    /// Which asks this Keystone who calls, or nobody.
    fn start(keystone: Option<&Keystone>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("sites.yaml"), SITES)?;
        let mut configuration = json!({
            "schemas": ["sites.yaml"],
            "audit": {"file": "who.log", "max_size": "64KiB", "keep": 50},
        });
        if let Some(keystone) = keystone {
            configuration["keystone"] = json!({
                "use_keystone": true,
                "auth_url": keystone.auth_url(),
                "user_name": "admin",
                "tenant_name": "admin",
                "password": keystone.admin_password().expose_secret(),
            });
        }
        let (process, address) = Daemon::server(folder.path(), &configuration)?;
        Ok(Self {
            process: Some(process),
            endpoint: format!("http://{address}"),
            http: sdwan_http::local()?.timeout(LIMIT).build()?,
            folder,
        })
    }

    /// The answer's status and body.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.endpoint));
        let mut request = request.header("X-Auth-Token", token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// `sdwan` with these words, as whom this token is.
    fn sdwan(&self, token: &SecretString, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(tools::built("sdwan")?);
        command
            .args(words)
            .env_clear()
            .env("OS_TOKEN", token.expose_secret())
            .env("GOHAN_ENDPOINT_URL", &self.endpoint);
        Ok(command.output()?)
    }

    /// The full files, the oldest first, and the one that is written.
    fn files(&self) -> Result<Vec<PathBuf>> {
        files(self.folder.path())
    }

    /// The requests in all files.
    fn entries(&self) -> Result<Vec<Value>> {
        let mut entries = Vec::new();
        for file in self.files()? {
            let text = fs::read_to_string(file)?;
            // The last line may still be under way.
            for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
                entries.push(serde_json::from_str::<Value>(line)?);
            }
        }
        entries.retain(|entry| entry["event"] == "request");
        Ok(entries)
    }

    /// The last of them, which is of this caller and this answer. Refusals are
    /// answered before they are written.
    async fn last(&self, caller: Option<&str>, status: u16) -> Result<Value> {
        let end = Instant::now() + LIMIT;
        loop {
            let entry = self.entries()?.pop().context("no entry")?;
            if entry["caller"]["name"].as_str() == caller && entry["status"] == status {
                return Ok(entry);
            }
            ensure!(Instant::now() < end, "{entry}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it in order; gives its log.
    fn stop(&mut self) -> Result<PathBuf> {
        let process = self.process.take().context("it runs")?;
        ensure!(process.stop_within(LIMIT)?.success());
        Ok(self.folder.path().join("sdwan-server.log"))
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("who.log.") {
            files.push(path);
        }
    }
    files.sort();
    files.push(folder.join("who.log"));
    Ok(files)
}

/// `sdwan audit verify`: the exit code, and all that was said.
fn verify(files: &[PathBuf], key: &Path, heads: Option<&Path>) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(tools::built("sdwan")?);
    command.args(["audit", "verify"]).args(files);
    command.arg("--key-file").arg(key);
    if let Some(heads) = heads {
        command.arg("--heads").arg(heads);
    }
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    Ok((output.status.code(), said))
}

/// A user with a role on a project of its own; gives the ids of both, and a
/// token.
async fn user(
    keystone: &Keystone,
    name: &str,
    role: &str,
    project: &str,
) -> Result<(String, String, SecretString)> {
    let id = keystone.project(project).await?;
    let user = keystone.user(name, "correct-horse").await?;
    keystone
        .grant(&user, role, &format!("projects/{id}"))
        .await?;
    let login = password_for(name, "correct-horse", Target::Project(named(project)));
    Ok((user, id, keystone.login(&login).await?.token))
}

#[test]
fn who_did_what_is_told_with_keystones_names_and_no_secret() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let mut server = Server::start(Some(&keystone))?;
        let (op_id, blue, op) = user(&keystone, "op", "operator", "blue").await?;
        let (_, red, eve) = user(&keystone, "eve", "operator", "red").await?;
        let (_, _, guest) = user(&keystone, "guest", "passer-by", "green").await?;
        let admin = keystone.login(&keystone.admin()).await?.token;
        let (op_token, eve_token) = (op.expose_secret(), eve.expose_secret());

        // Who it was, for whom, and that a secret was set, but not which.
        let site = json!({"name": "Tokyo", "password": PASSWORD});
        let made = server
            .ask(Method::POST, SITES_PATH, op_token, Some(&site))
            .await?;
        ensure!(made.0 == 201, "{made:?}");
        let id = made.1["site"]["id"].as_str().context("an id")?;
        let entry = server.last(Some("op"), 201).await?;
        let caller = &entry["caller"];
        ensure!(caller["id"] == op_id, "{entry}");
        ensure!(
            caller["tenant"] == json!({"id": blue, "name": "blue"}),
            "{entry}"
        );
        let roles = caller["roles"].as_array().context("roles")?;
        ensure!(roles.contains(&json!("operator")), "{entry}");
        ensure!(
            entry["status"] == 201 && entry["outcome"] == "done",
            "{entry}"
        );
        let change = &entry["changes"][0];
        ensure!(change["after"]["tenant_id"] == blue && change["before"].is_null());
        ensure!(change["secrets"] == json!(["password"]), "{entry}");
        let path = format!("{SITES_PATH}/{id}");
        let other = json!({"password": OTHER_PASSWORD});
        let changed = server
            .ask(Method::PATCH, &path, op_token, Some(&other))
            .await?;
        ensure!(changed.0 == 200, "{changed:?}");
        let entry = server.last(Some("op"), 200).await?;
        let change = &entry["changes"][0];
        ensure!(change["op"] == "update" && change["secrets"] == json!(["password"]));
        ensure!(change["before"]["name"] == "Tokyo" && change["after"]["name"] == "Tokyo");

        // Refusals: another tenant's row, a role that may nothing, nobody.
        let note = json!({"note": "mine now"});
        let refused = server
            .ask(Method::PATCH, &path, eve_token, Some(&note))
            .await?;
        ensure!(refused.0 == 404, "{refused:?}");
        let entry = server.last(Some("eve"), 404).await?;
        ensure!(
            entry["outcome"] == "refused" && entry["id"] == id,
            "{entry}"
        );
        ensure!(entry["caller"]["tenant"]["id"] == red, "{entry}");
        ensure!(entry.get("changes").is_none() && !entry.to_string().contains("Tokyo"));
        let guest = guest.expose_secret();
        let refused = server
            .ask(Method::POST, SITES_PATH, guest, Some(&site))
            .await?;
        ensure!((400..500).contains(&refused.0), "{refused:?}");
        let entry = server.last(Some("guest"), refused.0).await?;
        ensure!(entry["outcome"] == "refused", "{entry}");
        let strange = "gAAAAA-no-token-of-this-keystone";
        let refused = server
            .ask(Method::POST, SITES_PATH, strange, Some(&site))
            .await?;
        ensure!(refused.0 == 401, "{refused:?}");
        let entry = server.last(None, 401).await?;
        ensure!(
            entry["outcome"] == "refused" && entry["caller"].is_null(),
            "{entry}"
        );
        let from = entry["from"].as_str().context("from")?;
        ensure!(from.starts_with("127.0.0.1:"), "{entry}");

        // An admin may look, nobody else.
        let asked = server.sdwan(&op, &["audit"])?;
        ensure!(!asked.status.success() && asked.stdout.is_empty());
        for by in ["op", op_id.as_str()] {
            let words = ["audit", "--caller", by, "--kind", "site", "-o", "json"];
            let found = server.sdwan(&admin, &words)?;
            let found: Value = serde_json::from_slice(&found.stdout)?;
            let found = found["entries"].as_array().context("entries")?;
            ensure!(found.len() == 2, "{found:?}");
        }
        let words = ["audit", "--outcome", "refused", "--caller", "eve"];
        let table = server.sdwan(&admin, &words)?;
        ensure!(String::from_utf8(table.stdout)?.contains("| 404    | refused |"));

        let log = fs::read_to_string(server.stop()?)?;
        let mut all = log;
        for file in server.files()? {
            all += &fs::read_to_string(file)?;
        }
        for secret in [
            PASSWORD,
            OTHER_PASSWORD,
            op_token,
            eve_token,
            guest,
            strange,
        ] {
            ensure!(!all.contains(secret), "{secret} is told");
        }
        Ok(())
    });
}

#[test]
fn a_hand_at_the_files_is_found() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let mut server = Server::start(None)?;
        let site = json!({"name": "Tokyo"});
        let made = server
            .ask(Method::POST, SITES_PATH, "", Some(&site))
            .await?;
        let id = made.1["site"]["id"].as_str().context("an id")?;
        let path = format!("{SITES_PATH}/{id}");
        let mut turns = 0;
        while server.files()?.len() < 4 {
            let note = json!({"note": format!("{turns} {}", "x".repeat(8000))});
            let changed = server.ask(Method::PATCH, &path, "", Some(&note)).await?;
            ensure!(changed.0 == 200 && turns < 200, "{changed:?}");
            turns += 1;
        }
        let log = server.stop()?;
        let key = server.folder.path().join("sdwan.db.key");
        let whole = verify(&server.files()?, &key, Some(&log))?;
        ensure!(
            whole.0 == Some(0) && whole.1.contains("whole: "),
            "{whole:?}"
        );
        let count = |entries: usize| format!("whole: {entries} entries");
        let lines: usize = server
            .files()?
            .iter()
            .map(|file| Ok(fs::read_to_string(file)?.lines().count()))
            .sum::<Result<_>>()?;
        ensure!(whole.1.contains(&count(lines)), "{lines}: {whole:?}");

        // Each time in a copy.
        let copy = || {
            let copy = tempfile::tempdir()?;
            for file in server.files()? {
                let name = file.file_name().context("a name")?;
                fs::copy(&file, copy.path().join(name))?;
            }
            anyhow::Ok((files(copy.path())?, copy))
        };
        // A line that says another thing.
        let (changed, _copy) = copy()?;
        let text = fs::read_to_string(&changed[1])?;
        let line = text.lines().nth(2).context("a line")?;
        let forged = line.replacen("\"anyone\"", "\"nobody\"", 1);
        ensure!(forged != line, "{line}");
        fs::write(&changed[1], text.replace(line, &forged))?;
        let (code, said) = verify(&changed, &key, None)?;
        let place = format!("{}:3: ", changed[1].display());
        ensure!(
            code == Some(1) && said.contains(&place) && said.contains("was changed"),
            "{said}"
        );
        // A line that is gone, and one that stands elsewhere.
        let (gone, _copy) = copy()?;
        fs::write(&gone[1], text.replace(&format!("{line}\n"), ""))?;
        let (code, said) = verify(&gone, &key, None)?;
        ensure!(
            code == Some(1) && said.contains("is missing before it"),
            "{said}"
        );
        // The end, which only the heads in the server's log tell.
        let (cut, _copy) = copy()?;
        let last = cut.last().context("a file")?;
        let text = fs::read_to_string(last)?;
        let first = text.lines().next().context("a line")?;
        fs::write(last, format!("{first}\n"))?;
        ensure!(verify(&cut, &key, None)?.0 == Some(0));
        let (code, said) = verify(&cut, &key, Some(&log))?;
        ensure!(code == Some(1) && said.contains("cut off"), "{said}");
        // A whole file, in the middle, at the end, at the beginning.
        let (mut without, _copy) = copy()?;
        without.remove(1);
        let (code, said) = verify(&without, &key, None)?;
        ensure!(
            code == Some(1) && said.contains("are missing before it"),
            "{said}"
        );
        let (mut without, _copy) = copy()?;
        without.pop();
        let (code, said) = verify(&without, &key, Some(&log))?;
        ensure!(code == Some(1) && said.contains("cut off"), "{said}");
        let (mut without, _copy) = copy()?;
        without.remove(0);
        let (code, said) = verify(&without, &key, None)?;
        ensure!(code == Some(0) && said.contains("is not here"), "{said}");
        Ok(())
    });
}
