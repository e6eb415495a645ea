//! One app: Spectrum's application object -> `AppSpec`.
//!
//! An app without an id gets one that stays the same as long as its zone, protocol, host name and edge addresses do:
//! 128 bits of SipHash-1-3 under a fixed key, as 32 hex digits. Older booleans (`proxy_protocol`, `spp`) are folded into
//! the word they stand for, as Cloudflare's own Go client does.

use super::code::Code;
use super::faults::{Faults, shown};
use super::json::{Object, Value};
use super::origin::{Edge, read_origin, read_ports};
use crate::base::Addr;
use crate::table::{
    AppId, AppProbe, AppSpec, ConnectionLimits, Connectivity, Dns, DnsKind, DnsName, EdgeIps, EdgePorts,
    OriginTlsName, PortRange, PrefixMap, ProxyProtocol, Reserved, ScopeName, TlsMode, TrafficType,
    UdpOptions,
};
use crate::tls::MinTls;
use crate::wire::Protocol;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::net::IpAddr;

/// Edge addresses of one app.
const EDGE_IPS_MAX: usize = 1024;
/// The longest time stamp that is kept, in bytes.
const STAMP_BYTES_MAX: usize = 40;
/// The key of made ids; it must never change, or ids would.
const ID_KEY: [u64; 2] = [0x6279_7761_7920_6170, 0x7020_6964_2076_3031];

/// What an app is read against.
#[derive(Clone, Copy)]
pub(super) struct AppReader<'r> {
    /// What the boot config has taken.
    pub reserved: &'r Reserved,
    /// The file's prefixes.
    pub prefixes: &'r PrefixMap,
    /// Whether the app's zone lists certificates.
    pub has_certificates: bool,
}

/// Reads one app of `zone`. All that is wrong with it is noted; what comes back is of use only when nothing was.
pub(super) fn read_app(
    value: Value<'_, '_>,
    zone: &ScopeName,
    reader: &AppReader<'_>,
    faults: &mut Faults,
) -> Option<AppSpec> {
    let app = value.object(faults)?;
    let edge = faults.under(Code::Protocol, |faults| read_protocol(&app, faults));
    let dns = read_dns(&app, faults);
    let (edge_ips, edge_spelled) = read_edge_ips(&app, reader, faults);
    refuse_mixed_dns(&app, dns.as_ref(), &edge_ips, faults);
    let origin = read_origin(&app, edge.map(Edge::of), reader, faults);
    let proxy_protocol = faults.under(Code::Origin, |faults| read_proxy_protocol(&app, faults));
    let udp = read_udp(&app, edge, proxy_protocol, faults);
    let tls =
        faults.under(Code::Origin, |faults| read_word(&app, "tls", TlsMode::ALL, TlsMode::name, faults));
    let tls = tls.unwrap_or(TlsMode::Off);
    let min_tls = read_word(&app, "min_tls", MinTls::ALL, MinTls::name, faults);
    let origin_tls_name = read_word(&app, "origin_tls_name", OriginTlsName::ALL, OriginTlsName::name, faults)
        .unwrap_or_default();
    let traffic_type = faults.under(Code::Origin, |faults| read_traffic_type(&app, reader, faults));
    let ip_firewall = read_flag(&app, "ip_firewall", faults);
    let argo_smart_routing = read_flag(&app, "argo_smart_routing", faults);
    let allow_partial = read_flag(&app, "allow_partial", faults);
    refuse_unfit(&app, edge, (proxy_protocol, tls, traffic_type), faults);
    refuse_network(&app, faults);
    let [created_on, modified_on] = ["created_on", "modified_on"].map(|key| read_stamp(&app, key, faults));
    let id = app.get("id").and_then(|value| read_id(value, faults));
    let limits = read_limits(&app, faults);
    let probe = read_probe(&app, edge, faults);
    // An old field of replies that says nothing.
    app.get("ipv4");
    let origin_by_name = app.get("origin_dns").is_some();
    refuse_unfit_tls(&app, (tls, origin_tls_name, origin_by_name), reader, faults);
    app.close(faults);
    let (edge, dns) = (edge?, dns?);
    let (origin, origin_port) = origin?;
    let id = id.unwrap_or_else(|| made_id(zone, edge, &dns, &edge_ips));
    let allowed = AppSpec {
        id,
        edge,
        dns,
        origin,
        origin_port,
        ip_firewall,
        proxy_protocol,
        udp,
        tls,
        min_tls,
        origin_tls_name,
        traffic_type,
        edge_ips,
        edge_spelled,
        leased: Box::default(),
        nameless: Box::default(),
        probe,
        argo_smart_routing,
        allow_partial,
        limits,
        created_on,
        modified_on,
    };
    Some(allowed)
}

