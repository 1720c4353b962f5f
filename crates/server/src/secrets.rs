//! Secrets at rest: values of `format: secret` properties are stored sealed
//! and opened only for the pass that sends them.

/// Why a secret can't be sealed or opened. Never says the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is missing, unreadable or another one.
    #[error("{0}")]
    Key(String),
    /// The envelope was damaged, or belongs to another row.
    #[error("{0}")]
    Envelope(String),
}

/// Seals and opens under one key.
pub struct SecretBox(());

impl SecretBox {
    /// The key in this file; made on the first start, mode 0600.
    ///
    /// # Errors
    /// [`Error::Key`] when it can't be made or read, or others can read it.
    pub fn from_file(_path: &std::path::Path) -> Result<Self, Error> {
        todo!()
    }

    /// No key: nothing can be sealed or opened, and `why` is the reason given.
    pub fn missing(_why: impl Into<String>) -> Self {
        todo!()
    }

    /// This key; for tests.
    pub fn from_key(_key: [u8; 32]) -> Self {
        todo!()
    }
}
