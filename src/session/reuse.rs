//! When the source tuple of an origin leg may be used again: the numbers of the next connection, and who keeps TIME-WAIT.
//!
//! ```text
//!  the origin closed first   it keeps TIME-WAIT, and takes a SYN whose number is above our last one, and whose timestamp is
//!  we closed first           TIME-WAIT is ours: what is late of the old connection is known by its timestamps, if it has any
//!  a reset, a timeout        nobody knows what the origin holds: the tuple rests to the end
//! ```
//! A tuple's numbers lie on a line that rises with time (RFC 6528, RFC 7323 5.4; `isn`), so that the next connection needs
//! no numbers but its own; a peer that was sent more than the line's 250,000 bytes a second makes its tuple wait until
//! the line is above.

use super::Sessions;
use super::leg::{Leg, flag};
use crate::base::{Instant, Span};
use crate::flow::EarlyReuse;

impl Sessions {
    /// Under which terms the tuple of an origin leg that closed in order serves again before it has rested to the end;
    /// `None`: under none. All that we sent is acknowledged.
    pub(super) fn early_reuse(
        &self,
        leg: &Leg,
        origin_closed_first: bool,
        now: Instant,
    ) -> Option<EarlyReuse> {
        let stamped = leg.is(flag::TIMESTAMPS);
        if !origin_closed_first && !stamped {
            return None;
        }
        let rest = self.settings.egress.quarantine;
        let (isn, ts_offset) = self.isns.numbers(self.hasher.hash(&leg.key), now);
        let number = wait(leg.snd_max.wrapping_sub(isn), Span::from_micros(4), rest)?;
        let stamp = match stamped {
            true => wait(leg.ts_offset.wrapping_sub(ts_offset), Span::from_millis(1), rest)?,
            false => Span::ZERO,
        };
        Some(EarlyReuse::new(now, number.max(stamp), !origin_closed_first))
    }
}

