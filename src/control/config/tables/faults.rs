//! What is wrong with a table file, all of it, and what is merely worth telling. Both lists are bounded: a file with
//! a million wrong rules tells the first thousand and how many more there are.

use super::code::Code;
use super::json::Place;
use crate::control::config::Problem;
use std::fmt;

pub(super) use crate::base::outside::quoted as shown;

/// How many errors, and how many messages, are kept.
const KEPT_MAX: usize = 1000;

/// One thing wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableError {
    /// Where: a JSON pointer (RFC 6901); empty for the whole text.
    pub pointer: String,
    /// Spectrum's code, where it has one.
    pub code: Option<Code>,
    /// The line in the text, where only that is known (broken JSON).
    pub line: Option<usize>,
    /// What is wrong and what would be right, on one line.
    pub text: String,
}

/// One thing that is accepted but worth telling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What, on one line.
    pub text: String,
}

/// All that is wrong with a file, in the order of finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableErrors {
    /// The errors: at least one, at most a thousand.
    pub list: Vec<TableError>,
    /// How many more there were.
    pub more: usize,
}

/// The lists while a file is read.
#[derive(Debug, Default)]
pub(super) struct Faults {
    errors: Vec<TableError>,
    errors_more: usize,
    messages: Vec<Message>,
    messages_more: usize,
    /// Of errors that bring none of their own.
    code: Option<Code>,
}

impl Faults {
    /// What `read` finds wrong bears `code`, where it brings none of its own.
    pub fn under<T>(&mut self, code: Code, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.code.replace(code);
        let out = read(self);
        self.code = before;
        out
    }

    /// Notes an error without a code of its own.
    pub fn error(&mut self, at: &Place<'_>, text: impl fmt::Display) {
        self.push(at, None, text);
    }

    /// Notes an error with Spectrum's code.
    pub fn coded(&mut self, at: &Place<'_>, code: Code, text: impl fmt::Display) {
        self.push(at, Some(code), text);
    }

    /// Notes an error with Spectrum's code at a place that is written out already.
    pub fn coded_at(&mut self, pointer: String, code: Code, text: String) {
        self.keep(TableError { pointer, code: Some(code), line: None, text });
    }

    /// Notes broken JSON.
    pub fn broken(&mut self, line: usize, text: impl fmt::Display) {
        let error =
            TableError { pointer: String::new(), code: None, line: Some(line), text: text.to_string() };
        self.errors.push(error);
    }

    /// Notes something worth telling.
    pub fn message(&mut self, at: &Place<'_>, text: impl fmt::Display) {
        if self.messages.len() == KEPT_MAX {
            self.messages_more += 1;
        } else {
            self.messages.push(Message { pointer: at.to_string(), text: text.to_string() });
        }
    }

    /// How many errors there were so far.
    pub fn count(&self) -> usize {
        self.errors.len() + self.errors_more
    }

    /// The messages, or the errors if there are any.
    pub fn finish(mut self) -> Result<Vec<Message>, TableErrors> {
        if !self.errors.is_empty() {
            return Err(TableErrors { list: self.errors, more: self.errors_more });
        }
        if self.messages_more > 0 {
            let text = format!("and {} more messages", self.messages_more);
            self.messages.push(Message { pointer: String::new(), text });
        }
        Ok(self.messages)
    }

    fn push(&mut self, at: &Place<'_>, code: Option<Code>, text: impl fmt::Display) {
        self.keep(TableError {
            pointer: at.to_string(),
            code: code.or(self.code),
            line: None,
            text: text.to_string(),
        });
    }

    fn keep(&mut self, error: TableError) {
        if self.errors.len() == KEPT_MAX {
            self.errors_more += 1;
        } else {
            self.errors.push(error);
        }
    }
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        let code = error.code.map(super::code::Code::number);
        Self { place: error.pointer, line: error.line, text: error.text, code }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Problem::from(self.clone()).fmt(f)
    }
}

impl fmt::Display for TableErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.list {
            writeln!(f, "{error}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more errors", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.text)
        } else {
            write!(f, "{}: {}", self.pointer, self.text)
        }
    }
}
