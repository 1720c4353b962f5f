//! `POST /sdwan/v1/transaction`: several changes that happen together or not
//! at all. Rules are judged at the end, so that unique values can swap and
//! policies that share a statement can change at once.

use super::problem::Problem;
use super::query::Params;
use super::resources::{headers, object, respond};
use super::{Api, body};
use crate::catalog::{Change, Mode};
use axum::body::Body;
use http::{Request, Response, StatusCode};
use sdwan_model::document::unknown;
use sdwan_model::policy::{Access, Fields};
use sdwan_model::validate::Violation;
use serde_json::{Map, Value};

/// The most changes of one transaction: more would not fit in one commit.
const MAX_CHANGES: usize = 500;

/// Judges all changes, then makes all of them.
pub(super) async fn run(
    api: &Api,
    access: &Access,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let mut params = Params::new(&parts.uri);
    let dry_run = params.flag("dry_run");
    params.finish(&["dry_run"])?;
    let body = body::read(&api.limits, &parts.headers, body).await?;
    let schemas = api.catalog.schemas();
    let known = schemas.iter().filter(|kind| access.knows("*", kind));
    let known: Vec<&str> = known.map(|kind| kind.id.as_str()).collect();
    let changes = read(body, &known)
        .map_err(|violations| Problem::violations(StatusCode::BAD_REQUEST, violations))?;
    let kinds: Vec<String> = changes.iter().map(|c| kind(c).to_owned()).collect();
    let several = changes.len() > 1;
    let rows = api
        .catalog
        .transact_as(access, changes, dry_run)
        .await
        .map_err(|error| Problem::from(error).below(|at| place(at, several)))?;

    let snapshot = api.catalog.snapshot();
    let mut out = b"{\"rows\":[".to_vec();
    for (nth, (kind, row)) in kinds.iter().zip(&rows).enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        match (row, api.columns.get(kind)) {
            (Some(shown), Some(columns)) => {
                let fields = access.sees(&columns.kind, &shown.row);
                let chosen = columns.only(columns.all(), &fields.unwrap_or(Fields::none()));
                let row = object(columns, &chosen, shown, None, &snapshot, access);
                out.extend_from_slice(&row);
            }
            _ => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"]}");
    let headers = headers(snapshot.point());
    let body = out.into();
    Ok(respond(headers, body))
}

/// The catalog points at `/1/host_name`, or at `/host_name` where there is
/// one change; the request has it at `/changes/1/body/host_name`.
/// What no single change is to blame for is a matter of all.
fn place(pointer: &str, several: bool) -> String {
    let (nth, rest) = match pointer.strip_prefix('/') {
        None if several => return "/changes".to_owned(),
        Some(inner) if several => inner.split_once('/').unwrap_or((inner, "")),
        inner => ("0", inner.unwrap_or_default()),
    };
    match rest {
        "" => format!("/changes/{nth}"),
        rest => format!("/changes/{nth}/body/{rest}"),
    }
}

fn kind(change: &Change) -> &str {
    match change {
        Change::Create { kind, .. }
        | Change::Update { kind, .. }
        | Change::Upsert { kind, .. }
        | Change::Delete { kind, .. } => kind,
    }
}

/// Reads `{"changes": [..]}`, whose kinds are among these.
///
/// # Errors
/// Everything that makes no sense, whatever the rows may be.
fn read(body: Value, kinds: &[&str]) -> Result<Vec<Change>, Vec<Violation>> {
    let mut wrong = Vec::new();
    let mut refuse =
        |pointer: String, message: String| wrong.push(Violation::new(pointer, message));
    let Value::Object(mut object) = body else {
        refuse(String::new(), "must be an object with \"changes\"".into());
        return Err(wrong);
    };
    let changes = object.shift_remove("changes");
    for key in object.keys() {
        refuse(format!("/{key}"), unknown("property", key, &["changes"]));
    }
    let mut read = Vec::new();
    match changes {
        Some(Value::Array(list)) if list.len() <= MAX_CHANGES => {
            for (nth, change) in list.into_iter().enumerate() {
                let at = format!("/changes/{nth}");
                match change {
                    Value::Object(change) => read.extend(one(change, &at, kinds, &mut refuse)),
                    _ => refuse(at, "must be an object".into()),
                }
            }
        }
        _ => refuse(
            "/changes".into(),
            format!("must be a list of at most {MAX_CHANGES} changes"),
        ),
    }
    if wrong.is_empty() {
        Ok(read)
    } else {
        Err(wrong)
    }
}

/// The members of a change and which operations take them.
const MEMBERS: [&str; 7] = ["op", "kind", "id", "body", "parent", "if_match", "cascade"];
const OPERATIONS: [&str; 4] = ["create", "update", "replace", "delete"];

fn one(
    mut change: Map<String, Value>,
    at: &str,
    kinds: &[&str],
    refuse: &mut dyn FnMut(String, String),
) -> Option<Change> {
    let mut text = |name: &str, required: bool| match change.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        None if !required => None,
        None => {
            refuse(format!("{at}/{name}"), "is required".into());
            None
        }
        Some(_) => {
            refuse(format!("{at}/{name}"), "must be text".into());
            None
        }
    };
    let op = text("op", true)?;
    let kind = text("kind", true)?;
    let id = text("id", op != "create");
    let parent = text("parent", false);
    let body = change.shift_remove("body");
    let if_match = match change.shift_remove("if_match") {
        None => None,
        Some(value) => value.as_u64().or_else(|| {
            refuse(format!("{at}/if_match"), "must be a version".into());
            None
        }),
    };
    let cascade = change.shift_remove("cascade") == Some(Value::Bool(true));
    for key in change.keys() {
        refuse(format!("{at}/{key}"), unknown("member", key, &MEMBERS));
    }
    if !kinds.contains(&kind.as_str()) {
        refuse(format!("{at}/kind"), unknown("kind", &kind, kinds));
    }
    let body = || body.clone().unwrap_or(Value::Null);
    match op.as_str() {
        "create" => {
            let mut body = body();
            if let (Some(id), Some(object)) = (id, body.as_object_mut()) {
                object.insert("id".into(), id.into());
            }
            Some(Change::Create { kind, body, parent })
        }
        "update" => Some(Change::Update {
            kind,
            id: id?,
            patch: body(),
            mode: Mode::Merge,
            if_match,
        }),
        "replace" => Some(Change::Upsert {
            kind,
            id: id?,
            body: body(),
            parent,
            if_match,
        }),
        "delete" => Some(Change::Delete {
            kind,
            id: id?,
            cascade,
            if_match,
        }),
        _ => {
            refuse(format!("{at}/op"), unknown("operation", &op, &OPERATIONS));
            None
        }
    }
}
