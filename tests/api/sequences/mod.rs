//! Random sequences of calls, good and bad, dry runs, late workers and ways back: after every call the estate, the store, the
//! snapshot and the answers say what a naive model says.

pub mod beside;
pub mod files;
pub mod model;
pub mod ranges;
pub mod records;
pub mod verbs;
pub mod view;

use crate::stand::{Loop, Stand};
use axum::http::Method;
use beside::Beside;
use byway::base::{Addr, DropReason, Rng};
use byway::tls::{AppTls, Mode};
use byway::vault::{SqliteVault, Vault};
use byway::wire::Protocol;
use model::{
    Account, AddressMap, App, Binding, Certificate, HELD, Met, Model, NETS, NEW, Prefix, Token, Zone, address,
};
use records::RecordVerb;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use verbs::{Ground, LASTS, Verb, draw, request};
use view::{by_answers, by_export};

/// Sequences, and calls of each.
const SEQUENCES: u64 = 28;
const CALLS: usize = 120;

/// What sequences came to: a test that met little would prove little.
#[derive(Debug, Default)]
struct Tally {
    outcomes: BTreeMap<&'static str, u32>,
    /// Calls that were done, by their words.
    done: BTreeMap<String, u32>,
    /// Codes of refusals that the model foretold.
    codes: BTreeMap<u64, u32>,
    /// Apps with TLS that a first packet met, and of these such as have a name for clients without one.
    met_tls: [u32; 2],
    /// Lines of zone files: made into records, and passed over.
    lines: [u64; 2],
}

/// Codes that the model foretells.
const CODES: [u64; 22] = [
    1_000, 1_001, 1_003, 9_000, 9_002, 9_004, 9_005, 9_006, 9_007, 9_021, 10_006, 10_011, 10_015, 10_016,
    11_000, 81_044, 81_053, 81_054, 81_055, 81_056, 81_057, 81_058,
];
/// Words of the calls that are to be done.
const WORDS: [&str; 14] = [
    "TurnZone",
    "Record Import",
    "Record Make",
    "Record Turn",
    "Record Drop",
    "Beside MakeMap",
    "Beside TurnMap",
    "Beside PutIn",
    "Beside TakeOut",
    "Beside DropMap",
    "Beside MakeLetter",
    "Beside DropLetter",
    "MakeCertificate",
    "TurnCertificate",
];

#[test]
fn any_sequence_of_calls_leaves_the_box_as_the_model_has_it() {
    let mut tally = Tally::default();
    for seed in 0..SEQUENCES {
        // Printed where the test fails.
        println!("seed {seed}");
        sequence(seed, &mut tally);
    }
    println!("{tally:?}");
    for outcome in ["done", "refused", "dry", "late", "back", "not back"] {
        assert!(tally.outcomes.get(outcome) >= Some(&20), "{outcome}: {tally:?}");
    }
    for word in WORDS {
        assert!(tally.done.get(word) >= Some(&5), "{word}: {tally:?}");
    }
    for code in CODES {
        assert!(tally.codes.contains_key(&code), "{code}: {tally:?}");
    }
    assert!(tally.met_tls.iter().all(|met| *met >= 20), "{tally:?}");
    assert!(tally.lines.iter().all(|lines| *lines >= 10), "{tally:?}");
}

