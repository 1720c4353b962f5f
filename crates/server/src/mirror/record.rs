//! What the store says of one row, parsed; and the text it is stored as.

use crate::secrets;
use bytes::Bytes;
use sdwan_model::resource::{Body, Row};
use sdwan_model::rules;
use sdwan_model::schema::{Kind, MASK, Property, Schemas};
use sdwan_model::status::fib::Seen;
use sdwan_model::status::{Monitoring, Reachability, State};
use sdwan_store::{Entry, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that the store says of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// Under `/config`.
    pub(crate) declared: Option<Declared>,
    /// Under `/deleting`. Beside `declared` while a large cascade is at work.
    pub(crate) leaving: Option<Arc<Leaving>>,
    /// Under `/state`.
    pub(crate) state: Option<Arc<State>>,
    /// Under `/monitoring`.
    pub(crate) monitoring: Option<Arc<Monitoring>>,
    /// Under `/monitoring` of a router.
    pub(crate) fib: Option<Arc<Seen>>,
    /// The router that the row refers to, by `/index/reference`.
    pub(crate) router: Option<Arc<str>>,
    /// What readers get of it.
    pub(super) rendering: Rendering,
}

/// The text that a record was last shown as. A changed copy of the record
/// starts without, and another word on the router makes it void, so that it
/// is never older than what it is made of.
#[derive(Default)]
pub(super) struct Rendering(Mutex<Option<(Option<Arc<Reachability>>, Bytes)>>);

