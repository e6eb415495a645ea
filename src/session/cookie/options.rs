//! The options of a SYN in the few bits that a cookie has for them.
//!
//! ```text
//!  cookie       MSS: an index of three bits
//!  timestamp    ms ms ms .. ms | SACK | shift (15: none)      the lowest five bits, as Linux has them in its lowest six
//!               31           5     4    3              0
//! ```
//! A client without timestamps has no place for the rest: it is offered neither window scale nor SACK.

use crate::session::sessions::mss_told;
use crate::wire::TcpOptions;

/// MSS values that a cookie can tell apart, by family: those that stacks announce on Ethernet, over PPPoE and through
/// tunnels, and on jumbo frames. The first is the least that is obeyed at all.
const MSS_V4: [u16; 8] = [48, 536, 1220, 1360, 1400, 1452, 1460, 8960];
const MSS_V6: [u16; 8] = [48, 536, 1220, 1340, 1360, 1432, 1440, 8940];
/// Values of the index.
pub const MSS_COUNT: u32 = MSS_V4.len() as u32;

const SHIFT_NONE: u32 = 15;
const SACK: u32 = 1 << 4;
/// The bits of a timestamp that hold options.
const MASK: u32 = 0x1f;

/// The index of the largest MSS that is not above what the SYN says.
pub fn mss_index(options: &TcpOptions, v4: bool) -> u32 {
    let told = mss_told(options, v4);
    let table = if v4 { &MSS_V4 } else { &MSS_V6 };
    let above = table.iter().filter(|mss| **mss <= told).count() as u32;
    above.saturating_sub(1)
}

/// The MSS of an index below `MSS_COUNT`.
pub fn mss_of(index: u32, v4: bool) -> u16 {
    let table = if v4 { &MSS_V4 } else { &MSS_V6 };
    table[index as usize % table.len()]
}

/// Window scale and SACK of a SYN with timestamps, in five bits.
pub fn bits_of(options: &TcpOptions) -> u32 {
    let sack = if options.sack_permitted { SACK } else { 0 };
    options.window_shift.map_or(SHIFT_NONE, u32::from) | sack
}

/// The greatest timestamp that is not after `ms` and ends with `bits`. It never runs back for one SYN, and the session's
/// own timestamps, which are those of the clock, come after it.
pub const fn stamp(ms: u32, bits: u32) -> u32 {
    let over = if bits > ms & MASK { MASK + 1 } else { 0 };
    ((ms & !MASK) | bits).wrapping_sub(over)
}

/// The five bits of such a timestamp.
pub const fn bits_in(stamp: u32) -> u32 {
    stamp & MASK
}

/// Window shift and SACK out of five bits.
pub const fn read_bits(bits: u32) -> (Option<u8>, bool) {
    let shift = bits & 0xf;
    (if shift == SHIFT_NONE { None } else { Some(shift as u8) }, bits & SACK != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_of_options_comes_back() {
        for shift in (0..=14).map(Some).chain([None]) {
            for sack_permitted in [false, true] {
                let options = TcpOptions { window_shift: shift, sack_permitted, ..TcpOptions::NONE };
                for ms in [0, 1, 31, 32, 1_000_003, u32::MAX] {
                    let stamp = stamp(ms, bits_of(&options));
                    assert_eq!(read_bits(bits_in(stamp)), (shift, sack_permitted));
                    assert!(ms.wrapping_sub(stamp) < 32, "{stamp} for {ms} is not just before it");
                }
            }
        }
    }

    #[test]
    fn timestamps_of_one_syn_never_run_back() {
        let options = TcpOptions { window_shift: Some(7), sack_permitted: true, ..TcpOptions::NONE };
        let stamps: Vec<u32> = (100..400).map(|ms| stamp(ms, bits_of(&options))).collect();
        assert!(stamps.is_sorted());
    }

    #[test]
    fn an_mss_is_never_rounded_up_but_to_the_least_that_is_obeyed() {
        for v4 in [false, true] {
            for told in [1, 47, 48, 535, 536, 1219, 1220, 1400, 1459, 1460, 1461, 9000, 65_535] {
                let options = TcpOptions { mss: Some(told), ..TcpOptions::NONE };
                let mss = mss_of(mss_index(&options, v4), v4);
                assert!(mss <= told.max(48), "{mss} for {told}");
            }
            let none = mss_of(mss_index(&TcpOptions::NONE, v4), v4);
            assert_eq!(none, if v4 { 536 } else { 1220 });
        }
        let of = |mss, v4| mss_of(mss_index(&TcpOptions { mss: Some(mss), ..TcpOptions::NONE }, v4), v4);
        assert_eq!(
            [of(1460, true), of(1440, false), of(1452, true), of(8960, true)],
            [1460, 1440, 1452, 8960]
        );
    }
}
