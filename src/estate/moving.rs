//! The estate as one document to be read, kept and moved, and back: as a change, with everything that is wrong and where.
//!
//! ```text
//!  {"byway_export": 1, "entities": {"user": [{"id": ..}], .., "rule": []}}      hashes and keys stand there as "secret"
//!  {"hash_key": .., "token": {"ID": "its hash"}, "certificate": {"ID": "its key"}, "user": {"ID": "hash of its key"}}
//! ```
//!
//! Kinds come in an order in which none needs a later one, entities of a kind by id: the same estate is the same document.

use super::body::{Reader, body};
use super::change::{Change, Key};
use super::entity::{Entity, Kind};
use super::holdings::Estate;
use super::id::Id;
use super::sound::unsound;
use crate::table::Reserved;
use crate::tls::chain_alone;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The number of this form of document.
const FORM: u64 = 1;
/// What stands in a document for a secret.
const SECRET: &str = "secret";
/// Faults that are told.
const FAULTS_MAX: usize = 200;

/// One thing that is wrong with a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// Where: a JSON pointer into the document, or an entity of the store's.
    pub place: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// The secrets that go with a document.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'s> {
    /// As `secrets` wrote them; `Null`: there are none.
    pub all: &'s Value,
    /// Whether hashes were made under this store's key.
    pub same_key: bool,
    /// Leave entities out whose secrets are nowhere.
    pub leave_out: bool,
}

/// Everything but secrets.
pub fn export(estate: &Estate) -> Value {
    let mut kinds: BTreeMap<Kind, Vec<Value>> = Kind::ALL.iter().map(|kind| (*kind, Vec::new())).collect();
    for entity in estate.all() {
        let mut object = written(&entity);
        if let Some(field) = secret_field(entity.kind())
            && object[field].is_string()
        {
            object[field] = SECRET.into();
        }
        kinds.entry(entity.kind()).or_default().push(object);
    }
    let entities: Map<String, Value> =
        kinds.into_iter().map(|(kind, list)| (kind.name().to_owned(), Value::Array(list))).collect();
    json!({ "byway_export": FORM, "entities": entities })
}

/// The secrets alone, by kind and id, but for the key of hashes.
pub fn secrets(estate: &Estate) -> Value {
    let mut kinds = Map::new();
    for entity in estate.all() {
        let (kind, object) = (entity.kind(), written(&entity));
        if let Some(secret) =
            secret_field(kind).map(|field| &object[field]).filter(|secret| secret.is_string())
        {
            let of_kind = kinds.entry(kind.name()).or_insert_with(|| json!({}));
            of_kind[entity.id().to_string()] = secret.clone();
        }
    }
    Value::Object(kinds)
}

/// An entity with its id first.
fn written(entity: &Entity) -> Value {
    let body: Value = serde_json::from_str(&body(entity)).unwrap_or_default();
    let Value::Object(mut body) = body else { return Value::Null };
    body.shift_remove("id");
    let mut object = Map::new();
    object.insert("id".into(), entity.id().to_string().into());
    object.extend(body);
    Value::Object(object)
}

/// Which field of a body is secret.
const fn secret_field(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::User => Some("key_hash"),
        Kind::Token => Some("hash"),
        Kind::Certificate => Some("key"),
        Kind::Account
        | Kind::Zone
        | Kind::LoaDocument
        | Kind::Prefix
        | Kind::Binding
        | Kind::BgpPrefix
        | Kind::Delegation
        | Kind::AddressMap
        | Kind::App
        | Kind::Rule
        | Kind::DnsRecord => None,
    }
}

/// What makes `estate` hold everything that `document` names, as it says; what it does not name stays.
///
/// # Errors
/// All that is wrong.
pub fn import(
    document: &Value,
    secrets: Secrets<'_>,
    estate: &Estate,
    reserved: &Reserved,
) -> Result<Change, Vec<Misfit>> {
    let mut arrival = Arrival {
        secrets,
        estate,
        reader: Reader::over(estate.clone(), reserved),
        places: BTreeMap::new(),
        misfits: Vec::new(),
    };
    arrival.read(document);
    if arrival.misfits.is_empty() {
        arrival.hold_together();
    }
    let Arrival { reader, places, misfits, .. } = arrival;
    if !misfits.is_empty() {
        return Err(bounded(misfits));
    }
    let next = reader.done();
    let mut change = Change::default();
    for key in places.keys() {
        match (estate.get(*key), next.get(*key)) {
            (Some(before), Some(after)) => change.turn(before, after),
            (None, Some(after)) => change.make(after),
            (_, None) => {}
        }
    }
    Ok(change)
}

