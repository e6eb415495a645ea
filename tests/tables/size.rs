//! Tables of the sizes that the limits promise load.

use byway::control::config::tables::read;
use byway::snapshot::Compiler;
use byway::table::Reserved;
use byway::wire::Protocol;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Instant;

fn apps_text(apps: u32, prefixes: u32) -> String {
    let mut text = String::from(r#"{"prefixes":["#);
    for prefix in 0..prefixes {
        let comma = if prefix == 0 { "" } else { "," };
        write!(text, r#"{comma}"5.{}.{}.0/24""#, prefix / 256, prefix % 256).expect("a String takes all");
    }
    text.push_str(r#"],"apps":["#);
    for app in 0..apps {
        let comma = if app == 0 { "" } else { "," };
        let (prefix, host) = (app % prefixes, app / prefixes % 256);
        write!(
            text,
            r#"{comma}{{"protocol":"tcp/443","dns":{{"type":"ADDRESS","name":"a{app}.example.com"}},"origin_direct":["tcp://192.0.2.1:443"],"ip_firewall":true,"edge_ips":{{"type":"static","ips":["5.{}.{}.{host}"]}}}}"#,
            prefix / 256,
            prefix % 256,
        )
        .expect("a String takes all");
    }
    text.push_str("]}");
    text
}

#[test]
fn a_hundred_thousand_apps_over_a_thousand_prefixes_load() {
    let text = apps_text(100_000, 1000);
    let allowed = vec!["192.0.2.0/24".parse().expect("a net")];
    let reserved = Reserved { origin_allow: allowed, ..Reserved::default() };
    let start = Instant::now();
    let file = read(text.as_bytes(), &reserved).unwrap_or_else(|errors| panic!("{errors}"));
    let read_ms = start.elapsed().as_millis();
    let start = Instant::now();
    let compiled =
        Compiler::new([1, 2], 1 << 20, 1 << 20).compile(&file.spec).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "100,000 apps, {} bytes: read in {read_ms} ms, compiled in {} ms",
        text.len(),
        start.elapsed().as_millis()
    );
    let table = &compiled.snapshot.table;
    assert_eq!((table.apps().count(), table.prefixes().prefixes().len()), (100_000, 1000));
    let last = table.find(Ipv4Addr::new(5, 3, 231, 99).into(), Protocol::Tcp, 443).expect("the last app");
    assert_eq!(&*table.app(last).expect("is there").name, "a99999.example.com");
}
