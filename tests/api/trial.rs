//! Trials of what the API changes: they go back by themselves unless they are confirmed. Time is an argument, so nobody waits.

use crate::stand::{Loop, Reply, Stand};
use axum::body::Body;
use axum::http::{Method, Request};
use byway::base::limits::VERSIONS_BACK_MAX;
use byway::control::parse_rfc3339;
use byway::estate::Grant;
use serde_json::{Value, json};

fn udp(last: u8) -> Value {
    json!({
        "protocol": "udp/53", "dns": {"type": "ADDRESS", "name": format!("n{last}.example.net")},
        "origin_direct": ["udp://192.0.2.7:53"], "edge_ips": {"type": "static", "ips": [format!("203.0.113.{last}")]},
    })
}

fn post(stand: &Stand, path: &str, body: Value) -> Reply {
    stand.admin(Method::POST, path, body)
}

/// Begins a trial; the second at which it is over.
fn begin(stand: &Stand, seconds: u64) -> u64 {
    post(stand, "/byway/trial", json!({"confirm_within": seconds})).result();
    until(stand)
}

/// The second at which the trial is over.
fn until(stand: &Stand) -> u64 {
    let until = trial(stand)["until"].as_str().and_then(parse_rfc3339).expect("a time");
    until / 1_000_000
}

fn trial(stand: &Stand) -> Value {
    stand.get("/byway/trial").result()["trial"].clone()
}

fn newest(stand: &Stand) -> Value {
    stand.get("/byway/history?limit=1").result()[0].clone()
}

fn apps(stand: &Stand) -> Value {
    stand.get(&stand.apps()).result().clone()
}

fn app(stand: &Stand, last: u8) -> String {
    let id = stand.post(&stand.apps(), udp(last)).result()["id"].clone();
    format!("{}/{}", stand.apps(), id.as_str().expect("an id"))
}

#[test]
fn what_changed_on_trial_goes_back_by_itself_when_its_time_is_over() {
    let stand = Stand::new();
    let old = app(&stand, 1);
    let (before, version) = (apps(&stand), newest(&stand)["version"].as_u64().expect("a number"));
    assert_eq!(trial(&stand), Value::Null);
    let over = begin(&stand, 60);
    let held = trial(&stand);
    assert_eq!(
        (&held["version"], &held["within"], &held["problem"]),
        (&json!(version), &json!(60), &Value::Null)
    );
    assert!((1..=60).contains(&held["seconds_left"].as_u64().expect("a number")), "{held}");
    let changed = stand.call(Method::PATCH, &old, json!({"ip_firewall": true}));
    assert_eq!(changed.result()["ip_firewall"], true);
    let said = changed.body["messages"].to_string();
    assert!(
        said.contains("on trial until ") && said.contains(&format!("back to version {version}")),
        "{said}"
    );
    stand.post(&stand.apps(), udp(2)).result();
    stand.call(Method::DELETE, &old, Value::Null).result();
    let history = stand.get("/byway/history?limit=5").result().clone();
    let flags: Vec<_> =
        history.as_array().expect("a list").iter().map(|one| one["on_trial"] == true).collect();
    assert_eq!(flags, [true, true, true, true, false], "{history}");
    // A second before its time, and at it.
    stand.tend(over - 1);
    assert_eq!(stand.estate().apps.iter().count(), 1);
    assert_ne!(apps(&stand), before);
    stand.tend(over);
    assert_eq!((apps(&stand), trial(&stand)), (before.clone(), Value::Null));
    let last = newest(&stand);
    assert_eq!((&last["actor"], &last["on_trial"]), (&json!("byway"), &json!(false)));
    let words = last["action"].as_str().expect("a text");
    assert!(words.starts_with(&format!("not confirmed within 60 s, back to version {version}: ")), "{words}");
    assert_eq!(last["changes"].as_array().expect("a list").len(), 2, "{last}");
    stand.go_on();
    assert_eq!(stand.heard.lock().expect("no panic").last().expect("told").held, None);
    stand.tend(over + 1_000);
    assert_eq!(newest(&stand), last, "once");
    // What was taken back can be had again, and is there no trial any more, nobody speaks of one.
    let again = post(&stand, "/byway/rollback", json!({"version": version + 4}));
    assert_eq!((&again.result()["changes"], &again.body["messages"]), (&json!(2), &json!([])));
    let stand = stand.restarted();
    assert_eq!((trial(&stand), stand.estate().apps.iter().count()), (Value::Null, 1));
}

