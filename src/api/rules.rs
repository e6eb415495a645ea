//! IP access rules of zones, accounts and users (`reference/spectrum.md`, section 4), and byway's own batch.

use super::answer::{Answer, ErrorItem, Failure, Success};
use super::ask::{Ask, path_id};
use super::code::ApiCode;
use super::fields;
use super::list::Listed;
use super::lockout;
use super::office::{Office, Plan};
use super::query::{Direction, Query};
use crate::control::config::tables::{TableErrors, read_one_rule};
use crate::control::rfc3339;
use crate::estate::{Change, Entity, Estate, Id, Level, Permission, Rule, RuleHolder, Stamp};
use crate::firewall::{Mode, RuleSpec, Target, Words};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Rules of one batch.
pub const BATCH_MAX: usize = 50_000;
/// Errors of one batch that are told.
const ERRORS_MAX: usize = 50;

/// What `cascade` of a deletion may say; byway has no rules that it reaches.
pub const CASCADES: [&str; 3] = ["none", "basic", "aggressive"];

/// What a rule may be about.
pub const TARGETS: [&str; 5] = ["ip", "ip6", "ip_range", "asn", "country"];

/// Whose rules a path is about: `zones/ID`, `accounts/ID`, or `user`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// A zone's.
    Zone(String),
    /// An account's.
    Account(String),
    /// The caller's own.
    User,
}

/// What a list is narrowed to.
#[derive(Debug, Default)]
struct Filter {
    mode: Option<&'static str>,
    target: Option<&'static str>,
    value: Option<String>,
    notes: Option<String>,
    any: bool,
}

macro_rules! by_scope {
    ($($list:ident, $create:ident, $batch:ident, $get:ident, $edit:ident, $delete:ident: $scope:expr;)+) => {$(
        #[doc = concat!("See `list`, for ", stringify!($scope), ".")]
        pub async fn $list(State(office): State<Arc<Office>>, Path(of): Path<String>, ask: Ask) -> Listed {
            list(&office, $scope(of), ask).await
        }
        #[doc = concat!("See `create`, for ", stringify!($scope), ".")]
        pub async fn $create(State(office): State<Arc<Office>>, Path(of): Path<String>, ask: Ask) -> Answer {
            create(office, $scope(of), ask).await
        }
        #[doc = concat!("See `batch`, for ", stringify!($scope), ".")]
        pub async fn $batch(State(office): State<Arc<Office>>, Path(of): Path<String>, ask: Ask) -> Answer {
            batch(office, $scope(of), ask).await
        }
        #[doc = concat!("See `get`, for ", stringify!($scope), ".")]
        pub async fn $get(State(office): State<Arc<Office>>, Path((of, id)): Path<(String, String)>, ask: Ask) -> Answer {
            get(&office, &$scope(of), &id, &ask)
        }
        #[doc = concat!("See `edit`, for ", stringify!($scope), ".")]
        pub async fn $edit(State(office): State<Arc<Office>>, Path((of, id)): Path<(String, String)>, ask: Ask) -> Answer {
            edit(office, $scope(of), id, ask).await
        }
        #[doc = concat!("See `delete`, for ", stringify!($scope), ".")]
        pub async fn $delete(State(office): State<Arc<Office>>, Path((of, id)): Path<(String, String)>, ask: Ask) -> Answer {
            delete(office, $scope(of), id, ask).await
        }
    )+};
}

by_scope! {
    zone_list, zone_create, zone_batch, zone_get, zone_edit, zone_delete: Scope::Zone;
    account_list, account_create, account_batch, account_get, account_edit, account_delete: Scope::Account;
}

/// See `list`, for the caller's own.
pub async fn user_list(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    list(&office, Scope::User, ask).await
}

/// See `create`, for the caller's own.
pub async fn user_create(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    create(office, Scope::User, ask).await
}

/// See `batch`, for the caller's own.
pub async fn user_batch(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    batch(office, Scope::User, ask).await
}

/// See `get`, for the caller's own.
pub async fn user_get(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    get(&office, &Scope::User, &id, &ask)
}

/// See `edit`, for the caller's own.
pub async fn user_edit(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    edit(office, Scope::User, id, ask).await
}

/// See `delete`, for the caller's own.
pub async fn user_delete(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    delete(office, Scope::User, id, ask).await
}

