//! A Keystone on SQLite, on this machine's loopback, and who is known to it: made by calls to its
//! own API, as an administrator would.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use reqwest::{Method, StatusCode, Url};
use sdwan_keystone::credentials::{Domain, Named, Target};
use sdwan_keystone::{Credentials, Options, Session};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::bench::free_port;
use crate::daemon::Daemon;
use crate::tools;

/// How long an answer may take; the first waits until all of Keystone is loaded.
const LIMIT: Duration = Duration::from_secs(120);

/// How long it may take to stop, which it does by itself when asked to.
const STOP: Duration = Duration::from_secs(20);

/// The region that it knows.
pub const REGION: &str = "RegionOne";

/// The domain that all names are in.
pub const DOMAIN: &str = "default";

/// A running Keystone; stopped when dropped, and its folder gone.
#[derive(Debug)]
pub struct Keystone {
    folder: tempfile::TempDir,
    address: SocketAddr,
    process: Option<Daemon>,
    http: reqwest::Client,
    password: SecretString,
    token: SecretString,
}

impl Keystone {
    /// Starts one whose tokens are good for an hour, and waits until it answers.
    ///
    /// # Errors
    /// When the set-up has not run, or it does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(Duration::from_secs(3600)).await
    }

    /// The same with tokens that are good for so long.
    ///
    /// # Errors
    /// As [`Keystone::start`].
    pub async fn start_with(life: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        prepare(folder.path(), address, life)?;
        let password = fs::read_to_string(tools::keystone()?.join("admin-password"))?;
        let mut keystone = Self {
            folder,
            address,
            process: None,
            http: sdwan_http::local()?.timeout(LIMIT).build()?,
            password: password.into(),
            token: SecretString::default(),
        };
        keystone.go_on().await?;
        Ok(keystone)
    }

    /// Starts it again where it was, with all it knew.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn go_on(&mut self) -> Result<()> {
        let environment = tools::keystone()?;
        let mut command = Command::new(environment.join("bin/python"));
        // Without arguments: Keystone would take gunicorn's for its own and end.
        command
            .args(["-m", "gunicorn"])
            .current_dir(self.folder.path())
            .env("OS_KEYSTONE_CONFIG_DIR", self.folder.path())
            .env("PYTHONWARNINGS", "ignore")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        let mut process = Daemon::start_here(self.folder.path(), "keystone", command)?;
        process.wait_for_address(self.address)?;
        self.process = Some(process);
        let session = self.login(&self.admin()).await.with_context(|| self.log());
        self.token = session?.token;
        Ok(())
    }

    /// Stops it; what it knows stays.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("it is stopped already")?;
        process.stop_within(STOP).map(drop)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("keystone.log") + &read("gunicorn.log")
    }

    /// Its URL without a version, e.g. `http://127.0.0.1:5000`.
    #[must_use]
    pub fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL.
    #[must_use]
    pub fn auth_url(&self) -> String {
        self.root_url() + "/v3"
    }

    /// The password of `admin`, who has the role `admin` on the project `admin` and on the system.
    #[must_use]
    pub fn admin_password(&self) -> &SecretString {
        &self.password
    }

    /// `admin` on the project `admin`.
    #[must_use]
    pub fn admin(&self) -> Credentials {
        let password = self.password.expose_secret();
        password_for("admin", password, Target::Project(named("admin")))
    }

    /// A client of it.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn client(&self) -> Result<sdwan_keystone::Keystone> {
        let options = Options {
            timeout: LIMIT,
            ..Options::default()
        };
        let url = Url::parse(&self.auth_url())?;
        Ok(sdwan_keystone::Keystone::new(&url, options)?)
    }

    /// Logs in.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn login(&self, credentials: &Credentials) -> Result<Session> {
        Ok(self.client()?.login(credentials).await?)
    }

    /// Makes a project; gives its id.
    ///
    /// # Errors
    /// When it is refused, as all that follows.
    pub async fn project(&self, name: &str) -> Result<String> {
        let body = json!({"project": {"name": name, "domain_id": DOMAIN}});
        self.made("projects", "project", &body).await
    }

    /// Makes a user; gives the id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn user(&self, name: &str, password: &str) -> Result<String> {
        let body = json!({"user": {"name": name, "password": password, "domain_id": DOMAIN}});
        self.made("users", "user", &body).await
    }

    /// Gives a user a role, made where there is none of that name, in a place such as
    /// `projects/ID`, `domains/default` or `system`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn grant(&self, user: &str, role: &str, place: &str) -> Result<()> {
        let role = self.role(role).await?;
        let path = format!("{place}/users/{user}/roles/{role}");
        self.call(Method::PUT, &path, None).await.map(drop)
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn take_away(&self, user: &str, role: &str, place: &str) -> Result<()> {
        let role = self.role(role).await?;
        let path = format!("{place}/users/{user}/roles/{role}");
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    async fn role(&self, name: &str) -> Result<String> {
        let found = self
            .call(Method::GET, &format!("roles?name={name}"), None)
            .await?;
        if let Some(id) = found["roles"][0]["id"].as_str() {
            return Ok(id.to_owned());
        }
        let body = json!({"role": {"name": name}});
        self.made("roles", "role", &body).await
    }

    /// Makes an application credential of the user whose token for a project this is; gives its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn application_credential(
        &self,
        session: &Session,
        name: &str,
        secret: &str,
    ) -> Result<String> {
        let path = format!(
            "users/{}/application_credentials",
            session.token_data.user.id
        );
        let body = json!({"application_credential": {"name": name, "secret": secret}});
        let made = self
            .call_as(&session.token, Method::POST, &path, Some(&body))
            .await?;
        id(&made["application_credential"])
    }

    /// Puts a service with a public endpoint into the catalog.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn service(&self, name: &str, url: &str) -> Result<()> {
        let body = json!({"service": {"name": name, "type": name}});
        let service = self.made("services", "service", &body).await?;
        let body = json!({"endpoint": {"service_id": service, "region_id": REGION,
            "interface": "public", "url": url}});
        self.made("endpoints", "endpoint", &body).await.map(drop)
    }

    /// Makes a token worth nothing.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn revoke(&self, token: &SecretString) -> Result<()> {
        let request = self
            .http
            .delete(self.auth_url() + "/auth/tokens")
            .header("X-Auth-Token", self.token.expose_secret())
            .header("X-Subject-Token", token.expose_secret());
        let status = request.send().await?.status();
        ensure!(status == StatusCode::NO_CONTENT, "revoking: {status}");
        Ok(())
    }

    /// POST; gives the id of what was made.
    async fn made(&self, path: &str, kind: &str, body: &Value) -> Result<String> {
        let made = self.call(Method::POST, path, Some(body)).await?;
        id(&made[kind])
    }

    /// A call of the administrator's.
    ///
    /// # Errors
    /// When it is refused, with Keystone's words.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call_as(&self.token, method, path, body).await
    }

    async fn call_as(
        &self,
        token: &SecretString,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let what = format!("{method} {path}");
        let url = format!("{}/{path}", self.auth_url());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let token = token.expose_secret();
        let answer = request.header("X-Auth-Token", token).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{what}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Drop for Keystone {
    /// Killed, it would leave its worker behind for a moment.
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            let _ = process.stop_within(STOP);
        }
    }
}

