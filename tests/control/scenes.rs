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
fn single_rules_change_at_once_and_stay_over_reloads() {
    let mut house = House::open("rules", TABLE, None);
    let syn = eth().dst(PORT_MAC).src([0x02, 0, 0, 0, 0, 2]).ip4("203.0.113.7", "198.51.100.10");
    assert!(house.wire.send(&syn.tcp(40_000, 80).syn().bytes()));
    house.wait("the client is in", |house| house.ask(r#"{"ask":"status"}"#)["sessions"] == 1);
    let house = house;
    let verdict = |from: &str| {
        let ask = format!(r#"{{"ask":"where","from":"{from}:5","to":"198.51.100.10:80"}}"#);
        let answer = house.ask(&ask);
        (answer["verdict"].clone(), answer["match"].clone())
    };
    let (relayed, blocked) = (("relay".into(), "UNKNOWN".into()), ("block".into(), "BLOCK_IP".into()));
    let change = |changes: &str| house.ask(&format!(r#"{{"ask":"change_rules","changes":[{changes}]}}"#));
    let target = |value: &str| format!(r#"{{"target":"ip","value":"{value}"}}"#);
    let put = |value: &str| {
        format!(r#"{{"zone":"default","rule":{{"mode":"block","configuration":{}}}}}"#, target(value))
    };
    let remove = |value: &str| format!(r#"{{"zone":"default","remove":{}}}"#, target(value));
    assert_eq!(verdict("203.0.113.7"), relayed);
    let reply = change(&format!("{},{}", put("203.0.113.7"), remove("203.0.113.66")));
    assert_eq!((&reply["ok"], &reply["epoch"]), (&true.into(), &2.into()), "{reply}");
    assert_eq!((verdict("203.0.113.7"), verdict("203.0.113.66")), (blocked.clone(), relayed.clone()));
    let list = house.ask(r#"{"ask":"rules"}"#);
    assert_eq!((&list["total"], &list["rules"][0]["from"]), (&1.into(), &"journal".into()), "{list}");
    assert_eq!(house.ask(r#"{"ask":"reload"}"#)["ok"], true);
    assert_eq!((verdict("203.0.113.7"), verdict("203.0.113.66")), (blocked, relayed.clone()));
    assert_eq!(house.file("state/rules.jsonl").lines().count(), 2);
    house.wait("its session is ended", |house| house.ask(r#"{"ask":"status"}"#)["sessions"] == 0);
    let refused = change(&put("203.0.113.8").replace("default", "nobody"));
    assert!(refused["error"].as_str().is_some_and(|why| why.contains("no zone nobody")), "{refused}");
    let asn = r#"{"user":true,"rule":{"mode":"block","configuration":{"target":"asn","value":"AS7"}}}"#;
    assert_eq!(change(asn)["ok"], true, "a block without its database: the whole table is compiled");
    let apps = house.ask(r#"{"ask":"apps"}"#);
    assert_eq!(apps["apps"][0]["state"], "not_in_force", "{apps}");
    assert_eq!(change(r#"{"user":true,"remove":{"target":"asn","value":"7"}}"#)["ok"], true);
    assert_eq!(verdict("203.0.113.66"), relayed);
    terminate(house);
}

#[test]
fn thousands_of_single_changes_are_worked_into_the_others() {
    let house = House::open("merge", TABLE, None);
    for some in 0..50 {
        let rule = |number: u32| {
            let value = std::net::Ipv4Addr::from_bits(0x0b00_0000 | some << 8 | number);
            format!(
                r#"{{"zone":"default","rule":{{"mode":"block","configuration":{{"target":"ip","value":"{value}"}}}}}}"#
            )
        };
        let rules: Vec<_> = (0..100).map(rule).collect();
        let reply = house.ask(&format!(r#"{{"ask":"change_rules","changes":[{}]}}"#, rules.join(",")));
        assert_eq!(reply["ok"], true, "{reply}");
    }
    // 5,000 edits are more than two merges; each is a snapshot of its own.
    house.wait("they are merged", |house| house.ask(r#"{"ask":"status"}"#)["epoch"].as_u64() >= Some(53));
    let answer = house.ask(r#"{"ask":"where","from":"11.0.49.99:5","to":"198.51.100.10:80"}"#);
    assert_eq!((&answer["verdict"], &answer["rule"]["value"]), (&"block".into(), &"11.0.49.99".into()));
    assert_eq!(
        house.ask(r#"{"ask":"rules","cursor":4900,"limit":1000}"#)["rules"].as_array().map(Vec::len),
        Some(101)
    );
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

const LATER: &str = "later.json";

fn apply(house: &House, within_s: u32) -> serde_json::Value {
    let file = house.path(LATER);
    house.ask(&serde_json::json!({"ask": "apply", "file": file, "within_s": within_s}).to_string())
}

fn first_app(house: &House) -> serde_json::Value {
    house.ask(r#"{"ask":"apps"}"#)["apps"][0]["id"].clone()
}

#[test]
fn a_table_on_trial_goes_by_itself_and_one_that_is_confirmed_stays() {
    let house = House::open("trial", TABLE, None);
    let later = TABLE.replace("\"web\"", "\"later\"");
    house.put(LATER, later.as_bytes());
    assert_eq!(house.ask(r#"{"ask":"trial"}"#)["trial"], serde_json::Value::Null);
    let begun = apply(&house, 1);
    assert_eq!((&begun["ok"], first_app(&house)), (&true.into(), "later".into()), "{begun}");
    assert_eq!(house.ask(r#"{"ask":"status"}"#)["config_source"], "trial");
    assert!(house.file("state/trial.json").contains("later"));
    // A reload in between leaves it in force, and so does a change of the table file.
    assert_eq!(house.ask(r#"{"ask":"reload"}"#)["ok"], true);
    assert_eq!(first_app(&house), "later");
    let second = apply(&house, 60);
    assert!(second["error"].as_str().expect("refused").contains("another table is on trial"), "{second}");
    house.wait("it goes by itself", |house| first_app(house) == "web");
    assert_eq!(house.ask(r#"{"ask":"status"}"#)["config_source"], "file");
    assert_eq!(house.file("state/trial.json"), "");
    assert!(!house.file("state/last_good.json").contains("later"), "what was on trial was never good");
    // Confirmed before the file has it, and then.
    assert_eq!(apply(&house, 60)["ok"], true);
    let early = house.ask(r#"{"ask":"confirm"}"#);
    assert!(early["error"].as_str().expect("refused").contains("is not the table on trial"), "{early}");
    assert_eq!(house.ask(r#"{"ask":"trial"}"#)["trial"]["overtaken"], false);
    house.put_table(&later);
    assert_eq!(house.ask(r#"{"ask":"trial"}"#)["trial"]["overtaken"], true);
    let kept = house.ask(r#"{"ask":"confirm"}"#);
    assert_eq!((&kept["ok"], first_app(&house)), (&true.into(), "later".into()), "{kept}");
    assert!(house.file("state/last_good.json").contains("later"));
    assert_eq!(house.ask(r#"{"ask":"confirm"}"#)["ok"], false, "once");
    terminate(house);
}

#[test]
fn a_trial_that_is_wrong_or_taken_back_leaves_the_table_file_in_force() {
    let house = House::open("untried", TABLE, None);
    house.put(LATER, TABLE.replace("tcp/80", "tcp/0").as_bytes());
    let refused = apply(&house, 60);
    assert!(refused["error"].as_str().expect("refused").contains("/apps/0/protocol"), "{refused}");
    let status = house.ask(r#"{"ask":"status"}"#);
    assert_eq!((&status["config_stale"], &status["config_source"]), (&false.into(), &"file".into()));
    let itself =
        serde_json::json!({"ask": "apply", "file": house.path("t.json"), "within_s": 60}).to_string();
    assert!(house.ask(&itself)["error"].as_str().expect("refused").contains("the table file itself"));
    house.put(LATER, TABLE.replace("\"web\"", "\"later\"").as_bytes());
    assert_eq!(apply(&house, 60)["ok"], true);
    // The table file goes bad meanwhile: what was on trial does not stay for that.
    house.put_table("{");
    let back = house.ask(r#"{"ask":"revert"}"#);
    assert_eq!((&back["ok"], first_app(&house)), (&true.into(), "web".into()), "{back}");
    assert_eq!(house.ask(r#"{"ask":"revert"}"#)["ok"], false, "once");
    terminate(house);
}

#[test]
fn a_trial_is_over_or_not_after_a_restart() {
    let again = |house: House| {
        raise(Signal::SIGTERM).expect("sent");
        house.wait("it ends", House::is_over);
        assert_eq!(house.leave(), Outcome::Ended);
        House::open("again", TABLE, None)
    };
    let house = House::open("again", TABLE, None);
    house.put(LATER, TABLE.replace("\"web\"", "\"later\"").as_bytes());
    assert_eq!(apply(&house, 60)["ok"], true);
    let house = again(house);
    assert_eq!(
        (first_app(&house), house.ask(r#"{"ask":"status"}"#)["config_source"].clone()),
        ("later".into(), "trial".into())
    );
    assert_eq!(house.ask(r#"{"ask":"revert"}"#)["ok"], true);
    assert_eq!(apply(&house, 1)["ok"], true);
    let text = house.file("state/trial.json");
    house.wait("it goes by itself", |house| first_app(house) == "web");
    // As a byway leaves it that was killed in the time.
    house.put("state/trial.json", text.as_bytes());
    let house = again(house);
    assert_eq!((first_app(&house), house.file("state/trial.json")), ("web".into(), String::new()));
    terminate(house);
}

#[test]
fn pages_of_the_table_in_force_are_what_a_file_holds() {
    let house = House::open("tables", TABLE, None);
    let page = |cursor: u32| house.ask(&format!(r#"{{"ask":"tables","cursor":{cursor},"limit":1}}"#));
    let (first, second) = (page(0), page(1));
    assert_eq!((&first["rows"][0]["value"]["cidr"], &first["next"]), (&"198.51.100.0/24".into(), &1.into()));
    assert_eq!((&second["rows"][0]["value"]["id"], &second["total"]), (&"web".into(), &2.into()));
    assert!(second["next"].is_null() && page(2)["rows"] == serde_json::json!([]), "{second}");
    terminate(house);
}
