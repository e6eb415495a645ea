//! Every operation of the document by every kind of credentials. What comes of it is said by a table (`leave`), and what is
//! hidden is answered as what is not there, byte for byte.

use crate::book::{BOOK, Operation};
use crate::leave::{Hands, LEAVES, Leave, Outcome, Over, Side};
use crate::world::World;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use byway::api::{Peer, Secret, TokenText, new_id};
use byway::estate::{Grant, Level, Permission, Reach, Stamp};
use std::collections::BTreeSet;

/// Somebody who asks.
struct Caller {
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    is: Who,
}

/// What is to come of it.
enum Who {
    /// Nobody: status and code.
    Nobody(u16, u64),
    /// Somebody with this in hand.
    Somebody(Hands),
}

fn operations() -> impl Iterator<Item = (&'static Operation, Leave)> {
    let closed = BOOK.operations.iter().filter(|one| one.words["security"].is_null());
    closed.map(|operation| {
        let leave = LEAVES.iter().find(|(name, _)| *name == operation.name);
        let (_, leave) =
            leave.unwrap_or_else(|| panic!("tests/api/leave.rs: what does {} want?", operation.name));
        (operation, *leave)
    })
}

#[test]
fn every_operation_is_in_the_table_of_leave_and_no_other() {
    let known: BTreeSet<&str> = operations().map(|(operation, _)| operation.name.as_str()).collect();
    let named: BTreeSet<&str> = LEAVES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, named);
    assert_eq!(named.len(), LEAVES.len(), "one row each");
}

#[test]
fn every_operation_by_every_kind_of_credentials() {
    let mut world = World::new();
    let before = (world.stand.estate().zones.len(), world.stand.estate().apps.len());
    for (number, (operation, leave)) in operations().enumerate() {
        for caller in callers(&world, leave) {
            held(&world, (operation, leave), &caller, number);
        }
        if number % 25 == 24 {
            world = world.rested();
        }
    }
    let estate = world.stand.estate();
    assert_eq!((estate.zones.len(), estate.apps.len()), before, "all of it said what would happen");
}

/// Asks, and holds the answer against the table.
fn held(world: &World, (operation, leave): (&Operation, Leave), caller: &Caller, number: usize) {
    let path = world.path(operation, |name| world.ours(operation, name));
    let (status, bytes) = ask(world, operation, (&path, caller), number);
    let what =
        || format!("{} by {}: {status} {}", operation.name, caller.what, String::from_utf8_lossy(&bytes));
    let code =
        || serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON")["errors"][0]["code"].as_u64();
    let hands = match &caller.is {
        Who::Nobody(wanted, with) => {
            assert_eq!((status, code()), (*wanted, Some(*with)), "{}", what());
            return;
        }
        Who::Somebody(hands) => hands,
    };
    let ids = operation.parameters("path");
    match hands.outcome(leave, !ids.is_empty()) {
        Outcome::In => {
            assert!(!matches!(status, 401 | 403 | 404 | 429 | 500..), "{}", what());
            // Whoever has all groups meets no other refusal.
            assert!(status < 300 || hands.grants.len() < Permission::ALL.len(), "{}", what());
        }
        Outcome::Denied => assert_eq!((status, code()), (403, Some(9109)), "{}", what()),
        Outcome::Hidden => {
            assert_eq!(status, 404, "{}", what());
            // The same where the first of its ids is nobody's.
            let first = ids.first().map(|(name, _)| name.clone());
            let missing = |name: &str| match Some(name) == first.as_deref() {
                true => new_id().expect("random").to_string(),
                false => world.ours(operation, name),
            };
            let nowhere = ask(world, operation, (&world.path(operation, missing), caller), number);
            assert_eq!(nowhere, (status, bytes.clone()), "{}", what());
        }
    }
}

