//! The other end of the admin socket.

use crate::base::outside::OneLine;
use crate::cli::command::{complain, fail, tell_json};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an answer may take: an import of a million rows is carried out while somebody waits here.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Prints an answer; all its errors on standard error where it is a bad one.
pub fn answered(answer: Result<(StatusCode, Value), String>) -> ExitCode {
    match answer {
        Ok((status, answer)) => match (tell_json(&answer), status.is_success()) {
            (code, true) => code,
            (_, false) => fail(first_error(&answer)),
        },
        Err(why) => fail(why),
    }
}

/// `result` of a good answer, with its messages.
///
/// # Errors
/// The last error of a bad answer; those before it are on standard error, a line each.
pub fn result(answer: (StatusCode, Value)) -> Result<(Value, Vec<String>), String> {
    let (status, mut answer) = answer;
    if status.is_success() {
        let messages = answer["messages"].as_array().into_iter().flatten();
        let messages = messages.filter_map(|message| message["message"].as_str()).map(str::to_owned);
        return Ok((answer["result"].clone(), messages.collect()));
    }
    let Value::Array(errors) = answer["errors"].take() else { return Err("the answer says no error".into()) };
    let mut lines: Vec<String> = errors.iter().map(error_line).collect();
    let last = lines.pop().unwrap_or_else(|| "the answer says no error".into());
    lines.iter().for_each(complain);
    Err(last)
}

fn first_error(answer: &Value) -> String {
    error_line(&answer["errors"][0])
}

/// An error with its place, on one line.
fn error_line(error: &Value) -> String {
    let place = error["source"]["pointer"].as_str().map(|place| format!("{place}: ")).unwrap_or_default();
    match (error["message"].as_str(), error["code"].as_u64()) {
        (Some(message), Some(code)) => OneLine(format!("{place}{message} ({code})")).to_string(),
        (_, _) => "the answer says no error".into(),
    }
}

/// One request over the admin socket.
///
/// # Errors
/// One line; nobody is known to have answered.
pub fn ask(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<String>,
) -> Result<(StatusCode, Value), String> {
    let method: Method = method.parse().map_err(|_| format!("{method} is no method"))?;
    let request = Request::builder()
        .method(method)
        .uri(format!("/client/v4{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())));
    let request = request.map_err(|error| format!("{path}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let told = |why: String| format!("{}: {why}", socket.display());
    let answered = runtime.block_on(async {
        let exchange = async {
            let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
            let shaken = http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>((status, bytes))
        };
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("no answer in time".into()))
    });
    let (status, bytes) = answered.map_err(told)?;
    let answer =
        serde_json::from_slice(&bytes).map_err(|error| told(format!("the answer is not JSON: {error}")))?;
    Ok((status, answer))
}
