//! TCP options: MSS (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018).
//!
//! A length that cannot be is `TcpHeaderBad`, where RFC 9293 3.1 asks that no such option crash us; kinds that byway
//! does not know are skipped.
//!
//! Cost, in instructions under callgrind, release: `parse` of aligned timestamps 60, of a Linux SYN's options 200.

use crate::base::DropReason;
use std::fmt;

/// Bytes of options at most.
pub const LEN_MAX: usize = 40;
/// Words of options beside SACK blocks: MSS, timestamps with what stands in front of them, window shift.
pub(super) const OPTION_WORDS_MAX: usize = 5;
/// The largest window shift (RFC 7323 2.3).
pub const WINDOW_SHIFT_MAX: u8 = 14;
/// Bytes of timestamps that stand alone.
pub(super) const STAMPS_LEN: usize = 12;
/// The timestamps option as most stacks send it: two no-ops, kind, length.
pub(super) const TIMESTAMP_ALIGNED: [u8; 4] = [kind::NOP, kind::NOP, kind::TIMESTAMP, 10];

mod kind {
    pub const END: u8 = 0;
    pub const NOP: u8 = 1;
    pub const MSS: u8 = 2;
    pub const WINDOW_SCALE: u8 = 3;
    pub const SACK_PERMITTED: u8 = 4;
    pub const SACK: u8 = 5;
    pub const TIMESTAMP: u8 = 8;
}

/// The edges of received blocks, left and one past the right (RFC 2018 3); in the order of the option.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlocks {
    blocks: [(u32, u32); 4],
    len: u8,
}

impl SackBlocks {
    /// No block.
    pub const NONE: Self = Self { blocks: [(0, 0); 4], len: 0 };

    /// As many of `blocks` as an option holds (four).
    pub fn new(blocks: &[(u32, u32)]) -> Self {
        let mut out = Self::NONE;
        for (to, from) in out.blocks.iter_mut().zip(blocks) {
            *to = *from;
            out.len += 1;
        }
        out
    }

    /// The blocks.
    #[inline]
    pub fn as_slice(&self) -> &[(u32, u32)] {
        self.blocks.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The options of one segment that byway knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Largest segment that the sender takes, in bytes, as sent.
    pub mss: Option<u16>,
    /// Window shift, at most 14 (a larger one counts as 14, RFC 7323 2.3).
    pub window_shift: Option<u8>,
    /// The sender takes SACK.
    pub sack_permitted: bool,
    /// Timestamp value and echo reply.
    pub timestamp: Option<(u32, u32)>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// No option at all.
    pub const NONE: Self = Self {
        mss: None,
        window_shift: None,
        sack_permitted: false,
        timestamp: None,
        sack: SackBlocks::NONE,
    };

    /// Reads the bytes between the fixed header and the payload. `TcpHeaderBad` for a length that cannot be; of an
    /// option that comes twice the last counts.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        if let Some((head, [])) = bytes.split_first_chunk::<12>()
            && head[..4] == TIMESTAMP_ALIGNED
        {
            let timestamp = pair(&head[4..]);
            return Ok(Self { timestamp, ..Self::NONE });
        }
        if bytes.is_empty() {
            return Ok(Self::NONE);
        }
        Self::parse_syn(bytes).map_or_else(|| Self::parse_each(bytes), Ok)
    }

    /// The options of a SYN as Linux, as Windows and as generators write them.
    #[inline]
    fn parse_syn(bytes: &[u8]) -> Option<Self> {
        let (&[kind::MSS, 4, hi, lo], rest) = bytes.split_first_chunk::<4>()? else { return None };
        let options = Self { mss: Some(u16::from_be_bytes([hi, lo])), ..Self::NONE };
        match *rest {
            [] => Some(options),
            [
                kind::SACK_PERMITTED,
                2,
                kind::TIMESTAMP,
                10,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                kind::NOP,
                kind::WINDOW_SCALE,
                3,
                shift,
            ] => {
                let window_shift = Some(shift.min(WINDOW_SHIFT_MAX));
                let timestamp = pair(rest.get(4..12)?);
                Some(Self { window_shift, sack_permitted: true, timestamp, ..options })
            }
            [kind::NOP, kind::WINDOW_SCALE, 3, shift, kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2] => {
                let window_shift = Some(shift.min(WINDOW_SHIFT_MAX));
                Some(Self { window_shift, sack_permitted: true, ..options })
            }
            _ => None,
        }
    }

