//! Table files, good and bad.

use super::*;
use crate::table::{
    AppState, EdgeIps, Missing, OriginSpec, ProxyProtocol, Reserved, Subnet, TlsMode, TrafficType, UdpOptions,
};

/// The documentation's two examples, letter for letter.
pub(super) const SSH: &str = r#"{"id":"4590376cf2994d72cee36828ec4eff19","protocol":"tcp/22","dns":{"type":"ADDRESS","name":"ssh.example.com"},"origin_direct":["tcp://192.0.2.1:22"],"ip_firewall":true,"proxy_protocol":false,"spp":false,"tls":"off","traffic_type":"direct","edge_ips":{"type":"static","ips":["198.51.100.10","2001:DB8::1"]}}"#;
const HTTP: &str = r#"{"protocol":"tcp/80","dns":{"type":"ADDRESS","name":"www.example.com"},"origin_direct":["tcp://192.0.2.1:80"],"ip_firewall":false,"proxy_protocol":false,"spp":false,"tls":"off","traffic_type":"http","edge_ips":{"type":"static","ips":["198.51.100.10","2001:DB8::1"]}}"#;

fn addr(text: &str) -> crate::base::Addr {
    text.parse::<std::net::IpAddr>().expect("an address").into()
}

fn lab() -> Reserved {
    Reserved {
        subnets: vec![
            Subnet { own: addr("10.0.0.2"), length: 24 },
            Subnet { own: addr("fd00::2"), length: 64 },
        ],
        gateways: vec![addr("10.0.0.1")],
        egress: vec![addr("10.0.0.3"), addr("203.0.113.200")],
        lab: true,
        origin_allow: ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]
            .map(|net| net.parse().expect("a net"))
            .into(),
        edge_pool: Some(vec!["198.51.100.128/25".parse().expect("a net")]),
        ..Reserved::default()
    }
}

