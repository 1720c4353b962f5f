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
            let new = fib::take(row.version, stored, report);
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
                Some((row, record.fib.as_deref()))
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

    /// The routers that an agent is declared for, by id.
    pub(crate) fn agents(&self) -> Vec<String> {
        let now = self.mirror.now();
        let rows = now.records(ROUTER).filter_map(|record| record.live());
        rows.filter(|declared| is_agents(&declared.row))
            .map(|declared| declared.row.id.clone())
            .collect()
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
