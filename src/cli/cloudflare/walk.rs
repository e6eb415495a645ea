//! Which lists are asked for, and in what order: accounts and zones first, then what belongs to each. Lists without which an
//! import would be another one end it where they cannot be read; the others are told and left out.

use crate::base::limits::LOA_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Rows of all lists together.
const ROWS_MAX: usize = 1_000_000;
/// Zones, accounts, prefixes, address maps and letters that are gone into.
const BRANCHES_MAX: usize = 10_000;
/// Access rules of a user, an account or a zone.
const RULES: &str = "firewall/access_rules/rules";

/// Why a list is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// The token may not read it.
    Forbidden(String),
    /// There is none for this token: any other refusal.
    Refused(String),
    /// There is no such reply.
    Absent,
    /// Anything else, in one line: the whole import ends.
    Broken(String),
}

/// Whence lists come.
pub trait Source {
    /// All rows of the list at `path`; `is_paged`: it comes in pages.
    ///
    /// # Errors
    /// See `Missing`.
    fn rows(&mut self, path: &str, is_paged: bool) -> Result<Vec<Value>, Missing>;

    /// The one object at `path`.
    ///
    /// # Errors
    /// See `Missing`.
    fn one(&mut self, path: &str) -> Result<Value, Missing>;

    /// The PDF file at `path`, of `bytes_max` bytes at most.
    ///
    /// # Errors
    /// See `Missing`.
    fn file(&mut self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Missing>;
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only this account.
    pub account: Option<String>,
    /// Only these zones, by name.
    pub zones: Vec<String>,
    /// What may not be read is left out.
    pub skip_forbidden: bool,
}

/// All lists, and what was left out, a line each.
#[derive(Debug, Default)]
pub struct Found {
    /// Rows by path.
    pub lists: Map<String, Value>,
    /// What is not among them.
    pub missing: Vec<String>,
    rows: usize,
    branches: usize,
}

/// Asks for everything.
///
/// # Errors
/// One line: what could not be read, and why.
pub fn walk(source: &mut dyn Source, scope: &Scope) -> Result<Found, String> {
    let mut found = Found::default();
    let accounts = found.take(source, ("accounts", true), scope, |row| {
        scope.account.as_ref().is_none_or(|only| row["id"] == *only)
    })?;
    let zones = found.take(source, ("zones", true), scope, |row| {
        let named = |name: &String| row["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
        scope.account.as_ref().is_none_or(|only| row["account"]["id"] == *only)
            && (scope.zones.is_empty() || scope.zones.iter().any(named))
    })?;
    if let Some(name) = scope.zones.iter().find(|name| {
        !zones.iter().any(|row| row["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }) {
        return Err(format!("zone {name} is not among those that can be read there"));
    }
    let mut of_accounts: Vec<String> = ids(&accounts);
    let of_zones = zones.iter().filter_map(|row| row["account"]["id"].as_str()).filter(|id| is_id(id));
    of_accounts.extend(of_zones.map(str::to_owned));
    of_accounts.sort_unstable();
    of_accounts.dedup();
    found.take_extra(source, (&format!("user/{RULES}"), true))?;
    for account in of_accounts {
        found.branch()?;
        let prefixes = format!("accounts/{account}/addressing/prefixes");
        let rows = found.take(source, (&prefixes, false), scope, |_| true)?;
        for prefix in ids(&rows) {
            found.branch()?;
            for list in ["bindings", "bgp/prefixes", "delegations"] {
                found.take(source, (&format!("{prefixes}/{prefix}/{list}"), false), scope, |_| true)?;
            }
        }
        found.letters(source, &account, &rows)?;
        found.address_maps(source, &account)?;
        found.take(source, (&format!("accounts/{account}/{RULES}"), true), scope, |_| true)?;
    }
    for zone in ids(&zones) {
        found.branch()?;
        for list in ["spectrum/apps", RULES, "dns_records"] {
            found.take(source, (&format!("zones/{zone}/{list}"), true), scope, |_| true)?;
        }
        found.take_extra(source, (&format!("zones/{zone}/custom_certificates"), true))?;
    }
    Ok(found)
}

impl Found {
    fn take(
        &mut self,
        source: &mut dyn Source,
        (path, is_paged): (&str, bool),
        scope: &Scope,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, String> {
        let rows = match source.rows(path, is_paged) {
            Ok(rows) => rows,
            Err(Missing::Forbidden(why)) if scope.skip_forbidden => {
                self.missing.push(format!("{path}: {why}; left out"));
                return Ok(Vec::new());
            }
            Err(Missing::Forbidden(why)) => {
                return Err(format!("{path}: {why}; --skip-forbidden leaves such lists out"));
            }
            Err(Missing::Absent) => {
                self.missing.push(format!("{path}: no such reply; left out"));
                return Ok(Vec::new());
            }
            Err(Missing::Refused(why) | Missing::Broken(why)) => return Err(format!("{path}: {why}")),
        };
        self.keep(path, rows.into_iter().filter(wanted).collect())
    }

    /// The same of a list that an import can go without.
    fn take_extra(
        &mut self,
        source: &mut dyn Source,
        (path, is_paged): (&str, bool),
    ) -> Result<Vec<Value>, String> {
        match source.rows(path, is_paged) {
            Ok(rows) => self.keep(path, rows),
            Err(missing) => self.go_without(path, missing).map(|()| Vec::new()),
        }
    }

    /// Says why an import goes without something; what is broken ends it all the same.
    fn go_without(&mut self, path: &str, missing: Missing) -> Result<(), String> {
        let why = match missing {
            Missing::Forbidden(why) | Missing::Refused(why) => why,
            Missing::Absent => "no such reply".into(),
            Missing::Broken(why) => return Err(format!("{path}: {why}")),
        };
        self.missing.push(format!("{path}: {why}; left out"));
        Ok(())
    }

    /// The letters that prefixes name: there is no list of them.
    fn letters(&mut self, source: &mut dyn Source, account: &str, prefixes: &[Value]) -> Result<(), String> {
        let named = prefixes.iter().filter_map(|row| row["loa_document_id"].as_str());
        let mut named: Vec<&str> = named.filter(|id| is_id(id)).collect();
        named.sort_unstable();
        named.dedup();
        let (mut rows, path) = (Vec::new(), format!("accounts/{account}/addressing/loa_documents"));
        for id in named {
            self.branch()?;
            let path = format!("{path}/{id}/download");
            match source.file(&path, LOA_BYTES_MAX) {
                Ok(file) => rows.push(json!({ "id": id, "content": STANDARD.encode(file) })),
                Err(missing) => self.go_without(&path, missing)?,
            }
        }
        self.keep(&path, rows).map(drop)
    }

    /// Address maps, each with what only it itself tells.
    fn address_maps(&mut self, source: &mut dyn Source, account: &str) -> Result<(), String> {
        let path = format!("accounts/{account}/addressing/address_maps");
        let rows = self.take_extra(source, (&path, false))?;
        for id in ids(&rows) {
            self.branch()?;
            let path = format!("{path}/{id}");
            match source.one(&path) {
                Ok(map) => drop(self.keep(&path, vec![map])?),
                Err(missing) => self.go_without(&path, missing)?,
            }
        }
        Ok(())
    }

    fn branch(&mut self) -> Result<(), String> {
        self.branches += 1;
        (self.branches <= BRANCHES_MAX).then_some(()).ok_or_else(|| {
            format!("there are more than {BRANCHES_MAX} accounts, zones, prefixes, address maps and letters: import some, by --account or --zone")
        })
    }

    fn keep(&mut self, path: &str, rows: Vec<Value>) -> Result<Vec<Value>, String> {
        self.rows += rows.len();
        if self.rows > ROWS_MAX {
            return Err(format!(
                "{path}: there are more than {ROWS_MAX} rows: import some, by --account or --zone"
            ));
        }
        self.lists.insert(path.to_owned(), rows.clone().into());
        Ok(rows)
    }
}

/// Ids go into paths: only what is one is gone into.
fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().filter_map(|row| row["id"].as_str()).filter(|id| is_id(id)).map(str::to_owned).collect()
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// `result` of an envelope, a list of objects; `Err` says what it is instead.
pub fn result_of(envelope: &Value) -> Result<&Vec<Value>, String> {
    let rows = good(envelope)?.as_array().filter(|rows| rows.iter().all(Value::is_object));
    rows.ok_or_else(|| "the reply has no list in its result".into())
}

/// `result` of an envelope, one object.
pub fn one_of(envelope: &Value) -> Result<&Value, String> {
    Some(good(envelope)?)
        .filter(|one| one.is_object())
        .ok_or_else(|| "the reply has no object in its result".into())
}

fn good(envelope: &Value) -> Result<&Value, String> {
    if envelope["success"] != true {
        let error = &envelope["errors"][0];
        let message = error["message"].as_str().unwrap_or("it says no reason");
        return Err(format!(
            "the reply is a failure: {} ({})",
            crate::base::outside::OneLine(message),
            error["code"]
        ));
    }
    Ok(&envelope["result"])
}

/// A file that is a PDF, and no longer than it may be.
pub fn pdf(file: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Missing> {
    match file.len() <= bytes_max && file.starts_with(b"%PDF-") {
        true => Ok(file),
        false => Err(Missing::Refused(format!("it is no PDF of {bytes_max} bytes at most"))),
    }
}
