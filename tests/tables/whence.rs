//! Where an address comes from: the map against a naive reading of its layers, and MMDB files read whole.

use crate::live::{CLIENTS, addr, build_layers, country};
use byway::base::{Addr, AsNumber, Country, Rng, Whence};
use byway::control::config::boot::GeoSpec;
use byway::control::geo::{GeoFiles, MmdbError, read_asns, read_countries};
use byway::firewall::{Layers, NetOf, Sources, WhenceMap};
use byway::testkit::mmdb::{Record, mmdb};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::fs;

fn holds<T>(net: &NetOf<T>, addr: Addr) -> bool {
    let bits = if net.first.is_v4() { 32 } else { 128 };
    let shift = u32::from(bits - net.length);
    let differ = net.first.bits() ^ addr.bits();
    net.first.is_v4() == addr.is_v4() && (shift == 128 || differ >> shift == 0)
}

/// The first of the nets in the order of addresses that holds `addr`; where nets overlap, the earlier start counts.
fn naive(layers: &Layers, addr: Addr) -> Whence {
    fn find<T: Copy>(nets: &Option<Vec<NetOf<T>>>, addr: Addr) -> Option<T> {
        let mut nets: Vec<_> = nets.iter().flatten().collect();
        nets.sort_by_key(|net| net.first);
        nets.into_iter().find(|net| holds(net, addr)).map(|net| net.value)
    }
    let tor = find(&layers.tor, addr).map(|()| Country::TOR);
    Whence {
        asn: find(&layers.asn, addr).unwrap_or(AsNumber::UNKNOWN),
        country: tor.or(find(&layers.country, addr)).unwrap_or(Country::UNKNOWN),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_map_answers_like_its_layers(
        asn in option::of(vec(((proptest::sample::select(CLIENTS.to_vec()), 0..=120_u8), 1..9_u32), 0..8)),
        countries in option::of(vec(((proptest::sample::select(CLIENTS.to_vec()), 0..=120_u8), proptest::sample::select(vec!["DE", "FR"])), 0..8)),
        tor in option::of(vec((proptest::sample::select(CLIENTS.to_vec()), 0..=120_u8), 0..4)),
        seed: u64,
    ) {
        let layers = build_layers(asn, countries, tor);
        let map = WhenceMap::build(&layers);
        let mut rng = Rng::new(seed);
        for client in CLIENTS.map(addr) {
            let bits = if client.is_v4() { 32 } else { 128 };
            for _ in 0..16 {
                let near = Addr::from_bits(client.bits() ^ 1 << rng.below(bits) ^ 1 << rng.below(bits));
                for asked in [client, near].into_iter().filter(|asked| asked.is_v4() == client.is_v4()) {
                    prop_assert_eq!(map.find(asked), naive(&layers, asked), "{}", asked);
                }
            }
        }
    }

    #[test]
    fn no_bytes_panic_the_reader(cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = both();
        for (place, byte) in cuts {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = read_asns(bytes.clone());
        let _ = read_countries(bytes);
    }
}

fn record(country: &'static str, asn: u32) -> Record {
    Record { country: Some(country), asn: Some(asn) }
}

/// A database of both fields, with nets in nets and both families.
fn both() -> Vec<u8> {
    mmdb(&[
        ("203.0.0.0/8", record("US", 64_496)),
        ("203.0.113.0/24", record("DE", 64_497)),
        ("203.0.113.128/25", Record { country: None, asn: Some(64_498) }),
        ("2001:db8::/32", record("fr", 64_499)),
    ])
}

#[test]
fn one_database_of_both_fields_is_read_whole_and_aliases_once() {
    let (asns, countries) = (read_asns(both()).expect("right"), read_countries(both()).expect("right"));
    let map = WhenceMap::build(&Layers { asn: Some(asns), country: Some(countries), tor: None });
    for (text, asn, code) in [
        ("203.255.255.255", 64_496, "US"),
        ("203.0.113.1", 64_497, "DE"),
        ("203.0.113.200", 64_498, "XX"),
        ("204.0.0.0", 0, "XX"),
        ("2001:db8:5::1", 64_499, "FR"),
        ("2001:db9::1", 0, "XX"),
        // The IPv4 nets' alias (6to4) is no network of the database.
        ("2002:cb00:7101::1", 0, "XX"),
    ] {
        let expected = Whence { asn: AsNumber(asn), country: country(code) };
        assert_eq!(map.find(addr(text)), expected, "{text}");
    }
}

#[test]
fn a_database_of_something_else_is_refused_by_field() {
    let only_asn = mmdb(&[("203.0.113.0/24", Record { country: None, asn: Some(1) })]);
    let refused = read_countries(only_asn);
    assert!(matches!(refused, Err(MmdbError::NoField("country.iso_code"))), "{refused:?}");
    assert!(matches!(read_asns(b"no database".to_vec()), Err(MmdbError::Broken(_))));
}

#[test]
fn files_are_read_anew_when_they_change_and_a_bad_one_keeps_the_old() {
    let folder = std::env::temp_dir().join(format!("byway-geo-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = |name: &str| folder.join(name);
    let put = |name: &str, bytes: &[u8]| {
        fs::write(path("new"), bytes).and_then(|()| fs::rename(path("new"), path(name))).expect("written");
    };
    put("both.mmdb", &both());
    put("tor", b"203.0.113.9 # an exit\n");
    let spec =
        GeoSpec { asn: Some(path("both.mmdb")), country: Some(path("both.mmdb")), tor: Some(path("tor")) };
    let mut files = GeoFiles::new(GeoSpec { tor: Some(path("missing")), ..spec.clone() });
    files.refresh();
    assert_eq!(files.map().sources(), Sources { asn: true, country: true, tor: false });
    assert!(files.problems()[0].contains("missing"), "{:?}", files.problems());
    let mut files = GeoFiles::new(spec);
    files.refresh();
    let asked = addr("203.0.113.9");
    assert_eq!(files.map().find(asked), Whence { asn: AsNumber(64_497), country: Country::TOR });
    let first = files.map().clone();
    files.refresh();
    assert!(std::sync::Arc::ptr_eq(&first, files.map()), "nothing changed, nothing is read");
    put("both.mmdb", b"half a fi");
    files.refresh();
    assert!(std::sync::Arc::ptr_eq(&first, files.map()) && files.problems().len() >= 2);
    put("both.mmdb", &mmdb(&[("203.0.113.0/24", record("JP", 7))]));
    files.refresh();
    assert_eq!(files.map().find(addr("203.0.113.1")), Whence { asn: AsNumber(7), country: country("JP") });
    assert!(files.problems().is_empty());
    fs::remove_dir_all(&folder).expect("removed");
}

/// The database of the end-to-end suite `geo`; `BYWAY_BLESS=1` writes it anew.
#[test]
fn the_laboratorys_database_is_what_the_writer_writes() {
    let bytes = mmdb(&[
        ("198.18.0.0/15", record("DE", 64_500)),
        ("2001:2::/48", record("DE", 64_500)),
        ("203.0.113.0/24", record("US", 64_496)),
    ]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/lab.mmdb");
    if std::env::var_os("BYWAY_BLESS").is_some() {
        fs::write(path, &bytes).expect("written");
    }
    assert!(
        fs::read(path).expect("it is there") == bytes,
        "tests/e2e/lab.mmdb is another: BYWAY_BLESS=1 writes it"
    );
}
