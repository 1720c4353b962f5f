//! What can go wrong between here and a Keystone.

/// Why a Keystone was not asked, or what it would not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL can't be Keystone's.
    #[error("{0:?} is no URL of a Keystone: it must be such as http://192.0.2.1:5000/v3")]
    Url(String),
    /// No client can be made, e.g. for want of a readable file.
    #[error(transparent)]
    Client(#[from] sdwan_http::Error),
    /// It can't answer now; later it may.
    #[error("Keystone at {url} does not answer: {reason}")]
    Away {
        /// Where it should be.
        url: String,
        /// In plain words.
        reason: String,
    },
    /// Something else is there, or a Keystone that is not understood.
    #[error(
        "{url} is no Keystone v3: {reason}. Look at the URL: it should be such as http://192.0.2.1:5000/v3"
    )]
    NotKeystone {
        /// What was asked.
        url: String,
        /// What it said.
        reason: String,
    },
    /// The credentials are refused. Keystone does not tell which part of them.
    #[error("Keystone at {url} refuses {who}: {reason}")]
    Refused {
        /// Where it is.
        url: String,
        /// Who asked for what, without secrets.
        who: String,
        /// What may be wrong.
        reason: String,
    },
    /// The token that a validation is asked with is itself refused: renew it.
    #[error("Keystone at {url} does not take this server's own token any more")]
    OwnToken {
        /// Where it is.
        url: String,
    },
    /// The own user may not validate others' tokens.
    #[error(
        "Keystone at {url} lets this server's own user validate nobody's token ({reason}): give \
         that user the role `service` or `admin` on its project"
    )]
    Forbidden {
        /// Where it is.
        url: String,
        /// Keystone's words.
        reason: String,
    },
}

impl Error {
    /// Whether the same may work later, with nothing changed here.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
