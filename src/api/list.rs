//! A list as an answer: written as fast as its client reads, however long it is. What is kept for a client is a handle of
//! each row that it has yet to get, from one estate, so that the rows fit each other whatever is changed meanwhile.
//!
//! ```text
//!  rows (an Arc each) --one at a time--> JSON --> chunk of 32 KiB --> connection, when it has sent the last one
//! ```
//!
//! Never holds a lock while a client reads, and never the JSON of more than a chunk and a row.

use super::answer::Failure;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A chunk is sent once it is as long, in bytes: at most this and one row are written ahead of the client.
pub const CHUNK_BYTES: usize = 32 << 10;
/// How long a client may take nothing of a list before its rows are given up.
const TAKE_PATIENCE: Duration = Duration::from_secs(60);

/// Rows of one page, and `result_info`.
pub struct List {
    rows: Box<dyn Iterator<Item = Value> + Send>,
    info: Value,
}

/// What a call for a list answers.
pub type Listed = Result<List, Failure>;

impl List {
    /// Of rows that are written when their turn comes.
    pub fn new(rows: impl Iterator<Item = Value> + Send + 'static, info: Value) -> Self {
        Self { rows: Box::new(rows), info }
    }

    fn respond(self, patience: Duration) -> Response {
        let mut comma = "";
        let rows = self.rows.map(move |row| format!("{}{row}", std::mem::replace(&mut comma, ",")));
        let begin = std::iter::once(r#"{"success":true,"errors":[],"messages":[],"result":["#.to_owned());
        let end = std::iter::once(format!("],\"result_info\":{}}}", self.info));
        respond(Box::new(begin.chain(rows).chain(end)), "application/json", patience)
    }
}

/// A text of this type whose parts are written when their turn comes.
pub fn streamed(parts: impl Iterator<Item = String> + Send + 'static, kind: &'static str) -> Response {
    respond(Box::new(parts), kind, TAKE_PATIENCE)
}

fn respond(parts: Parts, kind: &'static str, patience: Duration) -> Response {
    let mut pen = Pen { parts: Some(parts) };
    let first = pen.chunk();
    let body = match pen.is_done() {
        true => Body::from(first),
        false => Body::new(Chunks::begin(first, pen, patience)),
    };
    (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

impl IntoResponse for List {
    fn into_response(self) -> Response {
        self.respond(TAKE_PATIENCE)
    }
}

/// What a text is made of.
type Parts = Box<dyn Iterator<Item = String> + Send>;

/// Writes a text.
struct Pen {
    /// Until the end is written.
    parts: Option<Parts>,
}

impl Pen {
    fn is_done(&self) -> bool {
        self.parts.is_none()
    }

    /// The next part of the text; empty after its end.
    fn chunk(&mut self) -> Bytes {
        let mut text = String::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        while text.len() < CHUNK_BYTES
            && let Some(parts) = &mut self.parts
        {
            match parts.next() {
                Some(part) => text.push_str(&part),
                None => self.parts = None,
            }
        }
        text.shrink_to_fit();
        Bytes::from(text)
    }
}

/// The body of a list that is longer than a chunk.
struct Chunks {
    /// Empty: the client took nothing for too long.
    pen: Arc<Mutex<Option<Pen>>>,
    first: Option<Bytes>,
    taken: Arc<Notify>,
    guard: AbortHandle,
    /// Others have their turn before the next chunk is written.
    rests: bool,
    is_done: bool,
}

impl Chunks {
    /// A connection that does not send asks for no chunk and cannot be told that it takes too long: a guard beside it gives
    /// the rows up.
    fn begin(first: Bytes, pen: Pen, patience: Duration) -> Self {
        let (pen, taken) = (Arc::new(Mutex::new(Some(pen))), Arc::new(Notify::new()));
        let (watched, takes) = (pen.clone(), taken.clone());
        let guard = tokio::spawn(async move {
            while timeout(patience, takes.notified()).await.is_ok() {}
            drop(watched.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        Self { pen, first: Some(first), taken, guard: guard.abort_handle(), rests: false, is_done: false }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.guard.abort();
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if this.is_done {
            return Poll::Ready(None);
        }
        // A client that reads as fast as it is written to must not keep the thread to itself.
        this.rests = !this.rests;
        if this.rests {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.taken.notify_one();
        let mut pen = this.pen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pen) = pen.as_mut() else {
            this.is_done = true;
            return Poll::Ready(Some(Err("the client took nothing of a list for too long")));
        };
        let chunk = pen.chunk();
        this.is_done = pen.is_done();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_done && self.first.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use serde_json::json;
    use std::cell::Cell;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Rows of a hundred bytes.
    fn row(number: usize) -> Value {
        json!({ "number": number, "text": "x".repeat(78) })
    }

    /// A list of `rows` rows, and what tells how many were written, and with whom the handles go.
    fn list(rows: usize) -> (List, Arc<Mutex<usize>>, Arc<()>) {
        let (written, held) = (Arc::new(Mutex::new(0)), Arc::new(()));
        let (count, handle) = (written.clone(), held.clone());
        let rows = (0..rows).map(move |number| {
            let _ = &handle;
            *count.lock().expect("no panic") += 1;
            row(number)
        });
        (List::new(rows, json!({ "page": 1 })), written, held)
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test)
    }

    /// Lets everything else go on until it can go on no more.
    async fn settle() {
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_short_list_has_its_length_and_a_long_one_is_the_same_envelope_in_chunks() {
        for (rows, is_whole) in [(0, true), (1, true), (300, true), (330, false), (5_000, false)] {
            run(async {
                let (list, ..) = list(rows);
                let mut body = list.into_response().into_body();
                assert_eq!(HttpBody::size_hint(&body).exact().is_some(), is_whole, "{rows}");
                let mut text = Vec::new();
                while let Some(frame) = body.frame().await {
                    let data = frame.expect("no error").into_data().expect("data");
                    assert!(data.len() <= CHUNK_BYTES + 200, "{rows}: a chunk of {}", data.len());
                    text.extend_from_slice(&data);
                }
                let all: Vec<Value> = (0..rows).map(row).collect();
                let whole = json!({ "success": true, "errors": [], "messages": [], "result": all, "result_info": { "page": 1 } });
                assert_eq!(String::from_utf8(text).expect("text"), whole.to_string());
            });
        }
    }

    #[test]
    fn nothing_is_written_beyond_a_chunk_ahead_of_a_client_that_does_not_read() {
        run(async {
            let (list, written, held) = list(1_000_000);
            let (mut client, server) = tokio::io::duplex(16 << 10);
            let one = Cell::new(Some(list));
            let service = hyper::service::service_fn(move |_| {
                let response = one.take().map(IntoResponse::into_response);
                async { Ok::<_, &str>(response.unwrap_or_default()) }
            });
            let io = hyper_util::rt::TokioIo::new(server);
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.max_buf_size(CHUNK_BYTES);
            let serving = builder.serve_connection(io, service);
            let client = async move {
                client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("asked");
                settle().await;
                let ahead = *written.lock().expect("no panic");
                // A pipe of half a chunk, the connection's buffer, and a chunk behind it.
                assert!((100..=3 * CHUNK_BYTES / 100).contains(&ahead), "{ahead} rows ahead");
                settle().await;
                assert_eq!(*written.lock().expect("no panic"), ahead, "and no more of them");
                let mut read = vec![0; 1 << 20];
                client.read_exact(&mut read).await.expect("a megabyte");
                settle().await;
                let then = *written.lock().expect("no panic");
                assert!(then > ahead && then <= ahead + (1 << 20) / 100 + 1, "{then} rows after a megabyte");
                assert_eq!(Arc::strong_count(&held), 2, "the list holds its handles");
                drop(client);
                settle().await;
                held
            };
            let (served, held) = tokio::join!(serving, client);
            drop(served);
            assert_eq!(Arc::strong_count(&held), 1, "who goes away frees what was kept");
        });
    }

    #[test]
    fn a_client_that_takes_nothing_for_too_long_has_its_rows_given_up() {
        run(async {
            let (list, _, held) = list(5_000);
            let mut body = list.respond(Duration::from_millis(1)).into_body();
            while Arc::strong_count(&held) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(body.frame().await.is_some_and(|first| first.is_ok()), "what was written already");
            let cut = body.frame().await.expect("one more").expect_err("cut");
            assert!(cut.to_string().contains("took nothing"), "{cut}");
            assert!(body.frame().await.is_none());
        });
    }
}
