//! Whether the lines of some files are one whole chain, and if not, where it
//! breaks and how. Pure: lines go in one by one, as they stand in the files.

use super::chain::{Head, Key, Line, Mac};
use super::published::Published;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Where a chain breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The file, and the line in it, counted from 1; 0 is the file's end.
    pub place: (String, u64),
    /// How.
    pub how: How,
}

/// What is wrong at a break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The line is not what was written after the one before it.
    Changed(u64),
    /// The text is no line of an audit at all.
    Garbage,
    /// These numbers are nowhere.
    Missing(u64, u64),
    /// This number stands where another one is due, which stands elsewhere.
    Reordered {
        /// The line's number.
        found: u64,
        /// Whose place it is.
        due: u64,
    },
    /// A file does not begin with the line that every file begins with.
    NoOpening,
    /// Another chain has been followed since this file's: they are not one
    /// server's.
    Mixed,
    /// The file was written under another key than this one.
    OtherKey(String),
    /// A published head is later than its chain's last line.
    CutOff {
        /// The last line's number.
        last: u64,
        /// The head's.
        published: u64,
    },
    /// A head was published of a chain that is nowhere, with a number that
    /// the lines have, too.
    Gone {
        /// The chain.
        chain: String,
        /// The head's number.
        published: u64,
    },
    /// A published head differs from the line of its number: all that went
    /// before was written anew by someone who has the key.
    Rewritten(u64),
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, line) = &self.place;
        match line {
            0 => write!(f, "{file}: ")?,
            line => write!(f, "{file}:{line}: ")?,
        }
        match &self.how {
            How::Changed(seq) => write!(f, "entry {seq} was changed"),
            How::Garbage => f.write_str("this is no entry of an audit"),
            How::Missing(from, to) if from == to => write!(f, "entry {from} is missing before it"),
            How::Missing(from, to) => write!(f, "entries {from} to {to} are missing before it"),
            How::Reordered { found, due } => {
                write!(f, "entry {found} stands in the place of entry {due}")
            }
            How::NoOpening => f.write_str("the file's first entry is missing"),
            How::Mixed => f.write_str("the files are of several servers: check each one's alone"),
            How::OtherKey(id) => write!(
                f,
                "the file was written under key {id:?}: name that key's file with --key-file"
            ),
            How::CutOff { last, published } => write!(
                f,
                "cut off: it ends with entry {last}, and entry {published} was published"
            ),
            How::Gone { chain, published } => write!(
                f,
                "the chain {chain} is nowhere, and its entry {published} was published: its files \
                 were taken away, or it is another server's of the same name, whose heads are to \
                 be left out"
            ),
            How::Rewritten(seq) => write!(
                f,
                "entry {seq} is not the one that was published: it, or something before it, \
                 was rewritten by someone who has the key"
            ),
        }
    }
}

/// The members that a chain is put together by.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chain: Option<Cow<'a, str>>,
    #[serde(borrow)]
    server: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prev: Option<Cow<'a, str>>,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
    bytes: Option<u64>,
    #[serde(borrow)]
    sha256: Option<Cow<'a, str>>,
}

/// What a whole chain holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many entries.
    pub entries: u64,
    /// The first one's number and time.
    pub first: Option<(u64, String)>,
    /// The last one's.
    pub last: Option<(u64, String)>,
    /// Who wrote it.
    pub server: String,
    /// Where a chain began, and what else a file's first entry says, by place.
    pub notes: Vec<String>,
    /// How many published heads were held against it.
    pub heads: usize,
}

/// A chain, being followed.
pub struct Verifier<'k> {
    key: &'k Key,
    /// `None` before the first opening.
    chain: Option<(String, Head)>,
    /// Chains that ended before, and their last lines.
    past: BTreeMap<String, End>,
    /// Text that only a `torn` entry after it explains.
    fragment: Option<(u64, Vec<u8>)>,
    file: String,
    /// The file before it.
    before: String,
    line: u64,
    report: Report,
    /// Who wrote the lines.
    servers: BTreeSet<String>,
    /// Published heads, by chain and number, that are still to come.
    published: BTreeMap<(String, u64), Published>,
}

