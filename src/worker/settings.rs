//! What a worker is told at launch: plain values, checked by whoever made them (`control::config`), never changed.

use crate::base::PortId;
use crate::session;
use ipnet::IpNet;
use std::net::IpAddr;

/// Everything of the boot config that a worker acts on.
#[derive(Clone)]
pub struct Settings {
    /// Workers in the process.
    pub workers: u8,
    /// The ports, in the order of the boot config (`PortId` is the index).
    pub ports: Vec<PortSettings>,
    /// Static routes; the ports' own subnets are routes without being listed.
    pub routes: Vec<RouteSettings>,
    /// TCP to an edge address or port without an app.
    pub unused_tcp: Refusal,
    /// A SYN that an access rule blocks.
    pub blocked_tcp: Refusal,
    /// Sources that are refused beside the built-in martians (`sources.deny`).
    pub denied_sources: Vec<IpNet>,
    /// Special-purpose nets that origins may lie in (`origin_allow`).
    pub origin_allow: Vec<IpNet>,
    /// Rate limits, each per worker.
    pub rates: Rates,
    /// What the session room is told, the egress addresses among it. `comes_home` is the worker's to set.
    pub session: session::Settings,
    /// Whether segments of one flow that stand together in a burst are judged once (GRO).
    pub gro: bool,
    /// The same for UDP's sessions.
    pub udp: session::udp::Settings,
}

/// One port's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSettings {
    /// Its own addresses with their on-link subnets.
    pub addresses: Vec<IpNet>,
    /// Whether ARP and NDP are answered on it for every onboarded address.
    pub answer_neighbors_for_prefixes: bool,
    /// Hosts whose hardware address is given and never asked for (`byway replay`); empty otherwise.
    pub static_neighbors: Vec<(IpAddr, [u8; 6])>,
}

/// A static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// The destinations.
    pub to: IpNet,
    /// The gateway, on-link at `port`; `None` means that the destinations themselves are on-link.
    pub via: Option<IpAddr>,
    /// The port that leads there.
    pub port: PortId,
}

/// What a refused TCP segment gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Refusal {
    /// Nothing.
    #[default]
    Drop,
    /// An RST (RFC 9293 3.10.7.1), within `Rates::rst_per_s`.
    Rst,
}

/// Rate limits a second, per worker; the burst is a tenth of a second's worth, but 8 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Echo replies.
    pub echo_per_s: u32,
    /// ICMP errors sent (RFC 1812 4.3.2.8, RFC 4443 2.4 f).
    pub icmp_error_per_s: u32,
    /// ICMP errors taken in.
    pub icmp_in_per_s: u32,
    /// First SYNs that may open a session.
    pub syn_per_s: u32,
    /// First SYNs to apps with TLS among them: each costs a handshake.
    pub handshake_per_s: u32,
    /// ACKs without a session whose number is held against SYN cookies.
    pub cookie_check_per_s: u32,
    /// RSTs sent without a session.
    pub rst_per_s: u32,
    /// ARP requests and neighbour solicitations answered.
    pub neighbor_per_s: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            echo_per_s: 1_000,
            icmp_error_per_s: 100,
            icmp_in_per_s: 10_000,
            syn_per_s: 50_000,
            handshake_per_s: 1_500,
            cookie_check_per_s: 200_000,
            rst_per_s: 1_000,
            neighbor_per_s: 10_000,
        }
    }
}
