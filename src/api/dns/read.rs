//! The body of a DNS record -> the record (`A`, `AAAA`, `CAA`, `CNAME`, `MX`, `NS`, `SRV`, `TXT`). Fields that only byway
//! writes are left aside, so that an answer may be sent back as a body.

use crate::api::answer::Failure;
use crate::api::code::ApiCode;
use crate::api::fields::{self, maybe_text};
use crate::base::outside::{is_plain, quoted};
use crate::estate::{
    CaaProperty, DnsRecord, Id, RecordData, RecordName, RecordSettings, RecordType, Stamp, TargetName,
    TxtContent, Zone, is_dynamic,
};
use serde_json::{Map, Value};

/// The longest comment, in characters (Cloudflare's bound for its largest plan).
const COMMENT_CHARS_MAX: usize = 500;
/// Tags of one record, and the longest name and value of one (Cloudflare's bounds).
const TAGS_MAX: usize = 20;
const TAG_NAME_BYTES_MAX: usize = 32;
const TAG_VALUE_CHARS_MAX: usize = 100;
/// The longest text of a body, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Bounds of a TTL in seconds, beside 1, which says that byway may choose.
const TTL_S: std::ops::RangeInclusive<u64> = 30..=86_400;

type Body = Map<String, Value>;

/// Reads a record of a zone; `old` is what it follows.
///
/// # Errors
/// 400 with the field's pointer.
pub fn record(
    body: &Body,
    zone: &Zone,
    (id, now): (Id, Stamp),
    old: Option<&DnsRecord>,
) -> Result<DnsRecord, Failure> {
    let kind = kind(body)?;
    let name = name(body, zone)?;
    let data = data(body, kind, (&name, zone))?;
    let proxied = flag(body, "proxied")?.unwrap_or(false);
    if proxied && !kind.is_proxiable() {
        let text = format!("no proxy can stand before a record of type {}", kind.name());
        return Err(wrong(ApiCode::RecordProxied, "proxied", &text));
    }
    let ttl = ttl(body)?;
    let (comment, tags) = (comment(body)?, tags(body)?);
    let since = |is_there: bool, is_new: bool, before: Option<Stamp>| match (is_there, is_new) {
        (false, _) => None,
        (true, true) => Some(now),
        (true, false) => before,
    };
    let is_commented_anew = old.is_none_or(|old| old.comment != comment);
    let is_tagged_anew = old.is_none_or(|old| old.tags != tags);
    let record = DnsRecord {
        id,
        zone: zone.id,
        name,
        data,
        // A proxied record's is byway's to choose.
        ttl: if proxied { 1 } else { ttl },
        proxied,
        settings: settings(body)?,
        created_on: old.map_or(now, |old| old.created_on),
        modified_on: old.map_or(now, |old| old.modified_on),
        comment_modified_on: since(
            comment.is_some(),
            is_commented_anew,
            old.and_then(|old| old.comment_modified_on),
        ),
        tags_modified_on: since(!tags.is_empty(), is_tagged_anew, old.and_then(|old| old.tags_modified_on)),
        comment,
        tags,
    };
    let is_changed = old.is_some_and(|old| *old != record);
    Ok(if is_changed { DnsRecord { modified_on: now, ..record } } else { record })
}

/// Fields that are kept and do nothing.
pub fn unused(body: &Body, record: &DnsRecord) -> Vec<String> {
    let mut words = Vec::new();
    if record.proxied {
        words.push("proxied is kept and does nothing: traffic is carried by Spectrum apps".to_owned());
    }
    if body.get("private_routing").and_then(Value::as_bool) == Some(true) {
        words.push("private_routing does nothing and is not kept".to_owned());
    }
    words
}

fn kind(body: &Body) -> Result<RecordType, Failure> {
    let names = || RecordType::ALL.map(RecordType::name).join(", ");
    let Some(word) = maybe_text(body, "type", 32)? else {
        return Err(wrong(ApiCode::RecordType, "type", &format!("is missing: one of {}", names())));
    };
    let found = RecordType::ALL.into_iter().find(|kind| kind.name() == word);
    found.ok_or_else(|| {
        let text = format!("{} is no type that byway keeps: write one of {}", quoted(&word), names());
        wrong(ApiCode::RecordType, "type", &text)
    })
}

