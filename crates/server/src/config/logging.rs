//! What is logged, and where to: Gohan's `logging` section.

use std::path::PathBuf;

/// The two places that logs can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Standard error; `None` keeps it quiet.
    pub stderr: Option<Stderr>,
    /// A file; `None` writes none.
    pub file: Option<LogFile>,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            stderr: Some(Stderr::default()),
            file: None,
        }
    }
}

/// Logs on standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stderr {
    /// The least that is worth a line.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// Logs in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Appended to.
    pub path: PathBuf,
    /// The least that is worth a line.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// A log line's form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least that is worth a line, as `tracing` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Gohan's CRITICAL and ERROR.
    Error,
    /// Gohan's WARNING.
    Warn,
    /// Gohan's NOTICE and INFO.
    #[default]
    Info,
    /// Gohan's DEBUG.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// `tracing`'s name of it, e.g. for a filter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "CRITICAL" | "ERROR" => Ok(Self::Error),
            "WARNING" | "WARN" => Ok(Self::Warn),
            "NOTICE" | "INFO" => Ok(Self::Info),
            "DEBUG" => Ok(Self::Debug),
            "TRACE" => Ok(Self::Trace),
            _ => Err(format!(
                "{text:?} is no level: CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG or TRACE"
            )),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is no log format: text or json")),
        }
    }
}
