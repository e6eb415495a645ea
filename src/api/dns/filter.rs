//! What a list of DNS records is narrowed to: texts by `field.exact`, `.contains`, `.startswith` and `.endswith` (the bare
//! field is an exact one), tags, type, `proxied`; all without regard to case.

use super::row::Line;
use crate::api::answer::Failure;
use crate::api::query::Query;

/// How each field may be asked for: bare, and by its four comparisons.
pub type Keys = [&'static str; 5];

pub const NAME: Keys = ["name", "name.exact", "name.contains", "name.startswith", "name.endswith"];
pub const CONTENT: Keys =
    ["content", "content.exact", "content.contains", "content.startswith", "content.endswith"];
pub const COMMENT: Keys =
    ["comment", "comment.exact", "comment.contains", "comment.startswith", "comment.endswith"];
pub const TAG: Keys = ["tag", "tag.exact", "tag.contains", "tag.startswith", "tag.endswith"];
/// Types that a client may ask for; of some byway keeps no record.
pub const TYPES: [&str; 21] = [
    "A",
    "AAAA",
    "CAA",
    "CERT",
    "CNAME",
    "DNSKEY",
    "DS",
    "HTTPS",
    "LOC",
    "MX",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "SMIMEA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
    "URI",
];

/// How a text is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Exact,
    Contains,
    StartsWith,
    EndsWith,
}

/// A comparison with a text in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Test(How, String);

/// What is wanted of a tag.
#[derive(Clone, PartialEq, Eq, Debug)]
enum TagTest {
    /// One of this name is there.
    Present(String),
    /// None of this name is there.
    Absent(String),
    /// One of this name has a value that fits.
    Value(String, Test),
}

/// What a list is narrowed to.
#[derive(Debug)]
pub struct Filter {
    name: Vec<Test>,
    content: Vec<Test>,
    comment: Vec<Test>,
    /// Whether a comment is wanted.
    commented: Vec<bool>,
    tags: Vec<TagTest>,
    any_tag: bool,
    kind: Option<&'static str>,
    proxied: Option<bool>,
    search: Option<String>,
    any: bool,
}

impl Filter {
    /// Reads it.
    ///
    /// # Errors
    /// A value is empty, or none that there is.
    pub fn read(query: &Query) -> Result<Self, Failure> {
        let mut commented = Vec::new();
        commented.extend(query.text("comment.present")?.map(|_| true));
        commented.extend(query.text("comment.absent")?.map(|_| false));
        let lower = |text: &str| text.to_lowercase();
        let mut tags: Vec<TagTest> = Vec::new();
        tags.extend(query.text("tag.present")?.map(|text| TagTest::Present(lower(text))));
        tags.extend(query.text("tag.absent")?.map(|text| TagTest::Absent(lower(text))));
        tags.extend(tests(query, TAG)?.into_iter().map(|Test(how, text)| {
            let (name, value) = text.split_once(':').unwrap_or((&text, ""));
            TagTest::Value(name.to_owned(), Test(how, value.to_owned()))
        }));
        Ok(Self {
            name: tests(query, NAME)?,
            content: tests(query, CONTENT)?,
            comment: tests(query, COMMENT)?,
            commented,
            tags,
            any_tag: any(query, "tag_match")?,
            kind: query.word("type", &TYPES)?,
            proxied: query.flag("proxied")?,
            search: query.text("search")?.map(lower),
            any: any(query, "match")?,
        })
    }

    /// Whether a record is in the list. What it says is written only where somebody asks for it.
    pub fn lets(&self, line: &Line<'_>) -> bool {
        let name = line.name();
        let asks_content = !self.content.is_empty() || self.search.is_some();
        let content = if asks_content { line.content().to_lowercase() } else { String::new() };
        let plain = line.plain();
        let comment = plain.and_then(|record| record.comment.as_deref()).unwrap_or("").to_lowercase();
        let tags = plain.map_or(&[][..], |record| &record.tags[..]).iter();
        let tags: Vec<String> = tags.map(|tag| tag.to_lowercase()).collect();
        let mut met: Vec<bool> = Vec::new();
        met.extend(self.name.iter().map(|test| test.fits(name)));
        met.extend(self.content.iter().map(|test| test.fits(&content)));
        met.extend(self.comment.iter().map(|test| test.fits(&comment)));
        met.extend(self.commented.iter().map(|wanted| *wanted != comment.is_empty()));
        met.extend(self.kind.map(|kind| kind == line.kind().name()));
        met.extend(self.proxied.map(|proxied| proxied == line.is_proxied()));
        let of_tags: Vec<bool> = self.tags.iter().map(|test| test.fits(&tags)).collect();
        met.extend((!of_tags.is_empty()).then(|| all_or_any(&of_tags, self.any_tag)));
        let found = self.search.as_ref().is_none_or(|text| {
            let tags = tags.iter().map(String::as_str);
            [name, &content, &comment].into_iter().chain(tags).any(|own| own.contains(text.as_str()))
        });
        found && all_or_any(&met, self.any)
    }
}

fn tests(query: &Query, [bare, exact, contains, starts, ends]: Keys) -> Result<Vec<Test>, Failure> {
    let mut tests = Vec::new();
    for (key, how) in [
        (bare, How::Exact),
        (exact, How::Exact),
        (contains, How::Contains),
        (starts, How::StartsWith),
        (ends, How::EndsWith),
    ] {
        tests.extend(query.text(key)?.map(|text| Test(how, text.to_lowercase())));
    }
    Ok(tests)
}

fn any(query: &Query, key: &'static str) -> Result<bool, Failure> {
    query.word(key, &["any", "all"]).map(|word| word == Some("any"))
}

/// Without a test everything is met.
fn all_or_any(met: &[bool], any: bool) -> bool {
    met.is_empty() || if any { met.contains(&true) } else { !met.contains(&false) }
}

impl Test {
    fn fits(&self, own: &str) -> bool {
        let Self(how, text) = self;
        match how {
            How::Exact => own == text,
            How::Contains => own.contains(text.as_str()),
            How::StartsWith => own.starts_with(text.as_str()),
            How::EndsWith => own.ends_with(text.as_str()),
        }
    }
}

impl TagTest {
    fn fits(&self, tags: &[String]) -> bool {
        let mut parts = tags.iter().map(|tag| tag.split_once(':').unwrap_or((tag, "")));
        match self {
            Self::Present(wanted) => parts.any(|(name, _)| name == wanted),
            Self::Absent(wanted) => parts.all(|(name, _)| name != wanted),
            Self::Value(wanted, test) => parts.any(|(name, value)| name == wanted && test.fits(value)),
        }
    }
}
