//! What the environment says: Gohan's variables, so that its users' rc files
//! work as they stand. OpenStack's are [`crate::cloud`]'s to understand.

use crate::cloud::{CloudArguments, Layer};
use crate::error::Error;
use crate::kept::Folder;
use std::path::PathBuf;
use std::time::Duration;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The default columns.
    #[default]
    Table,
    /// Every column that has a value.
    Wide,
    /// The server's answer, indented.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Format {
    /// All of them in one line, for help texts.
    pub const HELP: &str = "table, wide (every column that has a value), json or yaml";
}

/// The environment, read once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `GOHAN_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// `GOHAN_SERVICE_NAME`: without an endpoint, what to look up in
    /// Keystone's catalog.
    pub service: Option<String>,
    /// `GOHAN_REGION`, to look it up in.
    pub region: Option<String>,
    /// `GOHAN_SCHEMA_URL`, a path on the endpoint.
    pub schema_url: String,
    /// Where the schemas are cached and for how long; `None` when
    /// `GOHAN_CACHE_SCHEMAS` turns it off.
    pub cache: Option<(PathBuf, Duration)>,
    /// `GOHAN_OUTPUT_FORMAT`.
    pub format: Format,
    /// `GOHAN_VERBOSITY`, 0 to 3.
    pub verbosity: u8,
    /// `GOHAN_FIELDS`; empty for the default ones.
    pub fields: Vec<String>,
    /// What the command line says of Keystone.
    pub cloud: CloudArguments,
    /// `OS_*`.
    pub(crate) openstack: Layer,
    /// Where logins are kept, if there is a place.
    pub(crate) kept: Option<Folder>,
}

/// Where `sdwan server` listens when nothing is configured.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:9998";
const DEFAULT_SCHEMA_URL: &str = "/gohan/v0.1/schemas";
/// Gohan's default.
const DEFAULT_CACHE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

impl Settings {
    /// Reads variables through `get`, which is `std::env::var` but in tests.
    /// An empty variable counts as unset.
    ///
    /// # Errors
    /// [`Error::Usage`] naming every variable whose value makes no sense.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name: &str| get(name).filter(|v| !v.is_empty());
        let mut wrong = Vec::new();
        let format = match get("GOHAN_OUTPUT_FORMAT").as_deref() {
            None => Format::Table,
            Some(text) => <Format as clap::ValueEnum>::from_str(text, true).unwrap_or_else(|_| {
                wrong.push(format!(
                    "GOHAN_OUTPUT_FORMAT: {text:?} is none of table, wide, json, yaml"
                ));
                Format::Table
            }),
        };
        let verbosity = match get("GOHAN_VERBOSITY") {
            None => 0,
            Some(text) => text.parse().ok().filter(|v| *v <= 3).unwrap_or_else(|| {
                wrong.push(format!(
                    "GOHAN_VERBOSITY: {text:?} is not a number from 0 to 3"
                ));
                0
            }),
        };
        let timeout = match get("GOHAN_CACHE_TIMEOUT") {
            None => DEFAULT_CACHE_TIMEOUT,
            Some(text) => duration(&text).unwrap_or_else(|| {
                wrong.push(format!(
                    "GOHAN_CACHE_TIMEOUT: {text:?} is not a time such as 5m or 30s"
                ));
                DEFAULT_CACHE_TIMEOUT
            }),
        };
        let caching = match get("GOHAN_CACHE_SCHEMAS").as_deref() {
            None | Some("true" | "True" | "1" | "yes") => true,
            Some("false" | "False" | "0" | "no") => false,
            Some(text) => {
                wrong.push(format!(
                    "GOHAN_CACHE_SCHEMAS: {text:?} is neither true nor false"
                ));
                true
            }
        };
        if !wrong.is_empty() {
            return Err(Error::Usage(wrong.join("\n")));
        }
        let path = get("GOHAN_CACHE_PATH")
            .map(PathBuf::from)
            .or_else(|| default_cache_path(&get));
        Ok(Self {
            endpoint: get("GOHAN_ENDPOINT_URL"),
            service: get("GOHAN_SERVICE_NAME"),
            region: get("GOHAN_REGION"),
            schema_url: get("GOHAN_SCHEMA_URL").unwrap_or_else(|| DEFAULT_SCHEMA_URL.to_owned()),
            cache: path.filter(|_| caching).map(|p| (p, timeout)),
            format,
            verbosity,
            fields: get("GOHAN_FIELDS").map(|f| fields(&f)).unwrap_or_default(),
            cloud: CloudArguments::default(),
            openstack: Layer::environment(get),
            kept: Folder::of(get),
        })
    }
}

