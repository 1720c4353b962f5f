//! The paths that are the server's own, whatever kinds there are.

use super::parts::{dry_run, min_revision, path_params, query, responses};
use crate::api::{fib, tokens};
use crate::audit::Outcome;
use sdwan_model::schema::Kind;
use serde_json::{Value, json};

pub(super) fn of_routers(router: &Kind) -> Vec<(String, Value)> {
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

pub(super) fn of_the_server() -> Vec<(String, Value)> {
    let operation = |id: &str, summary: &str, code: &str| {
        let body = (code == "200").then(|| json!({}));
        json!({
            "operationId": id,
            "summary": summary,
            "responses": responses(&[(code, summary, body)]),
        })
    };
    let get = |id: &str, summary: &str| json!({ "get": operation(id, summary, "200") });
    let probe = |id: &str, summary: &str| {
        let mut open = get(id, summary);
        open["get"]["security"] = json!([]);
        open
    };
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
        ("/healthz".into(), probe("healthz", "The process runs")),
        (
            "/sdwan/v1/cluster".into(),
            get(
                "cluster",
                "The servers that share the store, and their routers",
            ),
        ),
        ("/sdwan/v1/audit".into(), audit()),
        ("/readyz".into(), probe("readyz", "The server can work")),
        ("/metrics".into(), metrics),
    ]
}

fn audit() -> Value {
    let parameter = |name: &str, summary: &str, schema: Value| json!({ "name": name, "in": "query", "description": summary, "schema": schema });
    let text = || json!({ "type": "string" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let number = |least: u64| json!({ "type": "integer", "minimum": least });
    let mut limit = number(1);
    limit["maximum"] = crate::api::audit::MOST.into();
    let outcome = json!({ "type": "string", "enum": Outcome::NAMES });
    let body = json!({
        "type": "object",
        "properties": {
            "server": { "type": "string" },
            "entries": { "type": "array", "items": { "type": "object" } },
            "more": { "type": "boolean" },
            "last": { "type": ["integer", "null"] },
            "others": { "type": "array", "items": { "type": "object" } },
        },
        "required": ["server", "entries", "more", "last", "others"],
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
