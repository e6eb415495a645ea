//! Fences of the files around the code: scripts, documents, no trace of the machine they were written on.

use crate::source::{Fault, Source};
use std::collections::BTreeSet;

/// No path of the machine that the project was built on.
pub fn machine_paths(tree: &[Source]) -> Vec<Fault> {
    let paths =
        [concat!("/wo", "rk/"), concat!("/tmp/", "wt/"), concat!("/tmp/", "tgt"), concat!("/ro", "ot/")];
    let mut faults = Vec::new();
    for source in tree {
        for (at, line) in source.text.lines().enumerate() {
            if let Some(path) = paths.iter().find(|path| line.contains(**path)) {
                faults.push(source.fault(at + 1, &format!("names `{path}`, a path of a build machine")));
            }
        }
    }
    faults
}

/// Shell that goes on after a failure, each with its reason.
const GO_ON: &[(&str, &str)] = &[
    ("scripts/lab.sh", "takes away all that it made, also after a step that failed"),
    ("scripts/lib/guest-init.sh", "is PID 1 of the rehearsal's machine, which must not end"),
];

/// A script stops at its first failure, or counts its failures to the end by `tally`; it says what it does, and can be
/// run. Shell without `#!` is a library that scripts read in, and cannot; shell in a `lib` folder is no command.
pub fn scripts(tree: &[Source]) -> Vec<Fault> {
    let is_shell = |source: &&Source| {
        let first = source.text.lines().next().unwrap_or("");
        source.path.ends_with(".sh") || (first.starts_with("#!") && first.ends_with("sh"))
    };
    tree.iter().filter(is_shell).flat_map(script_faults).collect()
}

fn script_faults(source: &Source) -> Vec<Fault> {
    let mut lines = source.text.lines();
    let first = lines.next().unwrap_or("");
    let mut faults = Vec::new();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            faults.push(source.fault(1, what));
        }
    };
    if !first.starts_with("#!") {
        check(first.starts_with("# "), "a shell library begins with a comment that says what it is for");
        check(!source.executable, "a shell library without `#!` is not executable");
        return faults;
    }
    check(
        lines.next().is_some_and(|line| line.starts_with("# ")),
        "the second line says what the script does",
    );
    let has_line = |start: &str| source.text.lines().any(|line| line.starts_with(start));
    let goes_on = GO_ON.iter().any(|(path, _)| *path == source.path);
    let counts = has_line("set -uo pipefail") && source.text.lines().any(|line| line.trim() == "tally");
    check(goes_on || counts || has_line("set -eu"), "a script says `set -eu`, or ends with `tally`");
    check(source.executable || source.path.contains("/lib/"), "a script is executable (chmod +x)");
    faults
}

/// README names every key of the boot config that ships.
pub fn config_keys(tree: &[Source]) -> Vec<Fault> {
    let find = |path: &str| tree.iter().find(|source| source.path == path);
    let (Some(readme), Some(config)) = (find("README.md"), find("config/edge.toml")) else {
        return Vec::new();
    };
    let table: toml::Table = config.text.parse().expect("config/edge.toml is TOML");
    let mut keys = BTreeSet::new();
    collect_keys(&toml::Value::Table(table), &mut keys);
    let words: BTreeSet<_> = readme.text.split(|letter: char| !is_name(letter)).collect();
    let silent = keys.iter().filter(|key| !words.contains(key.as_str()));
    silent.map(|key| format!("README.md: does not say what `{key}` of config/edge.toml means")).collect()
}

fn collect_keys(value: &toml::Value, keys: &mut BTreeSet<String>) {
    if let Some(table) = value.as_table() {
        for (key, value) in table {
            keys.insert(key.clone());
            collect_keys(value, keys);
        }
    }
    for value in value.as_array().into_iter().flatten() {
        collect_keys(value, keys);
    }
}

/// Every metric that a document names is one that the code exposes.
pub fn metric_names(tree: &[Source]) -> Vec<Fault> {
    let code = tree.iter().filter(|source| source.path.starts_with("src/"));
    let exposed: BTreeSet<_> = code.flat_map(|source| metrics(&source.text)).map(|(_, name)| name).collect();
    let mut faults = Vec::new();
    let documents =
        tree.iter().filter(|source| source.path.ends_with(".md") && source.path != "CHANGELOG.md");
    for document in documents.chain(tree.iter().filter(|source| source.path.ends_with(".sh"))) {
        for (line, name) in metrics(&document.text) {
            let family = name.trim_end_matches("_sum").trim_end_matches("_count");
            if name.ends_with("_total") && !exposed.contains(family) {
                faults.push(document.fault(line, &format!("no code exposes `{name}`")));
            }
        }
    }
    faults
}

