//! `origin_direct`, `origin_dns` and `origin_port`.

use super::app::{AppReader, choose, read_scheme};
use super::code::Code;
use super::faults::{Faults, shown};
use super::json::{Object, Value};
use crate::base::Addr;
use crate::base::limits::ORIGINS_PER_APP_MAX;
use crate::table::{
    DnsName, EdgePorts, OriginDirect, OriginDnsKind, OriginSpec, PortRange, forbidden_origin,
};
use crate::wire::Protocol;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bounds of `origin_dns.ttl`, in seconds: Spectrum's lower one, and a day.
const TTL_S: std::ops::RangeInclusive<u32> = 600..=86_400;

/// What the origin must agree with at the edge.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    protocol: Protocol,
    ports: PortRange,
}

impl Edge {
    /// Protocol and ports of the app.
    pub const fn of(edge: EdgePorts) -> Self {
        Self { protocol: edge.protocol, ports: edge.ports }
    }
}

/// Reads exactly one origin and `origin_port`. `edge` is `None` when the protocol could not be read.
pub(super) fn read_origin(
    app: &Object<'_, '_>,
    edge: Option<Edge>,
    reader: &AppReader<'_>,
    faults: &mut Faults,
) -> Option<(OriginSpec, Option<PortRange>)> {
    let (direct, dns) = (app.get("origin_direct"), app.get("origin_dns"));
    let port = app.get("origin_port");
    let port =
        port.map(|value| faults.under(Code::OriginDns, |faults| read_origin_port(value, edge, faults)));
    let direct_of = |value, faults: &mut Faults| {
        faults.under(Code::Origin, |faults| read_direct(value, edge, reader, faults))
    };
    let dns_of = |value, faults: &mut Faults| faults.under(Code::OriginDns, |faults| read_dns(value, faults));
    let origin = match (direct, dns) {
        (Some(direct), None) => direct_of(direct, faults),
        (None, Some(dns)) => {
            let origin = dns_of(dns, faults);
            refuse_port(app, origin.as_ref(), port, edge, faults);
            origin
        }
        (Some(direct), Some(dns)) => {
            direct_of(direct, faults);
            dns_of(dns, faults);
            let text = "stands beside origin_direct: an app has exactly one of the two";
            faults.coded(&dns.at, Code::Origin, text);
            None
        }
        (None, None) => {
            let text =
                "the app has no origin: write origin_direct such as [\"tcp://192.0.2.1:22\"], or origin_dns";
            faults.coded(&app.at.key("origin_direct"), Code::Origin, text);
            None
        }
    };
    origin.map(|origin| (origin, port.flatten()))
}

fn read_direct(
    value: Value<'_, '_>,
    edge: Option<Edge>,
    reader: &AppReader<'_>,
    faults: &mut Faults,
) -> Option<OriginSpec> {
    let list = value.list(faults)?;
    if list.len() == 0 || list.len() > ORIGINS_PER_APP_MAX {
        let text = format_args!("holds {} origins: an app has 1 to {ORIGINS_PER_APP_MAX}", list.len());
        faults.coded(&list.at, Code::Origin, text);
        return None;
    }
    let entries: Vec<_> = list.items().filter_map(|item| read_entry(item, edge, reader, faults)).collect();
    (!entries.is_empty()).then(|| OriginSpec::Direct(entries.into_boxed_slice()))
}

fn read_entry(
    value: Value<'_, '_>,
    edge: Option<Edge>,
    reader: &AppReader<'_>,
    faults: &mut Faults,
) -> Option<OriginDirect> {
    let text = value.text(faults)?;
    let entry = match read_uri(&text) {
        Ok(entry) => entry,
        Err((code, wrong)) => {
            faults.coded(&value.at, code, format_args!("{}: {wrong}", shown(&text)));
            return None;
        }
    };
    if let Some(edge) = edge {
        if entry.protocol != edge.protocol {
            faults.coded(&value.at, Code::Origin, "the scheme is not the app's protocol: write the same one");
        }
        if entry.ports.count() != edge.ports.count() {
            let (has, needs) = (entry.ports.count(), edge.ports.count());
            let text = format_args!("{has} ports at the origin and {needs} at the edge: write as many");
            faults.coded(&value.at, Code::Origin, text);
        }
    }
    if let Some(reason) = forbidden_origin(entry.addr, reader.reserved, reader.prefixes) {
        let text = format_args!("{} can be no origin: it is {reason}", entry.addr);
        faults.coded(&value.at, Code::OriginAddress, text);
    }
    Some(entry)
}

