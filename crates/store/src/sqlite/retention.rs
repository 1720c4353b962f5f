//! Keeps the file from growing for ever: each group of commits drops a little
//! more history than it adds, so that no commit ever pays for a big sweep.

use super::tables::Tables;
use crate::{IDS_KEPT, Revision};
use rusqlite::{Result, params};
use std::time::Duration;

/// How much history stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    pub(super) revisions: u64,
    pub(super) age: Duration,
}

/// Where the store stands after a group, and how many revisions that made.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) head: Revision,
    pub(super) compacted: Revision,
    pub(super) made: usize,
    /// Seconds since 1970.
    pub(super) at: i64,
}

impl Retention {
    /// Drops some of what is over; answers up to where history is gone now.
    pub(super) fn sweep(self, tables: Tables<'_>, now: Now) -> Result<Revision> {
        let budget = 2 * now.made + 2;
        let surplus = Revision(now.head.0.saturating_sub(self.revisions));
        let too_old = before(now.at, self.age);
        let compacted = last_while(tables, now.compacted, budget, |revision, at| {
            revision <= surplus || at < too_old
        })?
        .unwrap_or(now.compacted);
        if compacted > now.compacted {
            tables.forget(compacted)?;
        }
        // The rows that name the commits serve the history, too.
        let too_old = before(now.at, IDS_KEPT);
        let spent = last_while(tables, Revision(0), budget, |revision, at| {
            revision <= compacted && at < too_old
        })?;
        if let Some(spent) = spent {
            tables
                .0
                .prepare_cached("DELETE FROM revisions WHERE revision <= ?1")?
                .execute([spent])?;
        }
        Ok(compacted)
    }
}

fn before(at: i64, age: Duration) -> i64 {
    at.saturating_sub_unsigned(age.as_secs())
}

/// The last of the oldest revisions for which this holds without a break.
fn last_while(
    tables: Tables<'_>,
    after: Revision,
    budget: usize,
    holds: impl Fn(Revision, i64) -> bool,
) -> Result<Option<Revision>> {
    let mut select = tables.0.prepare_cached(
        "SELECT revision, at FROM revisions WHERE revision > ?1 ORDER BY revision LIMIT ?2",
    )?;
    let budget = i64::try_from(budget).unwrap_or(i64::MAX);
    let mut rows = select.query(params![after, budget])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let revision = row.get(0)?;
        if !holds(revision, row.get(1)?) {
            break;
        }
        last = Some(revision);
    }
    Ok(last)
}
