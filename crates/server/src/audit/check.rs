//! `sdwan audit verify`: files as they lie there, held against their key and
//! against the heads that were published.

use super::chain::{Key, Line};
use super::verify::{Break, How, Report, Verifier};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

/// What checking files came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the files hold, or where they stop to be what was written.
    pub result: Result<Report, Break>,
    /// Heads that nobody with the key has said: they were not counted.
    pub forged: usize,
    /// The files, in the order of their entries.
    pub files: Vec<PathBuf>,
}

/// Checks these files, in whatever order they are named, with the heads that
/// stand anywhere in these texts.
///
/// # Errors
/// A file that can't be read.
pub fn check(key: &Key, files: &[PathBuf], heads: &[String]) -> io::Result<Checked> {
    let mut ordered = Vec::new();
    for path in files {
        ordered.push((first(path)?, path.clone()));
    }
    ordered.sort();
    let files: Vec<PathBuf> = ordered.into_iter().map(|(_, path)| path).collect();
    let mut verifier = Verifier::new(key);
    let forged = heads.iter().map(|text| verifier.heads(text).1).sum();
    let result = match follow(&mut verifier, &files)? {
        None => verifier.finish(),
        Some(broken) => Err(explain(broken, &files)?),
    };
    Ok(Checked {
        result,
        forged,
        files,
    })
}

/// Every line of every file; answers where it breaks.
fn follow(verifier: &mut Verifier<'_>, files: &[PathBuf]) -> io::Result<Option<Break>> {
    for path in files {
        if let Err(broken) = verifier.file(&path.display().to_string()) {
            return Ok(Some(broken));
        }
        let mut lines = reader(path)?;
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            line.pop_if(|b| *b == b'\n');
            if let Err(broken) = verifier.line(&line) {
                return Ok(Some(broken));
            }
            line.clear();
        }
    }
    Ok(None)
}

/// What seems to be missing may stand elsewhere.
fn explain(broken: Break, files: &[PathBuf]) -> io::Result<Break> {
    let How::Missing(due, last) = broken.how else {
        return Ok(broken);
    };
    for path in files {
        let mut lines = reader(path)?;
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            line.pop_if(|b| *b == b'\n');
            if Line::parse(&line).is_some_and(|line| line.seq == due) {
                let found = last + 1;
                let how = How::Reordered { found, due };
                return Ok(Break { how, ..broken });
            }
            line.clear();
        }
    }
    Ok(broken)
}

/// The number of a file's first entry; what has none goes first, and is told.
fn first(path: &PathBuf) -> io::Result<u64> {
    let mut line = Vec::new();
    reader(path)?.read_until(b'\n', &mut line)?;
    line.pop_if(|b| *b == b'\n');
    Ok(Line::parse(&line).map_or(0, |line| line.seq))
}

fn reader(path: &PathBuf) -> io::Result<BufReader<File>> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    Ok(BufReader::with_capacity(
        1 << 18,
        File::open(path).map_err(named)?,
    ))
}
