//! Fetching, against a server that writes down what it is asked.

use super::live::Live;
use super::saved::Saved;
use super::walk::{Found, Scope, Source, walk};
use crate::control::Fetcher;
use crate::tls::Trust;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const ACCOUNT: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const ZONE: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
const PREFIX: &str = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3";
const LETTER: &str = "e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5";
const MAP: &str = "f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6";

/// Status, further headers and body for a request line, a text as it is; the number says how often the same one came before.
type Answer = fn(&str, usize) -> (u16, &'static str, Value);

/// A server and what it was asked: request line and `Authorization`.
struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Stub {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let told = asked.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = told.clone();
                thread::spawn(move || serve(stream, &told, answer));
            }
        });
        Self { address, asked }
    }

    fn live(&self, save: Option<&PathBuf>) -> Live {
        let trust = Trust::new(None).expect("the web's").strict();
        let base = format!("http://{}/client/v4", self.address);
        let fetcher = Fetcher::new(&base, "secret", trust).expect("on this machine");
        Live::new(fetcher, save.map(PathBuf::as_path)).expect("made").waiting_by(|_: Duration| {})
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").iter().map(|(line, _)| line.clone()).collect()
    }
}

fn serve(stream: TcpStream, told: &Mutex<Vec<(String, String)>>, answer: Answer) {
    let Ok(mut write) = stream.try_clone() else { return };
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(request)) = lines.next() {
        let mut token = String::new();
        for line in lines.by_ref() {
            let Ok(line) = line else { return };
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("authorization: ") {
                token = value.to_owned();
            }
        }
        let before = {
            let mut told = told.lock().expect("no panic");
            told.push((request.clone(), token));
            told.iter().filter(|(line, _)| *line == request).count() - 1
        };
        let (status, headers, body) = answer(&request, before);
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        if write.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn page(rows: Value, (page, pages, total): (usize, usize, usize)) -> Value {
    json!({
        "success": true, "errors": [], "messages": [], "result": rows,
        "result_info": {"page": page, "total_pages": pages, "total_count": total, "count": rows.as_array().map(Vec::len)},
    })
}

fn whole(rows: Value) -> Value {
    let total = rows.as_array().map_or(0, Vec::len);
    page(rows, (1, 1, total))
}

/// An API with one account, zone and prefix; its apps come in three pages, and it is busy now and then.
fn cloudflare(line: &str, before: usize) -> (u16, &'static str, Value) {
    let path =
        line.strip_prefix("GET /client/v4/").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap_or("?");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let rows = match path {
        "accounts" => json!([{"id": ACCOUNT, "name": "theirs"}]),
        "zones" if before == 0 => return (429, "retry-after: 7\r\n", failure(971, "slow down")),
        "zones" => json!([{"id": ZONE, "name": "moved.example", "account": {"id": ACCOUNT}}]),
        _ if path.ends_with("addressing/prefixes") && before < 2 => {
            return (503, "", failure(10_002, "busy"));
        }
        _ if path.ends_with("addressing/prefixes") => {
            json!([{"id": PREFIX, "cidr": "198.51.100.0/24", "loa_document_id": LETTER}, {"loa_document_id": LETTER}])
        }
        _ if path.ends_with("/download") => return (200, "", json!("%PDF-1.7 theirs")),
        _ if path.ends_with("address_maps") => json!([{"id": MAP, "description": "head"}]),
        _ if path.ends_with(MAP) => return (200, "", page(json!({"id": MAP, "ips": []}), (1, 1, 1))),
        _ if path.ends_with("spectrum/apps") => {
            let number: usize = query
                .split('&')
                .find_map(|part| part.strip_prefix("page="))
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            return (200, "", page(json!([{"id": format!("{number:032}")}]), (number, 3, 3)));
        }
        _ => json!([]),
    };
    (200, "", whole(rows))
}

fn failure(code: u32, message: &str) -> Value {
    json!({"success": false, "errors": [{"code": code, "message": message}], "messages": [], "result": null})
}

fn all(source: &mut dyn Source) -> Result<Found, String> {
    walk(source, &Scope::default())
}

#[test]
fn every_list_is_asked_for_by_get_alone_with_the_token_and_in_all_its_pages() {
    let stub = Stub::start(cloudflare);
    let found = all(&mut stub.live(None)).expect("everything");
    assert_eq!(found.lists[&format!("zones/{ZONE}/spectrum/apps")].as_array().map(Vec::len), Some(3));
    assert_eq!((found.lists.len(), found.missing.len()), (15, 0), "{:?}", found.lists.keys());
    let addressing = format!("accounts/{ACCOUNT}/addressing");
    let letters = json!([{"id": LETTER, "content": "JVBERi0xLjcgdGhlaXJz"}]);
    assert_eq!(found.lists[&format!("{addressing}/loa_documents")], letters, "each once");
    assert_eq!(found.lists[&format!("{addressing}/address_maps/{MAP}")], json!([{"id": MAP, "ips": []}]));
    for list in ["user/firewall/access_rules/rules".to_owned(), format!("zones/{ZONE}/custom_certificates")] {
        assert!(found.lists.contains_key(&list), "{list}");
    }
    let asked = stub.asked.lock().expect("no panic").clone();
    assert!(
        asked.iter().all(|(line, token)| line.starts_with("GET /client/v4/") && token == "bearer secret"),
        "{asked:?}"
    );
    assert_eq!(
        asked.iter().filter(|(line, _)| line.contains("/v4/zones?")).count(),
        2,
        "once more after 429"
    );
    assert_eq!(
        asked.iter().filter(|(line, _)| line.contains("addressing/prefixes HTTP")).count(),
        3,
        "and after 503"
    );
}

#[test]
fn saved_replies_give_the_same_lists() {
    let stub = Stub::start(cloudflare);
    let folder = std::env::temp_dir().join(format!("byway-replies-{}", std::process::id()));
    let fetched = all(&mut stub.live(Some(&folder))).expect("everything");
    let read = all(&mut Saved(folder.clone()));
    let gone = std::fs::remove_file(folder.join(format!("zones/{ZONE}/dns_records.json")));
    let letter = format!("accounts/{ACCOUNT}/addressing/loa_documents/{LETTER}/download.pdf");
    std::fs::write(folder.join(letter), "no letter").expect("written");
    let partly = all(&mut Saved(folder.clone()));
    std::fs::write(folder.join("zones.json"), "{\"success\": false}").expect("written");
    let broken = all(&mut Saved(folder.clone())).err().unwrap_or_default();
    std::fs::remove_dir_all(&folder).expect("there");
    assert_eq!(read.expect("everything").lists, fetched.lists);
    let missing = partly.expect("what is there").missing;
    assert!(gone.is_ok() && missing.len() == 2, "{missing:?}");
    assert!(missing[0].contains("no PDF") && missing[1].contains("dns_records"), "{missing:?}");
    assert!(broken.contains("zones.json") && broken.contains("failure"), "{broken}");
    assert!(all(&mut Saved(folder)).err().unwrap_or_default().contains("accounts.json"));
}

#[test]
fn errors_end_it_and_are_told_by_their_list() {
    type Row = (Answer, &'static str);
    let rows: [Row; 6] = [
        (|_, _| (500, "", failure(10_002, "down")), "status 500: down (10002)"),
        (
            |_, _| (401, "", failure(10_000, "Authentication error")),
            "status 401: Authentication error (10000)",
        ),
        (|_, _| (302, "location: http://192.0.2.1/\r\n", json!({})), "status 302"),
        (|_, _| (200, "", failure(1, "in an envelope of 200")), "in an envelope of 200"),
        (|_, _| (200, "", json!({"success": true, "result": {"id": 1}})), "no list"),
        (|_, _| (200, "", page(json!([{"id": "x"}]), (1, 1, 2))), "changed while it was read"),
    ];
    for (answer, words) in rows {
        let stub = Stub::start(answer);
        let why = all(&mut stub.live(None)).err().unwrap_or_default();
        assert!(why.starts_with("accounts: ") && why.contains(words), "{why}");
        assert!(stub.lines().len() <= 8, "in bounds");
    }
}

#[test]
fn what_may_not_be_read_ends_it_unless_it_may_be_left_out() {
    let stub = Stub::start(|line, before| match line.contains("dns_records") {
        true => (403, "", failure(9_109, "not yours")),
        false => cloudflare(line, before + 2),
    });
    let why = all(&mut stub.live(None)).err().unwrap_or_default();
    assert!(why.contains("dns_records") && why.contains("--skip-forbidden"), "{why}");
    let scope = Scope { skip_forbidden: true, ..Scope::default() };
    let found = walk(&mut stub.live(None), &scope).expect("the rest");
    assert!(found.missing.concat().contains("not yours"), "{:?}", found.missing);
    let other = Scope { zones: vec!["other.example".into()], ..Scope::default() };
    assert!(walk(&mut stub.live(None), &other).err().unwrap_or_default().contains("other.example"));
    let none = Scope { account: Some("f".repeat(32)), ..Scope::default() };
    assert_eq!(walk(&mut stub.live(None), &none).expect("the user's").lists.len(), 3);
}

#[test]
fn what_an_import_can_go_without_is_told_where_it_may_not_be_read_and_ends_it_where_it_is_broken() {
    let stub = Stub::start(|line, before| match line {
        _ if line.contains("/v4/user/") => (401, "", failure(10_000, "no user behind this token")),
        _ if line.contains(MAP) => (404, "", failure(1_000, "not_found")),
        _ if line.contains("/download") => (200, "", json!("x".repeat(90))),
        _ if line.contains("custom_certificates") => (403, "", failure(9_109, "not yours")),
        _ => cloudflare(line, before + 2),
    });
    let found = all(&mut stub.live(None)).expect("the rest");
    assert_eq!(found.missing.len(), 4, "{:?}", found.missing);
    for words in ["no user behind", "not_found", "no PDF of 10000000 bytes", "not yours"] {
        assert!(found.missing.concat().contains(words), "{words}: {:?}", found.missing);
    }
    let stub = Stub::start(|line, before| match line.contains("address_maps ") {
        true => (400, "", failure(1_002, "address_maps_not_enabled")),
        false => cloudflare(line, before + 2),
    });
    let found = all(&mut stub.live(None)).expect("the rest");
    assert!(found.missing.concat().contains("address_maps_not_enabled"), "{:?}", found.missing);
    let broken: [Answer; 2] = [
        |line, before| match line.contains("/v4/user/") {
            true => (500, "", failure(10_002, "down")),
            false => cloudflare(line, before + 2),
        },
        |line, before| match line.contains("/download") {
            true => (500, "", failure(10_002, "down")),
            false => cloudflare(line, before + 2),
        },
    ];
    for answer in broken {
        let why = all(&mut Stub::start(answer).live(None)).err().unwrap_or_default();
        assert!(why.contains("status 500: down"), "{why}");
    }
}

#[test]
fn a_server_that_ignores_pages_and_ids_that_are_none_lead_nowhere() {
    let stub = Stub::start(|line, _| match line.contains("/v4/zones?") {
        true => (
            200,
            "",
            json!({"success": true, "result": [{"id": "../user"}, {"id": ZONE, "account": {"id": "?x"}}]}),
        ),
        false if line.contains("address_maps/") => {
            (200, "", json!({"success": true, "result": {"id": ACCOUNT}}))
        }
        false => (200, "", json!({"success": true, "result": [{"id": ACCOUNT}]})),
    });
    let found = all(&mut stub.live(None)).expect("everything");
    assert_eq!(found.lists["zones"].as_array().map(Vec::len), Some(2));
    assert!(
        stub.lines().iter().all(|line| !line.contains("..") && !line.contains("?x")),
        "{:?}",
        stub.lines()
    );
}
