//! From what a person typed to one row. A name that nobody has, or that
//! several have, touches nothing.

use crate::error::Error;
use crate::http::{Http, segment};
use crate::kinds::{Kind, Property};
use serde_json::{Map, Value};

/// A found row and its path.
#[derive(Clone, Debug)]
pub struct Found {
    /// E.g. `/v2.0/routers/ID`.
    pub path: String,
    /// The row as it was when it was found.
    pub row: Map<String, Value>,
}

/// The row whose id or name this is.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::Conflict`] naming the ids when several
/// rows have that name.
pub async fn find(http: &Http, kind: &Kind, name: &str) -> Result<Found, Error> {
    if name.is_empty() {
        return Err(Error::Usage(format!(
            "which {}? Give its id or its name",
            kind.singular
        )));
    }
    // These two would leave the collection on their way through a URL.
    if name != "." && name != ".." {
        let path = format!("{}/{}", kind.url(), segment(name));
        match http.get(&path, &[]).await {
            Ok(answer) => {
                return Ok(Found {
                    path,
                    row: unwrap(kind, answer.body)?,
                });
            }
            Err(Error::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
    }
    for property in kind.name_properties() {
        let query = [(property.to_owned(), name.to_owned())];
        let rows = match http.get(&kind.url(), &query).await {
            Ok(answer) => list(kind, answer.body)?,
            // The text can't be this property's value, e.g. not an address.
            Err(Error::Refused(_)) => continue,
            Err(other) => return Err(other),
        };
        match rows.as_slice() {
            [] => {}
            [row] => {
                let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
                let path = format!("{}/{}", kind.url(), segment(id));
                return Ok(Found {
                    path,
                    row: row.clone(),
                });
            }
            many => {
                let ids: Vec<_> = many.iter().filter_map(|r| r.get("id")?.as_str()).collect();
                return Err(Error::Conflict(format!(
                    "{} rows have the {property} {name:?}: name one by its id: {}",
                    many.len(),
                    ids.join(", ")
                )));
            }
        }
    }
    Err(Error::NotFound(format!(
        "no {} has the id or name {name:?}",
        kind.singular
    )))
}

/// Replaces names by ids in relations to kinds that are named by id.
///
/// # Errors
/// As [`find`]; a relation whose value is found by no name goes as it is, for
/// the server to judge.
pub async fn relations(
    http: &Http,
    kinds: &[Kind],
    kind: &Kind,
    body: &mut Map<String, Value>,
) -> Result<(), Error> {
    for property in kind.properties() {
        if let Some(Value::String(text)) = body.get(property.name)
            && let Some(id) = named(http, kinds, &property, text).await?
        {
            body.insert(property.name.to_owned(), Value::from(id));
        }
    }
    Ok(())
}

/// The same for the filters of a list.
///
/// # Errors
/// As [`relations`].
pub async fn filters(
    http: &Http,
    kinds: &[Kind],
    kind: &Kind,
    query: &mut [(String, String)],
) -> Result<(), Error> {
    for (name, text) in query {
        let property = kind.properties().into_iter().find(|p| p.name == name);
        if let Some(property) = property
            && let Some(id) = named(http, kinds, &property, text).await?
        {
            *text = id;
        }
    }
    Ok(())
}

/// The id of the row that this property's value names.
async fn named(
    http: &Http,
    kinds: &[Kind],
    property: &Property<'_>,
    text: &str,
) -> Result<Option<String>, Error> {
    let Some(target) = target(property, kinds) else {
        return Ok(None);
    };
    match find(http, target, text).await {
        Ok(found) => Ok(found
            .row
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The kind that a property names by id; a relation by another property, such
/// as a neighbor's `host_name`, is a name already.
fn target<'k>(property: &Property<'_>, kinds: &'k [Kind]) -> Option<&'k Kind> {
    let relation = property.relation().filter(|_| property.relation_by_id())?;
    kinds.iter().find(|k| k.id == relation)
}

/// One row out of its wrapper.
///
/// # Errors
/// [`Error::Refused`] when the answer has another shape.
pub fn unwrap(kind: &Kind, body: Value) -> Result<Map<String, Value>, Error> {
    match body {
        Value::Object(mut object) => match object.remove(&kind.singular) {
            Some(Value::Object(row)) => Ok(row),
            _ => Err(shape(kind)),
        },
        _ => Err(shape(kind)),
    }
}

/// Many rows out of their wrapper.
///
/// # Errors
/// [`Error::Refused`] when the answer has another shape.
pub fn list(kind: &Kind, body: Value) -> Result<Vec<Map<String, Value>>, Error> {
    let Value::Object(mut object) = body else {
        return Err(shape(kind));
    };
    let Some(Value::Array(rows)) = object.remove(&kind.plural) else {
        return Err(shape(kind));
    };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => Ok(row),
            _ => Err(shape(kind)),
        })
        .collect()
}

fn shape(kind: &Kind) -> Error {
    Error::Refused(format!(
        "the server's answer is not a {} as expected",
        kind.singular
    ))
}
