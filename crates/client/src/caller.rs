//! Who calls, told from others without a name or a secret: what is kept for
//! one caller must not be shown to another.

use sdwan_keystone::credentials::Target;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A hash of what somebody proves himself with: the same for the same caller,
/// also over runs of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller(String);

impl Caller {
    /// Who has this token, and asks for that scope with it.
    pub(crate) fn with_token(token: &str, scope: &Target) -> Self {
        Self::of("token", &[token, &scope.to_string()])
    }

    /// Who logs in to that Keystone like this, whatever token he gets.
    pub(crate) fn of_keystone(auth_url: &str, who: &str) -> Self {
        Self::of("keystone", &[auth_url, who])
    }

    /// Who says nothing of himself.
    pub(crate) fn nobody() -> Self {
        Self::of("nobody", &[])
    }

    fn of(kind: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(kind);
        for part in parts {
            // No part has this in it.
            hash.update([0]);
            hash.update(part);
        }
        let mut digits = String::new();
        for byte in hash.finalize() {
            // Writing to a String can't fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Self(digits)
    }

    /// As it stands in a file.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart_and_their_tokens_are_not_told() {
        let callers = [
            Caller::nobody(),
            Caller::with_token("hunter2", &Target::Usual),
            Caller::with_token("hunter2", &Target::System),
            Caller::with_token("hunter3", &Target::Usual),
            Caller::of_keystone("http://192.0.2.1/v3", "user op"),
            Caller::of_keystone("http://192.0.2.1/v3", "user op for project blue"),
            Caller::of_keystone("http://192.0.2.2/v3", "user op"),
        ];
        for (at, caller) in callers.iter().enumerate() {
            assert!(!callers[..at].contains(caller), "{at}");
            assert_eq!(caller.as_str().len(), 64);
        }
        let again = Caller::with_token("hunter2", &Target::Usual);
        assert_eq!(again, callers[1]);
        assert!(!format!("{again:?}").contains("hunter2"));
    }
}
