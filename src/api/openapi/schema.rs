//! Schemas (JSON Schema 2020-12, as OpenAPI 3.1 has them) by a few words. A schema with a name is written once, among the
//! document's components, and referred to everywhere else.

use serde_json::{Map, Value, json};

/// The key by which a schema carries its name until the document is made.
pub const NAME: &str = "title";

/// Gives a schema a name of its own; two schemas never share one.
pub fn named(name: &str, mut schema: Value) -> Value {
    schema[NAME] = name.into();
    schema
}

/// An object of replies: these fields, all of them, and `optional` ones; no others.
pub fn object<const R: usize, const O: usize>(
    required: [(&str, Value); R],
    optional: [(&str, Value); O],
) -> Value {
    let mut schema = open(required, optional);
    schema["additionalProperties"] = false.into();
    schema
}

/// An object of requests: fields that are unknown are dropped. `null` is a field that was left out.
pub fn body<const R: usize, const O: usize>(
    required: [(&str, Value); R],
    optional: [(&str, Value); O],
) -> Value {
    open(required, optional.map(|(key, schema)| (key, or_null(schema))))
}

fn open<const R: usize, const O: usize>(required: [(&str, Value); R], optional: [(&str, Value); O]) -> Value {
    let mut schema = json!({ "type": "object" });
    if R > 0 {
        schema["required"] = required.iter().map(|(key, _)| *key).collect();
    }
    let fields = required.into_iter().chain(optional);
    schema["properties"] = fields.map(|(key, schema)| (key.to_owned(), schema)).collect::<Map<_, _>>().into();
    schema
}

/// With words for people.
pub fn described(text: &str, mut schema: Value) -> Value {
    schema["description"] = text.into();
    schema
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A list of so many items.
pub fn list_of(items: Value, (min, max): (usize, usize)) -> Value {
    json!({ "type": "array", "items": items, "minItems": min, "maxItems": max })
}

/// `null`, too.
pub fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// One of several.
pub fn any_of<const N: usize>(schemas: [Value; N]) -> Value {
    json!({ "anyOf": schemas.to_vec() })
}

/// Always this.
pub fn only(value: impl Into<Value>) -> Value {
    json!({ "const": value.into() })
}

/// One of some words.
pub fn word<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// True or false.
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number from `low` to `high`.
pub fn whole(low: i64, high: i64) -> Value {
    json!({ "type": "integer", "minimum": low, "maximum": high })
}

/// A whole number from 0 on.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// Any text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

/// A text of at least one letter.
pub fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A text of at least one letter and at most so many.
pub fn short_text(max: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": max })
}

/// A text that fits a regular expression (ECMA-262).
pub fn pattern(expression: &str) -> Value {
    json!({ "type": "string", "pattern": expression })
}

/// An id: 32 lower-case hex digits.
pub fn id() -> Value {
    named("Id", pattern("^[0-9a-f]{32}$"))
}

/// A time, RFC 3339 with microseconds and `Z`.
pub fn stamp() -> Value {
    let expression = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$";
    let mut schema = pattern(expression);
    schema["format"] = "date-time".into();
    named("Stamp", schema)
}

/// An IPv4 or IPv6 address.
pub fn address() -> Value {
    named("Address", json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }))
}

/// A range of addresses.
pub fn cidr() -> Value {
    named("Cidr", pattern("^[0-9a-fA-F:.]+/[0-9]{1,3}$"))
}

/// `{"id"}`, as most deletions answer.
pub fn id_alone() -> Value {
    named("Deleted", object([("id", id())], []))
}
