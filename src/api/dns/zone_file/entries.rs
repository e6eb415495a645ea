//! The text of a zone file -> its entries: the words of a record or a directive, the line where they begin and the remark
//! behind them (RFC 1035 5.1). Escapes stay as they were written.

use std::str::Lines;

/// Words of one entry: a text of 2048 bytes in strings of a few bytes each fits.
const WORDS_MAX: usize = 1_024;

/// One word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word<'t> {
    /// Without its quotes.
    pub text: &'t str,
    /// Whether it stood in quotes.
    pub is_quoted: bool,
}

/// A record or a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry<'t> {
    /// The line where it begins, from 1.
    pub line: usize,
    /// Whether its first word is a name: it begins at the left edge.
    pub has_owner: bool,
    /// At least one.
    pub words: Vec<Word<'t>>,
    /// What stands behind `;` in its last line.
    pub remark: &'t str,
}

/// Where a text is no zone file, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// A sentence for the operator.
    pub text: &'static str,
}

/// The entries of a text, one by one; nothing follows a fault.
#[derive(Debug)]
pub struct Entries<'t> {
    lines: std::iter::Enumerate<Lines<'t>>,
    is_over: bool,
}

impl<'t> Entries<'t> {
    /// Of a text.
    pub fn of(text: &'t str) -> Self {
        // Some editors begin a text with a mark of its encoding.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { lines: text.lines().enumerate(), is_over: false }
    }

    fn read(&mut self) -> Option<Result<Entry<'t>, Fault>> {
        let mut open: Option<(Entry<'t>, usize)> = None;
        for (at, line) in self.lines.by_ref() {
            let (mut entry, mut depth) = open.take().unwrap_or_else(|| (Entry::begun(at + 1, line), 0));
            if let Err(text) = entry.take(line, &mut depth) {
                return Some(Err(Fault { line: at + 1, text }));
            }
            if depth > 0 {
                open = Some((entry, depth));
            } else if !entry.words.is_empty() {
                return Some(Ok(entry));
            }
        }
        open.map(|(entry, _)| Err(Fault { line: entry.line, text: "a ( is not closed" }))
    }
}

impl<'t> Iterator for Entries<'t> {
    type Item = Result<Entry<'t>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<'t> Entry<'t> {
    fn begun(line: usize, text: &str) -> Self {
        Self { line, has_owner: !text.starts_with(is_blank), words: Vec::new(), remark: "" }
    }

    /// Takes one line of it; `depth`: parentheses that are open.
    fn take(&mut self, line: &'t str, depth: &mut usize) -> Result<(), &'static str> {
        let mut rest = line;
        self.remark = "";
        loop {
            rest = rest.trim_start_matches(is_blank);
            match rest.as_bytes().first() {
                None => return Ok(()),
                Some(b';') => {
                    self.remark = rest[1..].trim();
                    return Ok(());
                }
                Some(b'(') => (*depth, rest) = (*depth + 1, &rest[1..]),
                Some(b')') => {
                    *depth = depth.checked_sub(1).ok_or("a ) closes nothing")?;
                    rest = &rest[1..];
                }
                Some(b'"') => {
                    let end = end_of(&rest[1..], |byte| byte == b'"');
                    let end = end.ok_or("a string is not closed by a quote on its line")?;
                    self.put(Word { text: &rest[1..=end], is_quoted: true })?;
                    rest = &rest[end + 2..];
                }
                Some(_) => {
                    let ends = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b';' | b'(' | b')' | b'"');
                    let end = end_of(rest, ends).unwrap_or(rest.len());
                    self.put(Word { text: &rest[..end], is_quoted: false })?;
                    rest = &rest[end..];
                }
            }
        }
    }

    fn put(&mut self, word: Word<'t>) -> Result<(), &'static str> {
        if self.words.len() == WORDS_MAX {
            return Err("an entry has more than 1024 words");
        }
        self.words.push(word);
        Ok(())
    }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r')
}

/// Where the first byte stands that ends a word; one behind a backslash does not. All of them are ASCII, and so no part of
/// another letter.
fn end_of(text: &str, ends: impl Fn(u8) -> bool) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = !is_escaped && ends(byte);
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(usize, bool, Vec<&str>, &str)> {
        let entries = Entries::of(text).map(|entry| entry.expect("an entry"));
        let row = |entry: Entry<'_>| {
            // They point into the text, which a test writes down.
            let words = entry.words.iter().map(|word| &*word.text.to_owned().leak()).collect();
            (entry.line, entry.has_owner, words, &*entry.remark.to_owned().leak())
        };
        entries.map(row).collect()
    }

    #[test]
    fn entries_have_words_lines_and_the_remark_of_their_last_line() {
        assert_eq!(
            all("; alone\n\na IN A 192.0.2.1;one\r\n\tTXT \"x;(\\\"\" y\\;z ; two ; three\n"),
            [
                (3, true, vec!["a", "IN", "A", "192.0.2.1"], "one"),
                (4, false, vec!["TXT", "x;(\\\"", "y\\;z"], "two ; three"),
            ]
        );
        assert_eq!(
            all("@ SOA a. b. ( ; first\n 1 2\n3 (4) 5) ; last\n\u{a0}x\n"),
            [
                (1, true, vec!["@", "SOA", "a.", "b.", "1", "2", "3", "4", "5"], "last"),
                (4, true, vec!["\u{a0}x"], ""),
            ]
        );
        assert_eq!(all("\u{feff}a"), [(1, true, vec!["a"], "")]);
        assert!(all("").is_empty() && all(" \n;\n").is_empty());
    }

    #[test]
    fn what_is_not_closed_ends_the_file_with_its_line() {
        let words = "x ".repeat(WORDS_MAX + 1);
        for (text, line) in
            [("a\nb \"c", 2), ("a\nb (\nc\n", 2), ("a )\nb", 1), ("a \"x\\\"", 1), (words.as_str(), 1)]
        {
            let mut faults = Entries::of(text).skip_while(Result::is_ok);
            let fault = faults.next().expect("a fault").expect_err("a fault");
            assert_eq!(fault.line, line, "{text:?}: {fault:?}");
            assert_eq!(faults.next(), None);
        }
        assert_eq!(Entries::of(&"x ".repeat(WORDS_MAX)).filter(Result::is_ok).count(), 1);
    }
}
