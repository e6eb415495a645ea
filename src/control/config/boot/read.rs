//! A TOML table read key by key: each wrong value becomes a problem with its path and line, and reading goes on.
//! Keys that nobody asked for are problems too, with the nearest known name as a hint.

use crate::base::outside::quoted;
use crate::control::config::Problems;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a value should have been, or the value.
pub type Read<T> = Result<T, String>;

/// Where the problems of one text are gathered.
pub struct Notes<'t> {
    text: &'t str,
    /// What was found wrong so far.
    pub problems: Problems,
}

impl<'t> Notes<'t> {
    /// For one text.
    pub fn new(text: &'t str) -> Self {
        Self { text, problems: Problems::default() }
    }

    /// Notes a problem at `place`, whose value starts at byte `at`.
    pub fn push(&mut self, place: &str, at: usize, text: impl Into<String>) {
        let line = line_of(self.text, at);
        self.problems.push(place, Some(line), text);
    }

    /// Notes a problem of a value that was read before.
    pub fn push_at(&mut self, place: &Place, text: impl Into<String>) {
        self.push(&place.path, place.at, text);
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// Where a value stands, kept for the checks that come after reading.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its key path.
    pub path: String,
    /// Its first byte.
    pub at: usize,
}

/// One TOML table under reading.
pub struct Section<'a, 'i> {
    table: Option<&'a DeTable<'i>>,
    /// Where the table itself stands.
    pub place: Place,
    asked: Vec<&'static str>,
}

type Item<'a, 'i> = &'a Spanned<DeValue<'i>>;

impl<'a, 'i> Section<'a, 'i> {
    /// The whole document.
    pub fn root(table: &'a DeTable<'i>) -> Self {
        Self { table: Some(table), place: Place::default(), asked: Vec::new() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.path) }
    }

    fn item(&mut self, key: &'static str) -> Option<Item<'a, 'i>> {
        self.asked.push(key);
        self.table.and_then(|table| table.get(key))
    }

    /// Where the value of `key` stands; the section itself where the key is missing.
    pub fn place_of(&self, key: &str) -> Place {
        let at = self.table.and_then(|table| table.get(key)).map_or(self.place.at, |item| item.span().start);
        Place { path: self.path_of(key), at }
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The value of `key`; `default` where it is missing, and where it is wrong (which is then noted).
    pub fn value<T>(
        &mut self,
        notes: &mut Notes,
        key: &'static str,
        default: T,
        read: impl Fn(&DeValue) -> Read<T>,
    ) -> T {
        self.optional(notes, key, read).unwrap_or(default)
    }

    /// The value of `key`; `None` where it is missing or wrong.
    pub fn optional<T>(
        &mut self,
        notes: &mut Notes,
        key: &'static str,
        read: impl Fn(&DeValue) -> Read<T>,
    ) -> Option<T> {
        let item = self.item(key)?;
        read(item.get_ref()).map_err(|text| notes.push(&self.path_of(key), item.span().start, text)).ok()
    }

    /// The value of `key`, which must be there.
    pub fn required<T>(
        &mut self,
        notes: &mut Notes,
        key: &'static str,
        read: impl Fn(&DeValue) -> Read<T>,
    ) -> Option<T> {
        if self.table.is_some_and(|table| !table.contains_key(key)) {
            self.asked.push(key);
            notes.push(&self.path_of(key), self.place.at, "is missing and has no default");
            return None;
        }
        self.optional(notes, key, read)
    }

    /// The list under `key`, each member with its place; empty where it is missing. Wrong members are noted.
    pub fn list<T>(
        &mut self,
        notes: &mut Notes,
        key: &'static str,
        max: usize,
        read: impl Fn(&DeValue) -> Read<T>,
    ) -> Vec<(Place, T)> {
        let mut values = Vec::new();
        for (place, item) in self.members(notes, key, max) {
            match read(item.get_ref()) {
                Ok(value) => values.push((place, value)),
                Err(text) => notes.push_at(&place, text),
            }
        }
        values
    }

    /// The tables of the array `key` (`[[key]]`).
    pub fn sections(&mut self, notes: &mut Notes, key: &'static str, max: usize) -> Vec<Section<'a, 'i>> {
        let mut sections = Vec::new();
        for (place, item) in self.members(notes, key, max) {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section { table: Some(table), place, asked: Vec::new() }),
                None => notes.push_at(&place, expected("a table", item.get_ref())),
            }
        }
        sections
    }

    /// The table `[key]`; one without keys where it is missing.
    pub fn section(&mut self, notes: &mut Notes, key: &'static str) -> Section<'a, 'i> {
        let place = self.place_of(key);
        let table = self.item(key).and_then(|item| {
            let table = item.get_ref().as_table();
            if table.is_none() {
                notes.push_at(&place, expected("a table", item.get_ref()));
            }
            table
        });
        Section { table, place, asked: Vec::new() }
    }

    fn members(&mut self, notes: &mut Notes, key: &'static str, max: usize) -> Vec<(Place, Item<'a, 'i>)> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let path = self.path_of(key);
        let Some(array) = item.get_ref().as_array() else {
            notes.push(&path, item.span().start, expected("a list", item.get_ref()));
            return Vec::new();
        };
        if array.len() > max {
            notes.push(&path, item.span().start, format!("has {} members; at most {max} fit", array.len()));
        }
        let places = array.iter().enumerate().take(max);
        places
            .map(|(index, item)| (Place { path: format!("{path}[{index}]"), at: item.span().start }, item))
            .collect()
    }

    /// Ends the reading: every key that nobody asked for is a problem.
    pub fn finish(self, notes: &mut Notes) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, &self.asked) {
                Some(near) => format!("no such key; did you mean `{near}`?"),
                None => format!("no such key; known here: {}", self.asked.join(", ")),
            };
            let Range { start, .. } = key.span();
            notes.push(&self.path_of(&name.escape_debug().to_string()), start, hint);
        }
    }
}