#[test]
fn a_trial_goes_back_over_more_changes_than_a_rollback_does() {
    let stand = Stand::new();
    let old = app(&stand, 1);
    let before = apps(&stand);
    let over = begin(&stand, 600);
    for number in 0..VERSIONS_BACK_MAX as u32 + 5 {
        stand.call(Method::PATCH, &old, json!({"limits": {"connections": number + 1}})).result();
    }
    for _ in 0..3 {
        let new = app(&stand, 2);
        stand.call(Method::DELETE, &new, Value::Null).result();
    }
    stand.tend(over);
    assert_eq!(apps(&stand), before);
    assert_eq!(
        newest(&stand)["changes"].as_array().expect("a list").len(),
        1,
        "what is as it was is no change"
    );
}

#[test]
fn what_is_confirmed_stays_and_is_nobodys_trial_any_more() {
    let stand = Stand::new();
    let none = post(&stand, "/byway/trial/confirm", Value::Null);
    assert_eq!(none.failure(), (404, 10006, None));
    assert!(none.body.to_string().contains("byway admin try"), "{none:?}");
    let over = begin(&stand, 60);
    app(&stand, 1);
    let dry = post(&stand, "/byway/trial/confirm?dry_run=true", Value::Null);
    assert_eq!((&dry.result()["changes"], trial(&stand).is_null()), (&json!(1), false));
    assert_eq!(post(&stand, "/byway/trial/confirm", Value::Null).result()["changes"], 1);
    let last = newest(&stand);
    assert_eq!((&last["actor"], &last["changes"]), (&json!("local user 0"), &json!([])));
    assert!(last["action"].as_str().expect("a text").contains("kept, on trial since version 1"), "{last}");
    stand.tend(over + 1);
    assert_eq!((newest(&stand), stand.estate().apps.iter().count()), (last, 1));
    assert_eq!(post(&stand, "/byway/trial/confirm", Value::Null).failure().0, 404, "once");
}

#[test]
fn what_is_on_trial_is_taken_back_by_hand() {
    let stand = Stand::new();
    assert_eq!(post(&stand, "/byway/trial/revert", Value::Null).failure(), (404, 10006, None));
    begin(&stand, 60);
    app(&stand, 1);
    let dry = post(&stand, "/byway/trial/revert?dry_run=true", Value::Null);
    assert_eq!((&dry.result()["changes"], stand.estate().apps.iter().count()), (&json!(1), 1));
    assert!(
        dry.body["messages"][0]["message"].as_str().expect("words").contains("would be removed"),
        "{dry:?}"
    );
    assert_eq!(
        post(&stand, "/byway/trial/revert", Value::Null).result(),
        &json!({"version": 1, "changes": 1})
    );
    assert_eq!((trial(&stand), stand.estate().apps.iter().count()), (Value::Null, 0));
    assert_eq!(newest(&stand)["actor"], "local user 0");
    // A trial of nothing ends, too.
    begin(&stand, 60);
    assert_eq!(post(&stand, "/byway/trial/revert", Value::Null).result()["changes"], 0);
    assert_eq!(trial(&stand), Value::Null);
}

#[test]
fn a_rollback_and_imports_are_on_trial_with_what_follows_and_no_second_trial_begins() {
    let stand = Stand::new();
    app(&stand, 1);
    app(&stand, 2);
    let (before, version) = (apps(&stand), newest(&stand)["version"].as_u64().expect("a number"));
    let back = json!({"version": version - 2, "confirm_within": 60});
    let dry = post(&stand, "/byway/rollback?dry_run=true", back.clone());
    assert_eq!((&dry.result()["changes"], trial(&stand)), (&json!(2), Value::Null));
    let begun = post(&stand, "/byway/rollback", back.clone());
    assert_eq!((&begun.result()["changes"], stand.estate().apps.iter().count()), (&json!(2), 0));
    assert!(begun.body["messages"].to_string().contains(&format!("back to version {version}")), "{begun:?}");
    assert_eq!(trial(&stand)["action"], "POST /byway/rollback, on trial for 60 s");
    let over = until(&stand);
    app(&stand, 3);
    let whole = post_export(&stand);
    let import = json!({"document": whole, "confirm_within": 60});
    let cloudflare = json!({"lists": {"accounts": []}, "confirm_within": 60});
    for (path, body) in [
        ("/byway/trial", json!({"confirm_within": 60})),
        ("/byway/rollback", back),
        ("/byway/import", import.clone()),
        ("/byway/import/cloudflare", cloudflare),
    ] {
        let refused = post(&stand, path, body);
        assert_eq!(refused.failure(), (400, 10016, None), "{path}");
        assert!(refused.body.to_string().contains("a trial is under way until"), "{refused:?}");
    }
    stand.tend(over);
    assert_eq!(apps(&stand), before);
    // An import on trial, which nothing but its time takes back.
    let imported = post(&stand, "/byway/import", import.clone());
    assert_eq!((&imported.result()["made"], stand.estate().apps.iter().count()), (&json!(1), 3));
    let over = until(&stand);
    stand.tend(over);
    assert_eq!(apps(&stand), before);
    // Nothing to try.
    let document = post_export(&stand);
    let nothing = post(&stand, "/byway/import", json!({"document": document, "confirm_within": 60}));
    assert!(nothing.body["messages"].to_string().contains("no trial begins"), "{nothing:?}");
    assert_eq!(trial(&stand), Value::Null);
    let zone = json!({"accounts": [{"id": "5".repeat(32), "name": "theirs"}], "zones": []});
    let taken = post(&stand, "/byway/import/cloudflare", json!({"lists": zone, "confirm_within": 60}));
    taken.result();
    assert_eq!(stand.estate().accounts.len(), 2, "{taken:?}");
    stand.tend(until(&stand));
    assert_eq!((stand.estate().accounts.len(), trial(&stand)), (1, Value::Null));
}

