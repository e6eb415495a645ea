//! Plain fields of bodies that are no apps and no rules.

use super::answer::Failure;
use super::code::ApiCode;
use crate::base::TRIAL_S_MAX;
use serde_json::{Map, Value};

/// A text that must be there, of 1 to `bytes_max` bytes.
///
/// # Errors
/// 400 with the field's pointer.
pub fn text(body: &Map<String, Value>, key: &str, bytes_max: usize) -> Result<String, Failure> {
    match maybe_text(body, key, bytes_max)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(wrong(key, "is empty")),
        None => Err(wrong(key, "is missing: a text in quotes")),
    }
}

/// A text that may be left out or `null`.
///
/// # Errors
/// 400 with the field's pointer.
pub fn maybe_text(body: &Map<String, Value>, key: &str, bytes_max: usize) -> Result<Option<String>, Failure> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= bytes_max => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(wrong(key, &format!("is longer than {bytes_max} bytes"))),
        Some(_) => Err(wrong(key, "must be a text in quotes")),
    }
}

/// A text on one line, for people.
///
/// # Errors
/// 400 with the field's pointer.
pub fn name(body: &Map<String, Value>, key: &str, bytes_max: usize) -> Result<String, Failure> {
    let text = text(body, key, bytes_max)?;
    match text.chars().all(crate::base::outside::is_plain) && text.trim() == text {
        true => Ok(text),
        false => Err(wrong(key, "must be one line of plain letters without blanks around it")),
    }
}

/// `confirm_within`: seconds until what is done goes back by itself; may be left out or `null`.
///
/// # Errors
/// 400 with the field's pointer.
pub fn confirm_within(body: &Map<String, Value>) -> Result<Option<u32>, Failure> {
    let Some(value) = body.get("confirm_within").filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
    match seconds.filter(|seconds| (1..=TRIAL_S_MAX).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(wrong(
            "confirm_within",
            &format!("must be a whole number of seconds from 1 to {TRIAL_S_MAX}"),
        )),
    }
}

/// 400 about a field that has no code of its own.
pub fn wrong(key: &str, text: &str) -> Failure {
    Failure::field(ApiCode::BadField.number(), format!("/{key}"), text)
}
