//! What is done that no request waits for: by a request after its answer, and
//! by the server itself. It is told as it is done, and while it can't be told,
//! no more is done.

use super::{Asked, Change, Entry, Outcome, PATIENCE, Recorder};
use crate::catalog::{self, Account, Ledger};
use sdwan_model::policy::Caller;
use sdwan_model::schema::Schemas;
use std::sync::Arc;

/// See the module.
pub(crate) struct Rest {
    recorder: Arc<Recorder>,
    schemas: Arc<Schemas>,
    /// Who asked for what.
    by: Option<(Option<Arc<Caller>>, Asked)>,
    /// Why the server does it.
    why: Option<&'static str>,
}

impl Rest {
    /// Of a request that was answered.
    pub(crate) fn of(
        recorder: &Arc<Recorder>,
        schemas: &Arc<Schemas>,
        caller: Option<Arc<Caller>>,
        asked: Asked,
    ) -> Self {
        let asked = Asked {
            answered: true,
            ..asked
        };
        Self {
            recorder: Arc::clone(recorder),
            schemas: Arc::clone(schemas),
            by: Some((caller, asked)),
            why: None,
        }
    }

    /// Of the server itself.
    pub(crate) fn own(recorder: &Arc<Recorder>, schemas: &Arc<Schemas>, why: &'static str) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            schemas: Arc::clone(schemas),
            by: None,
            why: Some(why),
        }
    }

    /// Does the work, and tells what it has changed.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        let ledger = Ledger::default();
        let output = ledger.during(work).await;
        let rest = Arc::new(self);
        let account = ledger.close(|| Arc::clone(&rest) as Arc<dyn catalog::Rest>);
        if !account.is_empty() {
            catalog::Rest::tell(&*rest, account).await;
        }
        output
    }
}

#[async_trait::async_trait]
impl catalog::Rest for Rest {
    async fn tell(&self, account: Account) {
        if !self.recorder.is_on() {
            return;
        }
        let (caller, asked) = self.by.clone().unzip();
        let entry = Entry {
            time: self.recorder.now(),
            caller: caller.flatten(),
            asked,
            outcome: match account.tried.is_empty() {
                true => Outcome::Done,
                false => Outcome::Unknown,
            },
            detail: self.why.map(str::to_owned),
            revision: account.revision.map(|revision| revision.0),
            changes: Change::of(account, &self.schemas),
        };
        self.recorder.recorded(entry).await;
    }

    async fn ready(&self) {
        while self.recorder.ready().is_err() {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}