fn sequence(seed: u64, tally: &mut Tally) {
    let mut rng = Rng::new(0x5e9_0000 + seed);
    let stand = Stand::new();
    let ground = ground(&stand);
    let mut model = start(&stand);
    // What the box was after each version, as far as that is known.
    let mut past: BTreeMap<u64, Model> =
        BTreeMap::from([(0, Model::default()), (newest(&stand), model.clone())]);
    // Half of them begin with an app that has TLS, and a name for clients without one: few come to that by chance.
    for verb in 0..if seed % 2 == 1 { 4 } else { 0 } {
        let verb = secure(verb, &model);
        assert_eq!(carry_out(&verb, (false, false), &stand, (&mut model, &ground), tally), "done");
        past.insert(newest(&stand), model.clone());
    }
    for call in 0..CALLS {
        let outcome = match rng.below(20) {
            0 => go_back(&mut rng, &stand, &mut model, &past),
            _ => one_call(&mut rng, &stand, (&mut model, &ground), tally),
        };
        *tally.outcomes.entry(outcome).or_default() += 1;
        if outcome != "late" {
            past.insert(newest(&stand), model.clone());
        }
        let place = || format!("seed {seed}, call {call} ({outcome})");
        assert_eq!(by_export(&byway::estate::export(&stand.estate())), model.view(), "{}", place());
        assert_eq!(byway::estate::unsound(&stand.estate()), [], "{}", place());
        probe(&stand, &model, &place(), tally);
        if call % 20 == 0 {
            assert_eq!(answers(&stand, &ground), model.shown(), "{}", place());
        }
    }
    assert_eq!(answers(&stand, &ground), model.shown(), "seed {seed}");
    let stand = stand.restarted();
    assert_eq!(
        by_export(&byway::estate::export(&stand.estate())),
        model.view(),
        "seed {seed}: after a restart"
    );
    assert_eq!(answers(&stand, &ground), model.shown(), "seed {seed}: after a restart");
    assert_eq!(stored(&stand), model.view(), "seed {seed}: the store");
}

/// One random call, by what came of it.
fn one_call(
    rng: &mut Rng,
    stand: &Stand,
    (model, ground): (&mut Model, &Ground),
    tally: &mut Tally,
) -> &'static str {
    let verb = draw(rng, model, ground);
    let moods = (rng.chance_ppm(100_000), rng.chance_ppm(50_000));
    carry_out(&verb, moods, stand, (model, ground), tally)
}

/// A call as a dry run, or while workers are late.
fn carry_out(
    verb: &Verb,
    (is_dry, is_late): (bool, bool),
    stand: &Stand,
    (model, ground): (&mut Model, &Ground),
    tally: &mut Tally,
) -> &'static str {
    let mut ask = request(verb, model, ground);
    if is_dry {
        ask.path.push_str("?dry_run=true");
    }
    *stand.mood.lock().expect("no panic") = if is_late { Loop::IsLate } else { Loop::Confirms };
    let reply = match (ask.by_admin, ask.is_form) {
        (true, _) => stand.admin(ask.method, &ask.path, ask.body),
        (false, false) => stand.call(ask.method, &ask.path, ask.body),
        (false, true) => stand.send_form(&ask.path, ask.text()),
    };
    *stand.mood.lock().expect("no panic") = Loop::Confirms;
    let status = reply.status.as_u16();
    let next = match verb.after(model) {
        Ok(next) => next,
        Err(refusal) => {
            assert!((400..500).contains(&status), "{verb:?} is to be refused: {reply:?}");
            reply.failure();
            let mut codes =
                reply.body["errors"].as_array().expect("errors").iter().map(|error| &error["code"]);
            assert!(
                refusal.is_none_or(|code| codes.any(|told| *told == code)),
                "{verb:?}: {refusal:?}: {reply:?}"
            );
            if let Some(code) = refusal {
                *tally.codes.entry(code).or_default() += 1;
            }
            return "refused";
        }
    };
    if is_late && status == 503 {
        assert_eq!(reply.failure().1, 10_002);
        return "late";
    }
    let result = reply.result();
    if is_dry {
        return "dry";
    }
    if let Verb::Record(RecordVerb::Import(file)) = verb {
        let (added, all) = ((next.records.len() - model.records.len()) as u64, file.lines.len() as u64);
        let said = |key: &str| result[key].as_u64();
        assert_eq!(
            (said("recs_added"), said("total_records_parsed")),
            (Some(added), Some(all)),
            "{file:?}: {reply:?}"
        );
        tally.lines[0] += added;
        tally.lines[1] += all - added;
        *model = next.recognised(&by_export(&byway::estate::export(&stand.estate())));
    } else {
        *model = next.named(result["id"].as_str().unwrap_or("none"));
    }
    *tally.done.entry(word(verb)).or_default() += 1;
    "done"
}

