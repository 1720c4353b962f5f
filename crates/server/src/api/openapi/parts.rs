//! The pieces that the document is made of.

use crate::api::fresh;
use sdwan_model::schema::Kind;
use serde_json::{Map, Value, json};

pub(super) fn request(kind: &Kind, form: &str) -> Value {
    let bare = format!("{}.{form}", kind.id);
    let schema = json!({ "anyOf": [wrapped(kind, &bare), reference(&bare)] });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

pub(super) fn wrapped(kind: &Kind, component: &str) -> Value {
    json!({
        "type": "object",
        "properties": { kind.singular.as_str(): reference(component) },
        "required": [kind.singular],
    })
}

pub(super) fn reference(component: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{component}") })
}

/// These answers, and problem details for every other.
pub(super) fn responses(answers: &[(&str, &str, Option<Value>)]) -> Value {
    let mut all = Map::new();
    for (code, description, schema) in answers {
        let mut answer = json!({ "description": description });
        if let Some(schema) = schema {
            answer["content"] = json!({ "application/json": { "schema": schema } });
        }
        all.insert((*code).to_owned(), answer);
    }
    all.insert("default".into(), problem_response("Refused"));
    all.into()
}

pub(super) fn problem_response(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

/// RFC 9457, and what old clients read.
pub(super) fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "type": text,
            "title": text,
            "status": { "type": "integer" },
            "detail": text,
            "error": { "type": "string", "description": "The same as `detail`, for Gohan's clients" },
            "violations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "pointer": text, "message": text },
                    "required": ["pointer", "message"],
                },
            },
            "request_id": text,
        },
        "required": ["type", "title", "status", "detail", "error"],
    })
}

pub(super) fn path_params(names: &[&str]) -> Value {
    let one = |name: &&str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.iter().map(one).collect()
}

pub(super) fn query(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

pub(super) fn flag(name: &str, description: &str) -> Value {
    let mut parameter = query(name, json!({ "type": "boolean" }));
    parameter["description"] = description.into();
    parameter
}

/// Of what reads the store.
pub(super) fn min_revision() -> Value {
    let mut parameter = query(fresh::MIN_REVISION, json!({ "type": "string" }));
    parameter["description"] = "At least as new as this X-Revision".into();
    parameter
}

pub(super) fn dry_run() -> Value {
    flag("dry_run", "Judge and answer, but store nothing")
}

pub(super) fn header(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "header",
        "description": description,
        "schema": { "type": "string" },
    })
}

pub(super) fn fields_param(kind: &Kind) -> Value {
    let names: Vec<&String> = kind.properties.keys().collect();
    query(
        "_fields",
        json!({ "type": "array", "items": { "enum": names } }),
    )
}
