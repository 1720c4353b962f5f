//! Policyinfo rows to policies, statements and neighbor sets.
//!
//! Names on the daemon follow from the row alone and never change when other
//! rows come or go: policy `P/D`, statement and neighbor set `P/D/S`, for
//! policy_name P, apply_direction D and statement_name S.

use super::fields::Fields;
use super::source;
use crate::action::Action;
use crate::config::{
    Direction, Disposition, Held, Neighbor, Policy, Source, Statement, StatementSource,
};
use crate::resource::{ResourceRef, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the policyinfo rows of a router come to.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) sets: BTreeMap<String, BTreeSet<IpAddr>>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) import: Vec<String>,
    pub(super) export: Vec<String>,
    pub(super) waiting: Vec<(Source, String)>,
}

/// Where a row stands among others: by position where one is given, then
/// behind those, in order of creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64, u64, String);

/// A row as far as it can be read.
struct Read {
    source: Source,
    rank: Rank,
    /// Policy's name on the daemon and direction; `None` where the row does
    /// not tell.
    policy: Option<(String, Direction)>,
    statement: Option<String>,
    action: Option<Action>,
    disposition: Option<Disposition>,
    /// `Some(None)` is all neighbors; `None` can't be read.
    neighbor: Option<Option<IpAddr>>,
    refusal: Result<(), String>,
}

/// One policy's rows.
struct Group {
    direction: Direction,
    rank: Rank,
    rows: Vec<Read>,
}

pub(super) fn compile(
    rows: &[Row],
    neighbors: &BTreeMap<IpAddr, Neighbor>,
    held: &mut Held,
    refused: &mut BTreeMap<ResourceRef, String>,
) -> Compiled {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for read in rows.iter().map(read) {
        let Some((name, direction)) = read.policy.clone() else {
            // It may be any policy's row, of any neighbor.
            held.unknown = true;
            let why = format!("{} is refused", read.source.resource);
            withhold(None, &why, neighbors, held);
            if let Err(reason) = read.refusal {
                refused.insert(read.source.resource, reason);
            }
            continue;
        };
        let group = groups.entry(name).or_insert_with(|| Group {
            direction,
            rank: read.rank.clone(),
            rows: Vec::new(),
        });
        group.rank = group.rank.clone().min(read.rank.clone());
        group.rows.push(read);
    }
    let mut order: Vec<(Rank, Direction, String)> = groups
        .iter()
        .map(|(name, group)| (group.rank.clone(), group.direction, name.clone()))
        .collect();
    order.sort();

    let mut compiled = Compiled::default();
    for (name, mut group) in groups {
        group.rows.sort_by(|a, b| a.rank.cmp(&b.rank));
        disagreements(&name, &mut group.rows);
        if group.rows.iter().any(|row| row.refusal.is_err()) {
            hold(name, group.rows, neighbors, held, refused, &mut compiled);
        } else {
            lay_out(name, group.rows, neighbors, held, &mut compiled);
        }
    }
    for (_, direction, name) in order {
        if !compiled.policies.contains_key(&name) && !held.policies.contains_key(&name) {
            continue;
        }
        match direction {
            Direction::Import => compiled.import.push(name),
            Direction::Export => compiled.export.push(name),
        }
    }
    compiled.waiting.sort();
    compiled
}

/// Rows of one statement that do not say the same are all refused.
fn disagreements(policy: &str, rows: &mut [Read]) {
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows.iter() {
        if let (Some(statement), Ok(())) = (&row.statement, &row.refusal) {
            said.entry(statement.clone()).or_default().insert(says(row));
        }
    }
    for row in rows {
        let Some(sayings) = row.statement.as_ref().and_then(|name| said.get(name)) else {
            continue;
        };
        if sayings.len() > 1 && row.refusal.is_ok() {
            row.refusal = Err(format!(
                "rows that share statement {policy}/{} disagree ({}): make them equal, or give \
                 this one a statement_name of its own",
                row.statement.as_deref().unwrap_or_default(),
                sayings.iter().cloned().collect::<Vec<_>>().join(" | ")
            ));
        }
    }
}

