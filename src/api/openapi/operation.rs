//! One operation: method and path, the handler that answers, and what a client has to know.

use super::schema;
use crate::api::code::ApiCode;
use crate::api::office::Office;
use crate::api::query::{PAGE_MAX, PER_PAGE_MAX};
use crate::control::config::tables::Code;
use crate::estate::{Level, Permission};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One operation of the API.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path below `/client/v4`, parameters in braces.
    pub path: &'static str,
    /// `operationId`: what SDKs call it.
    pub name: &'static str,
    /// What it does, on one line.
    pub summary: &'static str,
    /// What a caller must hold.
    pub want: Want,
    /// Parameters of the path that are no ids.
    pub places: BTreeMap<&'static str, Value>,
    /// Parameters of the query.
    pub query: Vec<(&'static str, Value)>,
    /// Those of them that must be there.
    pub needed: BTreeSet<&'static str>,
    /// The body: its media type, its schema, and whether there must be one.
    pub body: Option<(&'static str, Value, bool)>,
    /// What a good answer is.
    pub reply: Reply,
    /// Codes of failures by status.
    pub failures: BTreeMap<u16, BTreeSet<u32>>,
    /// Who answers.
    pub handler: MethodRouter<Arc<Office>>,
}

/// What a caller must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// No credentials at all.
    Nothing,
    /// Any credentials; what they do not reach is not in the answer.
    Credentials,
    /// A group over the zone or account of the path.
    There(Permission, Level),
    /// A group over anything.
    Anywhere(Permission, Level),
    /// A group, for writing, over the whole box.
    Box(Permission),
    /// The same, and every group over the accounts of the user of the path.
    BoxAndAll(Permission),
    /// The admin socket.
    Socket,
}

/// What a good answer is.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// An envelope around `result`.
    Result(u16, Value),
    /// An envelope around `result`, with `timing`.
    Timed(Value),
    /// An envelope around a list, with `result_info`.
    Page(Value),
    /// Bytes of this media type.
    File(&'static str),
    /// JSON without an envelope.
    Plain(Value),
}

/// A number of one of the two tables of codes.
pub trait Numbered: Copy {
    /// The number.
    fn number(self) -> u32;
}

impl Numbered for ApiCode {
    fn number(self) -> u32 {
        self.number()
    }
}

impl Numbered for Code {
    fn number(self) -> u32 {
        self.number()
    }
}

