//! What an app must be to the rest of the box: its addresses the account's and bound to Spectrum, nobody else's on its
//! ports, its names in its own zone.

use super::answer::{ERRORS_MAX, ErrorItem, Failure};
use super::ask::Ask;
use super::code::ApiCode;
use super::dns::app_clash;
use crate::base::Addr;
use crate::control::config::tables::{Code, edge_clash};
use crate::estate::{Access, App, Estate, Id, Level, Permission, Service, Zone, is_dynamic};
use crate::table::{AppSpec, EdgeIps, OriginSpec, TlsMode};
use axum::http::StatusCode;

/// Holds an app against everything else; all that is wrong at once.
///
/// # Errors
/// 400 with each rule's code (11019, 11033, 11050, 16001, 81053, 81054, 81056).
pub fn hold(ask: &Ask, spec: &AppSpec, (estate, zone, id): (&Estate, &Zone, Id)) -> Result<(), Failure> {
    let mut errors = Vec::new();
    if let EdgeIps::Static(addrs) = &spec.edge_ips {
        for (place, addr) in addrs.iter().enumerate() {
            let wrong = address(ask, *addr, (estate, zone));
            errors.extend(wrong.map(|error| at(error, format!("/edge_ips/ips/{place}"))));
        }
    }
    errors.extend(names(spec, estate, zone));
    errors.extend(app_clash(spec, estate, (zone, id)));
    errors.extend(certificate(spec, estate, zone));
    errors.extend(clashes(ask, spec, (estate, zone, id)));
    if errors.is_empty() {
        return Ok(());
    }
    // A range may clash with every app of the zone.
    errors.truncate(ERRORS_MAX);
    Err(Failure { status: StatusCode::BAD_REQUEST, errors, retry_after_s: None })
}

fn at(error: ErrorItem, pointer: String) -> ErrorItem {
    ErrorItem { pointer: Some(pointer), ..error }
}

/// An address is of a prefix of the account's or delegated to it, in the caller's hands, and bound to Spectrum.
fn address(ask: &Ask, addr: Addr, (estate, zone): (&Estate, &Zone)) -> Option<ErrorItem> {
    let not_authorized = |text: String| Some(ErrorItem::at(Code::EdgeNotOnboarded.number(), "", text));
    estate.prefix_at(addr)?;
    if !estate.may_use(zone.account, addr) {
        return not_authorized(format!("{addr} lies in no prefix of this account: choose another address"));
    }
    let prefixes = (Permission::IpPrefixes, Level::Write);
    if ask.caller.access(prefixes, zone.account, None) != Access::Granted {
        return not_authorized(format!(
            "{addr} is a static address, and the token lacks IP Prefixes Write for the account"
        ));
    }
    match estate.service_at(addr) {
        Some(Service::Spectrum) => None,
        Some(other @ (Service::Cdn | Service::MagicTransit)) => not_authorized(format!(
            "{addr} is bound to {}: bind it to Spectrum, or choose another one",
            other.name()
        )),
        None => not_authorized(format!("{addr} is bound to no service: bind its prefix to Spectrum first")),
    }
}

/// A name lies in its own zone, an origin's name in no other one of the same account. Zones are not proven: what another
/// account says of its names binds nobody, and where a name leads is held against all prefixes before each connect.
fn names(spec: &AppSpec, estate: &Estate, zone: &Zone) -> Vec<ErrorItem> {
    let mut errors = Vec::new();
    let name = spec.dns.name.as_str();
    if !lies_in(name, &zone.name) {
        let text = format!("{name} does not lie in zone {}: write a name of that zone", zone.name);
        errors.push(ErrorItem::at(ApiCode::NameOfAnotherZone.number(), "/dns/name", text));
    } else if estate.home(name).is_some_and(|home| home.id != zone.id) {
        let text = format!("{name} belongs to another zone, which is nearer to it");
        errors.push(ErrorItem::at(ApiCode::NameOfAnotherZone.number(), "/dns/name", text));
    } else if is_dynamic(name, &zone.name) {
        let text = format!("{name} is one of the names that apps with dynamic addresses lead to");
        errors.push(ErrorItem::at(ApiCode::NameOfAnotherZone.number(), "/dns/name", text));
    }
    if let OriginSpec::Dns { name, .. } = &spec.origin
        && estate.home(name.as_str()).is_some_and(|home| home.id != zone.id && home.account == zone.account)
    {
        let text = format!("{} belongs to another zone of the account", name.as_str());
        errors.push(ErrorItem::at(ApiCode::OriginOfAnotherZone.number(), "/origin_dns/name", text));
    }
    errors
}

