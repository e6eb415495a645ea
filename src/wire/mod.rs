//! Bytes to values and back, one protocol a file. No allocation, no clock, no panic.

mod arp;
pub mod checksum;
pub mod ethernet;
mod field;
mod flow_key;
mod fragment;
mod headers;
pub mod icmp;
mod icmp_error;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
mod parse;
pub mod proxy;
mod quoted;
mod readdress;
pub mod rss;
pub mod spp;
pub mod tcp;
mod tcp_options;
pub mod udp;

pub use arp::{ArpOperation, ArpPacket, PACKET_LEN as ARP_LEN};
pub use ethernet::{EtherType, Mac, MacText};
pub use flow_key::{FlowKey, Protocol};
pub use fragment::{Fragment, fragments, may_be_fragmented};
pub use headers::{ChecksumState, Family, Parsed, RxHints, TcpFlags, TcpSegment};
pub use icmp::{IcmpErrorKind, IcmpMessage, Unreachable};
pub use icmp_error::IcmpErrorEmit;
pub use ndp::{NaFlags, NdpMessage};
pub use parse::{parse, parse_into};
pub use proxy::{ProxyFault, ProxyHeader, Told};
pub use quoted::Quoted;
pub use readdress::{Readdress, congestion_marks, mark_congestion};
pub use rss::{RSS_KEY, Steering};
pub use tcp::TcpEmit;
pub use tcp_options::{SackBlocks, TcpOptions};
