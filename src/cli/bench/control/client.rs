//! A client of the API as scripts are: HTTP/1.1 over one connection that is kept, one request after another.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The client.
pub struct Client {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(to: SocketAddr, token: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned() })
    }

    /// Asks, and takes `result` of the answer.
    ///
    /// # Panics
    /// Where the answer is no success: a bench of refusals is worth nothing.
    pub fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let text = format!(
            "{method} /client/v4{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(text.as_bytes()).expect("the API reads");
        let (status, answer) = self.answer().expect("the API answers");
        assert!(status.contains(" 200 "), "{method} {path}: {status}: {answer}");
        let mut answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        answer["result"].take()
    }

    fn answer(&mut self) -> std::io::Result<(String, String)> {
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut len = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok((status.trim_end().to_owned(), String::from_utf8_lossy(&body).into_owned()))
    }
}
