//! Apps of every form, over TCP, TLS and UDP, with ranges and several origins: what simulations and tests of many things at
//! once talk to. The flooded app has an account of its own.

use super::edge::{LAB_APPS, LabApp, addr, live_spec};
use super::net::{Form, Service};
use crate::base::Addr;
use crate::snapshot::{AccountSpec, LiveSpec, ZoneSpec};
use crate::table::{
    AppSpec, OriginDirect, OriginSpec, PortRange, ProxyProtocol, ScopeName, TlsMode, UdpOptions,
};
use crate::wire::Protocol;

/// The app behind the access rules, over TCP.
pub const RULED: u16 = 22;
/// The app of three origins.
pub const SEVERAL: u16 = 82;
/// The one of them that goes and comes back.
pub const UNSTEADY_ORIGIN: &str = "192.0.2.11";
/// The first port of a range.
pub const RANGE: u16 = 100;
/// How many ports it has.
pub const RANGE_PORTS: u16 = 20;
/// The app with TLS towards the client alone.
pub const FLEXIBLE: u16 = 443;
/// The same towards its origin, whatever that shows.
pub const FULL: u16 = 444;
/// The same towards its origin, which is checked.
pub const STRICT: u16 = 445;
/// Origins' ports that take TLS alone.
pub const SEALED_ORIGIN_PORTS: [u16; 2] = [9_443, 9_444];
/// The UDP app that comes and goes with the reloads.
pub const FLEETING: u16 = 59;
/// The UDP app that is flooded.
pub const FLOODED: u16 = 58;

/// An app over TCP that its port and origins tell.
const fn tcp(port: u16, origin: &'static str, origin_port: u16) -> LabApp {
    LabApp { port, origin, origin_port, ..LabApp::WEB }
}

/// The UDP apps, as clients and origins know them.
///
/// # Panics
/// Never: its texts are constants.
pub fn services() -> Vec<Service> {
    let one = |port: u16, origin: &str, form: Form, amplification: u16| Service {
        port,
        ports: 1,
        origins: vec![addr(origin)],
        origin_port: port,
        form,
        amplification,
        ip_firewall: false,
    };
    let several = ["192.0.2.21", "192.0.2.22", "2001:2:2::23"].map(addr).to_vec();
    vec![
        one(53, "192.0.2.1", Form::Plain, 3),
        Service { ip_firewall: true, ..one(54, "2001:2:2::1", Form::Plain, 10) },
        one(55, "192.0.2.1", Form::Simple, 3),
        one(56, "192.0.2.2", Form::V2First, 3),
        one(57, "2001:2:2::2", Form::V2Every, 10),
        one(FLOODED, "192.0.2.58", Form::Plain, 3),
        one(FLEETING, "192.0.2.59", Form::Simple, 0),
        Service { ports: 100, origins: several, origin_port: 1_200, ..one(200, "::", Form::Plain, 0) },
    ]
}

/// The table: with `fleeting` one app over UDP more, and one rule less, neither of which concerns other talks.
///
/// # Panics
/// Never: its texts are constants.
pub fn spec(fleeting: bool, blocked: &[Addr]) -> LiveSpec {
    let tcp_apps = [
        LAB_APPS[0],
        LAB_APPS[1],
        LabApp { ip_firewall: true, ..tcp(RULED, "192.0.2.1", 22) },
        tcp(SEVERAL, UNSTEADY_ORIGIN, 8_082),
        tcp(RANGE, "192.0.2.5", 1_100),
        tcp(FLEXIBLE, "192.0.2.1", 8_443),
        tcp(FULL, "192.0.2.1", SEALED_ORIGIN_PORTS[0]),
        tcp(STRICT, "2001:2:2::1", SEALED_ORIGIN_PORTS[1]),
    ];
    let services = services();
    let present = services.iter().filter(|service| fleeting || service.port != FLEETING);
    let apps: Vec<LabApp> = tcp_apps.into_iter().chain(present.map(lab_app)).collect();
    let mut blocked = blocked.to_vec();
    blocked.extend((!fleeting).then(|| addr("10.9.9.9")));
    let mut spec = live_spec(&apps, &blocked);
    let apps = &mut spec.accounts[0].zones[0].apps;
    apps.iter_mut().for_each(|app| complete(app, &services));
    let flooded: Vec<AppSpec> = apps.extract_if(.., |app| app.edge.ports.first() == FLOODED).collect();
    let id = || ScopeName::new("flooded").expect("an id");
    let zone = ZoneSpec { id: id(), certificates: vec![], apps: flooded, access_rules: vec![] };
    spec.accounts.push(AccountSpec { id: id(), zones: vec![zone], access_rules: vec![] });
    spec
}

fn lab_app(service: &Service) -> LabApp {
    let proxy_protocol = match service.form {
        Form::Plain => ProxyProtocol::Off,
        Form::Simple => ProxyProtocol::Simple,
        Form::V2First | Form::V2Every => ProxyProtocol::V2,
    };
    let proxy_every_datagram = service.form == Form::V2Every;
    let udp = UdpOptions { amplification_limit: service.amplification, proxy_every_datagram };
    let Service { port, origin_port, ip_firewall, .. } = *service;
    LabApp { port, origin_port, ip_firewall, proxy_protocol, udp, ..LabApp::DNS }
}

/// Gives an app of the laboratory what that does not know: ranges, several origins, TLS.
fn complete(app: &mut AppSpec, services: &[Service]) {
    let (protocol, port) = (app.edge.protocol, app.edge.ports.first());
    let mut become_range = |ports: u16, origins: &[Addr], origin_port: u16| {
        let range = |first: u16| PortRange::new(first, first + ports - 1).expect("in order");
        app.edge.ports = range(port);
        let entry = |addr: &Addr| OriginDirect { protocol, addr: *addr, ports: range(origin_port) };
        app.origin = OriginSpec::Direct(origins.iter().map(entry).collect());
    };
    if protocol == Protocol::Udp {
        let service = services.iter().find(|service| service.port == port).expect("a service");
        become_range(service.ports, &service.origins, service.origin_port);
        return;
    }
    match port {
        SEVERAL => become_range(1, &[UNSTEADY_ORIGIN, "192.0.2.12", "2001:2:2::13"].map(addr), 8_082),
        RANGE => become_range(RANGE_PORTS, &[addr("192.0.2.5")], 1_100),
        FLEXIBLE => app.tls = TlsMode::Flexible,
        FULL => app.tls = TlsMode::Full,
        STRICT => app.tls = TlsMode::Strict,
        _ => {}
    }
}
