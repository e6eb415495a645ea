//! `POST /byway/import/cloudflare`: `{"source", "lists": {PATH: [ROW...]}, "update", "trust_approvals", "into", "owner",
//! "confirm_within"}`, over the admin socket alone. Planned whole, kept whole, or refused whole.

use super::draft::{Draft, Wants};
use super::lists::{Lists, Row};
use super::report::Report;
use super::rules::Rules;
use super::spare::Spare;
use super::{address_maps, apps, certificates, letters, prefixes, records, tenants};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::Ask;
use crate::api::fields::{maybe_text, wrong};
use crate::api::office::{Office, Plan, Terms};
use crate::estate::{Change, Estate, Id, RuleHolder, Stamp};
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;

/// Apps of one import whose states are told beside the report.
const ASKED_MAX: usize = 1_000;

/// See the file's header.
///
/// # Errors
/// See `Failure`.
pub async fn import(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.errand()?;
    if ask.caller.is_limited {
        return Err(Failure::unauthorized("an import goes over the admin socket alone"));
    }
    let (mut errand, mut body) = ask.errand_on_trial()?;
    let is_dry = std::mem::take(&mut errand.dry_run);
    if is_dry {
        errand.confirm_within = None;
    }
    if let Some(source) = maybe_text(&body, "source", 1_024)? {
        errand.what = format!("import from {}", crate::base::outside::OneLine(source));
    }
    let lists = Lists::read(&mut body)?;
    let terms = office.terms.clone();
    office
        .change(errand, move |estate, now| {
            let wants = wants(&body, estate)?;
            let plan = plan(&lists, estate, (&ask, &terms), (&wants, now))?;
            // The report says it all; an answer with a line for every edit would say it again.
            Ok(if is_dry { Plan { answer: plan.answer, ..Plan::default() } } else { plan })
        })
        .await
}

fn wants(body: &Row, estate: &Estate) -> Result<Wants, Failure> {
    let flag = |key| match body.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(wrong(key, "must be true or false")),
    };
    let into = match maybe_text(body, "into", 64)? {
        None => None,
        Some(text) => {
            let id = Id::parse(&text).filter(|id| estate.accounts.get(*id).is_some());
            Some(id.ok_or_else(|| wrong("into", "must be the id of an account of this box"))?)
        }
    };
    let mut users = estate.users.iter();
    let owner = match maybe_text(body, "owner", 254)? {
        Some(email) => users.find(|user| user.email.eq_ignore_ascii_case(&email)),
        None => users.min_by_key(|user| (user.created_on, user.id)),
    };
    let owner =
        owner.ok_or_else(|| wrong("owner", "is no user of this box: run `byway admin init` first"))?.id;
    Ok(Wants { update: flag("update")?, trust_approvals: flag("trust_approvals")?, into, owner })
}

fn plan(
    lists: &Lists,
    estate: &Estate,
    (ask, terms): (&Ask, &Terms),
    (wants, now): (&Wants, Stamp),
) -> Result<Plan, Failure> {
    let (change, report) = (Change::default(), Report::default());
    let mut draft =
        Draft { estate: estate.clone(), change, report, asked: Vec::new(), ask, terms, wants, now };
    let accounts = tenants::accounts(&mut draft, lists);
    let zones = tenants::zones(&mut draft, lists, &accounts);
    for (theirs, account) in &accounts {
        letters::take(&mut draft, lists, (*theirs, *account));
        prefixes::take(&mut draft, lists, (*theirs, *account), &accounts)?;
    }
    // An account may use what another one delegates to it.
    for (theirs, account) in &accounts {
        address_maps::take(&mut draft, lists, (*theirs, *account), (&accounts, &zones));
    }
    let mut rules = Rules::beside(&draft.estate, lists);
    rules.take_users(&mut draft, &accounts);
    for (theirs, account) in &accounts {
        let path = format!("accounts/{theirs}/firewall/access_rules/rules");
        rules.take(&mut draft, (&path, &theirs.to_string()), RuleHolder::Account(*account));
    }
    let mut spare = Spare::default();
    for (theirs, zone) in &zones {
        certificates::take(&mut draft, lists, theirs, zone);
        apps::take(&mut draft, lists, (theirs, zone), &mut spare);
        let path = format!("zones/{theirs}/firewall/access_rules/rules");
        rules.take(&mut draft, (&path, theirs), RuleHolder::Zone(zone.id));
        records::take(&mut draft, lists, theirs, zone);
    }
    let Draft { change, report, mut asked, .. } = draft;
    asked.truncate(ASKED_MAX);
    Ok(Plan { change, asked, answer: Some(Success::of(report.json())) })
}
