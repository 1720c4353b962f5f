//! The file of the chain: appended to, rotated by size, and never taken for
//! whole without a look. What is found wrong with it is set aside for whoever
//! investigates, and said in the first entry of the file that follows.
//!
//! The newest lines are in `FILE`; at a rotation it becomes `FILE.N`, N being
//! the number of its first entry, so that names sort and are never used twice.

mod found;
mod names;

use super::Error;
use super::chain::{Head, Key, Mac};
use super::published::Published;
use super::verify;
use found::{At, Found, current, inode, private, read};
pub(super) use names::full_files;
use names::{aside, full, number, unfinished};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the file is told once.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    /// Bytes after which a new file is begun.
    pub(super) max_size: u64,
    /// How many full files are kept.
    pub(super) keep: usize,
    /// Who writes.
    pub(super) server: String,
    /// What a new chain is called.
    pub(super) new_chain: String,
}

/// The file, open and locked.
pub(super) struct Log {
    settings: Settings,
    key: Key,
    chain: String,
    head: Head,
    file: File,
    /// What was written, in whole lines.
    size: u64,
    /// The number of the file's first entry.
    first: u64,
    /// Which file it is, to see whether somebody put another in its place.
    inode: (u64, u64),
    /// There is something that a power failure would take.
    unsynced: bool,
}

/// What starting on a file brought up.
pub(super) type Warnings = Vec<String>;

impl Log {
    /// Goes on where the last server ended, or begins.
    ///
    /// # Errors
    /// Where the file can't be had, is something else, or another server has it.
    pub(super) fn open(settings: Settings, key: Key, now: &str) -> Result<(Self, Warnings), Error> {
        let path = settings.path.clone();
        let unable = |e: io::Error| Error::file(&path, &e);
        let Some(file) = current(&path)? else {
            let begin = Begin::after_full(&settings, &key).map_err(unable)?;
            let warnings = begin.note.iter().cloned().collect();
            let log = Self::begin(settings, key, &begin, now).map_err(unable)?;
            return Ok((log, warnings));
        };
        private(&file).map_err(unable)?;
        let (aside, last, why) = match read(&file, &key).map_err(unable)? {
            Found::Whole(at) => return Self::resume(settings, key, file, at, now).map_err(unable),
            Found::Nothing => {
                fs::remove_file(&path).map_err(unable)?;
                let begin = Begin::after_full(&settings, &key).map_err(unable)?;
                let log = Self::begin(settings, key, &begin, now).map_err(unable)?;
                return Ok((log, Vec::new()));
            }
            Found::Strange => return Err(Error::Strange(path)),
            Found::OtherKey { first, last, why } => (full(&path, first), last, why),
            Found::Broken { last, why } => (aside(&path, last).map_err(unable)?, last, why),
        };
        fs::rename(&path, &aside).map_err(unable)?;
        let note = format!("{why}: it is {} now", aside.display());
        let begin = Begin::anew(&settings, last, Some(note.clone()));
        let log = Self::begin(settings, key, &begin, now).map_err(unable)?;
        Ok((log, vec![note]))
    }

    /// A first file.
    fn begin(settings: Settings, key: Key, begin: &Begin, now: &str) -> io::Result<Self> {
        let created = create(&settings, &key, begin, now)?;
        fs::rename(unfinished(&settings.path), &settings.path)?;
        sync_folder(&settings.path)?;
        Ok(Self {
            chain: begin.chain.clone(),
            head: created.head,
            size: created.size,
            first: created.head.seq,
            inode: inode(&created.file)?,
            file: created.file,
            unsynced: false,
            settings,
            key,
        })
    }

    /// Goes on in a file that is whole. What a crash has left of a last line
    /// stays, and the entry after it says so.
    fn resume(
        settings: Settings,
        key: Key,
        file: File,
        at: At,
        now: &str,
    ) -> io::Result<(Self, Warnings)> {
        let mut log = Self {
            chain: at.chain,
            head: at.head,
            size: at.size,
            first: at.first,
            inode: inode(&file)?,
            file,
            unsynced: false,
            settings,
            key,
        };
        if !at.ended {
            log.file.write_all(b"\n")?;
            log.size += 1;
        }
        let Some(fragment) = at.fragment else {
            return Ok((log, Vec::new()));
        };
        let record = json!({
            "time": now,
            "server": log.settings.server,
            "event": "torn",
            "bytes": fragment.len(),
            "sha256": verify::digest(&fragment),
        });
        log.append(&[record.to_string().as_bytes()], now)?;
        let warning = format!(
            "{}: the last line was torn when the server was killed: {} bytes of it are left, \
             and the entry after them says so",
            log.settings.path.display(),
            fragment.len()
        );
        Ok((log, vec![warning]))
    }

    /// Appends entries in one write, in a new file where this one is full;
    /// answers their lines. After an error nothing of them is in the file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn append(&mut self, records: &[&[u8]], now: &str) -> io::Result<Vec<u8>> {
        self.look()?.map_or(Ok(()), |why| self.replace(&why, now))?;
        if self.size >= self.settings.max_size {
            self.rotate(now)?;
        }
        let mut head = self.head;
        let mut lines = Vec::new();
        for record in records {
            self.key.seal(&mut head, record, &mut lines);
        }
        self.unsynced = true;
        if let Err(error) = self.file.write_all(&lines) {
            // Of what got there nothing may stay: it is written again.
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += lines.len() as u64;
        self.head = head;
        Ok(lines)
    }

