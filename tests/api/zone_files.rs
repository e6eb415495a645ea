//! Zone files: a zone's records as one, and one's records as the zone's.

use crate::dns::{a, app, dynamic, make, path};
use crate::sequences::verbs::FORM;
use crate::stand::{Reply, Stand};
use axum::body::Body;
use axum::http::{Method, Request};
use byway::base::limits::{DNS_FILE_BYTES_MAX, DNS_FILE_RECORDS_MAX, DNS_RECORDS_PER_ZONE_MAX};
use byway::estate::{
    DnsRecord, Entity, Grant, Level, Permission, Reach, RecordData, RecordName, RecordSettings, Stamp,
};
use serde_json::{Value, json};

/// A form with these fields.
fn form(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"z.txt\"\r\n\r\n{value}\r\n"
        )
    };
    fields.iter().map(part).collect::<String>() + "--x--\r\n"
}

fn import_with(stand: &Stand, query: &str, fields: &[(&str, &str)]) -> Reply {
    stand.send_form(&format!("{}/import{query}", path(stand)), form(fields))
}

fn import(stand: &Stand, file: &str) -> Reply {
    import_with(stand, "", &[("file", file)])
}

fn export(stand: &Stand) -> String {
    let (headers, bytes) = stand.file(&format!("{}/export", path(stand)));
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    String::from_utf8(bytes).expect("UTF-8")
}

fn records(stand: &Stand) -> Vec<Value> {
    let list = stand.get(&format!("{}?per_page=1000", path(stand)));
    list.result().as_array().expect("a list").clone()
}

/// Lines of a file that are records.
fn lines(file: &str) -> Vec<&str> {
    file.lines().filter(|line| !line.starts_with(";;") && !line.is_empty()).collect()
}

fn made(reply: &Reply) -> (u64, u64) {
    let number = |key: &str| reply.result()[key].as_u64().expect("a number");
    (number("recs_added"), number("total_records_parsed"))
}

fn version(stand: &Stand) -> u64 {
    stand.get("/byway/history?limit=1").result()[0]["version"].as_u64().expect("a number")
}

