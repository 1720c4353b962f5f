//! From files to kinds: everything that is wrong in any of them is told at
//! once, in order of file and line.

use super::declaration::{self, Declaration, keep};
use super::{BUILTIN_DOCUMENTS, Schemas, keys, merge, resolve};
use crate::document::{Document, Error};
use std::sync::LazyLock;

/// The entries of the embedded files, read and compiled once, and what is
/// wrong with them.
static BUILTIN: LazyLock<(Vec<Declaration<'static>>, Vec<Error>)> = LazyLock::new(|| {
    let mut errors = Vec::new();
    let declared = BUILTIN_DOCUMENTS
        .iter()
        .flat_map(|document| declared(document, true, &mut errors))
        .collect();
    (declared, errors)
});

/// The built-in kinds with `files` on top.
pub(super) fn load(files: &[Document]) -> Result<Schemas, Vec<Error>> {
    let (mut declarations, mut errors): (Vec<Declaration<'_>>, _) = BUILTIN.clone();
    for document in files {
        declarations.extend(declared(document, false, &mut errors));
    }
    let merged = merge::merge(declarations, &mut errors);
    let extended = merge::extend(&merged, &mut errors);
    let schemas = resolve::resolve(&extended, &mut errors);
    if errors.is_empty() {
        return Ok(schemas);
    }
    errors.sort_by_key(|e| {
        let file = files.iter().position(|d| d.name == e.file);
        (file, e.line, e.column)
    });
    errors.dedup();
    Err(errors)
}

/// The entries of one file.
fn declared<'a>(
    document: &'a Document,
    builtin: bool,
    errors: &mut Vec<Error>,
) -> Vec<Declaration<'a>> {
    let root = document.root();
    if keep(root.object(), errors).is_none() {
        return Vec::new();
    }
    errors.extend(root.unknown_keys(&keys::FILE));
    let Some(schemas) = root.get("schemas") else {
        if root.get("policies").is_none() {
            let message = "the file has no schemas: it must list them under the key schemas";
            errors.push(root.error(message));
        }
        return Vec::new();
    };
    let entries = keep(schemas.items(), errors).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| declaration::read(entry, builtin, errors))
        .collect()
}