    /// Makes it outlast a power failure.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The head, as it is told to others.
    pub(super) fn published(&self) -> Published {
        Published {
            server: self.settings.server.clone(),
            chain: self.chain.clone(),
            head: self.head,
            proof: self.key.prove(&self.chain, &self.head),
        }
    }

    /// The number of the first entry of the current file.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Whether the file is another one, or another size, than what was written.
    fn look(&self) -> io::Result<Option<String>> {
        let path = &self.settings.path;
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Ok(Some("the file was taken away while the server ran".into()));
            }
            Err(e) => return Err(e),
        };
        if (about.dev(), about.ino()) != self.inode {
            return Ok(Some(
                "another file was put here while the server ran".into(),
            ));
        }
        Ok((about.len() != self.size).then(|| {
            format!(
                "the file was written to while the server ran: {} bytes were due, {} were there",
                self.size,
                about.len()
            )
        }))
    }

    /// Somebody else was at the file: what is there is set aside, and the
    /// chain goes on in a new one, so that what was lost is missed.
    fn replace(&mut self, why: &str, now: &str) -> io::Result<()> {
        let path = &self.settings.path;
        let aside = match path.try_exists()? {
            true => Some(aside(path, self.head.seq)?),
            false => None,
        };
        let note = match &aside {
            Some(aside) => format!("{why}: it is {} now", aside.display()),
            None => why.to_owned(),
        };
        tracing::error!(file = %path.display(), "the audit: {note}");
        self.next(aside, Some(note), now)
    }

    fn rotate(&mut self, now: &str) -> io::Result<()> {
        self.sync()?;
        self.next(Some(full(&self.settings.path, self.first)), None, now)?;
        self.prune();
        Ok(())
    }

    /// A new file with the chain's next line; what has the name now is moved.
    fn next(&mut self, to: Option<PathBuf>, note: Option<String>, now: &str) -> io::Result<()> {
        let settings = &self.settings;
        let begin = Begin {
            chain: self.chain.clone(),
            head: self.head,
            note,
        };
        let created = create(settings, &self.key, &begin, now)?;
        if let Some(to) = to {
            fs::rename(&settings.path, to)?;
        }
        fs::rename(unfinished(&settings.path), &settings.path)?;
        sync_folder(&settings.path)?;
        self.inode = inode(&created.file)?;
        self.file = created.file;
        self.size = created.size;
        self.first = created.head.seq;
        self.head = created.head;
        self.unsynced = false;
        Ok(())
    }

    /// The oldest full files go. One that can't go is no reason to stop.
    fn prune(&self) {
        let files = full_files(&self.settings.path).unwrap_or_default();
        let surplus = files.len().saturating_sub(self.settings.keep);
        for file in &files[..surplus] {
            if let Err(error) = fs::remove_file(file) {
                tracing::warn!(file = %file.display(), %error, "an old file of the audit stays");
            }
        }
    }
}

/// What a new file's first line says.
struct Begin {
    chain: String,
    head: Head,
    note: Option<String>,
}

impl Begin {
    /// A new chain; its numbers go on after `last`, so that no name of a file
    /// is used twice.
    fn anew(settings: &Settings, last: u64, note: Option<String>) -> Self {
        Self {
            chain: settings.new_chain.clone(),
            head: Head {
                seq: last,
                mac: Mac::default(),
            },
            note,
        }
    }

    /// Where there is no current file: after the newest full one, or anew.
    fn after_full(settings: &Settings, key: &Key) -> io::Result<Self> {
        let Some(full) = full_files(&settings.path)?.pop() else {
            return Ok(Self::anew(settings, 0, None));
        };
        let name = full.display();
        Ok(match read(&File::open(&full)?, key)? {
            Found::Whole(At { chain, head, .. }) => {
                let note = format!("the file after {name} was not there when the server started");
                Self {
                    chain,
                    head,
                    note: Some(note),
                }
            }
            Found::OtherKey { last, why, .. } | Found::Broken { last, why } => {
                Self::anew(settings, last, Some(format!("{name}: {why}")))
            }
            Found::Nothing | Found::Strange => {
                let note = format!("{name} has nothing of an audit in it");
                Self::anew(settings, number(&full), Some(note))
            }
        })
    }
}

/// A new file with its first line in it, that has not its name yet: a crash
/// leaves no file without its first line.
struct Created {
    file: File,
    head: Head,
    size: u64,
}

fn create(settings: &Settings, key: &Key, begin: &Begin, now: &str) -> io::Result<Created> {
    let mut head = begin.head;
    let mut line = Vec::new();
    let record = opening(settings, key, begin, now);
    key.seal(&mut head, &record, &mut line);
    let path = unfinished(&settings.path);
    // What an attempt that failed has left.
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true).mode(0o600);
    let mut file = options.open(&path)?;
    let written = file.write_all(&line).and_then(|()| file.sync_all());
    let locked = written.and_then(|()| file.try_lock().map_err(io::Error::from));
    if let Err(error) = locked {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(Created {
        file,
        head,
        size: line.len() as u64,
    })
}

fn opening(settings: &Settings, key: &Key, begin: &Begin, now: &str) -> Vec<u8> {
    let mut record = json!({
        "time": now,
        "server": settings.server,
        "event": "file",
        "chain": begin.chain,
        "key": key.id(),
        "prev": begin.head.mac.to_string(),
    });
    if let Some(note) = &begin.note {
        record["note"] = note.as_str().into();
    }
    record.to_string().into_bytes()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
