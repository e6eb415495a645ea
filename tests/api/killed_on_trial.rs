//! kill -9 during trials: a whole byway over a port in memory (`killed`). What is on trial stays so with the time that it has
//! left; a start after its time goes back before anything is in force; nothing begins or ends by half.

use crate::killed::{House, Process};
use crate::sequences::verbs::Request;
use axum::http::Method;
use byway::base::Rng;
use byway::vault::Vault;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::Duration;

/// How often a byway is killed while a trial begins, and while one ends.
const KILLS: u64 = 20;
/// Kills where one of the two was never kept until then.
const KILLS_MAX: u64 = 8 * KILLS;
/// The longest time from the call to the end, in microseconds: a call takes a few milliseconds.
const LINGER_US_MAX: u64 = 9_000;

fn by_admin(house: &House, method: Method, path: &str, body: Value) -> Option<(u16, Value)> {
    house.ask(&Request { method, path: path.into(), body, by_admin: true, is_form: false })
}

#[track_caller]
fn done(house: &House, method: Method, path: &str, body: Value) -> Value {
    let (status, mut answer) = by_admin(house, method, path, body).expect("it answers");
    assert!((200..300).contains(&status), "{path}: {answer}");
    answer["result"].take()
}

fn apps(house: &House) -> String {
    format!("/zones/{}/spectrum/apps", house.model.zones[0].id)
}

/// Makes an app; its path.
fn app(house: &House) -> String {
    let app = json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": "one.example.net"},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": ["203.0.113.1"]},
    });
    let made = done(house, Method::POST, &apps(house), app);
    format!("{}/{}", apps(house), made["id"].as_str().expect("an id"))
}

fn trial(house: &House) -> Value {
    done(house, Method::GET, "/byway/trial", Value::Null)["trial"].take()
}

/// Whether the store is on a trial, and how many apps it has.
fn kept(house: &House) -> (bool, usize) {
    let stored = house.stored();
    let apps = stored.keys().filter(|key| key.starts_with("app ")).count();
    (house.copy().trial().is_some(), apps)
}

/// Kills the process some time after a call began; the answer, if it came.
fn killed(mut process: Process, rng: &mut Rng, call: impl FnOnce() -> Option<(u16, Value)>) -> Option<u16> {
    let linger = Duration::from_micros(rng.below(LINGER_US_MAX));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(linger);
        process.end();
    });
    let answer = call();
    killer.join().expect("killed");
    answer.map(|(status, _)| status)
}

#[test]
fn a_trial_outlives_kill_9_and_a_start_after_its_time_goes_back_before_it_serves() {
    let house = House::build("outlives");
    let mut process = house.start();
    let app = app(&house);
    let id = house.in_force();
    assert_eq!((id.len(), trial(&house)), (1, Value::Null));
    assert_eq!(house.control(r#"{"ask":"trial"}"#)["trial"], Value::Null);
    let begun = done(&house, Method::POST, "/byway/trial", json!({"confirm_within": 3_600}));
    done(&house, Method::DELETE, &app, Value::Null);
    process.end();
    let mut process = house.start();
    assert_eq!(
        (trial(&house)["until"].clone(), house.in_force().len()),
        (begun["trial"]["until"].clone(), 0)
    );
    let asked = house.control(r#"{"ask":"trial"}"#);
    let socket = asked["admin_socket"].as_str().expect("it says where trials of the API end");
    assert!(socket.starts_with('/') && socket.ends_with("/api.sock"), "{asked}");
    let status = house.control(r#"{"ask":"status"}"#);
    let left = status["trial_seconds_left"].as_u64().expect("a number");
    assert!((3_000..=3_600).contains(&left), "{status}");
    assert_eq!(
        (&status["trial_back_to"], &status["readiness"]),
        (&begun["trial"]["version"], &json!("ready"))
    );
    let counters = house.control(r#"{"ask":"counters"}"#).to_string();
    assert!(
        counters.contains("byway_config_on_trial") && counters.contains("byway_config_trial_seconds_left")
    );
    process.end();
    house.let_trial_time_pass();
    let mut process = house.start();
    assert_eq!((house.in_force(), trial(&house)), (id.clone(), Value::Null), "from the start on");
    let newest = done(&house, Method::GET, "/byway/history?limit=1", Value::Null)[0].take();
    assert_eq!(newest["actor"], "byway");
    assert!(
        newest["action"].as_str().expect("a text").starts_with("not confirmed within 3600 s"),
        "{newest}"
    );
    process.end();
    let _process = house.start();
    let again = done(&house, Method::GET, "/byway/history?limit=1", Value::Null)[0].take();
    assert_eq!((again, house.in_force()), (newest, id), "once");
}

#[test]
fn kill_9_while_a_trial_begins_or_ends_leaves_all_of_it_or_nothing() {
    let house = House::build("halves");
    let mut rng = Rng::new(0x7217);
    let (mut began, mut ended) = (0, 0);
    for kill in 0..KILLS_MAX {
        // On a busy machine the kill comes first for long.
        if kill >= KILLS && began > 0 && ended > 0 {
            break;
        }
        println!("kill {kill}");
        let mut process = house.start();
        let app = app(&house);
        let newest = done(&house, Method::GET, "/byway/history?limit=1", Value::Null)[0]["version"].as_u64();
        let back = json!({"version": newest.expect("a number") - 1, "confirm_within": 3_600});
        if kill % 2 == 0 {
            let roll = || by_admin(&house, Method::POST, "/byway/rollback", back);
            let answer = killed(process, &mut rng, roll);
            let found = kept(&house);
            assert!(found == (true, 0) || (found == (false, 1) && answer.is_none()), "{answer:?} {found:?}");
            began += usize::from(found.0);
            process = house.start();
            if found.0 {
                done(&house, Method::POST, "/byway/trial/revert", Value::Null);
            }
        } else {
            done(&house, Method::POST, "/byway/rollback", back);
            let revert = || by_admin(&house, Method::POST, "/byway/trial/revert", Value::Null);
            let answer = killed(process, &mut rng, revert);
            let found = kept(&house);
            assert!(found == (false, 1) || (found == (true, 0) && answer.is_none()), "{answer:?} {found:?}");
            ended += usize::from(!found.0);
            process = house.start();
            assert_eq!((!trial(&house).is_null(), house.in_force().len()), found, "what is kept is in force");
            if found.0 {
                done(&house, Method::POST, "/byway/trial/revert", Value::Null);
            }
        }
        assert_eq!((trial(&house), house.in_force().len()), (Value::Null, 1));
        done(&house, Method::DELETE, &app, Value::Null);
        process.end();
    }
    println!("{began} beginnings and {ended} ends were kept");
    assert!(began > 0 && ended > 0, "a kill that always comes first proves little: {began} {ended}");
}

impl House {
    /// As if the trial's time had passed while byway was away.
    fn let_trial_time_pass(&self) {
        let store = Connection::open(self.folder.join("store")).expect("nobody holds it");
        let moved = store.execute("UPDATE trial SET until = until - 4000", []).expect("written");
        assert_eq!(moved, 1, "there is a trial");
    }
}
