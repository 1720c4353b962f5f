//! What agents say of their routers' FIBs, on its way into the store; only
//! what is new is written.

use super::worker::Word;
use super::{Catalog, Error};
use crate::keys;
use crate::mirror::record::encode;
use crate::mirror::{ROUTER, State};
use sdwan_model::resource::Row;
use sdwan_model::status::fib::{self, AGENT, Report, Seen};
use sdwan_model::validate::Violation;
use sdwan_store::{Condition, Op};

impl Catalog {
    /// Takes an agent's report on a router in.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a router that is not declared (any more),
    /// [`Error::Conflict`] for one that no agent is declared for,
    /// [`Error::Store`].
    pub(crate) async fn report_fib(&self, router: &str, report: &Report) -> Result<(), Error> {
        self.tell(|base| {
            let (row, stored) =
                known(base, router).ok_or_else(|| Error::NotFound(format!("{ROUTER} {router}")))?;
            if !is_agents(row) {
                return Err(Error::Conflict(vec![not_agents(row)]));
            }
            let new = fib::take(row.version, stored, report, self.hearer());
            Ok(new
                .map(|seen| word(base, router, &seen))
                .into_iter()
                .collect())
        })
        .await
    }

    /// Says of these routers that no agent has reported since a time (RFC
    /// 3339), and forgets what was said of routers that no agent is declared
    /// for any more.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn silent_fibs(
        &self,
        last: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Error> {
        self.tell(|base| {
            let routers = base.records(ROUTER).filter_map(|record| {
                let row = &record.live()?.row;
                let stored = record.fib.as_deref();
                self.judges(base, row, stored).then_some((row, stored))
            });
            let words = routers.filter_map(|(row, stored)| match (is_agents(row), stored) {
                (true, _) => {
                    let seen = fib::silence(row.version, stored, &last(&row.id)?)?;
                    Some(word(base, &row.id, &seen))
                }
                (false, Some(_)) => Some((None, Op::delete(key(base, &row.id)))),
                (false, None) => None,
            });
            Ok(words.collect())
        })
        .await
    }

    /// The routers that an agent is declared for and whose silence this
    /// server notices, by id.
    pub(crate) fn agents(&self) -> Vec<String> {
        let now = self.mirror.now();
        let expected = now.records(ROUTER).filter_map(|record| {
            let row = &record.live()?.row;
            let ours = is_agents(row) && self.judges(&now, row, record.fib.as_deref());
            ours.then(|| row.id.clone())
        });
        expected.collect()
    }

    /// Whether this server is the one that can tell when the router's agent
    /// falls silent: it was the last to hear it, or looks after the router
    /// and whoever heard the agent is gone.
    fn judges(&self, base: &State, router: &Row, stored: Option<&Seen>) -> bool {
        let me = self.tenure().instance();
        if self.tenure().is_alone() {
            return true;
        }
        match stored.and_then(|seen| seen.hearer.as_deref()) {
            Some(hearer) if base.member(hearer).is_some() => hearer == me,
            _ => {
                let claimed = base.claim(&router.id);
                claimed.is_some_and(|claimed| claimed.claim.member == me)
            }
        }
    }

    /// As whom this server hears agents, where there are others.
    fn hearer(&self) -> Option<&str> {
        let tenure = self.tenure();
        (!tenure.is_alone()).then(|| tenure.instance())
    }
}

fn known<'a>(base: &'a State, router: &str) -> Option<(&'a Row, Option<&'a Seen>)> {
    let record = base.record(ROUTER, router)?;
    Some((&record.live()?.row, record.fib.as_deref()))
}

fn is_agents(router: &Row) -> bool {
    router.text("fib") == Some(AGENT)
}

fn not_agents(router: &Row) -> Violation {
    let name = router.text("host_name").unwrap_or(&router.id);
    let fib = router.text("fib").unwrap_or("none");
    Violation::new(
        "",
        format!(
            "{name} has `fib: {fib}`, so no agent's reports are expected: declare it \
             (`gohan client router set --fib agent {name}`), or start the agent without --server"
        ),
    )
}

fn word(base: &State, router: &str, seen: &Seen) -> Word {
    let there = Condition::Exists(keys::config(base.plural(ROUTER), router));
    (Some(there), Op::put(key(base, router), encode(seen)))
}

fn key(base: &State, router: &str) -> String {
    keys::monitoring(base.plural(ROUTER), router)
}
