//! DNS records of a zone: names, types and data, valid by construction. What they mean on the wire is not said here: nothing
//! answers them yet. Comments and tags are bounded where they are read (`api`).

use super::entity::Stamp;
use super::id::Id;
use super::txt::TxtContent;
use crate::table::DnsName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The name of a record: a host name of its zone in full, lower case, maybe with `*` as its first label (RFC 4592).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordName(Box<str>);

/// A name that a record points at: a host name in full, lower case, or the root, which says that there is none
/// (RFC 7505, RFC 2782).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(Box<str>);

/// A property of a CAA record: its name and its value (RFC 8659 4.1.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct CaaProperty {
    tag: Box<str>,
    value: Box<str>,
}

/// A type of records that byway keeps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A certification authority's leave.
    Caa,
    /// Another name for it.
    Cname,
    /// A mail server.
    Mx,
    /// A name server.
    Ns,
    /// A service's place.
    Srv,
    /// Text.
    Txt,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Who may issue certificates (RFC 8659).
    Caa {
        /// Bit 7: an authority that does not know the property must not issue.
        flags: u8,
        /// The property.
        property: CaaProperty,
    },
    /// Another name for it.
    Cname(TargetName),
    /// A mail server.
    Mx {
        /// The lowest is asked first.
        priority: u16,
        /// The server.
        exchange: TargetName,
    },
    /// A name server.
    Ns(TargetName),
    /// A service's place (RFC 2782).
    Srv {
        /// The lowest is asked first.
        priority: u16,
        /// Its share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: TargetName,
    },
    /// Text.
    Txt(TxtContent),
}

/// `settings` of a record; kept for clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RecordSettings {
    /// `ipv4_only`, where it was said.
    pub ipv4_only: Option<bool>,
    /// `ipv6_only`, where it was said.
    pub ipv6_only: Option<bool>,
    /// `flatten_cname`, where it was said.
    pub flatten_cname: Option<bool>,
}

/// A record of a zone that its operator made; those of apps follow from the apps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DnsRecord {
    /// Its id.
    pub id: Id,
    /// Its zone.
    pub zone: Id,
    /// Its name.
    pub name: RecordName,
    /// What it says.
    pub data: RecordData,
    /// How long it may be kept, in seconds; 1: as long as byway likes.
    pub ttl: u32,
    /// `proxied`; kept for clients.
    pub proxied: bool,
    /// `settings`.
    pub settings: RecordSettings,
    /// The operator's own words.
    pub comment: Option<String>,
    /// The operator's own marks, `name:value`.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_on: Stamp,
    /// When it was changed last.
    pub modified_on: Stamp,
    /// When the comment was changed last; empty without one.
    pub comment_modified_on: Option<Stamp>,
    /// When the tags were changed last; empty without any.
    pub tags_modified_on: Option<Stamp>,
}

impl RecordName {
    /// Reads a name as a client writes it for a zone: `@` is the zone itself, and what does not end in the zone's name lies
    /// below it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn within(text: &str, zone: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.is_empty() {
            return Err("the name is empty; write a name of the zone, or @ for the zone itself");
        }
        if text == "@" {
            return Self::whole(zone);
        }
        let is_below = text.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if is_below { Self::whole(&text) } else { Self::whole(&format!("{text}.{zone}")) }
    }

    /// Reads a name in full.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn whole(text: &str) -> Result<Self, &'static str> {
        let (mark, host) = text.strip_prefix("*.").map_or(("", text), |host| ("*.", host));
        let name = format!("{mark}{}", DnsName::new(host)?);
        match name.len() <= 253 {
            true => Ok(Self(name.into())),
            false => Err("the name is longer than 253 bytes (RFC 1035)"),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TargetName {
    /// Reads a host name in full.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn host(text: &str) -> Result<Self, &'static str> {
        DnsName::new(text).map(|name| Self(name.as_str().into()))
    }

    /// Reads a host name in full, or `.`, the root.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn host_or_none(text: &str) -> Result<Self, &'static str> {
        if text == "." { Ok(Self(text.into())) } else { Self::host(text) }
    }

    /// The name; `.` for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CaaProperty {
    /// Reads a property: a name of letters and digits, and a value of printable ASCII.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(tag: &str, value: &str) -> Result<Self, &'static str> {
        if tag.is_empty() || tag.len() > 15 || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the tag is 1 to 15 letters and digits, as in issue, issuewild or iodef (RFC 8659)");
        }
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        if value.len() > 1_024 || !value.bytes().all(plain) {
            return Err("the value is at most 1024 printable ASCII characters without \" and \\ (RFC 8659)");
        }
        Ok(Self { tag: tag.to_ascii_lowercase().into(), value: value.into() })
    }

    /// Its name.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl RecordType {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::A, Self::Aaaa, Self::Caa, Self::Cname, Self::Mx, Self::Ns, Self::Srv, Self::Txt];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }

    /// Whether a proxy can stand before it.
    pub const fn is_proxiable(self) -> bool {
        match self {
            Self::A | Self::Aaaa | Self::Cname => true,
            Self::Caa | Self::Mx | Self::Ns | Self::Srv | Self::Txt => false,
        }
    }
}