#[test]
fn an_export_has_every_record_by_type_with_its_comment_and_tags() {
    let stand = Stand::new();
    stand.post(&stand.apps(), app("ssh.example.net", 22, &["203.0.113.1"])).result();
    stand.post(&stand.apps(), dynamic("dyn.example.net", 22)).result();
    let led = stand.get(&format!("{}?name=dyn.example.net", path(&stand))).result()[0]["content"].clone();
    let led = led.as_str().expect("a name");
    make(
        &stand,
        json!({"type": "A", "name": "www", "content": "192.0.2.1", "proxied": true, "comment": "one; two",
        "tags": ["team:edge", "a:\"v,w\" \\", "lone"]}),
    );
    make(
        &stand,
        json!({"type": "AAAA", "name": "www", "content": "2001:db8::1", "ttl": 60, "comment": "says cf_tags= so"}),
    );
    make(
        &stand,
        json!({"type": "CNAME", "name": "alias", "content": "www.example.net", "settings": {"flatten_cname": true}}),
    );
    make(
        &stand,
        json!({"type": "MX", "name": "@", "content": "mail.example.net", "priority": 10, "comment": "mail"}),
    );
    make(&stand, json!({"type": "MX", "name": "none", "content": ".", "priority": 0, "tags": ["x"]}));
    make(&stand, json!({"type": "NS", "name": "sub", "content": "ns1.example.org"}));
    make(&stand, json!({"type": "TXT", "name": "txt", "content": "v=spf1 \"quoted\" -all \\ é"}));
    make(&stand, json!({"type": "TXT", "name": "txt", "content": "\"one\" \"two\""}));
    make(&stand, json!({"type": "TXT", "name": "long", "content": "x".repeat(300)}));
    make(
        &stand,
        json!({"type": "SRV", "name": "_sip._tcp", "data": {"priority": 1, "weight": 2, "port": 5060, "target": "sip.example.net"}}),
    );
    make(
        &stand,
        json!({"type": "CAA", "name": "@", "data": {"flags": 128, "tag": "issue", "value": "ca.example; x=1"}}),
    );
    let file = export(&stand);
    let (x255, x45) = ("x".repeat(255), "x".repeat(45));
    let all = lines(&file);
    let soa = all[0].split('\t').collect::<Vec<_>>();
    assert_eq!(soa[..4], ["example.net.", "3600", "IN", "SOA"]);
    assert_eq!(soa[4].split(' ').count(), 7, "two names, a serial, four spans: {soa:?}");
    assert_eq!(
        all[1..],
        [
            "ssh.example.net.\t1\tIN\tA\t203.0.113.1 ; cf_tags=cf-proxied:false",
            r#"www.example.net.	1	IN	A	192.0.2.1 ; one; two cf_tags=team:edge,a:"\"v,w\" \\",lone,cf-proxied:true"#,
            "www.example.net.\t60\tIN\tAAAA\t2001:db8::1 ; says cf_tags= so cf_tags=cf-proxied:false",
            "example.net.\t1\tIN\tCAA\t128 issue \"ca.example; x=1\"",
            "alias.example.net.\t1\tIN\tCNAME\twww.example.net. ; cf_tags=cf-flatten-cname,cf-proxied:false",
            &format!("dyn.example.net.\t1\tIN\tCNAME\t{led}. ; cf_tags=cf-proxied:false"),
            "example.net.\t1\tIN\tMX\t10 mail.example.net. ; mail",
            "none.example.net.\t1\tIN\tMX\t0 . ; cf_tags=x",
            "sub.example.net.\t1\tIN\tNS\tns1.example.org.",
            "_sip._tcp.example.net.\t1\tIN\tSRV\t1 2 5060 sip.example.net.",
            &format!("long.example.net.\t1\tIN\tTXT\t\"{x255}\" \"{x45}\""),
            "txt.example.net.\t1\tIN\tTXT\t\"one\" \"two\"",
            r#"txt.example.net.	1	IN	TXT	"v=spf1 \"quoted\" -all \\ \195\169""#,
        ]
    );
    for heading in [";; Domain:     example.net.", ";; SOA Record", ";; CNAME Records", ";; TXT Records"] {
        assert!(file.lines().any(|line| line == heading), "{heading}: {file}");
    }
}

#[test]
fn an_export_is_imported_again_without_a_change_and_elsewhere_without_a_difference() {
    let stand = Stand::new();
    stand.post(&stand.apps(), app("ssh.example.net", 22, &["203.0.113.1"])).result();
    stand.post(&stand.apps(), dynamic("dyn.example.net", 22)).result();
    for body in [
        json!({"type": "A", "name": "www", "content": "192.0.2.1", "proxied": true, "comment": "one; \"two\"", "tags": ["a:b,c", "lone"]}),
        json!({"type": "CNAME", "name": "alias", "content": "www.example.net", "settings": {"flatten_cname": true}}),
        json!({"type": "CNAME", "name": "*.wild", "content": "www.example.net", "comment": "says cf_tags=so"}),
        json!({"type": "MX", "name": "@", "content": ".", "priority": 0, "ttl": 300}),
        json!({"type": "NS", "name": "@", "content": "ns1.example.org"}),
        json!({"type": "TXT", "name": "txt", "content": "\"a;b\" \"\\\"c\\\" \\\\\""}),
        json!({"type": "SRV", "name": "_sip._tcp", "data": {"priority": 1, "weight": 2, "port": 5060, "target": "."}}),
        json!({"type": "CAA", "name": "@", "data": {"flags": 0, "tag": "issue", "value": ""}}),
    ] {
        make(&stand, body);
    }
    let (file, before) = (export(&stand), version(&stand));
    let again = import(&stand, &file);
    assert_eq!((made(&again), version(&stand)), ((0, 10), before), "{again:?}");
    let words = again.body["messages"].to_string();
    assert!(
        words.contains("SOA record is left out") && words.contains("the record is there already"),
        "{words}"
    );
    let other = Stand::new();
    assert_eq!(made(&import(&other, &file)), (10, 10), "records of apps are an operator's there");
    let said = |row: &Value| {
        let keys =
            ["name", "type", "content", "ttl", "proxied", "comment", "tags", "settings", "data", "priority"];
        keys.map(|key| row[key].clone())
    };
    // A dynamic name is made of its zone's id: the other zone keeps it as it is.
    let (mine, theirs): (Vec<_>, Vec<_>) =
        (records(&stand).iter().map(said).collect(), records(&other).iter().map(said).collect());
    assert_eq!(mine, theirs);
    assert_eq!(lines(&file)[1..], lines(&export(&other))[1..]);
}

