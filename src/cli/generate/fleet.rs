//! Many connections on one port: clients that open at a rate, or origins that answer whoever opens.
//!
//! All ends live in one table by their five-tuple; timers are looked at every few milliseconds, which bounds what a turn
//! costs by the number of connections open at once.

use super::conn::{Conn, Heard, Phase, Talk};
use super::link::Link;
use super::pace::Pace;
use super::pool::{Order, Pool};
use super::report::Setups;
use crate::base::{Instant, Rng, Span};
use crate::port::Port;
use crate::wire::{
    EtherType, Family, FlowKey, Parsed, Protocol, TcpEmit, TcpFlags, TcpOptions, TcpSegment, checksum,
};
use std::collections::HashMap;

/// Connections opened in one turn.
const OPENED_PER_TURN_MAX: u64 = 32;
/// How often timers are looked at.
const TIMERS: Span = Span::from_millis(5);
/// Bytes that payloads consist of.
const FILL: u8 = b'.';

/// What a fleet does.
#[derive(Clone, Debug)]
pub enum FleetPlan {
    /// Opens connections.
    Clients {
        /// From these, in this order.
        from: Pool,
        /// The order.
        order: Order,
        /// To these, one after the other.
        to: Pool,
        /// Open at once at most.
        at_once: usize,
    },
    /// Answers on these endpoints.
    Origins {
        /// Its endpoints.
        listen: Pool,
        /// Open at once at most; further SYNs are not answered.
        at_once: usize,
    },
}

/// What became of the connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Opened: SYNs sent by clients, first SYNs answered by origins.
    pub opened: u64,
    /// Whose handshake was completed.
    pub established: u64,
    /// Closed in order after all that was to be said.
    pub done: u64,
    /// Reset by the other end.
    pub reset: u64,
    /// Given up because nobody answered.
    pub timed_out: u64,
    /// Rounds of request and response.
    pub rounds: u64,
    /// Opens put off or SYNs left unanswered, since as many as may be were open.
    pub full: u64,
}

struct Live {
    conn: Conn,
    established: bool,
    rounds: u32,
}

/// Connections under way.
pub struct Fleet<P: Port> {
    /// Its port.
    pub link: Link<P>,
    plan: FleetPlan,
    talk: Talk,
    /// How far it is.
    pub pace: Pace,
    /// What became of them so far.
    pub tally: Tally,
    /// Set-up times of clients.
    pub setups: Setups,
    live: HashMap<FlowKey, Live>,
    heard: Vec<(FlowKey, Heard)>,
    rng: Rng,
    next: u64,
    timers_at: Instant,
}

impl<P: Port> Fleet<P> {
    /// A fleet that has not begun.
    pub fn new(link: Link<P>, plan: FleetPlan, talk: Talk, (pace, seed): (Pace, u64)) -> Self {
        Self {
            link,
            plan,
            talk,
            pace,
            tally: Tally::default(),
            setups: Setups::new(),
            live: HashMap::new(),
            heard: Vec::new(),
            rng: Rng::new(seed),
            next: 0,
            timers_at: Instant::ZERO,
        }
    }

    /// Takes in what came, opens what is due, sends; how much there was to do.
    pub fn turn(&mut self, now: Instant) -> u64 {
        let came = self.listen(now);
        let opened = if self.link.is_up(now) { self.open(now) } else { 0 };
        if now.since(self.timers_at) >= TIMERS {
            self.timers_at = now;
            self.look_at_timers(now);
        }
        self.link.flush();
        came + opened
    }

    /// Connections open now.
    pub fn open_now(&self) -> usize {
        self.live.len()
    }

    /// Whether everything that was to be opened has ended.
    pub fn is_over(&self, now: Instant) -> bool {
        self.pace.is_over(now) && (self.live.is_empty() || matches!(self.plan, FleetPlan::Origins { .. }))
    }

    fn listen(&mut self, now: Instant) -> u64 {
        let heard = &mut self.heard;
        heard.clear();
        self.link.receive(|frame, parsed| {
            if let Parsed::Tcp(segment) = parsed {
                heard.extend(read(frame, segment).map(|read| (segment.key, read)));
            }
        });
        let came = self.heard.len() as u64;
        let heard = std::mem::take(&mut self.heard);
        for (key, segment) in &heard {
            self.hear(*key, segment, now);
        }
        self.heard = heard;
        came
    }

