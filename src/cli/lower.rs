//! From the boot config to what workers and sessions are told: the one place where both are known.

use crate::base::{Addr, Span};
use crate::control::config::boot::{
    BootSpec, CongestionControlSpec, EgressSpec, Idle, PortSpec, SpliceHandshakeSpec, SynCookiesSpec,
    TcpSpec, Unanswered,
};
use crate::flow::{EgressPool, SharePercents};
use crate::session;
use crate::telemetry::PageSize;
use crate::worker;

/// Beyond any session's life.
const NEVER: Span = Span::from_secs(1 << 31);

/// The settings of every worker. `mtus` are those of the ports as they came up.
pub fn worker_settings(spec: &BootSpec, mtus: Vec<u16>) -> worker::Settings {
    let route = |route: &crate::control::config::boot::RouteSpec| worker::RouteSettings {
        to: route.to,
        via: Some(route.via),
        port: route.port,
    };
    worker::Settings {
        workers: spec.workers.count() as u8,
        ports: (0..).zip(&spec.ports).map(|(index, port)| port_settings(spec, index, port)).collect(),
        routes: spec.routes.iter().map(route).collect(),
        unused_tcp: refusal(spec.tcp.unused_tcp),
        blocked_tcp: refusal(spec.tcp.blocked_tcp),
        denied_sources: spec.deny.clone(),
        origin_allow: spec.origin_allow.clone(),
        rates: worker::Rates {
            echo_per_s: spec.icmp.echo_per_s,
            icmp_error_per_s: spec.icmp.errors_per_s,
            icmp_in_per_s: spec.icmp.errors_in_per_s,
            syn_per_s: spec.tcp.syn_per_s,
            handshake_per_s: spec.tls.handshakes_per_s,
            cookie_check_per_s: spec.tcp.syn_cookie_checks_per_s,
            rst_per_s: spec.tcp.rst_per_s,
            neighbor_per_s: spec.neighbors.per_s,
        },
        session: session_settings(spec, mtus),
        gro: spec.workers.gro,
        udp: udp_settings(spec),
    }
}

/// How a worker rests.
pub fn rest_terms(spec: &BootSpec) -> worker::RestTerms {
    let idle = match spec.workers.idle {
        Idle::Poll => worker::Idle::Poll,
        Idle::Interrupt => worker::Idle::Interrupt,
        Idle::Nap => worker::Idle::Nap,
    };
    worker::RestTerms { idle, polls: spec.workers.idle_polls, nap: spec.workers.idle_sleep }
}

/// Room for counters on a worker's page.
pub fn page_size(spec: &BootSpec) -> PageSize {
    PageSize { apps: spec.memory.app_counters, rules: spec.memory.rule_counters }
}

fn port_settings(spec: &BootSpec, index: usize, port: &PortSpec) -> worker::PortSettings {
    let here = spec.neighbors.fixed.iter().filter(|neighbor| neighbor.port.index() == index);
    worker::PortSettings {
        addresses: port.addresses.clone(),
        answer_neighbors_for_prefixes: port.answer_neighbors_for_prefixes,
        static_neighbors: here.map(|neighbor| (neighbor.address, neighbor.mac)).collect(),
    }
}

const fn refusal(unanswered: Unanswered) -> worker::Refusal {
    match unanswered {
        Unanswered::Drop => worker::Refusal::Drop,
        Unanswered::Rst => worker::Refusal::Rst,
    }
}

fn session_settings(spec: &BootSpec, port_mtus: Vec<u16>) -> session::Settings {
    let tcp = &spec.tcp;
    let resting = tcp.resting();
    session::Settings {
        sessions_max: tcp.sessions as u32,
        half_open_max: tcp.half_open as u32,
        syn_cookies: syn_cookies(tcp),
        splice_handshake: match tcp.splice_handshake {
            SpliceHandshakeSpec::Immediate => session::SpliceHandshake::Immediate,
            SpliceHandshakeSpec::ClientRtt => session::SpliceHandshake::ClientRtt,
        },
        splice_quiesce_after: tcp.splice_quiesce_after,
        parked_max: tcp.parked_sessions as u32,
        park_after: tcp.park_after,
        spliced_max: if tcp.splice { tcp.spliced_sessions as u32 } else { 0 },
        time_wait_max: resting as u32,
        rx_buffer_bytes: tcp.rx_buffer_bytes,
        tx_buffer_bytes: tcp.tx_buffer_bytes,
        window_shift: tcp.window_shift,
        timestamps: tcp.timestamps,
        congestion: match tcp.congestion_control {
            CongestionControlSpec::Bbr => session::Congestion::Bbr,
            CongestionControlSpec::Cubic => session::Congestion::Cubic,
            CongestionControlSpec::None => session::Congestion::None,
        },
        port_mtus,
        mss_max: tcp.mss_max,
        connect_timeout: tcp.connect_timeout,
        half_open_timeout: tcp.half_open_timeout,
        idle_timeout: tcp.idle_timeout,
        fin_timeout: tcp.fin_timeout,
        keepalive: if tcp.keepalive == Span::ZERO { NEVER } else { tcp.keepalive },
        user_timeout: tcp.user_timeout,
        time_wait: tcp.time_wait,
        removed_app_grace: tcp.removed_app_drain,
        challenge_acks_per_s: tcp.challenge_ack_per_s,
        shares: shares(spec),
        limits: spec.limits.connections,
        egress: egress(&spec.egress, resting),
        comes_home: None,
    }
}

/// The threshold is a share of the half-open sessions that there may be.
const fn syn_cookies(tcp: &TcpSpec) -> session::SynCookies {
    match tcp.syn_cookies {
        SynCookiesSpec::Off => session::SynCookies::Off,
        SynCookiesSpec::Auto => session::SynCookies::Auto {
            half_open: (tcp.half_open * tcp.syn_cookies_percent as usize / 100) as u32,
        },
        SynCookiesSpec::Always => session::SynCookies::Always,
    }
}

fn shares(spec: &BootSpec) -> SharePercents {
    SharePercents { app: spec.limits.app_share_percent, account: spec.limits.account_share_percent }
}

fn udp_settings(spec: &BootSpec) -> session::udp::Settings {
    session::udp::Settings {
        sessions_max: spec.udp.sessions as u32,
        idle_timeout: spec.udp.idle_timeout,
        shares: shares(spec),
        unanswered_timeout: spec.udp.unanswered_timeout,
        removed_app_grace: spec.tcp.removed_app_drain,
        special_sources: spec.lab,
        egress: egress(&spec.egress, spec.udp.resting()),
        comes_home: None,
    }
}

fn egress(spec: &EgressSpec, quarantine_max: usize) -> EgressPool {
    EgressPool {
        ipv4: spec.ipv4.iter().copied().map(Addr::from).collect(),
        ipv6: spec.ipv6.iter().copied().map(Addr::from).collect(),
        ports: spec.ports.clone(),
        quarantine: spec.quarantine,
        quarantine_max,
    }
}
