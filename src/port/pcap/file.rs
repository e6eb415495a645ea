//! The classic pcap file format (libpcap's savefile; draft-ietf-opsawg-pcap): a header and one record a frame.
//!
//! Reads microsecond and nanosecond files of both byte orders; writes nanoseconds, little-endian. A record's bytes
//! are bounded, whatever its length field says.

use crate::base::{Instant, Span};
use std::fmt;
use std::io::{self, Read, Write};

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const VERSION_MAJOR: u16 = 2;
const LINK_ETHERNET: u32 = 1;
const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;
/// The longest record (libpcap's `MAXIMUM_SNAPLEN`).
const RECORD_BYTES_MAX: usize = 262_144;
const SECOND_NANOS: u64 = Span::from_secs(1).nanos();

/// Why a capture cannot be read or written. Records are numbered from 1.
#[derive(Debug)]
pub enum PcapError {
    /// The file cannot be read or written.
    Io(io::Error),
    /// The file does not begin with a magic number of classic pcap.
    NotPcap(u32),
    /// The file is of another version than 2.
    Version(u16),
    /// The capture is not of Ethernet frames.
    LinkType(u32),
    /// The file ends inside its header.
    NoHeader,
    /// The file ends inside a record.
    Cut {
        /// The record.
        record: u64,
    },
    /// A record says that it is longer than any capture's may be.
    TooLong {
        /// The record.
        record: u64,
        /// Its length by its own word.
        len: u32,
    },
}

impl fmt::Display for PcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the capture cannot be read or written: {error}"),
            Self::NotPcap(0x0a0d_0d0a) => {
                f.write_str("this is a pcapng file; convert it: editcap -F pcap IN OUT")
            }
            Self::NotPcap(magic) => write!(f, "this is no pcap file: it begins with {magic:#010x}"),
            Self::Version(major) => write!(f, "pcap version {major} is unknown; version 2 is read"),
            Self::LinkType(link) => write!(f, "the capture's link type is {link}; only Ethernet (1) is read"),
            Self::NoHeader => f.write_str("the file ends inside its header"),
            Self::Cut { record } => write!(f, "the file ends inside record {record}"),
            Self::TooLong { record, len } => write!(f, "record {record} says it is {len} bytes long"),
        }
    }
}

impl std::error::Error for PcapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotPcap(_)
            | Self::Version(_)
            | Self::LinkType(_)
            | Self::NoHeader
            | Self::Cut { .. }
            | Self::TooLong { .. } => None,
        }
    }
}

impl From<io::Error> for PcapError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One captured frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was captured, since the Unix epoch.
    pub at: Instant,
    /// Its bytes, as far as the capture kept them.
    pub bytes: Vec<u8>,
    /// Its length on the wire; more than `bytes` has when the capture cut it off.
    pub wire_len: u32,
}

impl Record {
    /// Whether the capture kept the frame whole.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 >= u64::from(self.wire_len)
    }
}

#[derive(Clone, Copy)]
struct Format {
    big_endian: bool,
    /// Nanoseconds in one unit of a record's fraction.
    fraction_nanos: u64,
}

impl Format {
    fn of(magic: [u8; 4]) -> Option<Self> {
        let (little, big) = (u32::from_le_bytes(magic), u32::from_be_bytes(magic));
        let (big_endian, word) =
            if [MAGIC_MICROS, MAGIC_NANOS].contains(&big) { (true, big) } else { (false, little) };
        match word {
            MAGIC_MICROS => Some(Self { big_endian, fraction_nanos: 1_000 }),
            MAGIC_NANOS => Some(Self { big_endian, fraction_nanos: 1 }),
            _ => None,
        }
    }

