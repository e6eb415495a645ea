//! A leg's transmit buffer: bytes handed over for sending that the peer has not acknowledged.

/// A ring of bytes whose front is the oldest unacknowledged one.
pub struct Ring {
    bytes: Box<[u8]>,
    start: u32,
    len: u32,
}

impl Ring {
    /// An empty one for `capacity` bytes. Allocates; its pages are touched as they are written.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into_boxed_slice(), start: 0, len: 0 }
    }

    /// Forgets all bytes.
    pub const fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
    }

    /// Bytes that fit.
    #[inline]
    pub const fn free(&self) -> usize {
        self.bytes.len() - self.len as usize
    }

    /// Takes as many of `bytes` as fit, behind all others; how many.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.free());
        let at = self.place(self.len);
        let first = taken.min(self.bytes.len() - at);
        self.bytes[at..at + first].copy_from_slice(&bytes[..first]);
        if first != taken {
            self.bytes[..taken - first].copy_from_slice(&bytes[first..taken]);
        }
        self.len += taken as u32;
        taken
    }

    /// Lets go of the oldest `count` bytes, or of all when there are fewer.
    #[inline]
    pub fn drop_front(&mut self, count: u32) {
        if count >= self.len {
            // From the front again: pages that were touched are used before others.
            return self.clear();
        }
        self.start = self.place(count) as u32;
        self.len -= count;
    }

    /// Copies bytes from the `from`th on; only as many as there are.
    #[inline]
    pub fn copy(&self, from: u32, into: &mut [u8]) {
        let count = into.len().min(self.len.saturating_sub(from) as usize);
        let at = self.place(from.min(self.len));
        let first = count.min(self.bytes.len() - at);
        into[..first].copy_from_slice(&self.bytes[at..at + first]);
        if first != count {
            into[first..count].copy_from_slice(&self.bytes[..count - first]);
        }
    }

    /// Where the `offset`th byte lies.
    #[inline]
    const fn place(&self, offset: u32) -> usize {
        let at = self.start as usize + offset as usize;
        if at >= self.bytes.len() { at - self.bytes.len() } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_wraps() {
        let mut ring = Ring::new(7);
        let mut next = 0u8;
        let mut oldest = 0u8;
        for step in 0..1_000u32 {
            let more: Vec<u8> = (0..step % 9).map(|i| next.wrapping_add(i as u8)).collect();
            let free = ring.free();
            let taken = ring.push(&more);
            assert_eq!(taken, more.len().min(free));
            next = next.wrapping_add(taken as u8);
            let held = usize::from(next.wrapping_sub(oldest));
            let mut seen = vec![0; held];
            ring.copy(0, &mut seen);
            assert!(seen.iter().enumerate().all(|(i, &byte)| byte == oldest.wrapping_add(i as u8)));
            if held > 2 {
                let mut two = [0; 2];
                ring.copy(1, &mut two);
                assert_eq!(two, [oldest.wrapping_add(1), oldest.wrapping_add(2)]);
            }
            let gone = (step % 5).min(held as u32);
            ring.drop_front(gone);
            oldest = oldest.wrapping_add(gone as u8);
            assert_eq!(ring.free(), 7 - (held - gone as usize));
        }
    }

    #[test]
    fn a_ring_that_drains_begins_at_its_front_again() {
        let mut ring = Ring::new(8);
        ring.push(&[1, 2, 3]);
        ring.drop_front(3);
        ring.push(&[4]);
        assert_eq!((ring.start, ring.bytes[0]), (0, 4));
    }
}
