//! Every number that a worker keeps: one table, from which come the enums, the names and the help texts.
//!
//! A row that nobody counts is a defect (`tests/tidy.rs` looks). Drops are not here: `DropReason` is their catalog.

/// What a series of numbers is called and what it says. Names are those of the Prometheus exposition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// The family's name, unit last.
    pub name: &'static str,
    /// What the family counts, in one sentence.
    pub help: &'static str,
    /// The label that tells members of one family apart.
    pub label: Option<(&'static str, &'static str)>,
}

macro_rules! catalog {
    ($(#[$doc:meta])* $enum:ident {
        $($name:literal $help:literal { $($variant:ident $(($label:literal = $value:literal))?),+ $(,)? })+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $enum { $($(#[doc = concat!($help $(, " `", $label, " = ", $value, "`")?)] $variant,)+)+ }

        impl $enum {
            /// All of them, families together.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Name, help and label.
            pub const fn meta(self) -> Meta {
                match self {
                    $($(Self::$variant => Meta { name: $name, help: $help, label: label!($($label = $value)?) },)+)+
                }
            }
        }
    };
}

macro_rules! label {
    () => {
        None
    };
    ($label:literal = $value:literal) => {
        Some(($label, $value))
    };
}

catalog! {
    /// What a worker counts; each only grows.
    Counter {
        "byway_turns_total" "Turns of the worker's loop." { Turns }
        "byway_idle_turns_total" "Turns that found nothing to do." { IdleTurns }
        "byway_cycles_total" "Cycles of the CPU's time stamp counter that went by, rests included." { Cycles }
        "byway_busy_cycles_total" "Cycles of turns that found something to do." { BusyCycles }
        "byway_rests_total" "Pauses of an idle worker, by how it rests." {
            Naps("rest" = "nap"),
            InterruptWaits("rest" = "interrupt"),
        }
        "byway_received_frames_total" "Frames taken from the ports." { ReceivedFrames }
        "byway_received_bytes_total" "Bytes of frames taken from the ports." { ReceivedBytes }
        "byway_sent_frames_total" "Frames that the ports took for sending." { SentFrames }
        "byway_sent_bytes_total" "Bytes of frames that the ports took for sending." { SentBytes }
        "byway_returned_frames_total" "Received frames whose own buffer went out again." { ReturnedFrames }
        "byway_absorbed_frames_total" "Received frames that were read and done with." { AbsorbedFrames }
        "byway_handed_over_frames_total" "Frames given to the worker that owns their flow." { HandedOverFrames }
        "byway_taken_over_frames_total" "Frames that other workers gave to this one." { TakenOverFrames }
        "byway_software_checksums_total" "Sent packets whose checksums byway computed itself." { SoftwareChecksums }
        "byway_neighbor_requests_total" "Questions sent for a next hop's MAC." {
            ArpRequestsSent("protocol" = "arp"),
            NdpRequestsSent("protocol" = "ndp"),
        }
        "byway_neighbor_answers_total" "Answers sent for addresses of ours." {
            ArpAnswersSent("protocol" = "arp"),
            NdpAnswersSent("protocol" = "ndp"),
        }
        "byway_neighbor_announcements_total" "Unasked announcements of addresses of ours." {
            ArpAnnouncementsSent("protocol" = "arp"),
            NdpAnnouncementsSent("protocol" = "ndp"),
        }
        "byway_neighbors_learned_total" "Next hops whose MAC became known or changed." { NeighborsLearned }
        "byway_neighbors_failed_total" "Next hops that did not answer in time." { NeighborsFailed }
        "byway_neighbors_refused_total" "Next hops for which the neighbour table had no room." { NeighborsRefused }
        "byway_echo_replies_total" "ICMP and ICMPv6 echo requests answered." { EchoReplies }
        "byway_icmp_errors_sent_total" "ICMP and ICMPv6 errors sent." { IcmpErrorsSent }
        "byway_icmp_errors_accepted_total" "ICMP errors that quoted live data and were acted on." { IcmpErrorsAccepted }
        "byway_path_mtu_reductions_total" "Legs whose path MTU an ICMP error lowered." { PathMtuReductions }
        "byway_resets_sent_total" "TCP segments with RST sent." { ResetsSent }
        "byway_challenge_acks_total" "ACKs sent to suspicious segments (RFC 5961)." { ChallengeAcks }
        "byway_retransmitted_segments_total" "Segments with data seen or sent again." {
            RetransmitsReceived("direction" = "received"),
            RetransmitsSent("direction" = "sent"),
        }
        "byway_gro_merged_segments_total" "Segments of managed sessions that were taken with the one before them (GRO)." { GroMerged }
        "byway_tso_frames_total" "Segments that were given to a device to be cut (TSO)." { TsoFrames }
        "byway_tso_segments_total" "Segments that a device made of those." { TsoSegments }
        "byway_retransmissions_total" "Segments with data sent again, by what told that they were lost." {
            RetransmitsFast("reason" = "fast"),
            RetransmitsProbe("reason" = "tlp"),
            RetransmitsTimeout("reason" = "rto"),
        }
        "byway_scoreboards_reclaimed_total" "Scoreboards of lossy legs that were taken from one leg for another, since all were in use." {
            ScoreboardsReclaimed
        }
        "byway_zero_windows_total" "Windows that closed to zero." {
            ZeroWindowsReceived("direction" = "received"),
            ZeroWindowsSent("direction" = "sent"),
        }
        "byway_keepalives_sent_total" "Keep-alive probes sent." { KeepalivesSent }
        "byway_time_wait_acks_total" "Late segments answered out of TIME-WAIT." { TimeWaitAcks }
        "byway_time_wait_reuses_total" "Tuples opened anew out of TIME-WAIT." { TimeWaitReuses }
        "byway_egress_ports_woken_total" "Egress tuples at rest that a new connection used, since none was free." { EgressWoken }
        "byway_opened_sessions_total" "Clients that got a session." { OpenedSessions }
        "byway_syn_cookies_sent_total" "First SYNs answered by a cookie, without memory." { CookiesSent }
        "byway_syn_cookies_received_total" "Cookies that came back and opened a session." { CookiesReceived }
        "byway_syn_cookies_failed_total" "ACKs without a session that bear no cookie in force, by what is wrong." {
            CookiesForged("reason" = "forged"),
            CookiesExpired("reason" = "expired"),
            CookiesReplayed("reason" = "replayed"),
        }
        "byway_spliced_sessions_total" "Sessions that became mere translations of headers." { SessionsSpliced }
        "byway_spliced_frames_total" "Frames of spliced sessions that went on." { SplicedFrames }
        "byway_parked_sessions_total" "Quiet sessions that gave up their sockets." { SessionsParked }
        "byway_unparked_sessions_total" "Parked sessions that got sockets again." { SessionsUnparked }
        "byway_park_refusals_total" "Quiet sessions that kept their sockets, by why: for good, or until they are looked at again." {
            UnparkedForTls("reason" = "tls"),
            UnparkedForClosing("reason" = "closing"),
            UnparkedForBytes("reason" = "bytes"),
        }
        "byway_held_flights_total" "First bytes of clients that waited for their origin, by what became of them." {
            FlightsSpliced("outcome" = "spliced"),
            FlightsReleased("outcome" = "released"),
        }
        "byway_quiesced_sessions_total" "Managed sessions that never fell quiet and were given no more window for a while, by what became of them." {
            QuiescesSpliced("outcome" = "spliced"),
            QuiescesReleased("outcome" = "released"),
        }
        "byway_relayed_bytes_total" "Payload bytes of TCP sessions that were not spliced then." {
            RelayedFromClients("from" = "client"),
            RelayedFromOrigins("from" = "origin"),
        }
        "byway_spliced_resets_total" "Resets that ended spliced sessions, passed to the other side." { ResetsPassed }
        "byway_unspliced_sessions_total" "Sessions that could not be spliced, by what is in the way." {
            UnsplicedForFamily("reason" = "family"),
            UnsplicedForTimestamps("reason" = "timestamps"),
            UnsplicedForSack("reason" = "sack"),
            UnsplicedForMss("reason" = "mss"),
            UnsplicedForBusy("reason" = "busy"),
            UnsplicedForRoom("reason" = "full"),
        }
        "byway_established_sessions_total" "Sessions of which both legs came up." { EstablishedSessions }
        "byway_closed_sessions_total" "Sessions that ended, by what ended them." {
            ClosedInOrder("end" = "in_order"),
            ClosedByClientReset("end" = "client_reset"),
            ClosedByOriginReset("end" = "origin_reset"),
            ClosedByHalfOpenTimeout("end" = "half_open_timeout"),
            ClosedByOriginRefused("end" = "origin_refused"),
            ClosedByConnectTimeout("end" = "connect_timeout"),
            ClosedByOriginUnreachable("end" = "origin_unreachable"),
            ClosedByOriginForbidden("end" = "origin_forbidden"),
            ClosedByOriginUnresolved("end" = "origin_unresolved"),
            ClosedByEgressExhausted("end" = "egress_exhausted"),
            ClosedByIdleTimeout("end" = "idle_timeout"),
            ClosedByFinTimeout("end" = "fin_timeout"),
            ClosedByClientTimeout("end" = "client_timeout"),
            ClosedByOriginTimeout("end" = "origin_timeout"),
            ClosedByClientKeepalive("end" = "client_keepalive"),
            ClosedByOriginKeepalive("end" = "origin_keepalive"),
            ClosedByFirewall("end" = "firewall"),
            ClosedByAppRemoval("end" = "app_removed"),
            ClosedByDrain("end" = "drain"),
            ClosedByLackOfRoom("end" = "lack_of_room"),
            ClosedByBadSni("end" = "bad_sni"),
            ClosedByClientHandshake("end" = "client_tls_handshake"),
            ClosedByOriginHandshake("end" = "origin_tls_handshake"),
            ClosedByOriginHandshakeTimeout("end" = "origin_tls_timeout"),
            ClosedByClientTls("end" = "client_tls_error"),
            ClosedByOriginTls("end" = "origin_tls_error"),
            ClosedByCryptoBusy("end" = "crypto_busy"),
        }
        "byway_tls_handshakes_total" "TLS sessions of which all handshakes were made." { TlsHandshakes }
        "byway_tls_resumptions_total" "TLS sessions that clients resumed by a ticket." { TlsResumptions }
        "byway_tls_cut_streams_total" "TLS streams that ended without close_notify." { TlsCutStreams }
        "byway_tls_failures_total" "TLS handshakes and connections that failed, by what was wrong with whom." {
            TlsBadSni("reason" = "client_bad_sni"),
            TlsClientOldVersion("reason" = "client_old_version"),
            TlsClientNothingInCommon("reason" = "client_nothing_in_common"),
            TlsClientBadMessage("reason" = "client_bad_message"),
            TlsClientAlert("reason" = "client_alert"),
            TlsOriginOldVersion("reason" = "origin_old_version"),
            TlsOriginNothingInCommon("reason" = "origin_nothing_in_common"),
            TlsOriginBadMessage("reason" = "origin_bad_message"),
            TlsOriginAlert("reason" = "origin_alert"),
            TlsOriginCertificate("reason" = "origin_certificate"),
            TlsExpired("reason" = "crypto_busy"),
        }
        "byway_second_origins_total" "Connects that failed and went to another origin." { SecondOrigins }
        "byway_backed_off_origins_total" "Origins left alone for a while because connects to them failed." { BackedOffOrigins }
        "byway_untracked_origins_total" "Connections to one of several origins that is not looked after, for want of a place." { UntrackedOrigins }
        "byway_proxy_headers_total" "PROXY protocol headers sent ahead of a connection." { ProxyHeadersSent }
        "byway_udp_sessions_opened_total" "UDP clients that got a session." { UdpOpened }
        "byway_udp_sessions_answered_total" "UDP sessions whose origin answered." { UdpAnswered }
        "byway_udp_sessions_proven_total" "UDP sessions whose client proved its address." { UdpProven }
        "byway_udp_sessions_closed_total" "UDP sessions that ended, by what ended them." {
            UdpClosedByIdleTimeout("end" = "idle_timeout"),
            UdpClosedUnanswered("end" = "unanswered"),
            UdpClosedByEviction("end" = "evicted"),
            UdpClosedByOriginRefused("end" = "origin_refused"),
            UdpClosedByClientRefused("end" = "client_refused"),
            UdpClosedByFirewall("end" = "firewall"),
            UdpClosedByOriginForbidden("end" = "origin_forbidden"),
            UdpClosedByAppRemoval("end" = "app_removed"),
            UdpClosedByDrain("end" = "drain"),
        }
        "byway_udp_datagrams_total" "Datagrams of live UDP sessions received." {
            UdpFromClients("from" = "client"),
            UdpFromOrigins("from" = "origin"),
        }
        "byway_udp_fragmented_total" "Datagrams that went out in fragments." { UdpFragmented }
        "byway_rejudged_sessions_total" "Sessions judged again under a newer snapshot." { RejudgedSessions }
        "byway_probes_total" "Active probes of origins, by what came of them." {
            ProbesConnected("outcome" = "connected"),
            ProbesRefused("outcome" = "refused"),
            ProbesTimedOut("outcome" = "timed_out"),
            ProbesUnreachable("outcome" = "unreachable"),
            ProbesNotSent("outcome" = "not_sent"),
        }
        "byway_snapshots_total" "Snapshots taken into force." { SnapshotsTaken }
        "byway_lost_events_total" "Events that found control's queue full, by kind." {
            LostConnects("event" = "connect"),
            LostDisconnects("event" = "disconnect"),
            LostFiltered("event" = "clientFiltered"),
            LostErrors("event" = "error"),
        }
        "byway_lost_replies_total" "Replies to commands that found control's queue full." { LostReplies }
        "byway_uncounted_clients_total" "Connections of limited clients that found no place to be counted." { UncountedClients }
        "byway_uncounted_slots_total" "Counts for an app or a rule beyond the page's capacity." { UncountedSlots }
    }
}

catalog! {
    /// What a worker reports as a level.
    Gauge {
        "byway_epoch" "Number of the snapshot in force." { Epoch }
        "byway_sessions" "Sessions held." { Sessions }
        "byway_spliced_sessions" "Sessions held that are mere translations of headers." { SplicedSessions }
        "byway_parked_sessions" "Sessions held that have no sockets." { ParkedSessions }
        "byway_udp_sessions" "UDP sessions held." { UdpSessions }
        "byway_half_open_sessions" "Sessions whose client handshake is not complete." { HalfOpen }
        "byway_time_waits" "Tuples in TIME-WAIT." { TimeWaits }
        "byway_crypto_jobs" "TLS handshakes that are with the crypto threads." { CryptoJobs }
        "byway_neighbors" "Next hops held." { Neighbors }
        "byway_egress_ports_in_use" "Egress tuples in use or in quarantine." { EgressPorts }
    }
}

catalog! {
    /// What is kept for each app.
    AppCounter {
        "byway_app_connections_total" "Sessions established, by app." { Connections }
        "byway_app_refused_total" "First SYNs refused, by app." { Refused }
        "byway_app_bytes_total" "Payload bytes relayed, by app; `in` is from the client." {
            BytesIn("direction" = "in"),
            BytesOut("direction" = "out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Meta> {
        let counters = Counter::ALL.iter().map(|counter| counter.meta());
        let apps = AppCounter::ALL.iter().map(|counter| counter.meta());
        counters.chain(apps).chain(Gauge::ALL.iter().map(|gauge| gauge.meta())).collect()
    }

    #[test]
    fn series_are_unique_and_counters_are_totals() {
        let all = all();
        let series: HashSet<_> = all.iter().map(|meta| (meta.name, meta.label)).collect();
        assert_eq!(series.len(), all.len());
        assert!(Counter::ALL.iter().all(|counter| counter.meta().name.ends_with("_total")));
        assert!(Gauge::ALL.iter().all(|gauge| !gauge.meta().name.ends_with("_total")));
    }

    #[test]
    fn members_of_a_family_share_one_label() {
        for meta in all() {
            let labels: HashSet<_> = all()
                .iter()
                .filter(|other| other.name == meta.name)
                .map(|other| other.label.map(|(label, _)| label))
                .collect();
            assert_eq!(labels.len(), 1, "{}", meta.name);
        }
    }
}