#[test]
fn an_import_reads_what_cloudflare_documents_and_says_what_it_did() {
    let stand = Stand::new();
    let file = "$TTL 1h\n$ORIGIN example.net.\n@ IN SOA ns1 admin ( 1 2 3\n 4 5 ) ; the start\n\
        a 60 IN A 192.0.2.1 ; the comment cf_tags=one,two:\"2,2\"\n  IN AAAA 2001:db8::1 ; cf_tags=cf-proxied:false\n\
        b CNAME a ; cf_tags=cf-flatten-cname\n@ MX 10 mail.example.org.\n";
    let dry = import_with(&stand, "?dry_run=true", &[("file", file), ("proxied", "true")]);
    assert_eq!((made(&dry), records(&stand).len()), ((4, 4), 0));
    let reply = import_with(&stand, "", &[("proxied", "true"), ("file", file)]);
    assert_eq!(made(&reply), (4, 4));
    let timing = &reply.body["timing"];
    assert!(
        timing["start_time"].as_str() <= timing["end_time"].as_str() && timing["process_time"].is_f64(),
        "{timing}"
    );
    let rows = records(&stand);
    let wanted = [
        ("a.example.net", "A", "192.0.2.1", 1, true, json!("the comment"), json!(["one", "two:2,2"])),
        ("a.example.net", "AAAA", "2001:db8::1", 3_600, false, Value::Null, json!([])),
        ("b.example.net", "CNAME", "a.example.net", 1, true, Value::Null, json!([])),
        ("example.net", "MX", "mail.example.org", 3_600, false, Value::Null, json!([])),
    ];
    for (row, (name, kind, content, ttl, proxied, comment, tags)) in rows.iter().zip(wanted) {
        assert_eq!(
            [
                &row["name"],
                &row["type"],
                &row["content"],
                &row["ttl"],
                &row["proxied"],
                &row["comment"],
                &row["tags"]
            ],
            [&json!(name), &json!(kind), &json!(content), &json!(ttl), &json!(proxied), &comment, &tags]
        );
    }
    assert_eq!(rows.len(), 4);
    let logged = stand.get("/byway/history?limit=1").result()[0].clone();
    assert_eq!(logged["action"], format!("POST {}/import", path(&stand)), "one change, with its call");
    assert_eq!(logged["changes"].as_array().map(Vec::len), Some(4));
    let stand = stand.restarted();
    assert_eq!(records(&stand), rows);
}

