//! Spectrum apps of a zone (`api::apps`).

use crate::api::apps;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    address, any_of, body, described, flag, id, id_alone, list, list_of, named, object, only, pattern,
    short_text, stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::control::config::tables::Code;
use crate::estate::{Level, Permission};
use crate::table::{
    AppProbe, ConnectionLimits, Connectivity, DnsKind, OriginDnsKind, OriginTlsName, ProxyProtocol, TlsMode,
    TrafficType, UdpOptions,
};
use crate::tls::MinTls;
use serde_json::Value;

const READ: Want = Want::There(Permission::ZoneSettings, Level::Read);
const WRITE: Want = Want::There(Permission::ZoneSettings, Level::Write);

/// What an app may be refused for.
const REFUSALS: [Code; 13] = [
    Code::Origin,
    Code::OriginDns,
    Code::OriginAddress,
    Code::DnsType,
    Code::EdgeNotOnboarded,
    Code::EdgeTaken,
    Code::PoolEmpty,
    Code::NetworkNeedsDirect,
    Code::NetworkOneAddress,
    Code::NetworkNoRange,
    Code::NetworkNoRoute,
    Code::NetworkNotUuid,
    Code::Protocol,
];
const NAMES: [ApiCode; 5] = [
    ApiCode::NameOfAnotherZone,
    ApiCode::OriginOfAnotherZone,
    ApiCode::HostTaken,
    ApiCode::CnameThere,
    ApiCode::Delegated,
];

