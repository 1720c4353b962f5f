//! The whole server, put together: catalog, reconciler, monitor and API in
//! one process; in a cluster, what its role asks for.

use crate::agents::Agents;
use crate::api;
use crate::audit::{self, Recorder, Rest};
use crate::auth::{self, Authenticator};
use crate::catalog::{self, Catalog};
use crate::cluster::{self, Membership, Steward, Tenure};
use crate::config::{self, Address, Config};
use crate::listen::{self, Service, Tls};
use crate::metrics::Metrics;
use crate::reconcile::{Settings, Supervisor};
use crate::secrets::SecretBox;
use crate::speaker::Dial;
use sdwan_model::document;
use sdwan_model::policy::Policies;
use sdwan_model::schema::Schemas;
use sdwan_store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Why the server does something that nobody has asked it for.
const UNFINISHED: &str = "a deletion goes on that was not finished when the server ended";
const FIRST: &str = "there was no token yet: the first admin's is made";
const LOST: &str = "started to make one more admin's token";

/// How long work that no request waits for may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server needs from outside.
pub struct Deps {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Seals and opens secrets.
    pub secrets: SecretBox,
    /// The way to the daemons.
    pub dial: Arc<dyn Dial>,
    /// Makes the ids of new rows and of commits.
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    /// Now.
    pub clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// Makes the secrets of tokens.
    pub random: auth::Random,
    /// The reconciler's and the monitor's times.
    pub settings: Settings,
    /// Names this process, in the log, in what it observes and as a member.
    pub instance: String,
    /// How it takes part, where others share the store.
    pub cluster: Option<cluster::Settings>,
}