fn post_export(stand: &Stand) -> Value {
    stand.admin(Method::GET, "/byway/export", Value::Null).result()["document"].clone()
}

#[test]
fn a_trial_is_begun_right_and_over_the_admin_socket_or_not_at_all() {
    let stand = Stand::new();
    for seconds in [json!(0), json!(86_401), json!("60"), json!(-1), json!(1.5)] {
        for (path, more) in [("/byway/trial", json!({})), ("/byway/rollback", json!({"version": 0}))] {
            let mut body = more;
            body["confirm_within"] = seconds.clone();
            assert_eq!(
                post(&stand, path, body).failure(),
                (400, 10011, Some("/confirm_within")),
                "{seconds}"
            );
        }
    }
    assert_eq!(post(&stand, "/byway/trial", json!({})).failure(), (400, 10011, Some("/confirm_within")));
    let back = json!({"version": 0, "confirm_within": 60});
    assert_eq!(stand.post("/byway/rollback", back).failure().0, 403, "by a token, whatever it may");
    for path in ["/byway/trial", "/byway/trial/confirm", "/byway/trial/revert"] {
        assert_eq!(stand.post(path, json!({"confirm_within": 60})).failure().0, 403, "{path}");
    }
    let dry = post(&stand, "/byway/trial?dry_run=true", json!({"confirm_within": 60}));
    assert_eq!((dry.result(), trial(&stand)), (&json!({"trial": null}), Value::Null));
}

/// Puts a letter among these; its path.
fn letter_in(stand: &Stand, letters: &str) -> String {
    let form =
        "--x\r\nContent-Disposition: form-data; name=\"loa_document\"\r\n\r\n%PDF-1.4 one\r\n--x--\r\n";
    let upload = Request::post(format!("/client/v4{letters}"))
        .header("content-type", "multipart/form-data; boundary=x")
        .header("authorization", format!("Bearer {}", stand.root));
    let letter = stand.send(upload.body(Body::from(form)).expect("a request")).result()["id"].clone();
    format!("{letters}/{}", letter.as_str().expect("an id"))
}

#[test]
fn an_account_that_was_made_with_a_letter_goes_with_it_and_users_are_not_deleted_on_trial() {
    let stand = Stand::new();
    let made = || {
        let account = post(&stand, "/accounts", json!({ "name": "new" })).result()["id"].clone();
        let account = account.as_str().expect("an id").to_owned();
        let letter = letter_in(&stand, &format!("/accounts/{account}/addressing/loa_documents"));
        (format!("/accounts/{account}"), letter)
    };
    let is_gone = |(account, letter): &(String, String)| {
        let status = |path: &str| stand.call(Method::GET, path, Value::Null).status.as_u16();
        (status(account), status(&format!("{letter}/download"))) == (404, 404)
    };
    let user = post(&stand, "/byway/users", json!({ "email": "gone@example.com" })).result()["id"].clone();
    let user = format!("/byway/users/{}", user.as_str().expect("an id"));
    let over = begin(&stand, 60);
    let on_trial = made();
    assert_eq!(stand.call(Method::DELETE, &user, Value::Null).failure(), (400, 10016, None));
    stand.tend(over);
    assert_eq!((trial(&stand), is_gone(&on_trial)), (Value::Null, true));
    stand.call(Method::DELETE, &user, Value::Null).result();
    let history = stand.call(Method::GET, "/byway/history?limit=1", Value::Null).result().clone();
    let version = history[0]["version"].clone();
    let by_hand = made();
    post(&stand, "/byway/rollback", json!({ "version": version })).result();
    assert!(is_gone(&by_hand));
}

