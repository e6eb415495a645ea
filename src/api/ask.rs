//! A request as handlers see it: who asks, what for, the query, the body.

use super::answer::{ErrorItem, Failure};
use super::caller::Caller;
use super::code::ApiCode;
use super::fields;
use super::office::Errand;
use super::query::Query;
use crate::estate::{Access, Estate, Id, Level, Permission, Zone};
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A request whose caller was let in.
#[derive(Debug)]
pub struct Ask {
    /// Who asks.
    pub caller: Caller,
    /// Method and path, for the audit log.
    pub what: String,
    /// The query.
    pub query: Query,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// The errand of a changing call; reads `dry_run`.
    ///
    /// # Errors
    /// The query holds something else.
    pub fn errand(&self) -> Result<Errand, Failure> {
        let dry_run = self.query.flag("dry_run")?.unwrap_or(false);
        self.query.close()?;
        Ok(Errand {
            who: self.caller.name.clone(),
            what: self.what.clone(),
            user: self.caller.user,
            from: self.caller.from,
            pass: self.caller.pass.clone(),
            dry_run,
            confirm_within: None,
        })
    }

    /// The same of a call whose body may say `confirm_within`: over the admin socket alone, since going back by itself may
    /// give again what was taken from somebody meanwhile.
    ///
    /// # Errors
    /// 400 or 403, too.
    pub fn errand_on_trial(&self) -> Result<(Errand, Map<String, Value>), Failure> {
        let errand = self.errand()?;
        let body = self.object()?;
        let confirm_within = fields::confirm_within(&body)?;
        if confirm_within.is_some() && self.caller.is_limited {
            return Err(Failure::unauthorized("a trial begins over the admin socket alone"));
        }
        Ok((Errand { confirm_within, ..errand }, body))
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// 400 with 6007.
    pub fn object(&self) -> Result<Map<String, Value>, Failure> {
        let bad = |text: String| Failure::of(StatusCode::BAD_REQUEST, ErrorItem::new(ApiCode::BadJson, text));
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(bad("the body must be a JSON object".into())),
            Err(error) => Err(bad(format!("the body is not JSON (RFC 8259): {error}"))),
        }
    }

    /// The zone of a path, where this may be done in it.
    ///
    /// # Errors
    /// 404 where the id is none (7003) or there is no such zone for this caller; 403 where it may not be done.
    pub fn zone(&self, id: &str, estate: &Estate, want: (Permission, Level)) -> Result<Arc<Zone>, Failure> {
        let zone = estate.zones.get(path_id(id)?).ok_or_else(|| Failure::not_found("zone"))?;
        self.may(want, zone.account, Some(zone.id), "zone")?;
        Ok(zone.clone())
    }

    /// The account of a path, where this may be done with it.
    ///
    /// # Errors
    /// As `zone`.
    pub fn account(
        &self,
        id: &str,
        estate: &Estate,
        want: (Permission, Level),
    ) -> Result<Arc<crate::estate::Account>, Failure> {
        let account = estate.accounts.get(path_id(id)?).ok_or_else(|| Failure::not_found("account"))?;
        self.may(want, account.id, None, "account")?;
        Ok(account.clone())
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// 404 where the caller is not to know of it, 403 where it is.
    pub fn may(
        &self,
        want: (Permission, Level),
        account: Id,
        zone: Option<Id>,
        what: &str,
    ) -> Result<(), Failure> {
        match self.caller.access(want, account, zone) {
            Access::Granted => Ok(()),
            Access::Hidden => Err(Failure::not_found(what)),
            Access::Denied => {
                let level = match want.1 {
                    Level::Read => "Read",
                    Level::Write => "Write",
                };
                Err(Failure::unauthorized(format!(
                    "Unauthorized to access requested resource: it wants {} {level}",
                    want.0.name()
                )))
            }
        }
    }
}

/// An id in a path.
///
/// # Errors
/// 404 with 7003, as for a path that is none.
pub fn path_id(text: &str) -> Result<Id, Failure> {
    Id::parse(text).ok_or_else(|| {
        let text = format!("Could not route to this path: {} is no id", crate::base::outside::quoted(text));
        Failure::new(StatusCode::NOT_FOUND, ApiCode::NoRoute, text)
    })
}
