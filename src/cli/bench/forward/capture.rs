//! Captures in the temporary folder, for the pcap ports of both contenders.

use crate::base::Instant;
use crate::port::pcap::{PcapError, PcapReader, PcapWriter};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// A file of this process, removed when it is dropped.
pub struct Capture(PathBuf);

impl Capture {
    /// A file that is not there yet.
    pub fn named(what: &str) -> Self {
        Self(std::env::temp_dir().join(format!("byway-bench-{}-{what}.pcap", std::process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes frames into it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, frames: &[Vec<u8>]) -> Result<(), PcapError> {
        let mut writer = PcapWriter::new(BufWriter::new(File::create(&self.0)?))?;
        frames.iter().try_for_each(|frame| writer.write(Instant::ZERO, frame))?;
        writer.finish().map(|_| ())
    }

    /// The frames in it.
    ///
    /// # Errors
    /// It is no capture.
    pub fn read(&self) -> Result<Vec<Vec<u8>>, PcapError> {
        let mut reader = PcapReader::new(BufReader::new(File::open(&self.0)?))?;
        let mut frames = Vec::new();
        while let Some(record) = reader.next_record()? {
            frames.push(record.bytes);
        }
        Ok(frames)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}
