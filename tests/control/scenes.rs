//! What the control side does, scene by scene.

use crate::house::{House, Mood, TABLE};
use byway::base::OsClock;
use byway::control::Outcome;
use byway::testkit::frames::eth;
use nix::sys::signal::{Signal, raise};

const PORT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

fn terminate(house: House) {
    raise(Signal::SIGTERM).expect("sent");
    house.wait("it ends", House::is_over);
    assert_eq!(house.close(), Outcome::Ended);
}

#[test]
fn it_answers_over_its_socket_and_probes_and_ends_by_sigterm() {
    let house = House::open("asks", TABLE, None);
    let apps = house.ask(r#"{"ask":"apps"}"#);
    assert_eq!((&apps["apps"][0]["id"], &apps["apps"][0]["state"]), (&"web".into(), &"in_force".into()));
    assert_eq!(house.ask(r#"{"ask":"ports"}"#)["ports"][0]["driver"], "mem");
    assert_eq!(house.ask(r#"{"ask":"sessions"}"#)["sessions"], serde_json::json!([]));
    let neighbors = house.ask(r#"{"ask":"neighbors"}"#);
    assert_eq!(neighbors["neighbors"][0]["address"], "198.18.0.2", "{neighbors}");
    assert!(house.ask(r#"{"ask":"sing"}"#)["error"].as_str().expect("an error").contains("no such request"));
    let whole = r#"{"ask":"where","from":"203.0.113.66:5","to":"198.51.100.10:80"}"#;
    let answer = house.ask(whole);
    assert_eq!((&answer["verdict"], &answer["rule"]["id"]), (&"block".into(), &"bad".into()), "{answer}");
    assert!(house.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(house.get("/readyz").ends_with("ready\n"));
    assert!(house.get("/metrics").contains("byway_config_stale 0"));
    assert!(house.get("/else").starts_with("HTTP/1.1 404"));
    terminate(house);
}

#[test]
fn a_bad_file_keeps_the_old_table_and_a_good_one_replaces_it() {
    let house = House::open("reload", TABLE, None);
    house.put_table(&TABLE.replace("tcp/80", "tcp/0"));
    house.wait("it is stale", |house| house.get("/readyz").contains("config stale"));
    let status = house.ask(r#"{"ask":"status"}"#);
    assert_eq!((&status["epoch"], &status["config_stale"]), (&1.into(), &true.into()));
    assert!(
        status["config_problems"][0].as_str().expect("a problem").contains("/apps/0/protocol"),
        "{status}"
    );
    let refused = house.ask(r#"{"ask":"reload"}"#);
    assert_eq!(refused["ok"], false, "{refused}");
    house.put_table(&TABLE.replace("\"web\"", "\"new\""));
    house.wait("the new app is in force", |house| house.ask(r#"{"ask":"apps"}"#)["apps"][0]["id"] == "new");
    assert!(house.get("/metrics").contains("byway_config_stale 0"));
    let reloaded = house.ask(r#"{"ask":"reload"}"#);
    assert!(reloaded["ok"] == true && reloaded["epoch"].as_u64() >= Some(3), "{reloaded}");
    assert!(house.file("state/last_good.json").contains("\"new\""));
    terminate(house);
}

#[test]
fn a_hundred_reloads_are_each_confirmed() {
    let house = House::open("often", TABLE, None);
    for epoch in 2..102 {
        let reply = house.ask(r#"{"ask":"reload"}"#);
        assert_eq!((&reply["ok"], &reply["epoch"]), (&true.into(), &epoch.into()), "{reply}");
    }
    terminate(house);
}

#[test]
fn a_bad_file_at_start_brings_the_last_good_table_back() {
    let house = House::open("last-good", "{", Some(TABLE));
    let status = house.ask(r#"{"ask":"status"}"#);
    assert_eq!((&status["config_source"], &status["config_stale"]), (&"last_good".into(), &true.into()));
    assert!(house.get("/readyz").contains("degraded"));
    assert_eq!(house.ask(r#"{"ask":"apps"}"#)["apps"][0]["id"], "web");
    terminate(house);
}

#[test]
fn sighup_opens_the_event_file_anew_and_events_carry_the_app() {
    let mut house = House::open("events", TABLE, None);
    house.remove("e.jsonl");
    raise(Signal::SIGHUP).expect("sent");
    house.wait("the file is back", |house| house.ask(r#"{"ask":"status"}"#)["epoch"] == 2);
    let syn = eth().dst(PORT_MAC).src([0x02, 0, 0, 0, 0, 2]).ip4("203.0.113.66", "198.51.100.10");
    assert!(house.wire.send(&syn.tcp(40_000, 80).syn().bytes()));
    house.wait("the block is told", |house| house.file("e.jsonl").contains("clientFiltered"));
    let line = house.file("e.jsonl");
    let event: serde_json::Value = serde_json::from_str(line.trim()).expect("one line");
    assert_eq!((&event["Application"], &event["Status"]), (&"web".into(), &403.into()));
    assert_eq!(event["ClientMatchedIpFirewall"], "BLOCK_IP");
    let year = byway::control::rfc3339(OsClock::unix_micros())[..4].to_owned();
    assert!(event["Timestamp"].as_str().expect("a time").starts_with(&year));
    terminate(house);
}

#[test]
fn a_pulled_cable_degrades_and_heals() {
    let house = House::open("cable", TABLE, None);
    house.link(false);
    house.wait("it is degraded", |house| house.get("/readyz").contains("port mem0: link is down"));
    house.link(true);
    house.wait("it is ready", |house| house.get("/readyz").ends_with("ready\n"));
    terminate(house);
}

#[test]
fn a_worker_that_does_not_turn_is_named_and_ends_the_process() {
    let house = House::open("hang", TABLE, None);
    house.mood(Mood::Stuck);
    house.wait("it ends", House::is_over);
    let Outcome::Failed(why) = house.close() else { panic!("it should have failed") };
    assert!(why.starts_with("worker 0 has not turned for 1"), "{why}");
}

#[test]
fn a_worker_that_dies_is_named_and_ends_the_process() {
    let house = House::open("death", TABLE, None);
    house.mood(Mood::Mad);
    house.wait("it ends", House::is_over);
    assert_eq!(house.close(), Outcome::Failed("worker 0 died: the port is mad".into()));
}
