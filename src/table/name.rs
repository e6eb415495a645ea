//! Names that come from outside: host names and the ids of accounts and zones. Bounded, and safe to print.

use std::fmt;

/// The longest host name, in bytes (RFC 1035 2.3.4, without the root's dot).
const HOST_BYTES_MAX: usize = 253;
/// The longest label of a host name (RFC 1035 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// The longest id of an account or a zone.
const SCOPE_BYTES_MAX: usize = 128;

/// A host name: labels of letters, digits, hyphens and underscores, lower case, without a dot at the end. Never an
/// address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DnsName(Box<str>);

impl DnsName {
    /// Reads a host name; the error says what is wrong.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err("the name is empty; write a host name such as ssh.example.com");
        }
        if name.len() > HOST_BYTES_MAX {
            return Err("the name is longer than 253 bytes (RFC 1035)");
        }
        if !name.is_ascii() {
            return Err("the name has letters outside ASCII; write its xn-- form (RFC 5891)");
        }
        if name.parse::<std::net::IpAddr>().is_ok() || name.split('.').next_back().is_some_and(all_digits) {
            return Err("the name is an address; write a host name");
        }
        name.split('.').try_for_each(check_label)?;
        Ok(Self(name.to_ascii_lowercase().into_boxed_str()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn all_digits(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_label(label: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.is_empty() {
        return Err("the name has an empty label (two dots in a row, or one in front)");
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err("a label of the name is longer than 63 bytes (RFC 1035)");
    }
    if !label.bytes().all(plain) {
        return Err("the name has characters other than letters, digits, '-', '_' and '.'");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a label of the name starts or ends with '-' (RFC 1123 2.1)");
    }
    Ok(())
}

/// The id of an account or a zone, as the operator wrote it: 1 to 128 printable ASCII characters, no blanks, quotes,
/// backslashes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ScopeName(Box<str>);

impl ScopeName {
    /// Reads an id.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' && byte != b'/';
        if text.is_empty() || text.len() > SCOPE_BYTES_MAX || !text.bytes().all(plain) {
            return Err("an id is 1 to 128 printable ASCII characters without blanks, quotes, '/' and '\\'");
        }
        Ok(Self(text.into()))
    }

    /// The id of the account and zone that a flat file stands for.
    pub fn default_scope() -> Self {
        Self("default".into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_lowered_and_lose_their_last_dot() {
        let name = |text: &str| DnsName::new(text).map(|name| name.to_string());
        assert_eq!(name("SSH.Example.com."), Ok("ssh.example.com".into()));
        assert_eq!(name("_ssh._tcp.example.com"), Ok("_ssh._tcp.example.com".into()));
        assert_eq!(name("4.example"), Ok("4.example".into()));
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        let long = format!("{}.com", "a".repeat(64));
        let longer = "a.".repeat(150);
        let bad = [
            "",
            ".",
            "a..b",
            ".a",
            "-a.b",
            "a-.b",
            "a b",
            "192.0.2.1",
            "::1",
            "1.2.3",
            "b\u{fc}cher.example",
            "a/b",
        ];
        for text in bad.into_iter().chain([long.as_str(), longer.as_str()]) {
            assert!(DnsName::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn scope_names_are_printable() {
        assert!(ScopeName::new("example.com").is_ok() && ScopeName::new("zone:1").is_ok());
        for text in ["", "a b", "a\"b", "a\nb", "\u{e4}", &"a".repeat(129)] {
            assert!(ScopeName::new(text).is_err(), "{text:?}");
        }
    }
}
