//! Going back to an older version: what makes the estate as it was, and who may.

use super::answer::{ErrorItem, Failure};
use super::ask::Ask;
use super::code::ApiCode;
use super::tenants::rules_box;
use crate::base::limits::VERSIONS_BACK_MAX;
use crate::estate::{
    Approval, Change, Edit, Entity, Estate, Id, Key, Kind, LoaDocument, Permission, body, unsound,
};
use crate::table::Reserved;
use crate::vault::{Undo, Version, WayBack};
use axum::http::StatusCode;
use std::collections::BTreeMap;

/// Going back changes what other calls would ask leave for: it wants all of that, over the whole box. What only the admin
/// socket approves, and what only an announcement brings about, no token gets by going back.
pub fn may_go_back(ask: &Ask, change: &Change) -> Result<(), Failure> {
    for edit in change.edits() {
        let permission = match edit.key.kind {
            Kind::User | Kind::Token => Permission::ApiTokens,
            Kind::Account => Permission::AccountSettings,
            Kind::Zone => Permission::Zone,
            Kind::Prefix | Kind::Binding | Kind::Delegation | Kind::AddressMap | Kind::LoaDocument => {
                Permission::IpPrefixes
            }
            Kind::BgpPrefix => Permission::BgpOnDemand,
            Kind::Certificate => Permission::Ssl,
            Kind::App => Permission::ZoneSettings,
            Kind::Rule => Permission::Firewall,
            Kind::DnsRecord => Permission::Dns,
        };
        rules_box(ask, permission)?;
        if ask.caller.is_limited && approves(edit) {
            let text = format!(
                "{} {} would be approved or announced: go back over the admin socket",
                edit.key.kind.name(),
                edit.key.id
            );
            return Err(Failure::unauthorized(text));
        }
    }
    Ok(())
}

/// Whether an edit approves a prefix or announces a route.
fn approves(edit: &Edit) -> bool {
    let approved = |entity: Option<&Entity>| match entity {
        Some(Entity::Prefix(prefix)) => prefix.approved == Approval::Approved,
        Some(Entity::BgpPrefix(route)) => route.advertised,
        Some(_) | None => false,
    };
    approved(edit.after.as_ref()) && !approved(edit.before.as_ref())
}

/// Whether one may go back to version `number`; `versions` are the last `VERSIONS_BACK_MAX`, newest first.
///
/// # Errors
/// 400 where one cannot go back so far.
pub fn in_reach(number: u64, versions: &[Version]) -> Result<(), Failure> {
    let oldest = versions.last().map_or(0, |version| version.number);
    if versions.first().is_none_or(|newest| number >= newest.number) || number + 1 < oldest {
        return Err(bad(format!(
            "one may go back over the last {VERSIONS_BACK_MAX} changes, to {} at the oldest",
            oldest.saturating_sub(1)
        )));
    }
    Ok(())
}

fn bad(text: String) -> Failure {
    Failure::of(StatusCode::BAD_REQUEST, ErrorItem::at(ApiCode::BadField.number(), "/version", text))
}

/// What makes `estate` as it was before these versions, newest first: the oldest undo of each entity that they changed.
///
/// # Errors
/// 400 where one of them cannot be undone, or what was then does not go with the boot config any more.
pub fn back_to(
    versions: &[(u64, Vec<WayBack>)],
    estate: &Estate,
    reserved: &Reserved,
) -> Result<Change, Failure> {
    let mut was: BTreeMap<(Kind, Id), Option<String>> = BTreeMap::new();
    for (version, ways) in versions {
        // Of two edits of one entity in one version, which older byways kept, the first knows what was there before.
        for way in ways.iter().rev() {
            let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == way.kind);
            let key = kind.filter(|kind| goes_back(*kind)).zip(Id::parse(&way.id));
            if way.undo.is_none() && way.was_there && key.is_some() {
                return Err(bad(format!(
                    "version {version} was made by an older byway and cannot be undone"
                )));
            }
            if let Some(key) = key {
                // Older versions come later, and have the last word.
                was.insert(key, way.undo.clone());
            }
        }
    }
    as_it_was(&was, estate, reserved).map_err(bad)
}

/// What makes `estate` as it was before a trial that left these undos.
///
/// # Errors
/// As `back_to`, on one line.
pub fn before_trial(undos: Vec<Undo>, estate: &Estate, reserved: &Reserved) -> Result<Change, String> {
    let known = undos.into_iter().filter_map(|undo| {
        let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == undo.kind);
        let key = kind.filter(|kind| goes_back(*kind)).zip(Id::parse(&undo.id))?;
        Some((key, undo.body))
    });
    as_it_was(&known.collect(), estate, reserved)
}

/// What makes entities of `estate` what they were.
fn as_it_was(
    was: &BTreeMap<(Kind, Id), Option<String>>,
    estate: &Estate,
    reserved: &Reserved,
) -> Result<Change, String> {
    let mut reader = crate::estate::Reader::new(reserved);
    let now = estate.all().into_iter().map(|entity| ((entity.kind(), entity.id()), Some(body(&entity))));
    let mut bodies: BTreeMap<(Kind, Id), Option<String>> = now.collect();
    bodies.extend(was.iter().map(|(key, text)| (*key, text.clone())));
    for ((kind, id), text) in bodies.iter().filter_map(|(key, text)| text.as_ref().map(|text| (*key, text))) {
        reader.read(kind, id, text).map_err(|why| format!("{} {id} as it was: {why}", kind.name()))?;
    }
    let mut then = reader.done();
    // A letter stays where others go back, but for one whose account was not there yet: it is nobody's.
    let mut letters = Change::default();
    let is_orphan = |letter: &&std::sync::Arc<LoaDocument>| then.accounts.get(letter.account).is_none();
    then.loa_documents
        .iter()
        .filter(is_orphan)
        .for_each(|letter| letters.remove(Entity::LoaDocument(letter.clone())));
    then = then.with(&letters);
    let present = unsound(estate);
    if let Some(fault) = unsound(&then).into_iter().find(|fault| present.binary_search(fault).is_err()) {
        let Key { kind, id } = fault.key;
        return Err(format!("{} {id} cannot be as it was: {}", kind.name(), fault.text));
    }
    let mut change = letters;
    for (kind, id) in was.keys().copied() {
        let key = Key { kind, id };
        match (estate.get(key), then.get(key)) {
            (Some(before), Some(after)) => change.turn(before, after),
            (Some(before), None) => change.remove(before),
            (None, Some(after)) => change.make(after),
            (None, None) => {}
        }
    }
    Ok(change)
}

/// Whether going back to an older version changes entities of this kind: what was revoked stays revoked, and files are
/// not kept twice.
pub const fn goes_back(kind: Kind) -> bool {
    match kind {
        Kind::User | Kind::Token | Kind::LoaDocument => false,
        Kind::BgpPrefix | Kind::Delegation | Kind::AddressMap => true,
        Kind::Account
        | Kind::Zone
        | Kind::Prefix
        | Kind::Binding
        | Kind::Certificate
        | Kind::App
        | Kind::Rule
        | Kind::DnsRecord => true,
    }
}
