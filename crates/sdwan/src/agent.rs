//! Composition of the agent: arguments, signals, where it listens.

use crate::{arguments, logging};
use anyhow::Context;
use sdwan_agent::agent::{Agent, Settings};
use sdwan_agent::fib::Mark;
use sdwan_agent::orchestrator::Reporter;
use sdwan_agent::{http, once};
use sdwan_gobgp::Tls;
use sdwan_server::config::{Gobgpd, Logging};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Decoding and the kernel's work may run side by side; there is nothing for more.
const THREADS: usize = 2;

/// Something would change.
const WOULD_CHANGE: u8 = 3;

/// What `--once` came to.
pub(crate) struct Outcome {
    /// For stdout.
    pub(crate) text: String,
    /// The exit code.
    pub(crate) code: u8,
}

/// Runs until SIGINT or SIGTERM, or once.
///
/// # Errors
/// Whatever keeps the agent from running, in words for an operator.
pub(crate) fn run(arguments: &arguments::Agent) -> anyhow::Result<Option<Outcome>> {
    let mut logging = Logging::default();
    if let Some(format) = arguments.log_format {
        logging.stderr.get_or_insert_default().format = logging::format(format);
    }
    logging::start(&logging)?;
    let settings = Settings {
        gobgpd: arguments.gobgpd.clone(),
        tls: tls(arguments)?,
        mark: Mark {
            table: arguments.table,
            protocol: arguments.protocol,
            metric: arguments.metric,
        },
        hold: Duration::from_secs(arguments.hold.into()),
        redistribute: arguments.redistribute.iter().copied().collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    if arguments.once {
        return runtime
            .block_on(go_once(&settings, arguments.dry_run))
            .map(Some);
    }
    let reporter = match &arguments.server {
        Some(server) => Some(runtime.block_on(reporter(server, arguments))?),
        None => None,
    };
    runtime
        .block_on(serve(settings, arguments.listen, reporter))
        .map(|()| None)
}

/// TLS with gobgpd, where it is asked for.
fn tls(arguments: &arguments::Agent) -> anyhow::Result<Option<Tls>> {
    let Some(ca_file) = arguments.gobgpd_ca_file.clone() else {
        return Ok(None);
    };
    let certificate = arguments.gobgpd_cert_file.clone();
    let gobgpd = Gobgpd {
        ca_file,
        identity: certificate.zip(arguments.gobgpd_key_file.clone()),
        server_name: arguments.gobgpd_server_name.clone(),
        ..Gobgpd::default()
    };
    Ok(Some(gobgpd.tls()?))
}

async fn go_once(settings: &Settings, dry_run: bool) -> anyhow::Result<Outcome> {
    let outcome = once::once(settings, dry_run).await?;
    let code = match (dry_run, outcome.changes, outcome.refused) {
        (true, 0, _) | (false, _, 0) => 0,
        (true, ..) => WOULD_CHANGE,
        (false, ..) => 1,
    };
    Ok(Outcome {
        text: outcome.text,
        code,
    })
}

/// Whom to tell, and as whom.
async fn reporter(server: &str, arguments: &arguments::Agent) -> anyhow::Result<Reporter> {
    let own = || {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
        anyhow::Ok(name.trim().to_owned())
    };
    let router = match &arguments.router {
        Some(router) => router.clone(),
        None => own().context("this machine's host name is not known: give --router")?,
    };
    let mut settings = sdwan_client::Settings::read(|name| std::env::var(name).ok())?;
    settings.endpoint = Some(server.to_owned());
    settings.cloud = arguments.cloud.clone();
    // With the server named, Keystone is asked only when there is something to
    // report, so its absence keeps no agent from starting.
    let access = sdwan_client::Access::find(&settings).await?;
    Reporter::new(
        server,
        &router,
        access.tls,
        access.tokens,
        jiff::Timestamp::now,
    )
    .context("--server")
}

async fn serve(
    settings: Settings,
    listen: arguments::Listen,
    reporter: Option<Reporter>,
) -> anyhow::Result<()> {
    // Before anything starts, so that no signal finds nobody at home.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let listener = match listen {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!("can't listen on {address} (--listen chooses another address, or none)")
        })?),
        None => None,
    };
    let (agent, questions) = Agent::start(settings)?;
    if let Some(listener) = listener {
        tokio::spawn(http::serve(listener, questions.clone()));
    }
    if let Some(reporter) = reporter {
        tokio::spawn(reporter.run(questions));
    }
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(agent.run(stop).await?)
}