impl Scope {
    /// The holder, where the caller may do this with its rules.
    fn holder(&self, ask: &Ask, estate: &Estate, level: Level) -> Result<RuleHolder, Failure> {
        let want = (Permission::Firewall, level);
        match self {
            Self::Zone(id) => ask.zone(id, estate, want).map(|zone| RuleHolder::Zone(zone.id)),
            Self::Account(id) => ask.account(id, estate, want).map(|account| RuleHolder::Account(account.id)),
            Self::User => {
                let user =
                    ask.caller.user.ok_or_else(|| Failure::not_found("user behind these credentials"))?;
                // They act on every account that the user owns.
                let mut owned = estate.accounts.iter().filter(|account| account.owner == user);
                owned.try_for_each(|account| ask.may(want, account.id, None, "user's rules"))?;
                match ask.caller.grants.iter().any(|grant| grant.permission == want.0 && grant.level >= level)
                {
                    true => Ok(RuleHolder::User(user)),
                    false => Err(Failure::unauthorized(
                        "Unauthorized to access requested resource: it wants Firewall Services",
                    )),
                }
            }
        }
    }
}

/// `GET .../firewall/access_rules/rules`, with `mode`, `configuration.target`, `configuration.value`, `notes` and `match`.
async fn list(office: &Office, scope: Scope, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &scope, &ask)).await
}

fn page(estate: &Arc<Estate>, scope: &Scope, ask: &Ask) -> Listed {
    let holder = scope.holder(ask, estate, Level::Read)?;
    let filter = Filter::read(&ask.query)?;
    let order = ask.query.word("order", &["configuration.target", "configuration.value", "mode"])?;
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let mut rules: Vec<&Arc<Rule>> = estate.rules_of(holder).filter(|rule| filter.lets(rule)).collect();
    match order {
        Some("configuration.target") => rules.sort_by_key(|rule| (rule.spec.target.kind(), rule.spec.target)),
        Some("configuration.value") => rules.sort_by_cached_key(|rule| (value_of(rule.spec.target), rule.id)),
        Some("mode") => rules.sort_by_key(|rule| (rule.spec.mode.name(), rule.id)),
        Some(_) | None => rules.sort_by_key(|rule| (rule.created_on, rule.id)),
    }
    if direction == Direction::Desc {
        rules.reverse();
    }
    let users = estate.clone();
    Ok(page.list(rules, move |rule| rule_json(rule, &users)))
}

impl Filter {
    fn read(query: &Query) -> Result<Self, Failure> {
        let modes = Mode::ALL.map(Mode::name);
        Ok(Self {
            mode: query.word("mode", &modes)?,
            target: query.word("configuration.target", &TARGETS)?,
            value: query.text("configuration.value")?.map(str::to_ascii_lowercase),
            notes: query.text("notes")?.map(str::to_lowercase),
            any: query.word("match", &["any", "all"])? == Some("any"),
        })
    }

    fn lets(&self, rule: &Rule) -> bool {
        let (target, notes) = (rule.spec.target, rule.spec.notes.as_deref().map_or("", Words::as_str));
        let tests = [
            self.mode.map(|mode| mode == rule.spec.mode.name()),
            self.target.map(|kind| kind == target.kind()),
            self.value.as_ref().map(|value| {
                [value_of(target), target.to_string()].iter().any(|own| own.eq_ignore_ascii_case(value))
            }),
            self.notes.as_ref().map(|part| notes.to_lowercase().contains(part.as_str())),
        ];
        let mut tests = tests.into_iter().flatten().peekable();
        tests.peek().is_none() || if self.any { tests.any(|met| met) } else { tests.all(|met| met) }
    }
}

/// `POST .../rules`.
async fn create(office: Arc<Office>, scope: Scope, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (id, rules_max) = (office.new_id()?, office.terms.rules_per_account);
    office
        .change(errand, move |estate, now| {
            let holder = scope.holder(&ask, estate, Level::Write)?;
            ask.object()?;
            let spec = read_one_rule(&ask.body)?;
            room(estate, holder, (1, rules_max))?;
            if estate.rules_of(holder).any(|rule| rule.spec.target == spec.target) {
                return Err(Failure::of(StatusCode::BAD_REQUEST, duplicate(spec.target, None)));
            }
            let rule =
                Rule { id, holder, spec: RuleSpec { id: None, ..spec }, created_on: now, modified_on: now };
            let answer = Success::of(rule_json(&rule, estate));
            let mut change = Change::default();
            change.make(rule);
            Ok(Plan {
                answer: Some(answer.saying(lockout::warning(&estate.with(&change), holder))),
                change,
                asked: Vec::new(),
            })
        })
        .await
}

