//! The whole picture: hosts, latency, faulty ports, real workers, one virtual clock.
//!
//! ```text
//!  host --(latency)--> wire --> FaultPort(MemPort) --> worker --> FaultPort --> wire --(latency)--> host
//! ```
//!
//! A step goes to the next thing that happens: a frame arrives, a host or a worker has a timer due. Nothing else
//! moves the clock, so a run is the same for the same seed, on any machine.

use super::{Datagrams, Host};
use crate::base::{Instant, PortId, Span};
use crate::port::Port;
use crate::port::fault::FaultPort;
use crate::port::mem::{MemPort, MemWire};
use crate::session::tls::Crypto;
use crate::testkit::laws;
use crate::worker::Worker;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whether a wire loses this frame.
pub type Loses = Box<dyn FnMut(&[u8]) -> bool>;
/// The port of a simulated worker.
pub type SimPort = FaultPort<MemPort>;

/// Who looks on.
pub type Watch = Box<dyn FnMut(Instant, Towards, &[u8])>;

/// Where a frame is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Towards {
    /// To the edge, before its faulty port.
    Edge,
    /// To the hosts.
    Hosts,
}

/// A frame on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    number: u64,
    to: Destination,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Destination {
    Edge(usize),
    Hosts(usize),
}

/// Everything that is simulated.
pub struct World<P: Port = SimPort> {
    /// Now.
    pub now: Instant,
    /// The workers under test.
    pub workers: Vec<Worker<P>>,
    /// The far ends of the ports.
    pub wires: Vec<MemWire>,
    /// The machines, each with the port whose link it is on.
    pub hosts: Vec<(PortId, Host)>,
    /// Who talks by UDP, on the link of port 0.
    pub datagrams: Option<Datagrams>,
    /// Makes handshakes in the place of crypto threads: between two turns, all that there are.
    pub crypto: Option<Crypto>,
    /// The bound that `laws` holds every worker to.
    pub sessions_max: usize,
    /// How long a frame takes over a link.
    pub latency: Span,
    /// Is shown every frame as it is delivered, and whether the edge or the hosts get it.
    pub watch: Option<Watch>,
    /// Says of each frame as it leaves whether the wire loses it, where no port around the port does.
    pub loses: Option<Loses>,
    /// Read before and after each turn of a worker; what it grew by in turns is added up in `metered`.
    pub meter: Option<fn() -> usize>,
    /// What `meter` grew by within workers' turns.
    pub metered: usize,
    flights: BinaryHeap<Reverse<Flight>>,
    number: u64,
    steps: u64,
    /// Steps since the clock last moved.
    standing: u32,
}

/// Steps at one time after which something is stuck.
const STEPS_STANDING_MAX: u32 = 100_000;
/// Turns that a worker gets each time something happens: a fault port counts its delays in turns.
const TURNS_PER_STEP: usize = 2;
/// Handshakes made between two turns at most.
const HANDSHAKES_PER_TURN: usize = 1_024;
/// When nothing else is due, time moves on by this much as long as a fault port may hold frames.
const IDLE_STEP: Span = Span::from_millis(1);

