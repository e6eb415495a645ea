//! Entries of a zone file -> bodies of records, as a client of the API would send them: names in full, TTLs in seconds. What the
//! file leaves out follows from what stands above it (RFC 1035 5.1, RFC 2308 4). Whether a record is right is not said here.

use super::entries::{Entry, Word};
use super::remark;
use crate::api::code::ApiCode;
use crate::base::outside::quoted;
use crate::estate::RecordType;
use serde_json::{Map, Value, json};

/// Units of a TTL as BIND has them, in seconds.
const UNITS: [(u8, u64); 5] = [(b's', 1), (b'm', 60), (b'h', 3_600), (b'd', 86_400), (b'w', 604_800)];
/// A name in full and its last dot, in bytes (RFC 1035 2.3.4, as text).
const NAME_BYTES_MAX: usize = 254;
/// What a record is given that says no TTL, and nothing above it either: byway may choose.
const TTL_AUTOMATIC: u64 = 1;

/// What an entry came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Read {
    /// A record's body.
    Record(Map<String, Value>),
    /// A directive.
    Directive,
    /// The start of authority, which is the name server's to say.
    Soa,
}

/// What is wrong with an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The code.
    pub code: ApiCode,
    /// A sentence for the operator.
    pub text: String,
}

/// What holds from one entry to the next.
#[derive(Clone, Debug)]
pub struct Reader {
    zone: String,
    /// What names without a last dot are completed by; empty: the root.
    origin: String,
    /// The owner of the last record.
    owner: Option<String>,
    /// `$TTL`.
    ttl: Option<u64>,
    /// The TTL that was said last.
    ttl_said: Option<u64>,
    /// Whether records are proxied that do not say.
    proxied: bool,
}

impl Reader {
    /// Of a zone's file, at its first line.
    pub fn new(zone: &str, proxied: bool) -> Self {
        Self { zone: zone.into(), origin: zone.into(), owner: None, ttl: None, ttl_said: None, proxied }
    }

