//! Which keys of etcd's are whose.
//!
//! Entries lie under the configured prefix with their own keys, so that others
//! find them there. Beside them lie a few records of this backend's own. Their
//! keys go on with a byte that no text begins with, so no prefix of entries,
//! the empty one included, ever covers them.

use uuid::Uuid;

/// No UTF-8 text contains this byte.
const OWN: u8 = 0xff;

/// Every key from `from` on, before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: String,
}

impl Layout {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Where the entry with this key lies.
    pub(super) fn key(&self, key: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    /// The entry's key; none for what is no entry, such as an outsider's key
    /// that is no text.
    pub(super) fn entry(&self, key: Vec<u8>) -> Option<String> {
        let mut key = String::from_utf8(key).ok()?;
        key.starts_with(&self.prefix).then(|| {
            key.drain(..self.prefix.len());
            key
        })
    }

    /// Where the entries lie whose keys start with this.
    pub(super) fn under(&self, prefix: &str) -> Range {
        let from = self.key(prefix);
        let mut to = from.clone();
        match to.last_mut() {
            // The last byte of a text is never the highest.
            Some(last) if !prefix.is_empty() => *last += 1,
            _ => to.push(OWN),
        }
        // The prefix alone is no entry: no key is empty.
        let from = if prefix.is_empty() {
            [&from[..], b"\0"].concat()
        } else {
            from
        };
        Range { from, to }
    }

    /// The record of a commit.
    pub(super) fn commit(&self, id: Uuid) -> Vec<u8> {
        self.own(&format!("commits/{id}"))
    }

    /// The record that every commit writes that deletes.
    pub(super) fn deletions(&self) -> Vec<u8> {
        self.own("deletions")
    }

    fn own(&self, name: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), &[OWN], name.as_bytes()].concat()
    }
}

/// The one key that is `key`, as a range.
pub(super) fn only(key: Vec<u8>) -> Range {
    let to = [&key[..], b"\0"].concat();
    Range { from: key, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(range: &Range, key: &[u8]) -> bool {
        range.from.as_slice() <= key && key < range.to.as_slice()
    }

    #[test]
    fn a_range_has_the_keys_with_its_prefix_and_no_other() {
        let keys = ["\0", "/", "/a", "/a/1", "/b", "é", "\u{10ffff}", "\u{7f}"];
        for of_store in ["", "sdwan", "é"] {
            let layout = Layout::new(of_store.into());
            for prefix in keys.into_iter().chain([""]) {
                let range = layout.under(prefix);
                for key in keys {
                    let expected = key.starts_with(prefix);
                    assert_eq!(covers(&range, &layout.key(key)), expected, "{prefix} {key}");
                }
                assert!(!covers(&range, &layout.commit(Uuid::nil())), "{prefix}");
                assert!(!covers(&range, &layout.deletions()), "{prefix}");
                assert!(!covers(&range, of_store.as_bytes()), "{prefix}");
            }
        }
    }

    #[test]
    fn an_entry_gets_its_own_key_back() {
        let layout = Layout::new("sdwan".into());
        assert_eq!(layout.entry(layout.key("/a")).as_deref(), Some("/a"));
        assert_eq!(layout.entry(b"sdwa/a".into()), None);
        assert_eq!(layout.entry(layout.deletions()), None);
    }
}