impl<P: Port> World<P> {
    /// At time `now`, with nothing under way.
    pub fn new(workers: Vec<Worker<P>>, wires: Vec<MemWire>, now: Instant) -> Self {
        Self {
            now,
            workers,
            wires,
            hosts: Vec::new(),
            datagrams: None,
            crypto: None,
            sessions_max: usize::MAX,
            latency: Span::from_micros(500),
            watch: None,
            loses: None,
            meter: None,
            metered: 0,
            flights: BinaryHeap::new(),
            number: 0,
            steps: 0,
            standing: 0,
        }
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes to the next thing that happens and lets it happen.
    ///
    /// # Errors
    /// The first law that a worker breaks.
    pub fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        let next = self.next().unwrap_or(self.now + IDLE_STEP);
        self.standing = if next > self.now { 0 } else { self.standing + 1 };
        if self.standing > STEPS_STANDING_MAX {
            return Err("the clock stands still: somebody is never done".into());
        }
        self.now = self.now.max(next);
        self.deliver();
        for (_, host) in &mut self.hosts {
            host.tick(self.now);
        }
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.tick(self.now);
        }
        self.collect_from_hosts();
        self.turn_workers();
        self.collect_from_wires();
        let fault = self.datagrams.as_mut().and_then(Datagrams::fault);
        fault.map_or(Ok(()), Err)?;
        self.workers.iter().try_for_each(|worker| laws::check(worker, self.sessions_max))
    }

    /// Turns until the handshakes that these turns brought about are made, and back with their workers.
    fn turn_workers(&mut self) {
        let mut turns = TURNS_PER_STEP;
        while turns > 0 {
            for worker in &mut self.workers {
                let before = self.meter.map_or(0, |meter| meter());
                worker.turn(self.now);
                self.metered += self.meter.map_or(0, |meter| meter()) - before;
            }
            let made = self.crypto.as_ref().map_or(0, |crypto| crypto.turn(self.now, HANDSHAKES_PER_TURN));
            turns = if made > 0 { TURNS_PER_STEP } else { turns - 1 };
        }
    }

    /// Steps until `done` or until the clock has run for `span`; whether it was done.
    ///
    /// # Errors
    /// The first law that a worker breaks.
    pub fn run(&mut self, span: Span, mut done: impl FnMut(&mut Self) -> bool) -> Result<bool, String> {
        let end = self.now + span;
        while self.now < end {
            if done(self) {
                return Ok(true);
            }
            self.step()?;
        }
        Ok(done(self))
    }

    fn next(&self) -> Option<Instant> {
        let flight = self.flights.peek().map(|Reverse(flight)| flight.at);
        let hosts = self.hosts.iter().filter_map(|(_, host)| host.deadline());
        let workers = self.workers.iter().filter_map(|worker| worker.next_deadline());
        let datagrams = self.datagrams.as_ref().and_then(Datagrams::deadline);
        flight.into_iter().chain(hosts).chain(datagrams).chain(workers).min()
    }

    fn deliver(&mut self) {
        while self.flights.peek().is_some_and(|Reverse(flight)| flight.at <= self.now) {
            let Some(Reverse(flight)) = self.flights.pop() else { return };
            if let Some(watch) = &mut self.watch {
                let towards = match flight.to {
                    Destination::Edge(_) => Towards::Edge,
                    Destination::Hosts(_) => Towards::Hosts,
                };
                watch(self.now, towards, &flight.frame);
            }
            match flight.to {
                Destination::Edge(port) => {
                    self.wires[port].send(&flight.frame);
                }
                Destination::Hosts(port) => {
                    let on_link = self.hosts.iter_mut().filter(|(at, _)| at.index() == port);
                    on_link.for_each(|(_, host)| host.receive(&flight.frame, self.now));
                    if let Some(datagrams) = &mut self.datagrams {
                        datagrams.receive(&flight.frame);
                    }
                }
            }
        }
    }

    fn collect_from_hosts(&mut self) {
        let mut sent = Vec::new();
        for (port, host) in &mut self.hosts {
            sent.extend(host.sent().map(|frame| (*port, frame)));
        }
        if let Some(datagrams) = &mut self.datagrams {
            sent.extend(datagrams.sent().map(|frame| (PortId(0), frame)));
        }
        for (port, frame) in sent {
            self.fly(Destination::Edge(port.index()), frame);
        }
    }

    fn collect_from_wires(&mut self) {
        for port in 0..self.wires.len() {
            while let Some(frame) = self.wires[port].receive() {
                self.fly(Destination::Hosts(port), frame);
            }
        }
    }

    fn fly(&mut self, to: Destination, frame: Vec<u8>) {
        if self.loses.as_mut().is_some_and(|loses| loses(&frame)) {
            return;
        }
        self.number += 1;
        let flight = Flight { at: self.now + self.latency, number: self.number, to, frame };
        self.flights.push(Reverse(flight));
    }
}
