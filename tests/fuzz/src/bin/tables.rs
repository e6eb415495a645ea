//! The live table file: no text panics the reader, what is accepted prints and reads back the same, and the compiled
//! tables answer like the naive models.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| byway::testkit::tables::fuzz_tables(bytes));
