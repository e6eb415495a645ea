//! Texts from outside (names, notes, errors of peers, keys of files) as they may be shown: on one line, of bounded
//! length, and without anything that moves a terminal or turns a reader's eye. Every way out of byway goes through here:
//! log lines, tables, reports, JSON, labels of metrics.
//!
//! What counts as plain is what Rust prints of a `char` unescaped: no control characters (C0, DEL, C1), no format
//! characters (bidi controls, zero-width ones, tags), no private or unassigned ones, no line separators, no lone marks.

use std::fmt::{self, Display, Write};

/// Characters of a line that are shown.
const LINE_CHARS_MAX: usize = 4_096;
/// Characters of a text that is quoted inside a sentence.
const QUOTED_CHARS_MAX: usize = 80;

/// Whether a letter may be shown as it is.
pub fn is_plain(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '\\') || letter.escape_debug().len() == 1
}

/// A text on one line: what is not plain is escaped, what is too long is cut.
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let cut = text.char_indices().nth(LINE_CHARS_MAX).map(|(at, _)| at);
        for letter in text[..cut.unwrap_or(text.len())].chars() {
            if is_plain(letter) { f.write_char(letter)? } else { letter.escape_debug().fmt(f)? }
        }
        if cut.is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// A text inside a sentence: in quotes, escaped, cut.
pub fn quoted(text: &str) -> String {
    let cut = text.char_indices().nth(QUOTED_CHARS_MAX).map(|(at, _)| at);
    let shown: String = text[..cut.unwrap_or(text.len())].chars().flat_map(char::escape_debug).collect();
    format!("\"{shown}{}\"", if cut.is_some() { "..." } else { "" })
}

/// JSON text whose letters that are not plain are written as `\u` escapes (RFC 8259 7): the same values, safe to look at.
/// Outside of its strings JSON has nothing but ASCII, and inside them the writer has escaped C0 already.
pub fn plain_json(text: String) -> String {
    if text.bytes().all(|byte| byte < 0x7f) {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter < '\u{7f}' || is_plain(letter) {
            plain.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing into a string does not fail.
                let _ = write!(plain, "\\u{unit:04x}");
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind: C0, a terminal's escape, DEL, C1, bidi override and isolate, zero width, line separator, tag,
    /// byte order mark, private use, a lone mark.
    const HOSTILE: &str =
        "\0\r\n\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2066}\u{200b}\u{2028}\u{e0041}\u{feff}\u{e000}\u{301}";

    #[test]
    fn nothing_hostile_gets_through_and_what_people_write_does() {
        assert!(HOSTILE.chars().filter(|letter| !"[2J".contains(*letter)).all(|letter| !is_plain(letter)));
        for shown in [OneLine(HOSTILE).to_string(), quoted(HOSTILE)] {
            assert!(shown.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()), "{shown}");
            assert!(shown.contains("\\u{1b}[2J") && shown.contains("\\u{202e}"), "{shown}");
        }
        let words = "Zürich \"東京\" it's 10 € C:\\x";
        assert_eq!(OneLine(words).to_string(), words);
    }

    #[test]
    fn what_is_too_long_is_cut_between_letters() {
        let long = "ü".repeat(LINE_CHARS_MAX + 1);
        let shown = OneLine(&long).to_string();
        assert_eq!((shown.chars().count(), shown.ends_with("ü...")), (LINE_CHARS_MAX + 3, true));
        assert_eq!(OneLine(&long[2..]).to_string(), long[2..]);
        assert_eq!(quoted(&long).chars().count(), QUOTED_CHARS_MAX + 5);
    }

    #[test]
    fn json_keeps_its_values_and_loses_what_must_not_be_shown() {
        // As a JSON writer leaves it: C0 escaped, the rest raw.
        let raw: String = HOSTILE.chars().filter(|letter| *letter >= ' ').collect();
        let plain = plain_json(format!("{{\"a\": \"{raw}ü\"}}"));
        assert!(plain.ends_with("ü\"}") && plain.chars().all(is_plain), "{plain}");
        assert!(plain.contains("\\u009b\\u202e") && plain.contains("\\udb40\\udc41"), "{plain}");
        assert_eq!(plain_json("{\n  \"a\": 1\n}".into()), "{\n  \"a\": 1\n}");
    }
}
