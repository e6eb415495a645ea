//! What came of an import: counts by kind, and a note for everything that is not here as it was there.

use crate::estate::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Notes that are told.
const NOTES_MAX: usize = 10_000;

/// What became of one thing of the other side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It was made here.
    Made,
    /// It was here already, and follows the other side.
    Changed,
    /// It was here already, and says the same.
    Same,
    /// It was here already and says something else, which it keeps.
    Kept,
    /// It is not here: why is in a note.
    LeftOut,
}

/// What a note is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// It is not here.
    LeftOut,
    /// It is here and differs.
    Differs,
    /// It is here in another form.
    Mapped,
    /// A field of it does nothing here.
    NotInForce,
    /// Its secret stays there: it is to be brought by hand.
    ToBeUploaded,
}

/// What came of it all.
#[derive(Debug, Default)]
pub struct Report {
    counts: BTreeMap<Kind, BTreeMap<Fate, usize>>,
    notes: Vec<Value>,
    more: usize,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Made, Self::Changed, Self::Same, Self::Kept, Self::LeftOut];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Kept => "kept",
            Self::LeftOut => "left_out",
        }
    }
}

impl About {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LeftOut, Self::Differs, Self::Mapped, Self::NotInForce, Self::ToBeUploaded];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftOut => "left_out",
            Self::Differs => "differs",
            Self::Mapped => "mapped",
            Self::NotInForce => "not_in_force",
            Self::ToBeUploaded => "to_be_uploaded",
        }
    }
}

impl Report {
    /// Counts one.
    pub fn count(&mut self, kind: Kind, fate: Fate) {
        *self.counts.entry(kind).or_default().entry(fate).or_default() += 1;
    }

    /// Notes something; `name` is what people call it.
    pub fn note(&mut self, about: About, (kind, id, name): (Kind, &str, &str), why: impl Into<String>) {
        if self.notes.len() >= NOTES_MAX {
            self.more += 1;
            return;
        }
        let why: String = why.into();
        self.notes
            .push(json!({ "what": about.name(), "kind": kind.name(), "id": id, "name": name, "why": why }));
    }

    /// One that is not here.
    pub fn leave_out(&mut self, what: (Kind, &str, &str), why: impl Into<String>) {
        self.count(what.0, Fate::LeftOut);
        self.note(About::LeftOut, what, why);
    }

    /// As it is answered.
    pub fn json(&self) -> Value {
        let counts = self.counts.iter().map(|(kind, counts)| {
            let of =
                |fate: Fate| (fate.name().to_owned(), Value::from(counts.get(&fate).copied().unwrap_or(0)));
            let mut row: Map<String, Value> = Fate::ALL.map(of).into_iter().collect();
            row.insert("kind".into(), kind.name().into());
            Value::Object(row)
        });
        json!({ "counts": counts.collect::<Value>(), "notes": self.notes, "more_notes": self.more })
    }
}