fn name(body: &Body, zone: &Zone) -> Result<RecordName, Failure> {
    let Some(text) = maybe_text(body, "name", 300)? else {
        return Err(wrong(
            ApiCode::RecordName,
            "name",
            "is missing: a name of the zone, or @ for the zone itself",
        ));
    };
    let name =
        RecordName::within(&text, &zone.name).map_err(|why| wrong(ApiCode::RecordName, "name", why))?;
    if is_dynamic(name.as_str(), &zone.name) {
        let text = "is one of the names that dynamic Spectrum apps lead to: choose another one";
        return Err(wrong(ApiCode::RecordName, "name", text));
    }
    Ok(name)
}

fn data(body: &Body, kind: RecordType, (name, zone): (&RecordName, &Zone)) -> Result<RecordData, Failure> {
    let content = || match maybe_text(body, "content", TEXT_BYTES_MAX)? {
        Some(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Some(_) | None => Err(wrong(ApiCode::RecordContent, "content", "is missing or empty")),
    };
    let host = |key: &str, text: &str, or_none: bool| match (text, or_none) {
        ("@", _) => host(key, &zone.name, false),
        (text, or_none) => host(key, text, or_none),
    };
    Ok(match kind {
        RecordType::A => {
            RecordData::A(parsed(&content()?, ApiCode::RecordIpv4, "IPv4 address such as 192.0.2.1")?)
        }
        RecordType::Aaaa => {
            RecordData::Aaaa(parsed(&content()?, ApiCode::RecordIpv6, "IPv6 address such as 2001:db8::1")?)
        }
        RecordType::Cname => {
            let target = host("content", &content()?, false)
                .map_err(|failure| failure.with_code(ApiCode::RecordCname))?;
            match target.as_str() == name.as_str() {
                true => return Err(wrong(ApiCode::RecordCname, "content", "is the record's own name")),
                false => RecordData::Cname(target),
            }
        }
        RecordType::Ns => RecordData::Ns(host("content", &content()?, false)?),
        RecordType::Mx => RecordData::Mx {
            priority: number(body, "priority", ApiCode::RecordPriority)?,
            exchange: host("content", &content()?, true)?,
        },
        RecordType::Txt => {
            let text = TxtContent::new(&content()?);
            RecordData::Txt(text.map_err(|why| wrong(ApiCode::RecordContent, "content", why))?)
        }
        RecordType::Srv => {
            let data = parts(body)?;
            let target = fields::maybe_text(data, "target", 300).map_err(inside)?.unwrap_or_default();
            RecordData::Srv {
                priority: number(data, "priority", ApiCode::RecordPriority).map_err(inside)?,
                weight: number(data, "weight", ApiCode::RecordContent).map_err(inside)?,
                port: number(data, "port", ApiCode::RecordContent).map_err(inside)?,
                target: host("data/target", &target, true)?,
            }
        }
        RecordType::Caa => caa(parts(body)?)?,
    })
}

fn caa(data: &Body) -> Result<RecordData, Failure> {
    // Terraform's provider takes it in quotes, too.
    let quoted = data.get("flags").and_then(Value::as_str).and_then(|text| text.parse::<u16>().ok());
    let flags = quoted.map_or_else(|| number(data, "flags", ApiCode::RecordContent).map_err(inside), Ok)?;
    let flags = u8::try_from(flags);
    let flags = flags.map_err(|_| wrong(ApiCode::RecordContent, "data/flags", "must be 0 to 255"))?;
    let part = |key| maybe_text(data, key, TEXT_BYTES_MAX).map(Option::unwrap_or_default).map_err(inside);
    let property = CaaProperty::new(&part("tag")?, &part("value")?);
    let property = property.map_err(|why| wrong(ApiCode::RecordContent, "data", why))?;
    Ok(RecordData::Caa { flags, property })
}

/// `data`.
fn parts(body: &Body) -> Result<&Body, Failure> {
    let data = body.get("data").and_then(Value::as_object);
    data.ok_or_else(|| wrong(ApiCode::RecordContent, "data", "is missing: this type's parts, as an object"))
}

/// The same failure, of a field of `data`.
fn inside(mut failure: Failure) -> Failure {
    for error in &mut failure.errors {
        error.pointer = error.pointer.take().map(|pointer| format!("/data{pointer}"));
    }
    failure
}

fn parsed<T: std::str::FromStr>(text: &str, code: ApiCode, what: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| wrong(code, "content", &format!("{} must be an {what}", quoted(text))))
}

