//! A cursor over JSON text that knows where it is (RFC 6901).
//!
//! The text is checked once as a whole; after that each value is opened one level at a time, and what lies below stays
//! text until somebody looks. So a million rules cost 16 bytes each beside the text, a field that nobody asks for is
//! never built, and nesting costs no stack however deep it is.

use super::faults::{Faults, shown};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

/// Where a value is: a chain of steps on the stack, written out only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

/// A value and its place.
#[derive(Clone, Copy)]
pub(super) struct Value<'a, 'p> {
    raw: &'a RawValue,
    pub at: Place<'p>,
}

/// An object and its place; it remembers which of its fields were asked for.
pub(super) struct Object<'a, 'p> {
    pub at: Place<'p>,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    key: Cow<'a, str>,
    raw: &'a RawValue,
    asked: Cell<bool>,
}

/// A list and its place.
pub(super) struct List<'a, 'p> {
    pub at: Place<'p>,
    items: Vec<&'a RawValue>,
}

/// Objects with more fields are searched for duplicates by hashing.
const QUADRATIC_FIELDS_MAX: usize = 16;

impl Place<'static> {
    /// The whole text.
    pub const ROOT: Self = Self { parent: None, step: Step::Root };
}

impl<'p> Place<'p> {
    /// The place of a field in here.
    pub const fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// The place of an item in here.
    pub const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            // RFC 6901 3: '~' and '/' are written ~0 and ~1.
            Step::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// Checks `text` as a whole; `None` and an error with the line when it is not JSON.
pub(super) fn parse<'a>(text: &'a [u8], faults: &mut Faults) -> Option<Value<'a, 'static>> {
    let line_of = |offset: usize| 1 + text[..offset].iter().filter(|byte| **byte == b'\n').count();
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            faults.broken(line_of(error.valid_up_to()), "the text is not UTF-8 (RFC 8259 8.1)");
            return None;
        }
    };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Some(Value { raw, at: Place::ROOT }),
        Err(error) => {
            faults.broken(error.line(), format_args!("not JSON (RFC 8259): {error}"));
            None
        }
    }
}

impl<'a, 'p> Value<'a, 'p> {
    /// The value as an object whose keys are unique.
    pub fn object(self, faults: &mut Faults) -> Option<Object<'a, 'p>> {
        let Fields(fields) = self.open("an object", b'{', faults)?;
        let object = Object { at: self.at, fields };
        object.refuse_duplicates(faults);
        Some(object)
    }

    /// The value as a list.
    pub fn list(self, faults: &mut Faults) -> Option<List<'a, 'p>> {
        let items = self.open("a list", b'[', faults)?;
        Some(List { at: self.at, items })
    }

    /// The value as a text.
    pub fn text(self, faults: &mut Faults) -> Option<Cow<'a, str>> {
        let Text(text) = self.open("a text in quotes", b'"', faults)?;
        Some(text)
    }

    /// The value as true or false.
    pub fn flag(self, faults: &mut Faults) -> Option<bool> {
        match self.raw.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.wrong("true or false", faults),
        }
    }

    /// The value as a whole number within `bounds`.
    pub fn whole(self, bounds: std::ops::RangeInclusive<u32>, faults: &mut Faults) -> Option<u32> {
        let number = self.raw.get().parse::<u32>().ok().filter(|number| bounds.contains(number));
        let (low, high) = (bounds.start(), bounds.end());
        number.or_else(|| self.wrong(&format!("a whole number from {low} to {high}"), faults))
    }

    /// Whether the value is a text.
    pub fn is_text(self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// Whether the value is true or false.
    pub fn is_flag(self) -> bool {
        matches!(self.raw.get(), "true" | "false")
    }

    /// Notes that the value is not what it must be.
    pub fn wrong<T>(self, right: &str, faults: &mut Faults) -> Option<T> {
        let found = match self.raw.get().as_bytes().first() {
            Some(b'{') => "an object".to_string(),
            Some(b'[') => "a list".to_string(),
            Some(b'"') => match serde_json::from_str::<Text<'_>>(self.raw.get()) {
                Ok(Text(text)) => shown(&text),
                Err(_) => "a text with a broken escape".to_string(),
            },
            Some(_) | None => {
                let text = shown(self.raw.get());
                text.trim_matches('"').to_string()
            }
        };
        faults.error(&self.at, format_args!("must be {right}, not {found}"));
        None
    }

    fn open<T: Deserialize<'a>>(self, right: &str, first: u8, faults: &mut Faults) -> Option<T> {
        if self.raw.get().as_bytes().first() != Some(&first) {
            return self.wrong(right, faults);
        }
        match serde_json::from_str(self.raw.get()) {
            Ok(value) => Some(value),
            // The text as a whole is JSON: only an escape can still be wrong.
            Err(_) => {
                faults.error(
                    &self.at,
                    format_args!("must be {right}, and a text in it has a broken escape (RFC 8259 7)"),
                );
                None
            }
        }
    }
}