impl RecordData {
    /// Its type.
    pub const fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Caa { .. } => RecordType::Caa,
            Self::Cname(_) => RecordType::Cname,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ns(_) => RecordType::Ns,
            Self::Srv { .. } => RecordType::Srv,
            Self::Txt(_) => RecordType::Txt,
        }
    }

    /// Whether two records of one name would say the same twice; mail servers differ by priority, too.
    pub fn is_same(&self, other: &Self) -> bool {
        if let (Self::Txt(mine), Self::Txt(theirs)) = (self, other) {
            return mine.bytes() == theirs.bytes();
        }
        self == other
    }
}

/// `content`.
impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(addr) => addr.fmt(f),
            Self::Aaaa(addr) => addr.fmt(f),
            Self::Caa { flags, property } => write!(f, "{flags} {} \"{}\"", property.tag, property.value),
            Self::Cname(name) | Self::Ns(name) | Self::Mx { exchange: name, .. } => f.write_str(&name.0),
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {}", target.0)
            }
            Self::Txt(text) => f.write_str(text.as_str()),
        }
    }
}

impl TryFrom<String> for RecordName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::whole(&text)
    }
}

impl From<RecordName> for String {
    fn from(name: RecordName) -> Self {
        name.0.into()
    }
}

impl TryFrom<String> for TargetName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::host_or_none(&text)
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0.into()
    }
}

impl TryFrom<(String, String)> for CaaProperty {
    type Error = &'static str;

    fn try_from((tag, value): (String, String)) -> Result<Self, Self::Error> {
        Self::new(&tag, &value)
    }
}

impl From<CaaProperty> for (String, String) {
    fn from(property: CaaProperty) -> Self {
        (property.tag.into(), property.value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_by_their_zone_and_lowered() {
        let name = |text: &str| RecordName::within(text, "example.net").map(|name| name.as_str().to_owned());
        for (text, whole) in [
            ("@", "example.net"),
            ("Example.NET.", "example.net"),
            ("www", "www.example.net"),
            ("WWW.example.net", "www.example.net"),
            ("*", "*.example.net"),
            ("*.a", "*.a.example.net"),
            ("_sip._tcp", "_sip._tcp.example.net"),
            ("10", "10.example.net"),
            ("notexample.net", "notexample.net.example.net"),
        ] {
            assert_eq!(name(text), Ok(whole.to_owned()), "{text}");
        }
        let long = format!("*.{}a", "a.".repeat(120));
        for wrong in ["", ".", "a..b", "a.*.b", "b\u{fc}cher", "a b", &"a".repeat(64), &long] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_kept() {
        let target = TargetName::host("Mail.Example.NET.").expect("a name");
        let property = CaaProperty::new("Issue", "ca.example; validationmethods=dns-01").expect("a property");
        let text = TxtContent::new("v=spf1 -all").expect("a text");
        for (data, content) in [
            (RecordData::A([192, 0, 2, 1].into()), "192.0.2.1"),
            (RecordData::Mx { priority: 10, exchange: target.clone() }, "mail.example.net"),
            (RecordData::Srv { priority: 1, weight: 2, port: 3, target }, "1 2 3 mail.example.net"),
            (RecordData::Caa { flags: 128, property }, "128 issue \"ca.example; validationmethods=dns-01\""),
            (RecordData::Txt(text), "v=spf1 -all"),
        ] {
            assert_eq!(data.to_string(), content);
            let kept = serde_json::to_string(&data).expect("JSON");
            assert_eq!(serde_json::from_str::<RecordData>(&kept).expect("it reads"), data, "{kept}");
        }
        assert!(serde_json::from_str::<RecordData>(r#"{"cname":"a b"}"#).is_err());
        assert!(CaaProperty::new("is sue", "").is_err() && CaaProperty::new("issue", "a\"b").is_err());
    }
}
