//! The operator's schema files, without those of Gohan itself.
//!
//! A predecessor's `gohan.yaml` lists Gohan's own `gohan.json` (kinds such as
//! `schema` and `policy`) and extension files beside the operator's schemas.
//! They must not stop a move to this server, nor be taken for kinds.

use super::{Error, read};
use sdwan_model::document::{self, Document};
use std::path::{Path, PathBuf};

const NO_EXTENSIONS: &str = "extensions in JavaScript or Go are not run";

/// Why a file of Gohan's own is passed over.
pub(super) const BUILT_IN: &str = "Gohan's own kinds are built in";

/// The files that the configuration names and that are not there, each with
/// its place in the configuration.
pub(super) fn missing(
    configuration: &Document,
    folder: &Path,
    files: &[PathBuf],
) -> Vec<document::Error> {
    let Some(named) = configuration.root().get("schemas") else {
        return Vec::new();
    };
    let names = match named.value().is_string() {
        true => vec![named],
        false => named.items().unwrap_or_default(),
    };
    let missing = |node: &document::Node<'_>| {
        let path = folder.join(node.text().ok()?);
        let wanted = files.contains(&path) && !named_like_gohans(&path);
        let error = std::fs::metadata(&path).err().filter(|_| wanted)?;
        Some(node.error(format!("{} can't be read: {error}", path.display())))
    };
    names.iter().filter_map(missing).collect()
}

pub(super) fn read_all(paths: &[PathBuf]) -> Result<(Vec<Document>, Vec<String>), Error> {
    let mut documents = Vec::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        match read(path) {
            Ok(document) => match gohans_own(&document) {
                Some(why) => warnings.push(format!("{} is not used: {why}", document.name)),
                None => {
                    warnings.extend(parts_not_used(&document));
                    documents.push(document);
                }
            },
            Err(Error::Unreadable { .. }) if named_like_gohans(path) => {
                warnings.push(format!("{} is not used: {BUILT_IN}", path.display()));
            }
            Err(Error::Invalid(more)) => errors.extend(more),
            Err(other) => errors.push(document::Error {
                file: path.display().to_string(),
                line: 1,
                column: 1,
                message: reason(other),
            }),
        }
    }
    if errors.is_empty() {
        Ok((documents, warnings))
    } else {
        Err(Error::Invalid(errors))
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::Unreadable { reason, .. } => reason,
        other => other.to_string(),
    }
}

fn gohans_own(document: &Document) -> Option<&'static str> {
    let top = document.value.as_object()?;
    match top.get("schemas").and_then(|s| s.as_array()) {
        Some(kinds) => {
            let own = |k: &serde_json::Value| {
                k["prefix"]
                    .as_str()
                    .is_some_and(|p| p.starts_with("/gohan/"))
            };
            (!kinds.is_empty() && kinds.iter().all(own)).then_some(BUILT_IN)
        }
        None => {
            let lone = top.contains_key("extensions") && !top.contains_key("policies");
            lone.then_some(NO_EXTENSIONS)
        }
    }
}

/// What else than schemas and policies stands in a schema file of Gohan's.
fn parts_not_used(document: &Document) -> Vec<String> {
    let node = document.root().get("extensions");
    let told = |node: document::Node<'_>| {
        let message = format!("\"extensions\" is not used: {NO_EXTENSIONS}");
        node.error(message).to_string()
    };
    node.map(told).into_iter().collect()
}

fn named_like_gohans(path: &Path) -> bool {
    matches!(
        path.file_name().and_then(|n| n.to_str()),
        Some("gohan.json" | "gohan_extension.yaml")
    )
}
