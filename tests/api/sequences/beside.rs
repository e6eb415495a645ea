//! Calls about what an account has beside its prefixes: address maps and letters of authorisation.

use super::model::{AddressMap, HELD, Letter, Model, NETS, NEW, address};
use super::verbs::{LASTS, NOBODY, Request, id_of, pick, usable};
use axum::http::Method;
use byway::base::Rng;
use serde_json::{Value, json};

/// A name that no client can ask for.
const NO_NAME: &str = "a..b";

/// A change of one address or member of a map.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    Ip((usize, u8)),
    /// Kind and id.
    Member(&'static str, String),
}

/// A call.
#[derive(Clone, PartialEq, Debug)]
pub enum Beside {
    MakeMap(AddressMap),
    /// The map as it is to be, by one field.
    TurnMap(AddressMap, &'static str),
    PutIn {
        map: AddressMap,
        part: Part,
    },
    TakeOut {
        map: AddressMap,
        part: Part,
    },
    DropMap(AddressMap),
    /// The last says whether it is a PDF.
    MakeLetter(Letter, bool),
    DropLetter {
        account: String,
        id: String,
    },
}

/// Draws one for a box as it stands.
pub fn draw(rng: &mut Rng, model: &Model, account: String) -> Beside {
    if rng.chance_ppm(250_000) {
        return letter(rng, model, account);
    }
    let Some(old) = pick(rng, &model.maps).cloned().filter(|_| rng.chance_ppm(750_000)) else {
        return Beside::MakeMap(map(rng, model, account));
    };
    // Now and then by another account's path, or of none.
    let account = if rng.chance_ppm(950_000) { old.account.clone() } else { account };
    let id = if rng.chance_ppm(950_000) { old.id.clone() } else { NOBODY.into() };
    let new = map(rng, model, account.clone());
    let old = AddressMap { id, account, ..old };
    let part = part(rng, model, &old.account);
    match rng.below(8) {
        0 | 1 => Beside::TurnMap(AddressMap { enabled: !old.enabled, ..old }, "enabled"),
        2 => Beside::TurnMap(AddressMap { sni: new.sni, ..old }, "default_sni"),
        3 => Beside::TurnMap(AddressMap { words: new.words, ..old }, "description"),
        4 | 5 => Beside::PutIn { map: old, part },
        6 => match pick(rng, &old.ips).copied().filter(|_| rng.chance_ppm(700_000)) {
            Some(ip) => Beside::TakeOut { map: old, part: Part::Ip(ip) },
            None => Beside::TakeOut { map: old, part },
        },
        _ => {
            let off: Vec<&AddressMap> = model.maps.iter().filter(|map| !map.enabled).collect();
            let off = pick(rng, &off).map(|map| (*map).clone()).filter(|_| rng.chance_ppm(500_000));
            Beside::DropMap(off.unwrap_or(old))
        }
    }
}

fn map(rng: &mut Rng, model: &Model, account: String) -> AddressMap {
    let sni = match rng.below(10) {
        0 => Some(NO_NAME),
        1..=6 => Some(HELD[rng.below(HELD.len() as u64) as usize]),
        _ => None,
    };
    let (mut ips, mut members) = (Vec::new(), Vec::new());
    for _ in 0..rng.below(4) {
        match part(rng, model, &account) {
            Part::Ip(ip) => ips.push(ip),
            Part::Member(kind, id) => members.push((kind, id)),
        }
    }
    let words = format!("m{}", rng.below(100));
    AddressMap { id: NEW.into(), account, words, enabled: rng.chance_ppm(700_000), sni, ips, members }
}

/// Mostly one that an account may put into its maps.
fn part(rng: &mut Rng, model: &Model, account: &str) -> Part {
    let own = model.zones.iter().filter(|zone| zone.account == account);
    let own: Vec<&String> = own.map(|zone| &zone.id).collect();
    match rng.below(10) {
        0 => Part::Member("account", account.to_owned()),
        1 => Part::Member("account", id_of(rng, &model.accounts, |one| &one.id)),
        2 => Part::Member("zone", id_of(rng, &model.zones, |one| &one.id)),
        3 => Part::Member("zone", pick(rng, &own).map_or(NOBODY.into(), |id| (*id).clone())),
        _ => {
            let any = (rng.below(NETS.len() as u64) as usize, LASTS[rng.below(LASTS.len() as u64) as usize]);
            let own = pick(rng, &usable(model, account)).copied().filter(|_| rng.chance_ppm(850_000));
            // Where an app with TLS stands, the map's name acts.
            let of_account = |id: &String| model.zone(id).is_some_and(|zone| zone.account == account);
            let secure = model.apps.iter().filter(|app| app.tls != "off" && of_account(&app.zone));
            let secure: Vec<(usize, u8)> = secure.flat_map(|app| app.ips.clone()).collect();
            let secure = pick(rng, &secure).copied().filter(|_| rng.chance_ppm(400_000));
            Part::Ip(secure.or(own).unwrap_or(any))
        }
    }
}

fn letter(rng: &mut Rng, model: &Model, account: String) -> Beside {
    match pick(rng, &model.letters).cloned() {
        Some(old) if rng.chance_ppm(450_000) => {
            let account = if rng.chance_ppm(900_000) { old.account } else { account };
            Beside::DropLetter { account, id: old.id }
        }
        Some(_) | None => {
            let bytes = 5 + rng.below(50) as usize;
            Beside::MakeLetter(Letter { id: NEW.into(), account, bytes }, rng.chance_ppm(950_000))
        }
    }
}

impl Part {
    fn place(&self) -> String {
        match self {
            Self::Ip(ip) => format!("ips/{}", address(*ip)),
            Self::Member(kind, id) => format!("{kind}s/{id}"),
        }
    }
}

impl Beside {
    pub fn request(&self) -> Request {
        let maps = |account: &str| format!("/accounts/{account}/addressing/address_maps");
        let one = |map: &AddressMap| format!("{}/{}", maps(&map.account), map.id);
        let letters = |account: &str| format!("/accounts/{account}/addressing/loa_documents");
        match self {
            Self::MakeMap(map) => Request::by(Method::POST, maps(&map.account), body(map)),
            Self::TurnMap(map, field) => {
                Request::by(Method::PATCH, one(map), json!({ (*field): body(map)[field] }))
            }
            Self::PutIn { map, part } => {
                Request::by(Method::PUT, format!("{}/{}", one(map), part.place()), Value::Null)
            }
            Self::TakeOut { map, part } => {
                Request::by(Method::DELETE, format!("{}/{}", one(map), part.place()), Value::Null)
            }
            Self::DropMap(map) => Request::by(Method::DELETE, one(map), Value::Null),
            Self::MakeLetter(letter, is_pdf) => {
                let head = if *is_pdf { "%PDF-" } else { "hello" };
                let file = format!("{head}{}", "x".repeat(letter.bytes - head.len()));
                let form = format!(
                    "--x\r\nContent-Disposition: form-data; name=\"loa_document\"\r\n\r\n{file}\r\n--x--\r\n"
                );
                Request { is_form: true, ..Request::by(Method::POST, letters(&letter.account), form.into()) }
            }
            Self::DropLetter { account, id } => {
                Request::by(Method::DELETE, format!("{}/{id}", letters(account)), Value::Null)
            }
        }
    }

