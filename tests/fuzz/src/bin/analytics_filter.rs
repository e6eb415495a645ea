//! Any text as `filters` of analytics: read or refused, never a panic; without blanks, what is read holds for the rows that a
//! split at `,` and `;` says.
#![no_main]

use byway::analytics::{Dimension, EventName, Filter, IpVersion, Key, Metric, Sort, Tag};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Sort::parse(text, &Metric::ALL, &Dimension::ALL);
    let Ok(filter) = Filter::parse(text) else { return };
    let blank = text.contains(char::is_whitespace);
    for (number, event) in (0..).zip(EventName::ALL) {
        let ip = if number % 2 == 0 { IpVersion::V4 } else { IpVersion::V6 };
        let app = (number > 2).then(|| Tag::from_bits(number));
        let key = Key { zone: Tag::from_bits(1), app, event, ip, colo: "FRA".into() };
        let wanted = filter.wants(&key);
        if !blank {
            let one = |text: &str| Filter::parse(text).expect("a part of a filter is one").wants(&key);
            assert_eq!(wanted, text.split(',').any(|all| all.split(';').all(one)), "{text}");
        }
    }
});
