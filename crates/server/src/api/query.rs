//! The parameters after `?`: every one is known or refused, and all that is
//! wrong is told at once.

use super::columns::{Column, Columns, Source};
use super::fresh;
use super::problem::Problem;
use crate::catalog::Point;
use http::{StatusCode, Uri};
use sdwan_model::document::unknown;
use sdwan_model::policy::Fields;
use sdwan_model::validate::Violation;
use std::ops::Range;

/// A request's parameters, each to be taken once.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    wrong: Vec<Violation>,
}

impl Params {
    pub(crate) fn new(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        // Never fails: bytes that are no text become U+FFFD, as no row has it.
        let pairs = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        Self {
            pairs,
            wrong: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(key, _)| key == name);
        self.pairs = rest;
        let values: Vec<(String, String)> = taken;
        values.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that stands at most once.
    pub(crate) fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.refuse(name, "is given more than once");
        }
        values.pop()
    }

    /// `true` or `false`, as Python writes them too.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.one(name) {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(text) => {
                self.refuse(name, &format!("must be true or false, not {text:?}"));
                false
            }
        }
    }

    /// A count, 0 or more.
    pub(super) fn count(&mut self, name: &str) -> Option<usize> {
        let text = self.one(name)?;
        match text.parse() {
            Ok(count) => Some(count),
            Err(_) => {
                self.refuse(
                    name,
                    &format!("must be a whole number from 0, not {text:?}"),
                );
                None
            }
        }
    }

    pub(super) fn refuse(&mut self, name: &str, message: &str) {
        let message = format!("parameter {name} {message}");
        self.wrong.push(Violation::new("", message));
    }

    /// # Errors
    /// 400 with everything that was wrong, parameters that nobody took
    /// included; `known` are those that could have been meant.
    pub(crate) fn finish(mut self, known: &[&str]) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            let message = unknown("parameter", name, known);
            self.wrong.push(Violation::new("", message));
        }
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Problem::violations(StatusCode::BAD_REQUEST, self.wrong))
        }
    }
}

/// What a list is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ListQuery {
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    /// A column; by id where there is none.
    pub(crate) sort_key: Option<usize>,
    pub(crate) descending: bool,
    pub(crate) filters: Vec<Filter>,
    /// One filter that holds is enough.
    pub(crate) any_of: bool,
    /// The columns of `_fields`.
    pub(crate) fields: Option<Vec<usize>>,
    pub(crate) watch: bool,
    /// What it is answered from must be at least as new.
    pub(crate) least: Option<Point>,
}

/// A property and the values that it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) column: usize,
    pub(crate) values: Vec<String>,
}

const LIST: [&str; 8] = [
    "limit",
    "offset",
    "sort_key",
    "sort_order",
    "any_of",
    "_fields",
    "watch",
    fresh::MIN_REVISION,
];

impl ListQuery {
    /// `seen` are the properties that there are for the caller.
    ///
    /// # Errors
    /// Everything that is wrong with the parameters, as one 400.
    pub(crate) fn parse(uri: &Uri, columns: &Columns, seen: &Fields) -> Result<Self, Problem> {
        let mut params = Params::new(uri);
        if params.is_empty() {
            return Ok(Self::default());
        }
        let query = Self {
            limit: params.count("limit"),
            offset: params.count("offset").unwrap_or(0),
            sort_key: sort_key(&mut params, columns, seen),
            descending: descending(&mut params),
            any_of: params.flag("any_of"),
            fields: fields(&mut params, columns, seen),
            watch: params.flag("watch"),
            least: fresh::asked(&mut params),
            filters: filters(&mut params, columns, seen),
        };
        let known: Vec<&str> = LIST.into_iter().chain(names(columns, seen)).collect();
        params.finish(&known)?;
        Ok(query)
    }

    /// Which of the chosen rows, counted from 0, are on the page.
    pub(crate) fn range(&self) -> Range<usize> {
        let end = self
            .limit
            .map_or(usize::MAX, |limit| self.offset.saturating_add(limit));
        self.offset..end
    }

    /// Whether it asks for rows as they come, whole and in order of id.
    pub(crate) fn is_plain(&self) -> bool {
        let chosen = self.filters.is_empty() && self.fields.is_none();
        chosen && self.sort_key.is_none() && !self.descending
    }

    /// Whether rows have to be folded before they can be chosen.
    pub(crate) fn needs_status(&self, columns: &Columns) -> bool {
        let asked = self.filters.iter().map(|f| f.column).chain(self.sort_key);
        asked
            .into_iter()
            .any(|column| columns.source(column).is_observed())
    }
}

/// Whether rows can be chosen by it: not by what nobody may know, nor by what
/// only the routers know.
fn comparable(source: Source) -> Result<(), &'static str> {
    match source {
        Source::Secret => Err("is a secret"),
        Source::Live(_) => Err("is read from the routers: ask for it with _fields"),
        Source::Joined(_) => Err("is a joined row"),
        _ => Ok(()),
    }
}

/// The columns that there are for a caller who sees these properties.
fn names<'a>(columns: &'a Columns, seen: &Fields) -> Vec<&'a str> {
    let among = columns.among(seen);
    among.map(|(_, column)| column.name.as_str()).collect()
}

fn named<'a>(columns: &'a Columns, name: &str, seen: &Fields) -> Option<(usize, &'a Column)> {
    columns.among(seen).find(|(_, column)| column.name == name)
}

fn sort_key(params: &mut Params, columns: &Columns, seen: &Fields) -> Option<usize> {
    let name = params.one("sort_key")?;
    match named(columns, &name, seen) {
        Some((index, column)) => match comparable(column.source) {
            Ok(()) => Some(index),
            Err(why) => {
                params.refuse("sort_key", &format!("can't be {name}: it {why}"));
                None
            }
        },
        None => {
            let names = names(columns, seen);
            params.refuse(
                "sort_key",
                &format!("names an {}", unknown("property", &name, &names)),
            );
            None
        }
    }
}

fn descending(params: &mut Params) -> bool {
    match params.one("sort_order").as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => {
            params.refuse("sort_order", &format!("must be asc or desc, not {other:?}"));
            false
        }
    }
}

/// The columns of `_fields`, in the schema's order.
pub(crate) fn fields(params: &mut Params, columns: &Columns, seen: &Fields) -> Option<Vec<usize>> {
    let asked = params.all("_fields");
    if asked.is_empty() {
        return None;
    }
    let mut chosen = Vec::new();
    for name in asked {
        match named(columns, &name, seen) {
            Some((index, _)) => chosen.push(index),
            None => {
                let names = names(columns, seen);
                params.refuse(
                    "_fields",
                    &format!("names an {}", unknown("property", &name, &names)),
                );
            }
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    Some(chosen)
}

fn filters(params: &mut Params, columns: &Columns, seen: &Fields) -> Vec<Filter> {
    let mut filters = Vec::new();
    for (column, about) in columns.among(seen) {
        let name = about.name.as_str();
        let values = params.all(name);
        if values.is_empty() {
            continue;
        }
        if let Err(why) = comparable(columns.source(column)) {
            params.refuse(name, why);
            continue;
        }
        let format = columns.kind.properties.get(name).and_then(|p| p.format());
        let canonical = |text: String| match format.map(|f| f.canonical(&text)) {
            Some(Ok(canonical)) => canonical,
            _ => text,
        };
        let values = values.into_iter().map(canonical).collect();
        filters.push(Filter { column, values });
    }
    filters
}
