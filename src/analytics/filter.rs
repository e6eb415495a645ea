//! `filters`: comparisons of dimensions, bound by AND (`;`) and OR (`,`). AND binds tighter; there are no brackets
//! (`reference/spectrum.md`, section 6.3).
//!
//! ```text
//!  filter     = all *( ("," / 1*WS "OR" 1*WS) all)
//!  all        = comparison *( (";" / 1*WS "AND" 1*WS) comparison)
//!  comparison = dimension ("==" / "!=" / ">=" / "<=" / ">" / "<") value
//! ```

use super::key::{Dimension, Key, Value};
use std::cmp::Ordering;

/// The longest text.
const BYTES_MAX: usize = 4_096;
/// Comparisons of one filter.
const COMPARISONS_MAX: usize = 100;

/// Which rows are wanted: those for which all comparisons of one of the groups hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter(Vec<Vec<Comparison>>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Comparison {
    dimension: Dimension,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Greater,
    Less,
}

impl Operator {
    /// Two signs before one, so that `>=` is not read as `>`.
    const ALL: [(&'static str, Self); 6] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        (">", Self::Greater),
        ("<", Self::Less),
    ];

    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::AtLeast => order.is_ge(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::Less => order.is_lt(),
        }
    }
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("is longer than {BYTES_MAX} bytes"));
        }
        let groups = split(text, ',', "OR").into_iter().map(|all| {
            let comparisons = split(all, ';', "AND").into_iter().map(comparison);
            comparisons.collect::<Result<Vec<_>, _>>()
        });
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        match groups.iter().map(Vec::len).sum::<usize>() > COMPARISONS_MAX {
            true => Err(format!("has more than {COMPARISONS_MAX} comparisons")),
            false => Ok(Self(groups)),
        }
    }

    /// Whether a row is wanted.
    pub fn wants(&self, key: &Key) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(key)))
    }
}

impl Comparison {
    fn holds(&self, key: &Key) -> bool {
        self.operator.holds(self.dimension.of(key).cmp(&self.value))
    }
}

fn comparison(text: &str) -> Result<Comparison, String> {
    let text = text.trim();
    let quoted = crate::base::outside::quoted(text);
    let bad = |why: &str| format!("{quoted} is no comparison: {why}");
    if text.is_empty() {
        return Err("a comparison is missing before, after or between , and ;".into());
    }
    let signs = text.find(['=', '!', '<', '>']).ok_or_else(|| bad("it has none of == != > < >= <="))?;
    let (name, rest) = text.split_at(signs);
    let found = Operator::ALL.into_iter().find(|(sign, _)| rest.starts_with(sign));
    let (sign, operator) = found.ok_or_else(|| bad("the operators are == != > < >= <="))?;
    let names = Dimension::ALL.map(Dimension::name).join(", ");
    let dimension = Dimension::of_name(name.trim());
    let dimension = dimension.ok_or_else(|| bad(&format!("rows are filtered by {names}")))?;
    let value = dimension.read(rest[sign.len()..].trim()).map_err(|why| bad(&why))?;
    Ok(Comparison { dimension, operator, value })
}

/// The parts between a sign, or a word with blanks around it.
fn split<'a>(text: &'a str, sign: char, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, letter) in text.char_indices().filter(|(_, letter)| *letter == sign || letter.is_whitespace()) {
        let behind = &text[at + letter.len_utf8()..];
        let cut = match letter == sign {
            true => Some(behind),
            false => behind.strip_prefix(word).filter(|rest| rest.starts_with(char::is_whitespace)),
        };
        if let Some(rest) = cut.filter(|_| at >= start) {
            parts.push(&text[start..at]);
            start = text.len() - rest.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::super::key::{EventName, IpVersion, Tag};
    use super::*;

    fn key(app: u128, event: EventName, ip: IpVersion) -> Key {
        Key { zone: Tag::from_bits(1), app: Some(Tag::from_bits(app)), event, ip, colo: "SFO".into() }
    }

    fn wants(text: &str, key: &Key) -> bool {
        Filter::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).wants(key)
    }

    #[test]
    fn and_binds_tighter_than_or_in_both_spellings() {
        let four = key(1, EventName::Connect, IpVersion::V4);
        let six = key(1, EventName::Connect, IpVersion::V6);
        let end = key(1, EventName::Disconnect, IpVersion::V4);
        for text in [
            "event==disconnect,event==connect;ipVersion==6",
            "event==disconnect OR event==connect AND ipVersion==6",
            "event == connect;ipVersion  ==6\tOR\nevent==disconnect",
            "ipVersion>4 , event==disconnect",
        ] {
            assert_eq!([&four, &six, &end].map(|key| wants(text, key)), [false, true, true], "{text}");
        }
    }

    #[test]
    fn operators_compare_as_words_do() {
        let row = key(0x20, EventName::Disconnect, IpVersion::V6);
        let app = |bits: u128| Tag::from_bits(bits).to_string();
        for (text, holds) in [
            ("ipVersion>=6", true),
            ("ipVersion<6", false),
            ("ipVersion<=4", false),
            ("event>connect", true),
            ("event<connect", false),
            ("coloName!=SFO", false),
            ("coloName!=FRA", true),
            ("coloName<SFZ", true),
            (&format!("appID=={}", app(0x20)), true),
            (&format!("appID>{}", app(0x1f)), true),
            (&format!("appID<={}", app(0x1f)), false),
            ("appID!=other", true),
        ] {
            assert_eq!(wants(text, &row), holds, "{text}");
        }
        let others = Key { app: None, ..row };
        assert!(wants("appID==other", &others) && !wants(&format!("appID=={}", app(0)), &others));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let many = vec!["event==connect"; COMPARISONS_MAX + 1].join(",");
        for (text, why) in [
            ("", "a comparison is missing"),
            ("event==connect,", "a comparison is missing"),
            (";event==connect", "a comparison is missing"),
            ("event", "none of =="),
            ("event=connect", "operators are"),
            ("event!connect", "operators are"),
            ("event=!connect", "operators are"),
            ("count>5", "filtered by event, appID, coloName, ipVersion"),
            ("event==", "event is one of"),
            ("event==a", "event is one of"),
            ("event===connect", "event is one of"),
            ("event==connect OR", "event is one of"),
            ("event==connect AND OR event==connect", "event is one of"),
            ("appID==x", "32 lower-case hex digits"),
            ("ipVersion==ipv4", "4 or 6"),
            ("(event==connect)", "filtered by"),
            (&many, "more than 100"),
            (&"x".repeat(BYTES_MAX + 1), "longer than"),
        ] {
            let told = Filter::parse(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic() {
        use proptest::prelude::*;
        proptest!(|(text in "([a-zA-Z=!<>,; \u{e9}\u{2003}]|event|OR |AND |==connect| OR | AND ){0,40}")| {
            let _ = Filter::parse(&text);
        });
    }
}
