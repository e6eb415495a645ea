//! The indexes of an estate against looking through all of it.

use super::*;
use crate::base::Rng;
use crate::control::config::tables::read;
use crate::table::{DnsName, OriginSpec, Reserved};
use std::collections::BTreeSet;

/// An app with static addresses and one origin under a name, or one with dynamic ones and two.
fn app(id: u128, zone: u128, name: &str, is_dynamic: bool) -> App {
    let (kind, ips, origins) = match is_dynamic {
        true => (
            "CNAME",
            r#"{"type":"dynamic","connectivity":"all"}"#,
            r#""tcp://192.0.2.1:22","tcp://192.0.2.2:22""#,
        ),
        false => {
            ("ADDRESS", r#"{"type":"static","ips":["203.0.113.1","203.0.113.2"]}"#, r#""tcp://192.0.2.1:22""#)
        }
    };
    let text = format!(
        r#"{{"prefixes":["203.0.113.0/24"],"apps":[{{"protocol":"tcp/22","dns":{{"type":"{kind}","name":"{name}"}},"origin_direct":[{origins}],"edge_ips":{ips}}}]}}"#
    );
    let origin_allow = vec!["192.0.2.0/24".parse().expect("a net")];
    let read = read(text.as_bytes(), &Reserved { lab: true, origin_allow, ..Reserved::default() });
    let mut spec = read.unwrap_or_else(|errors| panic!("{errors}")).spec;
    App { id: Id::from_bits(id), zone: Id::from_bits(zone), spec: spec.accounts[0].zones[0].apps.remove(0) }
}

fn record(id: u128, zone: u128, name: &str, data: RecordData) -> DnsRecord {
    DnsRecord {
        id: Id::from_bits(id),
        zone: Id::from_bits(zone),
        name: RecordName::whole(name).expect("a name"),
        data,
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

fn zone(id: u128, account: u128, name: &str) -> Zone {
    let (id, account) = (Id::from_bits(id), Id::from_bits(account));
    Zone { id, name: name.into(), account, created_on: Stamp(0), modified_on: Stamp(0) }
}

fn ids<'a, T: 'a>(list: impl Iterator<Item = &'a T>, id: impl Fn(&T) -> Id) -> BTreeSet<Id> {
    list.map(id).collect()
}

/// Holds every index against all entities.
fn hold(estate: &Estate, names: &[String]) {
    for bits in 10..13 {
        let zone = Id::from_bits(bits);
        let mine: Vec<_> = estate.dns_records.iter().filter(|record| record.zone == zone).collect();
        assert_eq!(
            ids(estate.records_of(zone), |record| record.id),
            ids(mine.iter().copied(), |record| record.id)
        );
        assert_eq!(estate.record_count(zone), mine.len());
        for name in names {
            let here = || mine.iter().copied().filter(|record| record.name.as_str() == name);
            for kind in RecordType::ALL {
                let found = ids(estate.records_named(zone, name, kind), |record| record.id);
                assert_eq!(
                    found,
                    ids(here().filter(|record| record.data.kind() == kind), |record| record.id)
                );
            }
            for record in here() {
                let found = ids(estate.records_saying(zone, name, &record.data), |record| record.id);
                let same = here().filter(|other| other.data.is_same(&record.data));
                assert_eq!(found, ids(same, |record| record.id));
            }
            let bytes =
                |data: &RecordData| if let RecordData::Txt(text) = data { text.bytes().len() } else { 0 };
            let texts = here().map(|record| bytes(&record.data));
            assert_eq!(estate.text_bytes(zone, name, Id::from_bits(0)), texts.sum::<usize>());
            let apps =
                || estate.apps.iter().filter(|app| app.zone == zone && app.spec.dns.name.as_str() == name);
            assert_eq!(estate.bearers(zone, name), here().count() + apps().count());
            for said in [Said::Dynamic, Said::Address(crate::base::Addr::v4([203, 0, 113, 2]))] {
                let found = estate.apps_saying(zone, said_id(zone, name, said));
                let found: BTreeSet<Id> = found.map(|(app, _)| app.id).collect();
                let says = |app: &&std::sync::Arc<App>| super::said(app).any(|one| one == said);
                assert_eq!(found, ids(apps().filter(says), |app| app.id));
            }
        }
    }
    for bits in 1..3 {
        let account = Id::from_bits(bits);
        let zones: BTreeSet<Id> =
            ids(estate.zones.iter().filter(|zone| zone.account == account), |zone| zone.id);
        assert_eq!(ids(estate.zones_of(account), |zone| zone.id), zones);
        let of_apps = estate.apps.iter().map(|app| (app.zone, app.spec.dns.name.as_str()));
        let of_records = estate.dns_records.iter().map(|record| (record.zone, record.name.as_str()));
        let all: BTreeSet<_> = of_apps.chain(of_records).filter(|(zone, _)| zones.contains(zone)).collect();
        assert_eq!(estate.name_count(account), all.len());
        let apps: Vec<_> = estate.apps.iter().filter(|app| zones.contains(&app.zone)).collect();
        let origins = apps.iter().map(|app| match &app.spec.origin {
            OriginSpec::Direct(entries) => entries.len(),
            OriginSpec::Dns { .. } => 1,
        });
        let count = estate.app_count(account);
        assert_eq!((count.apps, count.origins), (apps.len(), origins.sum()));
    }
    for name in names {
        let lies_in =
            |zone: &&std::sync::Arc<Zone>| *name == zone.name || name.ends_with(&format!(".{}", zone.name));
        let nearest = estate.zones.iter().filter(lies_in).max_by_key(|zone| zone.name.len());
        // The API makes no two zones of one name; here some have it, and any of them may be found.
        assert_eq!(estate.home(name).map(|zone| &zone.name), nearest.map(|zone| &zone.name), "{name}");
    }
}

#[test]
fn indexes_know_what_is_there_after_any_changes() {
    let seed = [0xd5; 32];
    println!("seed {seed:?}");
    let mut rng = Rng::from_bytes(seed);
    let names: Vec<String> = ["a.net", "x.a.net", "y.x.a.net", "xa.net"].map(String::from).into();
    let templates: Vec<App> = [false, true].map(|kind| app(1, 10, "x.a.net", kind)).into();
    let text = |text: &str| RecordData::Txt(TxtContent::new(text).expect("a text"));
    let data = [
        RecordData::A([192, 0, 2, 1].into()),
        RecordData::Cname(TargetName::host("b.net").expect("a name")),
        text("\"ab\" \"c\""),
        text("abc"),
        text("d"),
    ];
    let mut estate = Estate::default();
    let mut pick = |count: usize| {
        let mut bytes = [0; 4];
        rng.fill(&mut bytes);
        u32::from_be_bytes(bytes) as usize % count
    };
    for step in 0..1_500 {
        let (id, at, name) = (100 + pick(12) as u128, 10 + pick(3) as u128, names[pick(4)].clone());
        match pick(7) {
            0 => estate.put(zone(at, 1 + pick(2) as u128, &name).into()),
            1 => estate.take_out(Key { kind: Kind::Zone, id: Id::from_bits(at) }),
            2 => estate.take_out(Key { kind: Kind::App, id: Id::from_bits(id) }),
            3 => estate.take_out(Key { kind: Kind::DnsRecord, id: Id::from_bits(id) }),
            4 => {
                let mut app = templates[pick(2)].clone();
                (app.id, app.zone) = (Id::from_bits(id), Id::from_bits(at));
                app.spec.dns.name = DnsName::new(&name).expect("a name");
                estate.put(app.into());
            }
            5 | 6 => estate.put(record(id, at, &name, data[pick(5)].clone()).into()),
            _ => {}
        }
        if step % 5 == 0 {
            hold(&estate.clone(), &names);
        }
    }
}
