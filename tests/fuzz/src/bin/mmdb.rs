//! Any bytes as a database of where addresses come from: read, lowered and asked, never a panic.
#![no_main]

use byway::base::Addr;
use byway::control::geo::{read_asns, read_countries};
use byway::firewall::{Layers, WhenceMap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let layers =
        Layers { asn: read_asns(bytes.to_vec()).ok(), country: read_countries(bytes.to_vec()).ok(), tor: None };
    let map = WhenceMap::build(&layers);
    for number in 0..64 {
        let start = map.start(number).unwrap_or(Addr::v4([1, 2, 3, number as u8]));
        map.find(start);
    }
});
