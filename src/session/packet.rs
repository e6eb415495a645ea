//! Segments of our own making: challenge ACKs, RSTs, probes, repeated SYN-ACKs, and the SYNs that smoltcp is shown.
//!
//! Checksums stay zero: the worker or the device fills them in.

use super::Net;
use crate::base::{Addr, Hop};
use crate::wire::{FlowKey, TcpFlags};

/// Room for the longest header that is built here: IPv6, TCP, 40 bytes of options.
pub const PACKET_BYTES_MAX: usize = 40 + 20 + 40;
const TCP_HEADER: usize = 20;
const HOP_LIMIT: u8 = 64;

/// A segment without payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; zero without ACK.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// The window field.
    pub window: u16,
    /// MSS option.
    pub mss: Option<u16>,
    /// Window-scale option.
    pub window_shift: Option<u8>,
    /// SACK-permitted option.
    pub sack_permitted: bool,
    /// Timestamp option: TSval, TSecr.
    pub timestamp: Option<(u32, u32)>,
}

impl Bare {
    /// An RST that the peer of `key` accepts, from `seq`; `ack` where there is something to acknowledge.
    pub const fn reset(seq: u32, ack: Option<u32>) -> Self {
        let (ack, flags) = match ack {
            Some(ack) => (ack, TcpFlags(TcpFlags::RST | TcpFlags::ACK)),
            None => (0, TcpFlags(TcpFlags::RST)),
        };
        Self {
            seq,
            ack,
            flags,
            window: 0,
            mss: None,
            window_shift: None,
            sack_permitted: false,
            timestamp: None,
        }
    }

    /// Bytes of the whole packet between these addresses.
    pub fn packet_len(&self, v4: bool) -> usize {
        (if v4 { 20 } else { 40 }) + TCP_HEADER + self.options_len()
    }

    /// Writes the packet from `from.src` to `from.dst`; `packet` is `packet_len` bytes long.
    pub fn write(&self, from: &FlowKey, packet: &mut [u8]) {
        let (total, ip) = (packet.len(), if from.src.is_v4() { 20 } else { 40 });
        packet.fill(0);
        write_ip(from.src, from.dst, total, &mut packet[..ip]);
        let tcp = &mut packet[ip..];
        tcp[0..2].copy_from_slice(&from.src_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&from.dst_port.to_be_bytes());
        tcp[4..8].copy_from_slice(&self.seq.to_be_bytes());
        tcp[8..12].copy_from_slice(&self.ack.to_be_bytes());
        tcp[12] = ((TCP_HEADER + self.options_len()) as u8 / 4) << 4;
        tcp[13] = self.flags.0;
        tcp[14..16].copy_from_slice(&self.window.to_be_bytes());
        self.write_options(&mut tcp[TCP_HEADER..]);
    }

    /// Sends it to the peer of `key` (a key as frames arrive); `false` when no frame was to be had.
    pub fn send<N: Net>(&self, key: &FlowKey, hop: Hop, net: &mut N) -> bool {
        if net.room() == 0 {
            return false;
        }
        let from = key.reversed();
        net.emit(hop, self.packet_len(from.src.is_v4()), |packet| self.write(&from, packet));
        true
    }

    fn options_len(&self) -> usize {
        usize::from(self.mss.is_some()) * 4
            + usize::from(self.window_shift.is_some()) * 4
            + usize::from(self.sack_permitted) * 4
            + usize::from(self.timestamp.is_some()) * 12
    }

    fn write_options(&self, mut into: &mut [u8]) {
        let mut put = |bytes: &[u8]| {
            let (head, tail) = std::mem::take(&mut into).split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            into = tail;
        };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put(&[2, 4, high, low]);
        }
        if let Some(shift) = self.window_shift {
            put(&[1, 3, 3, shift]);
        }
        if self.sack_permitted {
            put(&[1, 1, 4, 2]);
        }
        if let Some((value, echo)) = self.timestamp {
            put(&[1, 1, 8, 10]);
            put(&value.to_be_bytes());
            put(&echo.to_be_bytes());
        }
    }
}

fn write_ip(src: Addr, dst: Addr, total: usize, ip: &mut [u8]) {
    match (src.to_v4_bits(), dst.to_v4_bits()) {
        (Some(src), Some(dst)) => {
            ip[0] = 0x45;
            ip[2..4].copy_from_slice(&(total as u16).to_be_bytes());
            ip[6] = 0x40;
            ip[8] = HOP_LIMIT;
            ip[9] = 6;
            ip[12..16].copy_from_slice(&src.to_be_bytes());
            ip[16..20].copy_from_slice(&dst.to_be_bytes());
        }
        (None, _) | (_, None) => {
            ip[0] = 0x60;
            ip[4..6].copy_from_slice(&((total - 40) as u16).to_be_bytes());
            ip[6] = 6;
            ip[7] = HOP_LIMIT;
            ip[8..24].copy_from_slice(&src.bits().to_be_bytes());
            ip[24..40].copy_from_slice(&dst.bits().to_be_bytes());
        }
    }
}
