//! `prefixes`: each an object with `cidr` and maybe `description`, or a plain text.

use super::faults::{Faults, shown};
use super::json::{Place, Value};
use crate::base::limits::PREFIXES_MAX;
use crate::table::{Prefix, PrefixSpec, Reserved};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The longest description, in bytes (Spectrum's own bound).
const DESCRIPTION_BYTES_MAX: usize = 1000;

/// Reads the list: no prefix twice, none over what is reserved. A prefix inside another one is fine (longest match).
pub(super) fn read_prefixes(
    value: Value<'_, '_>,
    reserved: &Reserved,
    faults: &mut Faults,
) -> Vec<PrefixSpec> {
    let Some(list) = value.list(faults) else { return Vec::new() };
    if list.len() > PREFIXES_MAX {
        faults
            .error(&list.at, format_args!("holds {} prefixes: at most {PREFIXES_MAX} are taken", list.len()));
        return Vec::new();
    }
    let mut seen: BTreeMap<Prefix, usize> = BTreeMap::new();
    let mut prefixes = Vec::with_capacity(list.len());
    for (index, item) in list.items().enumerate() {
        let Some(spec) = read_prefix(item, reserved, faults) else { continue };
        match seen.insert(spec.prefix, index) {
            Some(first) => {
                let first = list.at.index(first);
                faults.error(&item.at, format_args!("{} is there already ({first})", spec.prefix));
            }
            None => prefixes.push(spec),
        }
    }
    prefixes
}

fn read_prefix(value: Value<'_, '_>, reserved: &Reserved, faults: &mut Faults) -> Option<PrefixSpec> {
    if value.is_text() {
        let prefix = read_cidr(value, reserved, faults)?;
        return Some(PrefixSpec::plain(prefix));
    }
    let object = value.object(faults)?;
    let cidr = object.require("cidr", "a prefix such as 203.0.113.0/24", faults);
    let prefix = cidr.and_then(|value| read_cidr(value, reserved, faults));
    let description =
        object.get("description").and_then(|value| read_words(value, DESCRIPTION_BYTES_MAX, faults));
    object.close(faults);
    Some(PrefixSpec { description, ..PrefixSpec::plain(prefix?) })
}

fn read_cidr(value: Value<'_, '_>, reserved: &Reserved, faults: &mut Faults) -> Option<Prefix> {
    let text = value.text(faults)?;
    let at: &Place<'_> = &value.at;
    let Ok(net) = text.parse::<IpNet>() else {
        let hint = "write address and length, such as 203.0.113.0/24 or 2001:db8::/48";
        faults.error(at, format_args!("{} is not a prefix: {hint}", shown(&text)));
        return None;
    };
    let prefix = Prefix::new(net, reserved.lab).map_err(|error| faults.error(at, error)).ok()?;
    if let Some(holder) = reserved.holder_in(prefix) {
        faults
            .error(at, format_args!("{prefix} overlaps {holder} of the boot config: onboard another prefix"));
        return None;
    }
    Some(prefix)
}

/// An operator's own words, bounded.
pub(super) fn read_words(value: Value<'_, '_>, bytes_max: usize, faults: &mut Faults) -> Option<Box<str>> {
    let text = value.text(faults)?;
    if text.len() > bytes_max {
        faults.error(&value.at, format_args!("is {} bytes long: at most {bytes_max} are kept", text.len()));
        return None;
    }
    Some(text.into())
}
