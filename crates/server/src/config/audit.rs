//! Who did what, and where that is written: the `audit` section.

use crate::audit::Syslog;
use std::path::PathBuf;
use std::time::Duration;

/// An audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Appended to; full files lie beside it. See
    /// [`Config::audit_file`](super::Config::audit_file).
    pub file: Option<PathBuf>,
    /// Bytes after which a new file is begun.
    pub max_size: u64,
    /// How many full files are kept.
    pub keep: usize,
    /// Every entry goes there too, and the chain's head from time to time.
    pub syslog: Option<Syslog>,
    /// Also reads that were answered are recorded.
    pub reads: bool,
    /// How often the head is published.
    pub heads: Duration,
    /// What entries call this server.
    pub server: String,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            file: None,
            max_size: 64 << 20,
            keep: 10,
            syslog: None,
            reads: false,
            heads: Duration::from_secs(300),
            server: "sdwan".to_owned(),
        }
    }
}

/// A size in bytes, or in KiB, MiB or GiB: `64MiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    match bytes {
        Some(bytes) if bytes >= LEAST => Ok(bytes),
        Some(_) if unit > 0 => Err(format!("{text:?} is too small: 64KiB is the least")),
        _ => Err(format!(
            "{text:?} is no size: write a number and KiB, MiB or GiB"
        )),
    }
}

/// A file has to be worth its first entry.
const LEAST: u64 = 64 << 10;