/// A statement's effect in words, for comparing and for messages.
fn says(row: &Read) -> String {
    let disposition = match row.disposition {
        Some(Disposition::Accept) => Some("accept".to_owned()),
        Some(Disposition::Reject) => Some("reject".to_owned()),
        None => None,
    };
    let parts: Vec<String> = row
        .action
        .as_ref()
        .map(Action::to_string)
        .into_iter()
        .chain(disposition)
        .collect();
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

/// A policy with a refused row is held as a whole: half of it could let
/// through what the other half was to stop.
fn hold(
    name: String,
    rows: Vec<Read>,
    neighbors: &BTreeMap<IpAddr, Neighbor>,
    held: &mut Held,
    refused: &mut BTreeMap<ResourceRef, String>,
    compiled: &mut Compiled,
) {
    let bad: Vec<String> = rows
        .iter()
        .filter(|row| row.refusal.is_err())
        .map(|row| row.source.resource.to_string())
        .collect();
    let why = format!(
        "policy {name} stays as it is: {} is refused",
        bad.join(", ")
    );
    for row in rows {
        withhold(row.neighbor.flatten(), &why, neighbors, held);
        match row.refusal {
            Err(reason) => {
                refused.insert(row.source.resource, reason);
            }
            Ok(()) => compiled.waiting.push((row.source, why.clone())),
        }
    }
    held.policies.insert(name, why);
}

/// Neighbors (all where `of` is `None`) are not brought up for now.
fn withhold(
    of: Option<IpAddr>,
    why: &str,
    neighbors: &BTreeMap<IpAddr, Neighbor>,
    held: &mut Held,
) {
    for address in neighbors.keys() {
        if of.is_none_or(|only| only == *address) {
            let reason = held
                .neighbors
                .entry(*address)
                .or_insert_with(|| why.to_owned());
            // Whatever comes first must not depend on the order of rows.
            if why < reason.as_str() {
                *reason = why.to_owned();
            }
        }
    }
}

/// Lays out one policy whose rows are all right.
fn lay_out(
    name: String,
    rows: Vec<Read>,
    neighbors: &BTreeMap<IpAddr, Neighbor>,
    held: &Held,
    compiled: &mut Compiled,
) {
    let declared =
        |address: &IpAddr| neighbors.contains_key(address) || held.peers.contains(address);
    let everyone = || neighbors.keys().chain(&held.peers).copied();
    let mut statements: Vec<Statement> = Vec::new();
    for row in rows {
        let members: BTreeSet<IpAddr> = match row.neighbor.flatten() {
            Some(address) if declared(&address) => BTreeSet::from([address]),
            Some(address) => {
                let why = format!("waits for neighbor {address} to be declared on this router");
                compiled.waiting.push((row.source, why));
                continue;
            }
            None => everyone().collect(),
        };
        if members.is_empty() {
            // gobgpd takes an empty set for "matches every peer".
            let why = "waits for a neighbor to be declared on this router".to_owned();
            compiled.waiting.push((row.source, why));
            continue;
        }
        let source = StatementSource {
            row: row.source,
            neighbor: row.neighbor.flatten(),
        };
        let statement_name = format!("{name}/{}", row.statement.unwrap_or_default());
        compiled
            .sets
            .entry(statement_name.clone())
            .or_default()
            .extend(members);
        match statements.iter_mut().find(|s| s.name == statement_name) {
            Some(statement) => statement.sources.push(source),
            None => statements.push(Statement {
                name: statement_name.clone(),
                sources: vec![source],
                neighbor_set: statement_name,
                action: row.action,
                disposition: row.disposition,
            }),
        }
    }
    if !statements.is_empty() {
        let policy = Policy {
            name: name.clone(),
            statements,
        };
        compiled.policies.insert(name, policy);
    }
}

fn read(row: &Row) -> Read {
    let mut fields = Fields::of(row);
    let policy = name(&mut fields, "policy_name");
    let statement = name(&mut fields, "statement_name");
    let direction = fields.word(
        "apply_direction",
        &[("import", Direction::Import), ("export", Direction::Export)],
    );
    let direction = fields.required("apply_direction", direction);
    let disposition = fields.word(
        "route_disposition",
        &[
            ("accept", Disposition::Accept),
            ("reject", Disposition::Reject),
        ],
    );
    let action = match fields.text("statement_action").filter(|t| !t.is_empty()) {
        None => None,
        Some(text) => match text.parse::<Action>() {
            Ok(action) => Some(action),
            Err(why) => {
                fields.wrong("statement_action", why);
                None
            }
        },
    };
    let neighbor = match fields.value("apply_neighbor") {
        None => Some(None),
        Some(value) if value.as_str() == Some("") => Some(None),
        Some(_) => fields.parsed("apply_neighbor", "an IP address").map(Some),
    };
    let position = fields.number("position", 0..=u64::MAX - 1);
    let word = match direction {
        Some(Direction::Import) => "import",
        _ => "export",
    };
    Read {
        source: source(row),
        rank: Rank(position.unwrap_or(u64::MAX), row.created, row.id.clone()),
        policy: policy
            .zip(direction)
            .map(|(p, d)| (format!("{p}/{word}"), d)),
        statement,
        action,
        disposition,
        neighbor,
        refusal: fields.check(),
    }
}

/// A name that can stand between the slashes of a name on the daemon.
fn name(fields: &mut Fields<'_>, property: &str) -> Option<String> {
    let text = fields.text(property);
    let text = fields.required(property, text)?;
    let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(bad) {
        fields.wrong(
            property,
            format_args!("{text:?} is empty or holds `/`, a space or a control character"),
        );
        return None;
    }
    Some(text.to_owned())
}
