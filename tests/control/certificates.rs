//! Certificates that are renewed, broken and taken away while byway runs; the table file stands still.

use crate::house::{House, TABLE};
use byway::control::Outcome;
use byway::testkit::tls::{EDGE, EDGE_RSA, OTHER};
use nix::sys::signal::{Signal, raise};

const CERT: &str = "certificates/edge.pem";
const KEY: &str = "certificates/edge.key";

fn table() -> String {
    let app = TABLE
        .replace("www.example.com", "lab.example.com")
        .replace("\"ip_firewall\"", "\"tls\":\"flexible\",\"ip_firewall\"");
    app.replacen('{', "{\"certificates\":[{\"cert\":\"edge.pem\",\"key\":\"edge.key\"}],", 1)
}

fn open(name: &str) -> House {
    House::open_among(name, &table(), None, "", &[(CERT, EDGE.0), (KEY, EDGE.1)])
}

fn epoch(house: &House) -> u64 {
    house.ask(r#"{"ask":"status"}"#)["epoch"].as_u64().expect("a number")
}

/// What is told of certificates, in the status and by the probe.
fn problems(house: &House) -> String {
    let status = house.ask(r#"{"ask":"status"}"#);
    let problem = status["certificate_problems"][0].as_str().unwrap_or_default().to_owned();
    assert_eq!(problem.is_empty(), house.get("/readyz").ends_with("ready\n"), "{status}");
    problem
}

fn end(house: House) {
    raise(Signal::SIGTERM).expect("sent");
    house.wait("it ends", House::is_over);
    assert_eq!(house.close(), Outcome::Ended);
}

#[test]
fn a_renewed_pair_is_taken_without_the_table_and_a_bad_one_is_told_and_leaves_the_old_in_force() {
    let house = open("renewed");
    assert_eq!((epoch(&house), problems(&house)), (1, String::new()));
    house.put(CERT, EDGE_RSA.0);
    house.put(KEY, EDGE_RSA.1);
    house.wait("the renewed pair is in force", |house| epoch(house) == 2);
    assert_eq!(problems(&house), "");
    house.put(KEY, OTHER.1);
    house.wait("the bad key is told", |house| problems(house).contains("is not the key of the certificate"));
    assert!(problems(&house).contains("what was read before stays in force"));
    let status = house.ask(r#"{"ask":"status"}"#);
    assert_eq!(status["config_stale"], false, "the table itself is good: {status}");
    house.put(KEY, EDGE_RSA.1);
    house.wait("a good key again", |house| problems(house).is_empty());
    end(house);
}

#[test]
fn a_pair_that_is_taken_away_stays_in_force_while_the_table_changes() {
    let house = open("taken");
    house.remove(CERT);
    house.remove(KEY);
    house.put_table(&table().replace("\"web\"", "\"new\""));
    house.wait("the changed table is in force", |house| {
        house.ask(r#"{"ask":"apps"}"#)["apps"][0]["id"] == "new"
    });
    assert_eq!(house.ask(r#"{"ask":"apps"}"#)["apps"][0]["state"], "in_force");
    assert!(problems(&house).contains("No such file"), "{}", problems(&house));
    // Another zone's table that never had a good pair is refused as before.
    house.put_table(&table().replace("edge.pem", "never.pem"));
    house.wait("a pair that never was good is refused", |house| {
        let status = house.ask(r#"{"ask":"status"}"#);
        status["config_problems"][0].as_str().is_some_and(|problem| problem.contains("never.pem"))
    });
    end(house);
}