#[test]
fn an_import_is_whole_or_nothing_and_names_each_line_that_is_wrong() {
    let stand = Stand::new();
    stand.post(&stand.apps(), app("ssh.example.net", 22, &["203.0.113.1"])).result();
    stand.post(&stand.apps(), dynamic("dyn.example.net", 22)).result();
    make(&stand, json!({"type": "CNAME", "name": "alias", "content": "www.example.net"}));
    make(&stand, json!({"type": "NS", "name": "sub", "content": "ns1.example.org"}));
    make(&stand, json!({"type": "A", "name": "kept", "content": "192.0.2.1", "ttl": 60}));
    let rows = [
        ("bad..name A 192.0.2.1", 9000),
        ("a.example.org. A 192.0.2.1", 9000),
        ("a HTTPS 1 .", 9002),
        ("a TXT x ; cf_tags=cf-proxied:true", 9004),
        ("a A 192.0.2.256", 9005),
        ("a AAAA 2001:db8::g", 9006),
        ("a CNAME a", 9007),
        ("a MX ten mail", 9008),
        ("a NS not..a.name", 9009),
        ("a CAA 0 issue", 9100),
        ("a TXT", 9100),
        ("ssh A 192.0.2.1", 81053),
        ("dyn CNAME www", 81053),
        ("alias A 192.0.2.1", 81054),
        ("dyn A 192.0.2.1", 81054),
        ("kept NS ns1.example.org.", 81055),
        ("sub A 192.0.2.1", 81056),
        ("kept 120 A 192.0.2.1", 81057),
        ("a 20 A 192.0.2.1", 9021),
        ("a A 192.0.2.1 ; cf_tags=!", 10011),
        ("$INCLUDE /etc/passwd", 10011),
    ];
    let before = records(&stand);
    let file = rows.iter().map(|(line, _)| format!("{line}\n")).collect::<String>()
        + "good 60 A 192.0.2.9\n\"open\n";
    let refused = import(&stand, &format!("; a remark\n{file}"));
    assert_eq!(refused.status, 400, "{refused:?}");
    let errors = refused.body["errors"].as_array().expect("a list");
    let told: Vec<(u64, String, &Value)> = errors
        .iter()
        .map(|error| {
            let message = error["message"].as_str().expect("a text");
            let (line, _) = message.split_once(':').expect("a line");
            (error["code"].as_u64().expect("a number"), line.to_owned(), &error["source"]["pointer"])
        })
        .collect();
    let pointer = json!("/file");
    let row = |(at, (_, code)): (usize, &(&str, u64))| (*code, format!("line {}", at + 2), &pointer);
    let mut wanted: Vec<_> = rows.iter().enumerate().map(row).collect();
    wanted.push((10011, format!("line {}", rows.len() + 3), &pointer));
    assert_eq!(told, wanted);
    assert_eq!(records(&stand), before, "nothing of it");
    // What one line makes counts for the next.
    let clash = import(&stand, "two A 192.0.2.1\ntwo A 192.0.2.1\ntwo CNAME www\n");
    assert_eq!((clash.failure().1, records(&stand)), (81053, before), "{clash:?}");
    assert!(clash.body["errors"][0]["message"].as_str().expect("a text").starts_with("line 3: "));
}

#[test]
fn a_file_that_is_none_or_too_large_is_refused() {
    let stand = Stand::new();
    let at = format!("{}/import", path(&stand));
    assert_eq!(stand.post(&at, json!({"file": "a A 192.0.2.1"})).failure(), (400, 10011, Some("/file")));
    assert_eq!(import_with(&stand, "", &[("proxied", "true")]).failure(), (400, 10011, Some("/file")));
    let other = [("file", "a A 192.0.2.1"), ("proxied", "maybe")];
    assert_eq!(import_with(&stand, "", &other).failure(), (400, 10011, Some("/proxied")));
    let mut broken = form(&[("file", "one\ntwo ")]).into_bytes();
    let end = broken.windows(4).rposition(|four| four == b"two ").expect("it is there");
    broken.insert(end + 4, 0xff);
    let request = Request::builder().method(Method::POST).uri(format!("/client/v4{at}"));
    let request =
        request.header("authorization", format!("Bearer {}", stand.root)).header("content-type", FORM);
    let refused = stand.send(request.body(Body::from(broken)).expect("a request"));
    assert_eq!(refused.failure(), (400, 10011, Some("/file")));
    assert!(
        refused.body["errors"][0]["message"].as_str().expect("a text").contains("line 2: "),
        "{refused:?}"
    );
    assert_eq!(import(&stand, &";".repeat(DNS_FILE_BYTES_MAX + 1)).failure(), (413, 10413, None));
    assert_eq!(made(&import(&stand, &";".repeat(DNS_FILE_BYTES_MAX))), (0, 0));
    let refused = import(&stand, &"r TXT t\n".repeat(DNS_FILE_RECORDS_MAX + 1));
    assert_eq!(refused.failure(), (400, 10011, Some("/file")));
    assert!(records(&stand).is_empty());
    let marked: String = (0..60).map(|_| "a A x\n").collect();
    assert_eq!(import(&stand, &marked).body["errors"].as_array().map(Vec::len), Some(50));
}