    /// What the box is afterwards.
    ///
    /// # Errors
    /// The code by which the call is refused.
    pub fn after(&self, model: &Model) -> Result<Model, u64> {
        let mut next = model.clone();
        match self {
            Self::MakeMap(map) => {
                model.account(&map.account).ok_or(10_006_u64)?;
                refuse_name(map.sni)?;
                let mut made = AddressMap { ips: Vec::new(), members: Vec::new(), ..map.clone() };
                for ip in &map.ips {
                    put_in(model, &mut made, &Part::Ip(*ip))?;
                }
                for (kind, id) in &map.members {
                    put_in(model, &mut made, &Part::Member(kind, id.clone()))?;
                }
                next.maps.push(made);
            }
            Self::TurnMap(map, field) => {
                let old = &mut next.maps[found(model, map)?];
                refuse_name(if *field == "default_sni" { map.sni } else { None })?;
                (old.words, old.enabled, old.sni) = (map.words.clone(), map.enabled, map.sni);
            }
            Self::PutIn { map, part } => {
                let place = found(model, map)?;
                put_in(model, &mut next.maps[place], part)?;
            }
            Self::TakeOut { map, part } => take_out(&mut next.maps[found(model, map)?], part)?,
            Self::DropMap(map) => {
                let place = found(model, map)?;
                if next.maps.remove(place).enabled {
                    return Err(1_003);
                }
            }
            Self::MakeLetter(letter, is_pdf) => {
                model.account(&letter.account).ok_or(10_006_u64)?;
                if !is_pdf {
                    return Err(1_001);
                }
                let held = model.letters.iter().filter(|one| one.account == letter.account);
                if held.map(|one| one.bytes).sum::<usize>() + letter.bytes > model.letter_bytes_max {
                    return Err(10_015);
                }
                next.letters.push(letter.clone());
            }
            Self::DropLetter { account, id } => {
                model.account(account).ok_or(10_006_u64)?;
                let place = model.letters.iter().position(|one| one.id == *id && one.account == *account);
                next.letters.remove(place.ok_or(1_000_u64)?);
                if model.prefixes.iter().any(|prefix| prefix.letter.as_ref() == Some(id)) {
                    return Err(1_003);
                }
            }
        }
        Ok(next)
    }
}

fn body(map: &AddressMap) -> Value {
    let ips: Vec<String> = map.ips.iter().map(|ip| address(*ip)).collect();
    let members: Vec<Value> =
        map.members.iter().map(|(kind, id)| json!({"kind": kind, "identifier": id})).collect();
    json!({
        "description": map.words, "enabled": map.enabled, "default_sni": map.sni, "ips": ips, "memberships": members,
    })
}

fn refuse_name(sni: Option<&str>) -> Result<(), u64> {
    if sni == Some(NO_NAME) { Err(10_011) } else { Ok(()) }
}

fn found(model: &Model, map: &AddressMap) -> Result<usize, u64> {
    model.account(&map.account).ok_or(10_006_u64)?;
    model.maps.iter().position(|one| one.id == map.id && one.account == map.account).ok_or(1_000)
}

fn put_in(model: &Model, map: &mut AddressMap, part: &Part) -> Result<(), u64> {
    match part {
        Part::Ip(ip) if !model.may_use(&map.account, *ip) => return Err(1_001),
        Part::Ip(ip) if map.ips.contains(ip) => {}
        Part::Ip(ip) => map.ips.push(*ip),
        Part::Member(kind, id) => {
            let is_ours = match *kind {
                "zone" => model.zone(id).is_some_and(|zone| zone.account == map.account),
                _ => *id == map.account,
            };
            if !is_ours {
                return Err(1_000);
            }
            if !map.members.contains(&(*kind, id.clone())) {
                map.members.push((*kind, id.clone()));
            }
        }
    }
    Ok(())
}

fn take_out(map: &mut AddressMap, part: &Part) -> Result<(), u64> {
    let before = map.ips.len() + map.members.len();
    match part {
        Part::Ip(ip) => map.ips.retain(|one| one != ip),
        Part::Member(kind, id) => map.members.retain(|one| (one.0, &one.1) != (*kind, id)),
    }
    if map.ips.len() + map.members.len() == before { Err(1_000) } else { Ok(()) }
}
