//! How a person logs in who is asked for a secret: on a real terminal, with a
//! server that takes tokens of its own and a real Keystone's.

use std::fs;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use sdwan_lab::daemon::Daemon;
use sdwan_lab::keystone::Keystone;
use sdwan_lab::terminal::Terminal;
use sdwan_lab::{harness, tools};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// In the server's folder.
const ADMIN_TOKEN: &str = "sdwan.db.admin-token";

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// A server, and an environment that knows where it is and no secret.
struct World {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    _server: Daemon,
}

impl World {
    fn up(keystone: Value, more: &[(&'static str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let configuration = json!({"auth": "tokens", "keystone": keystone});
        let (mut server, address) = Daemon::server(folder.path(), &configuration)?;
        server.wait_for_file(&folder.path().join(ADMIN_TOKEN))?;
        let mut environment = vec![
            ("PATH", tools::path(None)?.to_string_lossy().into_owned()),
            ("HOME", folder.path().display().to_string()),
            ("GOHAN_ENDPOINT_URL", format!("http://{address}")),
        ];
        environment.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        Ok(Self {
            folder,
            environment,
            _server: server,
        })
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        let pairs = self.environment.iter();
        pairs.map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// A command line on a terminal.
    fn terminal(&self, line: &str) -> Result<Terminal> {
        Terminal::start(line, self.folder.path(), &self.environment())
    }

    /// `sdwan` with these words and no terminal.
    fn sdwan(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(tools::built("sdwan")?);
        command
            .args(words)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null());
        Ok(command.output()?)
    }

    fn is_logged_in(&self) -> bool {
        let folder = self.folder.path().join(".config/sdwan/tokens");
        fs::read_dir(folder).is_ok_and(|mut tokens| tokens.next().is_some())
    }

    fn admin_token(&self) -> Result<String> {
        let token = fs::read_to_string(self.folder.path().join(ADMIN_TOKEN))?;
        Ok(token.trim_end().to_owned())
    }

    /// Logs in, and is asked for this. Afterwards the terminal is what it was.
    fn log_in(&self, question: &str, secret: &str) -> Result<()> {
        let mut terminal = self.terminal("sdwan login; echo \"it ended with $?\"")?;
        terminal.until_shown(question)?;
        terminal.until_hidden()?;
        terminal.type_in(&format!("{secret}\r"))?;
        terminal.until_shown("it ended with 0")?;
        terminal.expect_as_before()?;
        let shown = terminal.shown()?;
        ensure!(shown.contains("\r\nlogged in to http://127"), "{shown:?}");
        ensure!(!shown.contains(secret), "{shown:?}");
        ensure!(self.is_logged_in());
        let list = self.sdwan(&["client", "router", "list"])?;
        ensure!(list.status.success(), "{}", text(&list.stderr));
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_token_that_is_typed_is_not_shown() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let world = World::up(json!({}), &[])?;
        world.log_in("Token for http://127", &world.admin_token()?)
    });
}

#[test]
fn a_password_that_is_typed_is_not_shown() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let runtime = tokio::runtime::Runtime::new()?;
        let keystone = runtime.block_on(Keystone::start())?;
        let own = json!({
            "use_keystone": true,
            "auth_url": keystone.auth_url(),
            "user_name": "admin",
            "tenant_name": "admin",
            "password": keystone.admin_password().expose_secret(),
        });
        let url = keystone.auth_url();
        let admin = [
            ("OS_AUTH_URL", url.as_str()),
            ("OS_USERNAME", "admin"),
            ("OS_PROJECT_NAME", "admin"),
        ];
        let world = World::up(own, &admin)?;
        // Where nobody sits, nobody is asked.
        let alone = world.sdwan(&["login"])?;
        let said = text(&alone.stderr);
        ensure!(
            !alone.status.success() && said.contains("set OS_PASSWORD"),
            "{said}"
        );
        let secret = keystone.admin_password().expose_secret();
        world.log_in("Password of user admin", secret)
    });
}

#[test]
fn ctrl_c_ends_the_question_and_leaves_the_terminal_as_it_was() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let world = World::up(json!({}), &[])?;
        // The shell waits for what it runs, as one does that somebody types into.
        let mut terminal = world.terminal("trap : INT; sdwan login; echo \"it ended with $?\"")?;
        terminal.until_shown("Token for")?;
        terminal.until_hidden()?;
        terminal.type_in("half a sec")?;
        terminal.type_in(CTRL_C)?;
        // By the signal, so that a script ends as well.
        terminal.until_shown("it ended with 130")?;
        terminal.expect_as_before()?;
        let shown = terminal.shown()?;
        ensure!(!shown.contains("half"), "{shown:?}");
        ensure!(terminal.ended()?.success() && !world.is_logged_in());
        Ok(())
    });
}

#[test]
fn nothing_typed_is_no_login_and_what_to_do_is_said() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let world = World::up(json!({}), &[])?;
        for keys in ["\r", CTRL_D] {
            let mut terminal = world.terminal("sdwan login; echo \"it ended with $?\"")?;
            terminal.until_shown("Token for")?;
            terminal.until_hidden()?;
            terminal.type_in(keys)?;
            terminal.until_shown("it ended with 2")?;
            let shown = terminal.shown()?;
            ensure!(shown.contains("nothing to log in with: set"), "{shown:?}");
            terminal.expect_as_before()?;
            ensure!(!world.is_logged_in());
        }
        Ok(())
    });
}