impl<'a, 'p> Object<'a, 'p> {
    /// The field `key`; `None` when it is absent or null.
    pub fn get<'s>(&'s self, key: &'s str) -> Option<Value<'a, 's>> {
        let field = self.fields.iter().find(|field| field.key == key)?;
        field.asked.set(true);
        (field.raw.get() != "null").then(|| Value { raw: field.raw, at: self.at.key(key) })
    }

    /// The field `key`, which must be there; `right` says what it should hold.
    pub fn require<'s>(&'s self, key: &'s str, right: &str, faults: &mut Faults) -> Option<Value<'a, 's>> {
        let value = self.get(key);
        if value.is_none() {
            faults.error(&self.at.key(key), format_args!("is missing: write {right}"));
        }
        value
    }

    /// Tells of every field that nobody asked for.
    pub fn close(self, faults: &mut Faults) {
        for field in self.fields.iter().filter(|field| !field.asked.get()) {
            let key = shown(&field.key);
            let place = self.at.key(&field.key);
            faults.message(&place, format_args!("unknown field {key} is dropped"));
        }
    }

    fn refuse_duplicates(&self, faults: &mut Faults) {
        let mut seen: HashSet<&str> = HashSet::new();
        let few = self.fields.len() <= QUADRATIC_FIELDS_MAX;
        for (place, field) in self.fields.iter().enumerate() {
            let earlier = |other: &Field<'_>| other.key == field.key;
            let twice = if few { self.fields[..place].iter().any(earlier) } else { !seen.insert(&field.key) };
            if twice {
                faults.error(&self.at.key(&field.key), "the key is there twice: keep one of them");
            }
        }
    }
}

impl<'a, 'p> List<'a, 'p> {
    /// The items, each with its place.
    pub fn items<'s>(&'s self) -> impl Iterator<Item = Value<'a, 's>> {
        let at = &self.at;
        self.items.iter().enumerate().map(move |(index, raw)| Value { raw, at: at.index(index) })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

/// The fields of an object, one level, duplicates kept.
struct Fields<'a>(Vec<Field<'a>>);

/// A text, borrowed where it holds no escape.
struct Text<'a>(Cow<'a, str>);

struct FieldsVisitor;
struct TextVisitor;

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor).map(Fields)
    }
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<Field<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((Text(key), raw)) = map.next_entry()? {
            fields.push(Field { key, raw, asked: Cell::new(false) });
        }
        Ok(fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_json_pointers() {
        let (root, apps) = (Place::ROOT, Place::ROOT.key("a/b~c"));
        assert_eq!(root.to_string(), "");
        assert_eq!(apps.to_string(), "/a~1b~0c");
        assert_eq!(apps.index(3).key("id").to_string(), "/a~1b~0c/3/id");
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let mut faults = Faults::default();
        let object = parse(deep.as_bytes(), &mut faults).and_then(|value| value.object(&mut faults));
        let object = object.expect("one level is opened");
        assert!(object.get("a").is_some_and(|value| value.text(&mut faults).is_none()));
        assert_eq!(
            faults.finish().expect_err("not a text").list[0].text,
            "must be a text in quotes, not a list"
        );
    }
}