    fn parse_each(mut bytes: &[u8]) -> Result<Self, DropReason> {
        let mut options = Self::NONE;
        // Every round takes at least one of at most 40 bytes.
        while let Some((&kind, rest)) = bytes.split_first() {
            match kind {
                kind::END => break,
                kind::NOP => bytes = rest,
                _ => {
                    let len = usize::from(*rest.first().ok_or(DropReason::TcpHeaderBad)?);
                    let (option, behind) = bytes.split_at_checked(len).ok_or(DropReason::TcpHeaderBad)?;
                    let body = option.get(2..).ok_or(DropReason::TcpHeaderBad)?;
                    options.take(kind, body).ok_or(DropReason::TcpHeaderBad)?;
                    bytes = behind;
                }
            }
        }
        Ok(options)
    }

    /// Takes one option in; `None` where the body's length is not the kind's.
    fn take(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        match kind {
            kind::MSS => self.mss = Some(u16::from_be_bytes(body.try_into().ok()?)),
            kind::WINDOW_SCALE => {
                let [shift] = body.try_into().ok()?;
                self.window_shift = Some(u8::min(shift, WINDOW_SHIFT_MAX));
            }
            kind::SACK_PERMITTED => self.sack_permitted = body.is_empty().then_some(true)?,
            kind::SACK => self.sack = sack_blocks(body)?,
            kind::TIMESTAMP => self.timestamp = Some(pair(body)?),
            _ => {}
        }
        Some(())
    }

    /// The words that `emit` writes of all but SACK blocks, and how many they are.
    #[inline(always)]
    pub(super) const fn words(&self) -> ([u32; OPTION_WORDS_MAX], usize) {
        const fn word(bytes: [u8; 4]) -> u32 {
            u32::from_be_bytes(bytes)
        }
        let (mut words, mut count) = ([0; OPTION_WORDS_MAX], 0);
        if let Some(mss) = self.mss {
            words[0] = word([kind::MSS, 4, 0, 0]) | mss as u32;
            count = 1;
        }
        if let Some((value, echo)) = self.timestamp {
            let permitted = word([kind::SACK_PERMITTED, 2, kind::TIMESTAMP, 10]);
            words[count] = if self.sack_permitted { permitted } else { word(TIMESTAMP_ALIGNED) };
            (words[count + 1], words[count + 2]) = (value, echo);
            count += 3;
        } else if self.sack_permitted {
            words[count] = word([kind::SACK_PERMITTED, 2, kind::NOP, kind::NOP]);
            count += 1;
        }
        if let Some(shift) = self.window_shift {
            words[count] = word([kind::NOP, kind::WINDOW_SCALE, 3, 0]) | shift as u32;
            count += 1;
        }
        (words, count)
    }

    /// The timestamps, where there is nothing else, as in nearly all segments.
    #[inline(always)]
    pub(super) const fn lone_timestamps(&self) -> Option<(u32, u32)> {
        let alone = self.mss.is_none() && self.window_shift.is_none() && !self.sack_permitted;
        if alone && self.sack.len == 0 { self.timestamp } else { None }
    }

