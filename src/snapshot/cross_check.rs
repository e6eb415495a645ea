//! The compiled snapshot is asked some hundred questions whose answers a naive reading of the spec knows.
//!
//! The spec is read once, whatever the number of questions: each address and range of it looks up, in the sorted list
//! of questions, those that it answers. So a million rules cost a fraction of a second and share no code with the hash
//! maps that they check.

use super::compile::Acting;
use super::frozen::Snapshot;
use super::live_spec::LiveSpec;
use super::reports::Reports;
use crate::base::Rng;
use crate::base::{Addr, AppSlot, AsNumber, Country, DropReason, Whence, ZoneSlot};
use crate::firewall::{Judgement, Mode, RuleNet, RuleSpec, Target, WhenceMap};
use crate::table::{AppSpec, Prefix};
use crate::wire::Protocol;
use std::fmt;

/// Questions to each of the two tables.
const QUESTIONS: usize = 256;

/// A question to which the compiled snapshot and the naive model have different answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// What was asked.
    pub question: String,
    /// What the compiled snapshot says.
    pub compiled: String,
    /// What the spec says.
    pub naive: String,
}

/// Asks; `seed` chooses the questions.
///
/// # Errors
/// The first `Disagreement`.
pub fn cross_check(
    spec: &LiveSpec,
    reports: &Reports,
    snapshot: &Snapshot,
    seed: u64,
) -> Result<(), Disagreement> {
    let mut rng = Rng::new(seed);
    let apps = spec.zones().flat_map(|(_, zone)| &zone.apps).zip(reports.iter());
    let in_force: Vec<(&AppSpec, AppSlot)> =
        apps.filter_map(|(app, report)| report.slot.map(|slot| (app, slot))).collect();
    check_table(spec, &in_force, snapshot, &mut rng)?;
    check_rules(spec, snapshot, &mut rng)
}

/// A destination and what the spec says of it so far.
struct Destination {
    addr: Addr,
    protocol: Protocol,
    port: u16,
    app: Option<AppSlot>,
    has_app: bool,
    other_protocol: bool,
}

fn check_table(
    spec: &LiveSpec,
    in_force: &[(&AppSpec, AppSlot)],
    snapshot: &Snapshot,
    rng: &mut Rng,
) -> Result<(), Disagreement> {
    let prefixes: Vec<Prefix> = spec.prefixes.iter().map(|spec| spec.prefix).collect();
    let mut asked: Vec<_> = (0..QUESTIONS).map(|_| destination(&prefixes, in_force, rng)).collect();
    asked.sort_unstable_by_key(|question| question.addr);
    for (app, slot) in in_force {
        for addr in app.edge_addrs() {
            let from = asked.partition_point(|question| question.addr < *addr);
            let there = asked[from..].iter_mut().take_while(|question| question.addr == *addr);
            there.for_each(|question| question.hear(app, *slot));
        }
    }
    for question in &asked {
        let naive = match question.app {
            Some(slot) => Ok(slot),
            None if !prefixes.iter().any(|prefix| prefix.contains(question.addr)) => {
                Err(DropReason::NoPrefix)
            }
            None if !question.has_app && is_elsewhere(spec, question.addr) => Err(DropReason::OtherService),
            None if !question.has_app => Err(DropReason::NoApp),
            None if question.other_protocol => Err(DropReason::WrongProtocol),
            None => Err(DropReason::NoAppPort),
        };
        let Destination { addr, protocol, port, .. } = *question;
        let compiled = snapshot.table.find(addr, protocol, port);
        let known = compiled.is_err() || compiled.is_ok_and(|slot| snapshot.table.app(slot).is_some());
        if compiled != naive || !known || snapshot.table.has_app(addr) != question.has_app {
            return Err(Disagreement {
                question: format!("the app of {addr} {protocol:?} {port}"),
                compiled: format!("{compiled:?}"),
                naive: format!("{naive:?}"),
            });
        }
    }
    Ok(())
}

fn is_elsewhere(spec: &LiveSpec, addr: Addr) -> bool {
    let mut elsewhere = spec.prefixes.iter().flat_map(|prefix| &prefix.elsewhere);
    elsewhere.any(|stretch| stretch.contains(addr))
}

