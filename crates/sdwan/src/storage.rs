//! The store that the configuration names, opened.

use anyhow::Context as _;
use sdwan_server::config::Config;
use sdwan_store::Store;
use sdwan_store::etcd::Etcd;
use sdwan_store::sqlite::{Options, Sqlite};
use std::path::PathBuf;
use std::sync::Arc;

/// What the command line says of the store goes over the configuration.
///
/// # Errors
/// Where they contradict each other.
pub(crate) fn choose(
    config: &mut Config,
    database: Option<&PathBuf>,
    etcd: Option<&Vec<String>>,
) -> anyhow::Result<()> {
    if let Some(database) = database {
        anyhow::ensure!(
            config.etcd.is_none(),
            "--database names an embedded store, the configuration an etcd: take one of them out"
        );
        config.database.clone_from(database);
    }
    if let Some(endpoints) = etcd {
        let etcd = config.etcd.get_or_insert_default();
        etcd.endpoints.clone_from(endpoints);
    }
    Ok(())
}

/// An open store.
pub(crate) enum Storage {
    Embedded(Arc<Sqlite>),
    Etcd(Arc<Etcd>),
}

impl Storage {
    /// # Errors
    /// Whatever keeps it from being opened, in words for an operator.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(match &config.etcd {
            Some(etcd) => {
                let mut options = etcd.options()?;
                // Servers with one list shall not all ask the same member first.
                let first = rand::random_range(0..options.endpoints.len().max(1));
                options.endpoints.rotate_left(first);
                Self::Etcd(Arc::new(Etcd::open(options).await?))
            }
            None => {
                let sqlite = Sqlite::open(&config.database, Options::default()).await?;
                Self::Embedded(Arc::new(sqlite))
            }
        })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as _,
            Self::Etcd(store) => Arc::clone(store) as _,
        }
    }

    /// Reads etcd's certificates again. Whether there are any.
    ///
    /// # Errors
    /// Why they can't be used; then all stays as it is.
    pub(crate) async fn reload(&self, config: &Config) -> anyhow::Result<bool> {
        let (Self::Etcd(store), Some(etcd)) = (self, &config.etcd) else {
            return Ok(false);
        };
        let Some(tls) = etcd.tls()? else {
            return Ok(false);
        };
        store.renew(tls).await.context("with them")?;
        Ok(true)
    }

    /// Once nobody else uses it. An etcd needs no goodbye.
    pub(crate) async fn close(self) {
        if let Self::Embedded(store) = self
            && let Some(store) = Arc::into_inner(store)
        {
            store.close().await;
        }
    }
}