fn host(key: &str, text: &str, or_none: bool) -> Result<TargetName, Failure> {
    let name = if or_none { TargetName::host_or_none(text) } else { TargetName::host(text) };
    name.map_err(|why| wrong(ApiCode::RecordHost, key, why))
}

/// A whole number of 16 bits; SDKs send `10` and `10.0`.
fn number(body: &Body, key: &str, code: ApiCode) -> Result<u16, Failure> {
    let value = body.get(key).and_then(whole).and_then(|number| u16::try_from(number).ok());
    value.ok_or_else(|| wrong(code, key, "must be a whole number from 0 to 65535"))
}

fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=4e9).contains(number));
    value.as_u64().or_else(|| float().map(|number| number as u64))
}

fn ttl(body: &Body) -> Result<u32, Failure> {
    let value = match body.get("ttl") {
        None | Some(Value::Null) => return Ok(1),
        Some(value) => whole(value).filter(|ttl| *ttl == 1 || TTL_S.contains(ttl)),
    };
    let ttl = value.and_then(|ttl| u32::try_from(ttl).ok());
    ttl.ok_or_else(|| {
        let text = format!("must be {} to {} seconds, or 1 for automatic", TTL_S.start(), TTL_S.end());
        wrong(ApiCode::RecordTtl, "ttl", &text)
    })
}

fn comment(body: &Body) -> Result<Option<String>, Failure> {
    let text = maybe_text(body, "comment", TEXT_BYTES_MAX)?.filter(|text| !text.is_empty());
    match text
        .as_ref()
        .is_none_or(|text| text.chars().count() <= COMMENT_CHARS_MAX && text.chars().all(is_plain))
    {
        true => Ok(text),
        false => Err(fields::wrong(
            "comment",
            &format!("must be one line of at most {COMMENT_CHARS_MAX} characters"),
        )),
    }
}

fn tags(body: &Body) -> Result<Vec<String>, Failure> {
    let list = match body.get("tags") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= TAGS_MAX => list,
        Some(_) => return Err(fields::wrong("tags", &format!("must be a list of at most {TAGS_MAX} texts"))),
    };
    let mut tags: Vec<String> = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let wrong = |text: &str| fields::wrong(&format!("tags/{at}"), text);
        let text = value.as_str().filter(|text| is_tag(text)).ok_or_else(|| {
            wrong("must be name or name:value; a name is 1 to 32 letters, digits, - and _, a value at most 100 characters")
        })?;
        if tags.iter().any(|tag| tag.eq_ignore_ascii_case(text)) {
            return Err(wrong("stands in this list twice"));
        }
        tags.push(text.to_owned());
    }
    Ok(tags)
}

fn is_tag(text: &str) -> bool {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty()
        && name.len() <= TAG_NAME_BYTES_MAX
        && name.bytes().all(plain)
        && value.chars().count() <= TAG_VALUE_CHARS_MAX
        && value.chars().all(is_plain)
}

fn settings(body: &Body) -> Result<RecordSettings, Failure> {
    let settings = match body.get("settings") {
        None | Some(Value::Null) => return Ok(RecordSettings::default()),
        Some(Value::Object(settings)) => settings,
        Some(_) => return Err(fields::wrong("settings", "must be an object")),
    };
    let said = |key| {
        flag(settings, key).map_err(|mut failure| {
            failure.errors.iter_mut().for_each(|error| error.pointer = Some(format!("/settings/{key}")));
            failure
        })
    };
    Ok(RecordSettings {
        ipv4_only: said("ipv4_only")?,
        ipv6_only: said("ipv6_only")?,
        flatten_cname: said("flatten_cname")?,
    })
}

fn flag(body: &Body, key: &str) -> Result<Option<bool>, Failure> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(fields::wrong(key, "must be true or false")),
    }
}

fn wrong(code: ApiCode, key: &str, text: &str) -> Failure {
    Failure::field(code.number(), format!("/{key}"), text)
}
