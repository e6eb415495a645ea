//! Address maps of an account: which addresses its zones are answered with, and which name's certificate is shown to clients
//! without SNI, which acts on the apps of the account with TLS.

use super::words::{READ, WRITE, bad_cidr, conflict, flag, not_found, quota};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::fields::{maybe_text, wrong};
use crate::api::list::Listed;
use crate::api::office::{Office, Plan};
use crate::base::limits::{ADDRESS_MAP_MEMBERS_MAX, ADDRESS_MAPS_PER_ACCOUNT_MAX};
use crate::control::rfc3339;
use crate::estate::{AddressMap, Change, Entity, Estate, Id, MapIp, Member, MemberKind, Stamp};
use crate::table::DnsName;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// The longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1_000;

/// `GET .../address_maps`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &account, &ask)).await
}

fn page(estate: &Estate, account: &str, ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    let account = ask.account(account, estate, READ)?;
    let mut rows: Vec<_> = estate.address_maps.iter().filter(|map| map.account == account.id).collect();
    rows.sort_by_key(|map| (map.created_at, map.id));
    Ok(page.list(rows, head_json))
}

/// `POST .../address_maps`.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let id = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            let account = ask.account(&account, estate, WRITE)?.id;
            room(estate, account)?;
            let body = ask.object()?;
            let mut map = read(&body, (id, account), now)?;
            for (place, ip) in items(&body, "ips")?.iter().enumerate() {
                put_ip_in(estate, &mut map, ip.as_str().unwrap_or(""), now)
                    .map_err(|failure| placed(failure, format!("/ips/{place}")))?;
            }
            for (place, member) in items(&body, "memberships")?.iter().enumerate() {
                let (kind, id) = member_of(member).ok_or_else(|| {
                    wrong(&format!("memberships/{place}"), "must have kind (zone or account) and identifier")
                })?;
                put_member(estate, &mut map, (kind, id), now)
                    .map_err(|failure| placed(failure, format!("/memberships/{place}/identifier")))?;
            }
            let mut change = Change::default();
            let answer = Some(Success::of(map_json(&map)).saying(unheld(estate, &map)));
            change.make(map);
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// An account may have one more.
///
/// # Errors
/// 403: its quota is used up.
pub fn room(estate: &Estate, account: Id) -> Result<(), Failure> {
    match estate.address_maps.iter().filter(|map| map.account == account).count() {
        held if held < ADDRESS_MAPS_PER_ACCOUNT_MAX => Ok(()),
        _ => Err(quota(format_args!("{ADDRESS_MAPS_PER_ACCOUNT_MAX} address maps"))),
    }
}

/// Reads a body as a map without addresses and members.
///
/// # Errors
/// 400 with the field's pointer.
pub fn read(body: &Map<String, Value>, (id, account): (Id, Id), now: Stamp) -> Result<AddressMap, Failure> {
    Ok(AddressMap {
        id,
        account,
        description: maybe_text(body, "description", DESCRIPTION_BYTES_MAX)?,
        enabled: flag(body, "enabled")?.unwrap_or(false),
        default_sni: sni(body)?,
        ips: Vec::new(),
        memberships: Vec::new(),
        created_at: now,
        modified_at: now,
    })
}

/// The failure with its place in the body. What a body names and is not there is a wrong body, no wrong path.
fn placed(mut failure: Failure, pointer: String) -> Failure {
    failure.errors.iter_mut().for_each(|error| error.pointer = Some(pointer.clone()));
    if failure.status == StatusCode::NOT_FOUND {
        failure.status = StatusCode::BAD_REQUEST;
    }
    failure
}

fn items<'b>(body: &'b Map<String, Value>, key: &str) -> Result<&'b [Value], Failure> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) if items.len() <= ADDRESS_MAP_MEMBERS_MAX => Ok(items),
        Some(Value::Array(_)) => Err(wrong(key, &format!("has more than {ADDRESS_MAP_MEMBERS_MAX} items"))),
        Some(_) => Err(wrong(key, "must be a list")),
    }
}

/// A member as bodies name it.
pub fn member_of(value: &Value) -> Option<(MemberKind, Id)> {
    let kind = match value.get("kind")?.as_str()? {
        "zone" => MemberKind::Zone,
        "account" => MemberKind::Account,
        _ => return None,
    };
    Some((kind, Id::parse(value.get("identifier")?.as_str()?)?))
}

