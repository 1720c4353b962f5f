//! What can go wrong in a client, by the exit code that a script sees.

use std::process::ExitCode;

/// A command that was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the environment makes no sense (2).
    #[error("{0}")]
    Usage(String),
    /// No answer from the server (3).
    #[error("no answer from {endpoint}: {reason}\n{advice}")]
    Unreachable {
        /// The server's URL.
        endpoint: String,
        /// In plain words.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// No token to send: Keystone refused (1), or did not answer (3).
    #[error("{reason}")]
    Login {
        /// In plain words.
        reason: String,
        /// Whether it did not answer.
        transient: bool,
    },
    /// The server can't answer for the moment; the same may work later (3).
    #[error("{0}")]
    Away(String),
    /// The server does not know who asks (1).
    #[error("{0}")]
    Unproved(String),
    /// No such row (4).
    #[error("{0}")]
    NotFound(String),
    /// A value is taken, a row is still referenced, or it changed meanwhile (5).
    #[error("{0}")]
    Conflict(String),
    /// The server refused for another reason (1).
    #[error("{0}")]
    Refused(String),
    /// `--wait` gave up, or saw a failure (6).
    #[error("{0}")]
    NotReached(String),
    /// A local file or the terminal (1).
    #[error("{0}")]
    Local(String),
}

impl Error {
    /// 1 refused or local, 2 usage, 3 unreachable, 4 not found, 5 conflict,
    /// 6 what `--wait` waited for did not come.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_)
            | Self::Unproved(_)
            | Self::Local(_)
            | Self::Login {
                transient: false, ..
            } => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. }
            | Self::Away(_)
            | Self::Login {
                transient: true, ..
            } => 3,
            Self::NotFound(_) => 4,
            Self::Conflict(_) => 5,
            Self::NotReached(_) => 6,
        })
    }
}

impl From<sdwan_keystone::Error> for Error {
    fn from(error: sdwan_keystone::Error) -> Self {
        Self::Login {
            reason: error.to_string(),
            transient: error.is_transient(),
        }
    }
}