fn read_id(value: Value<'_, '_>, faults: &mut Faults) -> Option<AppId> {
    let text = value.text(faults)?;
    AppId::new(&text).or_else(|| value.wrong("1 to 32 letters, digits, '-' and '_', or left out", faults))
}

fn made_id(zone: &ScopeName, edge: EdgePorts, dns: &Dns, edge_ips: &EdgeIps) -> AppId {
    let mut hasher = SipHasher13::new_with_keys(ID_KEY[0], ID_KEY[1]);
    let edge = EdgePorts { word: None, ..edge };
    for text in [zone.as_str(), &edge.to_string(), dns.name.as_str()] {
        hasher.write(text.as_bytes());
        hasher.write_u8(0);
    }
    let mut addrs: Vec<Addr> = match edge_ips {
        EdgeIps::Static(addrs) => addrs.to_vec(),
        EdgeIps::Dynamic(_) => Vec::new(),
    };
    addrs.sort_unstable();
    for addr in addrs {
        hasher.write(&addr.bits().to_be_bytes());
    }
    AppId::from_bits(hasher.finish128().as_u128())
}

fn read_protocol(app: &Object<'_, '_>, faults: &mut Faults) -> Option<EdgePorts> {
    const RIGHT: &str = "tcp/22, udp/53, tcp/1000-2000, ssh or rdp";
    let value = app.require("protocol", RIGHT, faults)?;
    let text = value.text(faults)?;
    let word = |word, port| {
        let ports = PortRange::one(port)?;
        Some(EdgePorts { protocol: Protocol::Tcp, ports, word: Some(word) })
    };
    let read = match text.split_once('/') {
        None if text == "ssh" => word("ssh", 22),
        None if text == "rdp" => word("rdp", 3389),
        None if text == "minecraft" => {
            faults.coded(&value.at, Code::Protocol, "minecraft is not on offer any more: write tcp/25565");
            return None;
        }
        None => None,
        Some((scheme, ports)) => read_scheme(scheme)
            .zip(read_ports(ports))
            .map(|(protocol, ports)| EdgePorts { protocol, ports, word: None }),
    };
    read.or_else(|| value.wrong(RIGHT, faults))
}

