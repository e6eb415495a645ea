//! Which lists are asked for, and in what order: accounts and zones first, then what belongs to each.

use serde_json::{Map, Value};

/// Rows of all lists together.
const ROWS_MAX: usize = 1_000_000;
/// Zones, accounts and prefixes that are gone into.
const BRANCHES_MAX: usize = 10_000;

/// Why a list is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// The token may not read it.
    Forbidden(String),
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
    let mut branches = 0;
    let mut branch = || {
        branches += 1;
        (branches <= BRANCHES_MAX).then_some(()).ok_or_else(|| {
            format!("there are more than {BRANCHES_MAX} accounts, zones and prefixes: import some, by --account or --zone")
        })
    };
    for account in of_accounts {
        branch()?;
        let prefixes = format!("accounts/{account}/addressing/prefixes");
        let rows = found.take(source, (&prefixes, false), scope, |_| true)?;
        for prefix in ids(&rows) {
            branch()?;
            for list in ["bindings", "bgp/prefixes", "delegations"] {
                found.take(source, (&format!("{prefixes}/{prefix}/{list}"), false), scope, |_| true)?;
            }
        }
        let rules = format!("accounts/{account}/firewall/access_rules/rules");
        found.take(source, (&rules, true), scope, |_| true)?;
    }
    for zone in ids(&zones) {
        branch()?;
        for list in ["spectrum/apps", "firewall/access_rules/rules", "dns_records"] {
            found.take(source, (&format!("zones/{zone}/{list}"), true), scope, |_| true)?;
        }
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
            Err(Missing::Broken(why)) => return Err(format!("{path}: {why}")),
        };
        let rows: Vec<Value> = rows.into_iter().filter(wanted).collect();
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
    if envelope["success"] != true {
        let error = &envelope["errors"][0];
        let message = error["message"].as_str().unwrap_or("it says no reason");
        return Err(format!(
            "the reply is a failure: {} ({})",
            crate::base::outside::OneLine(message),
            error["code"]
        ));
    }
    let rows = envelope["result"].as_array().filter(|rows| rows.iter().all(Value::is_object));
    rows.ok_or_else(|| "the reply has no list in its result".into())
}
