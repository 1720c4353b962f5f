//! Composition of the server: which store, which daemons, which clock, which
//! randomness. Everything below gets them handed in.

use crate::arguments;
use crate::logging;
use crate::storage::{self, Storage};
use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sdwan_gobgp::Timeouts;
use sdwan_server::catalog;
use sdwan_server::config::{Address, Auth, Config, Loaded};
use sdwan_server::reconcile::Settings;
use sdwan_server::server::{Deps, Server};
use sdwan_server::speaker::GobgpDial;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// Runs until SIGINT or SIGTERM; SIGHUP has it read all certificates again.
///
/// # Errors
/// Whatever keeps the server from starting, in words for an operator.
pub(crate) fn run(arguments: &arguments::Server) -> anyhow::Result<()> {
    let Loaded { config, warnings } = configuration(arguments)?;
    logging::start(&config.logging)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?
        .block_on(serve(&config, arguments.replace_key))
}

/// The file, then what the command line says over it.
fn configuration(arguments: &arguments::Server) -> anyhow::Result<Loaded> {
    let address = arguments.address.as_deref();
    let address: Option<Address> = address
        .map(|a| a.parse().map_err(anyhow::Error::msg).context("--address"))
        .transpose()?;
    let mut loaded = match &arguments.config_file {
        Some(path) => Config::load(path, arguments.insecure, address)?,
        None => {
            let mut auth = Auth::default();
            if let Some(word) = &arguments.auth {
                let chosen = auth.choose(word).map_err(anyhow::Error::msg);
                chosen.context("--auth")?;
            }
            let config = Config {
                address: address.unwrap_or_default(),
                insecure: arguments.insecure,
                auth,
                ..Config::default()
            };
            let warnings = Vec::new();
            Loaded { config, warnings }
        }
    };
    let config = &mut loaded.config;
    storage::choose(config, arguments.database.as_ref(), arguments.etcd.as_ref())?;
    config.cluster.role = arguments.role.unwrap_or(config.cluster.role);
    config.cluster.lease = arguments.lease.unwrap_or(config.cluster.lease);
    anyhow::ensure!(
        config.etcd.is_some() || arguments.role.is_none() && arguments.lease.is_none(),
        "--role and --lease are for servers that share an etcd: name it with --etcd"
    );
    if arguments.new_admin_token {
        let tokens = config.auth.tokens.as_mut();
        let wrong = "--new-admin-token needs tokens: `auth: tokens`, or --auth tokens";
        tokens.context(wrong)?.new_admin = true;
    }
    if let Some(file) = &arguments.key_file {
        config.key_file = Some(file.clone());
    }
    if let Some(format) = arguments.log_format {
        let format = logging::format(format);
        config.logging.stderr.get_or_insert_default().format = format;
    }
    if let Some(audit) = &mut config.audit {
        audit.server = host_name()?;
    }
    config.guard()?;
    Ok(loaded)
}

/// What the audit calls this server.
fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("the host's name")?;
    let name = name.to_string_lossy().into_owned();
    Ok(Some(name)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned()))
}

/// As many files as the system lets this process have: each router is a
/// connection, and a service often starts with 1024.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn serve(config: &Config, replace_key: bool) -> anyhow::Result<()> {
    raise_file_limit();
    // Before anything starts, so that no signal finds nobody at home.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    let storage = Storage::open(config).await?;
    let store = storage.store();
    if replace_key {
        catalog::forget_key(&*store, Uuid::new_v4()).await?;
    }
    let shared = config.etcd.is_some();
    let timeouts = Timeouts::default();
    let dial = GobgpDial::new(timeouts, SystemTime::now);
    let dial = match &config.gobgpd {
        Some(gobgpd) => dial.with_tls(gobgpd.tls()?, gobgpd.without.clone()),
        None => dial,
    };
    let deps = Deps {
        cluster: shared.then(|| config.cluster.clone()),
        secrets: catalog::secrets_of(&*store, &config.secrets_key()).await?,
        store,
        dial: Arc::new(dial.clone()),
        ids: Arc::new(Uuid::new_v4),
        clock: Arc::new(jiff::Timestamp::now),
        random: Arc::new(rand::random),
        settings: Settings {
            // Others wait for the routers.
            grace: shared.then_some(Duration::from_millis(400)),
            caution: timeouts.late(),
            ..Settings::new(Arc::new(rand::random::<f64>))
        },
        instance: Uuid::new_v4().simple().to_string()[..8].to_owned(),
    };
    let server = Server::start(config, deps).await?;
    let outgrown = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = hangup.recv() => reload(config, &server, &dial, &storage).await,
            why = server.outgrown() => break Some(why),
        }
    };
    server.stop().await;
    storage.close().await;
    match outgrown {
        Some(why) => Err(anyhow::Error::msg(why)),
        None => Ok(()),
    }
}

/// Reads all certificates again, each by itself: what can't be used is told,
/// and what there was stays in use. No connection ends.
async fn reload(config: &Config, server: &Server, dial: &GobgpDial, storage: &Storage) {
    let gobgpd = match &config.gobgpd {
        Some(gobgpd) => gobgpd.tls().map(|tls| {
            dial.renew(tls);
            true
        }),
        None => Ok(false),
    };
    let mut any = false;
    for (of, reloaded) in [
        ("the API", server.reload().map_err(anyhow::Error::from)),
        ("gobgpd", gobgpd.map_err(anyhow::Error::from)),
        ("etcd", storage.reload(config).await),
    ] {
        any |= reloaded.as_ref().map_or(true, |any| *any);
        match reloaded {
            Ok(false) => {}
            Ok(true) => tracing::info!(of, "certificates read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(of, error, "the old certificates stay in use");
            }
        }
    }
    if !any {
        tracing::info!("nothing to read again: no TLS is configured");
    }
}
