//! Searching what was written: from the newest line backwards, in as much
//! memory as the answer takes.

use super::file::full_files;
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of entries in one answer.
const ANSWER: usize = 4 << 20;
/// Bytes that are read at once.
const BLOCK: usize = 64 * 1024;

/// Which entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// Not before.
    pub(crate) since: Option<Timestamp>,
    /// Not after.
    pub(crate) until: Option<Timestamp>,
    /// Id or name of who did it.
    pub(crate) caller: Option<String>,
    /// What kind it was done to.
    pub(crate) kind: Option<String>,
    /// Id or name of what it was done to.
    pub(crate) id: Option<String>,
    /// How it ended.
    pub(crate) outcome: Option<String>,
    /// Only entries with a higher number.
    pub(crate) after: Option<u64>,
    /// Only entries with a lower number.
    pub(crate) before: Option<u64>,
    /// The most entries.
    pub(crate) limit: usize,
}

/// The newest entries that fit, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// JSON objects, as they stand in the file.
    pub(crate) entries: Vec<Vec<u8>>,
    /// There are older ones that fit, too.
    pub(crate) more: bool,
    /// The newest entry's number, whether it fits or not.
    pub(crate) last: Option<u64>,
}

/// What entries are found by.
#[derive(Deserialize)]
struct Seen<'a> {
    seq: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    caller: Option<SeenCaller<'a>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    outcome: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    changes: Vec<SeenChange<'a>>,
}

#[derive(Deserialize)]
struct SeenCaller<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct SeenChange<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

impl Query {
    /// Searches the current file and the full ones.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn run(&self, path: &Path) -> io::Result<Page> {
        let mut page = Page::default();
        let mut size = 0;
        let full = full_files(path)?.into_iter().rev();
        'files: for file in std::iter::once(path.to_owned()).chain(full) {
            let mut lines = match File::open(&file) {
                Ok(file) => Backwards::new(file)?,
                // It was rotated or pruned meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            // Clocks may be set back, but not across a whole file.
            let mut old = true;
            while let Some(line) = lines.next()? {
                let Ok(seen) = serde_json::from_slice::<Seen<'_>>(&line) else {
                    continue;
                };
                page.last = page.last.max(Some(seen.seq));
                if self.after.is_some_and(|after| seen.seq <= after) {
                    break 'files;
                }
                let time = seen.time.parse().unwrap_or(Timestamp::MIN);
                let early = self.since.is_some_and(|since| time < since);
                old &= early;
                if early || !self.fits(&seen, time) {
                    continue;
                }
                size += line.len();
                if page.entries.len() == self.limit || size > ANSWER && !page.entries.is_empty() {
                    page.more = true;
                    break 'files;
                }
                page.entries.push(line);
            }
            if self.since.is_some() && old {
                break;
            }
        }
        page.entries.reverse();
        Ok(page)
    }

    fn fits(&self, seen: &Seen<'_>, time: Timestamp) -> bool {
        let is = |wanted: &String, found: &Option<Cow<'_, str>>| found.as_deref() == Some(wanted);
        let caller = |wanted: &String| {
            let caller = seen.caller.as_ref();
            caller.is_some_and(|caller| caller.id == *wanted || is(wanted, &caller.name))
        };
        let kind = |wanted: &String| {
            is(wanted, &seen.kind) || seen.changes.iter().any(|change| change.kind == *wanted)
        };
        let id = |wanted: &String| {
            let changed =
                |change: &SeenChange<'_>| change.id == *wanted || is(wanted, &change.name);
            is(wanted, &seen.id) || seen.changes.iter().any(changed)
        };
        self.before.is_none_or(|before| seen.seq < before)
            && self.until.is_none_or(|until| time <= until)
            && self
                .outcome
                .as_ref()
                .is_none_or(|wanted| is(wanted, &seen.outcome))
            && self.caller.as_ref().is_none_or(caller)
            && self.kind.as_ref().is_none_or(kind)
            && self.id.as_ref().is_none_or(id)
    }
}

/// A file's lines, from the last to the first.
struct Backwards {
    file: File,
    /// What is before this has not been read.
    at: u64,
    /// Read, and not given.
    buffer: Vec<u8>,
    /// How much of the buffer's end is known to hold no line's end.
    searched: usize,
}

impl Backwards {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            at: file.metadata()?.len(),
            file,
            buffer: Vec::new(),
            searched: 0,
        })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let unsearched = self.buffer.len() - self.searched;
            if let Some(end) = self.buffer[..unsearched].iter().rposition(|b| *b == b'\n') {
                let line = self.buffer.split_off(end + 1);
                self.buffer.truncate(end);
                self.searched = 0;
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.at == 0 {
                let line = std::mem::take(&mut self.buffer);
                self.searched = 0;
                return Ok(Some(line).filter(|line| !line.is_empty()));
            }
            let more = usize::try_from(self.at).map_or(BLOCK, |at| at.min(BLOCK));
            self.at -= more as u64;
            let mut block = vec![0; more];
            self.file.read_exact_at(&mut block, self.at)?;
            block.append(&mut self.buffer);
            self.buffer = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backwards_are_the_lines_in_reverse(
            lengths in proptest::collection::vec(prop_oneof![1..5usize, 60_000..70_000usize], 0..8),
            ended: bool,
        ) {
            let line = |(nth, length): (usize, usize)| nth.to_string().repeat(length);
            let lines: Vec<String> = lengths.into_iter().enumerate().map(line).collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lines");
            let mut text = lines.join("\n");
            if ended {
                text.push('\n');
            }
            std::fs::write(&path, text).unwrap();
            let mut backwards = Backwards::new(File::open(&path).unwrap()).unwrap();
            let mut found = Vec::new();
            while let Some(line) = backwards.next().unwrap() {
                found.push(String::from_utf8(line).unwrap());
            }
            found.reverse();
            prop_assert_eq!(found, lines);
        }
    }
}
