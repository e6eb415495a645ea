//! The whole file: `{"version":1, "prefixes", "accounts":[{"id", "zones":[{"id", "apps", "access_rules"}],
//! "access_rules"}], "access_rules"}`, or flat `{"prefixes", "apps", "access_rules"}`, which stands for one account and
//! one zone named `default`.
//!
//! `certificates` of a zone (flat: of the file) are for its apps with TLS.
//!
//! `access_rules` beside `accounts` are the user's: for the apps of all zones. `"allow_partial": true` at the top, or in
//! one app, lets apps be carried without those of their fields that this build does not act on, where that can be.

use super::app::{AppReader, read_app};
use super::certificates::read_certificates;
use super::clash::Edges;
use super::faults::{Faults, Message, TableErrors, shown};
use super::json::{Object, Place, Value, parse};
use super::prefixes::read_prefixes;
use super::rule::read_rules;
use crate::base::limits::{APPS_MAX, RULES_MAX};
use crate::snapshot::{AccountSpec, CertificateSpec, LiveSpec, ZoneSpec};
use crate::table::{AppSpec, PrefixMap, Reserved, ScopeName};
use std::collections::HashSet;

/// What a good file holds.
#[derive(Clone, Debug)]
pub struct Read {
    /// Prefixes, apps and rules.
    pub spec: LiveSpec,
    /// What was accepted but is worth telling: unknown fields, repeated addresses.
    pub messages: Vec<Message>,
}

/// Reads a table file; `reserved` is what the boot config has taken.
///
/// # Errors
/// All that is wrong with it, each with its JSON pointer.
pub fn read(text: &[u8], reserved: &Reserved) -> Result<Read, TableErrors> {
    let mut faults = Faults::default();
    let spec = parse(text, &mut faults).and_then(|value| read_file(value, reserved, &mut faults));
    let messages = faults.finish()?;
    Ok(Read { spec: spec.unwrap_or_default(), messages })
}

/// What is counted and compared over the whole file.
struct Whole<'r> {
    app: AppReader<'r>,
    edges: Edges,
    zone_ids: HashSet<ScopeName>,
    rules_left: usize,
}

fn read_file(value: Value<'_, '_>, reserved: &Reserved, faults: &mut Faults) -> Option<LiveSpec> {
    let file = value.object(faults)?;
    if let Some(version) = file.get("version") {
        version.whole(1..=1, faults);
    }
    let prefixes =
        file.get("prefixes").map(|value| read_prefixes(value, reserved, faults)).unwrap_or_default();
    // Prefixes that repeat are refused already; without them the map cannot crowd.
    let map = PrefixMap::build(&prefixes, [0; 2]).unwrap_or_else(|_| PrefixMap::empty());
    let allow_partial = file.get("allow_partial").and_then(|value| value.flag(faults)).unwrap_or(false);
    let mut whole = Whole {
        app: AppReader { reserved, prefixes: &map, has_certificates: false },
        edges: Edges::default(),
        zone_ids: HashSet::new(),
        rules_left: RULES_MAX,
    };
    let (accounts, access_rules) = match file.get("accounts") {
        Some(list) => {
            let rules = whole.rules(&file, faults);
            if file.get("apps").is_some() {
                faults.error(
                    &file.at.key("apps"),
                    "stands beside accounts: move the apps into a zone of an account",
                );
            }
            (whole.accounts(list, faults), rules)
        }
        None => (vec![whole.flat(&file, faults)], Vec::new()),
    };
    whole.edges.refuse_clashes(faults);
    file.close(faults);
    Some(LiveSpec { prefixes, accounts, access_rules, allow_partial })
}

impl Whole<'_> {
    fn flat(&mut self, file: &Object<'_, '_>, faults: &mut Faults) -> AccountSpec {
        let id = ScopeName::default_scope();
        let certificates = self.certificates(file, faults);
        let zone = ZoneSpec {
            id: id.clone(),
            certificates,
            apps: self.apps(file, &id, faults),
            access_rules: self.rules(file, faults),
        };
        AccountSpec { id, zones: vec![zone], access_rules: Vec::new() }
    }

    fn accounts(&mut self, list: Value<'_, '_>, faults: &mut Faults) -> Vec<AccountSpec> {
        let Some(list) = list.list(faults) else { return Vec::new() };
        let mut ids = HashSet::new();
        list.items().filter_map(|item| self.account(item, &mut ids, faults)).collect()
    }

    fn account(
        &mut self,
        value: Value<'_, '_>,
        ids: &mut HashSet<ScopeName>,
        faults: &mut Faults,
    ) -> Option<AccountSpec> {
        let account = value.object(faults)?;
        let id = read_id(&account, "account", ids, faults);
        let access_rules = self.rules(&account, faults);
        let zones = account.get("zones").and_then(|value| value.list(faults));
        let zones = zones.map(|list| list.items().filter_map(|item| self.zone(item, faults)).collect());
        account.close(faults);
        Some(AccountSpec { id: id?, zones: zones.unwrap_or_default(), access_rules })
    }

    fn zone(&mut self, value: Value<'_, '_>, faults: &mut Faults) -> Option<ZoneSpec> {
        let zone = value.object(faults)?;
        let id = read_id(&zone, "zone", &mut self.zone_ids, faults);
        let name = id.clone().unwrap_or_else(ScopeName::default_scope);
        let certificates = self.certificates(&zone, faults);
        let (apps, access_rules) = (self.apps(&zone, &name, faults), self.rules(&zone, faults));
        zone.close(faults);
        Some(ZoneSpec { id: id?, certificates, apps, access_rules })
    }

    /// The zone's certificates; its apps are read next.
    fn certificates(&mut self, holder: &Object<'_, '_>, faults: &mut Faults) -> Vec<CertificateSpec> {
        self.app.has_certificates = holder.get("certificates").is_some();
        read_certificates(holder, faults)
    }

    fn apps(&mut self, holder: &Object<'_, '_>, zone: &ScopeName, faults: &mut Faults) -> Vec<AppSpec> {
        let Some(list) = holder.get("apps").and_then(|value| value.list(faults)) else { return Vec::new() };
        let mut apps = Vec::with_capacity(list.len().min(APPS_MAX));
        for item in list.items() {
            if self.edges.apps() == APPS_MAX {
                faults.error(&item.at, format_args!("is one app too many: a file holds at most {APPS_MAX}"));
                break;
            }
            let app = read_app(item, zone, &self.app, faults);
            self.edges.add(&item.at, zone, app.as_ref(), faults);
            apps.extend(app);
        }
        apps
    }

    fn rules(&mut self, holder: &Object<'_, '_>, faults: &mut Faults) -> Vec<crate::firewall::RuleSpec> {
        let rules = holder.get("access_rules").map(|value| read_rules(value, self.rules_left, faults));
        let rules = rules.unwrap_or_default();
        self.rules_left -= rules.len();
        rules
    }
}

/// The id of an account or a zone, which no other of its kind has.
fn read_id(
    holder: &Object<'_, '_>,
    kind: &str,
    ids: &mut HashSet<ScopeName>,
    faults: &mut Faults,
) -> Option<ScopeName> {
    let value = holder.require("id", "an id of your own", faults)?;
    let text = value.text(faults)?;
    let at: &Place<'_> = &value.at;
    let id = ScopeName::new(&text).map_err(|wrong| faults.error(at, wrong)).ok()?;
    if !ids.insert(id.clone()) {
        faults.error(at, format_args!("{} is the id of another {kind}, too: ids are unique", shown(&text)));
    }
    Some(id)
}