/// `tcp` or `udp`.
pub(super) fn read_scheme(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

fn read_dns(app: &Object<'_, '_>, faults: &mut Faults) -> Option<Dns> {
    let dns = app.require("dns", "an object with type and name", faults)?.object(faults)?;
    let name = dns.require("name", "the app's host name", faults).and_then(|value| {
        let text = value.text(faults)?;
        DnsName::new(&text)
            .map_err(|wrong| faults.error(&value.at, format_args!("{}: {wrong}", shown(&text))))
            .ok()
    });
    let kind = dns.require("type", "ADDRESS (with static edge_ips) or CNAME (with dynamic ones)", faults);
    let kind = kind.and_then(|value| {
        faults.under(Code::DnsType, |faults| choose(value, DnsKind::ALL, DnsKind::name, faults))
    });
    dns.close(faults);
    Some(Dns { kind: kind?, name: name? })
}

/// Static addresses go with ADDRESS, dynamic ones with CNAME.
fn refuse_mixed_dns(app: &Object<'_, '_>, dns: Option<&Dns>, edge_ips: &EdgeIps, faults: &mut Faults) {
    let Some(dns) = dns else { return };
    let at = app.at.key("dns");
    match (dns.kind, edge_ips) {
        (DnsKind::Address, EdgeIps::Static(_)) | (DnsKind::Cname, EdgeIps::Dynamic(_)) => {}
        (DnsKind::Address, EdgeIps::Dynamic(_)) => faults.coded(
            &at.key("type"),
            Code::DnsType,
            "ADDRESS goes with static edge_ips, and these are dynamic (as they are when left out): list the addresses",
        ),
        (DnsKind::Cname, EdgeIps::Static(_)) => {
            faults.coded(&at.key("type"), Code::DnsType, "CNAME goes with dynamic edge_ips, and these are static: write ADDRESS");
        }
    }
}

/// Addresses as they were written, where that is not how byway writes them.
type Spelled = Option<Box<[Box<str>]>>;

fn read_edge_ips(app: &Object<'_, '_>, reader: &AppReader<'_>, faults: &mut Faults) -> (EdgeIps, Spelled) {
    const DEFAULT: (EdgeIps, Spelled) = (EdgeIps::Dynamic(Connectivity::All), None);
    let Some(value) = app.get("edge_ips") else { return DEFAULT };
    let Some(edge_ips) = value.object(faults) else { return DEFAULT };
    let kind = edge_ips.require("type", "static or dynamic", faults);
    let kind = kind.and_then(|value| Some((value, value.text(faults)?)));
    let read = match kind.as_ref().map(|(_, kind)| &**kind) {
        Some("static") => {
            let ips = edge_ips.require("ips", "a list of addresses of your prefixes", faults);
            let ips = ips.map(|value| read_ips(value, reader, faults)).unwrap_or_default();
            fixed(ips)
        }
        Some("dynamic") => {
            let word = read_word(&edge_ips, "connectivity", Connectivity::ALL, Connectivity::name, faults);
            (EdgeIps::Dynamic(word.unwrap_or(Connectivity::All)), None)
        }
        Some(_) | None => {
            // Without a readable type, all the same look at the addresses.
            edge_ips.get("connectivity");
            let ips = edge_ips.get("ips").map(|value| read_ips(value, reader, faults));
            if let Some((value, _)) = kind {
                value.wrong::<()>("static or dynamic", faults);
            }
            ips.map_or(DEFAULT, fixed)
        }
    };
    edge_ips.close(faults);
    read
}

fn fixed(ips: Vec<(Addr, Box<str>)>) -> (EdgeIps, Spelled) {
    let is_plain = ips.iter().all(|(addr, text)| addr.to_string() == **text);
    let (addrs, texts): (Vec<Addr>, Vec<Box<str>>) = ips.into_iter().unzip();
    (EdgeIps::Static(addrs.into_boxed_slice()), (!is_plain).then(|| texts.into_boxed_slice()))
}

fn read_ips(value: Value<'_, '_>, reader: &AppReader<'_>, faults: &mut Faults) -> Vec<(Addr, Box<str>)> {
    let Some(list) = value.list(faults) else { return Vec::new() };
    if list.len() == 0 || list.len() > EDGE_IPS_MAX {
        faults
            .error(&list.at, format_args!("holds {} addresses: an app has 1 to {EDGE_IPS_MAX}", list.len()));
        return Vec::new();
    }
    let mut addrs = Vec::with_capacity(list.len());
    for item in list.items() {
        let Some((addr, text)) = read_edge_ip(item, reader, faults) else { continue };
        if addrs.iter().any(|(other, _)| *other == addr) {
            faults.error(&item.at, format_args!("{addr} is in this list already: keep one of them"));
        } else {
            addrs.push((addr, text));
        }
    }
    addrs
}

fn read_edge_ip(
    value: Value<'_, '_>,
    reader: &AppReader<'_>,
    faults: &mut Faults,
) -> Option<(Addr, Box<str>)> {
    let text = value.text(faults)?;
    let Ok(ip) = text.parse::<IpAddr>() else {
        return value.wrong("an IPv4 or IPv6 address", faults);
    };
    let addr = Addr::from(ip);
    if addr.is_v4() && ip.is_ipv6() {
        return value.wrong("an address; write a mapped one as the IPv4 address it is", faults);
    }
    if reader.prefixes.find(addr).is_none() {
        let text = format_args!(
            "{addr} lies in no onboarded prefix: add its prefix to the file, or choose another address"
        );
        faults.coded(&value.at, Code::EdgeNotOnboarded, text);
        return None;
    }
    let pool = reader.reserved.edge_pool.as_deref().unwrap_or_default();
    if pool.iter().any(|net| net.contains(&ip)) {
        let text = format_args!(
            "{addr} lies in [edge_pool] of the boot config, which is for dynamic addresses: choose another one"
        );
        faults.coded(&value.at, Code::EdgeTaken, text);
    }
    Some((addr, Box::from(&*text)))
}

/// `proxy_protocol` and the older `spp`.
fn read_proxy_protocol(app: &Object<'_, '_>, faults: &mut Faults) -> ProxyProtocol {
    let simple = read_flag(app, "spp", faults);
    let word = match app.get("proxy_protocol") {
        None => ProxyProtocol::Off,
        Some(value) if value.is_flag() => match value.flag(faults) {
            Some(true) => ProxyProtocol::V1,
            Some(false) | None => ProxyProtocol::Off,
        },
        Some(value) => {
            choose(value, ProxyProtocol::ALL, ProxyProtocol::name, faults).unwrap_or(ProxyProtocol::Off)
        }
    };
    if simple { ProxyProtocol::Simple } else { word }
}

/// byway's own fields for UDP: `amplification_limit` (0 is off) and `proxy_every_datagram`.
fn read_udp(
    app: &Object<'_, '_>,
    edge: Option<EdgePorts>,
    proxy_protocol: ProxyProtocol,
    faults: &mut Faults,
) -> UdpOptions {
    let mut udp = UdpOptions::default();
    if let Some(value) = app.get("amplification_limit") {
        let at = value.at;
        let limit = value.whole(0..=u32::from(UdpOptions::AMPLIFICATION_LIMIT_MAX), faults);
        udp.amplification_limit = limit.map_or(udp.amplification_limit, |limit| limit as u16);
        if edge.is_some_and(|edge| edge.protocol == Protocol::Tcp) {
            faults.error(&at, "is for UDP apps only: leave it out");
        }
    }
    if let Some(value) = app.get("proxy_every_datagram") {
        let at = value.at;
        udp.proxy_every_datagram = value.flag(faults).unwrap_or(false);
        let udp_v2 =
            edge.is_none_or(|edge| edge.protocol == Protocol::Udp) && proxy_protocol == ProxyProtocol::V2;
        if udp.proxy_every_datagram && !udp_v2 {
            faults.error(&at, "goes with a UDP app whose proxy_protocol is v2: leave it out");
        }
    }
    udp
}

fn read_traffic_type(app: &Object<'_, '_>, reader: &AppReader<'_>, faults: &mut Faults) -> TrafficType {
    let Some(value) = app.get("traffic_type") else { return TrafficType::Direct };
    let at = value.at;
    let unbuilt = "there is nothing behind it in byway: write direct, or http to carry it as plain TCP";
    match value.text(faults).as_deref() {
        Some("direct") | None => TrafficType::Direct,
        Some("http") => {
            if reader.reserved.http_refused {
                let text = "http is refused, because http_as_tcp of the boot config is off: write direct to carry it as plain TCP";
                faults.coded(&at, Code::Origin, text);
            }
            TrafficType::Http
        }
        Some(word @ ("https" | "worker")) => {
            app.get("origin_worker_id");
            faults.coded(&at, Code::Origin, format_args!("{word} is refused: {unbuilt}"));
            TrafficType::Direct
        }
        Some("ftp") => {
            faults.coded(
                &at,
                Code::Ftp,
                "FTP is not enabled: write direct, which carries its connections as they are",
            );
            TrafficType::Direct
        }
        Some(_) => {
            value.wrong::<()>("direct or http", faults);
            TrafficType::Direct
        }
    }
}

/// Fields that do not go with the protocol.
fn refuse_unfit(
    app: &Object<'_, '_>,
    edge: Option<EdgePorts>,
    (proxy_protocol, tls, traffic_type): (ProxyProtocol, TlsMode, TrafficType),
    faults: &mut Faults,
) {
    let Some(edge) = edge else { return };
    let udp = edge.protocol == Protocol::Udp;
    let mut refuse = |key, text| faults.coded(&app.at.key(key), Code::Origin, text);
    match proxy_protocol {
        ProxyProtocol::V1 if udp => refuse("proxy_protocol", "v1 is for TCP only: write v2, simple or off"),
        ProxyProtocol::Simple if !udp => {
            refuse("proxy_protocol", "simple (the older spp) is for UDP only: write v1, v2 or off");
        }
        ProxyProtocol::Off | ProxyProtocol::V1 | ProxyProtocol::V2 | ProxyProtocol::Simple => {}
    }
    if udp && tls != TlsMode::Off {
        refuse("tls", "TLS is for TCP only: write off");
    }
    if udp && traffic_type == TrafficType::Http {
        refuse("traffic_type", "http is for TCP only: write direct");
    }
}

/// TLS without a certificate, or with an origin's name that is none.
fn refuse_unfit_tls(
    app: &Object<'_, '_>,
    (tls, name, origin_by_name): (TlsMode, OriginTlsName, bool),
    reader: &AppReader<'_>,
    faults: &mut Faults,
) {
    if tls != TlsMode::Off && !reader.has_certificates {
        let text = "needs a certificate, and the zone has none: list them under the zone's `certificates`, or write off";
        faults.coded(&app.at.key("tls"), Code::Origin, text);
    }
    if name == OriginTlsName::Origin && !origin_by_name {
        let text = "origin goes with origin_dns, which has a name: write app";
        faults.coded(&app.at.key("origin_tls_name"), Code::Origin, text);
    }
}

/// Virtual networks are not there; the refusals are Spectrum's own.
fn refuse_network(app: &Object<'_, '_>, faults: &mut Faults) {
    let Some(value) = app.get("virtual_network_id") else { return };
    let at = value.at;
    let Some(text) = faults.under(Code::NetworkNotUuid, |faults| value.text(faults)) else { return };
    let (code, wrong) = if !is_uuid(&text) {
        (Code::NetworkNotUuid, "is not a UUID")
    } else if app.get("origin_direct").is_none() {
        (Code::NetworkNeedsDirect, "needs origin_direct")
    } else if app.get("origin_direct").and_then(|value| value.list(faults)).is_some_and(|list| list.len() > 1)
    {
        (Code::NetworkOneAddress, "goes with one address in origin_direct")
    } else if app.get("protocol").and_then(|value| value.text(faults)).is_some_and(|text| text.contains('-'))
    {
        (Code::NetworkNoRange, "goes with one port")
    } else {
        (Code::NetworkNoRoute, "has no route")
    };
    faults.coded(
        &at,
        code,
        format_args!("{} {wrong}: byway has no virtual networks, leave the field out", shown(&text)),
    );
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12]) && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_flag(object: &Object<'_, '_>, key: &str, faults: &mut Faults) -> bool {
    object.get(key).and_then(|value| value.flag(faults)).unwrap_or(false)
}

