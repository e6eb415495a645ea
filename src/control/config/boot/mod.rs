//! The boot config: TOML text -> `BootSpec`, all errors at once.

mod api;
mod budget;
mod check;
mod memory;
mod parse;
mod read;
mod spec;
#[cfg(test)]
mod tests;
mod values;
mod warn;

pub use api::ApiSpec;
pub use memory::{Kind, MemoryEstimate};
pub use parse::{TEMPLATE, parse};
pub use spec::{
    BootSpec, CongestionControlSpec, DeviceSpec, DnsSpec, EgressSpec, EventsTarget, GeoSpec, HealthSpec,
    Hugepages, IcmpSpec, Idle, MemorySpec, NeighborSpec, OnBadConfig, Placement, PortSpec, Probing,
    RouteSpec, SpliceHandshakeSpec, StaticNeighbor, SynCookiesSpec, TcpSpec, TlsSpec, UdpSpec, Unanswered,
    WorkersSpec,
};