impl Rendering {
    /// The text, if it is still right where the router's reachability is this.
    pub(super) fn get(&self, now: Option<&Arc<Reachability>>) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, text) = kept.as_ref()?;
        let same = match (then, now) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (None, None) => true,
            _ => false,
        };
        same.then(|| text.clone())
    }

    pub(super) fn keep(&self, now: Option<&Arc<Reachability>>, text: Bytes) {
        let kept = Some((now.cloned(), text));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

impl Clone for Rendering {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// It adds nothing to what the record says.
impl PartialEq for Rendering {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Rendering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Record {
    /// The row as readers see it, live or on its way out.
    pub(crate) fn row(&self) -> Option<&Arc<Row>> {
        match (&self.declared, &self.leaving) {
            (Some(declared), _) => Some(&declared.row),
            (None, Some(leaving)) => Some(&leaving.row),
            (None, None) => None,
        }
    }

    /// The row, if it is declared and stays so.
    pub(crate) fn live(&self) -> Option<&Declared> {
        self.declared.as_ref().filter(|_| self.leaving.is_none())
    }

    /// The router whose daemon the row is about.
    pub(crate) fn router(&self) -> Option<&str> {
        match &self.leaving {
            Some(leaving) => leaving.router.as_deref(),
            None => self.router.as_deref(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A declared row. Its secrets are masked in `row` and sealed beside it, so
/// that no reader of the row can show them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    pub(crate) row: Arc<Row>,
    pub(crate) sealed: Sealed,
    /// The revision that last wrote it.
    pub(crate) modified: Revision,
}

/// Envelopes by property; empty for nearly all rows.
pub(crate) type Sealed = Vec<(String, String)>;

/// A row that its router has not let go of yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaving {
    pub(crate) row: Arc<Row>,
    /// The id of its router, whatever has become of the name.
    pub(crate) router: Option<String>,
    /// The rows that refer to it are still being deleted.
    pub(crate) cascade: bool,
    /// It is to vanish without its router's leave.
    pub(crate) force: bool,
    /// RFC 3339.
    pub(crate) since: String,
    /// The values that it used to keep unique: who takes one takes over.
    pub(crate) freed: Vec<(String, String)>,
    /// The revision that last wrote it.
    pub(crate) modified: Revision,
}

/// Gohan's form of a row: the body as text within.
#[derive(Serialize, Deserialize)]
struct StoredRow {
    body: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredLeaving {
    body: String,
    version: u64,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    router: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    cascade: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    force: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Declared {
    /// Reads a `/config` entry.
    pub(crate) fn parse(kind: &Kind, id: &str, entry: &Entry) -> Result<Self, String> {
        let stored: StoredRow = json(&entry.value)?;
        let mut body: Body = json(stored.body.as_bytes())?;
        let sealed = mask(kind, &mut body);
        // Collected anew it has no spare room, a quarter of a row's size.
        let body = body.into_iter().collect();
        Ok(Self {
            row: Arc::new(Row {
                kind: kind.id.clone(),
                id: id.to_owned(),
                version: stored.version,
                created: entry.created.0,
                body,
            }),
            sealed,
            modified: entry.modified,
        })
    }

    /// The text of a `/config` entry.
    pub(crate) fn encode(row: &Row, sealed: &[(String, String)]) -> Vec<u8> {
        let mut body = row.body.clone();
        for (property, envelope) in sealed {
            body.insert(property.clone(), Value::String(envelope.clone()));
        }
        encode(&StoredRow {
            body: Value::Object(body).to_string(),
            version: row.version,
        })
    }

    /// The row with its secrets open, for the pass that sends them.
    pub(crate) fn open(&self, secrets: &secrets::SecretBox) -> Result<Row, secrets::Error> {
        use secrecy::ExposeSecret as _;
        let mut row = Row::clone(&self.row);
        let reference = row.reference();
        for (property, envelope) in &self.sealed {
            let secret = secrets.open(&reference, property, envelope)?;
            let secret = Value::String(secret.expose_secret().to_owned());
            row.body.insert(property.clone(), secret);
        }
        Ok(row)
    }
}

impl Leaving {
    /// Reads a `/deleting` entry.
    pub(crate) fn parse(
        schemas: &Schemas,
        kind: &Kind,
        id: &str,
        entry: &Entry,
    ) -> Result<Self, String> {
        let stored: StoredLeaving = json(&entry.value)?;
        let row = Row {
            kind: kind.id.clone(),
            id: id.to_owned(),
            version: stored.version,
            created: entry.created.0,
            body: json(stored.body.as_bytes())?,
        };
        Ok(Self {
            freed: rules::unique_values(schemas, &row),
            row: Arc::new(row),
            router: stored.router,
            cascade: stored.cascade,
            force: stored.force,
            since: stored.since,
            modified: entry.modified,
        })
    }

    /// The text of a `/deleting` entry. Secrets are not kept: nobody needs
    /// them to take something away.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(&StoredLeaving {
            body: Value::Object(self.row.body.clone()).to_string(),
            version: self.row.version,
            since: self.since.clone(),
            router: self.router.clone(),
            cascade: self.cascade,
            force: self.force,
        })
    }
}

/// Drops nulls that mean no more than absence: most of a body's properties
/// are never set, and would be most of its size.
pub(crate) fn slim(kind: &Kind, body: &mut Body) {
    body.retain(|name, value| {
        let says_something = |p: &Property| p.default.is_some() || kind.required.contains(name);
        !value.is_null() || kind.properties.get(name).is_none_or(says_something)
    });
}

/// Takes the envelopes out of a body and leaves masks.
fn mask(kind: &Kind, body: &mut Body) -> Sealed {
    let mut sealed = Vec::new();
    for (name, _) in kind.properties.iter().filter(|(_, p)| p.secret) {
        if let Some(value @ Value::String(_)) = body.get_mut(name)
            && let Value::String(envelope) = value.take()
        {
            *value = Value::String(MASK.to_owned());
            sealed.push((name.clone(), envelope));
        }
    }
    sealed
}

/// Reads a JSON value; the error never quotes it.
pub(crate) fn json<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|e| {
        let what = match e.classify() {
            serde_json::error::Category::Data => "an unexpected shape",
            _ => "not JSON",
        };
        format!("{what} at line {} column {}", e.line(), e.column())
    })
}

/// Writes a JSON value.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    // Only maps with keys that are not text, or an implementation that says
    // so, make serialization fail; no stored type is of either sort.
    serde_json::to_vec(value).unwrap_or_default()
}
