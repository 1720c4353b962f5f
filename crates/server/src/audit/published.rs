//! A chain's head as a line of a log: what is said where nobody who can write
//! the audit's files can take it back.

use super::chain::{Head, Mac};

/// A head as it is published: where nobody who can write the files can take
/// it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) server: String,
    pub(super) chain: String,
    pub(super) head: Head,
    pub(super) proof: Mac,
}

/// What a line that says a head has in it.
const HEAD: &str = "audit head ";

impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Head { seq, mac } = self.head;
        write!(
            f,
            "{HEAD}server={} chain={} seq={seq} mac={mac} proof={}",
            self.server, self.chain, self.proof
        )
    }
}

impl Published {
    /// From a line of a log, whatever stands before it.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, said) = line.split_once(HEAD)?;
        let mut words = said.split_whitespace();
        let mut value = |name: &str| {
            let word = words.next()?.strip_prefix(name)?;
            word.strip_prefix('=').map(str::to_owned)
        };
        let (server, chain) = (value("server")?, value("chain")?);
        let seq = value("seq")?.parse().ok()?;
        let mac = value("mac")?.parse().ok()?;
        // A JSON log puts a quotation mark after it.
        let proof = value("proof")?;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let end = proof.bytes().position(|b| !word(b)).unwrap_or(proof.len());
        Some(Self {
            server,
            chain,
            head: Head { seq, mac },
            proof: proof[..end].parse().ok()?,
        })
    }
}
