//! How much of an estate one call looks at.

use super::clash::record_clash;
use super::records::find;
use super::row::managed;
use crate::api::quotas;
use crate::base::LOOKS;
use crate::control::config::tables::read;
use crate::estate::{
    App, DnsRecord, Estate, Id, RecordData, RecordName, RecordSettings, Said, Stamp, Zone, said_id,
};
use crate::table::{DnsName, Reserved};

const APPS: u128 = 20_000;
/// Zones of an account that hold a record each.
const ZONES: u128 = 10_000;
/// Entries of maps that one item of a batch may look at, however many there are.
const LOOKS_MAX: usize = 64;

fn record(id: u128, zone: Id, name: &str) -> DnsRecord {
    DnsRecord {
        id: Id::from_bits(id),
        zone,
        name: RecordName::whole(name).expect("a name"),
        data: RecordData::A([192, 0, 2, 1].into()),
        ttl: 1,
        proxied: false,
        settings: RecordSettings::default(),
        comment: None,
        tags: Vec::new(),
        created_on: Stamp(0),
        modified_on: Stamp(0),
        comment_modified_on: None,
        tags_modified_on: None,
    }
}

fn estate(zone: &Zone) -> Estate {
    let text = br#"{"prefixes":["203.0.113.0/24"],"apps":[{"protocol":"tcp/22","dns":{"type":"ADDRESS","name":"a.example.net"},"origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{"type":"static","ips":["203.0.113.1"]}}]}"#;
    let origin_allow = vec!["192.0.2.0/24".parse().expect("a net")];
    let read = read(text, &Reserved { lab: true, origin_allow, ..Reserved::default() });
    let mut spec = read.unwrap_or_else(|errors| panic!("{errors}")).spec;
    let spec = spec.accounts[0].zones[0].apps.remove(0);
    let mut estate = Estate::default();
    estate.put(zone.clone().into());
    for number in 0..APPS {
        let mut spec = spec.clone();
        spec.dns.name = DnsName::new(&format!("a{number}.example.net")).expect("a name");
        estate.put(App { id: Id::from_bits(number), zone: zone.id, spec }.into());
    }
    for number in 0..2_000 {
        estate.put(record(APPS + number, zone.id, &format!("r{number}.example.net")).into());
    }
    estate
}

#[test]
fn one_record_looks_at_its_like_and_not_at_all_apps_and_records() {
    let id = Id::from_bits(7);
    let zone =
        Zone { id, name: "example.net".into(), account: id, created_on: Stamp(0), modified_on: Stamp(0) };
    let estate = estate(&zone);
    let names_max = APPS as usize + 2_000;
    let looks = |what: &str, act: &dyn Fn() -> bool| {
        LOOKS.set(0);
        assert!(act(), "{what}");
        assert!(LOOKS.get() <= LOOKS_MAX, "{what}: {} entries", LOOKS.get());
    };
    let new = record(1 << 40, zone.id, "new.example.net");
    looks("a new record", &|| record_clash(&estate, &zone, &new).is_ok());
    looks("its texts", &|| estate.text_bytes(zone.id, "new.example.net", new.id) == 0);
    looks("its zone's count", &|| estate.record_count(zone.id) == 2_000);
    looks("a name too many", &|| {
        quotas::names(&estate, &zone, ("new.example.net", new.id), names_max).is_err()
    });
    looks("an old name", &|| quotas::names(&estate, &zone, ("r7.example.net", new.id), 1).is_ok());
    let other = record(1 << 40, zone.id, "a7.example.net");
    looks("the name of an app", &|| record_clash(&estate, &zone, &other).is_err());
    looks("an id that is none", &|| managed(&estate, &zone, new.id).is_none());
    looks("a record to change that is none", &|| find(&estate, &zone, new.id).is_err());
    let addr = crate::base::Addr::v4([203, 0, 113, 1]);
    let of_app = said_id(zone.id, "a7.example.net", Said::Address(addr));
    looks("a record of an app", &|| managed(&estate, &zone, of_app).is_some());
    looks("a name's zone", &|| estate.home("a.b.example.net").is_some());
}

#[test]
fn quotas_of_an_account_are_held_without_a_look_at_its_zones() {
    let (account, id) = (Id::from_bits(1), Id::from_bits(7));
    let zone = |id: Id, name: String| Zone { id, name, account, created_on: Stamp(0), modified_on: Stamp(0) };
    let own = zone(id, "example.net".into());
    let mut estate = estate(&own);
    for number in 0..ZONES {
        let other = zone(Id::from_bits(1_000 + number), format!("z{number}.example.org"));
        estate.put(record(1 << 50 | number, other.id, &format!("a.{}", other.name)).into());
        estate.put(other.into());
    }
    let held = APPS as usize + 2_000 + ZONES as usize;
    let app = estate.apps.get(Id::from_bits(0)).cloned().expect("made");
    let new = Id::from_bits(1 << 40);
    let looks = |what: &str, act: &dyn Fn() -> bool| {
        LOOKS.set(0);
        assert!(act(), "{what}");
        assert!(LOOKS.get() <= LOOKS_MAX, "{what}: {} entries", LOOKS.get());
    };
    looks("one more name", &|| quotas::names(&estate, &own, ("new.example.net", new), held + 1).is_ok());
    looks("a name too many", &|| quotas::names(&estate, &own, ("new.example.net", new), held).is_err());
    looks("one more app", &|| quotas::apps(&estate, account, APPS as usize + 1).is_ok());
    looks("an app too many", &|| quotas::apps(&estate, account, APPS as usize).is_err());
    let origins = |max| quotas::origins(&estate, account, (&app.spec, new), max);
    looks("one more origin", &|| origins(APPS as usize + 1).is_ok());
    looks("an origin too many", &|| origins(APPS as usize).is_err());
}
