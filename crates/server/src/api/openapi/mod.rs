//! The API's description for tools, OpenAPI 3.1, made from the schemas.

mod own;
mod parts;

use own::{of_routers, of_the_server};
use parts::{
    dry_run, fields_param, flag, header, min_revision, path_params, problem, problem_response,
    query, reference, request, responses, wrapped,
};
use sdwan_model::policy::Access;
use sdwan_model::schema::{Kind, Property, Schemas};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The document, as far as its operations are open to the caller; `schemas`
/// are what he may know of the kinds. `asked` where nothing but probes is open
/// to who does not say who he is.
pub(super) fn document(schemas: &Schemas, access: &Access, asked: bool) -> Value {
    let mut paths = Map::new();
    let mut components = Map::new();
    // Paths whose operations were looked through.
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for kind in schemas.iter() {
        components.extend(bodies(kind));
        paths.insert(kind.url(), collection(kind, &[]));
        paths.insert(format!("{}/{{id}}", kind.url()), item(kind, &["id"]));
        if let Some(parent) = kind.parent.as_deref().and_then(|p| schemas.get(p)) {
            let id = format!("{}_id", parent.id);
            let url = format!("{}/{}/{{{id}}}/{}", kind.prefix, parent.plural, kind.plural);
            paths.insert(url.clone(), collection(kind, &[&id]));
            paths.insert(format!("{url}/{{id}}"), item(kind, &[&id, "id"]));
        }
        for (name, action) in &kind.actions {
            let (path, params) = action_path(kind, &action.path);
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            entry[action.method.to_lowercase()] = action_operation(kind, name, &params);
        }
        let of_rows = paths.iter_mut().filter(|(path, _)| !kept.contains(*path));
        for (_, operations) in of_rows {
            keep(operations, |action| access.knows(action, kind));
        }
        kept.extend(paths.keys().cloned());
    }
    if let Some(router) = schemas.get("router") {
        paths.extend(of_routers(router));
    }
    paths.extend(of_the_server());
    for (path, operations) in paths.iter_mut().filter(|(path, _)| !kept.contains(*path)) {
        let fixed = path.split('{').next().unwrap_or_default();
        let told = OF_ITSELF.iter().any(|told| path.starts_with(told));
        keep(operations, |action| match told {
            true => !access.denies(action, fixed),
            false => access.reaches(action, fixed),
        });
    }
    paths.retain(|_, operations| METHODS.iter().any(|(m, _)| operations.get(m).is_some()));
    components.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "sdwan",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Declares a WAN of GoBGP routers and keeps it as declared.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "security": security(asked),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "apiKey", "in": "header", "name": "X-Auth-Token" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

/// How a caller says who he is; by nothing, too, unless that is asked.
fn security(asked: bool) -> Value {
    match asked {
        true => json!([{ "token": [] }, { "bearer": [] }]),
        false => json!([{}, { "token": [] }, { "bearer": [] }]),
    }
}

/// The methods of operations, and what they do to rows.
const METHODS: [(&str, &str); 5] = [
    ("get", "read"),
    ("post", "create"),
    ("put", "update"),
    ("patch", "update"),
    ("delete", "delete"),
];

/// What tells a caller nothing but what he may know, or asks nothing.
const OF_ITSELF: [&str; 6] = [
    "/gohan/v0.1/schemas",
    "/gohan/v0.1/version",
    "/openapi.json",
    "/sdwan/v1/transaction",
    "/healthz",
    "/readyz",
];

/// Drops what the caller may not do. Declared actions were judged by name.
fn keep(operations: &mut Value, may: impl Fn(&str) -> bool) {
    for (method, action) in METHODS {
        let declared = operations[method]["responses"].get("501").is_some();
        if let Some(members) = operations.as_object_mut()
            && !declared
            && !may(action)
        {
            members.shift_remove(method);
        }
    }
}

/// What a kind's rows look like: shown, created, changed.
fn bodies(kind: &Kind) -> [(String, Value); 3] {
    let shown: Map<String, Value> = each(kind, |_| true);
    let on_create = each(kind, |p| p.on_create && !p.computed);
    let on_update = each(kind, |p| p.on_update && !p.computed);
    let write = |properties: Map<String, Value>, required: &[String]| {
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    [
        (
            kind.id.clone(),
            // None is required: `_fields` chooses among them.
            json!({
                "type": "object",
                "title": kind.title,
                "description": kind.description,
                "properties": shown,
            }),
        ),
        (
            format!("{}.create", kind.id),
            write(on_create, &kind.required),
        ),
        (format!("{}.update", kind.id), write(on_update, &[])),
    ]
}

fn each(kind: &Kind, wanted: impl Fn(&Property) -> bool) -> Map<String, Value> {
    let wanted = kind.properties.iter().filter(|(_, p)| wanted(p));
    wanted.map(|(name, p)| (name.clone(), schema(p))).collect()
}

/// A property's JSON Schema without Gohan's own words.
fn schema(property: &Property) -> Value {
    const GOHANS: [&str; 12] = [
        "permission",
        "unique",
        "indexed",
        "relation",
        "relation_column",
        "relation_property",
        "on_delete_cascade",
        "view",
        "detail_view",
        "sql",
        "propertiesOrder",
        "computed",
    ];
    let mut schema = property.source.clone();
    if let Some(object) = schema.as_object_mut() {
        object.retain(|key, _| !GOHANS.contains(&key.as_str()));
        if property.computed {
            object.insert("readOnly".into(), true.into());
        }
        if property.secret {
            object.insert("format".into(), "password".into());
        }
    }
    schema
}

fn collection(kind: &Kind, path: &[&str]) -> Value {
    let one = wrapped(kind, &kind.id);
    let list = json!({
        "type": "object",
        "properties": { kind.plural.as_str(): { "type": "array", "items": reference(&kind.id) } },
    });
    json!({
        "parameters": path_params(path),
        "get": {
            "operationId": operation_id("list", kind, path),
            "summary": format!("Lists {}", kind.plural),
            "tags": [kind.id],
            "parameters": list_params(kind),
            "responses": rows(list),
        },
        "post": {
            "operationId": operation_id("create", kind, path),
            "summary": format!("Creates a {}", kind.singular),
            "tags": [kind.id],
            "parameters": [dry_run()],
            "requestBody": request(kind, "create"),
            "responses": responses(&[
                ("200", "With `dry_run`: the row that would be there", Some(one.clone())),
                ("201", "The row", Some(one)),
            ]),
        },
    })
}

/// Of a list: all at once, or told as they change.
fn rows(list: Value) -> Value {
    let mut answers = responses(&[("200", "The rows", Some(list))]);
    let events = json!({ "schema": { "type": "string" } });
    answers["200"]["content"]["text/event-stream"] = events;
    answers
}

fn item(kind: &Kind, path: &[&str]) -> Value {
    let one = wrapped(kind, &kind.id);
    let operation = |verb: &str, summary: String, parameters: Value, answers: Value| {
        json!({
            "operationId": operation_id(verb, kind, path),
            "summary": summary,
            "tags": [kind.id],
            "parameters": parameters,
            "responses": answers,
        })
    };
    let found = [("200", "The row", Some(one.clone()))];
    let either = [
        ("200", "Replaced", Some(one.clone())),
        ("201", "Created", Some(one)),
    ];
    let name = &kind.singular;
    let get = operation(
        "show",
        format!("Shows a {name}"),
        json!([fields_param(kind), min_revision()]),
        responses(&found),
    );
    let guarded = json!([dry_run(), header("If-Match", "The version's ETag")]);
    let mut put = operation(
        "replace",
        format!("Replaces or creates a {name}"),
        guarded.clone(),
        responses(&either),
    );
    put["requestBody"] = request(kind, "create");
    let mut patch = operation(
        "update",
        format!("Changes a {name}"),
        guarded.clone(),
        responses(&found),
    );
    patch["requestBody"] = request(kind, "update");
    let mut parameters = guarded;
    if let Some(list) = parameters.as_array_mut() {
        list.push(flag("cascade", "Delete what refers to it, too"));
        list.push(flag("force", "Do not wait for its router to let go"));
    }
    let delete = operation(
        "delete",
        format!("Deletes a {name}"),
        parameters,
        responses(&[("204", "Deleted, or on its way out", None)]),
    );
    json!({
        "parameters": path_params(path),
        "get": get,
        "put": put,
        "patch": patch,
        "delete": delete,
    })
}

fn list_params(kind: &Kind) -> Value {
    let mut list = vec![
        query("limit", json!({ "type": "integer", "minimum": 0 })),
        query("offset", json!({ "type": "integer", "minimum": 0 })),
        query("sort_key", json!({ "type": "string", "default": "id" })),
        query("sort_order", json!({ "enum": ["asc", "desc"] })),
        flag("any_of", "One filter that holds is enough"),
        flag("watch", "Stay and tell every change, as server-sent events"),
        fields_param(kind),
        min_revision(),
    ];
    for (name, property) in &kind.properties {
        if !property.secret {
            let values = json!({ "type": "array", "items": { "type": "string" } });
            list.push(query(name, values));
        }
    }
    list.into()
}

/// An action's path with `{name}` for `:name`, and the names.
fn action_path<'a>(kind: &Kind, path: &'a str) -> (String, Vec<&'a str>) {
    let mut url = kind.url();
    let mut params = Vec::new();
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        match segment.strip_prefix(':') {
            Some(name) => {
                params.push(name);
                url += &format!("/{{{name}}}");
            }
            None => url += &format!("/{segment}"),
        }
    }
    (url, params)
}

fn action_operation(kind: &Kind, name: &str, params: &[&str]) -> Value {
    json!({
        "operationId": format!("{}.{name}", kind.id),
        "summary": format!("Declared by the schema; nothing carries it out"),
        "tags": [kind.id],
        "parameters": path_params(params),
        "responses": { "501": problem_response("Not implemented") },
    })
}

fn operation_id(verb: &str, kind: &Kind, path: &[&str]) -> String {
    let nested = path.iter().any(|name| *name != "id");
    let below = if nested { ".nested" } else { "" };
    format!("{}.{verb}{below}", kind.id)
}
