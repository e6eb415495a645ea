//! Fences of form: headers, lengths, doors, nothing unfinished, no catch-all over our own enums.

use crate::source::{Fault, Source, Token, block_end, is_at};
use std::collections::HashSet;

const FILE_LINES_MAX: usize = 600;
const FILE_LINES_USUAL: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Every Rust file says first what it is for.
pub fn headers(tree: &[Source]) -> Vec<Fault> {
    let bare = tree.iter().filter(|source| source.is_rust() && !source.text.starts_with("//! "));
    bare.map(|source| source.fault(1, "does not begin with a `//!` header")).collect()
}

/// Files and functions stay short enough to read.
pub fn lengths(tree: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(
                source.fault(lines, &format!("{lines} lines; at most {FILE_LINES_MAX}: split the file")),
            );
        } else if lines > FILE_LINES_USUAL {
            println!("note: {} has {lines} lines; {FILE_LINES_USUAL} is usual", source.path);
        }
        for (name, first, last) in functions(&source.all_code) {
            let lines = last - first + 1;
            if lines > FUNCTION_LINES_MAX {
                let what = format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
                faults.push(source.fault(first, &what));
            }
        }
    }
    faults
}

/// Name, first and last line of each function with a body.
fn functions(code: &[Token]) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    for at in (0..code.len()).filter(|at| code[*at].text == "fn") {
        let Some(name) = code.get(at + 1).filter(|name| name.text != "(") else { continue };
        let mut body = at + 2;
        while body < code.len() && !["{", ";", "}"].contains(&code[body].text.as_str()) {
            body =
                if ["(", "["].contains(&code[body].text.as_str()) { block_end(code, body) } else { body } + 1;
        }
        if is_at(code, body, &["{"]) {
            functions.push((name.text.clone(), code[at].line, code[block_end(code, body)].line));
        }
    }
    functions
}

/// A `mod.rs` is a door: modules and names, no logic.
pub fn doors(tree: &[Source]) -> Vec<Fault> {
    let logic = ["fn", "impl", "struct", "enum", "trait", "static", "macro_rules"];
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| source.path.ends_with("/mod.rs")) {
        let found = source.code.iter().find(|token| logic.contains(&token.text.as_str()));
        faults.extend(found.map(|token| source.fault(token.line, "a mod.rs is a door: no logic in it")));
    }
    faults
}

/// Nothing is left for later, and nothing is left over from before.
pub fn unfinished(tree: &[Source]) -> Vec<Fault> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];
    let macros = [concat!("to", "do!"), concat!("unimple", "mented!")];
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| is_written(source)) {
        for (at, line) in source.text.lines().enumerate() {
            let is_mark = marks.iter().chain(&macros).any(|mark| line.contains(mark));
            if is_mark {
                faults.push(source.fault(at + 1, "is unfinished"));
            }
            if source.is_rust() && is_dead_code(line) {
                faults.push(source.fault(at + 1, "code in a comment: take it out"));
            }
            if is_banner(line) && !source.path.ends_with(".md") {
                faults.push(source.fault(at + 1, "a banner: say it in words or not at all"));
            }
        }
    }
    faults
}

fn is_written(source: &Source) -> bool {
    [".rs", ".sh", ".md", ".toml", ".c", ".h", ".service", ".conf"]
        .iter()
        .any(|end| source.path.ends_with(end))
}

/// A comment line that is a row of marks, or that begins with one. A drawing's edge (`+--`) is none.
fn is_banner(line: &str) -> bool {
    let line = line.trim();
    let body = line.trim_start_matches(['/', '!']).trim_start_matches("# ").trim();
    let is_comment = line.starts_with("//") || line.starts_with('#') || line.starts_with("/*");
    let marks = body.len() - body.trim_start_matches(['-', '=', '*', '#', '~', '_', '/']).len();
    is_comment && (marks >= 4 && body[marks..].starts_with(' ') || marks >= 8 && marks == body.len())
}

/// A comment line that reads as a Rust statement.
fn is_dead_code(line: &str) -> bool {
    let Some(comment) = line.trim().strip_prefix("// ") else { return false };
    let starts = ["let ", "use ", "fn ", "pub ", "return ", "self.", "assert", "mod ", "impl ", "struct "];
    starts.iter().any(|start| comment.starts_with(start))
        && (comment.ends_with(';') || comment.ends_with('{'))
}

/// A `match` over one of our own enums names every variant, so that a new one breaks the build.
pub fn wildcards(tree: &[Source]) -> Vec<Fault> {
    let ours = own_enums(tree);
    let mut faults = Vec::new();
    for source in tree.iter().filter(|source| source.path.starts_with("src/")) {
        let code = &source.code;
        for at in (0..code.len()).filter(|at| code[*at].text == "match") {
            let patterns = patterns(code, at);
            let wild = patterns.iter().find(|pattern| pattern.len() == 1 && pattern[0].text == "_");
            let named = patterns.iter().find_map(|pattern| own_variant(pattern, &ours));
            if let (Some(wild), Some(name)) = (wild, named) {
                let what = format!("`_ =>` in a match over `{name}`: name the variants");
                faults.push(source.fault(wild[0].line, &what));
            }
        }
    }
    faults
}

fn own_enums(tree: &[Source]) -> HashSet<String> {
    let mut enums: HashSet<_> = ["Counter", "Gauge", "AppCounter", "Self"].map(str::to_owned).into();
    for source in tree.iter().filter(|source| source.path.starts_with("src/")) {
        let code = &source.code;
        let names = (0..code.len()).filter(|at| code[*at].text == "enum").filter_map(|at| code.get(at + 1));
        enums.extend(names.map(|name| name.text.clone()));
    }
    enums
}