fn ask(
    world: &World,
    operation: &Operation,
    (path, caller): (&str, &Caller),
    number: usize,
) -> (u16, Vec<u8>) {
    let side = match &caller.is {
        Who::Somebody(Hands { user: Some(side), .. }) => *side,
        Who::Somebody(Hands { user: None, .. }) | Who::Nobody(..) => Side::Ours,
    };
    let (request, body) = world.request(operation, path, side);
    let request =
        caller.headers.iter().fold(request, |request: Builder, (name, value)| request.header(*name, value));
    let request: Request<Body> = request.body(body).expect("a request");
    if caller.what == "the admin socket" {
        let (status, _, bytes) = world.stand.raw(Peer::Local { uid: 0 }, request);
        return (status.as_u16(), bytes);
    }
    world.send(number, request)
}

/// Everybody who asks for an operation.
fn callers(world: &World, leave: Leave) -> Vec<Caller> {
    [shut_out(world, leave), narrow(world, leave), wide(world)].into_iter().flatten().collect()
}

fn bearer(text: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {text}"))]
}

fn by_key(email: &str, key: &str) -> Vec<(&'static str, String)> {
    vec![("x-auth-email", email.to_owned()), ("x-auth-key", key.to_owned())]
}

/// Who is nobody, whatever is asked for.
fn shut_out(world: &World, leave: Leave) -> Vec<Caller> {
    let grants = grants(world, &[(leave.group(), Level::Write, Over::All)]);
    let past = Some(Stamp(1));
    let all = vec![(grants.clone(), true, past), (grants.clone(), false, None), (grants, true, None)];
    let mut tokens = world.tokens(world.ours.user, all);
    let last = tokens[2].pop();
    let wrong = format!("{}{}", tokens[2], if last == Some('0') { '1' } else { '0' });
    let unknown = TokenText { id: new_id().expect("random"), secret: Secret::draw().expect("random") }.text();
    let nobody = |what, headers, (status, code)| Caller { what, headers, is: Who::Nobody(status, code) };
    let other_key = Secret::draw().expect("random").text();
    vec![
        nobody("nobody", vec![], (400, 9106)),
        nobody("a malformed header", vec![("authorization", "Bearer".into())], (400, 6003)),
        nobody("a malformed key", by_key(&world.ours.email, "a b"), (400, 6003)),
        nobody("what is no token", bearer("abc"), (401, 10000)),
        nobody("an unknown or revoked token", bearer(&unknown), (401, 10000)),
        nobody("a token with another secret", bearer(&wrong), (401, 10000)),
        nobody("an expired token", bearer(&tokens[0]), (401, 10000)),
        nobody("a disabled token", bearer(&tokens[1]), (401, 10000)),
        nobody("an unknown service key", vec![("x-auth-user-service-key", unknown.clone())], (401, 10000)),
        nobody("another key of the user", by_key(&world.ours.email, &other_key), (401, 10000)),
        nobody("our key by their address", by_key(&world.theirs.email, &world.ours.key), (401, 10000)),
    ]
}

