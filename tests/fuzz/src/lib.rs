//! What fuzz targets share. A target is a file in `src/bin`; its first seeds lie in `corpus/<name>`.

pub mod api_box;

/// Takes bytes off the front of a fuzzer's input.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next `N` bytes, zeros where the input has ended.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (front, rest) = self.0.split_at(self.0.len().min(N));
        out[..front.len()].copy_from_slice(front);
        self.0 = rest;
        out
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }
}
