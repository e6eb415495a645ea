//! Naive models: the spec read from top to bottom for each question, slow and plain. Compiled tables are held against
//! them. They share no code with `snapshot::cross_check`.

use crate::base::{Addr, Country, DropReason, Whence};
use crate::firewall::{Mode, RuleSpec, Sources, Target};
use crate::snapshot::{AccountSpec, LiveSpec, ZoneSpec};
use crate::table::{AppId, AppSpec, AppState, Prefix};
use crate::wire::Protocol;

/// What the rules say of a client, and by which target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No rule matches.
    None,
    /// This one lets it in.
    LetIn(Target),
    /// This one blocks it.
    Blocked(Target),
}

/// The apps of `spec` in force where there are no databases of where addresses come from.
pub fn apps_in_force(spec: &LiveSpec) -> Vec<&AppSpec> {
    let zones = spec.zones();
    let apps = zones.flat_map(|(account, zone)| zone.apps.iter().map(move |app| (account, zone, app)));
    apps.filter(|(account, zone, app)| is_in_force(spec, account, zone, app)).map(|(_, _, app)| app).collect()
}

fn is_in_force(spec: &LiveSpec, account: &AccountSpec, zone: &ZoneSpec, app: &AppSpec) -> bool {
    let scopes = [&spec.access_rules, &account.access_rules, &zone.access_rules];
    let blocks = |rule: &&RuleSpec| rule.mode == Mode::Block && !matches!(rule.target, Target::Net(_));
    let by_origin = scopes.into_iter().flatten().any(|rule| blocks(&rule));
    AppState::of(app, by_origin, spec.allow_partial, false).is_in_force()
}

/// The app that a destination belongs to, or why there is none.
///
/// # Errors
/// The drop reason.
pub fn app_of(spec: &LiveSpec, dst: Addr, protocol: Protocol, port: u16) -> Result<AppId, DropReason> {
    if longest_prefix(spec, dst).is_none() {
        return Err(DropReason::NoPrefix);
    }
    let here: Vec<_> =
        apps_in_force(spec).into_iter().filter(|app| app.edge_addrs().contains(&dst)).collect();
    let on_port = |app: &&&AppSpec| (app.edge.ports.first()..=app.edge.ports.last()).contains(&port);
    let on_port: Vec<_> = here.iter().filter(on_port).collect();
    match on_port.iter().find(|app| app.edge.protocol == protocol) {
        Some(app) => Ok(app.id),
        None if here.is_empty() && is_elsewhere(spec, dst) => Err(DropReason::OtherService),
        None if here.is_empty() => Err(DropReason::NoApp),
        None if on_port.is_empty() => Err(DropReason::NoAppPort),
        None => Err(DropReason::WrongProtocol),
    }
}

fn is_elsewhere(spec: &LiveSpec, addr: Addr) -> bool {
    let mut elsewhere = spec.prefixes.iter().flat_map(|prefix| &prefix.elsewhere);
    elsewhere.any(|stretch| stretch.contains(addr))
}

/// The longest onboarded prefix that holds `addr`.
pub fn longest_prefix(spec: &LiveSpec, addr: Addr) -> Option<Prefix> {
    let prefixes = spec.prefixes.iter().map(|spec| spec.prefix);
    prefixes.filter(|prefix| prefix.contains(addr)).max_by_key(|prefix| prefix.length())
}

/// What the rules of the zone at `zone` (in the order of zones), of its account and of the user say of `src`, which comes
/// from `whence`; rules without a source are not in force. Any rule that lets in wins; of several, addresses come
/// before ASN and country, the zone's before the account's and the user's, and within a scope the longest.
pub fn judge(spec: &LiveSpec, zone: usize, src: Addr, (whence, sources): (Whence, Sources)) -> Verdict {
    let Some((account, zone)) = spec.zones().nth(zone) else { return Verdict::None };
    let scopes = [&zone.access_rules, &account.access_rules, &spec.access_rules];
    let kinds: [fn(&RuleSpec) -> bool; 3] = [
        |rule| matches!(rule.target, Target::Net(_)),
        |rule| matches!(rule.target, Target::Asn(_)),
        |rule| matches!(rule.target, Target::Country(_)),
    ];
    let matches = |rule: &RuleSpec| match rule.target {
        Target::Net(net) => net.contains(src),
        Target::Asn(asn) => sources.asn && asn == whence.asn,
        Target::Country(Country::TOR) => sources.tor && whence.country == Country::TOR,
        Target::Country(country) => sources.country && whence.country == country,
    };
    let longest = |rules: &[RuleSpec], mode: Mode, kind: fn(&RuleSpec) -> bool| {
        let these = rules.iter().filter(|rule| rule.mode == mode && kind(rule) && matches(rule));
        these.map(|rule| rule.target).max_by_key(|target| match target {
            Target::Net(net) => net.length(),
            Target::Asn(_) | Target::Country(_) => 0,
        })
    };
    let first = |mode: Mode| {
        kinds.iter().find_map(|kind| scopes.iter().find_map(|rules| longest(rules, mode, *kind)))
    };
    match (first(Mode::Whitelist), first(Mode::Block)) {
        (Some(target), _) => Verdict::LetIn(target),
        (None, Some(target)) => Verdict::Blocked(target),
        (None, None) => Verdict::None,
    }
}