/// An app with TLS has a certificate that holds its name.
fn certificate(spec: &AppSpec, estate: &Estate, zone: &Zone) -> Option<ErrorItem> {
    if is_served(spec, estate, zone.id, None) {
        return None;
    }
    let text =
        format!("no certificate of the zone holds {}: upload one, or write off", spec.dns.name.as_str());
    Some(ErrorItem::at(Code::Origin.number(), "/tls", text))
}

/// Whether an app goes without TLS, or a certificate of the zone other than `without` holds its name.
pub fn is_served(spec: &AppSpec, estate: &Estate, zone: Id, without: Option<Id>) -> bool {
    let name = spec.dns.name.as_str();
    let mut others = estate.certificates_of(zone).filter(|certificate| Some(certificate.id) != without);
    spec.tls == TlsMode::Off
        || others.any(|certificate| certificate.hosts.iter().any(|host| holds(host, name)))
}

/// Whether a certificate's name is `name`, or a wildcard for its last label but one (RFC 6125 6.4.3).
pub fn holds(host: &str, name: &str) -> bool {
    match host.strip_prefix("*.") {
        Some(domain) => name.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => host == name,
    }
}

/// Whether `name` is `domain` or below it.
pub fn lies_in(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// No other app has one of its ports; no other zone has one of its addresses.
fn clashes(ask: &Ask, spec: &AppSpec, (estate, zone, id): (&Estate, &Zone, Id)) -> Vec<ErrorItem> {
    let mut errors = Vec::new();
    let others = estate.apps_beside(spec, zone.id).filter(|app| app.id != id);
    for other in others {
        let same_zone = other.zone == zone.id;
        if let Some(clash) = edge_clash(spec, &other.spec, same_zone) {
            let text = format!("{} {} is taken by {}", clash.what, spec.edge, holder(ask, other, estate));
            errors.push(ErrorItem::at(Code::EdgeTaken.number(), clash.pointer, text));
        } else if !same_zone && let Some((place, addr)) = shared(spec, &other.spec) {
            let text =
                format!("{addr} is in use by {}: addresses belong to one zone", holder(ask, other, estate));
            errors.push(ErrorItem::at(Code::EdgeTaken.number(), format!("/edge_ips/ips/{place}"), text));
        }
    }
    errors
}

fn shared(spec: &AppSpec, other: &AppSpec) -> Option<(usize, Addr)> {
    let (EdgeIps::Static(mine), EdgeIps::Static(theirs)) = (&spec.edge_ips, &other.edge_ips) else {
        return None;
    };
    mine.iter().copied().enumerate().find(|(_, addr)| theirs.contains(addr))
}

/// The name of an app's holder, as far as the caller may know of it.
fn holder(ask: &Ask, other: &App, estate: &Estate) -> String {
    let read = (Permission::ZoneSettings, Level::Read);
    let zone = estate.zones.get(other.zone);
    let known =
        zone.is_some_and(|zone| ask.caller.access(read, zone.account, Some(zone.id)) == Access::Granted);
    match zone.filter(|_| known) {
        Some(zone) => format!("app {} ({}) of zone {}", other.id, other.spec.edge, zone.name),
        None => "an app of another zone".into(),
    }
}
