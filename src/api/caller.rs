//! Who asks: headers -> a token, a user's key, or a local user of the admin socket.

use super::answer::{ErrorItem, Failure};
use super::code::ApiCode;
use super::credentials::{Secret, TokenText};
use crate::estate::{Access, Estate, Grant, Id, Level, Permission, Reach, Stamp, Token, User};
use axum::http::{HeaderMap, StatusCode, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A TCP client.
    Net(SocketAddr),
    /// A process on this machine that may use the admin socket, with its user.
    Local {
        /// The user.
        uid: u32,
    },
}

/// What was offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offer {
    /// A bearer token.
    Token(Box<TokenOffer>),
    /// A user's key.
    Key(String, Box<SecretOffer>),
}

/// A token that reads as one; the secret is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenOffer(pub TokenText);

/// A secret that reads as one; it is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretOffer(pub Secret);

/// Somebody who was let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// For the audit log.
    pub name: String,
    /// Whose rights these are; `None` for a local user.
    pub user: Option<Id>,
    /// Where it asks from; `None` for a local user.
    pub from: Option<IpAddr>,
    /// The token; `None` for a key and a local user.
    pub token: Option<Id>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// Whether requests are counted.
    pub is_limited: bool,
    /// By what it was let in, as that was then.
    pub pass: Pass,
}

/// By what somebody was let in. A change may wait for its turn: what was revoked, rolled, narrowed or ran out meanwhile
/// opens nothing any more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Pass {
    /// The admin socket, or byway itself.
    #[default]
    Local,
    /// A token.
    Token(Arc<Token>),
    /// A user's key, and the accounts that it opened.
    Key(Arc<User>, Vec<Id>),
}

impl Pass {
    /// Whether it is as good as it was.
    pub fn holds(&self, estate: &Estate, now: Stamp) -> bool {
        match self {
            Self::Local => true,
            Self::Token(then) => estate.tokens.get(then.id).is_some_and(|token| {
                let young = token.expires_on.is_none_or(|until| now < until);
                token.enabled && young && token.hash == then.hash && token.grants == then.grants
            }),
            Self::Key(then, accounts) => {
                let owns = |id: &Id| estate.accounts.get(*id).is_some_and(|account| account.owner == then.id);
                let user = estate.users.get(then.id);
                user.is_some_and(|user| user.key_hash == then.key_hash) && accounts.iter().all(owns)
            }
        }
    }
}

/// Reads the headers for authentication: `Authorization: Bearer`, `X-Auth-Email` with `X-Auth-Key`, or
/// `X-Auth-User-Service-Key`, which bears a token as well.
///
/// # Errors
/// 400 with 6003 and the chain for what is malformed, with 9106 where there is nothing; 401 with 10000 where the form is
/// right and it can be no token of byway's.
pub fn offer(headers: &HeaderMap) -> Result<Offer, Failure> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or("");
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.map(|(_, token)| token.trim()).filter(|token| is_word(token));
        let Some(token) = token else {
            return Err(malformed(ApiCode::BadAuthorization, "Invalid format for Authorization header"));
        };
        return token_offer(token);
    }
    if let Some(value) = headers.get("x-auth-user-service-key") {
        return token_offer(value.to_str().unwrap_or(""));
    }
    match (headers.get("x-auth-email"), headers.get("x-auth-key")) {
        (Some(email), Some(key)) => {
            let key = key.to_str().ok().filter(|key| is_word(key));
            let Some(key) = key else {
                return Err(malformed(ApiCode::BadKey, "Invalid format for X-Auth-Key header"));
            };
            let secret = Secret::parse(key).ok_or_else(wrong)?;
            Ok(Offer::Key(email.to_str().unwrap_or("").to_owned(), Box::new(SecretOffer(secret))))
        }
        (Some(_), None) => Err(malformed(ApiCode::BadKey, "Invalid format for X-Auth-Key header")),
        (None, _) => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            ApiCode::NoCredentials,
            "Missing X-Auth-Key, X-Auth-Email or Authorization headers",
        )),
    }
}

fn token_offer(text: &str) -> Result<Offer, Failure> {
    TokenText::parse(text).map(|token| Offer::Token(Box::new(TokenOffer(token)))).ok_or_else(wrong)
}

/// Printable ASCII without blanks.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn malformed(code: ApiCode, text: &str) -> Failure {
    let mut error = ErrorItem::new(ApiCode::BadHeaders, "Invalid request headers");
    error.chain.push((code.number(), text.to_owned()));
    Failure::of(StatusCode::BAD_REQUEST, error)
}

/// 401: the credentials open nothing.
pub fn wrong() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, ApiCode::Authentication, "Authentication error")
}

