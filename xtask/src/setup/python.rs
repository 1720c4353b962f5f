//! What Python's package index has: each in a virtual environment of its own.

use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result};

use super::apt::output;

/// Makes an environment in `folder` and installs these packages in it.
pub(super) fn environment(
    folder: &Path,
    what: &str,
    packages: &[String],
    doing: &dyn Fn(&str),
) -> Result<()> {
    doing(&format!("making {what}'s environment"));
    python(Path::new("python3"))
        .args(["-m", "venv"])
        .arg(folder)
        .status()
        .ok()
        .filter(ExitStatus::success)
        .context(
            "there is no `python3` that can make a virtual environment: install the packages \
             `python3` and `python3-venv`",
        )?;
    doing(&format!("fetching {what}"));
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-warn-script-location",
    ];
    let mut command = python(&folder.join("bin/python"));
    output(command.args(pip).args(packages)).map(drop)
}

/// Python, deaf to the caller's own environments and to its own warnings.
pub(super) fn python(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command
        .env("PYTHONWARNINGS", "ignore")
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("VIRTUAL_ENV");
    command
}
