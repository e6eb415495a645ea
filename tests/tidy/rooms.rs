//! Fences between rooms: who imports whom, and which rooms hold unsafe code, smoltcp, clocks, atomics and locks.

use crate::source::{Fault, Source, Token, block_end, is_at};

/// Which rooms a room imports. The map of DESIGN and of `src/lib.rs`; an arrow that is not here breaks the build.
const IMPORTS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("wire", &["base"]),
    ("telemetry", &["base"]),
    // A port says of a frame's checksums what `wire` asks.
    ("port", &["base", "wire"]),
    // An app says which TLS it wants.
    ("table", &["base", "wire", "tls"]),
    // A judgement is said in the event log's words, `FirewallMatch`.
    ("firewall", &["base", "wire", "table", "telemetry"]),
    ("snapshot", &["base", "wire", "telemetry", "table", "firewall", "tls"]),
    ("tls", &["base"]),
    ("flow", &["base", "wire"]),
    ("session", &["base", "wire", "telemetry", "flow", "table", "tls"]),
    (
        "worker",
        &["base", "wire", "telemetry", "port", "table", "firewall", "snapshot", "flow", "session", "tls"],
    ),
    // Not worker, not session: control meets them in snapshots, queues and pages.
    // It gathers what workers tell for analytics.
    ("control", &["base", "wire", "telemetry", "port", "table", "firewall", "snapshot", "tls", "analytics"]),
    // Rows in a file that is kept as the vault's is.
    ("analytics", &["base", "vault"]),
    // What the API manages; it is read as table files are.
    // A certificate comes in as `tls` reads it.
    ("estate", &["base", "table", "firewall", "snapshot", "tls", "control"]),
    // Texts by kind and id.
    ("vault", &["base"]),
    ("api", &["base", "table", "firewall", "snapshot", "tls", "control", "estate", "vault", "analytics"]),
    (
        "cli",
        &[
            "base",
            "wire",
            "telemetry",
            "port",
            "table",
            "firewall",
            "snapshot",
            "flow",
            "session",
            "tls",
            "worker",
            "control",
            "estate",
            "vault",
            "analytics",
            "api",
        ],
    ),
    (
        "testkit",
        &[
            "base",
            "wire",
            "telemetry",
            "port",
            "table",
            "firewall",
            "snapshot",
            "flow",
            "session",
            "tls",
            "worker",
            "control",
        ],
    ),
];

/// Rooms whose code runs on the road of a packet.
const ROAD: &[&str] = &[
    "base",
    "wire",
    "telemetry",
    "port",
    "table",
    "firewall",
    "snapshot",
    "tls",
    "flow",
    "session",
    "worker",
];

/// Files outside `snapshot` and `telemetry` that may hold atomics, each with its reason.
const ATOMICS: &[(&str, &str)] = &[
    ("src/control/event_push.rs", "counts and an end, between the writer of events and its sender"),
    ("src/cli/bench/goodput/slow_wire.rs", "an end, between a bench and the threads of its wire"),
];

/// Files outside `base/time.rs` that may read a clock, each with its reason.
const CLOCKS: &[(&str, &str)] = &[("src/base/time.rs", "the clock's own room")];

/// Files on the road that may hold a lock, each with its reason.
const LOCKS: &[(&str, &str)] =
    &[("src/worker/launch.rs", "a thread tells its starter, once, before the road is open")];

/// Every import of a room by another follows the map.
pub fn imports(tree: &[Source]) -> Vec<Fault> {
    let rooms: Vec<_> = IMPORTS.iter().map(|(room, _)| *room).collect();
    let mut faults = Vec::new();
    for source in tree {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
            faults.push(
                source.fault(1, &format!("the room `{room}` is not on the map of tests/tidy/rooms.rs")),
            );
            continue;
        };
        for (line, imported) in crate_paths(&source.code) {
            let is_room = rooms.contains(&imported.as_str());
            if is_room && imported != room && !allowed.contains(&imported.as_str()) {
                faults.push(
                    source.fault(line, &format!("`{room}` may not import `{imported}` (see src/lib.rs)")),
                );
            }
        }
        faults.extend(climbs(source));
    }
    faults
}

/// The first words of all paths that begin at `crate::`, groups included.
fn crate_paths(code: &[Token]) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for at in 0..code.len() {
        if !is_at(code, at, &["crate", "::"]) && !is_at(code, at, &["byway", "::"]) {
            continue;
        }
        let Some(next) = code.get(at + 2) else { continue };
        if next.text == "{" {
            paths.extend(group_heads(&code[at + 3..block_end(code, at + 2)]));
        } else {
            paths.push((next.line, next.text.clone()));
        }
    }
    paths
}

/// The first word of each member of a `{a::b, c}` group.
fn group_heads(group: &[Token]) -> Vec<(usize, String)> {
    let mut heads = Vec::new();
    let (mut at, mut is_head) = (0, true);
    while at < group.len() {
        match group[at].text.as_str() {
            "," => is_head = true,
            "{" => at = block_end(group, at),
            word if is_head => {
                heads.push((group[at].line, word.to_owned()));
                is_head = false;
            }
            _ => {}
        }
        at += 1;
    }
    heads
}

