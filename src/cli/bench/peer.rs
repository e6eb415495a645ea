//! The benchmark's own clients and origins: hand-made IPv4 TCP frames, as cheap as can be.
//!
//! They follow the protocol just far enough to open, use and close sessions in order; nothing is ever lost here.

/// Addresses of the bench's world, IPv4 in host order.
pub const EDGE: u32 = u32::from_be_bytes([198, 51, 100, 10]);
/// The edge port of the one app.
pub const EDGE_PORT: u16 = 80;
/// The origin, on-link behind the only port.
pub const ORIGIN: u32 = u32::from_be_bytes([198, 18, 0, 2]);
/// The origin's port.
pub const ORIGIN_PORT: u16 = 80;
/// The hardware address of everybody but the edge.
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

/// Where IP starts in a frame, and where TCP does.
const IP: usize = 14;
const TCP: usize = 34;

/// One TCP segment as the peers write and read it. Addresses and numbers in host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Source address.
    pub src: u32,
    /// Destination address.
    pub dst: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Payload bytes.
    pub payload_len: u16,
    /// Timestamp value and echo, where the option is there.
    pub timestamp: Option<(u32, u32)>,
}

/// FIN, SYN, RST, PSH and ACK.
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// Synchronise.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// Acknowledge.
    pub const ACK: u8 = 16;
}

/// Writes `segment` as a frame from a peer to the edge's `mac`; returns its length. Checksums are left zero: the
/// bench's port claims to have verified them, or fills them in.
pub fn write(buffer: &mut [u8], mac: [u8; 6], segment: &Segment) -> usize {
    let options = write_options(&mut buffer[TCP + 20..TCP + 60], segment);
    let total = 20 + 20 + options + usize::from(segment.payload_len);
    buffer[..6].copy_from_slice(&mac);
    buffer[6..12].copy_from_slice(&PEER_MAC);
    buffer[12..IP].copy_from_slice(&[0x08, 0x00]);
    buffer[IP..TCP].fill(0);
    buffer[IP] = 0x45;
    buffer[IP + 2..IP + 4].copy_from_slice(&(total as u16).to_be_bytes());
    buffer[IP + 6] = 0x40;
    buffer[IP + 8] = 64;
    buffer[IP + 9] = 6;
    buffer[IP + 12..IP + 16].copy_from_slice(&segment.src.to_be_bytes());
    buffer[IP + 16..TCP].copy_from_slice(&segment.dst.to_be_bytes());
    buffer[TCP..TCP + 2].copy_from_slice(&segment.src_port.to_be_bytes());
    buffer[TCP + 2..TCP + 4].copy_from_slice(&segment.dst_port.to_be_bytes());
    buffer[TCP + 4..TCP + 8].copy_from_slice(&segment.seq.to_be_bytes());
    buffer[TCP + 8..TCP + 12].copy_from_slice(&segment.ack.to_be_bytes());
    buffer[TCP + 12] = (((20 + options) / 4) as u8) << 4;
    buffer[TCP + 13] = segment.flags;
    let window: u16 = if segment.flags & flag::SYN != 0 { 65_535 } else { 4_096 };
    buffer[TCP + 14..TCP + 16].copy_from_slice(&window.to_be_bytes());
    buffer[TCP + 16..TCP + 20].fill(0);
    IP + total
}

/// The options of a Linux host: MSS, SACK, timestamps and a shift of 7 on a SYN; timestamps alone afterwards.
fn write_options(room: &mut [u8], segment: &Segment) -> usize {
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        room[len..len + bytes.len()].copy_from_slice(bytes);
        len += bytes.len();
    };
    if segment.flags & flag::SYN != 0 {
        put(&[2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
    }
    if let Some((value, echo)) = segment.timestamp {
        put(&[1, 1, 8, 10]);
        put(&value.to_be_bytes());
        put(&echo.to_be_bytes());
    }
    len
}

/// Reads a frame of the edge; `None` for anything but TCP over IPv4.
pub fn read(frame: &[u8]) -> Option<Segment> {
    if frame.len() < TCP + 20 || frame[12..IP] != [0x08, 0x00] || frame[IP + 9] != 6 {
        return None;
    }
    let u16_at = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let u32_at = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let header = usize::from(frame[TCP + 12] >> 4) * 4;
    Some(Segment {
        src: u32_at(IP + 12),
        dst: u32_at(IP + 16),
        src_port: u16_at(TCP),
        dst_port: u16_at(TCP + 2),
        seq: u32_at(TCP + 4),
        ack: u32_at(TCP + 8),
        flags: frame[TCP + 13],
        payload_len: u16_at(IP + 2) - 20 - header as u16,
        timestamp: read_timestamp(frame.get(TCP + 20..TCP + header)?),
    })
}

/// The timestamp option among `options`.
fn read_timestamp(mut options: &[u8]) -> Option<(u32, u32)> {
    loop {
        match *options {
            [1, ref rest @ ..] => options = rest,
            [8, 10, a, b, c, d, e, f, g, h, ..] => {
                return Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            }
            [kind, len, ..] if kind > 1 && len >= 2 => options = options.get(usize::from(len)..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = [0; 256];
        for flags in [flag::SYN, flag::ACK, flag::ACK | flag::PSH] {
            let segment = Segment {
                src: 7,
                dst: EDGE,
                src_port: 1000,
                dst_port: EDGE_PORT,
                seq: u32::MAX,
                ack: 5,
                flags,
                payload_len: 64,
                timestamp: Some((3, 4)),
            };
            let len = write(&mut buffer, [1; 6], &segment);
            assert_eq!(read(&buffer[..len]), Some(segment));
        }
    }
}
