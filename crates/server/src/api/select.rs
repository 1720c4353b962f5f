//! Which rows a list shows, and in which order: pure, so that a test can hold
//! it against plain code.

use super::columns::Columns;
use super::query::{Filter, ListQuery};
use crate::catalog::Shown;
use sdwan_model::policy::Fields;
use sdwan_model::resource::Row;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// A row, folded if the query needs that.
pub(crate) struct Candidate<'f> {
    pub(crate) row: Arc<Row>,
    pub(crate) shown: Option<Shown>,
    /// What the caller sees of it.
    pub(crate) fields: Cow<'f, Fields>,
}

impl Candidate<'_> {
    /// What the caller does not see is null to him.
    fn value<'a>(&'a self, columns: &Columns, column: usize) -> Cow<'a, Value> {
        if !columns.shows(column, &self.fields) {
            return Cow::Owned(Value::Null);
        }
        columns.value(column, &self.row, self.shown.as_ref())
    }

    /// Whether the filters let it in.
    pub(crate) fn passes(&self, columns: &Columns, query: &ListQuery) -> bool {
        let holds = |filter: &Filter| {
            let value = self.value(columns, filter.column);
            filter.values.iter().any(|text| equals(&value, text))
        };
        match (query.filters.is_empty(), query.any_of) {
            (true, _) => true,
            (false, true) => query.filters.iter().any(holds),
            (false, false) => query.filters.iter().all(holds),
        }
    }
}

/// Whether a value is what a parameter's text says. Null equals no text.
fn equals(value: &Value, text: &str) -> bool {
    match value {
        Value::Null => false,
        Value::String(string) => string == text,
        Value::Bool(flag) => text.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => text.parse().ok() == number.as_f64(),
        Value::Number(number) => number.to_string() == text,
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            json == text
        }
    }
}

/// The order of two values: null, then false and true, numbers by size, text
/// by its bytes, and the rest by its JSON.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a
                .as_f64()
                .partial_cmp(&b.as_f64())
                .unwrap_or(Ordering::Equal),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ if rank(a) == rank(b) => a.to_string().cmp(&b.to_string()),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// The page that is asked for, and how many rows there are before paging.
/// `rows` are those that the caller sees, with what he sees of each; they come in order of id, which also parts rows that sort alike; `show`
/// is asked only where the query is about what was observed.
pub(crate) fn page<'a, 'f>(
    rows: impl Iterator<Item = (&'a Arc<Row>, Cow<'f, Fields>)>,
    columns: &Columns,
    query: &ListQuery,
    show: impl Fn(&Arc<Row>) -> Shown,
) -> (Vec<Candidate<'f>>, usize) {
    let observed = query.needs_status(columns);
    let candidate = |(row, fields): (&Arc<Row>, Cow<'f, Fields>)| Candidate {
        row: Arc::clone(row),
        shown: observed.then(|| show(row)),
        fields,
    };
    let wanted = query.range();
    if query.filters.is_empty() && query.sort_key.is_none() && !query.descending {
        // The usual list: what is not on the page is only counted.
        let mut found = Vec::new();
        let mut total = 0;
        for row in rows {
            if wanted.contains(&total) {
                found.push(candidate(row));
            }
            total += 1;
        }
        return (found, total);
    }
    let mut found: Vec<Candidate<'f>> = rows
        .map(candidate)
        .filter(|candidate| candidate.passes(columns, query))
        .collect();
    let total = found.len();
    match query.sort_key {
        Some(column) => found.sort_by(|a, b| {
            let ascending = order(&a.value(columns, column), &b.value(columns, column));
            if query.descending {
                ascending.reverse()
            } else {
                ascending
            }
        }),
        None if query.descending => found.reverse(),
        None => {}
    }
    found.truncate(wanted.end);
    found.drain(..wanted.start.min(found.len()));
    (found, total)
}
