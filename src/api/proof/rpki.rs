//! Route origin validation (RFC 6811) against a validator's JSON export. routinator, rpki-client and OctoRPKI write the same
//! rows, `{"roas": [{"prefix", "maxLength", "asn"}]}`; an AS is a number or "AS64496". The file is read as a stream: only
//! what covers the prefix is kept.

use super::checker::Claim;
use crate::estate::{Check, CheckState};
use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Rows that cover one prefix, at most: more than any validator has.
const COVERING_MAX: usize = 10_000;

/// A payload that covers the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roa {
    /// The AS that may originate; 0: none may.
    pub asn: u32,
    /// Up to which length.
    pub length_max: u8,
}

/// What the export holds for `net`.
///
/// # Errors
/// One line: the file cannot be read, or is none of the known forms.
pub fn read(path: &Path, net: IpNet) -> Result<Vec<Roa>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, file));
    let found = Export { net }.deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    found.ok_or_else(|| "has no \"roas\"".into())
}

/// Says what the payloads mean (RFC 6811, section 2).
pub fn judge(found: &[Roa], claim: &Claim) -> Check {
    let (net, asn) = (claim.net, claim.asn);
    if found.iter().any(|roa| roa.asn == asn && roa.length_max >= net.prefix_len()) {
        return Check::new(CheckState::Valid, format!("a ROA lets AS{asn} originate {net}"));
    }
    let mut own = found.iter().filter(|roa| roa.asn == asn);
    match (own.next(), found.first()) {
        (Some(roa), _) => Check::new(
            CheckState::Invalid,
            format!("the ROA of AS{asn} goes up to length {}, and {net} is longer", roa.length_max),
        ),
        (None, Some(roa)) => {
            Check::new(CheckState::MismatchAsn, format!("the ROA of {net} names AS{}, not AS{asn}", roa.asn))
        }
        (None, None) => Check::new(CheckState::Missing, format!("no ROA covers {net}")),
    }
}

#[derive(Deserialize)]
struct Row {
    prefix: IpNet,
    #[serde(rename = "maxLength")]
    length_max: u8,
    asn: AsNumber,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AsNumber {
    Number(u32),
    Text(String),
}

impl AsNumber {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
        }
    }
}

/// The whole file.
struct Export {
    net: IpNet,
}

/// Its rows.
struct Rows {
    net: IpNet,
}

impl<'de> DeserializeSeed<'de> for Export {
    type Value = Option<Vec<Roa>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Export {
    type Value = Option<Vec<Roa>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"roas\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut roas = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "roas" {
                roas = Some(map.next_value_seed(Rows { net: self.net })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(roas)
    }
}

impl<'de> DeserializeSeed<'de> for Rows {
    type Value = Vec<Roa>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows {
    type Value = Vec<Roa>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows with prefix, maxLength and asn")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        let mut covering = Vec::new();
        while let Some(row) = rows.next_element::<Row>()? {
            if covering.len() < COVERING_MAX
                && row.prefix.contains(&self.net)
                && let Some(asn) = row.asn.number()
            {
                covering.push(Roa { asn, length_max: row.length_max });
            }
        }
        Ok(covering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::proof::irr::tests::Scratch;

    const ROUTINATOR: &str = r#"{"metadata":{"generated":1700000000},"roas":[
        {"asn":"AS64496","prefix":"203.0.113.0/24","maxLength":24,"ta":"ripe"},
        {"asn":"AS64497","prefix":"198.51.100.0/22","maxLength":22,"ta":"ripe"}]}"#;
    const RPKI_CLIENT: &str = r#"{"metadata":{"buildmachine":"x","roas":2},"roas":[
        {"asn":64496,"prefix":"203.0.113.0/24","maxLength":24,"ta":"ripe","expires":1800000000},
        {"asn":64497,"prefix":"198.51.100.0/22","maxLength":22,"ta":"ripe","expires":1800000000}],
        "bgpsec_keys":[],"aspas":[{"customer_asid":64496,"providers":[13335]}]}"#;
    const OCTORPKI: &str = r#"{"metadata":{"counts":2,"generated":1,"valid":2,"signature":""},"roas":[
        {"prefix":"203.0.113.0/24","maxLength":24,"asn":"AS64496","ta":"ripe"},
        {"prefix":"198.51.100.0/22","maxLength":22,"asn":"AS64497","ta":"ripe"}]}"#;

    fn state(text: &str, net: &str, asn: u32) -> CheckState {
        let file = Scratch::new(text);
        let claim = Claim { net: net.parse().expect("a net"), asn, token: String::new() };
        judge(&read(file.path(), claim.net).expect("an export"), &claim).state
    }

    #[test]
    fn the_exports_of_three_validators_say_the_same() {
        for text in [ROUTINATOR, RPKI_CLIENT, OCTORPKI] {
            assert_eq!(state(text, "203.0.113.0/24", 64_496), CheckState::Valid);
            assert_eq!(state(text, "203.0.113.0/24", 64_497), CheckState::MismatchAsn);
            assert_eq!(state(text, "198.51.100.0/24", 64_497), CheckState::Invalid, "longer than it lets");
            assert_eq!(state(text, "2001:db8::/48", 64_496), CheckState::Missing);
        }
    }

    #[test]
    fn a_roa_of_as_0_lets_nobody_originate() {
        let text = r#"{"roas":[{"asn":0,"prefix":"203.0.112.0/20","maxLength":24}]}"#;
        assert_eq!(state(text, "203.0.113.0/24", 64_496), CheckState::MismatchAsn);
    }

    #[test]
    fn what_is_no_export_is_told() {
        for text in ["", "[]", "{}", r#"{"roas":[{}]}"#, r#"{"roas":[]"#, r#"{"roas":[]} x"#] {
            let file = Scratch::new(text);
            assert!(read(file.path(), "203.0.113.0/24".parse().expect("a net")).is_err(), "{text}");
        }
    }
}
