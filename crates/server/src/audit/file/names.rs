//! What the files are called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Digits of a full file's number.
const DIGITS: usize = 12;

pub(super) fn unfinished(path: &Path) -> PathBuf {
    suffixed(path, "new")
}

pub(super) fn full(path: &Path, first: u64) -> PathBuf {
    suffixed(path, &format!("{first:0DIGITS$}"))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// A name that is no full file's and that nothing has.
pub(super) fn aside(path: &Path, last: u64) -> io::Result<PathBuf> {
    for n in 1..1000 {
        let name = suffixed(path, &format!("broken-{last}-{n}"));
        if !name.try_exists()? {
            return Ok(name);
        }
    }
    Err(io::Error::other("a thousand files were set aside already"))
}

/// The number that a full file's name says.
pub(super) fn number(path: &Path) -> u64 {
    let suffix = path.extension().and_then(|s| s.to_str());
    suffix.and_then(|s| s.parse().ok()).unwrap_or_default()
}

/// Full files, oldest first.
pub(in crate::audit) fn full_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let found = entry?.path();
        let of_ours = found.file_stem() == Some(name);
        let suffix = found.extension().and_then(|s| s.to_str());
        let numbered =
            suffix.is_some_and(|s| s.len() >= DIGITS && s.bytes().all(|b| b.is_ascii_digit()));
        if of_ours && numbered {
            files.push(found);
        }
    }
    files.sort_by_key(|file| number(file));
    Ok(files)
}
