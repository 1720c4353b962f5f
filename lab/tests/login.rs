//! How people log in: the command line against a real Keystone and a server that asks it, with a
//! window between the two in which one sees what is sent.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use sdwan_keystone::credentials::Target;
use sdwan_lab::bench::free_port;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::keystone::{Keystone, REGION, named, password_for};
use sdwan_lab::{harness, tools};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long something may take that comes about by itself.
const LIMIT: Duration = Duration::from_secs(180);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Stands before the server, hands everything on, and sees it.
struct Window {
    server: String,
    http: reqwest::Client,
    /// The tokens that came, one after the other.
    seen: Mutex<Vec<String>>,
    /// What was answered, e.g. `GET /v2.0/routers 200`.
    answered: Mutex<Vec<String>>,
}

impl Window {
    async fn count(&self, line: &str) -> usize {
        let answered = self.answered.lock().await;
        answered.iter().filter(|answer| *answer == line).count()
    }

    async fn pass(State(window): State<Arc<Self>>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let what = format!("{} {path}", parts.method);
        let body = axum::body::to_bytes(body, 1 << 20)
            .await
            .unwrap_or_default();
        let url = format!("{}{path}", window.server);
        let mut request = window.http.request(parts.method, url).body(body);
        for name in ["Content-Type", "X-Auth-Token"] {
            if let Some(value) = parts.headers.get(name) {
                request = request.header(name, value);
            }
        }
        if let Some(token) = parts.headers.get("X-Auth-Token") {
            let token = String::from_utf8_lossy(token.as_bytes()).into_owned();
            let mut seen = window.seen.lock().await;
            if seen.last() != Some(&token) {
                seen.push(token);
            }
        }
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                let line = format!("{what} {}", status.as_u16());
                window.answered.lock().await.push(line);
                let body = answer.bytes().await.unwrap_or_default();
                (status, Body::from(body)).into_response()
            }
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
}

/// A Keystone with the operator `op` in the project `blue`; a server that asks it, configured as
/// the seed's was; and a window before that, which is in the catalog as `gohan`.
struct World {
    keystone: Keystone,
    window: Arc<Window>,
    endpoint: String,
    folder: tempfile::TempDir,
    project: String,
    _server: Daemon,
}

impl World {
    async fn up() -> Result<Self> {
        Self::up_with(Duration::from_secs(3600)).await
    }

