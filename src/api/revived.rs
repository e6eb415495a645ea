//! What a change lets in again that was shut out: secrets that were rolled, revoked or disabled since they were written
//! down elsewhere. Warns and decides nothing.

use crate::estate::{Change, Entity, Estate, Id, Token, User};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;

/// Warnings of one change that are told.
const WARNINGS_MAX: usize = 100;

/// A secret that opens the box after a change and does not now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revived {
    secret: Secret,
    /// Whose it is.
    user: Id,
    /// Its user's address, where that is known.
    email: Option<String>,
    why: &'static str,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Secret {
    Token { id: Id, name: String },
    Key,
}

/// A warning for every token and key of a user's that opens the box after `change` and does not now, of many the first
/// ones. A box without users has shut nobody out.
pub fn revived(change: &Change, present: &Estate) -> Vec<String> {
    let all = revivals(change, present);
    let mut warnings: Vec<String> = all.iter().take(WARNINGS_MAX).map(Revived::to_string).collect();
    let more = all.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        warnings.push(format!("warning: {more} more secrets open the box again"));
    }
    warnings
}

/// All of them.
pub fn revivals(change: &Change, present: &Estate) -> Vec<Revived> {
    if present.users.is_empty() {
        return Vec::new();
    }
    let made = change.edits().iter().filter_map(|edit| match &edit.after {
        Some(Entity::User(user)) => Some((user.id, user.email.as_str())),
        Some(_) | None => None,
    });
    let made: HashMap<Id, &str> = made.collect();
    let email = |id: Id| {
        let known = made.get(&id).copied();
        known.or_else(|| present.users.get(id).map(|user| user.email.as_str())).map(str::to_owned)
    };
    let of_token = |before: Option<&Token>, token: &Token| {
        let secret = Secret::Token { id: token.id, name: token.name.clone() };
        let why = why_token(before, token)?;
        Some(Revived { secret, user: token.user, email: email(token.user), why })
    };
    let of_user = |before: Option<&User>, user: &User| {
        let why = why_key(before, user)?;
        Some(Revived { secret: Secret::Key, user: user.id, email: Some(user.email.clone()), why })
    };
    let all = change.edits().iter().filter_map(|edit| match (&edit.before, &edit.after) {
        (None, Some(Entity::Token(token))) => of_token(None, token),
        (Some(Entity::Token(before)), Some(Entity::Token(token))) => of_token(Some(before.as_ref()), token),
        (None, Some(Entity::User(user))) => of_user(None, user),
        (Some(Entity::User(before)), Some(Entity::User(user))) => of_user(Some(before.as_ref()), user),
        (_, _) => None,
    });
    all.collect()
}

fn why_token(before: Option<&Token>, token: &Token) -> Option<&'static str> {
    if !token.enabled {
        return None;
    }
    let lasts = |token: &Token| token.expires_on.map_or(u64::MAX, |at| at.0);
    match before {
        None => Some("is not in the store: if it was revoked, it opens the box again"),
        Some(before) if before.hash != token.hash => {
            Some("has another secret in the store: if it was rolled, the old one opens the box again")
        }
        Some(before) if !before.enabled => Some("was disabled, and opens the box again"),
        Some(before) if lasts(before) < lasts(token) => {
            Some("ends earlier in the store, and opens the box for longer")
        }
        Some(before) if token.grants.iter().any(|grant| !before.grants.contains(grant)) => {
            Some("may not do all of it in the store: what it was narrowed by since is undone")
        }
        Some(_) => None,
    }
}

fn why_key(before: Option<&User>, user: &User) -> Option<&'static str> {
    let hash = user.key_hash.as_ref()?;
    match before.map(|before| before.key_hash.as_ref()) {
        None => Some("is not in the store: if it was removed, its key opens the box again"),
        Some(None) => Some("has no key in the store: if it was revoked, the old one opens the box again"),
        Some(Some(ours)) if ours != hash => {
            Some("has another key in the store: if it was rolled, the old one opens the box again")
        }
        Some(Some(_)) => None,
    }
}

impl Revived {
    /// As reports have it.
    pub fn json(&self) -> Value {
        let (kind, id, name) = match &self.secret {
            Secret::Token { id, name } => ("token", *id, Some(name)),
            Secret::Key => ("user_key", self.user, None),
        };
        json!({
            "kind": kind,
            "id": id.to_string(),
            "name": name,
            "user": { "id": self.user.to_string(), "email": self.email },
            "why": self.why,
        })
    }
}

impl fmt::Display for Revived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("warning: ")?;
        if let Secret::Token { id, name } = &self.secret {
            write!(f, "token {id} ({name}) of ")?;
        }
        let (user, email) = (self.user, self.email.as_deref().unwrap_or("not known"));
        write!(f, "user {user} ({email}) {}", self.why)
    }
}
