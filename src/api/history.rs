//! The history: who changed what, newest first. A version may have a million edits, so a list tells how many did what, and
//! some of them; the rest are read by pages. The store is held for a part of it at a time, beside the API's thread.

use super::answer::Failure;
use super::ask::Ask;
use super::code::ApiCode;
use super::list::{List, Listed, streamed};
use super::office::{Office, locked};
use super::query::{PER_PAGE_MAX, Page};
use super::tenants::rules_box;
use crate::base::limits::{HISTORY_BYTES_MAX, HISTORY_EDITS_MAX, HISTORY_TALLY_STEP};
use crate::base::outside::quoted;
use crate::control::rfc3339;
use crate::estate::Permission;
use crate::vault::{AuditVerb, EditSpan, Tally, ToldEdit, Vault, VaultError, Version};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Versions of one answer.
pub const VERSIONS_MAX: usize = 100;
/// How long the store is left to others between two parts of a count: who waits for it is woken meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// Which versions are wanted.
#[derive(Clone, Copy, Debug)]
pub struct HistoryAsk {
    /// Only those before this one.
    pub before: Option<u64>,
    /// How many at most.
    pub count: usize,
    /// With edits, as far as there is room for them.
    pub details: bool,
    /// The last version before the trial that the store is on.
    pub base: Option<u64>,
}

/// `GET /byway/history`: the last changes, newest first, with who, what, how many entities, and what these were before and
/// after.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, ask: Ask) -> Result<Response, Failure> {
    let before = ask.query.whole("before", 1..=i64::MAX as usize)?.map(|number| number as u64);
    let count = ask.query.whole("limit", 1..=VERSIONS_MAX)?.unwrap_or(20);
    let details = ask.query.flag("details")?.unwrap_or(true);
    ask.query.close()?;
    rules_box(&ask, Permission::AccountSettings)?;
    let base = office.trial().map(|trial| trial.base);
    let versions = office.history(HistoryAsk { before, count, details, base }).await?;
    let begin = r#"{"success":true,"errors":[],"messages":[],"result":["#.to_owned();
    let parts = std::iter::once(begin).chain(versions).chain(std::iter::once("]}".to_owned()));
    Ok(streamed(parts, "application/json"))
}

/// `GET /byway/history/{version}`: the edits of a version, in order, by pages.
///
/// # Errors
/// See `Failure`.
pub async fn edits(State(office): State<Arc<Office>>, Path(version): Path<String>, ask: Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    rules_box(&ask, Permission::AccountSettings)?;
    let page = Page { per_page: page.per_page.or(Some(PER_PAGE_MAX)), ..page };
    let found = office.edits(version_of(&version)?, page).await?;
    let (version, edits) = found.ok_or_else(|| Failure::not_found("version"))?;
    let info = page.info(edits.len(), version.kept as usize);
    Ok(List::new(edits.into_iter().map(edit_json), info))
}

/// The number of a version in a path.
fn version_of(text: &str) -> Result<u64, Failure> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let text = format!("Could not route to this path: {} is no version", quoted(text));
        Failure::new(StatusCode::NOT_FOUND, ApiCode::NoRoute, text)
    })
}

/// Versions as JSON, one after another.
///
/// # Errors
/// The store's.
pub fn told(vault: &Mutex<Box<dyn Vault>>, ask: HistoryAsk) -> Result<Vec<String>, VaultError> {
    let versions = locked(vault).history(ask.before, ask.count)?;
    let mut room = if ask.details { HISTORY_BYTES_MAX } else { 0 };
    let mut told = Vec::with_capacity(versions.len());
    for version in versions {
        let span = EditSpan { from: 0, count: HISTORY_EDITS_MAX, bytes: room };
        let edits = match room {
            0 => Vec::new(),
            _ => locked(vault).edits(version.number, span)?,
        };
        room = room.saturating_sub(edits.iter().map(ToldEdit::bytes).sum());
        let tally = match edits.len() as u64 == version.kept {
            true => tally_of(&edits),
            false => counted(vault, &version)?,
        };
        let on_trial = ask.base.is_some_and(|base| version.number > base);
        told.push(version_text((told.is_empty(), on_trial), &version, tally, edits));
    }
    Ok(told)
}

/// A version, and a page of its edits; `None`: there is no such version.
///
/// # Errors
/// The store's.
pub fn page_of(
    vault: &mut dyn Vault,
    number: u64,
    page: Page,
) -> Result<Option<(Version, Vec<ToldEdit>)>, VaultError> {
    let version = vault.history(number.checked_add(1), 1)?.pop().filter(|version| version.number == number);
    let Some(version) = version else { return Ok(None) };
    let (offset, count) = page.span();
    let edits = vault.edits(number, EditSpan { from: offset as u64, count, bytes: usize::MAX })?;
    Ok(Some((version, edits)))
}

/// How many edits did what to which kind.
type Tallies = BTreeMap<(String, AuditVerb), u64>;