    /// With a Keystone whose tokens are good for so long.
    async fn up_with(life: Duration) -> Result<Self> {
        let keystone = Keystone::start_with(life).await?;
        let project = keystone.project("blue").await?;
        let user = keystone.user("op", "correct-horse").await?;
        let place = format!("projects/{project}");
        keystone.grant(&user, "operator", &place).await?;
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        fs::write(
            folder.path().join("gohan.yaml"),
            configuration(&keystone, address),
        )?;
        let mut command = Command::new(tools::built("gohan")?);
        command
            .current_dir(folder.path())
            .args(["server", "--config-file", "gohan.yaml"]);
        let mut server = Daemon::start_here(folder.path(), "server", command)?;
        server.wait_for_address(address)?;
        let window = Arc::new(Window {
            server: format!("http://{address}"),
            http: sdwan_http::local()?.build()?,
            seen: Mutex::default(),
            answered: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(Window::pass);
        let router = router.with_state(Arc::clone(&window));
        tokio::spawn(async move { axum::serve(listener, router).await });
        keystone.service("gohan", &endpoint).await?;
        Ok(Self {
            keystone,
            window,
            endpoint,
            folder,
            project,
            _server: server,
        })
    }

    /// A command line in a shell, with this environment and no other.
    async fn shell(&self, line: &str, environment: &[(&str, &str)]) -> Result<Output> {
        self.shell_with(line, environment, "").await
    }

    /// The same with something on its stdin. The window goes on meanwhile.
    async fn shell_with(
        &self,
        line: &str,
        environment: &[(&str, &str)],
        stdin: &str,
    ) -> Result<Output> {
        let file = self.folder.path().join("stdin");
        fs::write(&file, stdin)?;
        let mut command = tokio::process::Command::new("bash");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", tools::path(None)?)
            .env("HOME", self.folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::from(fs::File::open(file)?));
        Ok(command.output().await?)
    }

    /// What a line prints that must succeed.
    async fn does(&self, line: &str, environment: &[(&str, &str)]) -> Result<String> {
        let output = self.shell(line, environment).await?;
        ensure!(output.status.success(), "{line}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }

    /// What a line says on stderr that must fail.
    async fn fails(&self, line: &str, environment: &[(&str, &str)]) -> Result<String> {
        let output = self.shell(line, environment).await?;
        ensure!(!output.status.success(), "{line}: {}", text(&output.stdout));
        Ok(text(&output.stderr))
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    /// The environment of `op`, with the endpoint given.
    fn op(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OS_AUTH_URL", self.keystone.auth_url()),
            ("OS_USERNAME", "op".to_owned()),
            ("OS_PASSWORD", "correct-horse".to_owned()),
            ("OS_PROJECT_NAME", "blue".to_owned()),
            ("GOHAN_ENDPOINT_URL", self.endpoint.clone()),
        ]
    }

    fn kept(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder.path().join(".config/sdwan/tokens");
        let entries = fs::read_dir(folder)?;
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    }
}

/// A server's file in the seed's shape; what is revoked is so at once.
fn configuration(keystone: &Keystone, address: SocketAddr) -> String {
    format!(
        "address: \"{address}\"\ndatabase: {{type: sqlite3, connection: ./gobgp.db}}\nkeystone:\n  \
         use_keystone: true\n  fake: false\n  auth_url: \"{}/v2.0\"\n  user_name: admin\n  \
         tenant_name: admin\n  password: \"{}\"\n  version: v2.0\n  cache_ttl: 0\n",
        keystone.root_url(),
        keystone.admin_password().expose_secret(),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn borrowed<'a>(owned: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    owned
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.mode() & 0o777)
}

#[test]
fn the_seeds_session_works_as_it_stands() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let world = World::up().await?;
        // As packstack wrote it in those days.
        let rc = format!(
            "unset OS_SERVICE_TOKEN\nexport OS_USERNAME=admin\nexport OS_PASSWORD={}\n\
             export OS_AUTH_URL={}/v2.0\nexport PS1='[\\u@\\h \\W(keystone_admin)]\\$ '\n\
             export OS_TENANT_NAME=admin\nexport OS_REGION_NAME={REGION}\n",
            world.keystone.admin_password().expose_secret(),
            world.keystone.root_url(),
        );
        world.write("keystonerc_admin", &rc)?;
        let rc = format!(
            "export GOHAN_SERVICE_NAME=gohan\nexport GOHAN_REGION={REGION}\n\
             export GOHAN_SCHEMA_URL=/gohan/v0.1/schemas\nexport GOHAN_CACHE_SCHEMAS=true\n\
             export GOHAN_CACHE_TIMEOUT=5m\nexport GOHAN_CACHE_PATH=~/.cached-gohan-schemas\n"
        );
        world.write("gohan_cli.rc", &rc)?;
        let sourced = "source keystonerc_admin; source gohan_cli.rc;";
        let create = "gohan client router create --host_name GoBGP-1 --router_id 10.0.1.1 \
                      --local_as 65001 --mgmt_addr 127.0.0.103";
        world.does(&format!("{sourced} {create}"), &[]).await?;
        let list = format!("{sourced} gohan client router list");
        let output = world.shell(&list, &[]).await?;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        ensure!(
            output.status.success() && out.contains("| GoBGP-1   | "),
            "{out}{err}"
        );
        ensure!(err.contains("v3 is spoken instead"), "{err}");
        // Where the region is another one, what there is is named.
        let other = format!("{sourced} GOHAN_REGION=Two gohan client router list");
        let said = world.fails(&other, &[]).await?;
        ensure!(said.contains("it has public in RegionOne"), "{said}");

        // A login that is kept, found again by how the server is looked up.
        world.does(&format!("{sourced} sdwan login"), &[]).await?;
        let alone = "source gohan_cli.rc; export OS_AUTH_URL=KEYSTONE/v2.0 OS_REGION_NAME=REGION;";
        let alone = alone.replace("KEYSTONE", &world.keystone.root_url());
        let alone = alone.replace("REGION", REGION);
        let list = format!("{alone} gohan client router list");
        ensure!(world.does(&list, &[]).await?.contains("| GoBGP-1   | "));
        // The server knows nobody without it.
        world.does(&format!("{alone} sdwan logout"), &[]).await?;
        let said = world.fails(&list, &[]).await?;
        ensure!(
            said.contains("run `sdwan login`") || said.contains("log in"),
            "{said}"
        );
        Ok(())
    });
}

#[test]
fn every_way_to_say_who_one_is_is_understood() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let world = World::up().await?;
        let list = "gohan client router list";
        let said = world
            .fails(list, &[("GOHAN_ENDPOINT_URL", &world.endpoint)])
            .await?;
        ensure!(said.contains("Log in with"), "{said}");

