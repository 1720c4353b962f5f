//! From files to kinds: everything that is wrong in any of them is told at
//! once, in order of file and line.

use super::declaration::{self, Declaration, keep};
use super::{Schemas, builtin_documents, keys, merge, resolve};
use crate::document::{Document, Error};

/// The built-in kinds with `files` on top.
pub(super) fn load(files: &[Document]) -> Result<Schemas, Vec<Error>> {
    let builtin = builtin_documents().map_err(|e| vec![e])?;
    let mut errors = Vec::new();
    let mut declarations = Vec::new();
    for (document, builtin) in builtin
        .iter()
        .map(|d| (d, true))
        .chain(files.iter().map(|d| (d, false)))
    {
        declarations.extend(declared(document, builtin, &mut errors));
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
        errors.push(root.error("the file has no schemas: it must list them under the key schemas"));
        return Vec::new();
    };
    let entries = keep(schemas.items(), errors).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| declaration::read(entry, builtin, errors))
        .collect()
}