    fn word(self, bytes: &[u8], offset: usize) -> u32 {
        let bytes = [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn half(self, bytes: &[u8], offset: usize) -> u16 {
        let bytes = [bytes[offset], bytes[offset + 1]];
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

/// Reads a capture, record by record. Give it a buffered reader.
pub struct PcapReader<R> {
    input: R,
    format: Format,
    records: u64,
}

impl<R: Read> PcapReader<R> {
    /// Reads the file's header.
    pub fn new(mut input: R) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER_BYTES];
        let got = read_up_to(&mut input, &mut header)?;
        let magic = [header[0], header[1], header[2], header[3]];
        if got < magic.len() {
            return Err(PcapError::NoHeader);
        }
        let format = Format::of(magic).ok_or(PcapError::NotPcap(u32::from_be_bytes(magic)))?;
        if got < FILE_HEADER_BYTES {
            return Err(PcapError::NoHeader);
        }
        let (major, link) = (format.half(&header, 4), format.word(&header, 20) & 0xffff);
        match (major, link) {
            (VERSION_MAJOR, LINK_ETHERNET) => Ok(Self { input, format, records: 0 }),
            (VERSION_MAJOR, link) => Err(PcapError::LinkType(link)),
            (major, _) => Err(PcapError::Version(major)),
        }
    }

    /// The next record; `None` at the end of the file.
    pub fn next_record(&mut self) -> Result<Option<Record>, PcapError> {
        let mut header = [0; RECORD_HEADER_BYTES];
        let got = read_up_to(&mut self.input, &mut header)?;
        if got == 0 {
            return Ok(None);
        }
        self.records += 1;
        let record = self.records;
        if got < RECORD_HEADER_BYTES {
            return Err(PcapError::Cut { record });
        }
        let word = |offset| self.format.word(&header, offset);
        let (seconds, fraction, len, wire_len) = (word(0), word(4), word(8), word(12));
        if len as usize > RECORD_BYTES_MAX {
            return Err(PcapError::TooLong { record, len });
        }
        let mut bytes = vec![0; len as usize];
        if read_up_to(&mut self.input, &mut bytes)? < bytes.len() {
            return Err(PcapError::Cut { record });
        }
        let nanos = u64::from(seconds) * SECOND_NANOS + u64::from(fraction) * self.format.fraction_nanos;
        Ok(Some(Record { at: Instant::from_nanos(nanos), bytes, wire_len }))
    }

    /// Records read so far.
    pub const fn records(&self) -> u64 {
        self.records
    }
}

/// Reads until `buffer` is full or the input ends; how many bytes came.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Writes a capture. Give it a buffered writer.
pub struct PcapWriter<W> {
    output: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file's header.
    pub fn new(mut output: W) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC_NANOS.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION_MAJOR.to_le_bytes());
        header[6..8].copy_from_slice(&4u16.to_le_bytes());
        header[16..20].copy_from_slice(&(RECORD_BYTES_MAX as u32).to_le_bytes());
        header[20..24].copy_from_slice(&LINK_ETHERNET.to_le_bytes());
        output.write_all(&header)?;
        Ok(Self { output })
    }

    /// Writes one whole frame, captured `at` (since the Unix epoch). What lies behind the first 262,144 bytes is cut.
    pub fn write(&mut self, at: Instant, frame: &[u8]) -> Result<(), PcapError> {
        let kept = &frame[..frame.len().min(RECORD_BYTES_MAX)];
        let (seconds, nanos) = (at.nanos() / SECOND_NANOS, at.nanos() % SECOND_NANOS);
        let mut header = [0; RECORD_HEADER_BYTES];
        let words = [seconds as u32, nanos as u32, kept.len() as u32, frame.len() as u32];
        for (place, word) in header.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.output.write_all(&header)?;
        self.output.write_all(kept)?;
        Ok(())
    }