    fn hear(&mut self, key: FlowKey, heard: &Heard, now: Instant) {
        if let Some(live) = self.live.get_mut(&key) {
            live.conn.hear(heard, now);
            self.tend(key, now);
            return;
        }
        let FleetPlan::Origins { listen, at_once } = &self.plan else {
            self.answer_stray(key, heard);
            return;
        };
        if !listen.holds(key.dst_endpoint()) {
            return;
        }
        if !heard.flags.is_first_syn() {
            self.answer_stray(key, heard);
        } else if self.live.len() >= *at_once || self.pace.is_over(now) {
            self.tally.full += 1;
        } else {
            let ends = (key.dst_endpoint(), key.src_endpoint());
            let conn = Conn::origin(self.talk, ends, heard, (self.rng.next_u32(), now));
            self.keep(key, conn);
            self.tend(key, now);
        }
    }

    /// A FIN that comes again for a connection that is over: its ACK was lost.
    fn answer_stray(&mut self, key: FlowKey, heard: &Heard) {
        let is_own = match &self.plan {
            FleetPlan::Clients { from, .. } => from.holds(key.dst_endpoint()),
            FleetPlan::Origins { listen, .. } => listen.holds(key.dst_endpoint()),
        };
        if is_own && heard.flags.has(TcpFlags::FIN | TcpFlags::ACK) {
            let numbers = (heard.ack, heard.seq.wrapping_add(heard.len + 1));
            let flags = TcpFlags(TcpFlags::ACK);
            self.send(&TcpEmit::bare(key.dst_endpoint(), key.src_endpoint(), flags, numbers));
        }
    }

    fn open(&mut self, now: Instant) -> u64 {
        let FleetPlan::Clients { from, order, to, at_once } = self.plan.clone() else { return 0 };
        let due = self.pace.due(now, OPENED_PER_TURN_MAX);
        let mut opened = 0;
        while opened < due {
            if self.live.len() >= at_once {
                self.tally.full += 1;
                break;
            }
            let local = from.pick(order, self.next, &mut self.rng);
            let remote = to.nth(self.next);
            self.next += 1;
            let key = FlowKey {
                src: remote.addr,
                dst: local.addr,
                src_port: remote.port,
                dst_port: local.port,
                protocol: Protocol::Tcp,
            };
            opened += 1;
            if !self.live.contains_key(&key) {
                let iss = self.rng.next_u32();
                self.keep(key, Conn::client(self.talk, (local, remote), iss, now));
                self.tend(key, now);
            }
        }
        self.pace.went(opened);
        opened
    }

    fn keep(&mut self, key: FlowKey, conn: Conn) {
        self.tally.opened += 1;
        self.live.insert(key, Live { conn, established: false, rounds: 0 });
    }

    fn look_at_timers(&mut self, now: Instant) {
        let late = |live: &Live| live.conn.deadline().is_some_and(|at| at <= now);
        let keys: Vec<FlowKey> =
            self.live.iter().filter(|(_, live)| late(live)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(live) = self.live.get_mut(&key) {
                live.conn.expire(now);
            }
            self.tend(key, now);
        }
    }

    /// Sends what a connection has to say, counts what it reached, forgets it when it is over.
    fn tend(&mut self, key: FlowKey, now: Instant) {
        let Some(mut live) = self.live.remove(&key) else { return };
        while let Some(emit) = live.conn.next(now) {
            // What finds no room is sent again by the timer.
            if !self.send(&emit) {
                break;
            }
        }
        let phase = live.conn.phase();
        if !live.established && matches!(phase, Phase::Open | Phase::Done) {
            live.established = true;
            self.tally.established += 1;
            self.setups.note(now.since(live.conn.opened));
        }
        self.tally.rounds += u64::from(live.conn.rounds() - live.rounds);
        live.rounds = live.conn.rounds();
        match phase {
            Phase::Opening | Phase::Open => drop(self.live.insert(key, live)),
            Phase::Done => self.tally.done += 1,
            Phase::Reset => self.tally.reset += 1,
            Phase::TimedOut => self.tally.timed_out += 1,
        }
    }

    fn send(&mut self, emit: &TcpEmit) -> bool {
        let ether_type = EtherType::of(Family::of(emit.src.addr));
        self.link.send(emit.packet_len(), ether_type, |bytes| {
            let _ = emit.emit(bytes).map(|payload| payload.fill(FILL));
            checksum::finish_ip_tcp(bytes);
        })
    }
}