/// `POST .../rules/batch`: `{"rules": [...]}`, all or none; errors point at each one.
async fn batch(office: Arc<Office>, scope: Scope, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (first, rules_max) = (office.new_id()?, office.terms.rules_per_account);
    office
        .change(errand, move |estate, now| {
            let holder = scope.holder(&ask, estate, Level::Write)?;
            let body = ask.object()?;
            let list = body.get("rules").and_then(Value::as_array);
            let list = list.ok_or_else(|| fields::wrong("rules", "must be a list of rules"))?;
            if list.is_empty() || list.len() > BATCH_MAX {
                let text = format!("holds {} rules: a batch has 1 to {BATCH_MAX}", list.len());
                return Err(fields::wrong("rules", &text));
            }
            room(estate, holder, (list.len(), rules_max))?;
            let specs = read_batch(list, estate, holder)?;
            let mut change = Change::default();
            let mut rows = Vec::with_capacity(specs.len());
            for (number, spec) in (0_u128..).zip(specs) {
                let id = Id::from_bits(first.bits().wrapping_add(number));
                let spec = RuleSpec { id: None, ..spec };
                let rule = Rule { id, holder, spec, created_on: now, modified_on: now };
                rows.push(rule_json(&rule, estate));
                change.make(rule);
            }
            let warnings = lockout::warning(&estate.with(&change), holder);
            let answer = Success::of(rows).saying(warnings);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

fn read_batch(list: &[Value], estate: &Estate, holder: RuleHolder) -> Result<Vec<RuleSpec>, Failure> {
    let mut seen: HashSet<Target> = estate.rules_of(holder).map(|rule| rule.spec.target).collect();
    let (mut specs, mut errors) = (Vec::with_capacity(list.len()), Vec::new());
    for (at, value) in list.iter().enumerate() {
        match read_one_rule(value.to_string().as_bytes()) {
            Ok(spec) if seen.insert(spec.target) => specs.push(spec),
            Ok(spec) => errors.push(duplicate(spec.target, Some(format!("/rules/{at}")))),
            Err(TableErrors { list, .. }) => {
                let failure = Failure::from(TableErrors { list, more: 0 });
                errors.extend(failure.errors.into_iter().map(|error| {
                    let pointer = format!("/rules/{at}{}", error.pointer.as_deref().unwrap_or(""));
                    ErrorItem { pointer: Some(pointer), ..error }
                }));
            }
        }
        if errors.len() >= ERRORS_MAX {
            break;
        }
    }
    if errors.is_empty() {
        return Ok(specs);
    }
    errors.truncate(ERRORS_MAX);
    Err(Failure { status: StatusCode::BAD_REQUEST, errors, retry_after_s: None })
}

/// `GET .../rules/{id}`.
fn get(office: &Office, scope: &Scope, id: &str, ask: &Ask) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let holder = scope.holder(ask, &estate, Level::Read)?;
    let rule = find(&estate, holder, id)?;
    Ok(Success::of(rule_json(&rule, &estate)))
}

/// `PATCH .../rules/{id}`: mode and notes; `configuration` where it says the same.
async fn edit(office: Arc<Office>, scope: Scope, id: String, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let holder = scope.holder(&ask, estate, Level::Write)?;
            let old = find(estate, holder, &id)?;
            let mut whole = rule_json(&old, estate);
            let mut body = ask.object()?;
            body.retain(|key, _| ["mode", "notes", "configuration"].contains(&key.as_str()));
            super::merge::merge(&mut whole, Value::Object(body));
            let spec = read_one_rule(whole.to_string().as_bytes())?;
            if spec.target != old.spec.target {
                let text = "cannot be changed: delete the rule and make another one";
                return Err(fields::wrong("configuration", text));
            }
            let spec = RuleSpec { id: None, ..spec };
            let modified_on = if spec == old.spec { old.modified_on } else { now };
            let rule = Rule { spec, modified_on, ..Rule::clone(&old) };
            let mut change = Change::default();
            let answer = Success::of(rule_json(&rule, estate));
            change.turn(Entity::Rule(old), rule);
            let warnings = lockout::warning(&estate.with(&change), holder);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer.saying(warnings)) })
        })
        .await
}

