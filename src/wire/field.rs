//! Big-endian numbers out of and into header bytes; offsets are constants inside fixed-size headers, so that the
//! compiler proves every access.

/// The 16-bit number at `at` in a fixed-size header.
#[inline(always)]
pub(super) const fn be16<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

/// The 32-bit number at `at` in a fixed-size header.
#[inline(always)]
pub(super) const fn be32<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// The `M` bytes at `at` in a fixed-size header.
#[inline(always)]
pub(super) const fn octets<const N: usize, const M: usize>(header: &[u8; N], at: usize) -> [u8; M] {
    let mut out = [0; M];
    let mut i = 0;
    while i < M {
        out[i] = header[at + i];
        i += 1;
    }
    out
}

/// Writes a 16-bit number at `at`.
#[inline(always)]
pub(super) const fn put16<const N: usize>(header: &mut [u8; N], at: usize, value: u16) {
    let [a, b] = value.to_be_bytes();
    header[at] = a;
    header[at + 1] = b;
}

/// Writes bytes at `at`.
#[inline(always)]
pub(super) fn put<const N: usize, const M: usize>(header: &mut [u8; N], at: usize, bytes: [u8; M]) {
    header[at..at + M].copy_from_slice(&bytes);
}