/// The calls that make an app with TLS, one after the other.
fn secure(number: u32, model: &Model) -> Verb {
    let (account, zone) = (model.accounts[0].id.clone(), model.zones[model.zones.len() - 1].id.clone());
    let (id, ips) = (NEW.to_owned(), vec![(0, LASTS[0])]);
    match number {
        0 => Verb::MakeZone { account, name: "example.com".into() },
        1 => Verb::MakeCertificate(Certificate { id, zone, pair: 0 }),
        2 => {
            let (name, ports) = (HELD[0].into(), (7, 7));
            Verb::MakeApp(App { id, zone, name, tcp: true, ports, ips, firewall: false, tls: "full" })
        }
        _ => {
            let (words, sni, members) = ("m".into(), Some(HELD[0]), Vec::new());
            Verb::Beside(Beside::MakeMap(AddressMap { id, account, words, enabled: true, sni, ips, members }))
        }
    }
}

/// What a call is called.
fn word(verb: &Verb) -> String {
    let text = format!("{verb:?}");
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    match (words.next().unwrap_or_default(), words.next()) {
        (first @ ("Record" | "Beside"), Some(second)) => format!("{first} {second}"),
        (first, _) => first.to_owned(),
    }
}

/// Back to a version that is known, or to one that cannot be gone back to.
fn go_back(rng: &mut Rng, stand: &Stand, model: &mut Model, past: &BTreeMap<u64, Model>) -> &'static str {
    let newest = newest(stand);
    // Mostly not far, so that what was made has time to be met by other calls.
    let version = newest.saturating_sub(if rng.chance_ppm(700_000) { rng.below(4) } else { rng.below(26) });
    let then = past.get(&version).cloned();
    let may = version < newest && version + 20 >= newest;
    let reply = if may && then.is_none() {
        // The sight of a change that was not confirmed: nobody knows what it made.
        return "unknown";
    } else {
        stand.admin(Method::POST, "/byway/rollback", json!({"version": version}))
    };
    // What was revoked stays revoked, and letters are not kept twice; one goes with an account that was not there yet.
    let then = then.filter(|_| may).map(|then| Model {
        tokens: model.tokens.clone(),
        letters: model.letters.iter().filter(|one| then.account(&one.account).is_some()).cloned().collect(),
        letter_bytes_max: model.letter_bytes_max,
        ..then
    });
    match then.filter(Model::holds_together) {
        Some(then) => {
            reply.result();
            *model = then;
            "back"
        }
        None => {
            assert_eq!(reply.failure(), (400, 10_011, Some("/version")), "{version} of {newest}");
            "not back"
        }
    }
}

fn newest(stand: &Stand) -> u64 {
    let history = stand.admin(Method::GET, "/byway/history?limit=1", Value::Null);
    history.result()[0]["version"].as_u64().expect("a number")
}

/// What a stand holds from its start.
fn start(stand: &Stand) -> Model {
    let estate = stand.estate();
    let id = |id: byway::estate::Id| id.to_string();
    let prefix = estate.prefixes.iter().next().expect("one");
    let binding = estate.bindings.iter().next().expect("one");
    let token = estate.tokens.iter().next().expect("one");
    let (account, zone) = (id(stand.account), id(stand.zone));
    let mut model = Model::default();
    model.accounts.push(Account { id: account.clone(), name: "one".into() });
    model.zones.push(Zone { id: zone, name: "example.net".into(), account: account.clone() });
    model.tokens.push(Token { id: id(token.id), name: "root".into() });
    model.prefixes.push(Prefix { id: id(prefix.id), account, net: 0, approved: true, letter: None });
    model.letter_bytes_max = 100;
    let binding = Binding { id: id(binding.id), prefix: id(prefix.id), range: (0, 24), service: "Spectrum" };
    model.bindings.push(binding);
    model
}