        let op = world.op();
        let op = borrowed(&op);
        world.does(list, &op).await?;
        world.does("sdwan plan", &op).await?;
        let wrong = [&op[..], &[("OS_PASSWORD", "wrong-horse")]].concat();
        let said = world.fails(list, &wrong).await?;
        ensure!(said.contains("refuses user op (domain default)"), "{said}");
        ensure!(!said.contains("wrong-horse"), "{said}");

        // A token as it is; with it, the catalog too.
        let blue = Target::Project(named("blue"));
        let as_op = password_for("op", "correct-horse", blue);
        let session = world.keystone.login(&as_op).await?;
        let token = session.token.expose_secret();
        let given = [("OS_TOKEN", token), ("GOHAN_ENDPOINT_URL", &world.endpoint)];
        world.does(list, &given).await?;
        let auth_url = world.keystone.auth_url();
        let looked_up = [
            ("OS_TOKEN", token),
            ("OS_AUTH_URL", &auth_url),
            ("GOHAN_SERVICE_NAME", "gohan"),
        ];
        world.does(list, &looked_up).await?;

        // An application credential.
        let id = world
            .keystone
            .application_credential(&session, "ci", "battery")
            .await?;
        let credential = [
            ("OS_AUTH_URL", auth_url.as_str()),
            ("OS_APPLICATION_CREDENTIAL_ID", &id),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "battery"),
            ("GOHAN_SERVICE_NAME", "gohan"),
        ];
        world.does(list, &credential).await?;

        // A named cloud, its password apart, over an environment of somebody else.
        let clouds = format!(
            "clouds:\n  wan:\n    auth:\n      auth_url: {auth_url}\n      username: op\n      \
             project_id: {}\n    region_name: {REGION}\n",
            world.project
        );
        world.write("clouds.yaml", &clouds)?;
        world.write(
            "secure.yaml",
            "clouds: {wan: {auth: {password: correct-horse}}}\n",
        )?;
        let somebody = [
            ("OS_USERNAME", "nobody"),
            ("OS_PASSWORD", "nothing"),
            ("OS_AUTH_URL", "http://127.0.0.1:1/v3"),
            ("GOHAN_SERVICE_NAME", "gohan"),
        ];
        world
            .does("gohan client --os-cloud wan router list", &somebody)
            .await?;
        world.does("sdwan plan --os-cloud wan", &somebody).await?;
        let said = world
            .fails("gohan client --os-cloud lan router list", &somebody)
            .await?;
        ensure!(
            said.contains("there is no cloud \"lan\", but wan"),
            "{said}"
        );
        Ok(())
    });
}

