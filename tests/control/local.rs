//! Bounds of the control socket, before a control loop that answers everything.

use byway::control::ControlSocket;
use byway::control::desk::{Desk, Inquiry};
use serde_json::json;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one looks whether there is none.
const GLANCE: Duration = Duration::from_millis(300);
/// Clients at once, and bytes of a request line, as the socket has them.
const CLIENTS_MAX: usize = 16;
const LINE_BYTES_MAX: usize = 16 << 10;

/// A socket that is served until the process ends.
fn served(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("byway-control-{name}-{}", std::process::id()));
    let socket = ControlSocket::bind(&path).expect("bound");
    let (desk, mut inquiries) = Desk::open();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(socket.serve(desk)).expect("served");
    });
    thread::spawn(move || {
        while let Some(inquiry) = inquiries.blocking_recv() {
            if let Inquiry::Ask(_, reply) = inquiry {
                drop(reply.send(json!({ "answered": true })));
            }
        }
    });
    path
}

fn client(path: &PathBuf, says: &[u8]) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(path).expect("the system's queue has room");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(says).expect("a little");
    BufReader::new(stream)
}

fn line(client: &mut BufReader<UnixStream>) -> std::io::Result<String> {
    let mut line = String::new();
    client.read_line(&mut line).map(|_| line)
}

/// A question of so many bytes, with its end of line.
fn question(bytes: usize) -> Vec<u8> {
    let text = "{\"ask\": \"status\"}";
    format!("{text}{}\n", " ".repeat(bytes - text.len() - 1)).into_bytes()
}

#[test]
fn a_line_that_is_too_long_is_refused_and_ends_the_connection() {
    let path = served("line");
    let mut whole = client(&path, &question(LINE_BYTES_MAX));
    assert_eq!(line(&mut whole).expect("an answer"), "{\"answered\":true}\n");
    let mut long = client(&path, &vec![b' '; LINE_BYTES_MAX]);
    let said = line(&mut long).expect("an answer");
    assert!(said.contains("a request line is at most 16384 bytes"), "{said}");
    assert_eq!(long.read(&mut [0]).expect("an end"), 0);
    std::fs::remove_file(&path).expect("gone");
}

#[test]
fn clients_that_the_control_socket_has_no_room_for_wait_until_one_leaves() {
    let path = served("room");
    let asks = question(64);
    let mut there: Vec<_> = (0..CLIENTS_MAX).map(|_| client(&path, &asks)).collect();
    for client in &mut there {
        line(client).expect("an answer");
    }
    let mut late = client(&path, &asks);
    late.get_ref().set_read_timeout(Some(GLANCE)).expect("set");
    assert_eq!(line(&mut late).expect_err("no place yet").kind(), ErrorKind::WouldBlock);
    drop(there.pop());
    late.get_ref().set_read_timeout(Some(PATIENCE)).expect("set");
    assert_eq!(line(&mut late).expect("an answer"), "{\"answered\":true}\n");
    std::fs::remove_file(&path).expect("gone");
}