    /// Bytes that `emit` writes: a multiple of four, at most 40.
    #[inline]
    pub const fn emit_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let timestamp = if self.timestamp.is_some() { 12 } else { 0 };
        // SACK permitted takes the place of the two no-ops in front of the timestamps.
        let permitted = if self.sack_permitted && self.timestamp.is_none() { 4 } else { 0 };
        let shift = if self.window_shift.is_some() { 4 } else { 0 };
        let fixed = mss + timestamp + permitted + shift;
        let blocks = self.sack_blocks_fitting(fixed);
        if blocks == 0 { fixed } else { fixed + 4 + 8 * blocks }
    }

    /// Blocks that find room beside `fixed` bytes of other options.
    const fn sack_blocks_fitting(&self, fixed: usize) -> usize {
        let room = (LEN_MAX - fixed).saturating_sub(4) / 8;
        if room < self.sack.len as usize { room } else { self.sack.len as usize }
    }

    /// Writes the options to the front of `bytes`, which holds `emit_len` at least, in the order and alignment of RFC 7323 A: MSS, SACK
    /// permitted, timestamps, window scale, blocks. Blocks that find no room are left out, the last first.
    pub fn emit(&self, bytes: &mut [u8]) {
        let Some(bytes) = bytes.get_mut(..self.emit_len()) else { return };
        let mut out = Writer { bytes };
        if let Some(mss) = self.mss {
            let [hi, lo] = mss.to_be_bytes();
            out.put([kind::MSS, 4, hi, lo]);
        }
        match (self.sack_permitted, self.timestamp) {
            (true, Some(_)) => out.put([kind::SACK_PERMITTED, 2, kind::TIMESTAMP, 10]),
            (true, None) => out.put([kind::SACK_PERMITTED, 2, kind::NOP, kind::NOP]),
            (false, Some(_)) => out.put(TIMESTAMP_ALIGNED),
            (false, None) => {}
        }
        if let Some((value, echo)) = self.timestamp {
            out.put(value.to_be_bytes());
            out.put(echo.to_be_bytes());
        }
        if let Some(shift) = self.window_shift {
            out.put([kind::NOP, kind::WINDOW_SCALE, 3, shift]);
        }
        self.emit_sack(&mut out);
    }

    fn emit_sack(&self, out: &mut Writer<'_>) {
        let blocks = out.bytes.len().saturating_sub(4) / 8;
        if blocks == 0 {
            return;
        }
        out.put([kind::NOP, kind::NOP, kind::SACK, 2 + 8 * blocks as u8]);
        for (left, right) in self.sack.as_slice().iter().take(blocks) {
            out.put(left.to_be_bytes());
            out.put(right.to_be_bytes());
        }
    }
}

/// Two 32-bit numbers that fill `body`.
fn pair(body: &[u8]) -> Option<(u32, u32)> {
    let [a, b, c, d, e, f, g, h] = body.try_into().ok()?;
    Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

/// One to four blocks that fill `body`.
fn sack_blocks(body: &[u8]) -> Option<SackBlocks> {
    let (blocks, rest) = body.as_chunks::<8>();
    if !rest.is_empty() || !(1..=4).contains(&blocks.len()) {
        return None;
    }
    let mut out = SackBlocks::NONE;
    for (to, from) in out.blocks.iter_mut().zip(blocks) {
        *to = pair(from)?;
        out.len += 1;
    }
    Some(out)
}

/// Writes words of four from the front; what finds no room is left out.
struct Writer<'a> {
    bytes: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, word: [u8; 4]) {
        if let Some((front, rest)) = std::mem::take(&mut self.bytes).split_first_chunk_mut::<4>() {
            *front = word;
            self.bytes = rest;
        }
    }
}

