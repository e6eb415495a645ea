//! The boot secret, drawn from the kernel; keys of tables, sequence numbers and port choice come from it.

use std::fs::File;
use std::io::Read;

/// 48 bytes that nobody else knows.
#[derive(Clone)]
pub struct Secret([u8; 48]);

impl Secret {
    /// Draws one.
    ///
    /// # Errors
    /// The kernel's source of randomness cannot be read.
    pub fn draw() -> Result<Self, String> {
        let mut bytes = [0; 48];
        let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        read.map(|()| Self(bytes)).map_err(|error| format!("/dev/urandom: {error}"))
    }

    /// Always the same one: for `byway replay`, whose output depends on its input alone.
    pub const fn fixed() -> Self {
        Self([0x5a; 48])
    }

    /// The workers' part.
    pub fn workers(&self) -> [u8; 32] {
        std::array::from_fn(|index| self.0[index])
    }

    /// The tables' part.
    pub fn tables(&self) -> [u64; 2] {
        let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|index| self.0[from + index]));
        [word(32), word(40)]
    }
}
