//! A kind's properties as they go out: where each value comes from, and a
//! row's bytes without a copy in between.

use crate::catalog::{Shown, Snapshot};
use crate::speaker::Counters;
use bytes::Bytes;
use sdwan_model::policy::{Access, Fields};
use sdwan_model::resource::Row;
use sdwan_model::schema::{Kind, MASK, Property, Schemas};
use sdwan_model::status::fib;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A kind's properties, in the schema's order, then its joined objects.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) kind: Arc<Kind>,
    list: Vec<Column>,
    all: Vec<usize>,
    /// Whether any of them is read from the router.
    live: bool,
    joins: Vec<Join>,
}

/// Another row that is shown inside of this one.
#[derive(Debug)]
struct Join {
    /// The property that names it.
    property: String,
    /// The property of the named row that holds the value.
    by: String,
    /// The named row's own properties.
    columns: Columns,
}

/// One property.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// `"name":`, ready to be written.
    label: Vec<u8>,
    pub(crate) source: Source,
}

/// Where a property's value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The declared row.
    Body,
    /// The row, but nobody is told.
    Secret,
    /// The fold.
    Status,
    /// The fold.
    Reason,
    /// The fold.
    Since,
    /// What the monitor saw last.
    SessionState,
    /// What the router's agent said.
    Fib(fn(&fib::Shown<'_>) -> Value),
    /// The router if it was asked, else what the monitor saw.
    Flaps,
    /// The router, if it was asked.
    Live(fn(&Counters) -> Option<u64>),
    /// Another row, by its number among the joined ones.
    Joined(usize),
    /// Computed by nobody here.
    Nothing,
}

impl Source {
    fn of(name: &str, property: &Property) -> Self {
        match name {
            _ if property.secret => Self::Secret,
            _ if !property.computed => Self::Body,
            "status" => Self::Status,
            "status_reason" => Self::Reason,
            "status_since" => Self::Since,
            "fib_state" => Self::Fib(|fib| fib.state.as_str().into()),
            "fib_unresolved" => Self::Fib(|fib| fib.unresolved.into()),
            "fib_reason" => Self::Fib(|fib| fib.reason.into()),
            "fib_since" => Self::Fib(|fib| fib.since.into()),
            "gobgpd_version" => Self::Fib(|fib| fib.gobgpd_version.into()),
            "session_state" => Self::SessionState,
            "flaps" => Self::Flaps,
            "uptime" => Self::Live(|c| c.uptime),
            "prefixes_received" => Self::Live(|c| Some(c.received)),
            "prefixes_accepted" => Self::Live(|c| Some(c.accepted)),
            "prefixes_advertised" => Self::Live(|c| Some(c.advertised)),
            _ => Self::Nothing,
        }
    }

    /// Whether the fold or the monitor is needed to know it.
    pub(crate) fn is_observed(self) -> bool {
        !matches!(self, Self::Body | Self::Secret | Self::Joined(_))
    }

    /// Whether the router is asked for it.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Flaps | Self::Live(_))
    }
}

impl Columns {
    pub(crate) fn new(kind: &Arc<Kind>, schemas: &Schemas) -> Self {
        let mut columns = Self::own(kind);
        for (property, about) in &kind.properties {
            let Some(relation) = &about.relation else {
                continue;
            };
            let joined = relation.joined_as.as_ref().zip(schemas.get(&relation.kind));
            if let Some((name, named)) = joined
                && !kind.properties.contains_key(name)
            {
                let source = Source::Joined(columns.joins.len());
                columns.list.push(Column::new(name, source));
                columns.joins.push(Join {
                    property: property.clone(),
                    by: relation.by.clone(),
                    columns: Self::own(named),
                });
            }
        }
        columns.all = (0..columns.list.len()).collect();
        columns
    }

    /// Without joined rows.
    fn own(kind: &Arc<Kind>) -> Self {
        let list: Vec<Column> = kind
            .properties
            .iter()
            .map(|(name, property)| Column::new(name, Source::of(name, property)))
            .collect();
        Self {
            kind: Arc::clone(kind),
            all: (0..list.len()).collect(),
            live: list.iter().any(|c| matches!(c.source, Source::Live(_))),
            list,
            joins: Vec::new(),
        }
    }

    /// These columns, as far as their properties are among `fields`.
    pub(crate) fn among(&self, fields: &Fields) -> impl Iterator<Item = (usize, &Column)> {
        let list = self.list.iter().enumerate();
        list.filter(move |(index, _)| self.shows(*index, fields))
    }

