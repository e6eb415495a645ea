//! Fences of use: what the catalogs list is counted, what is bounded is used, what is depended on is named.

use crate::source::{Fault, Source, block_end, is_at};
use byway::base::DropReason;
use byway::telemetry::{AppCounter, Counter, Gauge};
use std::fmt::Debug;

const EVENTS: &str = "src/telemetry/event.rs";

/// Every counter, gauge, drop reason, event and status is named outside its catalog, and outside tests.
pub fn catalogs(tree: &[Source]) -> Vec<Fault> {
    let counters = names("Counter", Counter::ALL).into_iter();
    let all = counters
        .chain(names("Gauge", Gauge::ALL))
        .chain(names("AppCounter", AppCounter::ALL))
        .chain(names("DropReason", DropReason::ALL))
        .chain(variants(tree, "Status"))
        .chain(variants(tree, "EventKind"));
    unused(tree, all.collect())
}

fn names<T: Debug>(owner: &'static str, all: &[T]) -> Vec<(&'static str, String)> {
    all.iter().map(|variant| (owner, format!("{variant:?}"))).collect()
}

/// The variants of a plain enum of `telemetry/event.rs`.
fn variants(tree: &[Source], owner: &'static str) -> Vec<(&'static str, String)> {
    let code = tree.iter().find(|source| source.path == EVENTS).map_or(&[][..], |source| &source.code);
    let Some(start) = (0..code.len()).find(|at| is_at(code, *at, &["enum", owner, "{"])) else {
        return Vec::new();
    };
    let inside = start + 3..block_end(code, start + 2);
    let begins = |at: &usize| ["{", ",", "]"].contains(&code[at - 1].text.as_str()) && code[*at].text != "#";
    inside.filter(begins).map(|at| (owner, code[at].text.clone())).collect()
}

fn unused(tree: &[Source], mut wanted: Vec<(&'static str, String)>) -> Vec<Fault> {
    let defining = ["src/telemetry/catalog.rs", "src/base/drop_reason.rs", EVENTS];
    let elsewhere =
        |source: &&Source| source.path.starts_with("src/") && !defining.contains(&source.path.as_str());
    for source in tree.iter().filter(elsewhere).filter(|source| source.room() != Some("testkit")) {
        wanted.retain(|(owner, variant)| !names_variant(source, owner, variant));
    }
    wanted
        .iter()
        .map(|(owner, variant)| format!("{owner}::{variant} is never used: use it or take it out"))
        .collect()
}

fn names_variant(source: &Source, owner: &str, variant: &str) -> bool {
    (0..source.code.len()).any(|at| is_at(&source.code, at, &[owner, "::", variant]))
}

/// Every bound of `base/limits.rs` bounds something.
pub fn limits(tree: &[Source]) -> Vec<Fault> {
    let path = "src/base/limits.rs";
    let Some(limits) = tree.iter().find(|source| source.path == path) else {
        return vec![format!("{path} is gone")];
    };
    let code = &limits.code;
    let is_const = |at: &usize| is_at(code, *at, &["pub", "const"]);
    let names = (0..code.len()).filter(is_const).filter_map(|at| code.get(at + 2));
    let is_used = |name: &str| {
        let elsewhere = tree.iter().filter(|source| source.path.starts_with("src/") && source.path != path);
        elsewhere.flat_map(|source| &source.code).any(|token| token.text == name)
    };
    let idle = names.filter(|name| !is_used(&name.text));
    idle.map(|name| limits.fault(name.line, &format!("{} bounds nothing", name.text))).collect()
}

/// Every dependency is named in code.
pub fn dependencies(tree: &[Source]) -> Vec<Fault> {
    let Some(manifest) = tree.iter().find(|source| source.path == "Cargo.toml") else { return Vec::new() };
    let table: toml::Table = manifest.text.parse().expect("Cargo.toml is TOML");
    let mut faults = Vec::new();
    for (section, roots) in [("dependencies", &["src/"][..]), ("dev-dependencies", &["src/", "tests/"])] {
        let Some(section) = table.get(section).and_then(toml::Value::as_table) else { continue };
        for name in section.keys() {
            let word = name.replace('-', "_");
            let inside = |source: &&Source| roots.iter().any(|root| source.path.starts_with(root));
            let is_named =
                tree.iter().filter(inside).flat_map(|s| &s.all_code).any(|token| token.text == word);
            if !is_named {
                faults.push(format!("Cargo.toml: `{name}` is not used"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_that_nobody_counts_is_seen() {
        let wanted = || vec![("Counter", "Turns".to_owned())];
        let using = |path: &str, text: &str| unused(&[Source::new(path, text)], wanted()).len();
        assert_eq!(using("src/worker/x.rs", "page.count(Counter::Turns)"), 0);
        assert_eq!(using("src/worker/x.rs", "page.count(AppCounter::Turns)"), 1);
        assert_eq!(using("src/worker/x.rs", "// Counter::Turns"), 1);
        assert_eq!(using("src/worker/x.rs", "#[cfg(test)] mod t { fn f() { Counter::Turns } }"), 1);
        assert_eq!(using("src/telemetry/catalog.rs", "Counter::Turns"), 1);
        assert_eq!(using("tests/x.rs", "Counter::Turns"), 1);
    }

    #[test]
    fn variants_of_an_enum_are_read_from_its_text() {
        let event =
            Source::new(EVENTS, "#[derive(Debug)] enum Status { /// Doc.\n Opened = 0, #[x] Closed = 1, }");
        let expected = ["Opened", "Closed"].map(|variant| ("Status", variant.to_owned()));
        assert_eq!(variants(&[event], "Status"), expected);
    }

    #[test]
    fn limit_and_dependency_without_use_are_seen() {
        let of = |user: &str| {
            let limits = Source::new("src/base/limits.rs", "pub const A_MAX: usize = 1;");
            let manifest = Source::new("Cargo.toml", "[dependencies]\nserde-json = \"1\"");
            let tree = [limits, manifest, Source::new("src/x.rs", user)];
            (super::limits(&tree).len(), dependencies(&tree).len())
        };
        assert_eq!(of("use serde_json::Value; let a = A_MAX;"), (0, 0));
        assert_eq!(of("// A_MAX serde_json"), (1, 1));
    }
}