#[test]
fn a_full_zone_takes_what_it_has_already_and_nothing_more() {
    let stand = Stand::new();
    let record = |number: usize| {
        Entity::from(DnsRecord {
            id: byway::api::new_id().expect("random"),
            zone: stand.zone,
            name: RecordName::whole(&format!("r{}.example.net", number / 100)).expect("a name"),
            data: RecordData::A([192, 0, (number >> 8) as u8, number as u8].into()),
            ttl: 1,
            proxied: false,
            settings: RecordSettings::default(),
            comment: None,
            tags: Vec::new(),
            created_on: Stamp(7),
            modified_on: Stamp(7),
            comment_modified_on: None,
            tags_modified_on: None,
        })
    };
    stand.put((0..DNS_RECORDS_PER_ZONE_MAX).map(record).collect());
    let file = export(&stand);
    assert_eq!(lines(&file).len(), DNS_RECORDS_PER_ZONE_MAX + 1);
    let again = import(&stand, &file);
    assert_eq!(made(&again), (0, DNS_RECORDS_PER_ZONE_MAX as u64));
    assert_eq!(
        again.body["messages"].as_array().map(Vec::len),
        Some(22),
        "some are named, the rest is counted"
    );
    assert_eq!(import(&stand, "new A 192.0.2.1\n").failure(), (403, 10015, None));
    assert_eq!(import(&stand, "new A x\nnew A 192.0.2.1\n").failure().1, 9005, "what is wrong comes first");
}

#[test]
fn who_may_only_look_exports_and_does_not_import() {
    let stand = Stand::new();
    make(&stand, a("www", "192.0.2.1"));
    let grant =
        |level| vec![Grant { permission: Permission::Dns, level, reach: Reach::Zones(vec![stand.zone]) }];
    let token = stand.token(grant(Level::Read));
    let ask = |method: Method, verb: &str, body: String| {
        let request = Request::builder().method(method).uri(format!("/client/v4{}/{verb}", path(&stand)));
        let request = request.header("authorization", format!("Bearer {token}")).header("content-type", FORM);
        let request = request.body(Body::from(body)).expect("a request");
        let peer = byway::api::Peer::Net(([192, 0, 2, 1], 1).into());
        stand.raw(peer, request).0.as_u16()
    };
    assert_eq!(ask(Method::GET, "export", String::new()), 200);
    assert_eq!(ask(Method::POST, "import", form(&[("file", "a A 192.0.2.1")])), 403);
    assert_eq!(records(&stand).len(), 1);
}

#[test]
fn nothing_is_scanned() {
    let stand = Stand::new();
    for (method, verb, refusal) in [
        (Method::POST, "scan", (405, 10405, None)),
        (Method::POST, "scan/trigger", (404, 7003, None)),
        (Method::GET, "scan/review", (404, 7003, None)),
        (Method::POST, "scan/review", (404, 7003, None)),
    ] {
        let reply = stand.call(method, &format!("{}/{verb}", path(&stand)), Value::Null);
        assert_eq!(reply.failure(), refusal, "{verb}");
    }
}