    /// The chosen columns whose properties are among `fields`.
    pub(crate) fn only<'a>(&self, chosen: &'a [usize], fields: &Fields) -> Cow<'a, [usize]> {
        if *fields == Fields::All {
            return Cow::Borrowed(chosen);
        }
        let chosen = chosen.iter().copied();
        chosen.filter(|index| self.shows(*index, fields)).collect()
    }

    /// Whether a column's property is among `fields`; a joined row needs the
    /// property that names it, too.
    pub(crate) fn shows(&self, column: usize, fields: &Fields) -> bool {
        let Column { name, source, .. } = &self.list[column];
        let by = match source {
            Source::Joined(index) => &self.joins[*index].property,
            _ => name,
        };
        fields.contains(name) && fields.contains(by)
    }

    /// Every column.
    pub(crate) fn all(&self) -> &[usize] {
        &self.all
    }

    /// Where a column comes from.
    pub(crate) fn source(&self, column: usize) -> Source {
        self.list[column].source
    }

    /// Whether any of these columns is read from the router.
    pub(crate) fn live_among(&self, chosen: &[usize]) -> bool {
        self.live && chosen.iter().any(|i| self.list[*i].source.is_live())
    }

    /// A column's value, to compare it.
    pub(crate) fn value<'a>(
        &self,
        column: usize,
        row: &'a Row,
        shown: Option<&'a Shown>,
    ) -> Cow<'a, Value> {
        const NULL: &Value = &Value::Null;
        let column = &self.list[column];
        if matches!(column.source, Source::Body) {
            return Cow::Borrowed(row.body.get(&column.name).unwrap_or(NULL));
        }
        let folded = shown.and_then(|s| s.status.as_ref());
        let monitoring = shown.and_then(|s| s.monitoring.as_ref());
        let value = match column.source {
            Source::Status => folded.and_then(|f| serde_json::to_value(f.status).ok()),
            Source::Reason => folded.and_then(|f| text(&f.reason)).map(Value::from),
            Source::Since => folded.and_then(|f| f.since.as_deref()).map(Value::from),
            Source::SessionState => monitoring
                .and_then(|m| text(&m.session_state))
                .map(Value::from),
            Source::Flaps => monitoring.map(|m| m.flaps.into()),
            Source::Fib(read) => shown.and_then(fib_of).as_ref().map(read),
            _ => None,
        };
        Cow::Owned(value.unwrap_or_default())
    }

    /// Whether a row's text is made of what the store says of the row and its
    /// router alone, as long as no router is asked.
    pub(crate) fn is_steady(&self) -> bool {
        self.joins.is_empty()
    }

    /// The row as a JSON object with all columns, none of them live.
    pub(crate) fn text(&self, shown: &Shown, snapshot: &Snapshot) -> Bytes {
        let mut out = Vec::with_capacity(640);
        let joined = Access::default();
        self.write(&mut out, &self.all, shown, None, snapshot, &joined);
        out.into()
    }

    /// The row as a JSON object with the chosen columns; of joined rows, what
    /// the caller sees.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        chosen: &[usize],
        shown: &Shown,
        counters: Option<&Counters>,
        snapshot: &Snapshot,
        access: &Access,
    ) {
        out.push(b'{');
        // Bodies are in the schema's order, so the next column is mostly the
        // next entry: no lookup.
        let mut entries = shown.row.body.iter().peekable();
        for (nth, index) in chosen.iter().enumerate() {
            let column = &self.list[*index];
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&column.label);
            if matches!(column.source, Source::Body | Source::Secret) {
                let value = match entries.next_if(|(key, _)| **key == column.name) {
                    Some((_, value)) => Some(value),
                    None => shown.row.body.get(&column.name),
                };
                let set = value.filter(|v| !v.is_null());
                match (column.source, set) {
                    (Source::Secret, Some(_)) => json(out, MASK),
                    (_, value) => json(out, &value),
                }
            } else {
                self.write_observed(out, column, shown, counters, snapshot, access);
            }
        }
        out.push(b'}');
    }

    fn write_observed(
        &self,
        out: &mut Vec<u8>,
        column: &Column,
        shown: &Shown,
        counters: Option<&Counters>,
        snapshot: &Snapshot,
        access: &Access,
    ) {
        let folded = shown.status.as_ref();
        let monitoring = shown.monitoring.as_ref();
        match column.source {
            Source::Status => json(out, &folded.map(|f| f.status)),
            Source::Reason => json(out, &folded.and_then(|f| text(&f.reason))),
            Source::Since => json(out, &folded.and_then(|f| f.since.as_deref())),
            Source::SessionState => json(out, &monitoring.and_then(|m| text(&m.session_state))),
            Source::Flaps => {
                // gobgpd forgets its count with a peer or a restart, and 3.10 has none.
                let known = monitoring.map(|m| m.flaps);
                json(out, &known.or_else(|| counters.map(|c| c.flaps)));
            }
            Source::Fib(read) => json(out, &fib_of(shown).as_ref().map(read)),
            Source::Live(read) => json(out, &counters.and_then(read)),
            Source::Joined(index) => self.write_joined(out, index, shown, snapshot, access),
            Source::Body | Source::Secret | Source::Nothing => out.extend_from_slice(b"null"),
        }
    }

    /// The row that a relation names, without what it joins itself.
    fn write_joined(
        &self,
        out: &mut Vec<u8>,
        index: usize,
        shown: &Shown,
        snapshot: &Snapshot,
        access: &Access,
    ) {
        let Join {
            property,
            by,
            columns,
        } = &self.joins[index];
        let value = shown.row.body.get(property).filter(|v| !v.is_null());
        let row = value.and_then(|v| snapshot.find(&columns.kind.id, by, v).pop());
        let seen = row.and_then(|row| Some((access.sees(&columns.kind, &row)?, row)));
        match seen {
            Some((fields, row)) => {
                let chosen = columns.only(&columns.all, &fields);
                columns.write(out, &chosen, &snapshot.show(&row), None, snapshot, access);
            }
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl Column {
    fn new(name: &str, source: Source) -> Self {
        let mut label = Vec::new();
        json(&mut label, name);
        label.push(b':');
        Self {
            name: name.to_owned(),
            label,
            source,
        }
    }
}

fn fib_of(shown: &Shown) -> Option<fib::Shown<'_>> {
    fib::show(shown.row.text("fib"), shown.fib.as_deref())
}

fn text(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty())
}

/// Appends the value as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Into memory, and of types that always serialise: it can't fail.
    let _ = serde_json::to_writer(out, value);
}
