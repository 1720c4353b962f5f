//! What an entry says of a request: who, from where, what, how it ended, and
//! what it changed. Rows come with their secrets masked; that one was set is
//! told, what it is is not.

use crate::catalog::{Account, Effect, Held};
use sdwan_model::policy::Caller;
use sdwan_model::schema::{Property, Schemas};
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes of changes in one line; more go into further ones. A single change
/// is never cut.
const LINE: usize = 256 * 1024;
/// Characters of what comes from the caller and has no bound of its own.
const TEXT: usize = 2048;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As asked for.
    Done,
    /// Not done, for a reason of the caller's.
    Refused,
    /// Not done, for a reason of the server's.
    Failed,
    /// The store did not say whether what was `tried` of the changes is done.
    Unknown,
}

impl Outcome {
    /// Every outcome, as it is written.
    pub const NAMES: [&str; 4] = ["done", "refused", "failed", "unknown"];
}

/// One request, what came of it after its answer, or something that the server
/// did by itself.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was done, RFC 3339.
    pub time: String,
    /// Who; `None` where that was not proved, and of the server itself.
    pub caller: Option<Arc<Caller>>,
    /// What was asked for; `None` where nobody did.
    pub asked: Option<Asked>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was not done; of the server itself, why it was.
    pub detail: Option<String>,
    /// The store's revision that has it.
    pub revision: Option<u64>,
    /// Every row that it changed.
    pub changes: Vec<Change>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The log's name of it.
    pub request: String,
    /// From where, as the connection says.
    pub from: Option<SocketAddr>,
    /// Its method.
    pub method: String,
    /// Its path; never its parameters, which may be anything.
    pub path: String,
    /// Which of the API's few routes.
    pub route: String,
    /// The kind and the id that the path names.
    pub kind: Option<String>,
    /// See `kind`.
    pub id: Option<String>,
    /// Nothing was to be changed, whatever the method.
    pub dry_run: bool,
    /// The answer's status.
    pub status: u16,
    /// The entry is about what came after the answer.
    pub answered: bool,
}

/// One row's change.
#[derive(Clone, Debug)]
pub struct Change {
    effect: Effect,
    /// What people call the row.
    name: Option<String>,
    /// Nobody knows whether it is done.
    tried: bool,
}

impl Change {
    /// What was done, then what was tried.
    pub(crate) fn of(account: Account, schemas: &Schemas) -> Vec<Self> {
        let done = account.done.into_iter().map(|effect| (effect, false));
        let tried = account.tried.into_iter().map(|effect| (effect, true));
        let change = |(effect, tried)| Self {
            name: name(&effect, schemas),
            effect,
            tried,
        };
        done.chain(tried).map(change).collect()
    }
}

/// What people call it: its `name`, or a unique text.
fn name(effect: &Effect, schemas: &Schemas) -> Option<String> {
    let row = match effect.after.as_ref().or(effect.before.as_ref())? {
        Held::Other(value) => return value["name"].as_str().map(str::to_owned),
        Held::Row(row) => row,
    };
    let named = |(name, p): &(&String, &Property)| {
        !p.secret && *name != "id" && (p.unique || *name == "name")
    };
    let mut names = schemas.get(&effect.kind)?.properties.iter().filter(named);
    names.find_map(|(name, _)| row.text(name).map(str::to_owned))
}

/// A line, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    time: &'a str,
    server: &'a str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<usize>,
    caller: Option<Who<'a>>,
    from: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'a [ChangeWritten<'a>],
}

#[derive(Serialize)]
struct Who<'a> {
    id: &'a str,
    name: &'a str,
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct ChangeWritten<'a> {
    op: &'static str,
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tried: bool,
    /// Secrets that were set, whatever the masks before and after.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    secrets: &'a [String],
    before: Option<Shown<'a>>,
    after: Option<Shown<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Row(&'a sdwan_model::resource::Body),
    Other(&'a Value),
}

fn shown(held: &Held) -> Shown<'_> {
    match held {
        Held::Row(row) => Shown::Row(&row.body),
        Held::Other(value) => Shown::Other(value),
    }
}

impl Change {
    fn written(&self) -> ChangeWritten<'_> {
        let Effect {
            kind,
            id,
            before,
            after,
            secrets,
        } = &self.effect;
        let version = match (after, before) {
            (Some(Held::Row(row)), _) | (None, Some(Held::Row(row))) => Some(row.version),
            _ => None,
        };
        ChangeWritten {
            op: match (before, after) {
                (None, _) => "create",
                (_, None) => "delete",
                _ => "update",
            },
            kind,
            id,
            name: self.name.as_deref(),
            version,
            tried: self.tried,
            secrets,
            before: before.as_ref().map(shown),
            after: after.as_ref().map(shown),
        }
    }
}

/// A line's JSON without number and MAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) whole: Vec<u8>,
    /// The same without the rows, where it is too long for a message.
    pub(super) short: Option<Vec<u8>>,
}

impl Entry {
    /// The lines that say it: nearly always one. One that is longer than
    /// `message` bytes comes with a short form.
    pub(super) fn records(&self, server: &str, message: usize) -> Vec<Record> {
        let all: Vec<ChangeWritten<'_>> = self.changes.iter().map(Change::written).collect();
        let parts = parts(&all);
        let several = parts.len() > 1;
        let parts = parts.into_iter().enumerate();
        parts
            .map(|(nth, changes)| {
                let mut line = self.written(server, several.then_some(nth + 1));
                line.changes = changes;
                let whole = json(&line);
                line.changes = &[];
                let short = (whole.len() > message).then(|| json(&line));
                Record { whole, short }
            })
            .collect()
    }

    fn written<'a>(&'a self, server: &'a str, part: Option<usize>) -> Written<'a> {
        let asked = self.asked.as_ref();
        Written {
            time: &self.time,
            server,
            event: match asked {
                Some(asked) if asked.answered => "rest",
                Some(_) => "request",
                None => "server",
            },
            request: asked.map(|asked| &*asked.request),
            part,
            caller: self.caller.as_deref().map(|caller| Who {
                id: &caller.id,
                name: &caller.name,
                roles: &caller.roles,
                tenant: caller.tenant.as_ref().map(|tenant| Named {
                    id: &tenant.id,
                    name: &tenant.name,
                }),
            }),
            from: asked.and_then(|asked| asked.from),
            method: asked.map(|asked| &*asked.method),
            path: asked.map(|asked| cut(&asked.path)),
            route: asked.map(|asked| &*asked.route),
            kind: asked.and_then(|asked| asked.kind.as_deref()),
            id: asked.and_then(|asked| asked.id.as_deref()).map(cut),
            dry_run: asked.is_some_and(|asked| asked.dry_run),
            status: asked.map(|asked| asked.status),
            outcome: self.outcome,
            detail: self.detail.as_deref().map(cut),
            revision: self.revision,
            changes: &[],
        }
    }
}

/// Changes that go into one line each.
fn parts<'a, 'b>(all: &'b [ChangeWritten<'a>]) -> Vec<&'b [ChangeWritten<'a>]> {
    let mut parts = Vec::new();
    let (mut start, mut size) = (0, 0);
    // One is never cut, so it needs no measuring.
    let several = all.len() > 1;
    for (nth, change) in all.iter().enumerate().filter(|_| several) {
        let more = json(change).len();
        if size > 0 && size + more > LINE {
            parts.push(&all[start..nth]);
            (start, size) = (nth, 0);
        }
        size += more;
    }
    parts.push(&all[start..]);
    parts
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

/// Text, numbers and JSON values: they always serialise.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"{\"event\":\"unwritable\"}".to_vec())
}
