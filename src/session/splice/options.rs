//! TCP options of a spliced segment, translated one by one: timestamps and the edges of selective acknowledgements.
//!
//! Others pass as they are: what the two ends agreed on with byway is less than what byway knows of (`hand_over.rs`), so
//! none of them bears numbers of the flow.

use super::record::Lane;
use crate::wire::checksum::Change;

const END: u8 = 0;
const NOP: u8 = 1;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Translates the options at the end of the TCP header of a segment that ends at `end`; what that does to its checksum. Options whose length lies are left as
/// they are from there on, for the other end to judge.
pub fn translate(lane: &mut Lane, back: &Lane, options: &mut [u8], end: u32) -> Change {
    let before = Change::NONE.removed(options);
    let mut rest = &mut *options;
    while let [kind, ..] = rest {
        if *kind == END {
            break;
        }
        if *kind == NOP {
            rest = &mut rest[1..];
            continue;
        }
        let len = rest.get(1).copied().map_or(0, usize::from);
        if len < 2 {
            break;
        }
        let Some((option, behind)) = rest.split_at_mut_checked(len) else { break };
        match option {
            [TIMESTAMPS, 10, value @ ..] => translate_stamps(lane, back, value, end),
            [SACK, _, edges @ ..] => {
                for edge in edges.as_chunks_mut::<4>().0 {
                    *edge = u32::from_be_bytes(*edge).wrapping_sub(back.seq_add).to_be_bytes();
                }
            }
            _ => {}
        }
        rest = behind;
    }
    before.inserted(options)
}

fn translate_stamps(lane: &mut Lane, back: &Lane, stamps: &mut [u8], end: u32) {
    if let ([value, echo], []) = stamps.as_chunks_mut::<4>() {
        let stamp = u32::from_be_bytes(*value);
        lane.see_stamp(stamp, end);
        *value = stamp.wrapping_add(lane.stamp_add).to_be_bytes();
        *echo = u32::from_be_bytes(*echo).wrapping_sub(back.stamp_add).to_be_bytes();
    }
}