    /// Writes out what is buffered, and gives the output back.
    pub fn finish(mut self) -> Result<W, PcapError> {
        self.output.flush()?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file of one record that keeps three bytes of five, laid out by hand.
    fn file(big_endian: bool, magic: u32) -> Vec<u8> {
        let word = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
        let half = |half: u16| if big_endian { half.to_be_bytes() } else { half.to_le_bytes() };
        let mut bytes = word(magic).to_vec();
        bytes.extend([half(2), half(4)].concat());
        bytes.extend([word(0), word(0), word(65_535), word(1)].concat());
        bytes.extend([word(1_700_000_000), word(42), word(3), word(5)].concat());
        bytes.extend([0xaa, 0xbb, 0xcc]);
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<Record>, PcapError> {
        let mut reader = PcapReader::new(bytes)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record);
        }
        assert_eq!(reader.records(), records.len() as u64);
        Ok(records)
    }

    #[test]
    fn both_byte_orders_and_both_resolutions_are_read() {
        for big_endian in [false, true] {
            for (magic, fraction_nanos) in [(MAGIC_MICROS, 42_000), (MAGIC_NANOS, 42)] {
                let records = read_all(&file(big_endian, magic)).expect("a good file");
                let at = Instant::from_nanos(1_700_000_000 * SECOND_NANOS + fraction_nanos);
                assert_eq!(records, [Record { at, bytes: vec![0xaa, 0xbb, 0xcc], wire_len: 5 }]);
                assert!(!records[0].is_whole());
            }
        }
    }

    #[test]
    fn file_cut_anywhere_is_an_error_with_its_place() {
        let whole = [file(false, MAGIC_NANOS), file(false, MAGIC_NANOS)[24..].to_vec()].concat();
        let one = FILE_HEADER_BYTES + RECORD_HEADER_BYTES + 3;
        for len in 0..whole.len() {
            match read_all(&whole[..len]) {
                Err(PcapError::NoHeader) => assert!(len < FILE_HEADER_BYTES, "{len}"),
                Err(PcapError::Cut { record: 1 }) => assert!(FILE_HEADER_BYTES < len && len < one, "{len}"),
                Err(PcapError::Cut { record: 2 }) => assert!(one < len, "{len}"),
                Ok(_) => assert!(len == one || len == FILE_HEADER_BYTES, "{len}"),
                Err(other) => panic!("{other} at {len}"),
            }
        }
    }

    #[test]
    fn foreign_files_are_refused_by_name() {
        let with = |offset: usize, byte: u8| {
            let mut bytes = file(false, MAGIC_MICROS);
            bytes[offset] = byte;
            read_all(&bytes).expect_err("a bad file").to_string()
        };
        assert_eq!(with(0, 0), "this is no pcap file: it begins with 0x00c3b2a1");
        assert_eq!(with(4, 3), "pcap version 3 is unknown; version 2 is read");
        assert_eq!(with(20, 113), "the capture's link type is 113; only Ethernet (1) is read");
        assert_eq!(with(35, 0xff), "record 1 says it is 4278190083 bytes long");
        let pcapng = read_all(&[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 0]).expect_err("pcapng");
        assert_eq!(pcapng.to_string(), "this is a pcapng file; convert it: editcap -F pcap IN OUT");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            frames in prop::collection::vec((0..u64::from(u32::MAX) * SECOND_NANOS, prop::collection::vec(any::<u8>(), 0..80)), 0..20)
        ) {
            let mut writer = PcapWriter::new(Vec::new()).expect("memory takes all");
            for (at, bytes) in &frames {
                writer.write(Instant::from_nanos(*at), bytes).expect("memory takes all");
            }
            let records = read_all(&writer.finish().expect("memory takes all")).expect("a good file");
            let back: Vec<_> = records.iter().map(|record| (record.at.nanos(), record.bytes.clone())).collect();
            prop_assert!(records.iter().all(Record::is_whole));
            prop_assert_eq!(back, frames);
        }

        #[test]
        fn reader_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), good_start in any::<bool>()) {
            let start = if good_start { file(true, MAGIC_NANOS)[..24].to_vec() } else { Vec::new() };
            drop(read_all(&[start, bytes].concat()));
        }
    }
}