/// `default_sni`: a name, or none.
fn sni(body: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let text = maybe_text(body, "default_sni", 253)?.filter(|text| !text.is_empty());
    let name = text.map(|text| DnsName::new(&text).map_err(|why| wrong("default_sni", why)));
    Ok(name.transpose()?.map(|name| name.as_str().to_owned()))
}

/// `GET .../address_maps/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let account = ask.account(&account, &estate, READ)?.id;
    let map = map_of(&estate, account, &id)?;
    Ok(Success::of(map_json(&map)))
}

fn map_of(estate: &Estate, account: Id, id: &str) -> Result<Arc<AddressMap>, Failure> {
    let map = estate.address_maps.get(path_id(id)?).filter(|map| map.account == account);
    map.cloned().ok_or_else(not_found)
}

/// `PATCH .../address_maps/{id}`: `description`, `enabled`, `default_sni`.
///
/// # Errors
/// See `Failure`.
pub async fn edit(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let account = ask.account(&account, estate, WRITE)?.id;
            let map = map_of(estate, account, &id)?;
            let (body, mut next) = (ask.object()?, AddressMap::clone(&map));
            if body.contains_key("description") {
                next.description = maybe_text(&body, "description", DESCRIPTION_BYTES_MAX)?;
            }
            if body.contains_key("default_sni") {
                next.default_sni = sni(&body)?;
            }
            next.enabled = flag(&body, "enabled")?.unwrap_or(map.enabled);
            let next = stamped(&map, next, now);
            let answer = Some(Success::of(head_json(&next)).saying(unheld(estate, &next)));
            Ok(Plan { change: turned(&map, next), asked: Vec::new(), answer })
        })
        .await
}

/// A word where `default_sni` acts on nothing, for no certificate of the account's zones holds it.
pub fn unheld(estate: &Estate, map: &AddressMap) -> Vec<String> {
    let Some(name) = map.default_sni.as_deref().filter(|_| map.enabled) else { return Vec::new() };
    let parent = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    let holds = |host: &String| host.eq_ignore_ascii_case(name) || Some(host) == parent.as_ref();
    let mut own = estate.certificates.iter().filter(|held| estate.account_of(held.zone) == Some(map.account));
    match own.any(|certificate| certificate.hosts.iter().any(holds)) {
        true => Vec::new(),
        false => vec![format!(
            "default_sni: no certificate of the account's zones holds {name}: clients without a name get that of the app"
        )],
    }
}

fn stamped(map: &AddressMap, mut next: AddressMap, now: Stamp) -> AddressMap {
    if next != *map {
        next.modified_at = now;
    }
    next
}

fn turned(map: &Arc<AddressMap>, next: AddressMap) -> Change {
    let mut change = Change::default();
    change.turn(Entity::AddressMap(map.clone()), next);
    change
}

/// `DELETE .../address_maps/{id}`: only one that is disabled.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let account = ask.account(&account, estate, WRITE)?.id;
            let map = map_of(estate, account, &id)?;
            if map.enabled {
                return Err(conflict("address_map_enabled", "disable it first"));
            }
            let mut change = Change::default();
            change.remove(Entity::AddressMap(map));
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::bare()) })
        })
        .await
}

macro_rules! by_part {
    ($($put:ident, $remove:ident: $part:expr;)+) => {$(
        #[doc = concat!("`PUT .../address_maps/{id}/", stringify!($part), "/{member}`: see `put`.")]
        pub async fn $put(State(office): State<Arc<Office>>, Path(place): Path<Place>, ask: Ask) -> Answer {
            put(office, ($part, place), ask).await
        }
        #[doc = concat!("`DELETE .../address_maps/{id}/", stringify!($part), "/{member}`: see `remove`.")]
        pub async fn $remove(State(office): State<Arc<Office>>, Path(place): Path<Place>, ask: Ask) -> Answer {
            remove(office, ($part, place), ask).await
        }
    )+};
}

by_part! {
    put_ip, remove_ip: Part::Ips;
    put_zone, remove_zone: Part::Zones;
    put_account, remove_account: Part::Accounts;
}

/// Account, map and member of a path.
type Place = (String, String, String);

/// Which part of a map a path is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Ips,
    Zones,
    Accounts,
}

async fn put(office: Arc<Office>, place: (Part, Place), ask: Ask) -> Answer {
    alter(office, place, ask, |estate, map, member, now| match member {
        What::Ip(text) => put_ip_in(estate, map, text, now),
        What::Member(kind, id) => put_member(estate, map, (kind, id), now),
    })
    .await
}

