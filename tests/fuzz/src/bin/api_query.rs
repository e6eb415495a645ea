//! Queries and bodies of the API, any bytes, by the shipping router over a box in memory.
//!
//! Input: a byte that picks the operation, then the query of a list, or the body of a change that is only to say what would
//! happen. Of a list: what is unknown, empty or said twice is refused (10014) and never means all; what was asked for without a
//! page is the whole, the other direction is its reverse, its pages joined are the whole in order, and filters of access rules
//! let through what a naive model lets through. Of a change: no answer is byway's fault, nothing changes, what is said has no
//! control characters, and what was accepted is accepted again as it was answered.
#![no_main]

use axum::http::Method;
use byway_fuzz::api_box::{ApiBox, Operation};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::cell::LazyCell;
use std::collections::HashSet;

/// The longest query; more would make the fuzzer slow, not thorough.
const QUERY_BYTES_MAX: usize = 256;

thread_local! {
    static BOX: LazyCell<ApiBox> = LazyCell::new(ApiBox::new);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    BOX.with(|api| match first & 0x80 {
        0 => look(api, &api.lists[usize::from(first & 0x7f) % api.lists.len()], rest),
        _ => change(api, &api.changes[usize::from(first & 0x7f) % api.changes.len()], rest),
    });
});

type Pairs = Vec<(String, String)>;

/// A query as it may stand in a URI: other bytes are written with `%`.
fn text(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(byte);
    let write = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    bytes.iter().take(QUERY_BYTES_MAX).map(write).collect()
}

fn written<'p>(pairs: impl Iterator<Item = &'p (String, String)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.map(|(key, value)| (key, value)))
        .finish()
}

fn look(api: &ApiBox, list: &Operation, bytes: &[u8]) {
    let query = text(bytes);
    let (status, answer) = api.ask(&Method::GET, &format!("{}?{query}", list.path), b"");
    let pairs: Pairs = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut keys = HashSet::new();
    let strict = pairs
        .iter()
        .all(|(key, value)| list.query.contains(key) && !value.is_empty() && keys.insert(key.as_str()));
    if !strict || status != 200 {
        let codes: Vec<_> =
            answer["errors"].as_array().into_iter().flatten().map(|error| error["code"].clone()).collect();
        assert_eq!((status, codes), (400, vec![json!(10014)]), "{query:?}: {answer}");
        return;
    }
    let value_of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let parts = ["page", "per_page", "direction"];
    let narrowed: Pairs = pairs.iter().filter(|(key, _)| !parts.contains(&key.as_str())).cloned().collect();
    let rows = |more: &[(&str, String)]| -> Vec<Value> {
        let more: Pairs = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let query = written(narrowed.iter().chain(&more));
        let (status, answer) = api.ask(&Method::GET, &format!("{}?{query}", list.path), b"");
        assert_eq!(status, 200, "{query:?}: {answer}");
        answer["result"].as_array().expect("a list").clone()
    };
    let mut whole = rows(&[]);
    if list.name.ends_with("access_rules_list") {
        naive(api, list, &whole, &value_of);
    }
    if value_of("direction").is_some() {
        let down = rows(&[("direction", "desc".into())]);
        assert!(down.iter().eq(whole.iter().rev()), "{query:?}");
    }
    if value_of("direction") == Some("desc") {
        whole.reverse();
    }
    let number = |name| value_of(name).map(|text| text.parse::<usize>().expect("it was accepted"));
    // Pages of DNS records and audit logs have a length of their own where none is asked for; here all fit into one.
    let unsaid = if list.path.contains("/dns_records") || list.path.contains("/audit_logs") {
        100
    } else {
        whole.len().max(1)
    };
    let (page, per_page) = (number("page").unwrap_or(1), number("per_page").unwrap_or(unsaid));
    let wanted: Vec<&Value> = whole.iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
    let got: Vec<&Value> = answer["result"].as_array().expect("a list").iter().collect();
    assert_eq!(got, wanted, "{query:?}");
    let info = json!({
        "page": page, "per_page": per_page, "count": wanted.len(), "total_count": whole.len(),
        "total_pages": whole.len().div_ceil(per_page),
    });
    assert_eq!(answer["result_info"], info, "{query:?}");
    let step = 1 + bytes.len() % 5;
    let direction = value_of("direction").map(|word| ("direction", word.to_owned()));
    let mut joined = Vec::new();
    for page in 1..=whole.len() + 1 {
        let mut more = vec![("page", page.to_string()), ("per_page", step.to_string())];
        more.extend(direction.clone());
        let part = rows(&more);
        if part.is_empty() {
            break;
        }
        joined.extend(part);
    }
    assert_eq!(joined, whole, "{query:?}: pages of {step}");
}

/// Which rules the filters let through, by the record's words.
fn naive<'q>(api: &ApiBox, list: &Operation, got: &[Value], value_of: &impl Fn(&str) -> Option<&'q str>) {
    let (_, all) = api.ask(&Method::GET, &list.path, b"");
    let any = value_of("match") == Some("any");
    let lets = |rule: &Value| {
        let configuration = &rule["configuration"];
        let kept = configuration["value"].as_str().expect("a text");
        let same = |value: &str| {
            let short = kept.parse::<std::net::Ipv6Addr>().map_or(kept.to_owned(), |ip| ip.to_string());
            value.eq_ignore_ascii_case(kept) || value.eq_ignore_ascii_case(&short)
        };
        let notes = rule["notes"].as_str().expect("a text").to_lowercase();
        let tests = [
            value_of("mode").map(|mode| rule["mode"] == mode),
            value_of("configuration.target").map(|target| configuration["target"] == target),
            value_of("configuration.value").map(same),
            value_of("notes").map(|part| notes.contains(&part.to_lowercase())),
        ];
        let tests: Vec<bool> = tests.into_iter().flatten().collect();
        tests.is_empty() || if any { tests.contains(&true) } else { !tests.contains(&false) }
    };
    let wanted: HashSet<&str> =
        all["result"].as_array().expect("a list").iter().filter(|rule| lets(rule)).map(id_of).collect();
    assert_eq!(got.iter().map(id_of).collect::<HashSet<_>>(), wanted);
    assert_eq!(got.len(), wanted.len(), "each once");
}

fn id_of(row: &Value) -> &str {
    row["id"].as_str().expect("an id")
}

fn change(api: &ApiBox, operation: &Operation, body: &[u8]) {
    let before = api.estate();
    let target = format!("{}?dry_run=true", operation.path);
    let (status, answer) = api.ask(&operation.method, &target, body);
    assert!(std::sync::Arc::ptr_eq(&before, &api.estate()), "{target}: a dry run changed something");
    let said =
        [&answer["errors"], &answer["messages"]].into_iter().flat_map(|list| list.as_array()).flatten();
    for message in said.filter_map(|item| item["message"].as_str()) {
        assert!(!message.is_empty() && !message.chars().any(char::is_control), "{target}: {message:?}");
    }
    let is_whole =
        operation.name.starts_with("spectrum_apps") || operation.name.ends_with("access_rules_create");
    if status == 200 && is_whole {
        let mut again = answer["result"].clone();
        let fields = [
            "protocol",
            "dns",
            "origin_direct",
            "origin_dns",
            "mode",
            "configuration",
            "notes",
            "tls",
            "edge_ips",
        ];
        let (repeated, second) = api.ask(&operation.method, &target, again.to_string().as_bytes());
        assert_eq!(repeated, 200, "{target}: {again} was answered and is refused: {second}");
        for field in fields {
            assert_eq!(second["result"][field], again[field].take(), "{target}: {field}");
        }
    }
}
