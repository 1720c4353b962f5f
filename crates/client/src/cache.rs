//! The schemas, kept in a file for some minutes so that a command costs one
//! request, not two. A cache never decides: what it can't read, it fetches.
//!
//! The file has those of the last caller, at one server: what a caller may not
//! see is not in his schemas. Another one's take its place.

use crate::error::Error;
use crate::http::Http;
use crate::kinds::{self, Kind};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A larger file is not one of ours, in bytes.
const MAX: u64 = 16 << 20;

/// What the cache file holds.
#[derive(Serialize, Deserialize)]
struct Cached {
    whose: Whose,
    schemas: Value,
}

/// Whose schemas they are.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Whose {
    endpoint: String,
    /// Where on the endpoint.
    path: String,
    /// A [`crate::caller::Caller`].
    caller: String,
}

/// The server's kinds, from the cache while it is fresh.
///
/// # Errors
/// As [`Http::get`]; never because of the cache.
pub async fn kinds(http: &Http, settings: &Settings, fresh: bool) -> Result<Vec<Kind>, Error> {
    let whose = Whose {
        endpoint: http.endpoint().to_owned(),
        path: settings.schema_url.clone(),
        caller: http.caller().as_str().to_owned(),
    };
    if let Some((path, timeout)) = settings.cache.as_ref().filter(|_| !fresh)
        && let Some(kinds) = read(path, *timeout, &whose)
    {
        return Ok(kinds);
    }
    let unusable = |reason: String| {
        let (endpoint, path) = (http.endpoint(), &settings.schema_url);
        Error::Refused(format!("no schemas at {endpoint}{path}: {reason}"))
    };
    let schemas = match http.get(&settings.schema_url, &[]).await {
        Ok(answer) => answer.body,
        Err(Error::NotFound(reason)) => return Err(unusable(reason)),
        Err(other) => return Err(other),
    };
    let kinds = kinds::parse(schemas.clone()).map_err(unusable)?;
    if let Some((path, _)) = &settings.cache {
        // A cache that can't be written only costs the next command a request.
        let _ = write(path, &Cached { whose, schemas });
    }
    Ok(kinds)
}

fn read(path: &Path, timeout: Duration, whose: &Whose) -> Option<Vec<Kind>> {
    let file = std::fs::File::open(path).ok()?;
    let written = file.metadata().ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(written).ok()?;
    if age >= timeout {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX).read_to_end(&mut bytes).ok()?;
    let cached: Cached = serde_json::from_slice(&bytes).ok()?;
    (cached.whose == *whose)
        .then(|| kinds::parse(cached.schemas).ok())
        .flatten()
}

/// Another command may read at this moment, so the file appears whole; and
/// for its user alone.
fn write(path: &Path, cached: &Cached) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(cached)?)?;
    file.persist(path)?;
    Ok(())
}