async fn remove(office: Arc<Office>, place: (Part, Place), ask: Ask) -> Answer {
    alter(office, place, ask, |_, map, member, _| {
        let before = map.ips.len() + map.memberships.len();
        match member {
            What::Ip(text) => {
                let ip: Option<IpAddr> = text.parse().ok();
                map.ips.retain(|one| Some(one.ip) != ip);
            }
            What::Member(kind, id) => map.memberships.retain(|one| (one.kind, one.identifier) != (kind, id)),
        }
        if map.ips.len() + map.memberships.len() == before { Err(not_found()) } else { Ok(()) }
    })
    .await
}

/// What a path names within a map.
enum What<'p> {
    Ip(&'p str),
    Member(MemberKind, Id),
}

async fn alter(
    office: Arc<Office>,
    (part, (account, id, member)): (Part, Place),
    ask: Ask,
    how: impl Fn(&Estate, &mut AddressMap, What<'_>, Stamp) -> Result<(), Failure> + Send + 'static,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let account = ask.account(&account, estate, WRITE)?.id;
            let map = map_of(estate, account, &id)?;
            let what = match part {
                Part::Ips => What::Ip(&member),
                Part::Zones => What::Member(MemberKind::Zone, path_id(&member)?),
                Part::Accounts => What::Member(MemberKind::Account, path_id(&member)?),
            };
            let mut next = AddressMap::clone(&map);
            how(estate, &mut next, what, now)?;
            let next = stamped(&map, next, now);
            Ok(Plan { change: turned(&map, next), asked: Vec::new(), answer: Some(Success::bare()) })
        })
        .await
}

/// An address that the account may use comes in; one that is there stays.
///
/// # Errors
/// 400 with 1001: it is none, or not the account's; 403: the map is full.
pub fn put_ip_in(estate: &Estate, map: &mut AddressMap, text: &str, now: Stamp) -> Result<(), Failure> {
    let bad = |why: &str| bad_cidr("", format_args!("{}: {why}", crate::base::outside::quoted(text)));
    let ip: IpAddr = text.parse().map_err(|_| bad("is no address"))?;
    if !estate.may_use(map.account, ip.into()) {
        return Err(bad("lies in no approved prefix of this account"));
    }
    if map.ips.len() >= ADDRESS_MAP_MEMBERS_MAX {
        return Err(quota(format_args!("{ADDRESS_MAP_MEMBERS_MAX} addresses in this map")));
    }
    if map.ips.iter().all(|one| one.ip != ip) {
        map.ips.push(MapIp { ip, created_at: now });
    }
    Ok(())
}

/// A zone of the account, or the account itself, comes in.
///
/// # Errors
/// 404: it is neither; 403: the map is full.
pub fn put_member(
    estate: &Estate,
    map: &mut AddressMap,
    (kind, identifier): (MemberKind, Id),
    now: Stamp,
) -> Result<(), Failure> {
    let is_ours = match kind {
        MemberKind::Zone => estate.account_of(identifier) == Some(map.account),
        MemberKind::Account => identifier == map.account,
    };
    if !is_ours {
        return Err(not_found());
    }
    if map.memberships.len() >= ADDRESS_MAP_MEMBERS_MAX {
        return Err(quota(format_args!("{ADDRESS_MAP_MEMBERS_MAX} members of this map")));
    }
    if map.memberships.iter().all(|one| (one.kind, one.identifier) != (kind, identifier)) {
        map.memberships.push(Member { kind, identifier, created_at: now });
    }
    Ok(())
}

fn stamp(stamp: Stamp) -> String {
    rfc3339(stamp.micros())
}

/// A map without its members, as lists and edits answer it.
fn head_json(map: &AddressMap) -> Value {
    json!({
        "id": map.id.to_string(),
        "description": map.description,
        "enabled": map.enabled,
        "default_sni": map.default_sni,
        "can_delete": true,
        "can_modify_ips": true,
        "created_at": stamp(map.created_at),
        "modified_at": stamp(map.modified_at),
    })
}

fn map_json(map: &AddressMap) -> Value {
    let mut whole = head_json(map);
    let ip = |one: &MapIp| json!({ "ip": one.ip.to_string(), "created_at": stamp(one.created_at) });
    let member = |one: &Member| {
        json!({
            "kind": one.kind.name(),
            "identifier": one.identifier.to_string(),
            "can_delete": true,
            "created_at": stamp(one.created_at),
        })
    };
    whole["ips"] = map.ips.iter().map(ip).collect();
    whole["memberships"] = map.memberships.iter().map(member).collect();
    whole
}
