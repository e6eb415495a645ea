//! The remark behind a record as Cloudflare writes it: `; COMMENT cf_tags=NAME,NAME:VALUE,NAME:"VALUE"`. Tags that begin with
//! `cf-` say `proxied` and `settings.flatten_cname`.

use crate::estate::DnsRecord;

/// What stands before tags.
const MARK: &str = "cf_tags=";
const PROXIED: &str = "cf-proxied";
const FLATTEN: &str = "cf-flatten-cname";
/// What tags with a meaning of their own begin with.
const RESERVED: &str = "cf-";

/// The longest remark, in bytes: a comment and tags as long as they may be, each letter an escape, fit.
const REMARK_BYTES_MAX: usize = 32 << 10;

/// What a remark says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remark {
    /// The operator's own words.
    pub comment: Option<String>,
    /// The operator's own marks, `name:value`.
    pub tags: Vec<String>,
    /// `cf-proxied`.
    pub proxied: Option<bool>,
    /// `cf-flatten-cname`.
    pub flatten_cname: bool,
}

/// Reads it.
///
/// # Errors
/// A sentence for the operator.
pub fn read(text: &str) -> Result<Remark, &'static str> {
    if text.len() > REMARK_BYTES_MAX {
        return Err("the remark is longer than 32 KiB");
    }
    let marks = || text.rmatch_indices(MARK).filter(|(at, _)| *at == 0 || text[..*at].ends_with([' ', '\t']));
    // One inside a value in quotes leaves a quote too many behind it, and is no list.
    let found = marks().find_map(|(at, _)| Some((at, list(text[at + MARK.len()..].trim())?)));
    let (comment, tags) = match found {
        Some((at, tags)) => (&text[..at], tags),
        None if marks().next().is_some() => {
            return Err(
                "behind cf_tags= stand tags with commas between them: name, name:value or name:\"value\"",
            );
        }
        None => (text, Vec::new()),
    };
    let comment = Some(comment.trim().replace('\t', " ")).filter(|comment| !comment.is_empty());
    let mut remark = Remark { comment, ..Remark::default() };
    for (name, value) in tags {
        match (name, value.as_str()) {
            (PROXIED, "true") => remark.proxied = Some(true),
            (PROXIED, "false") => remark.proxied = Some(false),
            (PROXIED, _) => return Err("cf-proxied is true or false"),
            (FLATTEN, "" | "true") => remark.flatten_cname = true,
            (name, _) if name.starts_with(RESERVED) => {
                return Err("of tags that begin with cf- there are cf-proxied and cf-flatten-cname");
            }
            (name, "") => remark.tags.push(name.to_owned()),
            (name, value) => remark.tags.push(format!("{name}:{value}")),
        }
    }
    Ok(remark)
}

/// Names and values of a list of tags; `None`: it is none.
fn list(text: &str) -> Option<Vec<(&str, String)>> {
    let (mut tags, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = rest.find([':', ',']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return None;
        }
        let (value, behind) = match behind.strip_prefix(':') {
            Some(value) => value_of(value)?,
            None => (String::new(), behind),
        };
        tags.push((name, value));
        rest = match behind.strip_prefix(',') {
            // Behind a comma another one stands.
            Some("") => return None,
            Some(next) => next,
            None if behind.is_empty() => "",
            None => return None,
        };
    }
    Some(tags)
}

/// A value at the head of a text, and what stands behind it.
fn value_of(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let value = values.next()?.ok()?;
        return Some((value, &text[values.byte_offset()..]));
    }
    let (value, behind) = text.split_at(text.find(',').unwrap_or(text.len()));
    let is_bare = !value.contains(['"', '=', '\\']);
    is_bare.then(|| (value.to_owned(), behind))
}

/// What stands behind a record, with its `;`; empty where there is nothing to say.
pub fn written(record: &DnsRecord) -> String {
    let own = record.tags.iter().filter(|tag| !tag.starts_with(RESERVED)).map(|tag| written_tag(tag));
    let mut tags: Vec<String> = own.collect();
    if record.settings.flatten_cname == Some(true) {
        tags.push(FLATTEN.to_owned());
    }
    if record.data.kind().is_proxiable() {
        tags.push(format!("{PROXIED}:{}", record.proxied));
    }
    let comment = record.comment.as_deref().unwrap_or("");
    let mut text = String::new();
    if !comment.is_empty() {
        text.push_str(&format!(" ; {comment}"));
    }
    if !tags.is_empty() || comment.contains(MARK) {
        let head = if comment.is_empty() { " ;" } else { "" };
        text.push_str(&format!("{head} {MARK}{}", tags.join(",")));
    }
    text
}

fn written_tag(tag: &str) -> String {
    let Some((name, value)) = tag.split_once(':') else { return tag.to_owned() };
    // Blanks around a value would be lost without quotes.
    match value.contains(['"', '=', ',', '\\']) || value.trim() != value {
        true => format!("{name}:{}", serde_json::Value::from(value)),
        false => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_read_as_cloudflare_documents_them() {
        for (text, comment, tags) in [
            ("", "", vec![]),
            ("cf_tags=awesome", "", vec!["awesome"]),
            (r#"cf_tags=a,b:c,d:"v,w",e:"say \"x\"""#, "", vec!["a", "b:c", "d:v,w", "e:say \"x\""]),
            ("words alone", "words alone", vec![]),
            ("it says cf_tags= as text cf_tags=", "it says cf_tags= as text", vec![]),
            ("simple cf_tags=important,ticket:THIS-12345", "simple", vec!["important", "ticket:THIS-12345"]),
            ("cf_tags=a:\"\",b:,c", "", vec!["a", "b", "c"]),
            (r#"x cf_tags=a:"y cf_tags=z",b"#, "x", vec!["a:y cf_tags=z", "b"]),
            ("a word_cf_tags=x", "a word_cf_tags=x", vec![]),
            ("cf_tags=a:b c", "", vec!["a:b c"]),
        ] {
            let read = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(
                (read.comment.as_deref().unwrap_or(""), read.tags),
                (comment, tags.iter().map(|tag| (*tag).to_owned()).collect()),
                "{text}"
            );
        }
        let marked = read("one cf_tags=a,cf-flatten-cname,cf-proxied:true").expect("a remark");
        assert_eq!(
            (marked.proxied, marked.flatten_cname, marked.tags),
            (Some(true), true, vec!["a".to_owned()])
        );
        assert_eq!(read("cf_tags=cf-proxied:false").map(|remark| remark.proxied), Ok(Some(false)));
        assert_eq!(read("cf_tags=a").map(|remark| remark.proxied), Ok(None));
    }

    #[test]
    fn tags_that_are_none_are_refused() {
        let long = "x".repeat(REMARK_BYTES_MAX + 1);
        for text in [
            "cf_tags=a b",
            "cf_tags=a,",
            "cf_tags=,a",
            "cf_tags=a:\"b",
            "cf_tags=a:b=c",
            "cf_tags=a:\"b\"c",
            "cf_tags=cf-proxied:maybe",
            "cf_tags=cf-proxied",
            "cf_tags=cf-other:1",
            &long,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