#[test]
fn what_was_revoked_on_trial_stays_revoked_and_letters_are_not_deleted_on_trial() {
    let stand = Stand::new();
    let letter = letter_in(&stand, &stand.addressing("loa_documents"));
    let (old, over) = (stand.token(Grant::everything()), begin(&stand, 60));
    let new = stand.token(Grant::everything());
    let id = stand.call_by(&old, Method::GET, "/user/tokens/verify", Value::Null).result()["id"].clone();
    let gone = format!("/user/tokens/{}", id.as_str().expect("an id"));
    let revoked = stand.call(Method::DELETE, &gone, Value::Null);
    assert!(
        revoked.status.is_success() && revoked.body["messages"] == json!([]),
        "it is on no trial: {revoked:?}"
    );
    let refused = stand.call(Method::DELETE, &letter, Value::Null);
    assert_eq!(refused.failure(), (400, 10016, None));
    assert_eq!(stand.call(Method::DELETE, &format!("{letter}?dry_run=true"), Value::Null).failure().0, 400);
    stand.tend(over);
    assert_eq!(trial(&stand), Value::Null);
    assert_eq!(stand.call_by(&old, Method::GET, "/zones", Value::Null).status.as_u16(), 401);
    stand.call_by(&new, Method::GET, "/zones", Value::Null).result();
    stand.call(Method::DELETE, &letter, Value::Null).result();
}

#[test]
fn going_back_that_fails_is_told_and_tried_again_and_leaves_all_in_force_until_then() {
    let stand = Stand::new();
    let over = begin(&stand, 60);
    app(&stand, 1);
    let is = apps(&stand);
    let told = || {
        stand.go_on();
        let heard = stand.heard.lock().expect("no panic");
        let news = heard.last().expect("told").clone();
        (news.failures, news.held.and_then(|held| held.problem))
    };
    for (at, failures) in [(over, 1), (over + 10, 2)] {
        *stand.mood.lock().expect("no panic") = Loop::Refuses;
        stand.tend(at);
        assert_eq!(told(), (failures, Some("the bench refuses it".into())));
        assert_eq!((apps(&stand), &trial(&stand)["problem"]), (is.clone(), &json!("the bench refuses it")));
        assert_eq!(trial(&stand)["seconds_left"].as_u64().map(|left| left <= 60), Some(true));
        // It rests in between.
        stand.tend(at + 9);
        assert_eq!(apps(&stand), is);
    }
    // By hand it is tried at once.
    *stand.mood.lock().expect("no panic") = Loop::Refuses;
    assert_eq!(post(&stand, "/byway/trial/revert", Value::Null).failure().0, 400);
    assert_eq!(told().0, 2, "which is told to whoever asks");
    stand.tend(over + 20);
    assert_eq!((apps(&stand), trial(&stand), told()), (json!([]), Value::Null, (2, None)));
}

#[test]
fn workers_that_are_late_undo_what_begins_a_trial_and_not_what_ends_it() {
    let stand = Stand::new();
    let old = app(&stand, 1);
    let version = newest(&stand)["version"].as_u64().expect("a number");
    *stand.mood.lock().expect("no panic") = Loop::IsLate;
    let late = post(&stand, "/byway/rollback", json!({"version": version - 1, "confirm_within": 60}));
    assert_eq!((late.failure().0, trial(&stand), stand.estate().apps.iter().count()), (503, Value::Null, 1));
    let over = begin(&stand, 60);
    stand.call(Method::DELETE, &old, Value::Null).result();
    *stand.mood.lock().expect("no panic") = Loop::IsLate;
    stand.tend(over);
    assert_eq!((trial(&stand), stand.estate().apps.iter().count()), (Value::Null, 1));
    let stand = stand.restarted();
    assert_eq!((trial(&stand), stand.estate().apps.iter().count()), (Value::Null, 1));
}

#[test]
fn a_trial_goes_on_over_a_restart_and_is_not_longer_by_a_clock_that_was_set_back() {
    let stand = Stand::new();
    let over = begin(&stand, 3_600);
    app(&stand, 1);
    let held = trial(&stand);
    let stand = stand.restarted();
    assert_eq!((&trial(&stand)["until"], &trial(&stand)["version"]), (&held["until"], &held["version"]));
    stand.tend(over - 3_600);
    assert_eq!(stand.estate().apps.iter().count(), 1);
    stand.tend(over - 3_601);
    assert_eq!((stand.estate().apps.iter().count(), trial(&stand)), (0, Value::Null));
}
