//! The API's description for tools, OpenAPI 3.1, made from the schemas.

mod parts;

use super::{fib, tokens};
use crate::audit::Outcome;
use parts::{
    dry_run, fields_param, flag, header, min_revision, path_params, problem, problem_response,
    query, reference, request, responses, wrapped,
};
use sdwan_model::policy::Access;
use sdwan_model::schema::{Kind, Property, Schemas};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The document, as far as its operations are open to the caller; `schemas`
/// are what he may know of the kinds.
pub(super) fn document(schemas: &Schemas, access: &Access) -> Value {
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
        // Where nobody is asked who he is, none of them is needed.
        "security": [{}, { "token": [] }, { "bearer": [] }],
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "apiKey", "in": "header", "name": "X-Auth-Token" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
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

fn of_routers(router: &Kind) -> Vec<(String, Value)> {
    let url = router.url();
    let read = |id: &str, summary: &str, parameters: Value| {
        json!({
            "parameters": path_params(&["id"]),
            "get": {
                "operationId": id,
                "summary": summary,
                "tags": [router.id],
                "parameters": parameters,
                "responses": responses(&[("200", summary, Some(json!({ "type": "object" })))]),
            },
        })
    };
    let prefix = query("prefix", json!({ "type": "string" }));
    vec![
        (
            format!("{url}/{{id}}/plan"),
            read(
                "plan",
                "What a pass over the router would do now",
                json!([]),
            ),
        ),
        (
            format!("{url}/{{id}}/rib"),
            read("rib", "The router's table", json!([prefix])),
        ),
    ]
}

fn of_the_server() -> Vec<(String, Value)> {
    let operation = |id: &str, summary: &str, code: &str| {
        let body = (code == "200").then(|| json!({}));
        json!({
            "operationId": id,
            "summary": summary,
            "responses": responses(&[(code, summary, body)]),
        })
    };
    let get = |id: &str, summary: &str| json!({ "get": operation(id, summary, "200") });
    let why = json!({ "type": "object", "properties": { "why": { "type": "string" } } });
    let mut hold = operation("hold", "Observe the router, but send it nothing", "204");
    hold["requestBody"] = json!({ "content": { "application/json": { "schema": why } } });
    let one = json!({
        "parameters": path_params(&["id"]),
        "put": hold,
        "delete": operation("resume", "Go on", "204"),
    });
    let mut holds = get("holds", "Every hold");
    holds["get"]["parameters"] = json!([min_revision()]);
    let mut metrics = get("metrics", "Numbers for Prometheus");
    metrics["get"]["responses"]["200"]["content"] = json!({
        "application/openmetrics-text": { "schema": { "type": "string" } },
    });
    let mut schema = get("schema", "One kind");
    schema["parameters"] = path_params(&["id"]);
    vec![
        ("/sdwan/v1/routers/{id}/fib".into(), fib_report()),
        ("/sdwan/v1/holds".into(), holds),
        ("/sdwan/v1/holds/{id}".into(), one),
        ("/sdwan/v1/tokens".into(), all_tokens()),
        ("/sdwan/v1/tokens/{id}".into(), one_token()),
        ("/sdwan/v1/transaction".into(), transaction()),
        ("/gohan/v0.1/schemas".into(), get("schemas", "The kinds")),
        ("/gohan/v0.1/schemas/{id}".into(), schema),
        ("/gohan/v0.1/version".into(), get("version", "The version")),
        ("/healthz".into(), get("healthz", "The process runs")),
        (
            "/sdwan/v1/cluster".into(),
            get(
                "cluster",
                "The servers that share the store, and their routers",
            ),
        ),
        ("/sdwan/v1/audit".into(), audit()),
        ("/readyz".into(), get("readyz", "The server can work")),
        ("/metrics".into(), metrics),
    ]
}

fn audit() -> Value {
    let parameter = |name: &str, summary: &str, schema: Value| json!({ "name": name, "in": "query", "description": summary, "schema": schema });
    let text = || json!({ "type": "string" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let number = |least: u64| json!({ "type": "integer", "minimum": least });
    let mut limit = number(1);
    limit["maximum"] = super::audit::MOST.into();
    let outcome = json!({ "type": "string", "enum": Outcome::NAMES });
    let body = json!({
        "type": "object",
        "properties": {
            "server": { "type": "string" },
            "entries": { "type": "array", "items": { "type": "object" } },
            "more": { "type": "boolean" },
            "last": { "type": ["integer", "null"] },
        },
        "required": ["server", "entries", "more", "last"],
    });
    json!({ "get": {
        "operationId": "audit",
        "summary": "Who did what on this server, for admins",
        "parameters": [
            parameter("since", "Not before", time()),
            parameter("until", "Not after", time()),
            parameter("caller", "Id or name of who did it", text()),
            parameter("kind", "What kind it was done to", text()),
            parameter("id", "Id or name of what it was done to", text()),
            parameter("outcome", "How it ended", outcome),
            parameter("after", "Only entries with a higher number", number(0)),
            parameter("before", "Only entries with a lower number", number(0)),
            parameter("limit", "The newest so many", limit),
        ],
        "responses": responses(&[("200", "The newest entries that fit, oldest first", Some(body))]),
    } })
}

fn fib_report() -> Value {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let count = json!({ "type": "integer", "minimum": 0, "maximum": fib::MAX_ROUTES });
    let mut version = text(fib::MAX_VERSION);
    version["type"] = json!(["string", "null"]);
    let reason = json!({
        "type": "object",
        "properties": { "reason": text(fib::MAX_REASON), "routes": count },
        "required": ["reason", "routes"],
        "additionalProperties": false,
    });
    let body = json!({
        "type": "object",
        "properties": {
            "gobgpd_version": version,
            "in_step": { "type": "boolean" },
            "wanted": count,
            "installed": count,
            "unresolved": count,
            "since": { "type": "string", "format": "date-time" },
            "reasons": { "type": "array", "maxItems": fib::MAX_REASONS, "items": reason },
        },
        "required": ["in_step", "wanted", "installed", "unresolved", "since", "reasons"],
        "additionalProperties": false,
    });
    json!({
        "parameters": path_params(&["id"]),
        "put": {
            "operationId": "report_fib",
            "summary": "What the router's agent says of the kernel's table",
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": body } },
            },
            "responses": responses(&[("204", "Taken", None)]),
        },
    })
}

fn all_tokens() -> Value {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let time = |null: bool| match null {
        true => json!({ "type": ["string", "null"], "format": "date-time" }),
        false => json!({ "type": "string", "format": "date-time" }),
    };
    let mut tenant = text(tokens::MAX_NAME);
    tenant["type"] = json!(["string", "null"]);
    let mut role = text(tokens::MAX_NAME);
    role["pattern"] = "^[A-Za-z0-9_.-]+$".into();
    let roles = json!({
        "type": "array",
        "items": role,
        "minItems": 1,
        "maxItems": tokens::MAX_ROLES,
    });
    let life = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": tokens::MAX_LIFE });
    let body = json!({
        "type": "object",
        "properties": {
            "name": text(tokens::MAX_NAME),
            "roles": roles,
            "tenant": tenant,
            "expires_in": life,
        },
        "required": ["name", "roles"],
        "additionalProperties": false,
    });
    let shown = json!({
        "type": "object",
        "properties": {
            "id": text(64),
            "name": text(tokens::MAX_NAME),
            "roles": roles,
            "tenant": tenant,
            "created": time(false),
            "created_by": { "type": "string" },
            "expires": time(true),
            "expired": { "type": "boolean" },
        },
        "required": [
            "id", "name", "roles", "tenant", "created", "created_by", "expires", "expired",
        ],
    });
    let mut made = shown.clone();
    made["properties"]["token"] = json!({ "type": "string" });
    let list = json!({
        "type": "object",
        "properties": {
            "tokens": { "type": "array", "items": shown },
            "text": { "type": "string" },
        },
        "required": ["tokens", "text"],
    });
    let made = json!({
        "type": "object",
        "properties": { "token": made },
        "required": ["token"],
    });
    json!({
        "get": {
            "operationId": "tokens",
            "summary": "Every token of the server's own",
            "responses": responses(&[("200", "The tokens, without their secrets", Some(list))]),
        },
        "post": {
            "operationId": "create_token",
            "summary": "Makes a token; this answer alone has it",
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": body } },
            },
            "responses": responses(&[("201", "The token", Some(made))]),
        },
    })
}

fn one_token() -> Value {
    json!({
        "parameters": path_params(&["id"]),
        "delete": {
            "operationId": "revoke_token",
            "summary": "Revokes a token, by its id or its name",
            "responses": responses(&[("204", "Revoked", None)]),
        },
    })
}

fn transaction() -> Value {
    let text = json!({ "type": "string" });
    let change = json!({
        "type": "object",
        "properties": {
            "op": { "enum": ["create", "update", "replace", "delete"] },
            "kind": text,
            "id": text,
            "body": { "type": "object" },
            "parent": text,
            "if_match": { "type": "integer" },
            "cascade": { "type": "boolean" },
        },
        "required": ["op", "kind"],
    });
    let changes = json!({ "type": "array", "items": change });
    let body = json!({ "type": "object", "properties": { "changes": changes } });
    let rows = json!({ "type": "object", "properties": { "rows": { "type": "array" } } });
    json!({
        "post": {
            "operationId": "transaction",
            "summary": "Makes several changes, all or none",
            "parameters": [dry_run()],
            "requestBody": { "content": { "application/json": { "schema": body } } },
            "responses": responses(&[("200", "The rows, in the changes' order", Some(rows))]),
        },
    })
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