/// Lets in whom `offer` proves; `None`: it proves nobody.
pub fn admit(offer: &Offer, estate: &Estate, hash_key: &[u8; 32], now: Stamp) -> Option<Caller> {
    match offer {
        Offer::Token(offered) => {
            let TokenOffer(TokenText { id, secret }) = **offered;
            let token = estate.tokens.get(id)?;
            let young = token.expires_on.is_none_or(|until| now < until);
            let opens = secret.opens(hash_key, &token.hash);
            (opens && young && token.enabled).then(|| Caller {
                name: format!("token {id} ({})", token.name),
                user: Some(token.user),
                from: None,
                token: Some(id),
                grants: token.grants.clone(),
                is_limited: true,
                pass: Pass::Token(token.clone()),
            })
        }
        Offer::Key(email, offered) => {
            let user = estate.users.iter().find(|user| user.email.eq_ignore_ascii_case(email))?;
            let opens = offered.0.opens(hash_key, user.key_hash.as_deref()?);
            opens.then(|| Caller {
                name: format!("key of {}", user.email),
                user: Some(user.id),
                from: None,
                token: None,
                grants: grants_of(user.id, estate),
                is_limited: true,
                pass: Pass::Key(user.clone(), owned_by(user.id, estate)),
            })
        }
    }
}

/// What a user's key opens: everything in the accounts that the user owns.
pub fn grants_of(user: Id, estate: &Estate) -> Vec<Grant> {
    let owned = owned_by(user, estate);
    let grant = |permission| Grant { permission, level: Level::Write, reach: Reach::Accounts(owned.clone()) };
    Permission::ALL.map(grant).to_vec()
}

fn owned_by(user: Id, estate: &Estate) -> Vec<Id> {
    estate.accounts.iter().filter(|account| account.owner == user).map(|account| account.id).collect()
}

impl Caller {
    /// A local user of the admin socket.
    pub fn local(uid: u32) -> Self {
        Self {
            name: format!("local user {uid}"),
            user: None,
            from: None,
            token: None,
            grants: Grant::everything(),
            is_limited: false,
            pass: Pass::Local,
        }
    }

    /// Whether this may be done in a zone of an account, or (`None`) with the account itself.
    pub fn access(&self, want: (Permission, Level), account: Id, zone: Option<Id>) -> Access {
        Grant::judge(&self.grants, want, account, zone)
    }

    /// Whether it may be done on the whole box.
    pub fn rules_box(&self, (permission, level): (Permission, Level)) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.permission == permission && grant.level >= level && grant.reach == Reach::All)
    }
}

impl std::fmt::Debug for TokenOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "token {}", self.0.id)
    }
}

impl std::fmt::Debug for SecretOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Account;

    const NOW: Stamp = Stamp(1_000);

    fn token() -> Token {
        Token::root(Id::from_bits(1), Id::from_bits(2), "hash".into(), Stamp(1))
    }

    #[test]
    fn a_pass_of_a_token_holds_until_it_is_revoked_rolled_narrowed_disabled_or_runs_out() {
        let pass = Pass::Token(Arc::new(token()));
        let holds = |token: Option<Token>, now| {
            let mut estate = Estate::default();
            token.into_iter().for_each(|token| estate.put(token.into()));
            pass.holds(&estate, now)
        };
        assert!(holds(Some(token()), NOW));
        assert!(holds(Some(Token { name: "renamed".into(), modified_on: NOW, ..token() }), NOW));
        assert!(!holds(None, NOW));
        assert!(!holds(Some(Token { hash: "rolled".into(), ..token() }), NOW));
        assert!(!holds(Some(Token { grants: Vec::new(), ..token() }), NOW));
        assert!(!holds(Some(Token { enabled: false, ..token() }), NOW));
        let short = || Some(Token { expires_on: Some(NOW), ..token() });
        assert!(holds(short(), Stamp(NOW.0 - 1)) && !holds(short(), NOW));
    }

    #[test]
    fn a_pass_of_a_key_holds_until_the_key_is_rolled_or_an_account_goes() {
        let user = |key: &str| User {
            id: Id::from_bits(2),
            email: "a@b".into(),
            key_hash: Some(key.into()),
            created_on: Stamp(1),
        };
        let account = |number, owner| Account {
            id: Id::from_bits(number),
            name: "n".into(),
            owner: Id::from_bits(owner),
            created_on: Stamp(1),
        };
        let pass = Pass::Key(Arc::new(user("key")), vec![Id::from_bits(5)]);
        let holds = |key: &str, owner| {
            let mut estate = Estate::default();
            [user(key).into(), account(5, owner).into(), account(6, 2).into()]
                .into_iter()
                .for_each(|entity| estate.put(entity));
            pass.holds(&estate, NOW)
        };
        assert!(holds("key", 2), "an account more is no reason");
        assert!(!holds("rolled", 2));
        assert!(!holds("key", 3));
        assert!(!pass.holds(&Estate::default(), NOW));
    }
}
