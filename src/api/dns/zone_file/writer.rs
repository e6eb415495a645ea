//! Records of a zone -> its zone file, by type and name, with names in full. A name server reads it once the start of authority and
//! the name servers are those of whoever answers the zone.

use super::remark;
use crate::control::rfc3339;
use crate::estate::{DnsRecord, RecordData, RecordType, Stamp, TargetName, TxtContent, Zone};
use std::fmt::Write;

/// What the start of authority says beside its names and its serial: Cloudflare's own spans, in seconds.
const SOA_SPANS: &str = "10000 2400 604800 3600";

/// The file; records come sorted.
pub fn written(zone: &Zone, records: &[DnsRecord], now: Stamp) -> String {
    let name = &zone.name;
    let mut text = format!(
        ";;\n;; Domain:     {name}.\n;; Exported:   {}\n;;\n\
         ;; byway answers no DNS: write your own name servers into the SOA record, and NS records beside it,\n\
         ;; before a name server reads this file. A TTL of 1 stands for automatic.\n;;\n\n",
        rfc3339(now.micros())
    );
    // A change of any record moves it on (RFC 1982); it wraps in 2106.
    let newest = records.iter().map(|record| record.modified_on).max().unwrap_or(zone.modified_on);
    let serial = (newest.micros() / 1_000_000) as u32;
    let _ = writeln!(
        text,
        ";; SOA Record\n{name}.\t3600\tIN\tSOA\t{name}. hostmaster.{name}. {serial} {SOA_SPANS}"
    );
    for kind in RecordType::ALL {
        let mut of_kind = records.iter().filter(|record| record.data.kind() == kind).peekable();
        if of_kind.peek().is_some() {
            let _ = writeln!(text, "\n;; {} Records", kind.name());
        }
        for record in of_kind {
            let (name, ttl, data) = (record.name.as_str(), record.ttl, data(&record.data));
            let remark = remark::written(record);
            let _ = writeln!(text, "{name}.\t{ttl}\tIN\t{}\t{data}{remark}", kind.name());
        }
    }
    text
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