/// How long until a line is above a number that lies `above` it now, when it rises by one each `tick`; `None` when that is
/// not before, or not still so at, the end of `rest`.
fn wait(above: u32, tick: Span, rest: Span) -> Option<Span> {
    let ticks = |count: u64| Span::from_nanos(count * tick.nanos());
    let span = match above as i32 {
        lag @ 0.. => ticks(lag as u64 + 1),
        // Numbers are compared over half of their space (RFC 9293 3.4).
        lead if ticks(lead.abs_diff(i32::MIN).into()) > rest => Span::ZERO,
        _ => return None,
    };
    (span < rest).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountSlot, Addr, AppSlot, Endpoint, WorkerId};
    use crate::flow::{Call, Tenant, UsedTuple};
    use crate::session::leg::before;
    use crate::testkit::edge;
    use crate::wire::{FlowKey, Protocol};
    use std::collections::{HashMap, HashSet, VecDeque};

    /// An origin's TIME-WAIT: the number and the timestamp that it waits for.
    #[derive(Clone, Copy)]
    struct TimeWait {
        rcv_nxt: u32,
        ts_recent: Option<u32>,
        until: Instant,
    }

    impl TimeWait {
        /// Linux's `tcp_timewait_state_process`.
        fn linux_takes(self, seq: u32, stamp: Option<u32>) -> bool {
            match self.ts_recent.zip(stamp) {
                Some((recent, value)) if before(value, recent) => false,
                Some((recent, value)) if before(recent, value) => true,
                Some(_) | None => before(self.rcv_nxt, seq),
            }
        }

        /// RFC 1122 4.2.2.13 alone, as BSD has it.
        fn bsd_takes(self, seq: u32) -> bool {
            before(self.rcv_nxt, seq)
        }
    }

    /// What came of a run of connections through one egress address to one origin.
    #[derive(Default)]
    struct Tally {
        refused: u32,
        turned_away: u32,
        woken: u32,
    }

    /// One in this many connections ends as said, others another way.
    #[derive(Clone, Copy)]
    struct Run {
        per_s: u64,
        secs: u64,
        stamped: bool,
        origin_first: bool,
        /// Bytes that the client sends.
        upload: u32,
    }

    fn key(egress: Endpoint) -> FlowKey {
        let (src, src_port) = (Addr::v4([192, 0, 2, 1]), 8080);
        FlowKey { src, dst: egress.addr, src_port, dst_port: egress.port, protocol: Protocol::Tcp }
    }

    fn sessions() -> Sessions {
        let mut settings = edge::session_settings();
        settings.sessions_max = 16;
        settings.egress.quarantine_max = 1 << 18;
        Sessions::new(settings, WorkerId(0), 1, &[7; 32], Instant::ZERO)
    }

    /// Connections that live for 20 ms each, as fast as `run` says.
    fn connect(run: Run) -> Tally {
        const LIFE: Span = Span::from_millis(20);
        let mut sessions = sessions();
        let (mut live, mut ending, mut tally) = (HashSet::new(), VecDeque::new(), Tally::default());
        let mut waits: HashMap<u16, TimeWait> = HashMap::new();
        let origin = key(Endpoint { addr: Addr::v4([198, 18, 0, 10]), port: 0 }).src_endpoint();
        for number in 0..run.per_s * run.secs {
            let now = Instant::ZERO + Span::from_nanos(number * 1_000_000_000 / run.per_s);
            while ending.front().is_some_and(|(until, _)| *until <= now) {
                let Some((_, mut leg)): Option<(Instant, Leg)> = ending.pop_front() else { break };
                leg.snd_max = leg.iss.wrapping_add(2 + run.upload);
                let stamp = run.stamped.then(|| leg.timestamp_value(now));
                let until = now + Span::from_secs(if run.origin_first { 60 } else { 0 });
                waits.insert(leg.key.dst_port, TimeWait { rcv_nxt: leg.snd_max, ts_recent: stamp, until });
                let early = sessions.early_reuse(&leg, run.origin_first, now);
                let tenant = Some(Tenant { app: AppSlot(0), account: AccountSlot(0) });
                let egress = leg.key.dst_endpoint();
                live.remove(&egress.port);
                sessions.ports.release(UsedTuple { tenant, origin, egress, early }, now);
            }
            let call = Call { origin, timestamps: run.stamped };
            let choice = sessions.ports.choose(call, now, |key| live.contains(&key.dst_port), |_| true);
            let Some(choice) = choice else {
                tally.refused += 1;
                continue;
            };
            let mut leg = sessions.new_leg(key(choice.egress), 1500, now);
            if !run.stamped {
                leg.clear(flag::TIMESTAMPS);
            }
            let stamp = run.stamped.then(|| leg.timestamp_value(now));
            let wait = waits.get(&choice.egress.port).filter(|wait| wait.until > now);
            let taken = |wait: &TimeWait| wait.linux_takes(leg.iss, stamp) && wait.bsd_takes(leg.iss);
            tally.turned_away += u32::from(!wait.is_none_or(taken));
            tally.woken += u32::from(choice.woken);
            assert!(live.insert(choice.egress.port));
            ending.push_back((now + LIFE, leg));
        }
        tally
    }

    #[test]
    fn twenty_thousand_connections_a_second_through_one_address_to_one_origin_are_all_taken() {
        for stamped in [true, false] {
            let run = Run { per_s: 20_000, secs: 120, stamped, origin_first: true, upload: 2_000 };
            let tally = connect(run);
            assert_eq!((tally.refused, tally.turned_away), (0, 0), "timestamps {stamped}");
            assert!(tally.woken > 2_000_000, "{} woken", tally.woken);
        }
    }

    #[test]
    fn who_sends_faster_than_the_line_rises_waits_until_it_is_above() {
        // A megabyte in 20 ms: the line is above after four seconds.
        let run = Run { per_s: 10_000, secs: 20, stamped: true, origin_first: true, upload: 1_000_000 };
        let tally = connect(run);
        assert_eq!((tally.refused, tally.turned_away), (0, 0));
        assert!(connect(Run { per_s: 20_000, ..run }).refused > 0);
    }

    #[test]
    fn a_tuple_of_which_we_keep_time_wait_is_reused_under_timestamps_alone() {
        let run = Run { per_s: 5_000, secs: 60, stamped: true, origin_first: false, upload: 0 };
        assert_eq!(connect(run).refused, 0);
        let plain = connect(Run { stamped: false, ..run });
        assert!(plain.refused > 0 && plain.woken == 0);
    }

    #[test]
    fn a_line_is_waited_for_and_never_believed_beyond_half_of_its_space() {
        let (tick, rest) = (Span::from_micros(4), Span::from_secs(60));
        assert_eq!(wait(0, tick, rest), Some(tick));
        assert_eq!(wait(249_999, tick, rest), Some(Span::from_secs(1)));
        assert_eq!(wait(250_000 * 60, tick, rest), None);
        assert_eq!(wait(u32::MAX, tick, rest), Some(Span::ZERO));
        assert_eq!(wait(1 << 31, tick, rest), None);
        assert_eq!(wait((1 << 31) + 250_000 * 60 + 1, tick, rest), Some(Span::ZERO));
    }
}
