//! The closed list of why a frame dies. Every reason has a name, a class in Spectrum's terms and a counter.

/// Spectrum's own classes of dropped packets (`DDoS Protection for Spectrum`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum DropClass {
    /// A rule or a sanity check refused it.
    Blocked,
    /// A rate was exceeded.
    RateLimited,
    /// A table or a limit of connections was full.
    ConnectionLimited,
    /// Out of state, or not something that belongs here.
    Unexpected,
    /// No app on that address and port.
    NotFound,
}

impl DropClass {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::RateLimited => "Rate limited",
            Self::ConnectionLimited => "Connection limited",
            Self::Unexpected => "Unexpected",
            Self::NotFound => "Not found",
        }
    }
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident, $name:literal, $class:ident;)+) => {
        /// Why a frame died. "Other" is not a reason.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $variant,)+ }

        impl DropReason {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many reasons there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in counters, logs and docs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The class in Spectrum's terms.
            pub const fn class(self) -> DropClass {
                match self { $(Self::$variant => DropClass::$class,)+ }
            }

            /// What it means, in one sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than its headers say, or than an Ethernet header.
    FrameTruncated, "frame_truncated", Unexpected;
    /// Spread over several buffers (larger than the port's MTU).
    FrameMultiSegment, "frame_multi_segment", Unexpected;
    /// Addressed to a MAC that is neither the port's nor a group of ours.
    NotOurMac, "not_our_mac", Unexpected;
    /// Carries a VLAN tag (802.1Q or 802.1ad); byway serves untagged ports.
    VlanTagged, "vlan_tagged", Unexpected;
    /// An EtherType that is not IPv4, IPv6 or ARP.
    EtherTypeUnknown, "ether_type_unknown", Unexpected;
    /// An ARP packet that breaks RFC 826.
    ArpMalformed, "arp_malformed", Unexpected;
    /// A neighbour discovery message that breaks RFC 4861.
    NdpMalformed, "ndp_malformed", Unexpected;
    /// An ARP or neighbour message that is not for an address of ours, or that claims one.
    NeighborNotOurs, "neighbor_not_ours", Unexpected;
    /// ARP and neighbour messages over the rate limit.
    NeighborRateLimited, "neighbor_rate_limited", RateLimited;
    /// The IPv4 header is broken: version, header length or total length.
    Ipv4HeaderBad, "ipv4_header_bad", Unexpected;
    /// The IPv4 header checksum is wrong.
    Ipv4ChecksumBad, "ipv4_checksum_bad", Unexpected;
    /// The IPv4 header carries options.
    Ipv4Options, "ipv4_options", Blocked;
    /// A fragment of an IPv4 packet.
    Ipv4Fragment, "ipv4_fragment", Blocked;
    /// The IPv6 header is broken: version or payload length.
    Ipv6HeaderBad, "ipv6_header_bad", Unexpected;
    /// An IPv6 extension header other than a fragment header.
    Ipv6Extension, "ipv6_extension", Blocked;
    /// A fragment of an IPv6 packet.
    Ipv6Fragment, "ipv6_fragment", Blocked;
    /// A source that cannot be: unspecified, loopback, multicast, broadcast, 240/4, mapped, or on the deny list.
    MartianSource, "martian_source", Blocked;
    /// A source that is one of ours: a port's, an egress or an onboarded address.
    SpoofedSource, "spoofed_source", Blocked;
    /// Source and destination are the same (land attack).
    Land, "land", Blocked;
    /// To be sent on, and its time to live (hop limit) is over.
    TtlExpired, "ttl_expired", Unexpected;
    /// Neither TCP, UDP nor ICMP.
    ProtocolUnknown, "protocol_unknown", NotFound;
    /// The TCP header is broken: data offset, length, options, or a port of zero.
    TcpHeaderBad, "tcp_header_bad", Unexpected;
    /// The TCP checksum is wrong.
    TcpChecksumBad, "tcp_checksum_bad", Unexpected;
    /// Flags that no TCP sends together: two of SYN, FIN and RST, or none of SYN, RST and ACK.
    TcpFlagsBad, "tcp_flags_bad", Blocked;
    /// The UDP header is broken: length.
    UdpHeaderBad, "udp_header_bad", Unexpected;
    /// The UDP checksum is wrong, or missing on IPv6.
    UdpChecksumBad, "udp_checksum_bad", Unexpected;
    /// The ICMP message is shorter than its kind.
    IcmpMalformed, "icmp_malformed", Unexpected;
    /// The ICMP checksum is wrong.
    IcmpChecksumBad, "icmp_checksum_bad", Unexpected;
    /// An ICMP kind that byway does not act on.
    IcmpIgnored, "icmp_ignored", Unexpected;
    /// An ICMP error that quotes no live flow, or a sequence number that is not in flight (RFC 5927).
    IcmpUnsolicited, "icmp_unsolicited", Unexpected;
    /// ICMP over the rate limit.
    IcmpRateLimited, "icmp_rate_limited", RateLimited;
    /// The destination lies in no onboarded prefix and is no address of ours.
    NoPrefix, "no_prefix", NotFound;
    /// The address lies in an onboarded prefix and is bound to another service than Spectrum.
    OtherService, "other_service", NotFound;
    /// The edge address has no app.
    NoApp, "no_app", NotFound;
    /// The edge address has apps, but none on this port.
    NoAppPort, "no_app_port", NotFound;
    /// The port has an app of another protocol.
    WrongProtocol, "wrong_protocol", NotFound;
    /// An IP access rule blocks the source.
    FirewallBlocked, "firewall_blocked", Blocked;
    /// No session, and not a first SYN.
    OutOfState, "out_of_state", Unexpected;
    /// A segment outside the receive window, or an ACK for what was never sent (RFC 5961 5).
    SequenceUnacceptable, "sequence_unacceptable", Unexpected;
    /// An RST whose number is not exactly the next one expected (RFC 5961 3.2).
    RstUnacceptable, "rst_unacceptable", Blocked;
    /// A SYN inside a synchronised session (RFC 5961 4.2).
    SynInSession, "syn_in_session", Unexpected;
    /// A timestamp older than the last one seen (PAWS, RFC 7323 5).
    PawsOld, "paws_old", Unexpected;
    /// A late segment of a session in TIME-WAIT.
    TimeWait, "time_wait", Unexpected;
    /// All session slots are taken.
    SessionsFull, "sessions_full", ConnectionLimited;
    /// Bytes for a parked session while every session's sockets are in use.
    SocketsFull, "sockets_full", ConnectionLimited;
    /// All UDP session slots are taken by clients that have proven themselves.
    UdpSessionsFull, "udp_sessions_full", ConnectionLimited;
    /// A reply that would be more than the app's `amplification_limit` allows towards a client that has not proven itself.
    AmplificationLimited, "amplification_limited", RateLimited;
    /// A reply without the Simple Proxy Protocol header of its client.
    ProxyHeaderBad, "proxy_header_bad", Blocked;
    /// A datagram that does not fit through the path beyond byway, and that its sender forbids to fragment.
    DatagramTooLong, "datagram_too_long", Unexpected;
    /// A segment of a spliced session that does not fit through the path beyond byway; its sender is told.
    SegmentTooLong, "segment_too_long", Unexpected;
    /// All half-open slots are taken.
    HalfOpenFull, "half_open_full", ConnectionLimited;
    /// The flow table has no free slot near this tuple's place.
    FlowsFull, "flows_full", ConnectionLimited;
    /// The app holds its share of sessions, half-open slots, UDP flows or source ports already, and most are in use.
    AppShare, "app_share", ConnectionLimited;
    /// The account holds its share of sessions, half-open slots, UDP flows or source ports already, and most are in use.
    AccountShare, "account_share", ConnectionLimited;
    /// The app has as many connections as its limit lets it.
    AppConnections, "app_connections", ConnectionLimited;
    /// The client has as many connections to the app as the app's limit lets it.
    ClientConnections, "client_connections", ConnectionLimited;
    /// New connections to the app over its rate limit.
    AppRateLimited, "app_rate_limited", RateLimited;
    /// New connections of one client to the app over its rate limit.
    ClientRateLimited, "client_rate_limited", RateLimited;
    /// First SYNs over the rate limit.
    SynRateLimited, "syn_rate_limited", RateLimited;
    /// An ACK whose number this client could have been given as a SYN cookie just now, but was not; or its first data, ahead
    /// of the ACK that bears the cookie.
    SynCookieBad, "syn_cookie_bad", Unexpected;
    /// ACKs that may bear a SYN cookie, over the rate at which cookies are checked.
    SynCookieRateLimited, "syn_cookie_rate_limited", RateLimited;
    /// A first SYN to an app with TLS, over the worker's rate of handshakes.
    HandshakeRateLimited, "handshake_rate_limited", RateLimited;
    /// No egress address and port is free towards this origin.
    EgressExhausted, "egress_exhausted", ConnectionLimited;
    /// The crypto threads have all the handshakes that they may have.
    CryptoFull, "crypto_full", ConnectionLimited;
    /// The app asks for TLS and no certificate of its zone is in force.
    NoCertificate, "no_certificate", NotFound;
    /// The app's origin is one that may never be connected to.
    OriginForbidden, "origin_forbidden", Blocked;
    /// The app has no origin: its name does not resolve.
    OriginUnresolved, "origin_unresolved", NotFound;
    /// A new connection while the process drains.
    Draining, "draining", ConnectionLimited;
    /// The ring to the worker that owns the flow was full.
    HandoverFull, "handover_full", RateLimited;
    /// No route leads to the destination.
    NoRoute, "no_route", Unexpected;
    /// The next hop did not answer, or too many frames wait for it.
    NeighborUnresolved, "neighbor_unresolved", Unexpected;
    /// The port's transmit queue was full.
    TxFull, "tx_full", RateLimited;
    /// No frame buffer was to be had.
    NoFrame, "no_frame", RateLimited;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_helps_are_sentences() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::COUNT);
        assert!(DropReason::ALL.iter().all(|reason| reason.help().ends_with('.')));
    }
}
