//! What is wrong with a config text: where, what, and what would be right. All problems of a text are gathered
//! before any is told.

use std::fmt;

/// One thing wrong with a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The key's path (`ports[0].mtu`), or a JSON pointer; empty: the whole text.
    pub place: String,
    /// Line in the text, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what would be right, on one line.
    pub text: String,
    /// Spectrum's number for it, where it has one.
    pub code: Option<u32>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.text)?;
        self.code.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

/// All that is wrong with one text, in the order of its lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Notes one more.
    pub fn push(&mut self, place: impl Into<String>, line: Option<usize>, text: impl Into<String>) {
        self.list.push(Problem { place: place.into(), line, text: text.into(), code: None });
    }

    /// The problems, ordered by line; those without a line come last.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        self.list
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.list.len()
    }
}
