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

use anyhow::{Context as _, Result};

use super::apt::output;
use super::python::{self, python};
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
        let packages = [
            format!("keystone=={RELEASE}"),
            format!("gunicorn=={GUNICORN}"),
        ];
        python::environment(folder, "Keystone", &packages, doing)?;
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
