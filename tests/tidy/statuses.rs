//! Fences of the event table: README and code name the same status codes and events, and each code that can arise is
//! brought about in a test.

use crate::source::{Fault, Source};
use std::collections::BTreeMap;

const EVENTS: &str = "src/telemetry/event.rs";

/// The numbers of `Status`, with their variants.
fn in_code(tree: &[Source]) -> BTreeMap<u16, String> {
    let text = tree.iter().find(|source| source.path == EVENTS).map_or("", |source| &source.text);
    let body = text.split("pub enum Status {").nth(1).and_then(|rest| rest.split('}').next());
    let variant = |line: &str| {
        let (name, number) = line.trim().trim_end_matches(',').split_once(" = ")?;
        Some((number.parse().ok()?, name.to_owned()))
    };
    body.unwrap_or_default().lines().filter_map(variant).collect()
}

/// The rows of README's event table: each code with the events beside it, none where it never arises.
fn in_readme(tree: &[Source]) -> Vec<(u16, Vec<String>)> {
    let text = tree.iter().find(|source| source.path == "README.md").map_or("", |source| &source.text);
    let rows = text.lines().skip_while(|line| !line.starts_with("| status | event |")).skip(2);
    let cells = rows.map_while(|line| line.starts_with('|').then(|| line.split('|').map(str::trim)));
    cells
        .flat_map(|mut cells| {
            let (codes, events) = (cells.nth(1).unwrap_or(""), cells.next().unwrap_or(""));
            let words = events.split(", ").filter(|event| *event != "never");
            let events: Vec<String> = words.map(str::to_owned).collect();
            let codes = codes.split(", ").filter_map(|code| code.parse().ok());
            codes.map(|code| (code, events.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// Each code once; those that arise are the code's own, with events that there are.
pub fn agreement(tree: &[Source]) -> Vec<Fault> {
    let (code, readme) = (in_code(tree), in_readme(tree));
    let events = tree.iter().find(|source| source.path == EVENTS).map_or("", |source| &source.text);
    let mut faults = Vec::new();
    for (number, variant) in &code {
        if !readme.iter().any(|(told, kinds)| told == number && !kinds.is_empty()) {
            faults.push(format!("README.md: no row for status {number} ({variant})"));
        }
    }
    for (number, kinds) in &readme {
        if readme.iter().filter(|(other, _)| other == number).count() > 1 {
            faults.push(format!("README.md: several rows for status {number}"));
        }
        if !kinds.is_empty() && !code.contains_key(number) {
            faults.push(format!("README.md: status {number} is none of {EVENTS}"));
        }
        let unknown = kinds.iter().filter(|kind| !events.contains(&format!("=> \"{kind}\"")));
        faults.extend(unknown.map(|kind| format!("README.md: status {number}: there is no event `{kind}`")));
    }
    faults
}

/// A script that says `event <kind> <code>`, or a test that names the variant.
pub fn tested(tree: &[Source]) -> Vec<Fault> {
    let tests = || tree.iter().filter(|source| source.path.starts_with("tests/"));
    let in_script = |number: u16| {
        let says = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            matches!(words[..], ["event", _, code, ..] if code.parse() == Ok(number))
        };
        tests().filter(|source| source.path.ends_with(".pkt")).any(|source| source.text.lines().any(says))
    };
    let in_test = |variant: &str| {
        let name = format!("Status::{variant}");
        let follows = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric());
        let names = |source: &Source| source.text.split(&name).skip(1).any(follows);
        tests().any(|source| source.is_rust() && names(source))
    };
    let all = in_code(tree).into_iter();
    let silent = all.filter(|(number, variant)| !in_script(*number) && !in_test(variant));
    silent.map(|(number, variant)| format!("no test brings about status {number} ({variant})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(code: &str, readme: &str, script: &str) -> Vec<Source> {
        let code = format!("\"a\"\n=> \"connect\"\npub enum Status {{\n    /// Up.\n    {code},\n}}\n");
        let readme = format!("| status | event | cause |\n|---|---|---|\n{readme}\n\nx");
        vec![
            Source::new(EVENTS, &code),
            Source::new("README.md", &readme),
            Source::new("tests/tcp_script/x.pkt", script),
        ]
    }

    #[test]
    fn codes_that_differ_are_seen() {
        let faults = |code: &str, readme: &str| agreement(&tree(code, readme, "")).len();
        assert_eq!(faults("Opened = 0", "| 0 | connect | up |\n| 7, 8 | never | no |"), 0);
        assert_eq!(faults("Opened = 0", "| 1 | connect | up |"), 2);
        assert_eq!(faults("Opened = 0", "| 0 | never | up |"), 1);
        assert_eq!(faults("Opened = 0", "| 0, 0 | connect | up |"), 2);
        assert_eq!(faults("Opened = 0", "| 0 | connected | up |"), 1);
    }

    #[test]
    fn a_code_without_a_test_is_seen() {
        let faults = |script: &str| tested(&tree("Opened = 0", "", script)).len();
        assert_eq!((faults("event connect 0 # up"), faults("event connect 00x"), faults("")), (0, 1, 1));
        let mut named = tree("Opened = 0", "", "");
        named.push(Source::new("tests/x.rs", "Status::OpenedTwice, Status::Opened)"));
        assert_eq!(tested(&named).len(), 0);
        named.pop();
        named.push(Source::new("tests/x.rs", "Status::OpenedTwice"));
        assert_eq!(tested(&named).len(), 1);
    }
}