/// What `api::apps` answers.
pub fn operations() -> Vec<Operation> {
    let one = "/zones/{zone_id}/spectrum/apps/{app_id}";
    let orders = ["protocol", "app_id", "created_on", "modified_on", "dns"];
    vec![
        Operation::get("/zones/{zone_id}/spectrum/apps", apps::list)
            .named("spectrum_apps_list", "Apps of a zone")
            .wants(READ)
            .asks("order", word(orders))
            .directed()
            .pages(app())
            .fails(404, &[ApiCode::NotFound]),
        made(Operation::post("/zones/{zone_id}/spectrum/apps", apps::create))
            .named("spectrum_apps_create", "Make an app; it carries traffic when it is answered"),
        Operation::get(one, apps::get)
            .named("spectrum_apps_get", "An app")
            .wants(READ)
            .answers(app())
            .fails(404, &[ApiCode::NotFound]),
        made(Operation::put(one, apps::update)).named("spectrum_apps_update", "Replace an app"),
        made(Operation::patch(one, apps::edit))
            .named("spectrum_apps_edit", "Merge fields into an app (RFC 7396)")
            .takes(patch()),
        Operation::delete(one, apps::delete)
            .named("spectrum_apps_delete", "Delete an app; its sessions drain")
            .wants(WRITE)
            .answers(id_alone())
            .fails(404, &[ApiCode::NotFound]),
        Operation::get("/zones/{zone_id}/spectrum/protocols", apps::protocols)
            .named("spectrum_protocols_list", "What may stand in protocol")
            .wants(READ)
            .answers(list(protocol_row()))
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn made(operation: Operation) -> Operation {
    operation
        .wants(WRITE)
        .takes(asked())
        .answers(app())
        .fails(400, &REFUSALS)
        .fails(400, &NAMES)
        .fails(403, &[ApiCode::Quota])
        .fails(403, &[Code::Ftp])
        .fails(404, &[ApiCode::NotFound])
}

fn protocol() -> Value {
    named("Protocol", pattern("^((tcp|udp)/[0-9]+(-[0-9]+)?|ssh|rdp)$"))
}

/// An app as it is answered.
fn app() -> Value {
    let origin_dns = object(
        [("name", text()), ("type", word(OriginDnsKind::ALL.map(OriginDnsKind::name)))],
        [("ttl", whole(0, 86_400))],
    );
    let port = any_of([whole(1, 65_535), pattern("^[0-9]+-[0-9]+$")]);
    let fields = object(
        [
            ("id", id()),
            ("protocol", protocol()),
            (
                "dns",
                object([("type", word(DnsKind::ALL.iter().map(|kind| kind.name()))), ("name", text())], []),
            ),
            ("ip_firewall", flag()),
            ("proxy_protocol", word(ProxyProtocol::ALL.iter().map(|one| one.name()))),
            ("tls", word(TlsMode::ALL.iter().map(|one| one.name()))),
            ("traffic_type", word(TrafficType::ALL.iter().map(|one| one.name()))),
            ("edge_ips", edge_ips()),
            ("created_on", stamp()),
            ("modified_on", stamp()),
        ],
        [
            ("origin_direct", list(pattern("^(tcp|udp)://"))),
            ("origin_dns", origin_dns),
            ("origin_port", port),
            ("amplification_limit", whole(0, UdpOptions::AMPLIFICATION_LIMIT_MAX.into())),
            ("proxy_every_datagram", only(true)),
            ("min_tls", word(MinTls::ALL.iter().map(|one| one.name()))),
            ("origin_tls_name", word(OriginTlsName::ALL.iter().map(|one| one.name()))),
            ("probe", word(AppProbe::ALL.iter().map(|one| one.name()))),
            ("argo_smart_routing", only(true)),
            ("allow_partial", only(true)),
            ("limits", object(limits(), [])),
        ],
    );
    named("SpectrumApp", fields)
}

fn limits() -> [(&'static str, Value); 4] {
    ConnectionLimits::OFF.named().map(|(key, _)| (key, whole(0, ConnectionLimits::MAX.into())))
}

fn edge_ips() -> Value {
    let connectivity = word(Connectivity::ALL.iter().map(|one| one.name()));
    let fixed = object([("type", only("static")), ("ips", list(address()))], []);
    let dynamic = object([("type", only("dynamic")), ("connectivity", connectivity)], []);
    named("EdgeIps", any_of([fixed, dynamic]))
}

/// An app as a client sends it: exactly one origin. Older booleans are read as the words that they stand for.
fn asked() -> Value {
    let dns =
        body([("name", short_text(253)), ("type", word(DnsKind::ALL.iter().map(|kind| kind.name())))], []);
    named(
        "SpectrumAppBody",
        body_with([
            ("protocol", described("tcp/N, udp/N, a range, ssh or rdp", short_text(20))),
            ("dns", dns),
        ]),
    )
}

/// Fields of an app that are to be merged; `null` takes one away.
fn patch() -> Value {
    let dns =
        body([], [("name", short_text(253)), ("type", word(DnsKind::ALL.iter().map(|kind| kind.name())))]);
    let mut patch = body_with([]);
    patch["properties"]["protocol"] = short_text(20);
    patch["properties"]["dns"] = dns;
    named("SpectrumAppPatch", patch)
}

fn body_with<const N: usize>(required: [(&str, Value); N]) -> Value {
    let origin_dns = body(
        [],
        [
            ("name", short_text(253)),
            ("type", word(OriginDnsKind::ALL.map(OriginDnsKind::name))),
            ("ttl", whole(600, 86_400)),
        ],
    );
    let edge_ips = body(
        [],
        [
            ("type", word(["static", "dynamic"])),
            ("connectivity", word(Connectivity::ALL.iter().map(|one| one.name()))),
            ("ips", list_of(address(), (1, 1_024))),
        ],
    );
    let port = any_of([whole(1, 65_535), pattern("^[0-9]+(-[0-9]+)?$")]);
    let proxy_protocol = any_of([word(ProxyProtocol::ALL.iter().map(|one| one.name())), flag()]);
    body(
        required,
        [
            ("origin_direct", list_of(short_text(100), (1, crate::base::limits::ORIGINS_PER_APP_MAX))),
            ("origin_dns", origin_dns),
            ("origin_port", port),
            ("ip_firewall", flag()),
            ("proxy_protocol", proxy_protocol),
            ("spp", flag()),
            ("amplification_limit", whole(0, UdpOptions::AMPLIFICATION_LIMIT_MAX.into())),
            ("proxy_every_datagram", flag()),
            ("tls", word(TlsMode::ALL.iter().map(|one| one.name()))),
            ("min_tls", word(MinTls::ALL.iter().map(|one| one.name()))),
            ("origin_tls_name", word(OriginTlsName::ALL.iter().map(|one| one.name()))),
            ("traffic_type", word(TrafficType::ALL.iter().map(|one| one.name()))),
            ("edge_ips", edge_ips),
            ("probe", word(AppProbe::ALL.iter().map(|one| one.name()))),
            ("argo_smart_routing", flag()),
            ("allow_partial", flag()),
            ("limits", body([], limits())),
        ],
    )
}

fn protocol_row() -> Value {
    let row = object(
        [
            ("name", word(["ssh", "rdp", "tcp", "udp"])),
            ("description", text()),
            ("transport", word(["tcp", "udp"])),
            ("ports", list(whole(1, 65_535))),
        ],
        [],
    );
    named("SpectrumProtocol", row)
}
