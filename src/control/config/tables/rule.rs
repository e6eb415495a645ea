//! `access_rules`: `{"mode", "configuration": {"target", "value"}, "notes", "id"}`.
//!
//! Ranges may have any length from /8 (IPv4) or /16 (IPv6); Spectrum itself takes /16 and /24, and /32, /48, /64, /128.

use super::faults::{Faults, TableErrors, shown};
use super::json::{Value, parse};
use super::prefixes::read_words;
use crate::base::Addr;
use crate::base::limits::RULES_MAX;
use crate::control::config::Problem;
use crate::firewall::{AsNumber, Country, Mode, RuleNet, RuleSpec, Target, Words};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest note, in bytes.
const NOTES_BYTES_MAX: usize = 1000;
/// The longest id of a rule, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Fields of a rule as Spectrum's API answers it that say nothing here; dropped without a word.
const SILENT: [&str; 4] = ["allowed_modes", "created_on", "modified_on", "scope"];

/// Reads the rules of one scope: no target twice, at most `rules_max`.
pub(super) fn read_rules(value: Value<'_, '_>, rules_max: usize, faults: &mut Faults) -> Vec<RuleSpec> {
    let Some(list) = value.list(faults) else { return Vec::new() };
    if list.len() > rules_max {
        faults.error(&list.at, format_args!("holds {} rules: a file has at most {RULES_MAX}", list.len()));
        return Vec::new();
    }
    let errors_before = faults.count();
    let mut rules = Vec::with_capacity(list.len());
    rules.extend(list.items().filter_map(|item| read_rule(item, faults)));
    // Places in the list and in `rules` agree only where every rule was read.
    if faults.count() == errors_before {
        refuse_repeats(&rules, &list.at, faults);
    }
    rules
}

/// One rule by itself.
///
/// # Errors
/// All that is wrong with it, in one line.
pub fn one_rule(text: &str) -> Result<RuleSpec, String> {
    one(text, read_rule)
}

/// One rule by itself: the body of an API call.
///
/// # Errors
/// All that is wrong with it, each with its JSON pointer.
pub fn read_one_rule(text: &[u8]) -> Result<RuleSpec, TableErrors> {
    let mut faults = Faults::default();
    let found = parse(text, &mut faults).and_then(|value| read_rule(value, &mut faults));
    faults.finish()?;
    // Without errors there is a rule.
    found.ok_or(TableErrors { list: Vec::new(), more: 0 })
}

/// One `configuration` by itself: whom a rule is about.
///
/// # Errors
/// All that is wrong with it, in one line.
pub fn one_configuration(text: &str) -> Result<Target, String> {
    one(text, read_configuration)
}

fn one<T>(text: &str, read: fn(Value<'_, '_>, &mut Faults) -> Option<T>) -> Result<T, String> {
    let mut faults = Faults::default();
    let found = parse(text.as_bytes(), &mut faults).and_then(|value| read(value, &mut faults));
    faults.finish().map_err(|errors| {
        let lines = errors.list.into_iter().map(|error| Problem::from(error).to_string());
        lines.collect::<Vec<_>>().join("; ")
    })?;
    found.ok_or_else(|| "says nothing".into())
}

fn refuse_repeats(rules: &[RuleSpec], at: &super::json::Place<'_>, faults: &mut Faults) {
    let mut order: Vec<u32> = (0..rules.len() as u32).collect();
    order.sort_unstable_by_key(|&place| (rules[place as usize].target, place));
    for pair in order.windows(2) {
        let [first, second] = [pair[0] as usize, pair[1] as usize];
        if rules[first].target == rules[second].target {
            let (place, first) = (at.index(second), at.index(first));
            let target = rules[second].target;
            faults.error(
                &place,
                format_args!("{target} has a rule in this scope already ({first}): keep one of them"),
            );
        }
    }
}

fn read_rule(value: Value<'_, '_>, faults: &mut Faults) -> Option<RuleSpec> {
    let rule = value.object(faults)?;
    let mode = rule.require("mode", "block or whitelist", faults).and_then(|value| read_mode(value, faults));
    let configuration = rule.require("configuration", "an object with target and value", faults);
    let target = configuration.and_then(|value| read_configuration(value, faults));
    let notes = rule.get("notes").and_then(|value| read_words(value, NOTES_BYTES_MAX, faults));
    let id = rule.get("id").and_then(|value| read_words(value, ID_BYTES_MAX, faults));
    for key in SILENT {
        rule.get(key);
    }
    rule.close(faults);
    let notes = notes.filter(|notes| !notes.is_empty());
    let [id, notes] = [id, notes].map(|words| words.map(|text| Words::new(&text)));
    Some(RuleSpec { target: target?, mode: mode?, id, notes })
}

