//! Segments of one flow that stand together in a burst, each with the next bytes of the one before (GRO): the first is judged,
//! those behind it that say nothing else only add their bytes.
//!
//! Nothing is put together: a frame's bytes go to the other leg as they would have gone. What is spared is to find the flow, to
//! judge and to note the same again; about 150 instructions a segment (`byway bench session`, rows `bulk_*`).
//! The leg answers and sends once a burst in either case.

use super::core::Worker;
use super::intake::{Found, Seen};
use crate::base::Fate;
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::telemetry::Counter;
use crate::wire::{Family, Fixed4, FlowKey, Parsed, Protocol, TcpFlags, TcpSegment, ethernet};
use std::ops::Range;

/// Where addresses lie, and TCP behind them, in a frame over IPv4 and over IPv6.
const ADDRS_V4: usize = ethernet::HEADER_LEN + 12;
const ADDRS_V6: usize = ethernet::HEADER_LEN + 8;
const TCP_V4: usize = Fixed4::L4_OFFSET as usize;
const TCP_V6: usize = ethernet::HEADER_LEN + 40;
/// Bytes of a TCP header, and of lone timestamps with their padding.
const TCP_LEN: usize = 20;
const STAMPS_LEN: usize = 12;
/// What PSH is in `Sameness::told`: it asks for nothing here.
const PSH: u64 = (TcpFlags::PSH as u64) << 16;

/// What segments that follow each other have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sameness {
    family: Family,
    /// Addresses and ports.
    ends: [u8; 36],
    /// DSCP and ECN; over IPv6 the flow label, too.
    class: u32,
    /// Acknowledgement number, header length, flags but for PSH, window.
    told: u64,
    /// Timestamps; zeros where there are none.
    stamps: [u8; STAMPS_LEN],
}

/// A segment that others may follow.
pub(super) struct Head {
    leg: LegRef,
    same: Sameness,
    /// The number of the byte behind its last one.
    next: u32,
}

/// A segment at a glance.
struct Glance {
    same: Sameness,
    seq: u32,
    payload: Range<usize>,
}

impl<P: Port> Worker<P> {
    /// What the frame behind this one may follow, to be taken before this one is served. `next` is what was found of it.
    #[inline]
    pub(super) fn glance_ahead(&self, frame: &P::Frame, found: &Found, next: Option<&Found>) -> Option<Head> {
        let next = next.filter(|next| next.hash == found.hash && next.leg == found.leg)?;
        let leg = next.leg.filter(|leg| self.gro && !self.sessions.is_spliced(*leg))?;
        let glance = glance(frame.bytes(), &found.seen)?;
        let next = glance.seq.wrapping_add(glance.payload.len() as u32);
        Some(Head { leg, same: glance.same, next })
    }

    /// Whether the segment that was just served is one that others may follow: it was plain, and its bytes went on.
    #[inline]
    pub(super) fn leads(&self, head: &Head) -> bool {
        let told = head.same.told.to_be_bytes();
        let ack = u32::from_be_bytes([told[0], told[1], told[2], told[3]]);
        let window = u16::from_be_bytes([told[6], told[7]]);
        told[5] == TcpFlags::ACK && self.sessions.leads(head.leg, &head.same.key(), (head.next, ack), window)
    }

    /// Adds the bytes of a segment that follows; gives it back, with nothing changed, where it does not.
    #[inline]
    pub(super) fn follow(
        &mut self,
        frame: P::Frame,
        found: &Found,
        head: &mut Head,
    ) -> Result<Fate, P::Frame> {
        let same = glance(frame.bytes(), &found.seen).filter(|glance| glance.same == head.same);
        let Some(Glance { seq, payload, .. }) = same.filter(|glance| glance.seq == head.next) else {
            return Err(frame);
        };
        let len = payload.len() as u32;
        let bytes = frame.bytes().get(payload).unwrap_or_default();
        if !self.sessions.follow(head.leg, seq, bytes, self.exit.now, &mut self.exit) {
            return Err(frame);
        }
        head.next = head.next.wrapping_add(len);
        self.exit.page.count(Counter::GroMerged);
        self.exit.outbox.recycle(frame);
        Ok(Fate::Absorbed)
    }
}

impl Sameness {
    /// The flow, as its frames arrive.
    fn key(&self) -> FlowKey {
        let port = |at: usize| u16::from_be_bytes([self.ends[at], self.ends[at + 1]]);
        let addr = |at: usize| match self.family {
            Family::V4 => crate::base::Addr::v4(chunk(&self.ends, at)),
            Family::V6 => crate::base::Addr::v6(chunk(&self.ends, at)),
        };
        let len = match self.family {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        let (src, dst, src_port, dst_port) = (addr(0), addr(len), port(2 * len), port(2 * len + 2));
        FlowKey { src, dst, src_port, dst_port, protocol: Protocol::Tcp }
    }
}

/// A sound segment with payload, and with timestamps or no options; `None` for anything else.
#[inline]
fn glance(frame: &[u8], seen: &Seen) -> Option<Glance> {
    let (family, end) = match seen {
        Seen::Fixed(Fixed4 { protocol: Protocol::Tcp, end }) => (Family::V4, *end),
        Seen::Parsed(Parsed::Tcp(TcpSegment { tcp_offset, ip_end, key, .. }))
            if usize::from(*tcp_offset) == TCP_V6 && !key.src.is_v4() =>
        {
            (Family::V6, *ip_end)
        }
        Seen::Fixed(_) | Seen::Parsed(_) | Seen::Refused(_) => return None,
    };
    let (addrs_at, tcp_at) = match family {
        Family::V4 => (ADDRS_V4, TCP_V4),
        Family::V6 => (ADDRS_V6, TCP_V6),
    };
    let tcp = frame.get(tcp_at..)?.first_chunk::<TCP_LEN>()?;
    let mut ends = [0; 36];
    let mut stamps = [0; STAMPS_LEN];
    let class = match family {
        Family::V4 => {
            ends[..12].copy_from_slice(frame.get(addrs_at..tcp_at + 4)?);
            frame[ethernet::HEADER_LEN + 1].into()
        }
        Family::V6 => {
            ends.copy_from_slice(frame.get(addrs_at..tcp_at + 4)?);
            u32::from_be_bytes(chunk(frame, ethernet::HEADER_LEN))
        }
    };
    let start = match tcp[12] >> 4 {
        5 => tcp_at + TCP_LEN,
        8 => {
            stamps = *frame.get(tcp_at + TCP_LEN..)?.first_chunk()?;
            if stamps[..4] != [1, 1, 8, 10] {
                return None;
            }
            tcp_at + TCP_LEN + STAMPS_LEN
        }
        _ => return None,
    };
    let told = u64::from_be_bytes(chunk(tcp, 8)) & !PSH;
    let payload = start..usize::from(end);
    let same = Sameness { family, ends, class, told, stamps };
    (!payload.is_empty()).then(|| Glance { same, seq: u32::from_be_bytes(chunk(tcp, 4)), payload })
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut chunk = [0; N];
    chunk.copy_from_slice(&bytes[at..at + N]);
    chunk
}
