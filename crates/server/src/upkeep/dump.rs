//! A store as text: a header, one line an entry, and an end that proves that
//! nothing is missing or changed. Every line is a JSON object.
//!
//! No revision is in it but where the order of creation means something: there
//! it is a rank, so that a store and its restored copy are the same text.

use super::Error;
use crate::catalog;
use crate::keys::{self, Key};
use crate::mirror::POLICY;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sdwan_model::schema::Schemas;
use sdwan_store::{Listing, MAX_BYTES, Revision};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::sync::LazyLock;

/// The format that this version writes, and the newest that it reads.
const FORMAT: u64 = 1;
/// The largest entry that can be restored: a commit takes it, and the
/// condition that the restore stands under.
pub(super) const LARGEST: usize = MAX_BYTES - keys::RESTORING.len();

/// What a dump is of; its first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The dump's format.
    #[serde(rename = "sdwan_store_dump")]
    format: u64,
    /// The format of what the store holds.
    pub store_format: u64,
    /// How often that had been restored before.
    pub epoch: u64,
    /// The revision that it was read at.
    pub revision: Revision,
    /// When it was read, RFC 3339.
    pub at: String,
}

/// All that can be told of a header before its format is known.
#[derive(Deserialize)]
struct Mark {
    #[serde(rename = "sdwan_store_dump")]
    format: u64,
}

/// One key and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Where the order of creation means something: the entry's place in it,
    /// the same for entries that were created at once.
    pub order: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// What is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// The last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    entries: u64,
    /// Of all lines before, in hexadecimal digits.
    sha256: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Entry(EntryLine),
    End(End),
}

/// What a store holds, at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// What it is of.
    pub header: Header,
    /// In the order of their keys.
    pub entries: Vec<Entry>,
}

impl Dump {
    /// What of a whole store lasts: not who is running on it, and not what
    /// they see of the routers at the moment. `at` is RFC 3339.
    ///
    /// # Errors
    /// [`Error::Refused`] for a store that is half restored, [`Error::Open`]
    /// for one of a newer version.
    pub fn of(listing: &Listing, at: String) -> Result<Self, Error> {
        let store_format =
            catalog::stored_format(listing, catalog::FORMAT)?.unwrap_or(catalog::FORMAT);
        let lasting = listing.entries.iter().filter(|e| lasts(&e.key));
        let ordered = lasting.clone().filter(|e| is_ordered(&e.key));
        let created: BTreeSet<Revision> = ordered.map(|e| e.created).collect();
        let created: Vec<Revision> = created.into_iter().collect();
        let order = |entry: &sdwan_store::Entry| {
            let place = created.binary_search(&entry.created).ok()?;
            is_ordered(&entry.key).then_some(place as u64)
        };
        let entries = lasting.map(|entry| Entry {
            order: order(entry),
            key: entry.key.clone(),
            value: entry.value.clone(),
        });
        Ok(Self {
            header: Header {
                format: FORMAT,
                store_format,
                epoch: super::epoch(listing).map_err(Error::Refused)?,
                revision: listing.revision,
                at,
            },
            entries: entries.collect(),
        })
    }

    /// Writes the text.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut lines = Lines {
            out,
            hash: Sha256::new(),
        };
        lines.write(&self.header)?;
        for entry in &self.entries {
            lines.write(&EntryLine::of(entry))?;
        }
        let end = End {
            entries: self.entries.len() as u64,
            sha256: digits(lines.hash.clone()),
        };
        lines.write(&end)
    }

    /// Reads the whole text, and lets nothing pass that [`Dump::write`] could
    /// not have written.
    ///
    /// # Errors
    /// [`Error::Line`] with the first line that is wrong, [`Error::Io`].
    pub fn read(input: &mut impl BufRead) -> Result<Self, Error> {
        let mut reader = Reader {
            input,
            line: 0,
            hash: Sha256::new(),
        };
        let first = reader.next()?.unwrap_or_default();
        let header = header(&first).map_err(|why| reader.wrong(why))?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let so_far = reader.hash.clone();
            let Some(text) = reader.next()? else {
                return Err(reader.wrong("the end is missing: this is only a part of it"));
            };
            match serde_json::from_slice(&text) {
                Ok(Line::Entry(line)) => {
                    let last = entries.last().map(|entry| entry.key.as_str());
                    let entry = line.entry(last).map_err(|why| reader.wrong(why))?;
                    entries.push(entry);
                }
                Ok(Line::End(end)) => {
                    let right = End {
                        entries: entries.len() as u64,
                        sha256: digits(so_far),
                    };
                    if end != right {
                        let why = "it does not fit the lines before: they were changed";
                        return Err(reader.wrong(why));
                    }
                    if reader.next()?.is_some() {
                        return Err(reader.wrong("something follows after the end"));
                    }
                    return Ok(Self { header, entries });
                }
                Err(_) => return Err(reader.wrong("neither an entry nor the end of a dump")),
            }
        }
    }
}

