//! From a parsed `gohan.yaml` to a [`Config`].

use super::section::{Findings, Section};
use super::{Address, Audit, Config, Error, Etcd, Loaded, LogFile, Logging, Stderr};
use super::{audit, gobgpd, keys, limits, tls};
use crate::audit::Syslog;
use crate::cluster;
use sdwan_model::document::Document;
use std::path::{Path, PathBuf};

/// Reads every section; `folder` is where relative paths start.
/// `address` goes over the file's.
pub(super) fn parse(
    document: &Document,
    folder: &Path,
    insecure: bool,
    address: Option<Address>,
) -> Result<Loaded, Error> {
    let findings = Findings::default();
    let overridden = address.is_some();
    let top = Section::new(Some(document.root()), &findings, &keys::TOP);
    let defaults = Config::default();

    let config = Config {
        database: database(&top, folder).unwrap_or(defaults.database),
        etcd: etcd(&top, &findings, folder),
        cluster: cluster(&top),
        key_file: top.text("key_file").map(|path| folder.join(path)),
        schemas: schemas(&top, &findings, folder),
        address: {
            let files = top.parsed("address").unwrap_or(defaults.address);
            address.unwrap_or(files)
        },
        auth: super::auth::auth(&top, folder),
        hosts: hosts(&top, &findings),
        tls: tls::tls(&top, folder),
        limits: limits::limits(&top),
        gobgpd: gobgpd::gobgpd(&top, &findings, folder),
        document_root: document_root(&top, folder),
        cors: cors(&top, &findings),
        logging: logging(&top, folder),
        audit: audit(&top, folder),
        insecure,
    };
    if config.etcd.is_some() {
        let message = "\"database\" is not used: etcd is the store";
        top.get("database")
            .inspect(|node| findings.warn(node.error(message)));
    }
    if config.etcd.is_none() && config.cluster != cluster::Settings::default() {
        let message = "a server on an embedded store is alone: a cluster needs \"etcd\"";
        top.error("cluster", message);
    }
    if !config.auth.protects() && config.cors.iter().any(|origin| origin == "*") {
        let message = "\"*\" would let any web page change your routers, as nobody is asked who \
                       they are: name the origins, e.g. https://ui.example.net, or ask for \
                       tokens (`auth: tokens`)";
        top.error("cors", message);
    }
    if !overridden && let Err(exposed) = config.guard() {
        top.error("address", exposed.to_string());
    }

    let (errors, warnings) = findings.into_parts();
    if errors.is_empty() {
        Ok(Loaded { config, warnings })
    } else {
        Err(Error::Invalid(errors))
    }
}

fn database(top: &Section<'_>, folder: &Path) -> Option<PathBuf> {
    let database = top.section("database", &keys::DATABASE);
    match database.text("type") {
        None | Some("sqlite3") => {}
        Some(other) => database.error("type", format!("{other:?} is not supported: sqlite3 is")),
    }
    let connection = database.text("connection")?;
    if connection == ":memory:" || connection.starts_with("file:") {
        let message = "it must be the path of a file: what is declared has to survive a restart";
        database.error("connection", message);
        return None;
    }
    Some(folder.join(connection))
}

/// A list of endpoints, as Gohan has it, or a mapping that says more.
fn etcd(top: &Section<'_>, findings: &Findings, folder: &Path) -> Option<Etcd> {
    let node = top.get("etcd")?;
    if !node.value().is_object() {
        let endpoints = endpoints(top, "etcd", findings);
        // Gohan without etcd has an empty list here.
        return (!endpoints.is_empty()).then(|| Etcd::at(endpoints));
    }
    let etcd = top.section("etcd", &keys::ETCD);
    let endpoints = endpoints(&etcd, "endpoints", findings);
    if endpoints.is_empty() {
        etcd.error("endpoints", "etcd needs \"endpoints\", a list of URLs");
    }
    let password = etcd.password("password", folder);
    let user = etcd.text("user").map(str::to_owned);
    if user.is_none() && password.is_some() {
        etcd.error("user", "a password needs a \"user\" that it is of");
    }
    if user.is_some() && password.is_none() {
        etcd.error("user", "a user needs a \"password_file\"");
    }
    let file = |key| etcd.text(key).map(|path| folder.join(path));
    let (certificate, key) = (file("cert_file"), file("key_file"));
    if certificate.is_some() != key.is_some() {
        etcd.error("cert_file", "\"cert_file\" and \"key_file\" go together");
    }
    let ca_file = file("ca_file");
    if certificate.is_some() && ca_file.is_none() {
        let message = "a certificate for etcd needs a \"ca_file\" to know etcd by";
        etcd.error("cert_file", message);
    }
    Some(Etcd {
        endpoints,
        prefix: etcd.text("prefix").unwrap_or_default().to_owned(),
        user: user.zip(password),
        ca_file,
        identity: certificate.zip(key),
    })
}

/// How this server takes part in a cluster.
fn cluster(top: &Section<'_>) -> cluster::Settings {
    let section = top.section("cluster", &keys::CLUSTER);
    let defaults = cluster::Settings::default();
    cluster::Settings {
        role: section.parsed("role").unwrap_or(defaults.role),
        lease: section
            .get("lease")
            .and_then(|node| {
                let seconds = node
                    .value()
                    .as_u64()
                    .ok_or("it must be whole seconds".to_owned());
                let lease = seconds.and_then(cluster::lease);
                lease.map_err(|why| section.error("lease", why)).ok()
            })
            .unwrap_or(defaults.lease),
    }
}

