//! Where a client comes from, as far as databases tell: autonomous system and country, six bytes in an event.

use std::fmt;

/// The number of an autonomous system; 0: unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct AsNumber(pub u32);

/// A country of ISO 3166-1 (two upper-case letters), or `T1` (Tor), `XX` (unknown).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

/// Both, for one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Whence {
    /// The autonomous system that announces the address.
    pub asn: AsNumber,
    /// The country.
    pub country: Country,
}

impl AsNumber {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(0);
}

impl Country {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(*b"XX");
    /// An exit of Tor.
    pub const TOR: Self = Self(*b"T1");

    /// Reads a code in either case; `None` when it is not two letters (or `T1`).
    pub fn new(text: &str) -> Option<Self> {
        let code: [u8; 2] = text.as_bytes().try_into().ok()?;
        let code = code.map(|byte| byte.to_ascii_uppercase());
        (code.iter().all(u8::is_ascii_uppercase) || code == *b"T1").then_some(Self(code))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two ASCII characters")
    }

    /// The code as a number, for keys.
    #[inline]
    pub const fn bits(self) -> u32 {
        u16::from_be_bytes(self.0) as u32
    }
}

impl Whence {
    /// Nobody knows either.
    pub const UNKNOWN: Self = Self { asn: AsNumber::UNKNOWN, country: Country::UNKNOWN };
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_two_letters_or_t1_and_become_upper_case() {
        assert_eq!(Country::new("de").map(|country| country.as_str().to_owned()), Some("DE".into()));
        assert_eq!((Country::new("t1"), Country::new("xx")), (Some(Country::TOR), Some(Country::UNKNOWN)));
        for wrong in ["", "D", "DEU", "T2", "ß", "1A"] {
            assert_eq!(Country::new(wrong), None, "{wrong}");
        }
    }
}
