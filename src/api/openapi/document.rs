//! The list of operations -> the OpenAPI 3.1 document. Named schemas are written once, among the components.

use super::operation::{Operation, Reply, Want};
use super::schema::{self, NAME};
use crate::api::operations;
use crate::estate::Level;
use axum::body::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What stands in front of paths that are not below the root.
const BASE: &str = "/client/v4";

/// The document of every operation, as it is served.
pub fn served() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document(&operations::all()).to_string().into());
    TEXT.clone()
}

/// The document of some operations.
fn document(operations: &[Operation]) -> Value {
    let mut components = Map::new();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let item = paths.entry(operation.path).or_insert_with(|| path_item(operation));
        let method = operation.method.as_str().to_ascii_lowercase();
        item[method] = hoisted(described(operation), &mut components);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "byway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Spectrum apps, addressing and access rules of an edge, in the shape of Cloudflare's API v4.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": BASE }],
        "security": [{ "token": [] }, { "email": [], "key": [] }, { "service_key": [] }],
        "paths": paths,
        "components": { "securitySchemes": security(), "headers": headers(), "schemas": components },
    })
}

/// What byway serves beside `/client/v4` has a server of its own.
fn path_item(operation: &Operation) -> Value {
    match operation.want {
        Want::Nothing => json!({ "servers": [{ "url": "/" }] }),
        Want::Credentials
        | Want::There(..)
        | Want::Anywhere(..)
        | Want::Box(_)
        | Want::BoxAndAll(_)
        | Want::Socket => json!({}),
    }
}

fn security() -> Value {
    let header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    json!({
        "token": { "type": "http", "scheme": "bearer" },
        "email": header("X-Auth-Email"),
        "key": header("X-Auth-Key"),
        "service_key": header("X-Auth-User-Service-Key"),
    })
}

fn headers() -> Value {
    json!({
        "Ratelimit": { "description": "Requests that are left, and seconds until the next window; not over the admin socket.", "schema": schema::text() },
        "Ratelimit-Policy": { "description": "Requests of a window, and its length in seconds.", "schema": schema::text() },
        "Retry-After": { "description": "When to come again, in seconds.", "schema": schema::count() },
        "X-Should-Retry": { "description": "Whether the same request may fare better later.", "schema": schema::word(["true", "false"]) },
        "WWW-Authenticate": { "description": "What kind of credentials is wanted.", "schema": schema::only("Bearer") },
    })
}