/// `DELETE .../rules/{id}`, maybe with `{"cascade"}`.
async fn delete(office: Arc<Office>, scope: Scope, id: String, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let holder = scope.holder(&ask, estate, Level::Write)?;
            if !ask.body.is_empty() {
                let cascade = fields::maybe_text(&ask.object()?, "cascade", 16)?;
                if cascade.is_some_and(|word| !CASCADES.contains(&word.as_str())) {
                    return Err(fields::wrong("cascade", "must be none, basic or aggressive"));
                }
            }
            let rule = find(estate, holder, &id)?;
            let answer = Success::of(json!({ "id": rule.id.to_string() }));
            let mut change = Change::default();
            change.remove(Entity::Rule(rule));
            // An allow may have been all that let anybody in.
            let warnings = lockout::warning(&estate.with(&change), holder);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer.saying(warnings)) })
        })
        .await
}

fn find(estate: &Estate, holder: RuleHolder, id: &str) -> Result<Arc<Rule>, Failure> {
    let rule = estate.rules.get(path_id(id)?).filter(|rule| rule.holder == holder);
    rule.cloned().ok_or_else(|| Failure::not_found("access rule in this scope"))
}

/// Refuses more rules than an account (or a user) may have.
///
/// # Errors
/// 403 with 10015.
fn room(estate: &Estate, holder: RuleHolder, (more, rules_max): (usize, usize)) -> Result<(), Failure> {
    let payer = payer(estate, holder);
    let held = estate.rules.iter().filter(|rule| self::payer(estate, rule.holder) == payer).count();
    within(held, (more, rules_max))
}

/// Whose quota a rule of `holder` is held against: a zone's is its account's.
pub fn payer(estate: &Estate, holder: RuleHolder) -> RuleHolder {
    match holder {
        RuleHolder::Zone(zone) => estate.account_of(zone).map_or(holder, RuleHolder::Account),
        RuleHolder::Account(_) | RuleHolder::User(_) => holder,
    }
}

/// Holds `more` rules beside those that are `held` against the quota.
///
/// # Errors
/// 403 with 10015.
pub fn within(held: usize, (more, rules_max): (usize, usize)) -> Result<(), Failure> {
    match held + more <= rules_max {
        true => Ok(()),
        false => Err(Failure::unauthorized(format!(
            "there are {held} access rules of {rules_max}, which is the quota"
        ))
        .with_code(ApiCode::Quota)),
    }
}

fn duplicate(target: Target, pointer: Option<String>) -> ErrorItem {
    let text =
        format!("firewallaccessrules.api.duplicate_of_existing: {target} has a rule in this scope already");
    ErrorItem { pointer, ..ErrorItem::new(ApiCode::DuplicateRule, text) }
}

/// `configuration.value` as Cloudflare keeps it: a lone IPv6 address in full.
fn value_of(target: Target) -> String {
    match target {
        Target::Net(net) if target.kind() == "ip6" => match net.first().to_ip() {
            IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
            IpAddr::V4(v4) => v4.to_string(),
        },
        Target::Net(_) | Target::Asn(_) | Target::Country(_) => target.to_string(),
    }
}

fn rule_json(rule: &Rule, estate: &Estate) -> Value {
    let scope = match rule.holder {
        // The SDKs know no type for a zone's.
        RuleHolder::Zone(id) => json!({ "id": id.to_string() }),
        RuleHolder::Account(id) => json!({ "id": id.to_string(), "type": "organization" }),
        RuleHolder::User(id) => {
            let email = estate.users.get(id).map(|user| user.email.clone());
            json!({ "id": id.to_string(), "email": email, "type": "user" })
        }
    };
    json!({
        "id": rule.id.to_string(),
        "paused": false,
        "modified_on": rfc3339(Stamp::micros(rule.modified_on)),
        "allowed_modes": Mode::ALL.map(Mode::name),
        "mode": rule.spec.mode.name(),
        "notes": rule.spec.notes.as_deref().map_or("", Words::as_str),
        "configuration": { "target": rule.spec.target.kind(), "value": value_of(rule.spec.target) },
        "scope": scope,
        "created_on": rfc3339(Stamp::micros(rule.created_on)),
    })
}
