//! One host's end of a TCP connection to the edge, with the bytes of its stream. Nothing is lost or reordered here, and
//! the edge's windows are never filled.

use super::super::make;
use super::super::peer::{self, Segment, flag};
use crate::port::Frame;
use crate::port::mem::MemFrame;

/// Payload of a full segment.
const SEGMENT_BYTES: usize = 1_460;

/// One end.
pub struct Host {
    ours: (u32, u16),
    edge: (u32, u16),
    /// The next number to send.
    next: u32,
    /// The next number that is expected.
    wants: u32,
    /// Whether it has sent its SYN.
    opened: bool,
    /// Whether it has heard the edge's.
    heard: bool,
    /// Whether an acknowledgement is owed.
    owes: bool,
    /// What is to be sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// What was received and not read.
    pub came: Vec<u8>,
}

impl Host {
    /// Address and port of the host and of the edge, and the host's first sequence number.
    pub fn new(ours: (u32, u16), edge: (u32, u16), first: u32) -> Self {
        let (out, came) = (Vec::new(), Vec::new());
        Self {
            ours,
            edge,
            next: first,
            wants: 0,
            opened: false,
            heard: false,
            owes: false,
            out,
            sent: 0,
            came,
        }
    }

    /// Whether the edge was silent about its SYN, once a turn has passed since: here every answer comes in that turn.
    pub const fn is_unheard(&self) -> bool {
        self.opened && !self.heard
    }

    /// What the host says goes here.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Payload of the segment that it has to send next; `None` when there is none to send.
    pub fn due(&self) -> Option<usize> {
        let left = if self.opened && self.heard { self.out.len() - self.sent } else { 0 };
        (left != 0 || self.owes || !self.opened).then_some(left.min(SEGMENT_BYTES))
    }

    /// Writes what is due, `payload` bytes of it, into a fresh frame: a SYN first of all.
    pub fn fill(&mut self, frame: &mut MemFrame, payload: usize) {
        let syn = if self.opened { 0 } else { flag::SYN };
        let ack = if self.heard { flag::ACK } else { 0 };
        let push = if payload == 0 { 0 } else { flag::PSH };
        self.write(frame, syn | ack | push, payload);
    }

    /// Writes a reset into a fresh frame.
    pub fn fill_reset(&mut self, frame: &mut MemFrame) {
        self.write(frame, flag::RST, 0);
    }

    fn write(&mut self, frame: &mut MemFrame, flags: u8, payload: usize) {
        let segment = Segment {
            src: self.ours.0,
            dst: self.edge.0,
            src_port: self.ours.1,
            dst_port: self.edge.1,
            seq: self.next,
            ack: if flags & flag::ACK == 0 { 0 } else { self.wants },
            flags,
            payload_len: payload as u16,
            timestamp: None,
        };
        let capacity = frame.capacity();
        assert!(frame.set_len(capacity));
        let len = peer::write(frame.bytes_mut(), make::MAC, &segment);
        frame.bytes_mut()[len - payload..len].copy_from_slice(&self.out[self.sent..self.sent + payload]);
        assert!(frame.set_len(len));
        frame.set_rx_meta(make::rx_meta());
        self.sent += payload;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        self.next = self.next.wrapping_add(payload as u32 + u32::from(flags & flag::SYN != 0));
        (self.owes, self.opened) = (false, true);
    }

    /// Takes in a segment of the edge.
    ///
    /// # Panics
    /// When it is a reset or out of order: a bench of what does not work is worth nothing.
    pub fn read(&mut self, segment: &Segment, payload: &[u8]) {
        assert_eq!(segment.flags & flag::RST, 0, "the edge reset a session of the bench: {segment:?}");
        let opens = segment.flags & flag::SYN != 0;
        assert!(opens || payload.is_empty() || segment.seq == self.wants, "out of order: {segment:?}");
        if opens || !payload.is_empty() {
            self.wants = segment.seq.wrapping_add(payload.len() as u32 + u32::from(opens));
            (self.heard, self.owes) = (true, true);
            self.came.extend_from_slice(payload);
        }
    }

    /// Gives back the memory of its buffers.
    pub fn shrink(&mut self) {
        self.out.shrink_to_fit();
        self.came.shrink_to_fit();
    }
}

/// The payload of a frame that holds `segment`.
pub fn payload<'f>(frame: &'f [u8], segment: &Segment) -> &'f [u8] {
    let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    &frame[end - usize::from(segment.payload_len)..end]
}