fn read(frame: &[u8], segment: &TcpSegment) -> Option<Heard> {
    let (from, to) = segment.options();
    let options = TcpOptions::parse(frame.get(from..to)?).ok()?;
    let TcpSegment { seq, ack, flags, window, .. } = *segment;
    Some(Heard { seq, ack, flags, window, len: segment.payload_len().into(), options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::cli::generate::link::NextHop;
    use crate::cli::generate::pace::Bounds;
    use crate::port::mem::{self, MemOptions, MemPort, MemWire};

    fn pool(net: &str, ports: (u16, u16)) -> Pool {
        Pool::new(net.parse().expect("a net"), &(ports.0..=ports.1))
    }

    fn fleet(plan: FleetPlan, own: Pool, hop: Addr, bounds: Bounds) -> (MemWire, Fleet<MemPort>) {
        let mac = [2, 0, 0, 0, 0, own.nth(0).addr.bits() as u8];
        let (wire, mut ports) = mem::link(MemOptions { mac, ..MemOptions::default() });
        let link = Link::new(ports.remove(0), vec![own], NextHop::Ip(hop));
        let talk = Talk { request: 64, response: 4_000, rounds: 2 };
        (wire, Fleet::new(link, plan, talk, (Pace::new(bounds, Instant::ZERO), 3)))
    }

    /// Clients and origins on one wire that loses one frame in so many (0: none); both fleets at the end.
    fn scene(clients: &str, origin: &str, (count, lost): (u64, u64)) -> [Fleet<MemPort>; 2] {
        let (from, listen) = (pool(clients, (1_024, 2_047)), pool(origin, (80, 80)));
        let hops = (listen.nth(0).addr, from.nth(0).addr);
        let length = Span::from_secs(60);
        let plan =
            FleetPlan::Clients { from: from.clone(), order: Order::Step, to: listen.clone(), at_once: 64 };
        let (mut near, mut clients) =
            fleet(plan, from, hops.0, Bounds { rate: Some(1_000), count: Some(count), length });
        let plan = FleetPlan::Origins { listen: listen.clone(), at_once: 64 };
        let (mut far, mut origins) = fleet(plan, listen, hops.1, Bounds { rate: None, count: None, length });
        let mut passed = 0;
        for tenth_ms in 0..600_000 {
            let now = Instant::ZERO + Span::from_micros(tenth_ms * 100);
            clients.turn(now);
            origins.turn(now);
            pass(&mut near, &mut far, (&mut passed, lost));
            pass(&mut far, &mut near, (&mut passed, lost));
            if clients.is_over(now) && origins.open_now() == 0 {
                break;
            }
        }
        [clients, origins]
    }

    fn pass(from: &mut MemWire, to: &mut MemWire, (passed, lost): (&mut u64, u64)) {
        while let Some(frame) = from.receive() {
            *passed += 1;
            if lost == 0 || !passed.is_multiple_of(lost) {
                to.send(&frame);
            }
        }
    }

    #[test]
    fn all_connections_of_a_run_open_talk_and_close() {
        for (client, origin) in
            [("198.18.0.64/26", "198.18.0.2/32"), ("2001:2:0:1::64/122", "2001:2:0:1::2/128")]
        {
            let [clients, origins] = scene(client, origin, (500, 0));
            let wanted =
                Tally { opened: 500, established: 500, done: 500, rounds: 1_000, ..Tally::default() };
            assert_eq!(clients.tally, wanted);
            assert_eq!(origins.tally, wanted);
        }
    }

    #[test]
    fn lost_frames_cost_time_and_no_connection() {
        let [clients, _] = scene("198.18.0.64/26", "198.18.0.2/32", (300, 37));
        assert_eq!((clients.tally.done, clients.tally.reset, clients.tally.timed_out), (300, 0, 0));
        assert_eq!(clients.tally.rounds, 600);
    }

    #[test]
    fn no_more_are_open_at_once_than_may_be() {
        let from = pool("198.18.0.64/26", (1_024, 2_047));
        let plan = FleetPlan::Clients {
            from: from.clone(),
            order: Order::Random,
            to: pool("198.18.0.2/32", (80, 80)),
            at_once: 8,
        };
        let bounds = Bounds { rate: None, count: None, length: Span::from_secs(1) };
        let (_wire, mut clients) = fleet(plan, from, Addr::v4([198, 18, 0, 2]), bounds);
        clients.link = {
            let port = mem::link(MemOptions::default()).1.remove(0);
            Link::new(port, vec![], NextHop::Mac([2; 6]))
        };
        for ms in 0..100 {
            clients.turn(Instant::ZERO + Span::from_millis(ms));
            assert!(clients.open_now() <= 8);
        }
        assert!(clients.tally.full > 0);
    }
}