fn bounded(mut misfits: Vec<Misfit>) -> Vec<Misfit> {
    let more = misfits.len().saturating_sub(FAULTS_MAX);
    misfits.truncate(FAULTS_MAX);
    if more > 0 {
        misfits.push(Misfit { place: String::new(), text: format!("and {more} more things wrong") });
    }
    misfits
}

/// A document on its way in.
struct Arrival<'a> {
    secrets: Secrets<'a>,
    estate: &'a Estate,
    reader: Reader<'a>,
    places: BTreeMap<Key, String>,
    misfits: Vec<Misfit>,
}

impl Arrival<'_> {
    fn miss(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.misfits.push(Misfit { place: place.into(), text: text.into() });
    }

    fn read(&mut self, document: &Value) {
        if document["byway_export"].as_u64() != Some(FORM) {
            return self.miss("/byway_export", format!("must be {FORM}, as `byway admin export` writes it"));
        }
        let Some(kinds) = document["entities"].as_object() else {
            return self.miss("/entities", "must be an object of lists, one a kind");
        };
        for name in kinds.keys().filter(|name| Kind::ALL.iter().all(|kind| kind.name() != name.as_str())) {
            self.miss(format!("/entities/{name}"), "there is no such kind of entity in this byway");
        }
        for kind in Kind::ALL {
            match kinds.get(kind.name()) {
                None => {}
                Some(Value::Array(list)) => list.iter().enumerate().for_each(|(at, value)| {
                    self.take(*kind, format!("/entities/{}/{at}", kind.name()), value)
                }),
                Some(_) => self.miss(format!("/entities/{}", kind.name()), "must be a list"),
            }
        }
    }

    fn take(&mut self, kind: Kind, place: String, value: &Value) {
        let Value::Object(object) = value else { return self.miss(place, "must be an object") };
        let Some(id) = object.get("id").and_then(Value::as_str).and_then(Id::parse) else {
            return self.miss(place + "/id", "must be 32 lower-case hex digits");
        };
        let key = Key { kind, id };
        if let Some(first) = self.places.get(&key) {
            let text = format!("is the id of {first}, too");
            return self.miss(place + "/id", text);
        }
        let mut object = object.clone();
        if let Err(why) = self.with_chain(key, &mut object) {
            return self.miss(place + "/chain", why);
        }
        match self.with_secret(key, &mut object) {
            Ok(true) => {}
            Ok(false) => return,
            Err((field, text)) => return self.miss(format!("{place}/{field}"), text),
        }
        let text = Value::Object(object.clone()).to_string();
        if let Err(why) = self.reader.read(kind, id, &text) {
            return self.miss(place, why);
        }
        let read = self.reader.estate().get(key).map(|entity| written(&entity)).unwrap_or_default();
        let stranger = object.keys().find(|field| read.get(field.as_str()).is_none());
        if let Some(field) = stranger {
            return self.miss(format!("{place}/{field}"), "there is no such field");
        }
        self.places.insert(key, place);
    }

    /// Leaves of a certificate's chain nothing but certificates, as ours has them where it is the same.
    fn with_chain(&self, key: Key, object: &mut Map<String, Value>) -> Result<(), String> {
        if key.kind != Kind::Certificate {
            return Ok(());
        }
        let Some(text) = object.get("chain").and_then(Value::as_str) else { return Ok(()) };
        let chain = chain_alone(text.as_bytes()).map_err(|fault| fault.to_string())?;
        let ours = self.estate.certificates.get(key.id).map(|certificate| &certificate.held.chain);
        let same = ours.filter(|ours| chain_alone(ours.as_bytes()).is_ok_and(|ours| ours == chain));
        object.insert("chain".into(), same.map_or(chain, |ours| ours.to_string()).into());
        Ok(())
    }

    /// Puts the secret in where the document has a word for it; `false`: the entity is left out.
    fn with_secret(&self, key: Key, object: &mut Map<String, Value>) -> Result<bool, (&'static str, String)> {
        let Some(field) = secret_field(key.kind) else { return Ok(true) };
        if object.get(field).and_then(Value::as_str) != Some(SECRET) {
            return Ok(true);
        }
        let hashed = key.kind != Kind::Certificate;
        let theirs = &self.secrets.all[key.kind.name()][key.id.to_string()];
        let usable = theirs.is_string() && (self.secrets.same_key || !hashed);
        let ours = self.estate.get(key).map(|entity| written(&entity)).unwrap_or_default();
        // A key of ours is that of our chain, and of no other that was renewed meanwhile.
        let is_other = key.kind == Kind::Certificate && object.get("chain") != ours.get("chain");
        let ours = ours.get(field).filter(|ours| ours.is_string() && !is_other).cloned();
        let found = if usable { Some(theirs.clone()) } else { ours };
        match (found, key.kind) {
            (Some(secret), _) => {
                object.insert(field.into(), secret);
                Ok(true)
            }
            (None, Kind::User) if self.secrets.leave_out => {
                object.insert(field.into(), Value::Null);
                Ok(true)
            }
            (None, _) if self.secrets.leave_out => Ok(false),
            (None, _) if theirs.is_string() => {
                let why = "its hash was made under another store's key: import into a store that is empty, or leave out";
                Err((field, format!("{why} what has no secret here (--leave-out)")))
            }
            (None, Kind::Certificate) if self.estate.get(key).is_some() => {
                let why =
                    "the document was written without secrets, and the store's key is that of another chain";
                Err((
                    field,
                    format!("{why}: export --with-secrets, or leave this certificate out (--leave-out)"),
                ))
            }
            (None, _) => {
                let why = "the document was written without secrets, and the store has none for it: export --with-secrets";
                Err((field, format!("{why}, or leave out what has no secret here (--leave-out)")))
            }
        }
    }

    /// What holds between entities, of those that came and those that they stand among.
    fn hold_together(&mut self) {
        let before: Vec<_> = unsound(self.estate);
        for fault in unsound(self.reader.estate()) {
            if before.binary_search(&fault).is_err() {
                let place = self.places.get(&fault.key).cloned();
                let place =
                    place.unwrap_or_else(|| format!("stored {} {}", fault.key.kind.name(), fault.key.id));
                self.miss(place, fault.text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entity::{Account, Rule, RuleHolder, Stamp, Token, User, Zone};
    use super::super::permit::Grant;
    use super::*;
    use crate::control::config::tables::one_rule;

    fn id(bits: u128) -> Id {
        Id::from_bits(bits)
    }

    fn estate() -> Estate {
        let mut estate = Estate::default();
        let now = Stamp(7);
        let hash = |digit: &str| digit.repeat(64);
        estate
            .put(User { id: id(1), email: "a@b".into(), key_hash: Some(hash("a")), created_on: now }.into());
        estate.put(User { id: id(2), email: "c@d".into(), key_hash: None, created_on: now }.into());
        estate.put(Account { id: id(3), name: "one".into(), owner: id(1), created_on: now }.into());
        let zone = |bits, name: &str| Zone {
            id: id(bits),
            name: name.into(),
            account: id(3),
            created_on: now,
            modified_on: now,
        };
        estate.put(zone(4, "example.com").into());
        estate.put(zone(5, "example.net").into());
        let grants = Grant::everything();
        let token = Token {
            id: id(6),
            name: "t".into(),
            user: id(1),
            hash: hash("b"),
            grants,
            policies: Vec::new(),
            enabled: true,
            issued_on: now,
            modified_on: now,
            expires_on: None,
        };
        estate.put(token.into());
        let spec = one_rule(r#"{"mode":"block","configuration":{"target":"ip","value":"192.0.2.1"}}"#);
        let (spec, holder) = (spec.expect("a rule"), RuleHolder::Zone(id(4)));
        estate.put(Rule { id: id(7), holder, spec, created_on: now, modified_on: now }.into());
        estate
    }

    fn taken(document: &Value, secrets: &Value, into: &Estate) -> Result<Change, Vec<String>> {
        let secrets = Secrets { all: secrets, same_key: true, leave_out: false };
        let misfits = import(document, secrets, into, &Reserved::default());
        misfits.map_err(|all| all.into_iter().map(|one| format!("{}: {}", one.place, one.text)).collect())
    }

    #[test]
    fn an_export_comes_back_whole_with_its_secrets_and_changes_nothing_where_it_is_from() {
        let estate = estate();
        let (document, secrets) = (export(&estate), secrets(&estate));
        assert!(!document.to_string().contains("aaaa") && !document.to_string().contains("bbbb"));
        assert_eq!(document["entities"]["user"][1]["key_hash"], Value::Null);
        assert!(taken(&document, &Value::Null, &estate).expect("right").is_empty());
        assert!(taken(&document, &secrets, &estate).expect("right").is_empty());
        let change = taken(&document, &secrets, &Estate::default()).expect("right");
        let moved = Estate::default().with(&change);
        assert_eq!((export(&moved), super::secrets(&moved)), (document, secrets));
        assert_eq!(moved.all(), estate.all());
    }

    #[test]
    fn what_has_no_secret_is_told_or_left_out() {
        let estate = estate();
        let document = export(&estate);
        let told = taken(&document, &Value::Null, &Estate::default()).expect_err("no secrets");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("/entities/user/0/key_hash: the document was written without secrets"));
        assert!(told[1].starts_with("/entities/token/0/hash: "), "{told:?}");
        let secrets = secrets(&estate);
        let other = Secrets { all: &secrets, same_key: false, leave_out: false };
        let told =
            import(&document, other, &Estate::default(), &Reserved::default()).expect_err("another key");
        assert!(told[1].text.starts_with("its hash was made under another store's key"), "{told:?}");
        let left = Secrets { leave_out: true, ..other };
        let change = import(&document, left, &Estate::default(), &Reserved::default()).expect("left out");
        let moved = Estate::default().with(&change);
        assert_eq!((moved.tokens.len(), moved.users.len(), moved.rules.len()), (0, 2, 1));
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        let estate = estate();
        let mut document = export(&estate);
        let entities = &mut document["entities"];
        entities["zone"][0]["account"] = id(9).to_string().into();
        entities["zone"][1]["name"] = "example.com".into();
        let told = taken(&document, &Value::Null, &estate).expect_err("wrong");
        assert_eq!(
            told,
            [
                format!("/entities/zone/0: there is no account {}", id(9)),
                format!("/entities/zone/1: example.com is that of zone {}, too", id(4)),
            ]
        );
        let entities = &mut document["entities"];
        entities["gadget"] = json!([]);
        entities["user"][0]["emial"] = "x".into();
        entities["account"][0]["name"] = 5.into();
        entities["rule"][0]["rule"]["mode"] = "blok".into();
        entities["zone"][1]["id"] = "5".into();
        let told = taken(&document, &Value::Null, &estate).expect_err("wrong");
        let places: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
        let wrong = ["gadget", "user/0/emial", "account/0", "zone/1/id", "rule/0"];
        assert_eq!(places, wrong.map(|place| format!("/entities/{place}")), "{told:?}");
        let twice =
            json!({"byway_export": 1, "entities": {"zone": [entities_of(&estate), entities_of(&estate)]}});
        let told = taken(&twice, &Value::Null, &estate).expect_err("twice");
        assert_eq!(told, ["/entities/zone/1/id: is the id of /entities/zone/0, too"]);
        for (text, why) in [(json!([]), "/byway_export"), (json!({"byway_export": 1}), "/entities: ")] {
            assert!(taken(&text, &Value::Null, &estate).expect_err("none")[0].starts_with(why));
        }
    }

    fn entities_of(estate: &Estate) -> Value {
        export(estate)["entities"]["zone"][0].clone()
    }
}