pub(super) fn flat(apps: &str) -> String {
    format!(r#"{{"prefixes":["198.51.100.0/24",{{"cidr":"2001:db8::/48"}}],"apps":[{apps}]}}"#)
}

pub(super) fn good(text: &str) -> Read {
    read(text.as_bytes(), &lab()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors as `pointer code text`.
pub(super) fn bad(text: &str) -> Vec<String> {
    let errors = read(text.as_bytes(), &lab()).expect_err("the file is bad");
    let line = |error: TableError| {
        let code = error.code.map_or(String::new(), |code| format!(" {}", code.number()));
        format!("{}{code} {}", error.pointer, error.text)
    };
    errors.list.into_iter().map(line).collect()
}

/// A good app with one field changed (or taken away, with an empty value).
pub(super) fn with(key: &str, value: &str) -> String {
    let mut app: serde_json::Map<String, serde_json::Value> = serde_json::from_str(SSH).expect("JSON");
    app.remove(key);
    let mut text = serde_json::to_string(&app).expect("JSON");
    if !value.is_empty() {
        text = text.replacen('{', &format!("{{\"{key}\":{value},"), 1);
    }
    flat(&text)
}

/// The one error of a good app with one field changed.
fn one_bad(key: &str, value: &str) -> String {
    let errors = bad(&with(key, value));
    assert_eq!(errors.len(), 1, "{key} = {value}: {errors:#?}");
    errors[0].strip_prefix("/apps/0").map(str::to_string).unwrap_or_else(|| errors[0].clone())
}

#[test]
fn both_examples_of_the_documentation_load_unchanged() {
    let file = good(&flat(&format!("{SSH},{HTTP}")));
    assert_eq!(file.messages, []);
    let [ssh, http] = &file.spec.accounts[0].zones[0].apps[..] else { panic!("two apps") };
    assert_eq!(ssh.id.as_str(), "4590376cf2994d72cee36828ec4eff19");
    assert_eq!((ssh.edge.to_string(), ssh.ip_firewall), ("tcp/22".into(), true));
    assert_eq!(
        (ssh.proxy_protocol, ssh.tls, ssh.traffic_type),
        (ProxyProtocol::Off, TlsMode::Off, TrafficType::Direct)
    );
    assert_eq!(ssh.edge_ips, EdgeIps::Static([addr("198.51.100.10"), addr("2001:db8::1")].into()));
    assert_eq!(http.traffic_type, TrafficType::Http);
    assert_eq!(
        (http.id.as_str().len(), AppState::of(http, true, false, false).missing()),
        (32, &[Missing::HttpPipeline][..])
    );
    assert!(http.id.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    let printed = app_json(ssh).to_string();
    assert!(printed.contains(r#""ips":["198.51.100.10","2001:DB8::1"]"#), "as it was written: {printed}");
    assert!(printed.contains(r#""proxy_protocol":"off""#) && !printed.contains("spp"), "{printed}");
}

#[test]
fn the_sample_file_loads() {
    let file = good(include_str!("../../../../config/tables.json"));
    assert_eq!((file.spec.prefixes.len(), file.spec.zones().count(), file.messages.len()), (2, 1, 0));
}

#[test]
fn a_made_id_stays_the_same_and_tells_apps_apart() {
    let id = |text: &str| good(&flat(text)).spec.accounts[0].zones[0].apps[0].id;
    assert_eq!(
        id(HTTP).as_str(),
        "f3862128e083742035410f8737716f4e",
        "made ids may never change between versions"
    );
    assert_eq!(id(HTTP), id(&HTTP.replace("192.0.2.1:80", "192.0.2.9:80")));
    assert_eq!(
        id(HTTP),
        id(&HTTP.replace(r#"["198.51.100.10","2001:DB8::1"]"#, r#"["2001:db8::1","198.51.100.10"]"#))
    );
    assert_ne!(id(HTTP), id(&HTTP.replace("tcp/80", "tcp/81")));
    assert_ne!(id(HTTP), id(&HTTP.replace("www.", "web.")));
    assert_ne!(id(HTTP), id(&HTTP.replace("198.51.100.10", "198.51.100.11")));
}

#[test]
fn all_errors_come_at_once_each_with_its_pointer() {
    let text = r#"{"version":1,"prefixes":["203.0.113.0/25",{"cidr":7}],"accounts":[{"id":"a","zones":[{"id":"z","apps":[
        {"protocol":"tcp/0","dns":{"type":"A","name":"a b"},"origin_direct":["tcp://x:1"],"tls":"on",
         "edge_ips":{"type":"static","ips":["9.9.9.9"]}}],
        "access_rules":[{"mode":"blok","configuration":{"target":"ip","value":"::1"}}]}]}]}"#;
    let errors = bad(text);
    let pointers: Vec<&str> =
        errors.iter().map(|error| error.split(' ').next().expect("a pointer")).collect();
    let zone = "/accounts/0/zones/0";
    let mut expected = vec!["/prefixes/0".to_string(), "/prefixes/1/cidr".to_string()];
    let app = ["protocol", "dns/name", "dns/type", "edge_ips/ips/0", "origin_direct/0", "tls"];
    expected.extend(app.map(|field| format!("{zone}/apps/0/{field}")));
    expected.extend(["mode", "configuration/value"].map(|field| format!("{zone}/access_rules/0/{field}")));
    assert_eq!(pointers, expected, "{errors:#?}");
}

#[test]
fn broken_json_is_told_with_its_line() {
    for (text, line) in
        [("", 0), ("{\n\"a\": NaN}", 2), ("{\"a\":1,}", 1), ("[1,\n2", 2), ("\u{feff}{}", 1), ("{} {}", 1)]
    {
        let errors = read(text.as_bytes(), &lab()).expect_err(text);
        assert_eq!((errors.list.len(), errors.list[0].pointer.as_str()), (1, ""), "{text}");
        assert!(errors.list[0].line.is_some_and(|found| found == line || line == 0), "{errors}");
    }
    let errors = read(b"{\"a\":\n\"\xff\"}", &lab()).expect_err("not UTF-8");
    assert_eq!(errors.to_string(), "line 2: the text is not UTF-8 (RFC 8259 8.1)\n");
    assert_eq!(bad("[]"), [" must be an object, not a list"]);
}

#[test]
fn duplicate_keys_and_wrong_types_are_refused_and_unknown_fields_are_told() {
    assert_eq!(bad(r#"{"apps":[],"apps":[]}"#), ["/apps the key is there twice: keep one of them"]);
    assert_eq!(one_bad("ip_firewall", "1"), "/ip_firewall must be true or false, not 1");
    assert_eq!(one_bad("origin_direct", "{}"), "/origin_direct 11000 must be a list, not an object");
    assert_eq!(
        one_bad("tls", "\"\\ud800\""),
        "/tls 11000 must be a text in quotes, and a text in it has a broken escape (RFC 8259 7)"
    );
    assert_eq!(
        one_bad("origin_port", "1e999"),
        "/origin_port 11001 must be a whole number from 1 to 65535, not 1e999"
    );
    assert_eq!(
        one_bad("origin_port", "99999999999999999999"),
        "/origin_port 11001 must be a whole number from 1 to 65535, not 99999999999999999999"
    );
    assert_eq!(bad(r#"{"version":2}"#), ["/version must be a whole number from 1 to 1, not 2"]);
    let file = good(&with("colour~/x", "[[[[]]]]"));
    assert_eq!(file.messages[0].to_string(), "/apps/0/colour~0~1x: unknown field \"colour~/x\" is dropped");
    assert_eq!(good(&with("origin_dns", "null")).messages, []);
}

#[test]
fn prefixes_longer_than_24_and_48_are_refused_and_so_are_taken_ones() {
    let prefix = |text: &str| bad(&format!(r#"{{"prefixes":["{text}"]}}"#)).remove(0);
    assert!(prefix("203.0.113.0/25").contains("/prefixes/0 203.0.113.0/25 is longer than /24"));
    assert!(prefix("2001:db8::/49").contains("longer than /48"));
    assert!(prefix("5.6.7.1/24").contains("write 5.6.7.0/24"));
    assert!(prefix("203.0.113.0/24").contains("overlaps the egress address 203.0.113.200"));
    assert!(prefix("10.0.0.0/24").contains("special-purpose"));
    assert!(prefix("5.6.7.0").contains("is not a prefix"));
    assert!(
        bad(r#"{"prefixes":["5.6.7.0/24","5.6.7.0/24"]}"#)[0]
            .contains("/prefixes/1 5.6.7.0/24 is there already (/prefixes/0)")
    );
    let strict = Reserved { lab: false, ..lab() };
    let errors = read(flat("").as_bytes(), &strict).expect_err("documentation nets");
    assert_eq!((errors.list.len(), errors.list[0].text.contains("lab = true")), (2, true));
    let public = Reserved { gateways: vec![addr("5.6.7.1")], ..Reserved::default() };
    let errors = read(br#"{"prefixes":["5.6.0.0/16"]}"#, &public).expect_err("holds a gateway");
    assert!(errors.list[0].text.contains("overlaps the gateway 5.6.7.1"), "{errors}");
    assert_eq!(good(r#"{"prefixes":["5.6.0.0/16","5.6.7.0/24"]}"#).spec.prefixes.len(), 2);
}

#[test]
fn origins_bear_spectrums_codes() {
    for (value, code, part) in [
        (r#"["tcp://2001:db8:5::1:22"]"#, 11002, "brackets"),
        (r#"["tcp://ssh.example.com:22"]"#, 11000, "addresses only"),
        (r#"["udp://192.0.2.1:22"]"#, 11000, "scheme"),
        (r#"["http://192.0.2.1:22"]"#, 11000, "neither tcp nor udp"),
        (r#"["tcp://192.0.2.1"]"#, 11000, "address and a port"),
        (r#"["tcp://192.0.2.1:0"]"#, 11000, "port"),
        (r#"["tcp://192.0.2.1:22-23"]"#, 11000, "as many"),
        (r#"["tcp://192.0.2.1:022"]"#, 11000, "port"),
        ("[]", 11000, "0 origins"),
        (r#"["tcp://127.0.0.1:22"]"#, 11002, "loopback"),
        (r#"["tcp://[::1]:22"]"#, 11002, "loopback"),
        (r#"["tcp://[::ffff:127.0.0.1]:22"]"#, 11002, "loopback"),
        (r#"["tcp://[64:ff9b::7f00:1]:22"]"#, 11002, "NAT64"),
        (r#"["tcp://[64:ff9b::198.51.100.7]:22"]"#, 11002, "198.51.100.7"),
        (r#"["tcp://[2002:c633:6407::1]:22"]"#, 11002, "6to4"),
        (r#"["tcp://0.0.0.0:22"]"#, 11002, "unspecified"),
        (r#"["tcp://224.0.0.1:22"]"#, 11002, "multicast"),
        (r#"["tcp://255.255.255.255:22"]"#, 11002, "broadcast"),
        (r#"["tcp://[fe80::1]:22"]"#, 11002, "link-local"),
        (r#"["tcp://10.0.0.2:22"]"#, 11002, "this box"),
        (r#"["tcp://10.0.0.1:22"]"#, 11002, "gateway"),
        (r#"["tcp://10.0.0.255:22"]"#, 11002, "broadcast"),
        (r#"["tcp://203.0.113.200:22"]"#, 11002, "egress"),
        (r#"["tcp://198.51.100.99:22"]"#, 11002, "onboarded"),
    ] {
        let error = one_bad("origin_direct", value);
        assert!(error.contains(&format!(" {code} ")) && error.contains(part), "{value}: {error}");
    }
    assert!(one_bad("origin_direct", "").starts_with("/origin_direct 11000 the app has no origin"));
    assert!(
        one_bad("origin_dns", r#"{"name":"o.example.com"}"#).starts_with("/origin_dns 11000 stands beside")
    );
    good(&with("origin_direct", r#"["tcp://10.0.0.7:22","tcp://[2001:db8:5::1]:22"]"#));
}

#[test]
fn origin_dns_follows_its_own_rules() {
    let dns = |dns: &str, port: &str| {
        with("origin_direct", "").replacen("{\"id\"", &format!("{{\"origin_dns\":{dns}{port},\"id\""), 1)
    };
    let name = r#"{"name":"o.example.com","ttl":1200,"type":"A"}"#;
    for port in [r#","origin_port":22"#, r#","origin_port":"22""#] {
        let file = good(&dns(name, port));
        let app = &file.spec.accounts[0].zones[0].apps[0];
        assert!(matches!(&app.origin, OriginSpec::Dns { ttl_s: Some(1200), .. }));
        assert!(app_json(app).to_string().contains(r#""origin_port":22,"#));
    }
    let srv = r#"{"name":"_ssh._tcp.example.com","type":"SRV"}"#;
    good(&dns(srv, ""));
    let range = bad(&dns(srv, "").replace("tcp/22", "tcp/22-23"));
    assert!(range.len() == 1 && range[0].starts_with("/apps/0/origin_dns/type 11001"), "{range:#?}");
    for (text, expected) in [
        (dns(name, ""), "/apps/0/origin_port 11001"),
        (dns(r#"{"name":"192.0.2.1"}"#, r#","origin_port":22"#), "/apps/0/origin_dns/name 11001"),
        (dns(name, r#","origin_port":"22-23""#), "/apps/0/origin_port 11001"),
        (dns(r#"{"name":"o.example.com","ttl":60}"#, r#","origin_port":22"#), "/apps/0/origin_dns/ttl 11001"),
        (
            dns(r#"{"name":"o.example.com","type":"MX"}"#, r#","origin_port":22"#),
            "/apps/0/origin_dns/type 11001",
        ),
    ] {
        let errors = bad(&text);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:#?}");
    }
}

#[test]
fn fields_that_do_not_go_together_are_refused() {
    for (key, value, expected) in [
        ("dns", r#"{"type":"CNAME","name":"a.example.com"}"#, "/dns/type 11004"),
        ("edge_ips", "", "/dns/type 11004"),
        ("edge_ips", r#"{"type":"dynamic","connectivity":"ipv4"}"#, "/dns/type 11004"),
        ("edge_ips", r#"{"type":"static","ips":["8.8.8.8"]}"#, "/edge_ips/ips/0 11019"),
        (
            "edge_ips",
            r#"{"type":"static","ips":["198.51.100.10","198.51.100.10"]}"#,
            "/edge_ips/ips/1 198.51.100.10 is in this",
        ),
        (
            "edge_ips",
            r#"{"type":"static","ips":["::ffff:198.51.100.10"]}"#,
            "/edge_ips/ips/0 must be an address",
        ),
        ("spp", "true", "/proxy_protocol 11000 simple"),
        ("proxy_protocol", r#""simple""#, "/proxy_protocol 11000 simple"),
        (
            "proxy_protocol",
            r#""v3""#,
            "/proxy_protocol 11000 must be \"off\" or \"v1\" or \"v2\" or \"simple\", not \"v3\"",
        ),
        ("traffic_type", r#""https""#, "/traffic_type 11000 https is refused"),
        ("protocol", r#""minecraft""#, "/protocol 13002"),
        ("protocol", r#""tcp/+22""#, "/protocol 13002 must be"),
        ("protocol", r#""sctp/22""#, "/protocol 13002 must be"),
        ("id", r#""""#, "/id must be"),
        ("virtual_network_id", r#""x""#, "/virtual_network_id 11045"),
        (
            "edge_ips",
            r#"{"type":"static","ips":["198.51.100.200"]}"#,
            "/edge_ips/ips/0 11033 198.51.100.200 lies in [edge_pool]",
        ),
        ("virtual_network_id", r#""f70ff985-a4ef-4643-bbbc-4a0ed4fc8415""#, "/virtual_network_id 11044"),
    ] {
        let error = one_bad(key, value);
        assert!(error.starts_with(expected), "{key} = {value}: {error}");
    }
}

#[test]
fn what_this_build_does_not_act_on_keeps_an_app_out_unless_partial_is_allowed() {
    let udp = SSH.replace("tcp", "udp");
    let file = good(&flat(SSH));
    let spec = &file.spec.accounts[0].zones[0].apps[0];
    let state = AppState::of(spec, true, false, false);
    assert_eq!(state, AppState::NotInForce { because: vec![Missing::AsnOrCountryBlock] });
    assert!(AppState::of(spec, true, true, false).is_in_force());
    let own = good(&flat(&SSH.replacen('{', "{\"allow_partial\":true,", 1)));
    assert!(AppState::of(&own.spec.accounts[0].zones[0].apps[0], true, false, false).is_in_force());
    let named = SSH.replacen(
        r#""origin_direct":["#,
        r#""origin_dns":{"name":"o.example.com"},"origin_port":22,"x":["#,
        1,
    );
    let file = good(&flat(&named));
    let spec = &file.spec.accounts[0].zones[0].apps[0];
    let state = AppState::of(spec, false, true, false);
    assert_eq!(state, AppState::NotInForce { because: vec![Missing::NoResolvers] });
    assert!(AppState::of(spec, false, false, true).is_in_force());
    let unlimited = good(&flat(&udp.replacen('{', r#"{"amplification_limit":0,"#, 1)));
    let state = AppState::of(&unlimited.spec.accounts[0].zones[0].apps[0], false, false, false);
    assert_eq!(state, AppState::InForce { without: vec![Missing::AmplificationGuard] });
    let spp = udp.replace(r#""spp":false"#, r#""spp":true"#);
    let file = good(&flat(&spp));
    assert_eq!(file.spec.accounts[0].zones[0].apps[0].proxy_protocol, ProxyProtocol::Simple);
}

#[test]
fn byways_own_udp_fields_are_for_udp_apps_alone() {
    let udp = SSH.replace("tcp", "udp");
    let with = |app: &str, field: &str| flat(&app.replacen('{', &format!("{{{field},"), 1));
    let v2 = udp.replace(r#""proxy_protocol":false"#, r#""proxy_protocol":"v2""#);
    let options = |text: &str| good(text).spec.accounts[0].zones[0].apps[0].udp;
    assert_eq!(options(&flat(&udp)), UdpOptions::default());
    assert_eq!(options(&with(&udp, r#""amplification_limit":17"#)).amplification_limit, 17);
    assert!(options(&with(&v2, r#""proxy_every_datagram":true"#)).proxy_every_datagram);
    for (text, expected) in [
        (with(SSH, r#""amplification_limit":5"#), "/amplification_limit "),
        (with(&udp, r#""amplification_limit":10001"#), "/amplification_limit "),
        (with(&udp, r#""proxy_every_datagram":true"#), "/proxy_every_datagram "),
        (with(SSH, r#""proxy_every_datagram":true"#), "/proxy_every_datagram "),
    ] {
        let errors = bad(&text);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn the_same_edge_address_and_port_twice_is_refused_naming_both_apps() {
    let two = format!("{SSH},{}", SSH.replace("4590", "aaaa").replace("ssh.", "git."));
    let errors = bad(&flat(&two));
    assert_eq!(errors.len(), 2, "one for each address: {errors:#?}");
    assert!(errors[0].starts_with("/apps/1/edge_ips/ips/"), "{errors:#?}");
    for part in
        [" 11033 ", "app aaaa376cf2994d72cee36828ec4eff19", "app 4590376cf2994d72cee36828ec4eff19", "/apps/0"]
    {
        assert!(errors[0].contains(part), "{part}: {errors:#?}");
    }
    good(&flat(&two.replacen("tcp/22", "tcp/23", 1)));
    let range = two.replacen("tcp/22", "tcp/20-30", 1).replacen(":22\"", ":20-30\"", 1);
    assert_eq!(bad(&flat(&range)).len(), 2);
    assert!(
        bad(&flat(&format!("{SSH},{SSH}")))[0]
            .starts_with("/apps/1/id 4590376cf2994d72cee36828ec4eff19 is the id of /apps/0")
    );
}

#[test]
fn dynamic_apps_of_one_name_share_its_addresses_and_not_their_ports() {
    let dynamic = |id: &str, name: &str, port: &str, edge_ips: &str| {
        format!(
            r#"{{"id":"{id}","protocol":"tcp/{port}","dns":{{"type":"CNAME","name":"{name}.example.com"}},
            "origin_direct":["tcp://192.0.2.1:{port}"]{edge_ips}}}"#
        )
    };
    let four = r#","edge_ips":{"type":"dynamic","connectivity":"ipv4"}"#;
    let six = r#","edge_ips":{"type":"dynamic","connectivity":"ipv6"}"#;
    good(&flat(
        &[dynamic("a", "x", "22", ""), dynamic("b", "x", "23-25", ""), dynamic("c", "y", "22", "")].join(","),
    ));
    good(&flat(&[dynamic("a", "x", "22", four), dynamic("b", "x", "22", six)].join(",")));
    let errors = bad(&flat(&[dynamic("a", "x", "22", four), dynamic("b", "x", "20-30", "")].join(",")));
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(
        errors[0].starts_with(
            "/apps/1/dns/name 11033 the name's IPv4 address tcp/20-30 of app b is taken by app a"
        )
    );
}

#[test]
fn http_is_refused_where_the_boot_config_says_so() {
    let strict = Reserved { http_refused: true, ..lab() };
    let errors = read(flat(HTTP).as_bytes(), &strict).expect_err("http");
    assert_eq!((errors.list.len(), errors.list[0].pointer.as_str()), (1, "/apps/0/traffic_type"));
    assert!(
        errors.list[0].code.is_some_and(|code| code.number() == 11000)
            && errors.list[0].text.contains("http_as_tcp")
    );
    assert!(read(flat(SSH).as_bytes(), &strict).is_ok());
}

#[test]
fn virtual_networks_are_refused_with_the_code_of_the_rule_that_fails_first() {
    let network = r#""virtual_network_id":"f70ff985-a4ef-4643-bbbc-4a0ed4fc8415""#;
    let with_network = |app: &str| bad(&flat(&app.replacen('{', &format!("{{{network},"), 1)));
    for (app, code) in [
        (
            SSH.replace(
                r#""origin_direct":["tcp://192.0.2.1:22"]"#,
                r#""origin_dns":{"name":"o.example.com"},"origin_port":22"#,
            ),
            11041,
        ),
        (SSH.to_string(), 11044),
        (SSH.replace(r#"["tcp://192.0.2.1:22"]"#, r#"["tcp://192.0.2.1:22","tcp://192.0.2.2:22"]"#), 11042),
        (SSH.replace("tcp/22", "tcp/22-23").replace(":22\"", ":22-23\""), 11043),
    ] {
        let errors = with_network(&app);
        assert!(
            errors.len() == 1 && errors[0].starts_with(&format!("/apps/0/virtual_network_id {code} ")),
            "{errors:#?}"
        );
    }
}

#[test]
fn one_edge_address_may_serve_several_zones_on_different_ports() {
    let zones = |port: &str| {
        let other = SSH.replace("4590", "bbbb").replace("tcp/22", port);
        format!(
            r#"{{"version":1,"prefixes":["198.51.100.0/24","2001:db8::/48"],"accounts":[
                {{"id":"a","zones":[{{"id":"y","apps":[{SSH}]}}]}},{{"id":"b","zones":[{{"id":"z","apps":[{other}]}}]}}]}}"#
        )
    };
    good(&zones("tcp/23"));
    let errors = bad(&zones("tcp/22"));
    assert!(errors[0].contains("zone y"), "{errors:#?}");
    let same = zones("tcp/23").replace(r#""id":"z""#, r#""id":"y""#);
    assert!(bad(&same)[0].starts_with("/accounts/1/zones/0/id \"y\" is the id of another zone"));
}

#[test]
fn access_rules_are_read_normalised_and_kept_apart() {
    let rules = |rules: &str| format!(r#"{{"access_rules":[{rules}]}}"#);
    let rule = |target: &str, value: &str| {
        rules(&format!(r#"{{"mode":"block","configuration":{{"target":"{target}","value":"{value}"}}}}"#))
    };
    for (target, value, printed) in [
        ("ip", "203.0.113.66", "203.0.113.66"),
        ("ip6", "2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("ip_range", "203.0.113.0/24", "203.0.113.0/24"),
        ("ip_range", "203.0.0.0/16", "203.0.0.0/16"),
        ("ip_range", "203.0.112.0/20", "203.0.112.0/20"),
        ("ip_range", "2001:db8::/32", "2001:db8::/32"),
        ("ip_range", "2001:db8::1/128", "2001:db8::1"),
        ("asn", "as112", "AS112"),
        ("asn", "112", "AS112"),
        ("country", "de", "DE"),
        ("country", "t1", "T1"),
    ] {
        let file = good(&rule(target, value));
        assert_eq!(file.spec.accounts[0].zones[0].access_rules[0].target.to_string(), printed);
    }
    for (target, value, part) in [
        ("ip", "2001:db8::1", "ip6"),
        ("ip", "203.0.113.0/24", "ip_range"),
        ("ip6", "203.0.113.1", "target ip "),
        ("ip6", "::ffff:203.0.113.1", "mapped"),
        ("ip_range", "203.0.113.1", "range"),
        ("ip_range", "203.0.113.1/24", "write 203.0.113.0/24"),
        ("ip_range", "0.0.0.0/0", "shorter than /8"),
        ("ip_range", "::ffff:203.0.113.0/120", "mapped"),
        ("ip_range", "203.0.113.0/33", "range"),
        ("asn", "AS0", "autonomous"),
        ("asn", "AS+1", "autonomous"),
        ("country", "DEU", "ISO 3166"),
    ] {
        let errors = bad(&rule(target, value));
        let place = "/access_rules/0/configuration/value ";
        assert!(
            errors.len() == 1 && errors[0].starts_with(place) && errors[0].contains(part),
            "{target} {value}: {errors:?}"
        );
    }
    assert!(bad(&rule("host", "x"))[0].starts_with("/access_rules/0/configuration/target must be ip, ip6"));
    let twice = r#"{"mode":"block","configuration":{"target":"ip","value":"1.2.3.4"}},{"mode":"whitelist","configuration":{"target":"ip_range","value":"1.2.3.4/32"}}"#;
    assert!(
        bad(&rules(twice))[0]
            .starts_with("/access_rules/1 1.2.3.4 has a rule in this scope already (/access_rules/0)")
    );
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let apps = [
        SSH.replace("4590", "dddd").replace("tcp", "udp").replace("/22", "/23").replacen('{', r#"{"amplification_limit":0,"#, 1),
        SSH.to_string(),
        HTTP.replace("{\"protocol", r#"{"argo_smart_routing":true,"allow_partial":true,"created_on":"2026-01-31T12:00:00.123456Z","protocol"#),
        SSH.replace("4590", "cccc").replace("tcp", "udp").replace(r#""spp":false"#, r#""spp":true"#),
        HTTP.replace("tcp/80", "rdp").replace(r#"["tcp://192.0.2.1:80"]"#, r#"["tcp://192.0.2.1:1","tcp://[2001:db8:9::1]:2"]"#),
    ];
    let file = good(&flat(&apps.join(",")));
    let text = live_json(&file.spec).to_string();
    let again = good(&text);
    assert_eq!((again.spec == file.spec, again.messages.len()), (true, 0), "{text}");
    assert!(text.contains(r#""protocol":"rdp""#) && text.contains("tcp://[2001:db8:9::1]:2"), "{text}");
}

#[test]
fn a_flood_of_errors_is_told_in_part() {
    let text = format!(r#"{{"prefixes":[{}]}}"#, vec!["7"; 3000].join(","));
    let errors = read(text.as_bytes(), &lab()).expect_err("all wrong");
    assert_eq!((errors.list.len(), errors.more), (1000, 2000));
}
