//! Schemathesis, which makes up requests from an OpenAPI document: a virtual environment in the
//! cache, to be run by its interpreter, so that the folder may be moved.

use std::fs;

use anyhow::Result;

use super::{STAMP, python, unpack};
use crate::cache::Cache;

/// The release that the lab runs.
pub(crate) const RELEASE: &str = "4.32.5";

pub(crate) fn is_ready(cache: &Cache) -> bool {
    cache.schemathesis().join(STAMP).exists()
}

/// Installs it; says what it got.
pub(crate) fn install(cache: &Cache, doing: &dyn Fn(&str)) -> Result<String> {
    unpack::replace(&cache.schemathesis(), |folder| {
        let packages = [format!("schemathesis=={RELEASE}")];
        python::environment(folder, "Schemathesis", &packages, doing)?;
        Ok(fs::write(folder.join(STAMP), RELEASE)?)
    })?;
    Ok(format!("schemathesis {RELEASE}"))
}
