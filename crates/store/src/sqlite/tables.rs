//! What one request does to the tables, inside the writer's transaction.

use super::readers::{after_all, key};
use crate::condition::{View, all_hold};
use crate::{Batch, Change, Commit, Entry, LeaseId, Op, Revision};
use rusqlite::{Connection, OptionalExtension as _, Result, params};
use std::time::Duration;
use uuid::Uuid;

/// The tables, as they stand within the transaction.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a>(pub(super) &'a Connection);

/// What became of a commit, as far as the tables go.
pub(super) enum Applied {
    Written(Batch),
    Already(Revision),
    Conflict,
    LeaseExpired,
}

/// The revision to make and its time, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) revision: Revision,
    pub(super) at: i64,
}

impl Tables<'_> {
    pub(super) fn commit(self, commit: Commit, stamp: Stamp) -> Result<Applied> {
        if let Some(revision) = self.committed(commit.id)? {
            return Ok(Applied::Already(revision));
        }
        if !all_hold(&self, &commit.when)? {
            return Ok(Applied::Conflict);
        }
        for op in &commit.then {
            if let Op::Put {
                lease: Some(lease), ..
            } = op
                && !self.runs(*lease)?
            {
                return Ok(Applied::LeaseExpired);
            }
        }
        let batch = self.write(commit.then, stamp, Some(commit.id))?;
        Ok(Applied::Written(batch))
    }

    pub(super) fn committed(self, id: Uuid) -> Result<Option<Revision>> {
        self.0
            .prepare_cached("SELECT revision FROM revisions WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| row.get(0))
            .optional()
    }

    pub(super) fn grant(self, ttl: Duration) -> Result<LeaseId> {
        let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.0
            .prepare_cached("INSERT INTO leases (ttl) VALUES (?1)")?
            .insert([millis])
            .map(LeaseId)
    }

    /// The leases that ran when the file was last open.
    pub(super) fn leases(self) -> Result<Vec<(LeaseId, Duration)>> {
        self.0
            .prepare_cached("SELECT id, ttl FROM leases")?
            .query_map([], |row| {
                let millis: i64 = row.get(1)?;
                let ttl = Duration::from_millis(millis.unsigned_abs());
                Ok((LeaseId(row.get(0)?), ttl))
            })?
            .collect()
    }

    /// Ends the lease. Its keys, if it has any, go in one revision.
    pub(super) fn end(self, lease: LeaseId, stamp: Stamp) -> Result<Option<Batch>> {
        self.0
            .prepare_cached("DELETE FROM leases WHERE id = ?1")?
            .execute([lease.0])?;
        let deletions: Vec<Op> = self
            .0
            .prepare_cached("SELECT key FROM entries WHERE lease = ?1")?
            .query_map([lease.0], |row| Ok(Op::Delete { key: key(row, 0)? }))?
            .collect::<Result<_>>()?;
        if deletions.is_empty() {
            return Ok(None);
        }
        self.write(deletions, stamp, None).map(Some)
    }

    /// Forgets what the revisions up to this one changed.
    pub(super) fn forget(self, through: Revision) -> Result<()> {
        self.0
            .prepare_cached("DELETE FROM changes WHERE revision <= ?1")?
            .execute([through])
            .map(drop)
    }

    pub(super) fn set_position(self, revision: Revision, compacted: Revision) -> Result<()> {
        self.0
            .prepare_cached("UPDATE store SET revision = ?1, compacted = ?2")?
            .execute([revision, compacted])
            .map(drop)
    }

    fn runs(self, lease: LeaseId) -> Result<bool> {
        self.0
            .prepare_cached("SELECT 1 FROM leases WHERE id = ?1")?
            .exists([lease.0])
    }

    fn write(self, mut ops: Vec<Op>, stamp: Stamp, id: Option<Uuid>) -> Result<Batch> {
        ops.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Put { key, value, lease } => {
                    changes.push(self.put(key, value, lease, stamp.revision)?);
                }
                Op::Delete { key } => changes.extend(self.delete(key, stamp.revision)?),
            }
        }
        self.0
            .prepare_cached("INSERT INTO revisions (revision, at, id) VALUES (?1, ?2, ?3)")?
            .execute(params![stamp.revision, stamp.at, id.map(Uuid::into_bytes)])?;
        Ok(Batch {
            revision: stamp.revision,
            changes,
        })
    }

    fn put(
        self,
        key: String,
        value: Vec<u8>,
        lease: Option<LeaseId>,
        revision: Revision,
    ) -> Result<Change> {
        let lease = lease.map(|lease| lease.0);
        let created = self
            .0
            .prepare_cached(
                "INSERT INTO entries (key, value, created, modified, lease)
                 VALUES (?1, ?2, ?3, ?3, ?4)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                     modified = excluded.modified, lease = excluded.lease
                 RETURNING created",
            )?
            .query_row(params![key.as_bytes(), value, revision, lease], |row| {
                row.get(0)
            })?;
        self.record(revision, &key, Some(&value), created)?;
        Ok(Change::Put(Entry {
            key,
            value,
            created,
            modified: revision,
        }))
    }

    fn delete(self, key: String, revision: Revision) -> Result<Option<Change>> {
        let created = self
            .0
            .prepare_cached("DELETE FROM entries WHERE key = ?1 RETURNING created")?
            .query_row([key.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(created) = created else {
            return Ok(None);
        };
        self.record(revision, &key, None, created)?;
        Ok(Some(Change::Delete { key }))
    }

    /// Keeps the change for the watches to come.
    fn record(
        self,
        revision: Revision,
        key: &str,
        value: Option<&[u8]>,
        created: Revision,
    ) -> Result<()> {
        self.0
            .prepare_cached(
                "INSERT INTO changes (revision, key, value, created) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![revision, key.as_bytes(), value, created])
            .map(drop)
    }
}

impl View for Tables<'_> {
    type Error = rusqlite::Error;

    fn modified(&self, key: &str) -> Result<Option<Revision>> {
        self.0
            .prepare_cached("SELECT modified FROM entries WHERE key = ?1")?
            .query_row([key.as_bytes()], |row| row.get(0))
            .optional()
    }

    fn any_newer(&self, prefix: &str, than: Revision) -> Result<bool> {
        // Every key is newer than the empty store, so the first one under the
        // prefix answers. Else few keys are newer than what somebody has just
        // read, however many lie under the prefix: those are looked through.
        let sql = if than == Revision(0) {
            "SELECT 1 FROM entries WHERE key >= ?1 AND key < ?2 AND modified > ?3"
        } else {
            "SELECT 1 FROM entries INDEXED BY entries_modified
             WHERE modified > ?3 AND key >= ?1 AND key < ?2"
        };
        self.0
            .prepare_cached(sql)?
            .exists(params![prefix.as_bytes(), after_all(prefix), than])
    }
}