/// Where a chain ended.
struct End {
    seq: u64,
    file: String,
}

impl<'k> Verifier<'k> {
    /// Under this key.
    pub fn new(key: &'k Key) -> Self {
        Self {
            key,
            chain: None,
            past: BTreeMap::new(),
            servers: BTreeSet::new(),
            fragment: None,
            file: String::new(),
            before: String::new(),
            line: 0,
            report: Report::default(),
            published: BTreeMap::new(),
        }
    }

    /// Heads that were published, from any text with the lines that say them.
    /// Answers how many were found and how many of them nobody with the key
    /// has said.
    pub fn heads(&mut self, text: &str) -> (usize, usize) {
        let (mut found, mut forged) = (0, 0);
        for said in text.lines().filter_map(Published::parse) {
            found += 1;
            if self.key.is_proved(&said.chain, &said.head, &said.proof) {
                let at = (said.chain.clone(), said.head.seq);
                self.published.insert(at, said);
            } else {
                forged += 1;
            }
        }
        (found, forged)
    }

    /// The next lines are of this file.
    ///
    /// # Errors
    /// Where the last one did not end as it should.
    pub fn file(&mut self, name: &str) -> Result<(), Break> {
        self.explained()?;
        self.before = std::mem::replace(&mut self.file, name.to_owned());
        self.line = 0;
        Ok(())
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// Where it does not follow. Nothing after that is worth asking.
    pub fn line(&mut self, text: &[u8]) -> Result<(), Break> {
        self.line += 1;
        let parsed = Line::parse(text);
        let about: Option<About<'_>> = parsed.and_then(|_| serde_json::from_slice(text).ok());
        let (Some(line), Some(about)) = (parsed, about) else {
            self.explained()?;
            self.fragment = Some((self.line, text.to_owned()));
            return Ok(());
        };
        let before = match about.event.as_ref() {
            "file" => self.opening(&line, &about)?,
            _ if self.line == 1 => return Err(self.broken(How::NoOpening)),
            _ => self.chain.as_ref().map(|(_, head)| *head),
        };
        let Some(before) = before else {
            return Err(self.broken(How::NoOpening));
        };
        if line.seq > before.seq + 1 {
            return Err(self.broken(How::Missing(before.seq + 1, line.seq - 1)));
        }
        if line.seq <= before.seq {
            let due = before.seq + 1;
            return Err(self.broken(How::Reordered {
                found: line.seq,
                due,
            }));
        }
        if !self.key.follows(&before.mac, &line) {
            return Err(self.broken(How::Changed(line.seq)));
        }
        self.torn(&about)?;
        self.passed(&line, &about)
    }

    /// A file's first line says what it follows: the last line of the file
    /// before it, or nothing.
    fn opening(&mut self, line: &Line<'_>, about: &About<'_>) -> Result<Option<Head>, Break> {
        if let Some(key) = about.key.as_deref().filter(|key| *key != self.key.id()) {
            return Err(self.broken(How::OtherKey(key.to_owned())));
        }
        let prev = about.prev.as_deref().and_then(|prev| prev.parse().ok());
        let (Some(mac), Some(chain)) = (prev, about.chain.as_deref()) else {
            return Err(self.broken(How::Changed(line.seq)));
        };
        let said = Head {
            seq: line.seq.saturating_sub(1),
            mac,
        };
        let begins = match &self.chain {
            Some((known, head)) if known == chain => {
                if said.seq == head.seq && said.mac != head.mac {
                    return Err(self.broken(How::Changed(line.seq)));
                }
                return Ok(Some(*head));
            }
            _ if self.past.contains_key(chain) => return Err(self.broken(How::Mixed)),
            Some(_) => Some("a new chain begins".to_owned()),
            None if mac == Mac::default() => None,
            None => Some(format!("what was before entry {} is not here", line.seq)),
        };
        // Only what the key has signed is repeated.
        if self.key.follows(&said.mac, line) {
            let words = begins
                .into_iter()
                .chain(about.note.as_deref().map(Into::into));
            let words: Vec<String> = words.collect();
            if !words.is_empty() {
                let note = format!("{}:{}: {}", self.file, self.line, words.join("; "));
                self.report.notes.push(note);
            }
        }
        if let Some((ended, Head { seq, .. })) = self.chain.replace((chain.to_owned(), said)) {
            let file = std::mem::take(&mut self.before);
            self.past.insert(ended, End { seq, file });
        }
        Ok(Some(said))
    }

    /// A torn line is explained by the entry after it, and by nothing else.
    fn torn(&mut self, about: &About<'_>) -> Result<(), Break> {
        let Some((at, text)) = self.fragment.take() else {
            return Ok(());
        };
        let same = about.event == "torn"
            && about.bytes == Some(text.len() as u64)
            && about.sha256.as_deref() == Some(digest(&text).as_str());
        if same {
            let note = "a line was torn when the server was killed";
            let note = format!("{}:{at}: {note}", self.file);
            self.report.notes.push(note);
            return Ok(());
        }
        self.line = at;
        Err(self.broken(How::Garbage))
    }

    fn explained(&self) -> Result<(), Break> {
        match &self.fragment {
            None => Ok(()),
            Some((at, _)) => Err(Break {
                place: (self.file.clone(), *at),
                how: How::Garbage,
            }),
        }
    }

    fn passed(&mut self, line: &Line<'_>, about: &About<'_>) -> Result<(), Break> {
        let head = Head {
            seq: line.seq,
            mac: line.mac,
        };
        let chain = match &mut self.chain {
            Some((chain, at)) => {
                *at = head;
                chain.clone()
            }
            None => return Err(self.broken(How::NoOpening)),
        };
        if let Some(said) = self.published.remove(&(chain, line.seq)) {
            if said.head.mac != line.mac {
                return Err(self.broken(How::Rewritten(line.seq)));
            }
            self.report.heads += 1;
        }
        let time = about.time.as_deref().unwrap_or_default().to_owned();
        self.report.entries += 1;
        let report = &mut self.report;
        report.first.get_or_insert_with(|| (line.seq, time.clone()));
        report.last = Some((line.seq, time));
        if let Some(server) = &about.server {
            report.server = server.clone().into_owned();
            if !self.servers.contains(server.as_ref()) {
                self.servers.insert(server.clone().into_owned());
            }
        }
        Ok(())
    }

    /// Where the chain is now; `None` before its first line.
    pub(super) fn head(&self) -> Option<(&str, Head)> {
        self.chain
            .as_ref()
            .map(|(chain, head)| (chain.as_str(), *head))
    }

    /// Text at the end that no entry explains yet.
    pub(super) fn fragment(&self) -> Option<&[u8]> {
        self.fragment.as_ref().map(|(_, text)| text.as_slice())
    }

    /// No line comes any more.
    ///
    /// # Errors
    /// What only the end shows.
    pub fn finish(mut self) -> Result<Report, Break> {
        self.explained()?;
        let (Some((chain, head)), Some((first, _))) = (&self.chain, &self.report.first) else {
            return Ok(self.report);
        };
        let (seq, file) = (head.seq, self.file.clone());
        self.past.insert(chain.clone(), End { seq, file });
        // By chain and number: the last one of each chain says the most.
        let latest: BTreeMap<&str, &Published> = (self.published.values())
            .map(|said| (said.chain.as_str(), said))
            .collect();
        let unmet = latest.into_values().find_map(|said| {
            let published = said.head.seq;
            let (file, how) = match self.past.get(&said.chain) {
                Some(End { seq, .. }) if *seq >= published => return None,
                Some(End { seq, file }) => {
                    let last = *seq;
                    (file, How::CutOff { last, published })
                }
                // Of before the first line, or another server's.
                None if published < *first || !self.servers.contains(&said.server) => return None,
                None => {
                    let chain = said.chain.clone();
                    (&self.file, How::Gone { chain, published })
                }
            };
            let place = (file.clone(), 0);
            Some(Break { place, how })
        });
        unmet.map_or(Ok(self.report), Err)
    }

    fn broken(&self, how: How) -> Break {
        Break {
            place: (self.file.clone(), self.line),
            how,
        }
    }
}

/// What a `torn` entry says of the text before it.
pub(super) fn digest(text: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}
