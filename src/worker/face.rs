//! What a worker knows of its ports without asking them: copied at launch.

use super::{PortSettings, RouteSettings, Settings};
use crate::base::Addr;
use crate::port::{ChecksumOffload, Port};
use crate::wire::ipv6;

/// What the worker needs to know of a port, copied at launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub mac: [u8; 6],
    pub mtu: u16,
    pub offload: ChecksumOffload,
    /// The longest packet over IPv4 that the port cuts into segments; zero: none.
    pub tso_bytes: u16,
    pub answers_for_prefixes: bool,
    /// Whether another station on the link has the same hardware address: the kernel's end of a tap.
    pub twin: bool,
}

/// That of a port.
pub(super) fn face<P: Port>(port: &P, settings: &PortSettings) -> Face {
    let info = port.info();
    Face {
        mac: info.mac,
        mtu: info.mtu,
        offload: info.checksum,
        tso_bytes: info.tso_bytes,
        answers_for_prefixes: settings.answer_neighbors_for_prefixes,
        twin: info.driver == TAP_DRIVER,
    }
}

/// The driver whose ports share their hardware address with the kernel's interface at the other end.
const TAP_DRIVER: &str = "net_tap";

/// The link-local address of each port that speaks IPv6: one with an IPv6 address, or with a route out of it. A port
/// with a twin has none, for the twin has it.
pub(super) fn link_locals(settings: &Settings, faces: &[Face]) -> Vec<Option<Addr>> {
    let speaks = |index: usize, port: &PortSettings| {
        let routed = |route: &RouteSettings| route.port.index() == index && route.to.addr().is_ipv6();
        port.addresses.iter().any(|net| net.addr().is_ipv6()) || settings.routes.iter().any(routed)
    };
    let own = |(index, face): (usize, &Face)| {
        let port = settings.ports.get(index).filter(|port| !face.twin && speaks(index, port));
        port.map(|_| ipv6::link_local(face.mac))
    };
    faces.iter().enumerate().map(own).collect()
}
