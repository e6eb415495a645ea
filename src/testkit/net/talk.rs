//! What a simulated client and its origin say to each other: bytes that can be checked one by one, and an ending.
//!
//! ```text
//!  client -> origin   header (talk, lengths, ending), then `up` bytes of a pattern
//!  origin -> client   `down` bytes of another pattern
//! ```
//!
//! The header tells the origin everything, so that both ends check every byte on their own.

/// Bytes of the header.
pub const HEADER_LEN: usize = 16;

/// How a talk ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Ending {
    /// The client half-closes when it has said everything; the origin answers after that.
    ClientFirst = 0,
    /// The origin closes when everything is said on both sides; the client follows.
    OriginFirst = 1,
    /// The client resets when it has heard half of the answer.
    ClientReset = 2,
    /// The origin resets when it has heard half of what the client says.
    OriginReset = 3,
}

impl Ending {
    /// All endings.
    pub const ALL: [Self; 4] = [Self::ClientFirst, Self::OriginFirst, Self::ClientReset, Self::OriginReset];

    /// Whether every byte of both sides must arrive.
    pub const fn in_order(self) -> bool {
        match self {
            Self::ClientFirst | Self::OriginFirst => true,
            Self::ClientReset | Self::OriginReset => false,
        }
    }
}

/// One talk, as both ends know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Talk {
    /// Its number; it seeds the patterns.
    pub id: u32,
    /// Bytes from the client after the header.
    pub up: u32,
    /// Bytes from the origin.
    pub down: u32,
    /// How it ends.
    pub ending: Ending,
}

impl Talk {
    /// As the client's first bytes.
    pub fn header(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0x5a; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.id.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.up.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.down.to_be_bytes());
        bytes[12] = self.ending as u8;
        bytes
    }

    /// Reads back what `header` wrote; `None` for anything else.
    pub fn from_header(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let ending = *Ending::ALL.get(usize::from(bytes[12]))?;
        let talk = Self { id: word(0), up: word(4), down: word(8), ending };
        (talk.header() == *bytes).then_some(talk)
    }

    /// The byte that the client says at `offset`, header included.
    pub fn up_byte(&self, offset: u64) -> u8 {
        match self.header().get(offset as usize) {
            Some(byte) if offset < HEADER_LEN as u64 => *byte,
            Some(_) | None => pattern(self.id, offset),
        }
    }

    /// The byte that the origin says at `offset`.
    pub fn down_byte(&self, offset: u64) -> u8 {
        pattern(!self.id, offset)
    }

    /// All bytes that the client says.
    pub const fn up_len(&self) -> u64 {
        HEADER_LEN as u64 + self.up as u64
    }

    /// All bytes that the origin says.
    pub const fn down_len(&self) -> u64 {
        self.down as u64
    }
}

/// A byte that differs between talks and does not repeat with any power of two.
fn pattern(id: u32, offset: u64) -> u8 {
    let mixed = (offset / 7).wrapping_mul(0x9e37_79b9) ^ u64::from(id).wrapping_mul(0x85eb_ca6b);
    (mixed >> 11) as u8 ^ offset as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        let talk = Talk { id: 7, up: 1_000, down: 20, ending: Ending::OriginReset };
        assert_eq!(Talk::from_header(&talk.header()), Some(talk));
        assert_eq!(Talk::from_header(&[0; HEADER_LEN]), None);
    }
}
