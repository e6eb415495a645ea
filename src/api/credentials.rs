//! Secrets that open the API: how they are made, written and checked. Only keyed hashes are kept.
//!
//! ```text
//!  byway_0123456789abcdef0123456789abcdef_<64 hex digits>      a token: its id, and 256 random bits
//! ```

use crate::base::hex128;
use crate::estate::Id;
use aws_lc_rs::{constant_time, hmac, rand};

/// In front of every token, so that scanners for leaked secrets know one.
const MARK: &str = "byway_";

/// A token's or key's secret: 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// A token as it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenText {
    /// By which it is found.
    pub id: Id,
    /// Which is compared.
    pub secret: Secret,
}

/// Random bytes of the system's.
///
/// # Errors
/// It has none.
pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}

/// An id for a new entity.
///
/// # Errors
/// The system has no random bytes.
pub fn new_id() -> Result<Id, String> {
    random().map(|bytes| Id::from_bits(u128::from_be_bytes(bytes)))
}

impl Secret {
    /// Draws one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn draw() -> Result<Self, String> {
        random().map(Self)
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let halves = text.get(..32).zip(text.get(32..))?;
        let (high, low) = (hex128(halves.0)?, hex128(halves.1)?);
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&high.to_be_bytes());
        bytes[16..].copy_from_slice(&low.to_be_bytes());
        Some(Self(bytes))
    }

    /// As it is sent.
    pub fn text(self) -> String {
        hex(&self.0)
    }

    /// What is kept of it: HMAC-SHA-256 under the store's key, in hex.
    pub fn hash(self, key: &[u8; 32]) -> String {
        hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &self.0).as_ref())
    }

    /// Whether `kept` is its hash; takes as long for any wrong one.
    pub fn opens(self, key: &[u8; 32], kept: &str) -> bool {
        constant_time::verify_slices_are_equal(self.hash(key).as_bytes(), kept.as_bytes()).is_ok()
    }
}

impl TokenText {
    /// Reads a token; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(MARK)?.split_once('_')?;
        Some(Self { id: Id::parse(id)?, secret: Secret::parse(secret)? })
    }

    /// As it is sent.
    pub fn text(self) -> String {
        format!("{MARK}{}_{}", self.id, self.secret.text())
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_opens_its_own_hash_alone() {
        let token = TokenText { id: new_id().expect("random"), secret: Secret::draw().expect("random") };
        let text = token.text();
        assert_eq!(text.len(), 6 + 32 + 1 + 64);
        let read = TokenText::parse(&text).expect("a token");
        assert!(read == token);
        let (key, other) = ([7; 32], [8; 32]);
        let kept = read.secret.hash(&key);
        assert!(read.secret.opens(&key, &kept));
        assert!(!read.secret.opens(&other, &kept));
        assert!(!Secret::draw().expect("random").opens(&key, &kept));
        assert!(!kept.contains(&read.secret.text()));
        for wrong in
            ["", "byway_", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase()]
        {
            assert!(TokenText::parse(wrong).is_none(), "{wrong}");
        }
    }
}