fn read_mode(value: Value<'_, '_>, faults: &mut Faults) -> Option<Mode> {
    let text = value.text(faults)?;
    let mode = Mode::ALL.into_iter().find(|mode| mode.name() == text);
    mode.or_else(|| value.wrong("block, whitelist, challenge, js_challenge or managed_challenge", faults))
}

fn read_configuration(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    let configuration = value.object(faults)?;
    let target = configuration.require("target", "ip, ip6, ip_range, asn or country", faults);
    let word = target.and_then(|target| target.text(faults));
    let held = configuration.require("value", "whom the rule is about", faults);
    let read = match (target, word.as_deref(), held) {
        (Some(_), Some("ip"), Some(value)) => read_ip(value, faults),
        (Some(_), Some("ip6"), Some(value)) => read_ip6(value, faults),
        (Some(_), Some("ip_range"), Some(value)) => read_range(value, faults),
        (Some(_), Some("asn"), Some(value)) => read_asn(value, faults),
        (Some(_), Some("country"), Some(value)) => read_country(value, faults),
        (Some(target), Some(_), _) => target.wrong("ip, ip6, ip_range, asn or country", faults),
        (_, _, _) => None,
    };
    configuration.close(faults);
    read
}

fn read_ip(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    let text = value.text(faults)?;
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(Target::Net(RuleNet::one(ip.into())));
    }
    value.wrong(&format!("an IPv4 address{}", hint(&text)), faults)
}

fn read_ip6(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    let text = value.text(faults)?;
    match text.parse::<Ipv6Addr>() {
        Ok(ip) if ip.to_ipv4_mapped().is_none() => Some(Target::Net(RuleNet::one(ip.into()))),
        Ok(_) => {
            value.wrong("an IPv6 address; write a mapped one as the IPv4 address it is (target ip)", faults)
        }
        Err(_) => value.wrong(&format!("an IPv6 address{}", hint(&text)), faults),
    }
}

/// The target that the operator probably means.
fn hint(text: &str) -> &'static str {
    match (text.parse::<IpAddr>(), text.parse::<IpNet>()) {
        (Ok(IpAddr::V4(_)), _) => " (target ip is for IPv4)",
        (Ok(IpAddr::V6(_)), _) => " (target ip6 is for IPv6)",
        (Err(_), Ok(_)) => " (target ip_range is for ranges)",
        (Err(_), Err(_)) => "",
    }
}

fn read_range(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    let text = value.text(faults)?;
    let Ok(net) = text.parse::<IpNet>() else {
        return value.wrong("a range such as 203.0.113.0/24 or 2001:db8::/32", faults);
    };
    if net.prefix_len() > 32 && Addr::from(net.addr()).is_v4() && !net.addr().is_ipv4() {
        return value.wrong("a range; write a mapped one as the IPv4 range it is", faults);
    }
    RuleNet::new(net).map_err(|error| faults.error(&value.at, error)).ok().map(Target::Net)
}

fn read_asn(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    if !value.is_text() {
        return value.whole(1..=u32::MAX, faults).map(AsNumber).map(Target::Asn);
    }
    let text = value.text(faults)?;
    let digits = text.get(..2).filter(|word| word.eq_ignore_ascii_case("as")).map_or(&*text, |_| &text[2..]);
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    match number.filter(|number| *number != 0) {
        Some(number) => Some(Target::Asn(AsNumber(number))),
        None => value.wrong("the number of an autonomous system such as AS64496", faults),
    }
}

fn read_country(value: Value<'_, '_>, faults: &mut Faults) -> Option<Target> {
    let text = value.text(faults)?;
    match Country::new(&text) {
        Some(country) => Some(Target::Country(country)),
        None => {
            let right = "two letters of ISO 3166-1, T1 (Tor) or XX (unknown)";
            faults.error(&value.at, format_args!("must be {right}, not {}", shown(&text)));
            None
        }
    }
}