/// byway's own `limits`: what is left out is not limited.
fn read_limits(app: &Object<'_, '_>, faults: &mut Faults) -> Option<ConnectionLimits> {
    let limits = app.get("limits")?.object(faults)?;
    let mut number = |key| {
        let value = limits.get(key).and_then(|value| value.whole(0..=ConnectionLimits::MAX, faults));
        value.unwrap_or(0)
    };
    let read = ConnectionLimits {
        connections: number("connections"),
        new_per_s: number("new_per_s"),
        client_connections: number("client_connections"),
        client_new_per_s: number("client_new_per_s"),
    };
    limits.close(faults);
    Some(read)
}

/// byway's own `probe`.
fn read_probe(app: &Object<'_, '_>, edge: Option<EdgePorts>, faults: &mut Faults) -> Option<AppProbe> {
    let value = app.get("probe")?;
    let probe = choose(value, AppProbe::ALL, AppProbe::name, faults);
    if probe == Some(AppProbe::On) && edge.is_some_and(|edge| edge.protocol == Protocol::Udp) {
        faults.error(&value.at, "on is for TCP apps only, since a probe is a TCP handshake: leave it out");
    }
    probe
}

fn read_stamp(app: &Object<'_, '_>, key: &str, faults: &mut Faults) -> Option<Box<str>> {
    let value = app.get(key)?;
    let text = value.text(faults)?;
    if text.len() > STAMP_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return value.wrong("a time such as 2026-01-31T12:00:00Z", faults);
    }
    Some(text.into())
}

fn read_word<T: Copy>(
    object: &Object<'_, '_>,
    key: &str,
    all: &[T],
    name: fn(T) -> &'static str,
    faults: &mut Faults,
) -> Option<T> {
    choose(object.get(key)?, all, name, faults)
}

/// The one of `all` whose word the value is.
pub(super) fn choose<T: Copy>(
    value: Value<'_, '_>,
    all: &[T],
    name: fn(T) -> &'static str,
    faults: &mut Faults,
) -> Option<T> {
    let text = value.text(faults)?;
    let chosen = all.iter().copied().find(|word| name(*word) == text);
    chosen.or_else(|| {
        let words: Vec<String> = all.iter().map(|word| format!("\"{}\"", name(*word))).collect();
        value.wrong(&words.join(" or "), faults)
    })
}
