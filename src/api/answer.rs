//! The v4 envelope: `success`, `errors`, `messages`, `result`, always all four, and `result_info` of lists.

use super::code::ApiCode;
use crate::base::outside::OneLine;
use crate::control::config::tables::{Code, Message, TableError, TableErrors};
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Errors of one answer at most; a table file may have a thousand.
pub const ERRORS_MAX: usize = 50;

/// A good answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Success {
    /// 200, or 201 where the record says so.
    pub status: StatusCode,
    /// `result`; `None` answers the bare envelope of some deletions, without that key.
    pub result: Option<Value>,
    /// `result_info`.
    pub info: Option<Value>,
    /// `messages`.
    pub messages: Vec<String>,
    /// `timing`: what Cloudflare says of a long call beside its result.
    pub timing: Option<Value>,
}

/// One thing wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorItem {
    /// The number.
    pub code: u32,
    /// What is wrong and what would be right, on one line.
    pub message: String,
    /// Where in the body: a JSON pointer.
    pub pointer: Option<String>,
    /// What lies behind it (`error_chain`).
    pub chain: Vec<(u32, String)>,
}

/// A bad answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The status, which picks the exception of an SDK.
    pub status: StatusCode,
    /// At least one.
    pub errors: Vec<ErrorItem>,
    /// When to come again, in seconds.
    pub retry_after_s: Option<u32>,
}

/// What a call answers.
pub type Answer = Result<Success, Failure>;

impl Success {
    /// 200 with `result`.
    pub fn of(result: impl Into<Value>) -> Self {
        Self {
            status: StatusCode::OK,
            result: Some(result.into()),
            info: None,
            messages: Vec::new(),
            timing: None,
        }
    }

    /// 200 without `result`.
    pub const fn bare() -> Self {
        Self { status: StatusCode::OK, result: None, info: None, messages: Vec::new(), timing: None }
    }

    /// With messages.
    #[must_use]
    pub fn saying(mut self, messages: Vec<String>) -> Self {
        self.messages.extend(messages);
        self
    }

    /// With another status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl ErrorItem {
    /// Without a place.
    pub fn new(code: ApiCode, message: impl Into<String>) -> Self {
        Self { code: code.number(), message: message.into(), pointer: None, chain: Vec::new() }
    }

    /// About a field.
    pub fn at(code: u32, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), pointer: Some(pointer.into()), chain: Vec::new() }
    }
}

impl Failure {
    /// One error.
    pub fn new(status: StatusCode, code: ApiCode, message: impl Into<String>) -> Self {
        Self::of(status, ErrorItem::new(code, message))
    }

    /// One error.
    pub fn of(status: StatusCode, error: ErrorItem) -> Self {
        Self { status, errors: vec![error], retry_after_s: None }
    }

    /// 400 about a field of the body.
    pub fn field(code: u32, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, ErrorItem::at(code, pointer, message))
    }

    /// 404: there is none for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ApiCode::NotFound, format!("there is no such {what}"))
    }

    /// 403.
    pub fn unauthorized(wanted: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ApiCode::Unauthorized, wanted)
    }

    /// Under another number.
    #[must_use]
    pub fn with_code(mut self, code: ApiCode) -> Self {
        self.errors.iter_mut().for_each(|error| error.code = code.number());
        self
    }

    /// 503 with `retry-after`.
    pub fn unavailable(why: impl Into<String>) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, ApiCode::Internal, why);
        Self { retry_after_s: Some(5), ..failure }
    }
}

impl From<TableErrors> for Failure {
    /// What is not enabled is told alone: it is 403, and the rest is no question then.
    fn from(mut errors: TableErrors) -> Self {
        let is_disabled = |error: &TableError| error.code == Some(Code::Ftp);
        let mut status = StatusCode::BAD_REQUEST;
        if errors.list.iter().any(is_disabled) {
            status = StatusCode::FORBIDDEN;
            errors.list.retain(is_disabled);
            errors.more = 0;
        }
        let all = errors.list.len() + errors.more;
        let item = |error: TableError| match (error.code, error.line) {
            (Some(code), _) => ErrorItem::at(code.number(), error.pointer, error.text),
            (None, Some(_)) => ErrorItem::new(ApiCode::BadJson, error.text),
            (None, None) => ErrorItem::at(ApiCode::BadField.number(), error.pointer, error.text),
        };
        let mut list: Vec<ErrorItem> = errors.list.into_iter().take(ERRORS_MAX).map(item).collect();
        if all > list.len() {
            list.push(ErrorItem::new(
                ApiCode::BadField,
                format!("and {} more things wrong", all - list.len()),
            ));
        }
        Self { status, errors: list, retry_after_s: None }
    }
}

/// Words of a reader as messages. The place of an unknown field bears its key as it came.
pub fn said(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| OneLine(message).to_string()).collect()
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        let messages = self.messages.into_iter().map(|message| json!({ "code": 1000, "message": message }));
        let mut body = Map::new();
        body.insert("success".into(), true.into());
        body.insert("errors".into(), json!([]));
        body.insert("messages".into(), messages.collect());
        body.insert("result".into(), self.result.unwrap_or(Value::Null));
        if let Some(info) = self.info {
            body.insert("result_info".into(), info);
        }
        if let Some(timing) = self.timing {
            body.insert("timing".into(), timing);
        }
        (self.status, Json(Value::Object(body))).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let errors = self.errors.into_iter().map(|error| {
            let mut item = json!({ "code": error.code, "message": error.message });
            if let Some(pointer) = error.pointer.filter(|pointer| !pointer.is_empty()) {
                item["source"] = json!({ "pointer": pointer });
            }
            if !error.chain.is_empty() {
                let chain = error.chain.into_iter();
                item["error_chain"] =
                    chain.map(|(code, message)| json!({"code": code, "message": message})).collect();
            }
            item
        });
        let body =
            json!({ "success": false, "errors": errors.collect::<Value>(), "messages": [], "result": null });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        // Clients try 409, 429 and 5xx again by themselves; nothing else is worth it.
        let again = self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error();
        let again = HeaderValue::from_static(if again { "true" } else { "false" });
        response.headers_mut().insert(HeaderName::from_static("x-should-retry"), again);
        response
    }
}