impl Destination {
    /// An app in force has this address.
    fn hear(&mut self, app: &AppSpec, slot: AppSlot) {
        let has_port = app.edge.ports.first() <= self.port && self.port <= app.edge.ports.last();
        self.has_app = true;
        if has_port && app.edge.protocol == self.protocol {
            self.app = Some(slot);
        } else if has_port {
            self.other_protocol = true;
        }
    }
}

/// Half of the questions are an app's own edge; the others differ from one in a port, a protocol or a bit.
fn destination(prefixes: &[Prefix], in_force: &[(&AppSpec, AppSlot)], rng: &mut Rng) -> Destination {
    let app = pick(in_force, rng).map(|(app, _)| *app);
    let edge = app.and_then(|app| pick(app.edge_addrs(), rng).map(|addr| (*addr, app.edge)));
    let prefix = pick(prefixes, rng).map(|prefix| prefix.first());
    let (mut addr, mut protocol, mut port) = match (edge, prefix) {
        (Some((addr, edge)), _) => {
            let within = rng.below(u64::from(edge.ports.count())) as u16;
            (addr, edge.protocol, edge.ports.first() + within)
        }
        (None, Some(first)) => (first, Protocol::Tcp, 443),
        (None, None) => (Addr::v4(rng.next_u32().to_be_bytes()), Protocol::Tcp, 443),
    };
    match rng.below(8) {
        0 => port = rng.next_u32() as u16,
        1 if protocol == Protocol::Tcp => protocol = Protocol::Udp,
        1 => protocol = Protocol::Tcp,
        2 => addr = flip(addr, rng),
        3 => addr = prefix.map_or(addr, |first| flip(first, rng)),
        _ => {}
    }
    Destination { addr, protocol, port, app: None, has_app: false, other_protocol: false }
}

/// The address with one bit turned, within its family.
fn flip(addr: Addr, rng: &mut Rng) -> Addr {
    let bits = if addr.is_v4() { 32 } else { 128 };
    let turned = Addr::from_bits(addr.bits() ^ 1 << rng.below(bits));
    // An IPv6 address one bit away from a mapped one would be IPv4: leave that one alone.
    if turned.is_v4() == addr.is_v4() { turned } else { addr }
}

pub(super) fn pick<'a, T>(items: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    items.get(rng.below(items.len() as u64) as usize)
}

/// A client of one zone's apps and what the rules say of it so far.
struct Client {
    addr: Addr,
    whence: Whence,
    zone: ZoneSlot,
    account: usize,
    /// By kind (address, ASN, country): whether one lets in, whether one blocks.
    said: [[bool; 2]; 3],
}

impl Client {
    /// Hears of a rule that matches.
    fn hear(&mut self, kind: usize, scope: Scope, mode: Mode) {
        let acts = match scope {
            Scope::User => true,
            Scope::Account(account) => account == self.account,
            Scope::Zone(zone) => zone == self.zone,
        };
        self.said[kind][0] |= acts && mode == Mode::Whitelist;
        self.said[kind][1] |= acts && mode == Mode::Block;
    }

    /// Whether it passes, and Spectrum's word for why: any that lets in wins, and the first kind is named.
    fn verdict(&self) -> (bool, &'static str) {
        let first = |which: usize| self.said.iter().position(|kind| kind[which]);
        match (first(0), first(1)) {
            (Some(kind), _) => (true, ["WHITELIST_IP", "WHITELIST_ASN", "WHITELIST_COUNTRY"][kind]),
            (None, Some(kind)) => (false, ["BLOCK_IP", "BLOCK_ASN", "BLOCK_COUNTRY"][kind]),
            (None, None) => (true, "UNKNOWN"),
        }
    }
}

/// Whose rules they are.
#[derive(Clone, Copy)]
enum Scope {
    User,
    Account(usize),
    Zone(ZoneSlot),
}

