//! Everything about the database as a file: where it is, that it can be
//! written, and that no second server has it.

use crate::Error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Held as long as the store is open. The file stays behind when it is
/// closed; only the lock on it counts, and the kernel drops that with us.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// The error of a database that can't be opened, named as the operator did.
pub(super) fn refuse(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Open(format!("{} {why}", path.display()))
}

/// The file's absolute path, links followed, so that one database has one
/// lock whatever it is called.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let absolute = match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(refuse(path, "is a directory: name a file in it"));
        }
        Ok(found) if !found.is_file() => {
            return Err(refuse(path, "is not a regular file: name another"));
        }
        Ok(_) => fs::canonicalize(path),
        Err(_) if path.is_symlink() => {
            return Err(refuse(path, "is a link to nowhere: name the file itself"));
        }
        Err(_) => resolve_new(path),
    };
    absolute.map_err(|error| refuse(path, format_args!("can't be found or made: {error}")))
}

/// A file that is yet to be made.
fn resolve_new(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => Ok(fs::canonicalize(folder)?.join(name)),
        _ => Ok(absolute),
    }
}

/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the file if it is missing, for its owner only: it holds the whole
/// network's configuration. SQLite would take some files that are no database
/// for empty ones and write over them; this does not.
pub(super) fn ensure_usable(path: &Path, named: &Path) -> Result<(), Error> {
    let cannot = |error| refuse(named, format_args!("can't be read and written: {error}"));
    let mut file = private(OpenOptions::new().read(true).append(true).create(true))
        .open(path)
        .map_err(cannot)?;
    let mut start = Vec::with_capacity(MAGIC.len());
    let limit = MAGIC.len() as u64;
    Read::take(&mut file, limit)
        .read_to_end(&mut start)
        .map_err(cannot)?;
    if start.is_empty() || start == MAGIC {
        Ok(())
    } else {
        Err(refuse(named, "is not a database: name another file"))
    }
}

/// Readable and writable by the owner alone, where the system knows owners.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Takes `PATH.lock`, or says which process has it.
pub(super) fn lock(path: &Path, named: &Path) -> Result<Lock, Error> {
    let beside = with_suffix(path, ".lock");
    let cannot = |error: std::io::Error| {
        let lock = beside.display();
        let what = "this user must be able to write in that folder";
        refuse(
            named,
            format_args!("needs {lock} beside it: {error}: {what}"),
        )
    };
    let mut file = private(OpenOptions::new().read(true).write(true).create(true))
        .truncate(false)
        .open(&beside)
        .map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(refuse(
                named,
                format_args!(
                    "is in use by {}: stop that, or name another file",
                    holder(&mut file)
                ),
            ));
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    sign(&mut file).map_err(cannot)?;
    Ok(Lock { _file: file })
}

/// Leaves our process id for whom we keep out.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        _ => "another process".into(),
    }
}

/// The path with something appended to its last part.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
