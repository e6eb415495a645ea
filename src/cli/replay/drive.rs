//! One worker, its ports in memory, and the capture's clock: time jumps from one thing to the next.

use super::learn::Learned;
use crate::base::{Instant, PortId, Span, WorkerId};
use crate::cli::lower::{page_size, worker_settings};
use crate::cli::secret::Secret;
use crate::control::config::boot::{BootSpec, Placement};
use crate::port::mem::{MemOptions, MemPort, MemWire, link};
use crate::port::pcap::{PcapError, PcapReader, PcapWriter, Record};
use crate::snapshot::{ControlMail, Snapshot, cell, mail};
use crate::telemetry::{PageReader, page};
use crate::worker::{Equipment, Worker, handover_rings};
use std::io::{Read, Write};

/// How long the worker goes on after the last frame.
const AFTERWARDS: Span = Span::from_secs(1);
/// Turns at one instant: enough for every frame of a burst to have its answer.
const TURNS_MAX: usize = 64;
/// The least step of time, so that a deadline that stays cannot stop the clock.
const STEP: Span = Span::from_millis(1);

/// What went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Frames fed to the worker.
    pub fed: u64,
    /// Frames of the capture that byway had sent itself, or that were no frames.
    pub skipped: u64,
    /// Frames that the capture had cut off; fed as they are.
    pub cut: u64,
    /// Frames that the worker sent.
    pub sent: u64,
}

/// The worker at its wires.
pub struct Driver<W: Write> {
    worker: Worker<MemPort>,
    wires: Vec<MemWire>,
    mail: ControlMail,
    output: PcapWriter<W>,
    now: Instant,
    /// The capture's first instant, since the Unix epoch.
    epoch: Instant,
    /// What went through so far.
    pub counts: Counts,
    /// The worker's numbers.
    pub page: PageReader,
}

impl<W: Write> Driver<W> {
    /// A worker under `snapshot`, whose ports have the hardware addresses that the capture shows.
    pub fn new(mut spec: BootSpec, snapshot: Snapshot, learned: &Learned, output: PcapWriter<W>) -> Self {
        spec.workers.placement = Placement::Count(1);
        spec.neighbors.fixed = learned.neighbors(&spec);
        let links = (0..).zip(&spec.ports).map(|(id, port)| {
            let (id, name, mtu) = (PortId(id), port.name.clone(), port.mtu);
            link(MemOptions { id, name, mtu, mac: learned.mac_of(id), ..MemOptions::default() })
        });
        let (wires, ports): (Vec<MemWire>, Vec<Vec<MemPort>>) = links.unzip();
        let settings = worker_settings(&spec, spec.ports.iter().map(|port| port.mtu).collect());
        let (_publisher, mut readers) = cell(snapshot, 1);
        let (control_mail, worker_mail) = mail();
        let (writer, reader) = page(WorkerId(0), page_size(&spec));
        let equipment = Equipment {
            ports: ports.into_iter().flatten().collect(),
            reader: readers.remove(0),
            mail: worker_mail,
            handover: handover_rings(1).remove(0),
            page: writer,
            secret: Secret::fixed().workers(),
        };
        let worker = Worker::new(WorkerId(0), &settings, equipment, Instant::ZERO);
        let (now, epoch, counts) = (Instant::ZERO, Instant::ZERO, Counts::default());
        Self { worker, wires, mail: control_mail, output, now, epoch, counts, page: reader }
    }

    /// Feeds the whole capture, lets the worker go on for a second, and gives the output back.
    ///
    /// # Errors
    /// The captures'.
    pub fn run<R: Read>(&mut self, mut input: PcapReader<R>, learned: &Learned) -> Result<(), PcapError> {
        let mut first = true;
        while let Some(record) = input.next_record()? {
            if std::mem::take(&mut first) {
                self.epoch = record.at;
                self.settle()?;
            }
            self.feed(record, learned)?;
        }
        self.advance(self.now + AFTERWARDS)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(self) -> Result<W, PcapError> {
        self.output.finish()
    }

    fn feed(&mut self, mut record: Record, learned: &Learned) -> Result<(), PcapError> {
        let at = Instant::ZERO + record.at.since(self.epoch);
        self.advance(at)?;
        let Some(port) = learned.port_of(&record.bytes) else {
            self.counts.skipped += 1;
            return Ok(());
        };
        self.counts.cut += u64::from(!record.is_whole());
        learned.address(&mut record.bytes, port);
        let taken = self.wires.get_mut(port.index()).is_some_and(|wire| wire.send(&record.bytes));
        let count = if taken { &mut self.counts.fed } else { &mut self.counts.skipped };
        *count += 1;
        self.settle()
    }

    /// Lets time pass until `to`, stopping wherever the worker has something to do.
    fn advance(&mut self, to: Instant) -> Result<(), PcapError> {
        while let Some(at) = self.worker.next_deadline().filter(|at| *at < to) {
            self.now = at.max(self.now + STEP);
            self.settle()?;
        }
        self.now = self.now.max(to);
        self.settle()
    }

    /// Turns at this instant until nothing is left to do.
    fn settle(&mut self) -> Result<(), PcapError> {
        for _ in 0..TURNS_MAX {
            let turn = self.worker.turn(self.now);
            self.write()?;
            if turn.is_idle() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), PcapError> {
        // Events have no reader here; their queue must not fill.
        while self.mail.event().is_some() {}
        let at = self.epoch + self.now.since(Instant::ZERO);
        for wire in &mut self.wires {
            while let Some(frame) = wire.receive() {
                self.output.write(at, &frame)?;
                self.counts.sent += 1;
            }
        }
        Ok(())
    }
}
