//! What hosts of the bench say and hear: segments, written to frames and read from them.

use super::super::make::rx_meta;
use super::super::peer::PEER_MAC;
use crate::base::Endpoint;
use crate::port::Frame;
use crate::port::mem::MemFrame;
use crate::wire::{EtherType, Parsed, RxHints, TcpEmit, TcpOptions, TcpSegment, ethernet, parse};

/// A segment of the edge's: its header, and the options that a host looks at.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Numbers, flags and lengths.
    pub segment: TcpSegment,
    /// Options.
    pub options: TcpOptions,
    /// Bytes on the wire, with all that Ethernet puts around a frame.
    pub wire_bytes: u64,
}

/// Preamble, frame check sequence and the gap between frames (IEEE 802.3).
const AROUND_FRAME: usize = 24;

impl Heard {
    /// Of a frame of the edge's; `None` for anything but TCP.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let meta = rx_meta();
        let hints = RxHints { ip: meta.ip_checksum, l4: meta.l4_checksum };
        let Parsed::Tcp(segment) = parse(frame, &hints).ok()? else { return None };
        let (start, end) = segment.options();
        let options = TcpOptions::parse(frame.get(start..end)?).ok()?;
        Some(Self { segment, options, wire_bytes: (frame.len() + AROUND_FRAME) as u64 })
    }

    /// The host on the edge's side of it, and ours.
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        let key = &self.segment.key;
        (Endpoint { addr: key.src, port: key.src_port }, Endpoint { addr: key.dst, port: key.dst_port })
    }
}

/// Writes a segment as a frame to the edge; its payload is whatever the frame held before.
pub fn write(said: &TcpEmit, mac: [u8; 6], frame: &mut MemFrame) {
    let fits = frame.set_len(ethernet::HEADER_LEN + said.packet_len());
    assert!(fits, "the bench's frames hold an MTU");
    if let Some((head, packet)) = frame.bytes_mut().split_first_chunk_mut() {
        ethernet::Header { dst: mac, src: PEER_MAC, ether_type: EtherType::Ipv4 }.emit(head);
        said.emit(packet);
    }
    frame.set_rx_meta(rx_meta());
}
