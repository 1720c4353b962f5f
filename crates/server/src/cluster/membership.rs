//! Keeps this process a member: a lease, a record under it that others see,
//! and the store's format once all of them know the next one.

use super::{Member, Role, Settings, Tenure};
use crate::catalog::{Catalog, Error};
use crate::keys;
use crate::mirror::record::encode;
use sdwan_store::{Error as StoreError, LeaseId, Op, Store};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The lease is renewed so often in its time: two of these can fail.
const RENEWALS: u32 = 4;

/// Between two tries while the store does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// How long leaving may wait for the store: the lease ends by itself, too.
const GOODBYE: Duration = Duration::from_millis(300);

/// See the module.
pub struct Membership {
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    settings: Settings,
    address: String,
    since: String,
    leaving: AtomicBool,
    /// The record has to be written anew.
    rewrite: Notify,
}

impl Membership {
    /// Not a member yet: [`Membership::run`] makes it one.
    pub fn new(
        store: Arc<dyn Store>,
        catalog: Arc<Catalog>,
        settings: Settings,
        address: String,
    ) -> Self {
        Self {
            since: catalog.now_in_seconds(),
            store,
            catalog,
            settings,
            address,
            leaving: AtomicBool::new(false),
            rewrite: Notify::new(),
        }
    }

    /// Its role.
    pub(crate) fn role(&self) -> Role {
        self.settings.role
    }

    /// The servers on this store: this one, where it is alone.
    pub fn members(&self) -> BTreeMap<String, Member> {
        let me = self.tenure().instance();
        if self.tenure().is_alone() {
            return [(me.to_owned(), self.record(LeaseId(0)))].into();
        }
        let now = self.catalog.state();
        let members = now.members();
        members
            .map(|(id, member)| (id.to_string(), member.clone()))
            .collect()
    }

    /// Is and stays a member until `stop`; then it is none any more, and what
    /// it still holds is gone.
    pub async fn run(&self, stop: CancellationToken) {
        if self.tenure().is_alone() {
            return;
        }
        let mut trouble = None;
        loop {
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                error = self.term() => error,
            };
            self.tenure().end();
            let words = ended.to_string();
            if trouble.as_ref() != Some(&words) {
                tracing::warn!(
                    error = words,
                    "not a member of the cluster now, joining again"
                );
                trouble = Some(words);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(RETRY) => {}
            }
        }
        if let Some(term) = self.tenure().term() {
            self.tenure().end();
            if timeout(GOODBYE, self.store.revoke(term.lease))
                .await
                .is_err()
            {
                tracing::warn!(
                    "the store does not hear that this member leaves: its lease will run out"
                );
            }
        }
    }

    /// Tells everybody that this member takes nothing any more.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.rewrite.notify_one();
    }

    /// One lease, from its grant to its end.
    async fn term(&self) -> Error {
        let ttl = self.settings.lease;
        let asked = Instant::now();
        let lease = match self.store.grant(ttl).await {
            Ok(lease) => lease,
            Err(error) => return error.into(),
        };
        if let Err(error) = self.enroll(lease).await {
            return error;
        }
        self.tenure().renew(lease, asked, ttl);
        tracing::info!(
            member = self.tenure().instance(),
            role = self.role().as_str(),
            "joined the cluster"
        );
        tokio::select! {
            biased;
            error = self.renew(lease) => error,
            error = self.rewrite(lease) => error,
            never = self.raise() => match never {},
        }
    }

    /// Puts the record that the others see.
    async fn enroll(&self, lease: LeaseId) -> Result<(), Error> {
        let record = Op::Put {
            key: keys::member(self.tenure().instance()),
            value: encode(&self.record(lease)),
            lease: Some(lease),
        };
        self.catalog.once(record).await
    }

    fn record(&self, lease: LeaseId) -> Member {
        Member {
            role: self.role(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: self.catalog.newest_format(),
            address: self.address.clone(),
            since: self.since.clone(),
            lease: lease.0,
            leaving: self.leaving.load(Ordering::Relaxed),
        }
    }

    /// Until the lease is gone. While the store does not answer, nobody knows.
    async fn renew(&self, lease: LeaseId) -> Error {
        let ttl = self.settings.lease;
        loop {
            sleep(ttl / RENEWALS).await;
            loop {
                let asked = Instant::now();
                match self.store.keep_alive(lease).await {
                    Ok(()) => {
                        self.tenure().renew(lease, asked, ttl);
                        break;
                    }
                    Err(error @ StoreError::LeaseExpired) => return error.into(),
                    Err(error) => {
                        tracing::debug!(%error, "the lease is not renewed");
                        sleep(RETRY.min(ttl / RENEWALS)).await;
                    }
                }
            }
        }
    }

    /// Raises the store's format when everybody knows the next one.
    async fn raise(&self) -> Infallible {
        loop {
            let seen = self.catalog.state().cluster_at();
            if let Err(error) = self.catalog.raise_format().await {
                tracing::debug!(%error, "the store's format stays for now");
                sleep(RETRY).await;
                continue;
            }
            self.catalog.cluster_changed(seen).await;
        }
    }

    async fn rewrite(&self, lease: LeaseId) -> Error {
        loop {
            self.rewrite.notified().await;
            match self.enroll(lease).await {
                Ok(()) => {}
                Err(error) => return error,
            }
        }
    }

    fn tenure(&self) -> &Tenure {
        self.catalog.tenure()
    }
}