/// The own enum of which a pattern is a variant: `X::V..` alone, not inside a tuple or another's variant.
fn own_variant<'a>(pattern: &'a [Token], ours: &HashSet<String>) -> Option<&'a str> {
    let (first, variant) = (pattern.first()?, pattern.get(2)?);
    let is_variant = is_at(pattern, 1, &["::"]) && variant.text.starts_with(char::is_uppercase);
    let is_constant = variant.text.chars().all(|letter| !letter.is_lowercase());
    let is_ours = ours.contains(&first.text) && is_variant && (!is_constant || variant.text.len() == 1);
    is_ours.then_some(first.text.as_str())
}

/// The patterns of the arms of the `match` at `at`, without their guards.
fn patterns(code: &[Token], at: usize) -> Vec<&[Token]> {
    let mut open = at + 1;
    while open < code.len() && code[open].text != "{" {
        open = if ["(", "["].contains(&code[open].text.as_str()) { block_end(code, open) } else { open } + 1;
    }
    if open >= code.len() {
        return Vec::new();
    }
    let end = block_end(code, open);
    let mut patterns = Vec::new();
    let mut arm = open + 1;
    while arm < end {
        let arrow = skip_to(code, arm, end, "=>");
        let guard = skip_to(code, arm, arrow, "if");
        patterns.push(&code[arm..guard]);
        arm = arm_end(code, arrow + 1, end);
    }
    patterns
}

/// The place of `mark` from `at` on, outside brackets; `end` where there is none.
fn skip_to(code: &[Token], at: usize, end: usize, mark: &str) -> usize {
    let mut at = at;
    while at < end && code[at].text != mark {
        at = if ["(", "[", "{"].contains(&code[at].text.as_str()) { block_end(code, at) } else { at } + 1;
    }
    at.min(end)
}

fn arm_end(code: &[Token], body: usize, end: usize) -> usize {
    if is_at(code, body, &["{"]) {
        let after = block_end(code, body) + 1;
        let is_whole = after >= end || code[after].line > code[after - 1].line || code[after].text == ",";
        if is_whole {
            return after + usize::from(is_at(code, after, &[","]));
        }
    }
    skip_to(code, body, end, ",") + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fence: fn(&[Source]) -> Vec<Fault>, path: &str, text: &str) -> usize {
        fence(&[Source::new(path, text)]).len()
    }

    #[test]
    fn file_without_a_header_is_seen() {
        assert_eq!(faults(headers, "src/x.rs", "use std;"), 1);
        assert_eq!(faults(headers, "src/x.rs", "//! Text.\nuse std;"), 0);
    }

    #[test]
    fn long_files_and_functions_are_seen() {
        assert_eq!(faults(lengths, "src/x.rs", &"\n".repeat(601)), 1);
        assert_eq!(faults(lengths, "src/x.rs", &"\n".repeat(600)), 0);
        let function = |lines: usize| format!("fn f(a: [u8; 2]) -> Vec<u8> {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(faults(lengths, "src/x.rs", &function(71)), 1);
        assert_eq!(faults(lengths, "src/x.rs", &function(70)), 0);
        assert_eq!(
            faults(lengths, "src/x.rs", &format!("trait T {{ fn a(&self); {} }}", "\n".repeat(80))),
            0
        );
    }

    #[test]
    fn logic_in_a_door_is_seen() {
        assert_eq!(faults(doors, "src/a/mod.rs", "mod x;\nfn f() {}"), 1);
        assert_eq!(faults(doors, "src/a/mod.rs", "mod x;\npub use x::Y;"), 0);
        assert_eq!(faults(doors, "src/a/b.rs", "fn f() {}"), 0);
    }

    #[test]
    fn unfinished_work_and_leftovers_are_seen() {
        for text in [
            concat!("// TO", "DO: later"),
            concat!("fn f() { to", "do!() }"),
            "// let x = 5;",
            "    // self.go();",
            "// ----------------",
            "// ======== Tests ========",
            "##########",
            "# ---- tests ----",
        ] {
            assert_eq!(faults(unfinished, "src/x.rs", text), 1, "{text}");
        }
        for text in [
            "# +------+",
            "// -----> out",
            "// let us see.",
            "//  |----|",
            "/// `a // b`",
            "// use it twice",
            "fn f() {}",
        ] {
            assert_eq!(faults(unfinished, "src/x.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn catch_all_over_an_own_enum_is_seen() {
        let with =
            |arms: &str| format!("enum Fate {{ A, B }} fn f(x: Fate) -> u8 {{ match x {{ {arms} }} }}");
        for arms in [
            "Fate::A => 1, _ => 2",
            "Fate::A if x > 1 => { 1 }\n _ => 2",
            "Fate::A => match y { Some(_) => 3, None => 4 }, _ => 2",
        ] {
            assert_eq!(faults(wildcards, "src/x.rs", &with(arms)), 1, "{arms}");
        }
        for arms in [
            "Fate::A => 1, Fate::B => 2",
            "Other::A => 1, _ => 2",
            "Fate::A => match y { 1 => 3, _ => 4 }, Fate::B => 2",
            "Fate::A => { match y { 1 => 3, _ => 4 } }\n Fate::B => 2",
            "Fate::A | Fate::B => f(|_| 2)",
        ] {
            assert_eq!(faults(wildcards, "src/x.rs", &with(arms)), 0, "{arms}");
        }
    }
}