impl Operation {
    /// Looks.
    pub fn get<H: Handler<T, Arc<Office>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::GET, path, on(MethodFilter::GET, handler))
    }

    /// Makes, or does.
    pub fn post<H: Handler<T, Arc<Office>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::POST, path, on(MethodFilter::POST, handler)).changes()
    }

    /// Replaces.
    pub fn put<H: Handler<T, Arc<Office>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::PUT, path, on(MethodFilter::PUT, handler)).changes()
    }

    /// Merges.
    pub fn patch<H: Handler<T, Arc<Office>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::PATCH, path, on(MethodFilter::PATCH, handler)).changes()
    }

    /// Removes.
    pub fn delete<H: Handler<T, Arc<Office>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::DELETE, path, on(MethodFilter::DELETE, handler)).changes()
    }

    /// With what every operation may fail with: credentials, rates, an unknown parameter, an id that is none, a body that
    /// is too large, byway's own faults.
    fn new(method: Method, path: &'static str, handler: MethodRouter<Arc<Office>>) -> Self {
        let operation = Self {
            method,
            path,
            name: "",
            summary: "",
            want: Want::Credentials,
            places: BTreeMap::new(),
            query: Vec::new(),
            needed: BTreeSet::new(),
            body: None,
            reply: Reply::Result(200, schema::only(Value::Null)),
            failures: BTreeMap::new(),
            handler,
        };
        let operation = operation
            .fails(400, &[ApiCode::NoCredentials, ApiCode::BadHeaders, ApiCode::BadQuery])
            .fails(401, &[ApiCode::Authentication])
            .fails(408, &[ApiCode::BadJson])
            .fails(413, &[ApiCode::TooLarge])
            .fails(429, &[ApiCode::TooMany])
            .fails(500, &[ApiCode::Internal])
            .fails(503, &[ApiCode::Internal]);
        match path.contains('{') {
            true => operation.fails(404, &[ApiCode::NoRoute]),
            false => operation,
        }
    }

    /// Says what would happen where that is wanted. A change may go over a limit of the tables.
    fn changes(self) -> Self {
        self.asks("dry_run", schema::flag()).fails(400, &[ApiCode::BadField])
    }

    /// Its name and what it does.
    #[must_use]
    pub fn named(self, name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, ..self }
    }

    /// What a caller must hold.
    #[must_use]
    pub fn wants(self, want: Want) -> Self {
        match want {
            Want::Nothing | Want::Credentials => Self { want, ..self },
            Want::There(..) | Want::Anywhere(..) | Want::Box(_) | Want::BoxAndAll(_) | Want::Socket => {
                Self { want, ..self.fails(403, &[ApiCode::Unauthorized]) }
            }
        }
    }

    /// A parameter of the path that is no id.
    #[must_use]
    pub fn at(mut self, name: &'static str, schema: Value) -> Self {
        self.places.insert(name, schema);
        self
    }

    /// A parameter of the query.
    #[must_use]
    pub fn asks(mut self, name: &'static str, schema: Value) -> Self {
        self.query.push((name, schema));
        self
    }

    /// A parameter of the query that must be there.
    #[must_use]
    pub fn needs(mut self, name: &'static str, schema: Value) -> Self {
        self.needed.insert(name);
        self.asks(name, schema)
    }

    /// Whatever it does is done: there is no `dry_run`.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.query.retain(|(name, _)| *name != "dry_run");
        self
    }

    /// `direction`.
    #[must_use]
    pub fn directed(self) -> Self {
        self.asks("direction", schema::word(["asc", "desc"]))
    }

    /// A JSON body that must be there.
    #[must_use]
    pub fn takes(mut self, body: Value) -> Self {
        self.body = Some(("application/json", body, true));
        self.fails(400, &[ApiCode::BadJson, ApiCode::BadField])
    }

    /// A JSON body that may be left out.
    #[must_use]
    pub fn may_take(mut self, body: Value) -> Self {
        self.body = Some(("application/json", body, false));
        self.fails(400, &[ApiCode::BadJson, ApiCode::BadField])
    }

    /// A form.
    #[must_use]
    pub fn takes_form(mut self, form: Value) -> Self {
        self.body = Some(("multipart/form-data", form, true));
        self
    }

    /// 200 with `result`.
    #[must_use]
    pub fn answers(self, result: Value) -> Self {
        Self { reply: Reply::Result(200, result), ..self }
    }

    /// 200 with `result` and `timing`.
    #[must_use]
    pub fn answers_timed(self, result: Value) -> Self {
        Self { reply: Reply::Timed(result), ..self }
    }

    /// 201 with `result`.
    #[must_use]
    pub fn creates(self, result: Value) -> Self {
        Self { reply: Reply::Result(201, result), ..self }
    }

    /// 200 with a page of a list, by `page` and `per_page`.
    #[must_use]
    pub fn pages(self, row: Value) -> Self {
        let per_page = schema::whole(1, PER_PAGE_MAX as i64);
        let operation = self.asks("page", schema::whole(1, PAGE_MAX as i64)).asks("per_page", per_page);
        Self { reply: Reply::Page(row), ..operation }
    }

    /// 200 with a file.
    #[must_use]
    pub fn downloads(self, media_type: &'static str) -> Self {
        Self { reply: Reply::File(media_type), ..self }
    }

    /// 200 with JSON that is no envelope.
    #[must_use]
    pub fn answers_plain(self, schema: Value) -> Self {
        Self { reply: Reply::Plain(schema), ..self }
    }

    /// Codes that it may fail with.
    #[must_use]
    pub fn fails<C: Numbered>(mut self, status: u16, codes: &[C]) -> Self {
        let known = self.failures.entry(status).or_default();
        known.extend(codes.iter().map(|code| code.number()));
        self
    }
}
