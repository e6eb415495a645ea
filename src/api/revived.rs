//! What a change lets in again that was shut out: secrets that were rolled, revoked or disabled since they were written
//! down elsewhere. Warns and decides nothing.

use crate::estate::{Change, Entity, Estate, Token, User};

/// Warnings of one change that are told.
const WARNINGS_MAX: usize = 100;

/// A warning for every token and key of a user's that opens the box after `change` and does not now. A box without users
/// has shut nobody out.
pub fn revived(change: &Change, present: &Estate) -> Vec<String> {
    if present.users.is_empty() {
        return Vec::new();
    }
    let mut all = change.edits().iter().filter_map(|edit| match (&edit.before, &edit.after) {
        (None, Some(Entity::Token(token))) => token_warning(None, token),
        (Some(Entity::Token(before)), Some(Entity::Token(token))) => {
            token_warning(Some(before.as_ref()), token)
        }
        (None, Some(Entity::User(user))) => user_warning(None, user),
        (Some(Entity::User(before)), Some(Entity::User(user))) => user_warning(Some(before.as_ref()), user),
        (_, _) => None,
    });
    let mut warnings: Vec<String> = all.by_ref().take(WARNINGS_MAX).collect();
    let more = all.count();
    if more > 0 {
        warnings.push(format!("warning: {more} more secrets open the box again"));
    }
    warnings
}

fn token_warning(before: Option<&Token>, token: &Token) -> Option<String> {
    if !token.enabled {
        return None;
    }
    let lasts = |token: &Token| token.expires_on.map_or(u64::MAX, |at| at.0);
    let why = match before {
        None => "is not in the store: if it was revoked, it opens the box again",
        Some(before) if before.hash != token.hash => {
            "has another secret in the store: if it was rolled, the old one opens the box again"
        }
        Some(before) if !before.enabled => "was disabled, and opens the box again",
        Some(before) if lasts(before) < lasts(token) => {
            "ends earlier in the store, and opens the box for longer"
        }
        Some(_) => return None,
    };
    Some(format!("warning: token {} ({}) {why}", token.id, token.name))
}

fn user_warning(before: Option<&User>, user: &User) -> Option<String> {
    let hash = user.key_hash.as_ref()?;
    let why = match before.map(|before| before.key_hash.as_ref()) {
        None => "is not in the store: if it was removed, its key opens the box again",
        Some(ours) if ours != Some(hash) => {
            "has no key or another one in the store: if it was rolled, the old one opens the box again"
        }
        Some(_) => return None,
    };
    Some(format!("warning: user {} ({}) {why}", user.id, user.email))
}
