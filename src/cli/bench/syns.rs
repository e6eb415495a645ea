//! The row of `byway bench session` about first SYNs that are answered by cookies: every one is new, none is remembered.

use super::report::Row;
use super::world::measured_turn;
use super::{callgrind, make, peer};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Instant, Span};
use crate::port::Frame;
use crate::session::SynCookies;
use std::process::ExitCode;

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
}

/// All rows about SYNs.
pub fn rows() -> Result<Vec<Row>, callgrind::CallgrindError> {
    let row = |(offload, timestamps): (bool, bool)| {
        let mut args = ["bench", "syn-probe"].map(String::from).to_vec();
        args.extend(offload.then(|| "--offload".to_owned()));
        args.extend(timestamps.then(|| "--timestamps".to_owned()));
        let how = if offload { "" } else { "_softsum" };
        let options = if timestamps { "_timestamps" } else { "" };
        let value = callgrind::count(&args)?.instructions as f64 / SYNS as f64;
        Ok(Row::new(format!("syn_cookie{how}{options}"), value, "instructions", None))
    };
    [(true, false), (false, false), (false, true)].into_iter().map(row).collect()
}

/// The child's side: drives the worker, and holds that each SYN was answered.
pub fn run_syn_probe(probe: &SynProbe) -> ExitCode {
    let (mut worker, mut wire, _held) = make::equip(make::Shape {
        tcp_sessions: 0,
        spliced_sessions: 64,
        udp_sessions: 0,
        offload: probe.offload,
        buffer_bytes: make::BUFFER_BYTES,
        rules: make::RULES,
        snapshot: make::snapshot(make::TABLES, None),
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
            let len = peer::write(frame.bytes_mut(), make::MAC, &syn(at as u32, probe.timestamps));
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
    assert_eq!(answered, WARM + SYNS, "a SYN was not answered");
    ExitCode::SUCCESS
}

/// The SYN of another client each time.
fn syn(at: u32, timestamps: bool) -> peer::Segment {
    peer::Segment {
        src: u32::from_be_bytes([10, 1, 0, 0]) + at.wrapping_mul(2_654_435_761) % (1 << 16),
        dst: peer::EDGE,
        src_port: 1_024 + (at % 60_000) as u16,
        dst_port: peer::EDGE_PORT,
        seq: at.wrapping_mul(40_503),
        flags: peer::flag::SYN,
        timestamp: timestamps.then_some((at, 0)),
        ..peer::Segment::default()
    }
}