/// Paths of `super::` that leave the room: a room's border is crossed by `crate::` only, where this test sees it.
fn climbs(source: &Source) -> Vec<Fault> {
    let parts = source.path.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count();
    let depth = parts - 1;
    let code = &source.code;
    let climb = |at: usize| (0..).take_while(|step| is_at(code, at + step * 2, &["super", "::"])).count();
    let starts = (0..code.len()).filter(|at| *at < 2 || !is_at(code, at - 2, &["super", "::"]));
    starts
        .filter(|at| climb(*at) >= depth)
        .map(|at| source.fault(code[at].line, "`super` leaves the room: write `crate::`"))
        .collect()
}

/// `unsafe` lies in the shim alone.
pub fn unsafe_code(tree: &[Source]) -> Vec<Fault> {
    let outside = |source: &&Source| !source.path.starts_with("dpdk-shim/");
    let mut faults = find_words(tree.iter().filter(outside), &["unsafe"], "`unsafe` belongs to dpdk-shim");
    let lib = tree.iter().find(|source| source.path == "src/lib.rs");
    if !lib.is_some_and(|lib| lib.text.contains("#![forbid(unsafe_code)]")) {
        faults.push("src/lib.rs:1: does not say #![forbid(unsafe_code)]".into());
    }
    faults
}

/// Only `session` and the test kit know smoltcp.
pub fn smoltcp(tree: &[Source]) -> Vec<Fault> {
    let outside = |source: &&Source| !matches!(source.room(), Some("session" | "testkit"));
    let sources = tree.iter().filter(|source| source.path.starts_with("src/")).filter(outside);
    find_words(sources, &["smoltcp"], "only session and testkit name smoltcp")
}

/// Only `base::time` reads the machine's clock; others take time as an argument, or an `OsClock`.
pub fn clocks(tree: &[Source]) -> Vec<Fault> {
    let words = ["SystemTime", "clock_gettime", "_rdtsc"];
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| source.path.starts_with("src/") && !is_listed(source, CLOCKS)) {
        let code = &source.code;
        for (at, token) in code.iter().enumerate() {
            if is_at(code, at, &["Instant", "::", "now"]) || words.contains(&token.text.as_str()) {
                faults.push(source.fault(token.line, "only base/time.rs reads a clock"));
            }
        }
    }
    faults
}

/// Only `snapshot` and `telemetry` share memory by atomics.
pub fn atomics(tree: &[Source]) -> Vec<Fault> {
    let outside = |source: &&Source| {
        !matches!(source.room(), Some("snapshot" | "telemetry")) && !is_listed(source, ATOMICS)
    };
    let sources = tree.iter().filter(|source| source.path.starts_with("src/")).filter(outside);
    let what =
        "atomics belong to snapshot and telemetry (or to the list in tests/tidy/rooms.rs, with a reason)";
    find(sources, what, |word| word == "atomic" || (word.starts_with("Atomic") && word.len() > 6))
}

/// Nothing on the road locks, sleeps, prints or reaches for files.
pub fn waiting(tree: &[Source]) -> Vec<Fault> {
    let words = ["Mutex", "RwLock", "Condvar", "mpsc", "OnceLock", "LazyLock"];
    let prints = ["println", "eprintln", "print", "eprint", "dbg"];
    let road = |source: &&Source| source.room().is_some_and(|room| ROAD.contains(&room));
    let mut faults = Vec::new();
    for source in tree.iter().filter(road).filter(|source| !is_listed(source, LOCKS)) {
        for (at, token) in source.code.iter().enumerate() {
            let word = token.text.as_str();
            let prints = prints.contains(&word) && is_at(&source.code, at + 1, &["!"]);
            if words.contains(&word) || prints {
                faults.push(
                    source.fault(token.line, &format!("`{word}` has no place on the road of a packet")),
                );
            }
        }
    }
    faults
}

/// Only the shim includes DPDK's headers.
pub fn dpdk_headers(tree: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| !source.path.starts_with("dpdk-shim/")) {
        let lines = source.text.lines().enumerate();
        let includes = lines.filter(|(_, line)| line.trim_start().starts_with(concat!("#include", " <rte_")));
        faults.extend(includes.map(|(at, _)| source.fault(at + 1, "only dpdk-shim includes DPDK's headers")));
    }
    faults
}

/// Routes of the API are made of its list of operations, and nowhere beside it.
pub fn api_routes(tree: &[Source]) -> Vec<Fault> {
    let beside = |source: &&Source| source.room() == Some("api") && source.path != "src/api/router.rs";
    let words = ["route", "nest", "route_service", "nest_service"];
    let mut faults = Vec::new();
    for source in tree.iter().filter(beside) {
        for (at, token) in source.code.iter().enumerate() {
            let called = at > 0 && is_at(&source.code, at - 1, &["."]) && is_at(&source.code, at + 1, &["("]);
            if called && words.contains(&token.text.as_str()) {
                faults
                    .push(source.fault(token.line, "only api/router.rs makes routes: see `api::operations`"));
            }
        }
    }
    faults
}

