//! The chain: every line carries its number and a MAC over itself and the
//! line before it, under a key that only the server's key file gives. Who
//! lacks the key can't change, leave out, add or swap a line unseen; what is
//! cut off at the end is missed by whoever knows a later [`Head`].
//!
//! A line is a JSON object whose last member is `mac`. The MAC is over the
//! bytes before that member, so no two ways to write JSON can be confused.

use crate::secrets::{self, SecretBox};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretBox as Hidden};
use sha2::Sha256;

/// Bytes of a MAC.
const MAC_BYTES: usize = 32;
/// What stands between a line's body and its MAC, and after it.
const BEFORE_MAC: &[u8] = b",\"mac\":\"";
const AFTER_MAC: &[u8] = b"\"}";
/// The MAC's characters.
const MAC_TEXT: usize = 43;

/// A MAC, or what stands for the one before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mac([u8; MAC_BYTES]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl std::str::FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = BASE64.decode(text).map_err(|_| ())?;
        bytes.try_into().map(Self).map_err(|_| ())
    }
}

/// How far a chain is: its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The line's number; 0 before the first.
    pub seq: u64,
    /// Its MAC.
    pub mac: Mac,
}

/// The key of a server's chains.
pub struct Key {
    id: String,
    bytes: Hidden<[u8; MAC_BYTES]>,
}

impl Key {
    /// From the key of the secrets, which can't be told from it.
    ///
    /// # Errors
    /// [`secrets::Error::Key`] without a key.
    pub fn of(secrets: &SecretBox) -> Result<Self, secrets::Error> {
        Ok(Self {
            bytes: secrets.derive("sdwan audit chain, version 1")?,
            id: secrets.id().unwrap_or_default().to_owned(),
        })
    }

    /// Names the key file's key without telling it.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.bytes.expose_secret())
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// The MAC of a line's body that follows this one.
    fn mac(&self, before: &Mac, body: &[u8]) -> Mac {
        Mac(self.over(&[&before.0, body]).finalize().into_bytes().into())
    }

    /// A proof that whoever has the key said this head.
    pub(super) fn prove(&self, chain: &str, head: &Head) -> Mac {
        let said = format!("head {chain} {} {}", head.seq, head.mac);
        Mac(self.over(&[said.as_bytes()]).finalize().into_bytes().into())
    }

    /// Whether the proof is one, in constant time.
    pub(super) fn is_proved(&self, chain: &str, head: &Head, proof: &Mac) -> bool {
        let said = format!("head {chain} {} {}", head.seq, head.mac);
        self.over(&[said.as_bytes()]).verify_slice(&proof.0).is_ok()
    }

    /// Appends the line that follows `head`, and leads it on. `record` is a
    /// JSON object with at least one member and without `seq` and `mac`.
    pub(super) fn seal(&self, head: &mut Head, record: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let seq = head.seq + 1;
        out.extend_from_slice(format!("{{\"seq\":{seq},").as_bytes());
        out.extend_from_slice(&record[1..record.len() - 1]);
        let mac = self.mac(&head.mac, &out[start..]);
        out.extend_from_slice(BEFORE_MAC);
        out.extend_from_slice(mac.to_string().as_bytes());
        out.extend_from_slice(AFTER_MAC);
        out.push(b'\n');
        *head = Head { seq, mac };
    }

    /// Whether the line follows a line with this MAC, in constant time.
    pub(super) fn follows(&self, before: &Mac, line: &Line<'_>) -> bool {
        let mac = self.over(&[&before.0, line.body]);
        mac.verify_slice(&line.mac.0).is_ok()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// A line as it was read, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    /// What the MAC is over.
    body: &'a [u8],
    pub(super) mac: Mac,
}

impl<'a> Line<'a> {
    /// Takes a line apart; `None` where it has not a line's form.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(AFTER_MAC)?;
        let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(MAC_TEXT)?)?;
        let body = rest.strip_suffix(BEFORE_MAC)?;
        let mac = std::str::from_utf8(mac).ok()?.parse().ok()?;
        let digits = body.strip_prefix(b"{\"seq\":")?;
        let end = digits.iter().position(|b| *b == b',')?;
        let seq = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
        Some(Self { seq, body, mac })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::of(&SecretBox::from_key([n; 32])).unwrap()
    }

    #[test]
    fn a_line_follows_the_one_that_it_was_sealed_after_and_no_other() {
        let (key, mut head, mut out) = (key(7), Head::default(), Vec::new());
        key.seal(&mut head, br#"{"event":"a"}"#, &mut out);
        let first = head;
        key.seal(&mut head, br#"{"event":"b"}"#, &mut out);
        let lines: Vec<&[u8]> = out.split(|b| *b == b'\n').collect();
        let [a, b, rest] = lines[..] else {
            panic!("not two lines")
        };
        assert!(rest.is_empty());
        let [a, b] = [a, b].map(|line| Line::parse(line).unwrap());
        assert_eq!((a.seq, b.seq, b.mac), (1, 2, head.mac));
        assert!(key.follows(&Mac::default(), &a) && key.follows(&first.mac, &b));
        assert!(!key.follows(&Mac::default(), &b) && !key.follows(&head.mac, &a));
        let other = Key::of(&SecretBox::from_key([8; 32])).unwrap();
        assert!(!other.follows(&Mac::default(), &a));
    }

    #[test]
    fn a_head_is_proved_by_the_key_alone() {
        let head = Head {
            seq: 3,
            mac: Mac([1; 32]),
        };
        let proof = key(7).prove("c", &head);
        assert!(key(7).is_proved("c", &head, &proof));
        assert!(!key(8).is_proved("c", &head, &proof));
        assert!(!key(7).is_proved("d", &head, &proof));
        assert!(!key(7).is_proved("c", &Head { seq: 4, ..head }, &proof));
    }

    #[test]
    fn debug_tells_no_key() {
        assert!(format!("{:?}", key(7)).len() < 20);
    }
}
