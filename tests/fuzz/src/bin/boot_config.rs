//! The boot config: no text panics the reader, and a refused one says why.
#![no_main]

use byway::control::config::boot::parse;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse(text, Path::new("/etc/byway")) {
        Ok(spec) => drop(format!("{spec:?}")),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.iter().all(|problem| !problem.text.is_empty()));
        }
    }
});