/// Lines on their way out.
struct Lines<'a, W> {
    out: &'a mut W,
    hash: Sha256,
}

impl<W: Write> Lines<'_, W> {
    fn write(&mut self, line: &impl Serialize) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text)
    }
}

/// Lines on their way in.
struct Reader<'a, R> {
    input: &'a mut R,
    /// The one that was read last, from 1.
    line: u64,
    hash: Sha256,
}

impl<R: BufRead> Reader<'_, R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut text = Vec::new();
        self.line += 1;
        if self.input.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.hash.update(&text);
        Ok(Some(text))
    }

    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Line {
            line: self.line,
            why: why.into(),
        }
    }
}

fn header(text: &[u8]) -> Result<Header, String> {
    let mark: Mark = serde_json::from_slice(text)
        .map_err(|_| "this is no dump of a store: `sdwan store dump` writes one")?;
    if mark.format > FORMAT {
        return Err(format!(
            "it has format {}, this version reads up to {FORMAT}: use a newer sdwan",
            mark.format
        ));
    }
    let header: Header =
        serde_json::from_slice(text).map_err(|_| "the header makes no sense".to_owned())?;
    let (format, newest) = (header.store_format, catalog::FORMAT);
    if format > newest {
        return Err(format!(
            "it is of a store of format {format}, this version knows formats up to {newest}: \
             use the sdwan that wrote it, or a newer one"
        ));
    }
    Ok(header)
}

impl EntryLine {
    fn of(entry: &Entry) -> Self {
        let (value, base64) = match std::str::from_utf8(&entry.value) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64.encode(&entry.value))),
        };
        Self {
            key: entry.key.clone(),
            order: entry.order,
            value,
            base64,
        }
    }

    /// The entry, which comes after the one with the key `last`.
    fn entry(self, last: Option<&str>) -> Result<Entry, String> {
        let value = match (self.value, self.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => BASE64
                .decode(text)
                .map_err(|_| "its value is not base64".to_owned())?,
            _ => return Err("it has no value, or two".into()),
        };
        let key = self.key;
        if !lasts(&key) {
            return Err(format!("{key:?} has no place in a dump"));
        }
        if last.is_some_and(|last| *last >= *key) {
            return Err(format!("{key:?} is not in its place"));
        }
        if self.order.is_some() != is_ordered(&key) {
            return Err(format!(
                "{key:?} has an order and needs none, or none and needs one"
            ));
        }
        if key.len() + value.len() > LARGEST {
            return Err(format!("{key:?} is larger than a store takes"));
        }
        Ok(Entry {
            key,
            value,
            order: self.order,
        })
    }
}

/// Whether what stands there is for a restored store, too. What the header
/// says, and what is written anew when servers start, is not.
fn lasts(key: &str) -> bool {
    let header = [keys::FORMAT, keys::EPOCH, keys::RESTORING].contains(&key);
    let passing = key == keys::SYNC
        || key.starts_with(keys::CLUSTER)
        || matches!(Key::parse(key), Key::Reachability(_));
    key.starts_with(keys::ALL) && !header && !passing
}

/// Whether the order of creation means something: it ranks policies.
fn is_ordered(key: &str) -> bool {
    static POLICIES: LazyLock<String> = LazyLock::new(|| {
        let schemas = Schemas::builtin();
        let plural = schemas.get(POLICY).map_or(POLICY, |kind| &kind.plural);
        keys::configs(plural)
    });
    key.starts_with(POLICIES.as_str())
}

fn digits(hash: Sha256) -> String {
    let mut text = String::new();
    for byte in hash.finalize() {
        // Text takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
