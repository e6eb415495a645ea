//! Spectrum's analytics as its clients see them: shapes, numbers, both spellings of lists, refusals, tenants.

use crate::stand::Stand;
use axum::http::Method;
use byway::analytics::{EventName, Fact, IpVersion, Owner, Tag};
use byway::estate::{Grant, Level, Permission, Reach, Zone};
use serde_json::{Value, json};

const HOUR_S: u64 = 3_600;

fn now_s() -> u64 {
    byway::base::OsClock::unix_micros() / 1_000_000
}

/// 2026-11-27T04:05:00.000000Z
fn stamp(seconds: u64) -> String {
    byway::control::rfc3339(seconds * 1_000_000)
}

fn app(number: u128) -> String {
    format!("{number:032x}")
}

/// An app of the stand's zone: ten bytes in and a hundred out, over a connection of as many seconds as its number.
fn fact(stand: &Stand, number: u128, event: EventName, at_s: u64) -> Fact {
    let zone = Tag::from_bits(stand.zone.bits());
    let ends = event == EventName::Disconnect;
    Fact {
        at_s,
        owner: Owner { zone, app: Tag::from_bits(number) },
        event,
        ip: if number.is_multiple_of(2) { IpVersion::V6 } else { IpVersion::V4 },
        count: 1,
        ingress: if ends { 10 } else { 0 },
        egress: if ends { 100 } else { 0 },
        duration_ms: ends.then_some(number as u64 % 1_000 * 1_000),
    }
}

/// Three apps with as many connections as their numbers, an hour and a half ago.
fn three_apps(stand: &Stand) -> u64 {
    let at_s = now_s() - 90 * 60;
    let each = (1..=3_u128).flat_map(|number| (0..number).map(move |_| number));
    let events = each.flat_map(|number| {
        [EventName::Connect, EventName::Disconnect].map(|event| fact(stand, number, event, at_s))
    });
    stand.record(&events.collect::<Vec<_>>());
    at_s
}

fn path(stand: &Stand, rest: &str) -> String {
    format!("/zones/{}/spectrum/analytics/{rest}", stand.zone)
}

fn get(stand: &Stand, rest: &str) -> Value {
    stand.get(&path(stand, rest)).result().clone()
}

fn refusal(stand: &Stand, rest: &str) -> String {
    let reply = stand.get(&path(stand, rest));
    assert_eq!(reply.failure(), (400, 10014, None), "{rest}");
    reply.body["errors"][0]["message"].as_str().expect("a message").to_owned()
}

#[test]
fn a_summary_has_a_row_a_group_and_echoes_what_was_asked() {
    let stand = Stand::new();
    three_apps(&stand);
    let since = stamp(now_s() - 2 * HOUR_S).replace(":", "%3A");
    let told = get(
        &stand,
        &format!(
            "events/summary?metrics=count,bytesIngress,bytesEgress,durationAvg,durationMedian,duration90th,duration99th\
             &dimensions=appID,ipVersion&sort=-count&filters=event%3D%3Ddisconnect&since={since}&limit=2"
        ),
    );
    assert_eq!(
        told["data"],
        json!([
            {"dimensions": [app(3), "4"], "metrics": [3, 30, 300, 3000.0, 2975.0, 2975.0, 2975.0]},
            {"dimensions": [app(2), "6"], "metrics": [2, 20, 200, 2000.0, 1999.0, 1999.0, 1999.0]},
        ])
    );
    assert_eq!(told["rows"], 2);
    assert_eq!(told["totals"]["count"], 6, "of all rows");
    assert_eq!((&told["min"]["bytesEgress"], &told["max"]["bytesEgress"]), (&json!(100), &json!(300)));
    assert_eq!(told["totals"]["durationAvg"].as_f64().map(f64::round), Some(2333.0));
    assert!(told["data_lag"].as_u64().is_some_and(|lag| lag < 60));
    assert!(told.get("time_intervals").is_none());
    let query = &told["query"];
    assert_eq!(query["dimensions"], json!(["appID", "ipVersion"]));
    assert_eq!((&query["filters"], &query["sort"]), (&json!("event==disconnect"), &json!(["-count"])));
    assert_eq!((&query["limit"], query["metrics"].as_array().map(Vec::len)), (&json!(2), Some(7)));
}

