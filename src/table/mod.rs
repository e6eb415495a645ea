//! Whose address is this? Onboarded prefixes, edge addresses, protocols, ports -> app.

mod addr_set;
mod app_spec;
mod compile;
mod connection_limits;
mod edges;
mod edit;
mod layer;
mod lookup;
mod name;
mod net_set;
mod origin_book;
mod origin_spec;
mod place_book;
mod prefix;
mod prefix_map;
mod reserved;
mod slot_book;
mod special;
mod state;

pub use app_spec::{
    AppId, AppProbe, AppSpec, Connectivity, Dns, DnsKind, EdgeIps, EdgePorts, OriginTlsName, ProxyProtocol,
    TlsMode, TrafficType, UdpOptions,
};
pub use compile::{Placed, compile};
pub use connection_limits::ConnectionLimits;
pub use edges::Fill;
pub use edit::{AppTurn, MergedPlaces};
pub use lookup::{App, Table};
pub use name::{DnsName, ScopeName};
pub use origin_book::{Candidate, NoOrigin, OriginBook, OriginName, OriginRecord, Origins, Resolved};
pub use origin_spec::{OriginDirect, OriginDnsKind, OriginSpec, PortRange};
pub use prefix::{Prefix, PrefixError, PrefixSpec, Stretch};
pub use prefix_map::{PrefixMap, PrefixSlot};
pub use reserved::{Forbidden, Holder, Reserved, Subnet, forbidden_origin};
pub use slot_book::{BookFull, SlotBook, Standing};
pub use special::special_purpose;
pub use state::{AppState, Missing};