fn endpoints(section: &Section<'_>, key: &str, findings: &Findings) -> Vec<String> {
    let mut endpoints = Vec::new();
    for (node, text) in section.texts(key) {
        match sdwan_store::etcd::check_endpoint(text) {
            Ok(()) => endpoints.push(text.to_owned()),
            Err(why) => findings.error(node.error(why.to_string())),
        }
    }
    endpoints
}

fn schemas(top: &Section<'_>, findings: &Findings, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (node, text) in top.texts("schemas") {
        if text.is_empty() {
            findings.error(node.error("the name of a schema file is empty"));
        } else if text.starts_with("embed://") {
            let why = super::schemas::BUILT_IN;
            findings.warn(node.error(format!("{text} is not used: {why}")));
        } else {
            files.push(folder.join(text));
        }
    }
    files
}

fn hosts(top: &Section<'_>, findings: &Findings) -> Vec<String> {
    let mut hosts = Vec::new();
    for (node, name) in top.texts("hosts") {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            let message = format!("{name:?} is no host name: write it without scheme and port");
            findings.error(node.error(message));
        } else {
            hosts.push(name.to_ascii_lowercase());
        }
    }
    hosts
}

fn document_root(top: &Section<'_>, folder: &Path) -> Option<PathBuf> {
    let text = top.text("document_root")?;
    if text == "embed" {
        top.warn(
            "document_root",
            "\"embed\" is not used: no web UI is built in",
        );
        return None;
    }
    let path = folder.join(text);
    if !path.is_dir() {
        let message = format!("{} is no folder: nothing is served from it", path.display());
        top.warn("document_root", message);
    }
    Some(path)
}

fn cors(top: &Section<'_>, findings: &Findings) -> Vec<String> {
    let mut origins = Vec::new();
    for (node, origin) in top.texts("cors") {
        if origin == "*" {
            origins.push(origin.to_owned());
        } else if is_origin(origin) {
            origins.push(origin.to_ascii_lowercase());
        } else {
            let message = format!("{origin:?} is no origin: write SCHEME://HOST[:PORT], no path");
            findings.error(node.error(message));
        }
    }
    origins
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    // `http::Uri` reads a missing path as "/", so the text itself is asked.
    let bare = text
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.contains(['/', '?', '@']));
    web && uri.host().is_some_and(|h| !h.is_empty()) && bare
}

/// Who writes `audit:` at all wants one.
fn audit(top: &Section<'_>, folder: &Path) -> Option<Audit> {
    if !top.names("audit") {
        return None;
    }
    let section = top.section("audit", &keys::AUDIT);
    if section.get("enabled").is_some() && !section.flag("enabled") {
        return None;
    }
    let defaults = Audit::default();
    let number = |key: &str, least: u64| {
        let node = section.get(key)?;
        let number = node.value().as_u64().filter(|n| *n >= least);
        if number.is_none() {
            section.error(key, format!("it must be a whole number from {least}"));
        }
        number
    };
    let heads = number("heads", 1).map(std::time::Duration::from_secs);
    let keep = number("keep", 1).and_then(|n| usize::try_from(n).ok());
    Some(Audit {
        file: section.text("file").map(|path| folder.join(path)),
        max_size: section
            .text("max_size")
            .and_then(|text| {
                audit::size(text)
                    .map_err(|why| section.error("max_size", why))
                    .ok()
            })
            .unwrap_or(defaults.max_size),
        keep: keep.unwrap_or(defaults.keep),
        syslog: match section.get("syslog").map(|node| node.value().as_bool()) {
            None | Some(Some(false)) => None,
            Some(Some(true)) => Some(Syslog::default()),
            Some(None) => section.parsed("syslog"),
        },
        reads: match section.text("reads") {
            None | Some("refused") => false,
            Some("all") => true,
            Some(other) => {
                let message = format!("{other:?} is not one of them: refused or all");
                section.error("reads", message);
                false
            }
        },
        heads: heads.unwrap_or(defaults.heads),
        server: defaults.server,
    })
}

fn logging(top: &Section<'_>, folder: &Path) -> Logging {
    let logging = top.section("logging", &keys::LOGGING);
    let stderr = logging.section("stderr", &keys::STDERR);
    let file = logging.section("file", &keys::LOG_FILE);
    // Silence must be asked for: an absent section is no such wish.
    let quiet = stderr.get("enabled").is_some() && !stderr.flag("enabled");
    let to_stderr = Stderr {
        level: stderr.parsed("level").unwrap_or_default(),
        format: stderr.parsed("format").unwrap_or_default(),
    };
    let path = file.text("filename");
    let level = file.parsed("level").unwrap_or_default();
    let format = file.parsed("format").unwrap_or_default();
    let enabled = file.flag("enabled");
    if enabled && file.get("filename").is_none() {
        file.error("filename", "a log file needs a \"filename\"");
    }
    Logging {
        stderr: (!quiet).then_some(to_stderr),
        file: path.filter(|_| enabled).map(|path| LogFile {
            path: folder.join(path),
            level,
            format,
        }),
    }
}
