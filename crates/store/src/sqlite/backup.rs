//! The store as it stands, read or copied while it is in use.

use super::{file, readers, schema};
use crate::{Error, Listing};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two tries while another program holds a lock.
const PAUSE: Duration = Duration::from_millis(50);

/// How often that is tried.
const TRIES: usize = 100;

/// Copies the store in the file `from`, which a server may have open and go
/// on writing, to the new file `to`: one consistent state, complete and on
/// the disk when this returns. Blocks meanwhile.
///
/// # Errors
/// [`Error::Open`] if `from` is no store, if `to` exists (it is never
/// overwritten), or if it can't be written; `to` then isn't there.
pub fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    let source = beside_a_server(from)?;
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists(to));
    }
    let target = file::resolve(to)?;
    let part = Part::create(&target, to)?;
    part.fill(&source)?;
    part.publish(&target)
}

/// What [`crate::Store::list`] answers, of the store in a file that a server
/// may have open and go on writing. Blocks meanwhile.
///
/// # Errors
/// [`Error::Open`] if it is no store, or can't be read.
pub fn list(from: &Path, prefix: &str) -> Result<Listing, Error> {
    let mut source = beside_a_server(from)?;
    let listing = source
        .transaction()
        .and_then(|snapshot| readers::list(&snapshot, prefix));
    listing.map_err(|error| file::refuse(from, schema::explain(&error)))
}

/// A connection that takes no lock which a server needs.
fn beside_a_server(from: &Path) -> Result<Connection, Error> {
    if fs::symlink_metadata(from).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(file::refuse(
            from,
            "isn't there: name the server's database",
        ));
    }
    let path = file::resolve(from)?;
    let source =
        schema::connect(&path).map_err(|error| file::refuse(from, schema::explain(&error)))?;
    schema::check(&source).map_err(|why| file::refuse(from, why))?;
    Ok(source)
}

/// The copy while it is made, under a name that nobody takes for a store; of
/// no use after that, so it is removed when dropped.
struct Part<'a> {
    path: PathBuf,
    /// What the operator calls the backup.
    named: &'a Path,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            // Most were never there.
            let _missing = fs::remove_file(file::with_suffix(&self.path, suffix));
        }
    }
}

impl<'a> Part<'a> {
    fn create(target: &Path, named: &'a Path) -> Result<Self, Error> {
        let path = file::with_suffix(target, ".part");
        let created = file::private(OpenOptions::new().write(true).create_new(true)).open(&path);
        match created {
            Ok(_) => Ok(Self { path, named }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(file::refuse(
                &path,
                "is there: if no other backup is running, remove it",
            )),
            Err(error) => Err(cannot(named, &error)),
        }
    }

    fn fill(&self, source: &Connection) -> Result<(), Error> {
        let unusable = |error: rusqlite::Error| file::refuse(self.named, schema::explain(&error));
        let mut copy = schema::connect(&self.path).map_err(unusable)?;
        copy_all(source, &mut copy).map_err(unusable)?;
        copy.close().map_err(|(_, error)| unusable(error))?;
        sync(&self.path).map_err(|error| cannot(self.named, &error))
    }

    /// Gives the copy its name. A link, unlike a rename, replaces nothing.
    fn publish(&self, target: &Path) -> Result<(), Error> {
        fs::hard_link(&self.path, target).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(self.named),
            _ => cannot(self.named, &error),
        })?;
        match target.parent() {
            Some(folder) => sync(folder).map_err(|error| cannot(self.named, &error)),
            None => Ok(()),
        }
    }
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn cannot(named: &Path, error: &std::io::Error) -> Error {
    file::refuse(named, format_args!("can't be made: {error}"))
}

/// One step, one snapshot: the writer goes on meanwhile and is not seen.
fn copy_all(source: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(source, copy)?;
    for _ in 0..TRIES {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            _ => std::thread::sleep(PAUSE),
        }
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        None,
    ))
}

fn exists(named: &Path) -> Error {
    file::refuse(named, "exists already: name another file for the backup")
}