/// Something in [`DOMAIN`].
#[must_use]
pub fn named(name: &str) -> Named {
    Named::Name {
        name: name.to_owned(),
        domain: Domain::Id(DOMAIN.to_owned()),
    }
}

/// A user of [`DOMAIN`] and a password.
#[must_use]
pub fn password_for(user: &str, password: &str, target: Target) -> Credentials {
    Credentials::Password {
        user: named(user),
        password: password.into(),
        target,
    }
}

fn id(made: &Value) -> Result<String> {
    let id = made["id"].as_str();
    Ok(id.context("what was made has no id")?.to_owned())
}

/// Its folder: the set-up's database with this Keystone's URL, keys for tokens, configuration.
fn prepare(folder: &Path, address: SocketAddr, life: Duration) -> Result<()> {
    let database = folder.join("keystone.db");
    fs::copy(tools::keystone()?.join("keystone.db"), &database)?;
    let url = format!("http://{address}/v3");
    rusqlite::Connection::open(&database)?.execute("UPDATE endpoint SET url = ?1", [url])?;
    for keys in ["tokens", "receipts"] {
        fs::create_dir(folder.join(keys))?;
        for number in ["0", "1"] {
            let key = URL_SAFE.encode(rand::random::<[u8; 32]>());
            fs::write(folder.join(keys).join(number), key)?;
        }
    }
    let mut text = String::new();
    let place = folder.display();
    write!(
        text,
        "[DEFAULT]\nlog_file = {place}/keystone.log\n\
         [database]\nconnection = sqlite:///{}\n\
         [fernet_tokens]\nkey_repository = {place}/tokens\n\
         [fernet_receipts]\nkey_repository = {place}/receipts\n\
         [token]\nexpiration = {}\n\
         [identity]\npassword_hash_rounds = 4\n\
         [cache]\nenabled = true\nbackend = oslo_cache.dict\n",
        database.display(),
        life.as_secs(),
    )?;
    fs::write(folder.join("keystone.conf"), text)?;
    // One worker: each would have a cache of its own, and a revoked token be good in the others.
    let served = format!(
        "wsgi_app = 'keystone.wsgi.api:application'\nbind = '{address}'\nworkers = 1\n\
         threads = 4\ngraceful_timeout = 1\nerrorlog = '{place}/gunicorn.log'\n\
         control_socket_disable = True\n"
    );
    Ok(fs::write(folder.join("gunicorn.conf.py"), served)?)
}
