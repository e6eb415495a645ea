//! The API's own OpenAPI document, as the bench reads it: whatever the stand answers is held against it.

use axum::http::{HeaderMap, Method};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

/// Names a file that is told each code met, a line each: `operation status code`.
pub const SEEN: &str = "BYWAY_API_SEEN";
/// In front of every path of the document but the probes.
pub const BASE: &str = "/client/v4";

/// The document.
pub static BOOK: LazyLock<Book> = LazyLock::new(Book::open);

/// The document, read.
pub struct Book {
    /// As it is served.
    pub document: Value,
    /// Its operations.
    pub operations: Vec<Operation>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
    told: Mutex<BTreeSet<String>>,
}

/// An operation of it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `operationId`.
    pub name: String,
    /// Its method.
    pub method: Method,
    /// Its path below the root, parameters in braces.
    pub path: String,
    /// All that is said of it.
    pub words: Value,
}

impl Operation {
    /// Names of the parameters of one place (`path`, `query`), each with its schema.
    pub fn parameters(&self, place: &str) -> Vec<(String, Value)> {
        let all = self.words["parameters"].as_array().expect("a list").iter();
        let of_place = all.filter(|parameter| parameter["in"] == place);
        of_place
            .map(|one| (one["name"].as_str().expect("a name").to_owned(), one["schema"].clone()))
            .collect()
    }

    /// A query of the parameters that it cannot do without.
    pub fn needed(&self) -> String {
        let all = self.words["parameters"].as_array().expect("a list").iter();
        let needed = all.filter(|one| one["in"] == "query" && one["required"] == true);
        let pair = |one: &Value| {
            let word = one["schema"]["enum"][0].as_str().expect("a word");
            format!("{}={word}&", one["name"].as_str().expect("a name"))
        };
        needed.map(pair).collect()
    }

    /// Every code that it may fail with, by status.
    pub fn codes(&self, book: &Book) -> Vec<(u16, u64)> {
        let responses = self.words["responses"].as_object().expect("an object").iter();
        let failures = responses.filter(|(status, _)| !status.starts_with('2'));
        let codes = failures.flat_map(|(status, response)| {
            let schema = book.resolved(&response["content"]["application/json"]["schema"]);
            let codes = schema["properties"]["errors"]["items"]["properties"]["code"]["enum"].clone();
            let codes = codes.as_array().expect("closed codes").clone();
            codes
                .into_iter()
                .map(move |code| (status.parse().expect("a status"), code.as_u64().expect("a number")))
        });
        codes.collect()
    }
}

impl Book {
    fn open() -> Self {
        let document: Value = serde_json::from_slice(&byway::api::openapi_text()).expect("JSON");
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            let base = if item["servers"][0]["url"] == "/" { "" } else { BASE };
            for (method, words) in
                item.as_object().expect("an item").iter().filter(|(key, _)| *key != "servers")
            {
                operations.push(Operation {
                    name: words["operationId"].as_str().expect("a name").to_owned(),
                    method: method.to_ascii_uppercase().parse().expect("a method"),
                    path: format!("{base}{path}"),
                    words: words.clone(),
                });
            }
        }
        Self { document, operations, validators: Mutex::default(), told: Mutex::default() }
    }

    /// The operation of a request; words of a path come before its parameters.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Operation> {
        let fitting = || self.operations.iter().filter(|one| fits(&one.path, path));
        let place = &fitting().min_by_key(|one| one.path.matches('{').count())?.path;
        fitting().find(|one| one.path == *place && one.method == *method)
    }

    /// A schema, or what it refers to.
    pub fn resolved<'b>(&'b self, schema: &'b Value) -> &'b Value {
        match schema["$ref"].as_str() {
            Some(place) => {
                self.document.pointer(place.trim_start_matches('#')).expect("what is referred to is there")
            }
            None => schema,
        }
    }

    /// What is wrong with a value by a schema of the document; nothing where it fits. `key` names the schema.
    fn faults(&self, key: String, schema: &Value, value: &Value) -> Vec<String> {
        let known = self.validators.lock().expect("no panic").get(&key).cloned();
        let validator = known.unwrap_or_else(|| {
            let whole = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": self.document["components"],
                "allOf": [schema],
            });
            let made = jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema");
            self.validators.lock().expect("no panic").entry(key).or_insert(Arc::new(made)).clone()
        });
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// Holds a request that was let through and its answer against the document.
    #[track_caller]
    pub fn hold(
        &self,
        (method, uri, body): (&Method, &axum::http::Uri, &[u8]),
        answer: (u16, &HeaderMap, &[u8]),
    ) {
        let (status, headers, bytes) = answer;
        let asked = format!("{method} {uri}");
        let Some(operation) = self.find(method, uri.path()) else {
            let codes: Value = serde_json::from_slice(bytes).expect("JSON");
            let code = codes["errors"][0]["code"].as_u64();
            // Whoever is not let in is told nothing of paths.
            let shut = matches!(status, 400 | 401 | 429) && matches!(code, Some(9106 | 6003 | 10000 | 10429));
            let nowhere = (status, code) == (404, Some(7003)) || (status, code) == (405, Some(10405));
            assert!(shut || nowhere, "{asked} is answered by {status} and is not in the document");
            return;
        };
        let response = &operation.words["responses"][status.to_string()];
        assert!(response.is_object(), "{asked}: {status} is not documented for {}", operation.name);
        let kind = headers["content-type"].to_str().expect("a text");
        let kind = kind.split(';').next().unwrap_or(kind);
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{asked}: {status} with {kind} is not documented for {}", operation.name);
        if kind == "application/json" {
            let value: Value = serde_json::from_slice(bytes).expect("JSON");
            let faults = self.faults(format!("{} {status}", operation.name), schema, &value);
            assert!(faults.is_empty(), "{asked}: {status} is not as documented: {faults:#?}\n{value:#}");
            self.tell(operation, status, &value);
        }
        if status < 300 {
            self.hold_request(operation, &asked, (uri, body));
        }
    }

    /// What was accepted is documented, too.
    #[track_caller]
    fn hold_request(&self, operation: &Operation, asked: &str, (uri, body): (&axum::http::Uri, &[u8])) {
        let known = operation.parameters("query");
        for (name, _) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
            assert!(known.iter().any(|(key, _)| *key == name), "{asked}: {name} is not documented");
        }
        let schema = &operation.words["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_object() && !body.is_empty() {
            let value: Value = serde_json::from_slice(body).expect("an accepted body is JSON");
            let faults = self.faults(format!("{} body", operation.name), schema, &value);
            assert!(
                faults.is_empty(),
                "{asked}: the body was accepted and is not as documented: {faults:#?}\n{value:#}"
            );
        }
    }

    fn tell(&self, operation: &Operation, status: u16, answer: &Value) {
        let Ok(file) = std::env::var(SEEN) else { return };
        let errors = answer["errors"].as_array().into_iter().flatten();
        for code in errors.filter_map(|error| error["code"].as_u64()) {
            let line = format!("{} {status} {code}\n", operation.name);
            if self.told.lock().expect("no panic").insert(line.clone()) {
                let opened = OpenOptions::new().append(true).create(true).open(&file);
                opened.expect("a file").write_all(line.as_bytes()).expect("written");
            }
        }
    }
}

/// Whether a path is one of a template's.
fn fits(template: &str, path: &str) -> bool {
    let (parts, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    let fit = |(part, want): (&&str, &&str)| part == want || (want.starts_with('{') && !part.is_empty());
    parts.len() == wanted.len() && parts.iter().zip(&wanted).all(fit)
}
