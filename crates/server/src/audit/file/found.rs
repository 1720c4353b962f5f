//! What lies there when a server starts: a chain to go on with, or something
//! else.

use super::names::unfinished;
use crate::audit::Error;
use crate::audit::chain::{Head, Key, Line};
use crate::audit::verify::{How, Verifier};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where a file's lines lead to.
pub(super) struct At {
    pub(super) chain: String,
    pub(super) head: Head,
    /// The first line's number.
    pub(super) first: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Whether the last line has its end.
    pub(super) ended: bool,
    /// A torn last line that no entry explains yet.
    pub(super) fragment: Option<Vec<u8>>,
}

pub(super) enum Found {
    Whole(At),
    /// The server was killed before it had written a line.
    Nothing,
    /// No audit was ever written here.
    Strange,
    OtherKey {
        first: u64,
        last: u64,
        why: String,
    },
    Broken {
        /// The last number that was seen.
        last: u64,
        why: String,
    },
}

/// Reads a file to its end.
pub(super) fn read(file: &File, key: &Key) -> io::Result<Found> {
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let mut verifier = Verifier::new(key);
    let mut broken = None;
    let (mut first, mut last, mut size, mut ended) = (None, 0, 0, true);
    let mut beginning = true;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if size == 0 {
            beginning = line.starts_with(b"{\"seq\":");
        }
        size += read as u64;
        ended = line.pop_if(|b| *b == b'\n').is_some();
        // Also after a break: numbers must not be used again.
        if let Some(parsed) = Line::parse(&line) {
            first.get_or_insert(parsed.seq);
            last = last.max(parsed.seq);
        }
        if broken.is_none() {
            broken = verifier.line(&line).err();
        }
    }
    Ok(match (broken, first, verifier.head()) {
        (None, Some(first), Some((chain, head))) => Found::Whole(At {
            chain: chain.to_owned(),
            head,
            first,
            size,
            ended,
            fragment: verifier.fragment().map(<[u8]>::to_vec),
        }),
        (_, None, _) if beginning => Found::Nothing,
        (_, None, _) => Found::Strange,
        (Some(broken), Some(first), _) => {
            let why = format!("line {}: {broken}", broken.place.1);
            match broken.how {
                How::OtherKey(id) => Found::OtherKey {
                    first,
                    last,
                    why: format!("the file before was written under key {id:?}"),
                },
                _ => Found::Broken { last, why },
            }
        }
        (None, Some(_), None) => Found::Strange,
    })
}

/// The file, opened and locked; `None` where there is none.
pub(super) fn current(path: &Path) -> Result<Option<File>, Error> {
    let unable = |e: io::Error| Error::file(path, &e);
    let open = || match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unable(e)),
    };
    let new = unfinished(path);
    let mut file = open()?;
    if file.is_none() && new.try_exists().map_err(unable)? {
        // A crash between the two names of a rotation.
        fs::rename(&new, path).map_err(unable)?;
        file = open()?;
    }
    if let Some(file) = &file {
        // A device or a pipe keeps nothing, and must not be renamed.
        if !file.metadata().map_err(unable)?.is_file() {
            return Err(Error::Strange(path.to_owned()));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Taken(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(unable(e)),
        }
    }
    match fs::remove_file(new) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(unable(e)),
        _ => Ok(file),
    }
}

pub(super) fn inode(file: &File) -> io::Result<(u64, u64)> {
    let about = file.metadata()?;
    Ok((about.dev(), about.ino()))
}

/// It tells who did what: nobody else may read it.
pub(super) fn private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if file.metadata()?.mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(fs::Permissions::from_mode(0o600))
}
