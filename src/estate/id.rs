//! The id of an entity: 32 lower-case hex digits, as Cloudflare's are.

use crate::base::hex128;
use crate::table::{AppId, ScopeName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// 128 bits, drawn at random when the entity is made, or kept from where it was imported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u128);

impl Id {
    /// From random bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Reads 32 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hex128(text).map(Self)
    }

    /// The same as an app's id.
    pub fn app(self) -> AppId {
        AppId::from_bits(self.0)
    }

    /// The same as the name of an account or a zone in a table.
    pub fn scope(self) -> ScopeName {
        ScopeName::new(&self.to_string()).expect("32 hex digits are a name")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an id is 32 lower-case hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = Id::from_bits(0xab);
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(id.app().as_str(), id.to_string());
        for wrong in ["", "ab", &"A".repeat(32), &"0".repeat(33), &"+".repeat(32), &"g".repeat(32)] {
            assert_eq!(Id::parse(wrong), None, "{wrong}");
        }
    }
}