fn check_rules(spec: &LiveSpec, snapshot: &Snapshot, rng: &mut Rng) -> Result<(), Disagreement> {
    let scopes = scopes(spec);
    let zones: Vec<(ZoneSlot, usize)> = (0_u32..)
        .map(ZoneSlot)
        .zip(
            spec.accounts
                .iter()
                .enumerate()
                .flat_map(|(number, account)| account.zones.iter().map(move |_| number)),
        )
        .collect();
    if zones.is_empty() {
        return Ok(());
    }
    let whences = &snapshot.whences;
    let mut asked: Vec<_> = (0..QUESTIONS).filter_map(|_| client(&scopes, &zones, whences, rng)).collect();
    asked.sort_unstable_by_key(|question| question.addr);
    let places = Places::of(&asked);
    for (scope, rules) in scopes {
        let acting = rules.iter().filter(|rule| Acting::of(rule, whences.sources()) == Acting::InForce);
        acting.for_each(|rule| hear_rule(&mut asked, &places, scope, rule));
    }
    for question in &asked {
        let compiled = match snapshot.rules.judge(question.zone, question.addr, whences) {
            Judgement::Pass(said) => (true, said.name()),
            Judgement::Block(said) => (false, said.name()),
        };
        let naive = question.verdict();
        if compiled != naive {
            let question = format!("the rules of zone {} for {}", question.zone, question.addr);
            let (compiled, naive) = (format!("{compiled:?}"), format!("{naive:?}"));
            return Err(Disagreement { question, compiled, naive });
        }
    }
    Ok(())
}

/// Where questions lie by ASN and by country, in order.
struct Places {
    asn: Vec<(AsNumber, usize)>,
    country: Vec<(Country, usize)>,
}

impl Places {
    fn of(asked: &[Client]) -> Self {
        let whences = || asked.iter().map(|question| question.whence);
        let mut asn: Vec<_> = whences().map(|whence| whence.asn).zip(0..).collect();
        let mut country: Vec<_> = whences().map(|whence| whence.country).zip(0..).collect();
        asn.sort_unstable();
        country.sort_unstable();
        Self { asn, country }
    }
}

fn hear_rule(asked: &mut [Client], places: &Places, scope: Scope, rule: &RuleSpec) {
    match rule.target {
        Target::Net(net) => {
            let from = asked.partition_point(|question| question.addr < net.first());
            let there = asked[from..].iter_mut().take_while(|question| net.contains(question.addr));
            there.for_each(|question| question.hear(0, scope, rule.mode));
        }
        Target::Asn(asn) => {
            matching(&places.asn, asn).for_each(|at| asked[at].hear(1, scope, rule.mode));
        }
        Target::Country(country) => {
            matching(&places.country, country).for_each(|at| asked[at].hear(2, scope, rule.mode));
        }
    }
}

fn matching<T: Ord + Copy>(places: &[(T, usize)], wanted: T) -> impl Iterator<Item = usize> + '_ {
    let from = places.partition_point(|(value, _)| *value < wanted);
    places[from..].iter().take_while(move |(value, _)| *value == wanted).map(|(_, at)| *at)
}

/// Most questions lie in a rule's range, some one bit outside, some anywhere that a database knows, some anywhere.
fn client(
    scopes: &[(Scope, &[RuleSpec])],
    zones: &[(ZoneSlot, usize)],
    whences: &WhenceMap,
    rng: &mut Rng,
) -> Option<Client> {
    let (zone, account) = *pick(zones, rng)?;
    let rule = pick(scopes, rng).and_then(|(_, rules)| pick(rules, rng));
    let anywhere = Addr::v4(rng.next_u32().to_be_bytes());
    let addr = match rule.map(|rule| rule.target) {
        Some(Target::Net(net)) => near(net, rng),
        Some(Target::Asn(_) | Target::Country(_)) | None => whences.start(rng.next_u64()).unwrap_or(anywhere),
    };
    Some(Client { addr, whence: whences.find(addr), zone, account, said: [[false; 2]; 3] })
}

fn near(net: RuleNet, rng: &mut Rng) -> Addr {
    let host_bits = if net.first().is_v4() { 32 - net.length() } else { 128 - net.length() };
    let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let host = if host_bits == 128 { random } else { random & !(u128::MAX << host_bits) };
    let inside = Addr::from_bits(net.first().bits() | host);
    if rng.below(4) == 0 { flip(inside, rng) } else { inside }
}

/// All scopes with their rules.
fn scopes(spec: &LiveSpec) -> Vec<(Scope, &[RuleSpec])> {
    let mut scopes: Vec<(Scope, &[RuleSpec])> = vec![(Scope::User, &spec.access_rules)];
    let accounts = spec.accounts.iter().enumerate();
    scopes
        .extend(accounts.map(|(number, account)| (Scope::Account(number), account.access_rules.as_slice())));
    let zones = (0_u32..).zip(spec.zones());
    scopes.extend(zones.map(|(slot, (_, zone))| (Scope::Zone(ZoneSlot(slot)), zone.access_rules.as_slice())));
    scopes
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: compiled {}, spec {}", self.question, self.compiled, self.naive)
    }
}