fn ground(stand: &Stand) -> Ground {
    let groups = stand.get("/user/tokens/permission_groups").result().clone();
    let group = groups.as_array().expect("a list").iter().find(|group| group["name"] == "Zone Settings Read");
    let group = group.expect("one")["id"].as_str().expect("an id").to_owned();
    Ground { user: stand.user.to_string(), group }
}

fn answers(stand: &Stand, ground: &Ground) -> view::View {
    let ask = |method: Method, path: &str| {
        // The user's own lists want the user; the others are asked where nothing is counted.
        let reply = match path.starts_with("/user") {
            true => stand.call(method, path, Value::Null),
            false => stand.admin(method, path, Value::Null),
        };
        Some(reply.body)
    };
    by_answers(&ask, ground).expect("answered")
}

/// What the store says when nobody else has it.
fn stored(stand: &Stand) -> view::View {
    let copy = stand.folder().join("copy");
    let made = stand.admin(Method::POST, "/byway/backup", json!({"to": copy}));
    made.result();
    let mut vault = SqliteVault::open(&copy, [1; 32], "test").expect("a copy");
    assert!(!vault.load().expect("rows").is_empty());
    let reserved = stand.reserved().clone();
    by_export(&byway::estate::export(&byway::api::read(&mut vault, &reserved).expect("it reads")))
}

/// What an app says of TLS: how far it reaches, names that a client may ask for, and that of one without a name.
fn shown(tls: Option<&AppTls>, edge: Addr) -> model::Tls {
    let tls = tls?;
    let mode = match tls.mode() {
        Mode::Flexible => "flexible",
        Mode::Full => "full",
        Mode::Strict => "strict",
    };
    let known = HELD.into_iter().filter(|name| tls.knows(Some(name))).collect();
    Some((mode, known, tls.nameless_at(edge).map(str::to_owned)))
}

/// The snapshot in force, asked for every address and port that calls are about.
fn probe(stand: &Stand, model: &Model, place: &str, tally: &mut Tally) {
    let Some(snapshot) = stand.snapshot.lock().expect("no panic").clone() else { return };
    for net in 0..NETS.len() {
        for last in LASTS.into_iter().chain([9]) {
            let addr: std::net::IpAddr = address((net, last)).parse().expect("an address");
            for (tcp, port) in [true, false].into_iter().flat_map(|tcp| (1..=10).map(move |port| (tcp, port)))
            {
                let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
                let met = match snapshot.table.find(Addr::from(addr), protocol, port) {
                    Ok(slot) => {
                        let id = snapshot.table.app(slot).expect("in force").id.to_string();
                        let app = model.apps.iter().find(|app| app.id == id);
                        let app = app.unwrap_or_else(|| panic!("{place}: {id} is no app"));
                        assert_eq!(
                            shown(snapshot.tls.app(slot).map(|tls| &**tls), addr.into()),
                            model.tls(app, (net, last)),
                            "{place}: TLS of {app:?} at {addr}"
                        );
                        if let Some((_, _, nameless)) = model.tls(app, (net, last)) {
                            tally.met_tls[0] += 1;
                            tally.met_tls[1] += u32::from(nameless.is_some());
                        }
                        Met::App(id)
                    }
                    Err(DropReason::NoPrefix) => Met::NoPrefix,
                    Err(DropReason::OtherService) => Met::OtherService,
                    Err(DropReason::NoApp | DropReason::NoAppPort | DropReason::WrongProtocol) => Met::NoApp,
                    Err(other) => panic!("{place}: {other:?}"),
                };
                assert_eq!(met, model.met((net, last), tcp, port), "{place}: {addr} {protocol:?} {port}");
            }
        }
    }
}
