//! The text of a TXT record as its operator writes it (RFC 1035 5.1): strings in quotes with `\"`, `\\` and `\DDD`, or one
//! text without quotes. Kept as it was written, compared by what it says.

use serde::{Deserialize, Serialize};

/// What a text may say, in bytes: Cloudflare's own bound.
const BYTES_MAX: usize = 2_048;
/// How long it may be written: each byte as an escape, with quotes.
const WRITTEN_BYTES_MAX: usize = 4 * BYTES_MAX + 64;
/// The longest string of a record, in bytes (RFC 1035 3.3).
const STRING_BYTES_MAX: usize = 255;

/// A text as it was written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TxtContent(Box<str>);

impl TxtContent {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the text is empty");
        }
        if text.len() > WRITTEN_BYTES_MAX || decode(text)?.iter().map(Vec::len).sum::<usize>() > BYTES_MAX {
            return Err("the text is longer than 2048 bytes");
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says, strings one behind the other.
    pub fn bytes(&self) -> Vec<u8> {
        // It was read before.
        decode(&self.0).unwrap_or_default().concat()
    }

    /// What it says as strings of at most 255 bytes, the longest that a record has (RFC 1035 3.3); at least one.
    pub fn strings(&self) -> Vec<Vec<u8>> {
        let written = decode(&self.0).unwrap_or_default();
        let cut = |string: &Vec<u8>| match string.is_empty() {
            true => vec![Vec::new()],
            false => string.chunks(STRING_BYTES_MAX).map(<[u8]>::to_vec).collect(),
        };
        written.iter().flat_map(cut).collect()
    }
}

impl TryFrom<String> for TxtContent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<TxtContent> for String {
    fn from(text: TxtContent) -> Self {
        text.0.into()
    }
}

/// The strings as they were written.
fn decode(text: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("the text has control characters; write them as \\DDD inside quotes");
    }
    let (mut strings, mut rest) = (Vec::new(), text.as_bytes());
    if rest.first() != Some(&b'"') {
        return Ok(vec![rest.to_vec()]);
    }
    while let Some(inside) = rest.strip_prefix(b"\"") {
        let mut bytes = Vec::new();
        rest = string(inside, &mut bytes)?.trim_ascii_start();
        strings.push(bytes);
    }
    if rest.is_empty() { Ok(strings) } else { Err("behind a string in quotes only another one may stand") }
}

/// Reads a string behind its first quote into `bytes`; what is left behind its last one.
fn string<'t>(mut rest: &'t [u8], bytes: &mut Vec<u8>) -> Result<&'t [u8], &'static str> {
    loop {
        let (byte, behind) = match rest {
            [b'"', behind @ ..] => return Ok(behind),
            [b'\\', first, behind @ ..] if first.is_ascii_digit() => escape(*first, behind)?,
            [b'\\', escaped, behind @ ..] => (*escaped, behind),
            [b'\\'] | [] => return Err("a string is not closed by a quote"),
            [plain, behind @ ..] => (*plain, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
}

/// `\DDD`, of which the first digit was read.
fn escape(first: u8, rest: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    const WRONG: &str = "\\ before a digit wants three digits, up to 255";
    let [second, third, behind @ ..] = rest else { return Err(WRONG) };
    if !second.is_ascii_digit() || !third.is_ascii_digit() {
        return Err(WRONG);
    }
    let number = [first, *second, *third].iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    u8::try_from(number).map(|byte| (byte, behind)).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_the_same_with_and_without_quotes() {
        let says = |text: &str| TxtContent::new(text).map(|text| text.bytes());
        assert_eq!(says("v=spf1 -all"), Ok(b"v=spf1 -all".to_vec()));
        assert_eq!(says("\"v=spf1 \" \"-all\""), Ok(b"v=spf1 -all".to_vec()));
        assert_eq!(says(r#""a\"b\\c\007""#), Ok(b"a\"b\\c\x07".to_vec()));
        assert_eq!(says(r#"a"b\"#), Ok(br#"a"b\"#.to_vec()));
        assert_eq!(TxtContent::new(" \"x\" ").map(|text| text.as_str().to_owned()), Ok("\"x\"".into()));
    }

    #[test]
    fn a_text_has_the_strings_that_were_written_cut_where_they_are_too_long() {
        let lengths = |text: &str| -> Vec<usize> {
            let text = TxtContent::new(text).expect("a text");
            assert_eq!(text.strings().concat(), text.bytes());
            text.strings().iter().map(Vec::len).collect()
        };
        assert_eq!(lengths("one two"), [7]);
        assert_eq!(lengths("\"one\" \"two\" \"\""), [3, 3, 0]);
        assert_eq!(lengths(&"x".repeat(600)), [255, 255, 90]);
        assert_eq!(lengths(&format!("\"{}\" \"x\"", "\\120".repeat(256))), [255, 1, 1]);
    }

    #[test]
    fn what_cannot_be_read_or_is_too_long_is_refused() {
        let long = "x".repeat(2_049);
        for wrong in
            ["", "  ", "\"a", "\"a\" b", "\"a\\", r#""\25""#, r#""\999""#, r#""\1a1""#, "a\nb", &long]
        {
            assert!(TxtContent::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(TxtContent::new(&"x".repeat(2_048)).is_ok());
        assert!(TxtContent::new(&format!("\"{}\"", "\\120".repeat(2_048))).is_ok());
    }
}