/// Lists are filtered and sorted beside the API's thread (`Office::look`): by functions that do not run on it.
pub fn api_lists(tree: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| source.room() == Some("api")) {
        let code = &source.code;
        let pages =
            |at: usize| ["list", "answer"].iter().any(|name| is_at(code, at, &["page", ".", name, "("]));
        for at in (0..code.len()).filter(|at| pages(*at)) {
            let begun = code[..at].iter().rposition(|token| token.text == "fn");
            if begun.is_some_and(|begun| begun > 0 && is_at(code, begun - 1, &["async"])) {
                faults.push(
                    source.fault(code[at].line, "lists are made beside the API's thread: see `Office::look`"),
                );
            }
        }
    }
    faults
}

fn is_listed(source: &Source, list: &[(&str, &str)]) -> bool {
    list.iter().any(|(path, _)| *path == source.path)
}

fn find_words<'a>(sources: impl Iterator<Item = &'a Source>, words: &[&str], what: &str) -> Vec<Fault> {
    find(sources, what, |word| words.contains(&word))
}

fn find<'a>(sources: impl Iterator<Item = &'a Source>, what: &str, hit: impl Fn(&str) -> bool) -> Vec<Fault> {
    sources
        .flat_map(|source| source.code.iter().map(move |token| (source, token)))
        .filter(|(_, token)| hit(&token.text))
        .map(|(source, token)| source.fault(token.line, what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fence: fn(&[Source]) -> Vec<Fault>, path: &str, text: &str) -> usize {
        let lib = Source::new("src/lib.rs", "#![forbid(unsafe_code)]");
        fence(&[lib, Source::new(path, text)]).len()
    }

    #[test]
    fn import_against_the_direction_is_seen_in_all_its_forms() {
        for text in [
            "use crate::worker::Worker;",
            "use crate::{base::Addr, worker};",
            "use crate::{base::{Addr, Hop}, worker::{A, B}};",
            "fn f() { crate::worker::run() }",
            "use byway::worker;",
            "use super::super::worker;",
        ] {
            assert_eq!(faults(imports, "src/control/x.rs", text), 1, "{text}");
        }
        for text in ["use crate::base::{Addr, worker};", "use super::worker;", "// use crate::worker;"] {
            assert_eq!(faults(imports, "src/control/x.rs", text), 0, "{text}");
        }
        assert_eq!(faults(imports, "src/newroom/x.rs", ""), 1);
        assert_eq!(faults(imports, "src/control/a/mod.rs", "use super::super::x;"), 1);
        assert_eq!(faults(imports, "src/control/a/b.rs", "use super::super::x;"), 0);
    }

    #[test]
    fn forbidden_words_are_seen_in_the_wrong_room_only() {
        type Fence = fn(&[Source]) -> Vec<Fault>;
        let rows: &[(Fence, &str, &str, &str)] = &[
            (unsafe_code, "unsafe { x() }", "src/port/dpdk.rs", "dpdk-shim/src/eal.rs"),
            (smoltcp, "use smoltcp::wire;", "src/worker/x.rs", "src/session/x.rs"),
            (clocks, "std::time::Instant::now();", "src/worker/x.rs", "src/base/time.rs"),
            (clocks, "SystemTime", "src/control/x.rs", "tests/x.rs"),
            (atomics, "AtomicU64::new(0)", "src/worker/x.rs", "src/snapshot/x.rs"),
            (atomics, "use std::sync::atomic::Ordering;", "src/cli/x.rs", "src/telemetry/x.rs"),
            (waiting, "Mutex::new(0)", "src/flow/x.rs", "src/control/x.rs"),
            (waiting, "println!()", "src/session/x.rs", "src/cli/x.rs"),
            (api_routes, "router.route(path, handler)", "src/api/x.rs", "src/api/router.rs"),
            (
                api_lists,
                "async fn a(o: &O) -> L { Ok(page.list(rows, row)) }",
                "src/api/x.rs",
                "src/control/x.rs",
            ),
            (dpdk_headers, "#include <rte_eal.h>", "src/x.h", "dpdk-shim/shim.h"),
        ];
        for (fence, text, wrong, right) in rows {
            assert!(faults(*fence, wrong, text) >= 1, "{text} in {wrong}");
            assert_eq!(faults(*fence, right, text), 0, "{text} in {right}");
        }
        assert_eq!(unsafe_code(&[Source::new("src/lib.rs", "")]).len(), 1);
        let beside =
            "async fn a(o: &O) -> L { o.look(b).await } fn b(e: &E) -> L { Ok(page.answer(rows, row)) }";
        assert_eq!(faults(api_lists, "src/api/x.rs", beside), 0);
    }
}
