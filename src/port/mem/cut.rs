//! TCP segmentation of an imagined device: one long segment becomes the ones that a network card would send.
//!
//! As cards do it: every segment but the last is of the asked length; numbers and identifications count on; FIN and PSH stand
//! in the last alone; CWR in the first alone (RFC 3168 6.1.2); lengths and checksums are each segment's own.

use super::offload::sum;
use crate::port::TxMeta;
use std::collections::VecDeque;

const IPV4_LEN: usize = 20;
const TCP_LEN: usize = 20;
const TCP: u8 = 6;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The frames that `frame` becomes; none where it is not what `meta` says it is.
pub(super) fn segments(frame: &[u8], meta: TxMeta) -> VecDeque<Vec<u8>> {
    let (ip, tcp) = (usize::from(meta.l2_len), usize::from(meta.l2_len) + usize::from(meta.l3_len));
    let start = tcp + usize::from(meta.l4_len);
    let plain = !meta.ipv6 && usize::from(meta.l3_len) == IPV4_LEN && usize::from(meta.l4_len) >= TCP_LEN;
    let Some(headers) = frame.get(..start).filter(|_| plain) else { return VecDeque::new() };
    let total = usize::from(u16::from_be_bytes([headers[ip + 2], headers[ip + 3]]));
    let sound = headers[ip] == 0x45
        && headers[ip + 9] == TCP
        && usize::from(headers[tcp + 12] >> 4) * 4 == usize::from(meta.l4_len)
        && ip + total == frame.len()
        && frame.len() > start;
    if !sound {
        return VecDeque::new();
    }
    let pieces = frame[start..].chunks(meta.segment.into());
    let last = pieces.len() - 1;
    let mut offset = 0;
    let cut = pieces.enumerate().map(|(at, piece)| {
        let mut segment = [headers, piece].concat();
        number(&mut segment, (ip, tcp), at as u16, offset);
        let off = if at == last { 0 } else { FIN | PSH } | if at == 0 { 0 } else { CWR };
        segment[tcp + 13] &= !off;
        fill(&mut segment, (ip, tcp));
        offset += piece.len() as u32;
        segment
    });
    cut.collect()
}

/// Length, identification and sequence number of the `at`th segment, which begins `offset` bytes behind the first.
fn number(segment: &mut [u8], (ip, tcp): (usize, usize), at: u16, offset: u32) {
    let total = (segment.len() - ip) as u16;
    segment[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
    let id = u16::from_be_bytes([segment[ip + 4], segment[ip + 5]]).wrapping_add(at);
    segment[ip + 4..ip + 6].copy_from_slice(&id.to_be_bytes());
    let seq = [segment[tcp + 4], segment[tcp + 5], segment[tcp + 6], segment[tcp + 7]];
    let seq = u32::from_be_bytes(seq).wrapping_add(offset);
    segment[tcp + 4..tcp + 8].copy_from_slice(&seq.to_be_bytes());
}

fn fill(segment: &mut [u8], (ip, tcp): (usize, usize)) {
    segment[ip + 10..ip + 12].fill(0);
    let checksum = !sum(&segment[ip..tcp], 0);
    segment[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());
    segment[tcp + 16..tcp + 18].fill(0);
    let [len_high, len_low] = ((segment.len() - tcp) as u16).to_be_bytes();
    let pseudo = sum(&[0, TCP, len_high, len_low], sum(&segment[ip + 12..tcp], 0));
    let checksum = !sum(&segment[tcp..], pseudo);
    segment[tcp + 16..tcp + 18].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint};
    use crate::wire::{TcpEmit, TcpFlags, checksum};

    const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0];

    fn written(seq: u32, flags: u8, payload: &[u8], stamped: bool) -> Vec<u8> {
        let end = |last, port| Endpoint { addr: Addr::v4([192, 0, 2, last]), port };
        let mut emit = TcpEmit::bare(end(1, 80), end(2, 999), TcpFlags(flags), (seq, 77));
        emit.payload_len = payload.len() as u16;
        emit.options.timestamp = stamped.then_some((5, 6));
        let mut packet = vec![0; emit.packet_len()];
        emit.emit(&mut packet).expect("it fits").copy_from_slice(payload);
        [&ETHERNET[..], &packet].concat()
    }

    fn asked(segment: u16, l4_len: u8) -> TxMeta {
        let meta = TxMeta { l2_len: 14, l3_len: 20, l4_len, segment, ..TxMeta::default() };
        TxMeta { ip_checksum: true, tcp_checksum: true, ..meta }
    }

    #[test]
    fn a_long_segment_becomes_what_byway_would_have_written_one_by_one() {
        let bytes: Vec<u8> = (0..4_000u32).map(|at| (at * 31) as u8).collect();
        let (seq, ack, last) =
            (u32::MAX - 2_000, TcpFlags::ACK, TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN);
        for stamped in [false, true] {
            let long = written(seq, last, &bytes, stamped);
            let cut = segments(&long, asked(1_448, if stamped { 32 } else { 20 }));
            assert_eq!(cut.len(), 3);
            for (at, (segment, piece)) in cut.iter().zip(bytes.chunks(1_448)).enumerate() {
                let flags = if at == 2 { last } else { ack };
                let mut alone = written(seq.wrapping_add(at as u32 * 1_448), flags, piece, stamped);
                alone[19] = at as u8;
                checksum::finish_ip_tcp(&mut alone[14..]);
                assert_eq!(segment, &alone, "{at}");
            }
        }
    }

    #[test]
    fn what_is_not_what_it_was_said_to_be_is_not_cut() {
        let long = written(1, TcpFlags::ACK, &[7; 3_000], false);
        assert!(segments(&long, asked(1_448, 32)).is_empty());
        assert!(segments(&long, TxMeta { ipv6: true, ..asked(1_448, 20) }).is_empty());
        assert!(segments(&long[..2_000], asked(1_448, 20)).is_empty());
        assert!(segments(&long[..30], asked(1_448, 20)).is_empty());
    }
}