/// `tcp://192.0.2.1:22`, `udp://[2001:db8::1]:1000-1999`.
fn read_uri(text: &str) -> Result<OriginDirect, (Code, &'static str)> {
    let wrong = |text| (Code::Origin, text);
    let form = wrong("write an address and a port such as tcp://192.0.2.1:22 or tcp://[2001:db8::1]:22");
    let (scheme, rest) = text.split_once("://").ok_or(form)?;
    let protocol =
        read_scheme(scheme).ok_or(wrong("the scheme is neither tcp nor udp: write tcp://192.0.2.1:22"))?;
    let (addr, ports) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once("]:").ok_or(form)?;
            let ip: Ipv6Addr = host.parse().map_err(|_| {
                wrong("what stands in brackets is no IPv6 address: write tcp://[2001:db8::1]:22")
            })?;
            (Addr::from(ip), port)
        }
        None => {
            let (host, port) = rest.rsplit_once(':').ok_or(form)?;
            (read_host(host)?, port)
        }
    };
    let ports = read_ports(ports)
        .ok_or(wrong("the port is no number from 1 to 65535 and no range of them: write 22 or 1000-1999"))?;
    Ok(OriginDirect { protocol, addr, ports })
}

fn read_host(host: &str) -> Result<Addr, (Code, &'static str)> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        Ok(ip.into())
    } else if host.contains(':') {
        Err((Code::OriginAddress, "an IPv6 address stands in brackets: write tcp://[2001:db8::1]:22"))
    } else if DnsName::new(host).is_ok() {
        Err((Code::Origin, "origin_direct takes addresses only: write the name into origin_dns"))
    } else {
        Err((Code::Origin, "the host is no IPv4 address: write tcp://192.0.2.1:22"))
    }
}

fn read_dns(value: Value<'_, '_>, faults: &mut Faults) -> Option<OriginSpec> {
    let dns = value.object(faults)?;
    let name = dns.require("name", "the origin's host name", faults).and_then(|value| {
        let text = value.text(faults)?;
        let wrong =
            |wrong| faults.coded(&value.at, Code::OriginDns, format_args!("{}: {wrong}", shown(&text)));
        DnsName::new(&text).map_err(wrong).ok()
    });
    let ttl_s = dns.get("ttl").and_then(|value| value.whole(TTL_S, faults));
    let kind = dns.get("type").map(|value| choose(value, &OriginDnsKind::ALL, OriginDnsKind::name, faults));
    let kind = kind.unwrap_or(Some(OriginDnsKind::Both));
    dns.close(faults);
    Some(OriginSpec::Dns { name: name?, ttl_s, kind: kind? })
}

/// `origin_dns` needs a port unless SRV records bring it, and SRV records bring one port only.
fn refuse_port(
    app: &Object<'_, '_>,
    origin: Option<&OriginSpec>,
    port: Option<Option<PortRange>>,
    edge: Option<Edge>,
    faults: &mut Faults,
) {
    let Some(OriginSpec::Dns { kind, .. }) = origin else { return };
    let srv = *kind == OriginDnsKind::Srv;
    let at = app.at.key("origin_port");
    match port {
        None if !srv => {
            faults.coded(&at, Code::OriginDns, "is missing: origin_dns needs a port unless its type is SRV")
        }
        Some(Some(ports)) if srv && !ports.is_single() => {
            faults.coded(&at, Code::OriginDns, "SRV records bring one port: leave origin_port out");
        }
        None | Some(_) if srv && edge.is_some_and(|edge| !edge.ports.is_single()) => {
            let text = "SRV records bring one port, and protocol is a range: write one port, or another type";
            faults.coded(&app.at.key("origin_dns").key("type"), Code::OriginDns, text);
        }
        None | Some(_) => {}
    }
}

/// A number, a number in quotes, or a range in quotes; as many ports as the edge has.
fn read_origin_port(value: Value<'_, '_>, edge: Option<Edge>, faults: &mut Faults) -> Option<PortRange> {
    let ports = if value.is_text() {
        let text = value.text(faults)?;
        match read_ports(&text) {
            Some(ports) => ports,
            None => {
                let text = format_args!("{} is no port and no range such as \"1000-1999\"", shown(&text));
                faults.coded(&value.at, Code::OriginDns, text);
                return None;
            }
        }
    } else {
        let port = value.whole(1..=65_535, faults)?;
        PortRange::one(u16::try_from(port).ok()?)?
    };
    if let Some(edge) = edge.filter(|edge| edge.ports.count() != ports.count()) {
        let (has, needs) = (ports.count(), edge.ports.count());
        let text = format_args!("{has} ports at the origin and {needs} at the edge: write as many");
        faults.coded(&value.at, Code::OriginDns, text);
    }
    Some(ports)
}

/// `22` or `1000-2000`: digits without leading zeros, from 1 to 65535.
pub(super) fn read_ports(text: &str) -> Option<PortRange> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    match text.split_once('-') {
        Some((first, last)) => PortRange::new(port(first)?, port(last)?),
        None => PortRange::one(port(text)?),
    }
}