/// The known name closest to `name`, where one is close enough to be meant.
pub fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let allowed = 1 + name.len() / 4;
    let near =
        known.iter().map(|candidate| (edits(name, candidate), *candidate)).min_by_key(|(cost, _)| *cost);
    near.filter(|(cost, _)| *cost <= allowed).map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in bytes; names are short.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn expected(what: &str, found: &DeValue) -> String {
    format!("should be {what}, not {} {}", article(found.type_str()), found.type_str())
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

/// A string.
pub fn text(value: &DeValue) -> Read<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| expected("a string", value))
}

/// `true` or `false`.
pub fn flag(value: &DeValue) -> Read<bool> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A whole number of `unit` in `range`.
pub fn whole<T>(unit: &'static str, range: RangeInclusive<T>) -> impl Fn(&DeValue) -> Read<T>
where
    T: Copy + PartialOrd + Display + TryFrom<i128>,
{
    move |value| {
        let (low, high) = (range.start(), range.end());
        let wanted = format!("a whole number of {unit} from {low} to {high}");
        let integer = value.as_integer().ok_or_else(|| expected(&wanted, value))?;
        let digits = integer.as_str().replace('_', "");
        let number = i128::from_str_radix(&digits, integer.radix()).ok();
        let fits = number.and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        fits.ok_or_else(|| format!("{} is out of range; should be {wanted}", integer.as_str()))
    }
}

/// One of the named values.
pub fn choice<T: Copy>(options: &'static [(&'static str, T)]) -> impl Fn(&DeValue) -> Read<T> {
    move |value| {
        let found = value.as_str().and_then(|name| options.iter().find(|(option, _)| *option == name));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = options.iter().map(|(option, _)| format!("\"{option}\"")).collect();
            format!("{} is not one of {}", shown(value), names.join(", "))
        })
    }
}

/// A string that parses as `T`; `what` says what it should look like.
pub fn parsed<T: FromStr>(what: &'static str) -> impl Fn(&DeValue) -> Read<T> {
    move |value| {
        let text = value.as_str().ok_or_else(|| expected(what, value))?;
        text.parse().map_err(|_| format!("{} is not {what}", shown(value)))
    }
}

/// A value as the operator wrote it, short and escaped.
pub fn shown(value: &DeValue) -> String {
    match value.as_str() {
        Some(text) => quoted(text),
        None => format!("this {}", value.type_str()),
    }
}
