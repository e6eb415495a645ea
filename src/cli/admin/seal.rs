//! Secrets under a passphrase: a key by Argon2id (RFC 9106), ChaCha20-Poly1305 (RFC 8439) over the text.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// RFC 9106 4: the second recommended set, for machines without gigabytes to spare.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// What a file may ask of this machine.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;
/// The way it is done, for whoever reads the file.
const WAY: &str = "argon2id+chacha20poly1305";

/// Sealed secrets, as a file has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    sealed: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    text: String,
}

/// Seals `secrets`.
///
/// # Errors
/// The system has no random bytes, or not enough memory.
pub fn seal(secrets: &Value, passphrase: &str) -> Result<Value, String> {
    let (salt, nonce): ([u8; 16], [u8; 12]) = (crate::api::random()?, crate::api::random()?);
    let key = key(passphrase, &salt, (MEMORY_KIB, PASSES, LANES))?;
    let mut text = secrets.to_string().into_bytes();
    let sealed = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(WAY), &mut text);
    sealed.map_err(|_| "the secrets cannot be encrypted".to_owned())?;
    Ok(json!(Sealed {
        sealed: WAY.into(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: LANES,
        salt: STANDARD.encode(salt),
        nonce: STANDARD.encode(nonce),
        text: STANDARD.encode(text),
    }))
}

/// Opens what `seal` sealed.
///
/// # Errors
/// One line: the form, or the passphrase.
pub fn unseal(sealed: &Value, passphrase: &str) -> Result<Value, String> {
    let sealed = Sealed::deserialize(sealed).map_err(|error| format!("/secrets: {error}"))?;
    if sealed.sealed != WAY {
        return Err(format!("/secrets/sealed: must be \"{WAY}\""));
    }
    if !(8..=MEMORY_KIB_MAX).contains(&sealed.memory_kib) || !(1..=PASSES_MAX).contains(&sealed.passes) {
        return Err(format!("/secrets: asks for more than {MEMORY_KIB_MAX} KiB or {PASSES_MAX} passes"));
    }
    let bytes =
        |field: &str, text: &str| STANDARD.decode(text).map_err(|error| format!("/secrets/{field}: {error}"));
    let (salt, nonce) = (bytes("salt", &sealed.salt)?, bytes("nonce", &sealed.nonce)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce);
    let nonce = nonce.map_err(|_| "/secrets/nonce: must be 12 bytes".to_owned())?;
    let key = key(passphrase, &salt, (sealed.memory_kib, sealed.passes, sealed.lanes))?;
    let mut text = bytes("text", &sealed.text)?;
    let opened = key.open_in_place(nonce, Aad::from(WAY), &mut text);
    let opened = opened.map_err(|_| "the passphrase is wrong, or the secrets were changed".to_owned())?;
    serde_json::from_slice(opened).map_err(|error| format!("/secrets/text: {error}"))
}

fn key(
    passphrase: &str,
    salt: &[u8],
    (memory_kib, passes, lanes): (u32, u32, u32),
) -> Result<LessSafeKey, String> {
    let told = |error: argon2::Error| format!("/secrets: {error}");
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(told)?;
    let mut memory = vec![Block::default(); params.block_count()];
    let mut key = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut key, &mut memory).map_err(told)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key);
    key.map(LessSafeKey::new).map_err(|_| "a key has 32 bytes".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_by_its_passphrase_alone_and_unchanged() {
        let secrets = json!({"token": {"a": "deadbeef"}});
        let sealed = seal(&secrets, "correct horse").expect("sealed");
        assert!(!sealed.to_string().contains("deadbeef"));
        assert_ne!(seal(&secrets, "correct horse").expect("sealed"), sealed, "another salt");
        assert_eq!(unseal(&sealed, "correct horse"), Ok(secrets));
        assert!(unseal(&sealed, "correct hors").expect_err("wrong").contains("passphrase"));
        let mut changed = sealed.clone();
        changed["text"] = STANDARD.encode([7; 40]).into();
        assert!(unseal(&changed, "correct horse").expect_err("changed").contains("changed"));
        for (field, value) in [
            ("memory_kib", json!(u32::MAX)),
            ("passes", json!(0)),
            ("lanes", json!(0)),
            ("salt", json!("")),
            ("nonce", json!("AAAA")),
            ("sealed", json!("rot13")),
            ("text", json!("!")),
            ("more", json!(1)),
        ] {
            let mut wrong = sealed.clone();
            wrong[field] = value;
            assert!(unseal(&wrong, "correct horse").expect_err(field).starts_with("/secrets"), "{field}");
        }
    }
}