/// Splits `a,b`.
pub(crate) fn fields(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|f| !f.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Under the user's own cache folder; Gohan's fixed name in /tmp could be
/// planted there by anybody.
fn default_cache_path(get: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let base = get("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| get("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("sdwan").join("schemas.json"))
}

/// Go's durations as people write them: `300ms`, `30s`, `5m`, `1h`, `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: u64 = rest[..digits].parse().ok()?;
        let unit_len = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len() - digits);
        let millis = match &rest[digits..digits + unit_len] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(amount.checked_mul(millis)?))?;
        rest = &rest[digits + unit_len..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let map: HashMap<_, _> = pairs.iter().copied().collect();
        Settings::read(|name| map.get(name).map(|v| (*v).to_owned()))
    }

    #[test]
    fn nothing_set_means_the_server_on_this_machine() {
        let settings = read(&[("HOME", "/home/op")]).unwrap();
        assert_eq!(settings.endpoint, None);
        assert_eq!(settings.schema_url, "/gohan/v0.1/schemas");
        let (path, timeout) = settings.cache.unwrap();
        assert_eq!(path, PathBuf::from("/home/op/.cache/sdwan/schemas.json"));
        assert_eq!(timeout, Duration::from_secs(300));
    }

    #[test]
    fn gohans_variables_are_read() {
        let settings = read(&[
            ("GOHAN_ENDPOINT_URL", "http://10.0.0.1:9998/"),
            ("GOHAN_CACHE_SCHEMAS", "false"),
            ("GOHAN_OUTPUT_FORMAT", "json"),
            ("GOHAN_VERBOSITY", "3"),
            ("GOHAN_FIELDS", "id, host_name"),
            ("OS_TOKEN", "t"),
            ("GOHAN_SERVICE_NAME", "gohan"),
            ("GOHAN_REGION", "RegionOne"),
        ])
        .unwrap();
        assert_eq!(settings.endpoint.unwrap(), "http://10.0.0.1:9998/");
        assert_eq!(settings.service.unwrap(), "gohan");
        assert_eq!(settings.region.unwrap(), "RegionOne");
        assert!(settings.cache.is_none());
        assert_eq!(settings.format, Format::Json);
        assert_eq!(settings.verbosity, 3);
        assert_eq!(settings.fields, ["id", "host_name"]);
        assert_eq!(settings.openstack.get("token"), Some("t"));
    }

    #[test]
    fn every_wrong_variable_is_named_at_once() {
        let Err(Error::Usage(text)) = read(&[
            ("GOHAN_OUTPUT_FORMAT", "xml"),
            ("GOHAN_VERBOSITY", "9"),
            ("GOHAN_CACHE_TIMEOUT", "soon"),
            ("GOHAN_CACHE_SCHEMAS", "maybe"),
        ]) else {
            panic!("must be refused");
        };
        for name in [
            "OUTPUT_FORMAT",
            "VERBOSITY",
            "CACHE_TIMEOUT",
            "CACHE_SCHEMAS",
        ] {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_in_go() {
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "5", "m", "5 m", "-5m", "5d", "99999999999999999999s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
