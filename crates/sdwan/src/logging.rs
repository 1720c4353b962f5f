//! Logs: text for eyes, JSON where it was asked for, to stderr and a file.

use crate::arguments::LogFormat;
use anyhow::Context;
use sdwan_server::config::{Format, Level, Logging};
use std::io::IsTerminal;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// What the command line asked for.
pub(crate) fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
}

/// Starts logging as configured.
///
/// # Errors
/// The log file can't be opened, or logging was started before.
pub(crate) fn start(logging: &Logging) -> anyhow::Result<()> {
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if let Some(stderr) = &logging.stderr {
        let colours = std::io::stderr().is_terminal();
        layers.push(layer(std::io::stderr, stderr.format, colours, stderr.level));
    }
    if let Some(file) = &logging.file {
        let open = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file.path);
        let opened = open.with_context(|| format!("the log file {}", file.path.display()))?;
        layers.push(layer(
            std::sync::Mutex::new(opened),
            file.format,
            false,
            file.level,
        ));
    }
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .context("logging")
}

fn layer<W>(
    writer: W,
    format: Format,
    colours: bool,
    level: Level,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let formatted = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours);
    match format {
        Format::Text => formatted
            .with_target(false)
            .with_filter(filter(level))
            .boxed(),
        Format::Json => formatted
            .json()
            .flatten_event(true)
            .with_filter(filter(level))
            .boxed(),
    }
}

/// What other crates say is of interest only when something is wrong.
fn filter(level: Level) -> Targets {
    let own = match level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    };
    Targets::new()
        .with_default(own.min(tracing::Level::WARN))
        .with_target("sdwan", own)
}