#[test]
fn a_login_is_kept_renewed_and_forgotten() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let world = World::up().await?;
        let list = "gohan client router list";
        let op = world.op();
        let (op, alone) = (
            borrowed(&op),
            [("GOHAN_ENDPOINT_URL", world.endpoint.as_str())],
        );

        let said = world.does("sdwan login", &op).await?;
        ensure!(
            said.contains("as user op (domain default) for project blue"),
            "{said}"
        );
        let [file] = &world.kept()?[..] else {
            anyhow::bail!("one file")
        };
        ensure!(mode(file)? == 0o600 && mode(file.parent().context("a folder")?)? == 0o700);
        // Without a password, with the kept token; with it, the same token.
        world.window.seen.lock().await.clear();
        world.does(list, &alone).await?;
        world.does(list, &op).await?;
        ensure!(world.window.seen.lock().await.len() == 1, "one token");
        // It is not used for who says to be somebody else, nor for another project.
        let other = |name: &'static str, value: &'static str| {
            let unset = ("OS_PASSWORD", "");
            let known = op.iter().copied().filter(|(known, _)| *known != name);
            known.chain([(name, value), unset]).collect::<Vec<_>>()
        };
        for named in [
            other("OS_USERNAME", "admin"),
            other("OS_PROJECT_NAME", "red"),
        ] {
            let said = world.fails(list, &named).await?;
            ensure!(said.contains("kept is a login as user op"), "{said}");
        }
        let said = world
            .fails("sdwan plan --os-project-name red", &alone)
            .await?;
        ensure!(said.contains("--os-project-name"), "{said}");

        // Revoked: whoever has the password gets another one, kept in its place.
        let token = SecretString::from(world.window.seen.lock().await[0].clone());
        world.keystone.revoke(&token).await?;
        let said = world.fails(list, &alone).await?;
        ensure!(said.contains("sdwan login"), "{said}");
        world.does(list, &op).await?;
        world.does(list, &alone).await?;
        ensure!(mode(file)? == 0o600);

        // Forgotten, here and by Keystone.
        let token = SecretString::from(world.window.seen.lock().await.pop().context("a token")?);
        world.does("sdwan logout", &alone).await?;
        ensure!(world.kept()?.is_empty(), "{:?}", world.kept()?);
        let own = world.keystone.login(&world.keystone.admin()).await?.token;
        let client = world.keystone.client()?;
        ensure!(client.validate(&own, &token).await?.is_none());
        world.fails(list, &alone).await?;
        ensure!(
            world
                .does("sdwan logout", &alone)
                .await?
                .contains("no login")
        );

        // A token as such, from stdin; one that the server does not take is not kept.
        let admin = world.keystone.login(&world.keystone.admin()).await?.token;
        let login = "sdwan login --token-file -";
        let refused = world.shell_with(login, &alone, "nonsense\n").await?;
        ensure!(!refused.status.success() && world.kept()?.is_empty());
        let line = format!("{}\n", admin.expose_secret());
        let taken = world.shell_with(login, &alone, &line).await?;
        ensure!(taken.status.success(), "{}", text(&taken.stderr));
        world.does(list, &alone).await?;
        // Where nobody can be asked, what to do is said.
        let said = world.fails("sdwan login", &alone).await?;
        ensure!(said.contains("--token-file"), "{said}");
        Ok(())
    });
}

#[test]
fn a_login_ends_and_is_renewed_before() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let world = World::up_with(Duration::from_secs(50)).await?;
        let list = "gohan client router list";
        let op = world.op();
        let (op, alone) = (
            borrowed(&op),
            [("GOHAN_ENDPOINT_URL", world.endpoint.as_str())],
        );
        let end = Instant::now() + LIMIT;
        world.does("sdwan login", &op).await?;
        world.window.seen.lock().await.clear();
        // With a password another token comes before the first one is refused.
        while world.window.seen.lock().await.len() < 2 {
            ensure!(Instant::now() < end, "the token is not renewed");
            world.does(list, &op).await?;
            sleep(PAUSE).await;
        }
        // Without one, the last of them ends.
        let said = loop {
            ensure!(Instant::now() < end, "the token does not end");
            let output = world.shell(list, &alone).await?;
            if !output.status.success() {
                break text(&output.stderr);
            }
            sleep(PAUSE).await;
        };
        // By the client where it looks first, by the server where the token ends in between.
        ensure!(said.contains("`sdwan login`"), "{said}");
        Ok(())
    });
}

#[test]
fn an_agent_logs_in_like_all_others_and_again_when_it_has_to() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let world = World::up().await?;
        let op = world.op();
        let create = "gohan client router create --host_name R --router_id 10.0.1.1 \
                      --local_as 65001 --mgmt_addr 127.0.0.103 --fib agent";
        world.does(create, &borrowed(&op)).await?;
        let mut command = Command::new(tools::built("sdwan")?);
        // What it reports is that there is no gobgpd: that is enough here.
        command
            .args(["agent", "--gobgpd", "127.0.0.1:1", "--listen", "none"])
            .args([
                "--table",
                "4000",
                "--router",
                "R",
                "--server",
                &world.endpoint,
            ])
            .env_clear()
            .envs(op.iter().cloned());
        let mut agent = Daemon::start_here(world.folder.path(), "sdwan-agent", command)?;
        let report = "PUT /sdwan/v1/routers/R/fib 204";
        let end = Instant::now() + LIMIT;
        world.window.seen.lock().await.clear();
        for wanted in [1, 2] {
            while world.window.count(report).await < wanted {
                agent.check()?;
                ensure!(Instant::now() < end, "{}", agent.log()?);
                sleep(PAUSE).await;
            }
            // The next report comes with a token that is worth nothing, then with another one.
            let token = world.window.seen.lock().await.last().cloned();
            world
                .keystone
                .revoke(&token.context("a token")?.into())
                .await?;
        }
        ensure!(
            world.window.seen.lock().await.len() == 2,
            "one token a revocation"
        );
        ensure!(!agent.log()?.contains("correct-horse"));
        Ok(())
    });
}
