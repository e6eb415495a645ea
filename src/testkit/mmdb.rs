//! Writes small MMDB files (MaxMind DB 2.0): an IPv6 tree with IPv4 at `::/96` and its usual aliases.
//!
//! ```text
//!  search tree (32-bit records) | 16 zero bytes | data | marker | metadata
//! ```

use ipnet::IpNet;

/// What one network's record says; `None`: the field is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    /// `country.iso_code`.
    pub country: Option<&'static str>,
    /// `autonomous_system_number`.
    pub asn: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Child {
    Nothing,
    Node(u32),
    Data(u32),
}

struct Tree(Vec<[Child; 2]>);

impl Tree {
    /// Leads `bits` (of which `length` count) to `child`. What a shorter network said holds beside it.
    fn lead(&mut self, bits: u128, length: u8, child: Child) {
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                self.0[node][side] = child;
                return;
            }
            node = match self.0[node][side] {
                Child::Node(next) => next as usize,
                before @ (Child::Nothing | Child::Data(_)) => {
                    self.0.push([before; 2]);
                    let next = self.0.len() - 1;
                    self.0[node][side] = Child::Node(next as u32);
                    next
                }
            };
        }
    }

    fn at(&self, bits: u128, length: u8) -> Child {
        let mut child = Child::Node(0);
        for depth in 0..length {
            let Child::Node(node) = child else { return child };
            child = self.0[node as usize][(bits >> (127 - depth) & 1) as usize];
        }
        child
    }
}

/// A database of these networks; of two that overlap the longer one counts.
pub fn mmdb(nets: &[(&str, Record)]) -> Vec<u8> {
    let mut nets: Vec<(IpNet, Record)> =
        nets.iter().map(|(net, record)| (net.parse().expect("a net"), *record)).collect();
    let place = |net: &IpNet| match net {
        IpNet::V4(net) => (u128::from(net.network().to_bits()), net.prefix_len() + 96),
        IpNet::V6(net) => (net.network().to_bits(), net.prefix_len()),
    };
    nets.sort_by_key(|(net, _)| place(net).1);
    let (mut tree, mut data) = (Tree(vec![[Child::Nothing; 2]]), Vec::new());
    for (net, record) in &nets {
        let (bits, length) = place(net);
        tree.lead(bits, length, Child::Data(data.len() as u32));
        put_record(&mut data, record);
    }
    let v4 = tree.at(0, 96);
    if let Child::Node(_) = v4 {
        tree.lead(0xffff << 32, 96, v4);
        tree.lead(0x2002 << 112, 16, v4);
    }
    let count = tree.0.len() as u32;
    let mut bytes = Vec::new();
    for child in tree.0.iter().flatten() {
        let record = match child {
            Child::Nothing => count,
            Child::Node(node) => *node,
            Child::Data(offset) => count + 16 + offset,
        };
        bytes.extend(record.to_be_bytes());
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    put_metadata(&mut bytes, count);
    bytes
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    let fields = u8::from(record.country.is_some()) + u8::from(record.asn.is_some());
    out.push(0xe0 | fields);
    if let Some(asn) = record.asn {
        put_text(out, "autonomous_system_number");
        put_u32(out, asn);
    }
    if let Some(country) = record.country {
        put_text(out, "country");
        out.push(0xe1);
        put_text(out, "iso_code");
        put_text(out, country);
    }
}

fn put_metadata(out: &mut Vec<u8>, node_count: u32) {
    out.extend(b"\xab\xcd\xefMaxMind.com");
    out.push(0xe0 | 9);
    put_text(out, "node_count");
    put_u32(out, node_count);
    let versions = [("binary_format_major_version", 2_u16), ("binary_format_minor_version", 0)];
    for (name, value) in [("record_size", 32_u16), ("ip_version", 6)].into_iter().chain(versions) {
        put_text(out, name);
        out.push(0xa0 | 2);
        out.extend(value.to_be_bytes());
    }
    put_text(out, "database_type");
    put_text(out, "byway-test");
    put_text(out, "languages");
    out.extend([0x00, 0x04]);
    put_text(out, "description");
    out.push(0xe0);
    put_text(out, "build_epoch");
    out.extend([0x08, 0x02]);
    out.extend(1_767_225_600_u64.to_be_bytes());
}

/// A text shorter than 29 bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(0x40 | text.len() as u8);
    out.extend(text.as_bytes());
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.push(0xc0 | 4);
    out.extend(value.to_be_bytes());
}