fn tally_of(edits: &[ToldEdit]) -> Tallies {
    let mut tallies = Tallies::new();
    for edit in edits {
        let verb = AuditVerb::of(edit.before.is_some(), edit.after.is_some());
        *tallies.entry((edit.kind.clone(), verb)).or_default() += 1;
    }
    tallies
}

fn counted(vault: &Mutex<Box<dyn Vault>>, version: &Version) -> Result<Tallies, VaultError> {
    let mut tallies = Tallies::new();
    for from in (0..version.kept).step_by(HISTORY_TALLY_STEP as usize) {
        if from > 0 {
            std::thread::sleep(PAUSE);
        }
        for Tally { kind, verb, count } in
            locked(vault).tally(version.number, from..from + HISTORY_TALLY_STEP)?
        {
            *tallies.entry((kind, verb)).or_default() += count;
        }
    }
    Ok(tallies)
}

fn version_text(
    (is_first, on_trial): (bool, bool),
    version: &Version,
    tallies: Tallies,
    edits: Vec<ToldEdit>,
) -> String {
    let count = |((kind, verb), count): ((String, AuditVerb), u64)| json!({ "kind": kind, "verb": verb.name(), "count": count });
    let told = json!({
        "version": version.number,
        "when": rfc3339(version.at),
        "actor": version.who,
        "action": version.what,
        "on_trial": on_trial,
        "counts": tallies.into_iter().map(count).collect::<Value>(),
        "not_shown": version.kept.saturating_sub(edits.len() as u64),
        "changes": edits.into_iter().map(edit_json).collect::<Value>(),
        "forgotten": version.forgotten,
    });
    format!("{}{told}", if is_first { "" } else { "," })
}

fn edit_json(edit: ToldEdit) -> Value {
    let body = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    json!({ "kind": edit.kind, "id": edit.id, "before": body(edit.before), "after": body(edit.after) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Actor, Entry, RowEdit, RowOwner, SqliteVault, TrialStep};

    /// A version of an edit for each of these lengths.
    fn version(lengths: &[usize]) -> Entry {
        let edit = |(number, length): (usize, &usize)| {
            let after = Some(json!({ "text": "x".repeat(*length) }).to_string());
            let (kind, id, owner) = ("zone".to_owned(), number.to_string(), RowOwner::default());
            RowEdit { kind, id, body: after.clone(), undo: None, before: None, after, owner }
        };
        let (who, what, tenant) = ("me".into(), "a test".into(), String::new());
        let edits = lengths.iter().enumerate().map(edit).collect();
        Entry { at: 5, who, what, tenant, actor: Actor::default(), edits, trial: TrialStep::GoesOn }
    }

    #[test]
    fn details_of_an_answer_have_so_many_bytes_and_counts_are_always_there() {
        let folder = std::env::temp_dir().join(format!("byway-api-history-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("made");
        let half = HISTORY_BYTES_MAX / 2;
        for lengths in [&[9; 2][..], &[half; 4], &[9; 3]] {
            vault.commit(&version(lengths)).expect("kept");
        }
        let vault: Mutex<Box<dyn Vault>> = Mutex::new(Box::new(vault));
        let ask = HistoryAsk { before: None, count: 9, details: true, base: Some(2) };
        let told = told(&vault, ask).expect("readable").concat();
        assert!(told.len() < 2 * HISTORY_BYTES_MAX, "{}", told.len());
        let told: Value = serde_json::from_str(&format!("[{told}]")).expect("JSON");
        let word = |version: usize, key: &str| told[version][key].clone();
        let shown = [0, 1, 2].map(|version| word(version, "changes").as_array().map(Vec::len));
        assert_eq!(shown, [Some(3), Some(2), Some(0)]);
        assert_eq!([0, 1, 2].map(|version| word(version, "not_shown")), [0, 2, 2].map(Value::from));
        assert_eq!(
            [0, 1, 2].map(|version| told[version]["counts"][0]["count"].as_u64()),
            [Some(3), Some(4), Some(2)]
        );
        assert_eq!([0, 1, 2].map(|version| word(version, "on_trial")), [true, false, false].map(Value::from));
        std::fs::remove_dir_all(&folder).expect("gone");
    }

    #[test]
    fn a_version_of_many_edits_is_counted_in_parts_and_none_is_counted_twice() {
        let folder = std::env::temp_dir().join(format!("byway-api-tally-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("made");
        let edits = 2 * HISTORY_TALLY_STEP + 3;
        vault.commit(&version(&vec![1; edits as usize])).expect("kept");
        let vault: Mutex<Box<dyn Vault>> = Mutex::new(Box::new(vault));
        let version = locked(&vault).history(None, 1).expect("readable").remove(0);
        let tallies = counted(&vault, &version).expect("readable");
        assert_eq!(tallies, Tallies::from([(("zone".to_owned(), AuditVerb::Add), edits)]));
        std::fs::remove_dir_all(&folder).expect("gone");
    }
}