fn described(operation: &Operation) -> Value {
    let mut object = json!({
        "operationId": operation.name,
        "summary": operation.summary,
        "description": wanted(operation.want),
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    if let Some((media_type, body, required)) = &operation.body {
        object["requestBody"] =
            json!({ "required": required, "content": { *media_type: { "schema": body } } });
    }
    if operation.want == Want::Nothing {
        object["security"] = json!([]);
    }
    object
}

fn wanted(want: Want) -> String {
    let level = |level| match level {
        Level::Read => "Read",
        Level::Write => "Write",
    };
    match want {
        Want::Nothing => "Wants no credentials.".into(),
        Want::Credentials => "Wants credentials; the answer holds what they reach.".into(),
        Want::There(group, at) => {
            format!("Wants {} {} over the zone or account of the path.", group.name(), level(at))
        }
        Want::Anywhere(group, at) => format!("Wants {} {} over anything.", group.name(), level(at)),
        Want::Box(group) => format!("Wants {} Write over the whole box.", group.name()),
        Want::BoxAndAll(group) => format!(
            "Wants {} Write over the whole box, and every group over the user's accounts.",
            group.name()
        ),
        Want::Socket => "Wants the admin socket.".into(),
    }
}

fn parameters(operation: &Operation) -> Value {
    let names = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let places = names.map(|name| {
        let schema = operation.places.get(name).cloned().unwrap_or_else(schema::id);
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let query = operation.query.iter().map(|(name, schema)| {
        let needed = operation.needed.contains(name);
        json!({ "name": name, "in": "query", "required": needed, "schema": schema })
    });
    places.chain(query).collect()
}

fn responses(operation: &Operation) -> Value {
    let (status, content) = match &operation.reply {
        Reply::Result(status, result) => (*status, json_content(success(result.clone(), None))),
        Reply::Timed(result) => (200, json_content(success(result.clone(), Some(("timing", timing()))))),
        Reply::Page(row) => {
            let info = Some(("result_info", result_info()));
            (200, json_content(success(schema::list(row.clone()), info)))
        }
        Reply::File(media_type) => {
            (200, json!({ *media_type: { "schema": { "type": "string", "format": "binary" } } }))
        }
        Reply::Plain(schema) => (200, json_content(schema.clone())),
    };
    let is_open = operation.want == Want::Nothing;
    let limits: &[&str] = if is_open { &[] } else { &["Ratelimit", "Ratelimit-Policy"] };
    let mut all = Map::new();
    all.insert(status.to_string(), response("Done.", (content, limits)));
    for (status, codes) in &operation.failures {
        let more: &[&str] = match status {
            401 => &["WWW-Authenticate", "X-Should-Retry"],
            429 | 503 => &["Retry-After", "X-Should-Retry"],
            _ => &["X-Should-Retry"],
        };
        all.insert(status.to_string(), response(reason(*status), (json_content(failure(codes)), more)));
    }
    all.into()
}

fn json_content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn response(description: &str, (content, headers): (Value, &[&str])) -> Value {
    let header =
        |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let headers: Map<String, Value> = headers.iter().map(header).collect();
    json!({ "description": description, "headers": headers, "content": content })
}

const fn reason(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong, or does not go with things as they stand.",
        401 => "The credentials are wrong, expired or revoked.",
        403 => "The credentials are good and do not reach this, or a quota is used up.",
        404 => "There is none for this caller.",
        408 => "The body did not come in time.",
        413 => "The body is too large.",
        429 => "Too many requests.",
        500 => "byway's own fault; its log says more.",
        503 => "Not now; nothing was changed.",
        _ => "Failed.",
    }
}

/// The envelope; `beside`: one more key of it.
fn success(result: Value, beside: Option<(&str, Value)>) -> Value {
    let message = schema::named(
        "Message",
        schema::object([("code", schema::count()), ("message", schema::text())], []),
    );
    let mut envelope = schema::object(
        [
            ("success", schema::only(true)),
            ("errors", schema::list_of(schema::text(), (0, 0))),
            ("messages", schema::list(message)),
            ("result", result),
        ],
        [],
    );
    if let Some((key, schema)) = beside {
        envelope["properties"][key] = schema;
        envelope["required"] = json!(["success", "errors", "messages", "result", key]);
    }
    envelope
}

fn result_info() -> Value {
    let fields = ["page", "per_page", "count", "total_count", "total_pages"];
    schema::named("ResultInfo", schema::object(fields.map(|field| (field, schema::count())), []))
}

fn timing() -> Value {
    let seconds = schema::described("seconds", json!({ "type": "number", "minimum": 0 }));
    let times = [("start_time", schema::stamp()), ("end_time", schema::stamp()), ("process_time", seconds)];
    schema::named("Timing", schema::object(times, []))
}

fn failure(codes: &BTreeSet<u32>) -> Value {
    let text: Vec<String> = codes.iter().map(u32::to_string).collect();
    let item = schema::object(
        [("code", json!({ "type": "integer", "enum": codes })), ("message", schema::some_text())],
        [
            ("source", schema::object([("pointer", schema::pattern("^/"))], [])),
            (
                "error_chain",
                schema::list(schema::object([("code", schema::count()), ("message", schema::text())], [])),
            ),
        ],
    );
    let envelope = schema::object(
        [
            ("success", schema::only(false)),
            ("errors", schema::list_of(item, (1, 256))),
            ("messages", schema::list_of(schema::text(), (0, 0))),
            ("result", schema::only(Value::Null)),
        ],
        [],
    );
    schema::named(&format!("Failure_{}", text.join("_")), envelope)
}

/// Moves named schemas to the components; what stands in their place refers to them.
fn hoisted(value: Value, components: &mut Map<String, Value>) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| hoisted(item, components)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, field)| (key, hoisted(field, components)));
            let mut fields: Map<String, Value> = fields.collect();
            let Some(name) = fields.get(NAME).and_then(Value::as_str).map(str::to_owned) else {
                return fields.into();
            };
            fields.shift_remove(NAME);
            let kept = components.entry(name.as_str()).or_insert_with(|| Value::Object(fields.clone()));
            assert_eq!(*kept, Value::Object(fields), "two schemas are called {name}");
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