    /// Reads the next entry.
    ///
    /// # Errors
    /// See `Wrong`.
    pub fn read(&mut self, entry: &Entry<'_>) -> Result<Read, Wrong> {
        if let [first, behind @ ..] = &*entry.words
            && entry.has_owner
            && !first.is_quoted
            && first.text.starts_with('$')
        {
            return self.direct(first.text, behind);
        }
        let mut words = entry.words.iter();
        if entry.has_owner {
            // An entry has at least one word.
            let name = words.next().map_or("", |word| word.text);
            self.owner = None;
            self.owner = Some(self.whole(name)?);
        }
        let (ttl, kind) = self.head(&mut words)?;
        if kind.eq_ignore_ascii_case("SOA") {
            return Ok(Read::Soa);
        }
        let name = self.name()?;
        let remark = remark::read(entry.remark).map_err(|why| wrong(ApiCode::BadField, why))?;
        let known = RecordType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(kind));
        let mut body = Map::new();
        body.insert("name".into(), name.into());
        body.insert("ttl".into(), ttl.into());
        body.insert(
            "type".into(),
            known.map_or_else(|| kind.to_ascii_uppercase(), |kind| kind.name().into()).into(),
        );
        if let Some(kind) = known {
            body.extend(self.data(kind, words.as_slice())?);
            let by_default = self.proxied && kind.is_proxiable();
            body.insert("proxied".into(), remark.proxied.unwrap_or(by_default).into());
        }
        body.insert("comment".into(), remark.comment.into());
        body.insert("tags".into(), remark.tags.into());
        if remark.flatten_cname {
            body.insert("settings".into(), json!({ "flatten_cname": true }));
        }
        Ok(Read::Record(body))
    }

    fn direct(&mut self, name: &str, words: &[Word<'_>]) -> Result<Read, Wrong> {
        match (name.to_ascii_uppercase().as_str(), words) {
            ("$ORIGIN", [origin]) => self.origin = self.whole(origin.text)?,
            ("$TTL", [ttl]) => {
                let ttl = seconds(ttl.text)
                    .ok_or_else(|| wrong(ApiCode::RecordTtl, "$TTL is no number of seconds"))?;
                self.ttl = Some(ttl);
            }
            ("$INCLUDE", _) => return Err(wrong(ApiCode::BadField, "$INCLUDE directive not allowed")),
            ("$GENERATE", _) => {
                return Err(wrong(
                    ApiCode::BadField,
                    "$GENERATE is not read: write each record on a line of its own",
                ));
            }
            ("$ORIGIN" | "$TTL", _) => {
                return Err(wrong(ApiCode::BadField, "a directive wants one word behind it"));
            }
            _ => {
                let text = format!("{} is no directive: $ORIGIN and $TTL are read", quoted(name));
                return Err(wrong(ApiCode::BadField, text));
            }
        }
        Ok(Read::Directive)
    }

    /// TTL and class in any order, where they are said, and the type.
    fn head<'w>(&mut self, words: &mut std::slice::Iter<'w, Word<'_>>) -> Result<(u64, &'w str), Wrong> {
        let (mut ttl, mut has_class) = (None, false);
        loop {
            let Some(word) = words.next() else {
                return Err(wrong(ApiCode::RecordType, "the record has no type"));
            };
            let said = seconds(word.text);
            match word.text.to_ascii_uppercase().as_str() {
                "IN" if !has_class => has_class = true,
                "CH" | "CS" | "HS" | "CHAOS" | "HESIOD" => {
                    return Err(wrong(ApiCode::RecordType, "the class must be IN"));
                }
                _ if said.is_some() && ttl.is_none() => ttl = said,
                _ => {
                    self.ttl_said = ttl.or(self.ttl_said);
                    let ttl = ttl.or(self.ttl).or(self.ttl_said).unwrap_or(TTL_AUTOMATIC);
                    return Ok((ttl, word.text));
                }
            }
        }
    }

    /// The owner, where it lies in the zone.
    fn name(&self) -> Result<String, Wrong> {
        let Some(name) = &self.owner else {
            return Err(wrong(ApiCode::RecordName, "the record has no name, and none stands above it"));
        };
        let name = name.to_ascii_lowercase();
        let is_within =
            name.strip_suffix(&self.zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        match is_within {
            true => Ok(name),
            false => {
                let text = format!("{} does not lie in zone {}", quoted(&name), self.zone);
                Err(wrong(ApiCode::RecordName, text))
            }
        }
    }

    fn data(&self, kind: RecordType, words: &[Word<'_>]) -> Result<Map<String, Value>, Wrong> {
        let (texts, strings): (Vec<&str>, Vec<String>) =
            words.iter().map(|word| (word.text, format!("\"{}\"", word.text))).unzip();
        let whole = |name: &str| self.target(name);
        let parts = match (kind, &*texts) {
            (RecordType::A | RecordType::Aaaa, [addr]) => json!({ "content": addr }),
            (RecordType::Cname | RecordType::Ns, [host]) => json!({ "content": whole(host)? }),
            (RecordType::Mx, [priority, host]) => {
                json!({ "priority": number(priority), "content": whole(host)? })
            }
            (RecordType::Srv, [priority, weight, port, host]) => json!({ "data": {
                "priority": number(priority), "weight": number(weight), "port": number(port), "target": whole(host)?,
            } }),
            (RecordType::Caa, [flags, tag, value]) => {
                json!({ "data": { "flags": number(flags), "tag": tag, "value": value } })
            }
            (RecordType::Txt, [_, ..]) => json!({ "content": strings.join(" ") }),
            (RecordType::A | RecordType::Aaaa | RecordType::Cname | RecordType::Ns, _) => {
                return Err(count(kind, "1"));
            }
            (RecordType::Mx, _) => return Err(count(kind, "2")),
            (RecordType::Srv, _) => return Err(count(kind, "4")),
            (RecordType::Caa, _) => return Err(count(kind, "3")),
            (RecordType::Txt, []) => return Err(count(kind, "1 or more")),
        };
        Ok(match parts {
            Value::Object(parts) => parts,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        })
    }

    /// What a record points at; the root stays a dot.
    fn target(&self, name: &str) -> Result<String, Wrong> {
        if name == "." { Ok(name.to_owned()) } else { self.whole(name) }
    }

    /// A name in full, without its last dot. One that is longer than any is refused here: it would be copied for each entry.
    fn whole(&self, name: &str) -> Result<String, Wrong> {
        let whole = name.strip_suffix('.');
        let behind = if name == "@" || whole.is_some() { 0 } else { 1 + self.origin.len() };
        if name.len() + behind > NAME_BYTES_MAX {
            return Err(wrong(ApiCode::RecordName, "a name has more than 253 letters"));
        }
        Ok(match whole {
            _ if name == "@" => self.origin.clone(),
            Some(whole) => whole.to_owned(),
            None if self.origin.is_empty() => name.to_owned(),
            None => format!("{name}.{}", self.origin),
        })
    }
}

fn wrong(code: ApiCode, text: impl Into<String>) -> Wrong {
    Wrong { code, text: text.into() }
}

fn count(kind: RecordType, parts: &str) -> Wrong {
    wrong(ApiCode::RecordContent, format!("behind the type of {} records stand {parts} words", kind.name()))
}

/// A number as JSON; what is none stays a text, which the reader of records refuses.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// A TTL: seconds, or numbers with units as in `1h30m`.
fn seconds(text: &str) -> Option<u64> {
    let (mut sum, mut digits) = (0_u64, None::<u64>);
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            digits = Some(digits.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(byte - b'0'))?);
            continue;
        }
        let (_, unit) = UNITS.into_iter().find(|(letter, _)| *letter == byte.to_ascii_lowercase())?;
        sum = sum.checked_add(digits.take()?.checked_mul(unit)?)?;
    }
    match (digits, text.bytes().all(|byte| byte.is_ascii_digit())) {
        (Some(digits), true) => Some(digits),
        (None, false) => Some(sum),
        // No digit at all, or digits without a unit behind others with one.
        (Some(_), false) | (None, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entries::Entries;
    use super::*;

    fn all(text: &str, proxied: bool) -> Vec<Result<Read, Wrong>> {
        let mut reader = Reader::new("example.net", proxied);
        Entries::of(text).map(|entry| reader.read(&entry.expect("an entry"))).collect()
    }

    fn rows(text: &str) -> Vec<(String, u64, Value)> {
        let row = |read| match read {
            Ok(Read::Record(body)) => {
                let name = body["name"].as_str().expect("a text").to_owned();
                Some((name, body["ttl"].as_u64().expect("a number"), body["content"].clone()))
            }
            Ok(Read::Directive | Read::Soa) => None,
            Err(wrong) => panic!("{wrong:?}"),
        };
        all(text, false).into_iter().filter_map(row).collect()
    }

    #[test]
    fn what_a_record_leaves_out_follows_from_what_stands_above_it() {
        let text = "a A 192.0.2.1\n\
            b 300 IN A 192.0.2.2\n  in 1h A 192.0.2.3\n@ CNAME a\n\
            $TTL 1d2h\n$origin sub\nc NS @\nd.example.net. CNAME x.example.org.\n\
            $ORIGIN .\nexample.net CNAME com\n";
        let wanted = [
            ("a.example.net", 1, "192.0.2.1"),
            ("b.example.net", 300, "192.0.2.2"),
            ("b.example.net", 3_600, "192.0.2.3"),
            ("example.net", 3_600, "a.example.net"),
            ("c.sub.example.net", 93_600, "sub.example.net"),
            ("d.example.net", 93_600, "x.example.org"),
            ("example.net", 93_600, "com"),
        ];
        assert_eq!(rows(text), wanted.map(|(name, ttl, content)| (name.to_owned(), ttl, content.into())));
    }

    #[test]
    fn data_of_each_type_is_what_a_client_would_send() {
        let body = |text: &str| match all(text, true).remove(0) {
            Ok(Read::Record(body)) => Value::Object(body),
            other => panic!("{text}: {other:?}"),
        };
        for (text, key, wanted) in [
            ("a MX 10 mail", "/content", json!("mail.example.net")),
            ("a MX 0 .", "/content", json!(".")),
            ("a MX 10 mail", "/priority", json!(10)),
            ("a mx ten mail", "/priority", json!("ten")),
            ("a SRV 1 2 3 .", "/data", json!({ "priority": 1, "weight": 2, "port": 3, "target": "." })),
            (
                "a CAA 128 issue \"ca.example; x\"",
                "/data",
                json!({ "flags": 128, "tag": "issue", "value": "ca.example; x" }),
            ),
            ("a TXT one \"two ;\" x\\;y", "/content", json!("\"one\" \"two ;\" \"x\\;y\"")),
            ("a A 192.0.2.1", "/proxied", json!(true)),
            ("a A 192.0.2.1 ; cf_tags=cf-proxied:false", "/proxied", json!(false)),
            ("a TXT x", "/proxied", json!(false)),
            ("a TXT x ; cf_tags=cf-proxied:true", "/proxied", json!(true)),
            ("a CNAME b ; cf_tags=cf-flatten-cname", "/settings/flatten_cname", json!(true)),
            ("a TXT x ; one cf_tags=b:c", "/comment", json!("one")),
            ("a TXT x ; one cf_tags=b:c", "/tags", json!(["b:c"])),
            ("a HTTPS 1 . alpn=h2", "/type", json!("HTTPS")),
        ] {
            assert_eq!(body(text).pointer(key), Some(&wanted), "{text}");
        }
        assert_eq!(all("@ 3600 IN SOA a b 1 2 3 4 5", false), [Ok(Read::Soa)]);
    }

    #[test]
    fn what_is_no_record_of_the_zone_is_refused_with_its_code() {
        for (text, code) in [
            ("  A 192.0.2.1", ApiCode::RecordName),
            ("a.example.org. A 192.0.2.1", ApiCode::RecordName),
            ("notexample.net. A 192.0.2.1", ApiCode::RecordName),
            ("a CH A 192.0.2.1", ApiCode::RecordType),
            ("a 300 IN", ApiCode::RecordType),
            ("a A 192.0.2.1 192.0.2.2", ApiCode::RecordContent),
            ("a A", ApiCode::RecordContent),
            ("a MX mail", ApiCode::RecordContent),
            ("a SRV 1 2 x", ApiCode::RecordContent),
            ("a CAA 0 issue", ApiCode::RecordContent),
            ("a TXT", ApiCode::RecordContent),
            ("$TTL x", ApiCode::RecordTtl),
            ("$TTL 1h2", ApiCode::RecordTtl),
            ("$TTL", ApiCode::BadField),
            ("$ORIGIN a b", ApiCode::BadField),
            ("$INCLUDE /etc/passwd", ApiCode::BadField),
            ("$GENERATE 1-9 a$ A 192.0.2.$", ApiCode::BadField),
            ("$X", ApiCode::BadField),
            (&format!("{} A 192.0.2.1", "a".repeat(250)), ApiCode::RecordName),
            (&format!("$ORIGIN {}", "a.".repeat(130)), ApiCode::RecordName),
            ("a A 192.0.2.1 ; cf_tags=!", ApiCode::BadField),
        ] {
            let read = all(text, false).remove(0);
            assert_eq!(read.map_err(|wrong| wrong.code), Err(code), "{text}");
        }
    }
}