impl fmt::Display for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        let mut next = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            f.write_str(std::mem::replace(&mut gap, " "))?;
            f.write_fmt(text)
        };
        if let Some(mss) = self.mss {
            next(f, format_args!("mss {mss}"))?;
        }
        if self.sack_permitted {
            next(f, format_args!("sackOK"))?;
        }
        if let Some((value, echo)) = self.timestamp {
            next(f, format_args!("ts {value}/{echo}"))?;
        }
        if let Some(shift) = self.window_shift {
            next(f, format_args!("wscale {shift}"))?;
        }
        for (left, right) in self.sack.as_slice() {
            next(f, format_args!("sack {left}-{right}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_options_of_a_linux_syn_are_read() {
        let bytes = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
        let options = TcpOptions::parse(&bytes).expect("options");
        let expected = TcpOptions {
            mss: Some(1460),
            window_shift: Some(7),
            sack_permitted: true,
            timestamp: Some((9, 0)),
            sack: SackBlocks::NONE,
        };
        assert_eq!(options, expected);
        assert_eq!(options.to_string(), "mss 1460 sackOK ts 9/0 wscale 7");
        let mut back = [0; 20];
        assert_eq!(options.emit_len(), 20);
        options.emit(&mut back);
        assert_eq!(back, bytes);
    }

    #[test]
    fn the_usual_shapes_of_a_syn_are_read_as_one_by_one() {
        let shapes: [&[u8]; 5] = [
            &[2, 4, 5, 180],
            &[2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 99],
            &[2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2],
            &[2, 4, 5, 180, 1, 1, 4, 2],
            &[1, 1, 1, 0],
        ];
        let seen = shapes.map(|bytes| TcpOptions::parse_syn(bytes).is_some());
        assert_eq!(seen, [true, true, true, false, false]);
        for bytes in shapes {
            assert_eq!(TcpOptions::parse(bytes), TcpOptions::parse_each(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let broken: [&[u8]; 12] = [
            &[2],
            &[2, 0],
            &[2, 1],
            &[2, 4, 5],
            &[2, 3, 5],
            &[3, 2],
            &[4, 3, 0],
            &[5, 2],
            &[5, 9, 0, 0, 0, 0, 0, 0, 0],
            &[8, 9, 0, 0, 0, 0, 0, 0, 0],
            &[254, 0],
            &[1, 1, 254, 200],
        ];
        for bytes in broken {
            assert_eq!(TcpOptions::parse(bytes), Err(DropReason::TcpHeaderBad), "{bytes:?}");
        }
    }

    #[test]
    fn unknown_kinds_are_skipped_and_nothing_is_read_behind_the_end() {
        let options = TcpOptions::parse(&[254, 4, 0, 0, 3, 3, 200, 0, 2, 0]).expect("options");
        assert_eq!(options, TcpOptions { window_shift: Some(14), ..TcpOptions::NONE });
    }

    #[test]
    fn blocks_that_find_no_room_are_left_out() {
        let sack = SackBlocks::new(&[(1, 2), (3, 4), (5, 6), (7, 8)]);
        let options = TcpOptions { timestamp: Some((1, 2)), sack, ..TcpOptions::NONE };
        let mut bytes = [0; LEN_MAX];
        assert_eq!(options.emit_len(), LEN_MAX);
        options.emit(&mut bytes);
        let read = TcpOptions::parse(&bytes).expect("options");
        assert_eq!(read.sack.as_slice(), &[(1, 2), (3, 4), (5, 6)]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..=LEN_MAX)) {
            let _ = TcpOptions::parse(&bytes);
        }

        #[test]
        fn options_read_back_as_they_were_written(
            mss in any::<Option<u16>>(), shift in prop::option::of(0u8..=14), sack_permitted in any::<bool>(),
            timestamp in any::<Option<(u32, u32)>>(), sack in prop::collection::vec(any::<(u32, u32)>(), 0..=1),
        ) {
            let sack = SackBlocks::new(&sack);
            let options = TcpOptions { mss, window_shift: shift, sack_permitted, timestamp, sack };
            let mut bytes = vec![0xee; options.emit_len()];
            options.emit(&mut bytes);
            prop_assert_eq!(bytes.len() % 4, 0);
            prop_assert_eq!(TcpOptions::parse(&bytes), Ok(options));
        }
    }
}
