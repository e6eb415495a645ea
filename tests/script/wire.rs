//! Frames of the peers, and byway's packets as a script would write them.

use crate::parse::{Opt, Written};
use crate::world::Talk;

/// The byte at a position of a stream.
fn pattern(letter: u8, position: u32) -> u8 {
    letter ^ (position.wrapping_mul(2_654_435_761) >> 24) as u8
}

impl Talk {
    /// The byte that this peer is to get at a position: byway's own first, then the other peer's pattern.
    fn byte_at(&self, position: u32) -> u8 {
        let own = self.front.get(position.wrapping_sub(1) as usize);
        own.copied()
            .unwrap_or_else(|| pattern(self.pattern.1, position.wrapping_sub(self.front.len() as u32)))
    }
}

/// The frame that a peer sends for a written segment.
pub fn build(talk: &Talk, written: &Written) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(talk.key.src_port.to_be_bytes());
    tcp.extend(talk.key.dst_port.to_be_bytes());
    let seq = talk.isn.wrapping_add(written.seq as u32);
    tcp.extend(seq.to_be_bytes());
    let ack = written.ack.map_or(0, |ack| talk.byway_isn.unwrap_or(0).wrapping_add(ack as u32));
    tcp.extend(ack.to_be_bytes());
    let options = written.options.as_deref().map_or(vec![], |list| option_bytes(talk, list));
    tcp.extend([(((20 + options.len()) / 4) << 4) as u8, written.flags]);
    tcp.extend((written.win.unwrap_or(500) as u16).to_be_bytes());
    tcp.extend([0; 2]);
    tcp.extend(written.urgent.to_be_bytes());
    tcp.extend(&options);
    tcp.extend(
        (0..written.len as u32).map(|n| pattern(talk.pattern.0, (written.seq as u32).wrapping_add(n))),
    );
    let mut frame = vec![0; 12];
    match (talk.key.src.to_v4_bits(), talk.key.dst.to_v4_bits()) {
        (Some(src), Some(dst)) => {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend(((20 + tcp.len()) as u16).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
            frame.extend(src.to_be_bytes());
            frame.extend(dst.to_be_bytes());
        }
        _ => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((tcp.len() as u16).to_be_bytes());
            frame.extend([6, 64]);
            frame.extend(talk.key.src.bits().to_be_bytes());
            frame.extend(talk.key.dst.bits().to_be_bytes());
        }
    }
    frame.extend(tcp);
    byway::wire::checksum::finish_ip_tcp(&mut frame[14..]);
    frame
}

fn option_bytes(talk: &Talk, list: &[Opt]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let theirs = talk.byway_isn.unwrap_or(0);
    for option in list {
        match option {
            Opt::Mss(mss) => bytes.extend([2, 4, (mss >> 8) as u8, *mss as u8]),
            Opt::Shift(shift) => bytes.extend([1, 3, 3, *shift]),
            Opt::SackOk => bytes.extend([1, 1, 4, 2]),
            Opt::Stamp(value, echo) => {
                bytes.extend([1, 1, 8, 10]);
                bytes.extend(value.unwrap_or(0).to_be_bytes());
                bytes.extend(echo.unwrap_or(talk.stamp).to_be_bytes());
            }
            Opt::Sack(left, right) => {
                bytes.extend([1, 1, 5, 10]);
                bytes.extend(theirs.wrapping_add(*left).to_be_bytes());
                bytes.extend(theirs.wrapping_add(*right).to_be_bytes());
            }
            Opt::Raw(raw) => bytes.extend(raw),
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Reads a packet that byway sent as a script would write it, and checks what no script need say.
pub fn read(talk: &mut Talk, packet: &[u8]) -> Result<Written, String> {
    let ip = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let total = if ip == 20 {
        usize::from(u16::from_be_bytes([packet[2], packet[3]]))
    } else {
        40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))
    };
    if total != packet.len() {
        return Err(format!("the IP length says {total} of {} bytes", packet.len()));
    }
    let tcp = &packet[ip..];
    let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().expect("four bytes"));
    let ports = (u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]]));
    if tcp[13] == 2 {
        // Another origin may be called than before.
        talk.key.src_port = ports.1;
    }
    if ports.1 != talk.key.src_port || talk.key.dst_port != 0 && ports.0 != talk.key.dst_port && tcp[13] != 2
    {
        return Err(format!("the ports are {ports:?}"));
    }
    if tcp[18..20] != [0, 0] {
        return Err("an urgent pointer was sent".into());
    }
    let header = usize::from(tcp[12] >> 4) * 4;
    let (flags, seq, ack) = (tcp[13], word(4), word(8));
    if flags & 2 != 0 {
        talk.byway_isn = Some(seq);
        talk.key.dst_port = ports.0;
    }
    let ours = talk.byway_isn.unwrap_or(0);
    let seq = i64::from(seq.wrapping_sub(ours) as i32);
    let options = read_options(talk, &tcp[20..header])?;
    for option in &options {
        if let Opt::Stamp(Some(value), _) = option {
            talk.stamp = *value;
        }
    }
    for (n, &byte) in tcp[header..].iter().enumerate() {
        if byte != talk.byte_at((seq as u32).wrapping_add(n as u32)) {
            return Err(format!("byte {} of the stream is wrong", seq + n as i64));
        }
    }
    Ok(Written {
        flags,
        seq,
        ack: (flags & 16 != 0).then(|| i64::from(ack.wrapping_sub(talk.isn) as i32)),
        len: tcp.len() - header,
        win: Some(u32::from(u16::from_be_bytes([tcp[14], tcp[15]]))),
        urgent: 0,
        options: Some(options),
    })
}

fn read_options(talk: &Talk, mut bytes: &[u8]) -> Result<Vec<Opt>, String> {
    let mut list = Vec::new();
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
    loop {
        match *bytes {
            [] | [0, ..] => return Ok(list),
            [1, ref rest @ ..] => bytes = rest,
            [kind, length, ..] => {
                let value = bytes.get(2..length.into()).ok_or("an option runs over")?;
                match kind {
                    2 => list.push(Opt::Mss(u16::from_be_bytes([value[0], value[1]]))),
                    3 => list.push(Opt::Shift(value[0])),
                    4 => list.push(Opt::SackOk),
                    5 => list.extend(value.chunks_exact(8).map(|block| {
                        Opt::Sack(
                            word(block).wrapping_sub(talk.isn),
                            word(&block[4..]).wrapping_sub(talk.isn),
                        )
                    })),
                    8 => list.push(Opt::Stamp(Some(word(value)), Some(word(&value[4..])))),
                    _ => return Err(format!("option {kind} was sent")),
                }
                bytes = &bytes[length.into()..];
            }
            [_] => return Err("an option is cut".into()),
        }
    }
}

pub fn same_options(wanted: &[Opt], shown: Option<&[Opt]>) -> bool {
    let shown = shown.unwrap_or_default();
    let same = |(wanted, shown): (&Opt, &Opt)| match (wanted, shown) {
        (Opt::Stamp(value, echo), Opt::Stamp(a, b)) => {
            (value.is_none() || value == a) && (echo.is_none() || echo == b)
        }
        _ => wanted == shown,
    };
    wanted.len() == shown.len() && wanted.iter().zip(shown).all(same)
}
