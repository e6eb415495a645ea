//! Records of a zone -> its zone file, by type and name, with names in full. A name server reads it once the start of authority and
//! the name servers are those of whoever answers the zone.

use super::remark;
use crate::control::rfc3339;
use crate::estate::{DnsRecord, RecordData, RecordType, Stamp, TargetName, TxtContent, Zone};
use std::fmt::Write;

/// What the start of authority says beside its names and its serial: Cloudflare's own spans, in seconds.
const SOA_SPANS: &str = "10000 2400 604800 3600";

/// What stands above the records, of which the newest was changed then.
pub fn head(zone: &Zone, newest: Option<Stamp>, now: Stamp) -> String {
    let name = &zone.name;
    // A change of any record moves it on (RFC 1982); it wraps in 2106.
    let serial = (newest.unwrap_or(zone.modified_on).micros() / 1_000_000) as u32;
    format!(
        ";;\n;; Domain:     {name}.\n;; Exported:   {}\n;;\n\
         ;; byway answers no DNS: write your own name servers into the SOA record, and NS records beside it,\n\
         ;; before a name server reads this file. A TTL of 1 stands for automatic.\n;;\n\n\
         ;; SOA Record\n{name}.\t3600\tIN\tSOA\t{name}. hostmaster.{name}. {serial} {SOA_SPANS}\n",
        rfc3339(now.micros())
    )
}

/// What stands above the first record of a type.
pub fn title(kind: RecordType) -> String {
    format!("\n;; {} Records\n", kind.name())
}

/// The line of a record.
pub fn written(record: &DnsRecord) -> String {
    let (name, ttl, kind) = (record.name.as_str(), record.ttl, record.data.kind().name());
    let (data, remark) = (data(&record.data), remark::written(record));
    format!("{name}.\t{ttl}\tIN\t{kind}\t{data}{remark}\n")
}

fn data(data: &RecordData) -> String {
    match data {
        RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Caa { .. } => data.to_string(),
        RecordData::Cname(host) | RecordData::Ns(host) => whole(host),
        RecordData::Mx { priority, exchange } => format!("{priority} {}", whole(exchange)),
        RecordData::Srv { priority, weight, port, target } => {
            format!("{priority} {weight} {port} {}", whole(target))
        }
        RecordData::Txt(content) => strings(content),
    }
}

/// A name with its last dot.
fn whole(name: &TargetName) -> String {
    match name.as_str() {
        "." => ".".to_owned(),
        name => format!("{name}."),
    }
}

/// Strings in quotes, none longer than a name server takes.
fn strings(content: &TxtContent) -> String {
    let strings = content.strings();
    let quoted = strings.iter().map(|string| {
        let mut text = String::with_capacity(string.len() + 2);
        string.iter().for_each(|byte| match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\{other:03}");
            }
        });
        format!("\"{text}\"")
    });
    quoted.collect::<Vec<_>>().join(" ")
}