/// Tests and scripts of segments that `docs/security.md` names and that are not there: a claim that nothing holds.
pub fn tests_of_claims(tree: &[Source]) -> Vec<Fault> {
    let Some(document) = tree.iter().find(|source| source.path == "docs/security.md") else {
        return Vec::new();
    };
    let is_test = |name: &str| {
        let head = format!("fn {name}(");
        tree.iter().any(|source| source.path.ends_with(".rs") && source.text.contains(&head))
    };
    let is_script = |name: &str| tree.iter().any(|source| source.path.ends_with(&format!("/{name}")));
    let named = document.text.lines().enumerate().flat_map(|(at, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        quoted.map(move |name| (at + 1, name)).collect::<Vec<_>>()
    });
    let gone = named.filter(|(_, name)| match name.ends_with(".pkt") {
        true => !is_script(name),
        false => name.len() >= TEST_NAME_MIN && name.chars().all(is_name) && !is_test(name),
    });
    gone.map(|(line, name)| document.fault(line, &format!("there is no `{name}`"))).collect()
}

/// Names of tests are sentences; what is shorter is a key, a room or a program.
const TEST_NAME_MIN: usize = 25;

/// All words that begin as metrics do, with their lines.
fn metrics(text: &str) -> Vec<(usize, String)> {
    let words = |line: &str| -> Vec<String> {
        let words = line.split(|letter: char| !is_name(letter));
        words.filter(|word| word.starts_with("byway_")).map(str::to_owned).collect()
    };
    text.lines()
        .enumerate()
        .flat_map(|(at, line)| words(line).into_iter().map(move |word| (at + 1, word)))
        .collect()
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_nothing_holds_is_seen() {
        let text =
            "| claim | `nothing_at_all_holds_this_claim`, `there_is_a_test_that_holds_it`, `gone.pkt` |";
        let code = "fn there_is_a_test_that_holds_it() {}";
        let tree = [Source::new("docs/security.md", text), Source::new("tests/x.rs", code)];
        assert_eq!(tests_of_claims(&tree).len(), 2);
    }

    #[test]
    fn path_of_a_build_machine_is_seen() {
        let text = concat!("cd /wo", "rk/x");
        assert_eq!(machine_paths(&[Source::new("scripts/x.sh", text)]).len(), 1);
        assert_eq!(machine_paths(&[Source::new("scripts/x.sh", "cd \"$root\"")]).len(), 0);
    }

    #[test]
    fn careless_script_is_seen() {
        let faults = |text: &str, executable: bool| {
            script_faults(&Source { executable, ..Source::new("scripts/x.sh", text) }).len()
        };
        assert_eq!(faults("#!/bin/sh\n# Does it.\nset -eu\n", true), 0);
        assert_eq!(faults("#!/bin/sh\n# Does it.\nset -eu\n", false), 1);
        assert_eq!(faults("#!/bin/sh\n# Does it.\n", true), 1);
        assert_eq!(faults("#!/bin/sh\n# Does it.\nset -uo pipefail\n", true), 1);
        assert_eq!(faults("#!/bin/sh\n# Does it.\nset -uo pipefail\ntally\n", true), 0);
        assert_eq!(faults("#!/bin/sh\nset -eu\n", true), 1);
        assert_eq!(faults("# For reading in.\n", false), 0);
        assert_eq!(faults("# For reading in.\n", true), 1);
        assert_eq!(faults("x=1\n", false), 1);
        let run = Source::new(".ci/run", "#!/usr/bin/env bash\n");
        assert_eq!(scripts(&[run]).len(), 3);
    }

    #[test]
    fn undocumented_key_and_unknown_metric_are_seen() {
        let tree = |readme: &str| {
            let config =
                Source::new("config/edge.toml", "lab = false\n[[ports]]\nmtu = 1500\n[a]\nb = [{c = 1}]\n");
            let code = Source::new("src/telemetry/catalog.rs", "\"byway_turns_total\"");
            [Source::new("README.md", readme), config, code]
        };
        assert_eq!(config_keys(&tree("`lab` ports.mtu a.b c")).len(), 0);
        assert_eq!(config_keys(&tree("`labor` ports.mtu a.b")).len(), 2);
        assert_eq!(metric_names(&tree("byway_turns_total")).len(), 0);
        assert_eq!(metric_names(&tree("byway_turn_total")).len(), 1);
    }
}