#[test]
fn without_parameters_six_hours_of_everything_are_one_row() {
    let stand = Stand::new();
    let nothing = get(&stand, "events/summary");
    assert_eq!((&nothing["rows"], &nothing["totals"]["count"]), (&json!(1), &json!(0)));
    three_apps(&stand);
    stand.record(&[fact(&stand, 9, EventName::Connect, now_s() - 7 * HOUR_S)]);
    let told = get(&stand, "events/summary");
    assert_eq!(told["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["data"][0]["dimensions"], json!([]));
    assert_eq!(told["data"][0]["metrics"][0], 12);
    assert_eq!(told["query"]["metrics"][0], "count");
    let since = byway::control::parse_rfc3339(told["query"]["since"].as_str().expect("a time"));
    let until = byway::control::parse_rfc3339(told["query"]["until"].as_str().expect("a time"));
    let minutes = (until.expect("a time") - since.expect("a time")) / 60_000_000;
    assert!((360..=361).contains(&minutes), "{minutes} minutes");
    let none = get(&stand, "events/summary?dimensions=appID&filters=coloName==SFO");
    assert_eq!((&none["rows"], &none["data"]), (&json!(0), &json!([])));
    assert_eq!(none["max"]["count"], 0);
}

#[test]
fn lists_read_the_same_in_both_spellings_and_times_in_any_offset() {
    let stand = Stand::new();
    three_apps(&stand);
    let ask = |rest: &str| {
        let mut told = get(&stand, &format!("events/summary?{rest}"));
        told["data_lag"] = 0.into();
        told
    };
    let at = now_s() - 2 * HOUR_S;
    let (utc, east) = (stamp(at), stamp(at + HOUR_S).replace('Z', ""));
    let one =
        ask(&format!("metrics=count,bytesEgress&dimensions=event,appID&sort=%2Bevent,-count&since={utc}"));
    assert_eq!(one["data"][0]["dimensions"], json!(["connect", app(3)]));
    for other in [
        format!(
            "metrics=count&metrics=bytesEgress&dimensions=event&dimensions=appID&sort=%2Bevent&sort=-count&since={utc}"
        ),
        format!(
            "metrics=count&metrics=bytesEgress&dimensions=event,appID&sort=+event&sort=-count&since={east}%2B01%3A00"
        ),
        format!("metrics=count,bytesEgress&dimensions=event,appID&sort=+event,-count&since={east}+01:00"),
        format!(
            "metrics=count,bytesEgress&dimensions=event,appID&sort=+event,-count&since={}",
            utc.replace('Z', "")
        ),
    ] {
        assert_eq!(ask(&other), one, "{other}");
    }
}

#[test]
fn by_time_has_a_list_a_metric_over_aligned_intervals() {
    let stand = Stand::new();
    let noon_s = now_s() / HOUR_S * HOUR_S - 3 * HOUR_S;
    let facts = [0, 59, 60, 3_599, 3_600, 2 * HOUR_S - 1]
        .map(|after| fact(&stand, 1, EventName::Disconnect, noon_s + after));
    stand.record(&facts);
    let range = format!("since={}&until={}", stamp(noon_s), stamp(noon_s + 2 * HOUR_S));
    let told = get(&stand, &format!("events/bytime?metrics=count,bytesIngress&time_delta=hour&{range}"));
    assert_eq!(told["data"], json!([{"dimensions": [], "metrics": [[4, 2], [40, 20]]}]));
    assert_eq!(
        told["time_intervals"],
        json!([
            [stamp(noon_s), stamp(noon_s + HOUR_S)],
            [stamp(noon_s + HOUR_S), stamp(noon_s + 2 * HOUR_S)]
        ])
    );
    assert_eq!(
        (&told["totals"]["count"], &told["max"]["count"], &told["min"]["count"]),
        (&json!(6), &json!(4), &json!(2))
    );
    assert_eq!(told["query"]["time_delta"], "hour");
    let fine = get(&stand, &format!("events/bytime?metrics=count&time_delta=minute&{range}"));
    let counts = fine["data"][0]["metrics"][0].as_array().expect("a list").clone();
    assert_eq!((counts.len(), &counts[0], &counts[1], &counts[59]), (120, &json!(2), &json!(1), &json!(1)));
    for (delta, first) in
        [("dekaminute", 3), ("day", 0), ("week", 0), ("month", 0), ("quarter", 0), ("year", 0)]
    {
        let told = get(&stand, &format!("events/bytime?metrics=count&time_delta={delta}&{range}"));
        let numbers = told["data"][0]["metrics"][0].as_array().expect("a list").clone();
        assert_eq!(numbers.iter().filter_map(Value::as_u64).sum::<u64>(), 6, "{delta}");
        assert!(first == 0 || numbers[0] == first, "{delta}: {numbers:?}");
    }
}

#[test]
fn what_cannot_be_answered_names_the_parameter_and_what_would_be_right() {
    let stand = Stand::new();
    let many = "event==connect,".repeat(200);
    for (rest, words) in [
        ("events/summary?metrics=counts", "metrics: \"counts\" is none of count, bytesIngress"),
        ("events/summary?metrics=", "metrics has an empty item"),
        ("events/summary?metrics=count,count", "metrics has \"count\" twice"),
        ("events/summary?dimensions=app", "dimensions: \"app\" is none of event, appID, coloName, ipVersion"),
        ("events/summary?filters=", "filters is empty"),
        ("events/summary?filters=count%3E5", "filters: \"count>5\" is no comparison"),
        (&format!("events/summary?filters={many}"), "filters: "),
        ("events/summary?sort=-event", "sort: \"event\" is none of the metrics and dimensions"),
        ("events/summary?limit=0", "limit must be a whole number from 1 to 10000"),
        ("events/summary?limit=10001", "limit must"),
        ("events/summary?since=yesterday", "since must be a time of RFC 3339"),
        ("events/summary?until=2026-13-01T00:00:00Z", "until must be a time of RFC 3339"),
        ("events/summary?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "must lie before until"),
        ("events/summary?since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "must lie before until"),
        ("events/summary?since=2019-01-01T00:00:00Z", "since lies more than 400 days before"),
        ("events/summary?time_delta=hour", "\"time_delta\" means nothing here"),
        ("events/bytime", "time_delta is missing: it is one of year, quarter"),
        ("events/bytime?time_delta=", "time_delta is empty"),
        ("events/bytime?time_delta=second", "time_delta must be one of year"),
        (
            "events/bytime?time_delta=minute&since=2025-01-01T00:00:00Z&until=2025-01-01T01:00:00Z",
            "time_delta: minutes are kept from",
        ),
        (
            "events/bytime?time_delta=hour&since=2025-01-01T00:00:00Z&until=2025-01-01T01:00:00Z",
            "time_delta: hours are kept from",
        ),
        ("aggregate/current?appID=1", "appID: \"1\" is no id of an app"),
        ("aggregate/current?appID=", "appID has an empty item"),
        ("aggregate/current?colo_name=", "colo_name is empty"),
        ("aggregate/current?colo=FRA", "\"colo\" means nothing here"),
    ] {
        let told = refusal(&stand, rest);
        assert!(told.contains(words), "{rest}: {told}");
    }
    let until = stamp(now_s() + 3 * 86_400);
    let told = refusal(
        &stand,
        &format!("events/bytime?time_delta=minute&since={}&until={until}", stamp(now_s() - 60)),
    );
    assert!(told.contains("time_delta: the range has more than 1500 intervals"), "{told}");
}

#[test]
fn the_last_minute_tells_of_apps_that_did_something() {
    let stand = Stand::new();
    assert_eq!(get(&stand, "aggregate/current"), json!([]));
    let progress = Fact { ingress: 5, egress: 6, ..fact(&stand, 2, EventName::Progress, now_s()) };
    let mut facts = vec![progress];
    facts.extend([1, 3].into_iter().flat_map(|number| {
        [EventName::Connect, EventName::Disconnect].map(|event| fact(&stand, number, event, now_s()))
    }));
    stand.record(&facts);
    let row = |number: u128, ingress: u64, egress: u64, connections: u64, average: f64| json!({"appID": app(number), "bytesEgress": egress, "bytesIngress": ingress, "connections": connections, "durationAvg": average});
    let all = [row(1, 10, 100, 1, 1000.0), row(2, 5, 6, 0, 0.0), row(3, 10, 100, 1, 3000.0)];
    assert_eq!(get(&stand, "aggregate/current"), json!(all));
    assert_eq!(get(&stand, "aggregate/current?colo_name=FRA"), json!(all));
    let many: Vec<String> = (0..501).map(app).collect();
    let many = refusal(&stand, &format!("aggregate/current?appID={}", many.join(",")));
    assert!(many.contains("more than 500 apps"), "{many}");
    assert_eq!(get(&stand, "aggregate/current?colo_name=SFO"), json!([]));
    let (one, three) = (app(1), app(3));
    for spelling in [format!("appID={one},{three}"), format!("appID={one}&appID={three}")] {
        assert_eq!(get(&stand, &format!("aggregate/current?{spelling}")), json!([all[0], all[2]]));
    }
}

#[test]
fn numbers_are_for_those_who_may_read_analytics_of_the_zone() {
    let stand = Stand::new();
    three_apps(&stand);
    let other = byway::api::new_id().expect("random");
    stand.put(vec![
        Zone {
            id: other,
            name: "example.org".into(),
            account: stand.account,
            created_on: crate::stand::MADE,
            modified_on: crate::stand::MADE,
        }
        .into(),
    ]);
    let token = |permission, zone| {
        let reach = Reach::Zones(vec![zone]);
        stand.token(vec![Grant { permission, level: Level::Read, reach }])
    };
    let reader = token(Permission::Analytics, stand.zone);
    let settings = token(Permission::ZoneSettings, stand.zone);
    let neighbor = token(Permission::Analytics, other);
    for rest in ["events/summary", "events/bytime?time_delta=hour", "aggregate/current"] {
        let by = |token: &str| stand.call_by(token, Method::GET, &path(&stand, rest), Value::Null);
        by(&reader).result();
        assert_eq!(by(&settings).failure(), (403, 9109, None), "{rest}");
        assert_eq!(by(&neighbor).failure(), (404, 10006, None), "{rest}");
        let post = stand.call_by(&reader, Method::POST, &path(&stand, rest), json!({}));
        assert_eq!(post.failure(), (405, 10405, None), "{rest}");
    }
    let theirs = format!("/zones/{other}/spectrum/analytics/events/summary?dimensions=appID");
    let told = stand.call_by(&neighbor, Method::GET, &theirs, Value::Null);
    assert_eq!(told.result()["rows"], 0, "another zone's apps are not there");
    assert_eq!(stand.get("/zones/xyz/spectrum/analytics/events/summary").failure().1, 7003);
}

#[test]
fn rows_of_a_removed_app_stay_with_its_zone_over_a_restart() {
    let stand = Stand::new();
    let body = json!({
        "protocol": "tcp/22",
        "dns": {"type": "ADDRESS", "name": "ssh.example.net"},
        "origin_direct": ["tcp://192.0.2.9:22"],
        "edge_ips": {"type": "static", "ips": ["203.0.113.1"]},
    });
    let id = stand.post(&stand.apps(), body).result()["id"].as_str().expect("an id").to_owned();
    let bits = u128::from_str_radix(&id, 16).expect("an id");
    let moved = Fact { duration_ms: Some(5), ..fact(&stand, bits, EventName::Disconnect, now_s() - 60) };
    stand.record(&[moved]);
    stand.call(Method::DELETE, &format!("{}/{id}", stand.apps()), Value::Null).result();
    let rest = format!("events/summary?metrics=count,bytesEgress&dimensions=appID&filters=appID=={id}");
    let rows = json!([{"dimensions": [id], "metrics": [1, 100]}]);
    assert_eq!(get(&stand, &rest)["data"], rows);
    let stand = stand.restarted();
    assert_eq!(get(&stand, &rest)["data"], rows);
}

#[test]
fn what_is_wrong_with_the_file_of_rows_is_for_the_operator_alone() {
    let stand = Stand::new_in(|folder| {
        let path = folder.join("analytics");
        let (recorder, _, clerk) = byway::analytics::open(&path, "test", "FRA").expect("opened");
        drop(recorder);
        clerk.run(|text| panic!("{text}"));
        let plain = rusqlite::Connection::open(path).expect("opened");
        plain.execute_batch("DROP TABLE floor").expect("dropped");
    });
    let reply = stand.get(&path(&stand, "events/summary"));
    assert_eq!(reply.failure().0, 503);
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(reply.body["errors"][0]["message"], "analytics cannot be read now; try again");
    assert_eq!(get(&stand, "aggregate/current"), json!([]), "the last minute is in memory");
}
