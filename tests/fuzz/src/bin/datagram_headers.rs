//! What an origin may put ahead of a reply: Simple Proxy Protocol and PROXY headers of any bytes. Nothing panics, and what
//! is read as a header is written back as the bytes that it was read from.
#![no_main]

use byway::wire::proxy::{ProxyHeader, Told};
use byway::wire::spp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = spp::Header::parse(bytes) {
        assert_eq!(header.emit()[..], bytes[..spp::HEADER_LEN]);
    }
    if let Ok((told, len)) = ProxyHeader::parse(bytes) {
        assert!(len <= bytes.len());
        if let Told::Client(header) = told {
            let again = header.emit_v2();
            assert_eq!(ProxyHeader::parse(&again), Ok((Told::Client(header), again.len())));
        }
    }
});