/// Why the server does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration, or a schema file that it names.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Nobody can listen there.
    #[error("can't listen on {address}: {reason}: name another with --address")]
    Listen {
        /// Where.
        address: Address,
        /// The system's words.
        reason: String,
    },
    /// The operator's kinds want URLs that are taken, one a line.
    #[error("{}", .0.join("\n"))]
    Routes(Vec<String>),
    /// Callers can't be asked who they are.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The first admin's token can't be made.
    #[error(transparent)]
    Admin(#[from] auth::BeginError),
    /// The certificate, or what goes with it.
    #[error(transparent)]
    Tls(#[from] listen::Error),
    /// The store, or what is in it.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The audit that was asked for can't be kept.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

/// A server that runs until [`Server::stop`].
pub struct Server {
    address: SocketAddr,
    api: Part,
    work: Part,
    catalog: Arc<Catalog>,
    audit: Arc<Recorder>,
    tls: Option<Arc<Tls>>,
    clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
}

/// A task and its end.
struct Part {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Part {
    fn start<F: Future<Output = ()> + Send + 'static>(
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a part of the server did not end well");
        }
    }
}

impl Server {
    /// Starts everything. When it returns, the API answers.
    ///
    /// # Errors
    /// Whatever keeps it from starting; then nothing runs.
    pub async fn start(config: &Config, deps: Deps) -> Result<Self, Error> {
        config.guard()?;
        let (schemas, policies) = schemas(config)?;
        let clock = Arc::clone(&deps.clock);
        let tls = config.tls.as_ref().map(|files| Tls::open(files, clock()));
        let tls = tls.transpose()?.map(Arc::new);
        // First of all, so that a second server says so before it touches anything.
        let unable = |error: std::io::Error| Error::Listen {
            address: config.address.clone(),
            reason: error.to_string(),
        };
        let listener = listen::bind(&config.address).await.map_err(unable)?;
        let address = listener.local_addr().map_err(unable)?;

        let audit = Arc::new(recorder(config, &deps)?);
        let tenure = match &deps.cluster {
            Some(_) => Tenure::shared(&*deps.instance),
            None => Tenure::alone(&*deps.instance),
        };
        let options = catalog::Options {
            secrets: deps.secrets,
            ids: deps.ids,
            clock: deps.clock,
            tenure: Arc::new(tenure),
            format: catalog::FORMAT,
        };
        let rest = Rest::own(&audit, &schemas, UNFINISHED);
        let catalog = Catalog::open_telling(
            Arc::clone(&deps.store),
            Arc::clone(&schemas),
            options,
            Some(Arc::new(rest)),
        );
        let catalog = catalog.await?;
        let auth = Authenticator::new(&config.auth, &catalog, deps.random)?;
        let auth = Arc::new(auth);
        let lost = config.auth.tokens.as_ref().is_some_and(|t| t.new_admin);
        let first = Rest::own(&audit, &schemas, if lost { LOST } else { FIRST });
        first
            .during(auth.begin(&config.admin_token(), lost))
            .await?;
        let agents = Arc::new(Agents::new(Arc::clone(&catalog), deps.settings.silence));
        let supervisor = Supervisor::new(Arc::clone(&catalog), deps.dial, deps.settings);
        let membership = Arc::new(Membership::new(
            Arc::clone(&deps.store),
            Arc::clone(&catalog),
            deps.cluster.unwrap_or_default(),
            address.to_string(),
        ));
        let watches = CancellationToken::new();
        let counts = listen::Counts::default();
        let dependencies = api::Deps {
            catalog: Arc::clone(&catalog),
            auth: Arc::clone(&auth),
            policies,
            membership: Arc::clone(&membership),
            live: Arc::clone(&supervisor) as Arc<dyn crate::live::Live>,
            agents: Arc::clone(&agents),
            audit: Arc::clone(&audit),
            metrics: Arc::new(
                Metrics::new(deps.store, &supervisor, tls.clone(), &counts).with_auth(&auth),
            ),
            instance: deps.instance,
            shutdown: watches.clone(),
        };
        let router = api::router(dependencies, config, config.limits).map_err(Error::Routes)?;
        let service = Service {
            router,
            limits: config.limits,
            tls: tls.clone(),
            counts,
        };

        let steward = Steward::new(Arc::clone(&catalog), Arc::clone(&membership), supervisor);
        let work = Part::start(|stop| async move {
            // A member for as long as there is something to hand over.
            let through = CancellationToken::new();
            tokio::join!(membership.run(through.clone()), async {
                tokio::join!(steward.run(stop.clone()), agents.run(stop));
                through.cancel();
            });
        });
        let api = Part::start(|stop| async move {
            // Watches would keep their connections open for ever.
            let ending = stop.clone();
            tokio::join!(listen::serve(listener, service, stop), async {
                ending.cancelled().await;
                watches.cancel();
            });
        });
        tracing::info!(%address, tls = tls.is_some(), "ready");
        Ok(Self {
            address,
            api,
            work,
            catalog,
            audit,
            tls,
            clock,
        })
    }

    /// Waits until the store has a format that this server does not know.
    /// Then it must stop.
    pub async fn outgrown(&self) -> String {
        let format = self.catalog.outgrown().await;
        format!(
            "the store has format {format} now, which this server does not know: \
             start the sdwan that the other servers run"
        )
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads again what the API shows its clients: certificate, key and client
    /// authorities. Whether there are any; no connection ends.
    ///
    /// # Errors
    /// Why they can't be used; then all stays as it is.
    pub fn reload(&self) -> Result<bool, Error> {
        let Some(tls) = &self.tls else {
            return Ok(false);
        };
        tls.reload((self.clock)())?;
        Ok(true)
    }

    /// Ends in order: no new requests, and those under way are answered;
    /// calls to the routers that are under way end and are recorded, and the
    /// routers are handed to whoever else there is.
    pub async fn stop(self) {
        tracing::info!("stopping");
        tokio::join!(self.api.stop(), self.work.stop());
        // Before the audit: nothing is done that it does not tell of.
        if timeout(PATIENCE, self.catalog.end()).await.is_err() {
            tracing::error!("a deletion did not stop in time");
        }
        self.audit.stop().await;
        tracing::info!("stopped");
    }
}

/// The audit that the configuration asks for.
fn recorder(config: &Config, deps: &Deps) -> Result<Recorder, audit::Error> {
    let (Some(settings), Some(file)) = (&config.audit, config.audit_file()) else {
        if config.auth.protects() {
            tracing::info!("no audit is kept of who does what: see `audit` of the configuration");
        }
        return Ok(Recorder::off());
    };
    let key = audit::Key::of(&deps.secrets)?;
    let chain = (deps.ids)().simple().to_string();
    Recorder::start(file, settings, key, Arc::clone(&deps.clock), chain)
}

/// The built-in kinds and the operator's, and who may do what with them.
///
/// # Errors
/// Everything that is wrong with the schema files.
pub fn schemas(config: &Config) -> Result<(Arc<Schemas>, Policies), config::Error> {
    let (documents, warnings) = config.read_schemas()?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let invalid = |errors: Vec<document::Error>| config::Error::Invalid(errors);
    let schemas = Schemas::load(&documents).map_err(invalid)?;
    let (policies, warnings) = Policies::load(&documents, &schemas).map_err(invalid)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok((Arc::new(schemas), policies))
}