/// Tokens with one group over something, in the hands of our user.
fn narrow(world: &World, leave: Leave) -> Vec<Caller> {
    let group = leave.group();
    let other = if group == Permission::Dns { Permission::Analytics } else { Permission::Dns };
    let (ours, theirs) = (Side::Ours, Side::Theirs);
    let rows = [
        ("a token that may look", (group, Level::Read, Over::Account(ours))),
        ("a token that may look at the zone", (group, Level::Read, Over::Zone(ours))),
        ("a token of another group", (other, Level::Write, Over::Account(ours))),
        ("a token over another account", (group, Level::Write, Over::Account(theirs))),
        ("a token over another zone", (group, Level::Write, Over::Zone(theirs))),
        ("the right token", (group, Level::Write, Over::Account(ours))),
        ("the right token of the zone", (group, Level::Write, Over::Zone(ours))),
        ("a token over the whole box", (group, Level::Write, Over::All)),
        ("a token that may look at the whole box", (group, Level::Read, Over::All)),
    ];
    let all = rows.iter().map(|(_, grant)| (grants(world, &[*grant]), true, None)).collect();
    let texts = world.tokens(world.ours.user, all);
    let caller = |((what, grant), text): (&(&'static str, (Permission, Level, Over)), String)| {
        let hands = Hands { user: Some(ours), is_token: true, grants: vec![*grant] };
        Caller { what, headers: bearer(&text), is: Who::Somebody(hands) }
    };
    rows.iter().zip(texts).map(caller).collect()
}

/// Who has all groups over something.
fn wide(world: &World) -> Vec<Caller> {
    let every = |over| Permission::ALL.map(|group| (group, Level::Write, over)).to_vec();
    let stranger = every(Over::Account(Side::Theirs));
    let texts = world.tokens(world.theirs.user, vec![(grants(world, &stranger), true, None)]);
    let hands = |user, is_token, over| Who::Somebody(Hands { user, is_token, grants: every(over) });
    let (ours, theirs, operator) = (Some(Side::Ours), Some(Side::Theirs), Some(Side::Operator));
    let root = &world.stand.root;
    vec![
        Caller {
            what: "a stranger",
            headers: bearer(&texts[0]),
            is: hands(theirs, true, Over::Account(Side::Theirs)),
        },
        Caller {
            what: "a stranger's key",
            headers: by_key(&world.theirs.email, &world.theirs.key),
            is: hands(theirs, false, Over::Account(Side::Theirs)),
        },
        Caller {
            what: "the user's key",
            headers: by_key(&world.ours.email, &world.ours.key),
            is: hands(ours, false, Over::Account(Side::Ours)),
        },
        Caller { what: "root", headers: bearer(root), is: hands(operator, true, Over::All) },
        Caller {
            what: "a service key",
            headers: vec![("x-auth-user-service-key", root.clone())],
            is: hands(operator, true, Over::All),
        },
        Caller { what: "the admin socket", headers: vec![], is: hands(None, false, Over::All) },
    ]
}

fn grants(world: &World, all: &[(Permission, Level, Over)]) -> Vec<Grant> {
    let grant = |(permission, level, over): &(Permission, Level, Over)| {
        let reach = match over {
            Over::All => Reach::All,
            Over::Account(side) => Reach::Accounts(vec![world.home(*side).0]),
            Over::Zone(side) => Reach::Zones(vec![world.home(*side).1]),
        };
        Grant { permission: *permission, level: *level, reach }
    };
    all.iter().map(grant).collect()
}

#[test]
fn what_is_of_another_tenant_is_not_there_in_ones_own_account_either() {
    let world = World::new();
    let key = |request: Builder| {
        request.header("x-auth-email", &world.ours.email).header("x-auth-key", &world.ours.key)
    };
    let mut asked = 0;
    for (number, (operation, _)) in operations().enumerate() {
        let names: Vec<String> = operation.parameters("path").into_iter().map(|(name, _)| name).collect();
        let is_home = |name: &str| matches!(name, "zone_id" | "account_id");
        // What is said of an address is not whose it is.
        let foreign = names.iter().filter(|name| !is_home(name) && *name != "ip");
        for name in foreign {
            let answer = |theirs: bool| {
                let place = |one: &str| match (one == name, theirs) {
                    (false, _) => world.ours(operation, one),
                    (true, true) => world.theirs(operation, one),
                    (true, false) => new_id().expect("random").to_string(),
                };
                let (request, body) = world.request(operation, &world.path(operation, place), Side::Ours);
                world.send(number, key(request).body(body).expect("a request"))
            };
            let (theirs, missing) = (answer(true), answer(false));
            assert_eq!(theirs, missing, "{} with another tenant's {name}", operation.name);
            assert!(
                matches!(theirs.0, 403 | 404),
                "{} with another tenant's {name}: {theirs:?}",
                operation.name
            );
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked} operations name an entity of an account or a zone");
}
