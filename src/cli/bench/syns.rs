//! The rows of `byway bench session` about first SYNs of which nothing is remembered, each of another client: answered by a cookie,
//! blocked by a rule, or sent where no app is.

use super::report::Row;
use super::world::measured_turn;
use super::{callgrind, make, peer};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Instant, Span};
use crate::port::Frame;
use crate::session::SynCookies;
use std::process::ExitCode;

/// What the SYNs meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Meets {
    /// A live app, which answers each by a cookie.
    Cookie,
    /// An app one of whose rules blocks them.
    Rule,
    /// An edge address without an app.
    Nothing,
}

impl Meets {
    /// As arguments name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Rule => "rule",
            Self::Nothing => "nothing",
        }
    }

    /// As rows name it.
    const fn row(self) -> &'static str {
        match self {
            Self::Cookie => "syn_cookie",
            Self::Rule => "syn_blocked",
            Self::Nothing => "syn_noapp",
        }
    }
}

/// SYNs counted in one run.
const SYNS: usize = 64_000;
/// SYNs of bursts before the count begins.
const WARM: usize = 320;

/// One run of the worker, as the child process is told to make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct SynProbe {
    /// The port claims to fill in and verify checksums.
    #[arg(long)]
    pub offload: bool,
    /// The clients use timestamps, as Linux does.
    #[arg(long)]
    pub timestamps: bool,
    /// What the SYNs meet.
    #[arg(long, value_enum)]
    pub meets: Meets,
}

/// All rows about SYNs.
pub fn rows() -> Result<Vec<Row>, callgrind::CallgrindError> {
    let row = |(meets, offload, timestamps): (Meets, bool, bool)| {
        let mut args = ["bench", "syn-probe", "--meets", meets.name()].map(String::from).to_vec();
        args.extend(offload.then(|| "--offload".to_owned()));
        args.extend(timestamps.then(|| "--timestamps".to_owned()));
        let how = if offload { "" } else { "_softsum" };
        let options = if timestamps { "_timestamps" } else { "" };
        let value = callgrind::count(&args)?.instructions as f64 / SYNS as f64;
        Ok(Row::new(format!("{}{how}{options}", meets.row()), value, "instructions", None))
    };
    let cookies = [(true, false), (false, false), (false, true)].map(|(a, b)| (Meets::Cookie, a, b));
    let drops = [(Meets::Rule, true, false), (Meets::Nothing, true, false)];
    cookies.into_iter().chain(drops).map(row).collect()
}

/// The child's side: drives the worker, and holds that each SYN was answered, or none.
pub fn run_syn_probe(probe: &SynProbe) -> ExitCode {
    let (mut worker, mut wire, _held) = make::equip(make::Shape {
        tcp_sessions: 0,
        spliced_sessions: 64,
        udp_sessions: 0,
        offload: probe.offload,
        buffer_bytes: make::BUFFER_BYTES,
        rules: make::RULES,
        snapshot: make::snapshot(&tables(probe.meets), None),
        tune: |settings| settings.session.syn_cookies = SynCookies::Always,
    });
    let mut now = Instant::ZERO + Span::from_secs(1);
    let mut answered = 0;
    for burst in 0..(WARM + SYNS) / BURST_FRAMES_MAX {
        now += Span::from_micros(30);
        for at in burst * BURST_FRAMES_MAX..(burst + 1) * BURST_FRAMES_MAX {
            let mut frame = wire.allocate().expect("the bench's pool holds a burst and more");
            let capacity = frame.capacity();
            assert!(frame.set_len(capacity));
            let len = peer::write(frame.bytes_mut(), make::MAC, &syn(at as u32, probe));
            assert!(frame.set_len(len));
            if probe.offload {
                frame.set_rx_meta(make::rx_meta());
            } else {
                crate::wire::checksum::finish_ip_tcp(&mut frame.bytes_mut()[14..]);
            }
            assert!(wire.inject(0, frame).is_ok(), "the bench's ring holds a burst and more");
        }
        if burst * BURST_FRAMES_MAX < WARM {
            worker.turn(now);
        } else {
            measured_turn(&mut worker, now);
        }
        while let Some(frame) = wire.take() {
            let syn_ack = peer::read(frame.bytes()).filter(|answer| answer.src == peer::EDGE);
            answered += usize::from(syn_ack.is_some());
        }
    }
    let expected = if probe.meets == Meets::Cookie { WARM + SYNS } else { 0 };
    assert_eq!(answered, expected, "not every SYN met what it was to meet");
    ExitCode::SUCCESS
}

/// The bench's table, with a rule that blocks all clients where they are to meet one.
fn tables(meets: Meets) -> String {
    let text = make::TABLES.trim_end().trim_end_matches('}').replacen(
        "\"protocol\"",
        "\"ip_firewall\": true, \"protocol\"",
        1,
    );
    let rule = r#"{"mode":"block","configuration":{"target":"ip_range","value":"10.0.0.0/8"}}"#;
    match meets {
        Meets::Rule => format!("{text}, \"access_rules\": [{rule}]}}"),
        Meets::Cookie | Meets::Nothing => make::TABLES.to_owned(),
    }
}

/// The SYN of another client each time.
fn syn(at: u32, probe: &SynProbe) -> peer::Segment {
    peer::Segment {
        src: u32::from_be_bytes([10, 1, 0, 0]) + at.wrapping_mul(2_654_435_761) % (1 << 16),
        dst: if probe.meets == Meets::Nothing { peer::EDGE + 1 } else { peer::EDGE },
        src_port: 1_024 + (at % 60_000) as u16,
        dst_port: peer::EDGE_PORT,
        seq: at.wrapping_mul(40_503),
        flags: peer::flag::SYN,
        timestamp: probe.timestamps.then_some((at, 0)),
        ..peer::Segment::default()
    }
}
