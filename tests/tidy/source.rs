//! The tree as the fences see it: files, and Rust code as words without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A broken rule, with its place.
pub type Fault = String;

/// One file of the project.
pub struct Source {
    /// Its path from the root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
    /// Rust code outside tests; empty for other files.
    pub code: Vec<Token>,
    /// Rust code with its tests; empty for other files.
    pub all_code: Vec<Token>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// A word, a number, a literal (as `""`) or a mark of Rust code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The text; `::` and `=>` are one token.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

impl Source {
    /// A file of these contents.
    pub fn new(path: &str, text: &str) -> Self {
        let all_code = if path.ends_with(".rs") { tokens(text) } else { Vec::new() };
        let is_test = path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let code = if is_test { Vec::new() } else { without_tests(&all_code) };
        Self { path: path.into(), text: text.into(), code, all_code, executable: false }
    }

    /// The room of `src/` that the file lies in; `None` outside.
    pub fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split_once('/').map(|(room, _)| room)
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A fault at a line of this file.
    pub fn fault(&self, line: usize, what: &str) -> Fault {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Every text file of the project.
pub fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(root, &mut paths);
    paths.sort();
    paths.iter().filter_map(|path| read(root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let skipped = name.starts_with("target")
            || [".git", "proptest-regressions", "corpus", "artifacts"].contains(&name.as_str());
        match path.is_dir() {
            true if !skipped && !path.is_symlink() => collect(&path, paths),
            false if !skipped && !path.is_symlink() => paths.push(path),
            _ => {}
        }
    }
}

fn read(root: &Path, path: &Path) -> Option<Source> {
    use std::os::unix::fs::PermissionsExt;
    let text = fs::read_to_string(path).ok()?;
    let inside = path.strip_prefix(root).expect("a path below the root").to_string_lossy();
    let mode = fs::metadata(path).expect("a readable file").permissions().mode();
    Some(Source { executable: mode & 0o100 != 0, ..Source::new(&inside, &text) })
}

/// Rust code as tokens.
fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while !lexer.rest.is_empty() {
        let line = lexer.line;
        let (kind, len) = lexer.look();
        let text = match kind {
            Kind::Nothing => "",
            Kind::Literal => "\"\"",
            Kind::Mark => &lexer.rest[..len],
        };
        if !text.is_empty() {
            tokens.push(Token { text: text.into(), line });
        }
        lexer.skip(len);
    }
    tokens
}

enum Kind {
    /// Space or a comment.
    Nothing,
    /// A string or a character.
    Literal,
    /// Anything else.
    Mark,
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    /// What comes next, and how many bytes it takes.
    fn look(&self) -> (Kind, usize) {
        let rest = self.rest;
        let first = rest.chars().next().expect("more text");
        if first.is_whitespace() {
            return (Kind::Nothing, first.len_utf8());
        }
        if rest.starts_with("//") {
            return (Kind::Nothing, rest.find('\n').unwrap_or(rest.len()));
        }
        if rest.starts_with("/*") {
            return (Kind::Nothing, block_comment_len(rest));
        }
        if let Some(len) = string_len(rest).or_else(|| char_len(rest)) {
            return (Kind::Literal, len);
        }
        if is_word(first) {
            return (Kind::Mark, rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()));
        }
        let pair = ["::", "=>"].iter().any(|mark| rest.starts_with(mark));
        (Kind::Mark, if pair { 2 } else { first.len_utf8() })
    }

    fn skip(&mut self, len: usize) {
        let (skipped, rest) = self.rest.split_at(len);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let (step, change) = match here {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        depth += change;
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string literal that `rest` begins with: plain, byte, C or raw.
fn string_len(rest: &str) -> Option<usize> {
    let start = rest.find(|letter: char| !"bcr".contains(letter))?;
    let (prefix, body) = rest.split_at(start);
    if prefix.len() > 2 {
        return None;
    }
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = body[hashes..].strip_prefix('"')?;
        let end = inside.find(&close)?;
        return Some(start + hashes + 1 + end + close.len());
    }
    let inside = body.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(start + 1 + end + 1)
}

/// The length of the character literal that `rest` begins with; a lifetime is none.
fn char_len(rest: &str) -> Option<usize> {
    let start = usize::from(rest.starts_with("b'"));
    let inside = rest[start..].strip_prefix('\'')?;
    let mut letters = inside.char_indices();
    let (_, first) = letters.next()?;
    if first == '\\' {
        let close = inside[2..].find('\'')?;
        return Some(start + 1 + 2 + close + 1);
    }
    let (at, second) = letters.next()?;
    (second == '\'').then_some(start + 1 + at + 1)
}

/// The same code without what stands under `#[cfg(test)]`.
fn without_tests(code: &[Token]) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if is_at(code, at, &attribute) {
            at = item_end(code, at + attribute.len());
        } else {
            kept.push(code[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether the tokens at `at` read `words`.
pub fn is_at(code: &[Token], at: usize, words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .all(|(offset, word)| code.get(at + offset).is_some_and(|token| token.text == *word))
}

/// One past the item that begins at `at`: its `;` or its closing brace.
fn item_end(code: &[Token], at: usize) -> usize {
    let mut at = at;
    while at < code.len() {
        match code[at].text.as_str() {
            ";" => return at + 1,
            "{" => return block_end(code, at) + 1,
            "[" | "(" => at = block_end(code, at),
            _ => {}
        }
        at += 1;
    }
    at
}

/// The mark that closes the bracket, brace or parenthesis at `open`; the end of the code where none does.
pub fn block_end(code: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len() - 1
}

#[test]
fn code_is_told_from_comments_strings_lifetimes_and_tests() {
    let text = r##"
        //! use crate::worker;
        fn a<'a>(x: &'a str) -> char { /* crate /* nested */ */ let s = "crate::\"x"; let r = r#"a"b"#; '\'' }
        #[cfg(test)]
        mod tests { fn hidden() { { } } }
        fn shown() { b'x'; b"y"; 'z' }
    "##;
    let source = Source::new("src/base/x.rs", text);
    let words: Vec<_> = source.code.iter().map(|token| token.text.as_str()).collect();
    let expected = r#"fn a < ' a > ( x : & ' a str ) - > char { let s = "" ; let r = "" ; "" }
        fn shown ( ) { "" ; "" ; "" }"#;
    assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(source.code.last().expect("a token").line, 6);
    assert!(source.all_code.iter().any(|token| token.text == "hidden"));
}
