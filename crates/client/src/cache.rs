//! The schemas, kept in a file for some minutes so that a command costs one
//! request, not two. A cache never decides: what it can't read, it fetches.

use crate::error::Error;
use crate::http::Http;
use crate::kinds::{self, Kind};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What the cache file holds.
#[derive(Serialize, Deserialize)]
struct Cached {
    /// Whose schemas they are: another server's are of no use.
    endpoint: String,
    schemas: Value,
}

/// The server's kinds, from the cache while it is fresh.
///
/// # Errors
/// As [`Http::get`]; never because of the cache.
pub async fn kinds(http: &Http, settings: &Settings, fresh: bool) -> Result<Vec<Kind>, Error> {
    if let Some((path, timeout)) = settings.cache.as_ref().filter(|_| !fresh)
        && let Some(kinds) = read(path, *timeout, http.endpoint())
    {
        return Ok(kinds);
    }
    let unusable = |reason: String| {
        let (endpoint, path) = (http.endpoint(), &settings.schema_url);
        Error::Refused(format!("no schemas at {endpoint}{path}: {reason}"))
    };
    let schemas = match http.get(&settings.schema_url, &[]).await {
        Ok(answer) => answer.body,
        Err(Error::NotFound(reason) | Error::Refused(reason)) => return Err(unusable(reason)),
        Err(other) => return Err(other),
    };
    let kinds = kinds::parse(schemas.clone()).map_err(unusable)?;
    if let Some((path, _)) = &settings.cache {
        // A cache that can't be written only costs the next command a request.
        let _ = write(
            path,
            &Cached {
                endpoint: http.endpoint().to_owned(),
                schemas,
            },
        );
    }
    Ok(kinds)
}

fn read(path: &Path, timeout: Duration, endpoint: &str) -> Option<Vec<Kind>> {
    let written = std::fs::metadata(path).ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(written).ok()?;
    if age >= timeout {
        return None;
    }
    let cached: Cached = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (cached.endpoint == endpoint)
        .then(|| kinds::parse(cached.schemas).ok())
        .flatten()
}

/// Another command may read at this moment, so the file appears whole.
fn write(path: &Path, cached: &Cached) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(cached)?)?;
    file.persist(path)?;
    Ok(())
}
