//! Keystone: from Python's package index into a virtual environment in the cache, with a database
//! that is ready to be copied, since making one takes longer than all else at a start.
//!
//! ```text
//! keystone/30.0.0/
//!   bin/python        its interpreter: everything is run by it, so the folder may be moved
//!   keystone.db       SQLite: the schema, and the user admin of the project admin
//!   admin-password    his
//!   .version          what was installed; written last
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::output;
use super::{STAMP, unpack};
use crate::cache::Cache;

/// The release that the lab runs.
pub(crate) const RELEASE: &str = "30.0.0";

/// What serves it.
const GUNICORN: &str = "27.0.1";

/// It guards nothing: the lab's Keystone listens on loopback only.
const ADMIN_PASSWORD: &str = "secret";

pub(crate) fn is_ready(cache: &Cache) -> bool {
    cache.keystone().join(STAMP).exists()
}

/// Installs it; says what it got.
pub(crate) fn install(cache: &Cache, doing: &dyn Fn(&str)) -> Result<String> {
    unpack::replace(&cache.keystone(), |folder| {
        doing("making Keystone's environment");
        python(Path::new("python3"))
            .args(["-m", "venv"])
            .arg(folder)
            .status()
            .ok()
            .filter(std::process::ExitStatus::success)
            .context(
                "there is no `python3` that can make a virtual environment: install the packages \
                 `python3` and `python3-venv`",
            )?;
        doing("fetching Keystone");
        let interpreter = folder.join("bin/python");
        output(
            python(&interpreter)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-warn-script-location",
                ])
                .arg(format!("keystone=={RELEASE}"))
                .arg(format!("gunicorn=={GUNICORN}")),
        )?;
        doing("making Keystone's database");
        database(folder)?;
        Ok(fs::write(folder.join(STAMP), RELEASE)?)
    })?;
    Ok(format!("keystone {RELEASE}"))
}

/// The database with what every Keystone begins with.
fn database(folder: &Path) -> Result<()> {
    let configuration = folder.join("setup.conf");
    let text = format!(
        "[DEFAULT]\nlog_file = {0}/setup.log\n[database]\nconnection = sqlite:///{0}/keystone.db\n\
         [identity]\npassword_hash_rounds = 4\n[fernet_tokens]\nkey_repository = {0}\n\
         [fernet_receipts]\nkey_repository = {0}\n",
        folder.display()
    );
    fs::write(&configuration, text)?;
    let manage = |words: &[&str]| {
        let mut command = python(&folder.join("bin/python"));
        command
            .arg(folder.join("bin/keystone-manage"))
            .arg("--config-file")
            .arg(&configuration);
        output(command.args(words)).map(drop)
    };
    manage(&["db_sync"])?;
    // Whoever starts it writes the URL that it then has.
    let url = "http://127.0.0.1:5000/v3";
    manage(&[
        "bootstrap",
        "--bootstrap-password",
        ADMIN_PASSWORD,
        "--bootstrap-region-id",
        "RegionOne",
        "--bootstrap-public-url",
        url,
        "--bootstrap-internal-url",
        url,
        "--bootstrap-admin-url",
        url,
    ])?;
    fs::write(folder.join("admin-password"), ADMIN_PASSWORD)?;
    for left in ["setup.conf", "setup.log"] {
        fs::remove_file(folder.join(left)).with_context(|| format!("cannot remove {left}"))?;
    }
    Ok(())
}

/// Python, deaf to the caller's own environments and to its own warnings.
fn python(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command
        .env("PYTHONWARNINGS", "ignore")
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("VIRTUAL_ENV");
    command
}
