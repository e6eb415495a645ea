//! TCP options of incoming segments, as far as sessions act on them. Never panics, reads no byte twice.

/// The aligned form in which every common stack sends a lone timestamp: NOP, NOP, kind 8, length 10 (RFC 7323 A).
const ALIGNED_TIMESTAMP: [u8; 4] = [1, 1, 8, 10];

/// What the options of one segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Maximum segment size; zero counts as absent.
    pub mss: Option<u16>,
    /// Window shift, at most 14 (RFC 7323 2.3).
    pub window_shift: Option<u8>,
    /// Whether selective acknowledgements are permitted.
    pub sack_permitted: bool,
    /// Whether the segment carries selective acknowledgements.
    pub sack_blocks: bool,
    /// TSval and TSecr.
    pub timestamp: Option<(u32, u32)>,
}

/// Reads the options of a segment; `None` when one of them is malformed.
#[inline]
pub fn parse(bytes: &[u8]) -> Option<Options> {
    if bytes.is_empty() {
        return Some(Options::default());
    }
    if bytes.len() == 12 && bytes[..4] == ALIGNED_TIMESTAMP {
        return Some(Options {
            timestamp: Some((word(&bytes[4..])?, word(&bytes[8..])?)),
            ..Options::default()
        });
    }
    parse_slowly(bytes)
}

fn parse_slowly(mut bytes: &[u8]) -> Option<Options> {
    let mut options = Options::default();
    loop {
        match *bytes {
            [] | [0, ..] => return Some(options),
            [1, ref rest @ ..] => bytes = rest,
            [kind, length, ref rest @ ..] => {
                let length = usize::from(length).checked_sub(2)?;
                take(&mut options, kind, rest.get(..length)?)?;
                bytes = &rest[length..];
            }
            [_] => return None,
        }
    }
}

fn take(options: &mut Options, kind: u8, value: &[u8]) -> Option<()> {
    match (kind, value) {
        (2, &[high, low]) => options.mss = Some(u16::from_be_bytes([high, low])).filter(|&mss| mss != 0),
        (3, &[shift]) => options.window_shift = Some(shift.min(14)),
        (4, []) => options.sack_permitted = true,
        (5, blocks) if !blocks.is_empty() && blocks.len() % 8 == 0 => options.sack_blocks = true,
        (8, value) if value.len() == 8 => options.timestamp = Some((word(value)?, word(&value[4..])?)),
        (2 | 3 | 4 | 5 | 8, _) => return None,
        _ => {}
    }
    Some(())
}

#[inline]
fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_linux_syn_reads_as_its_five_options() {
        let bytes = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7, 1, 3, 3, 7];
        let options = parse(&bytes).expect("well formed");
        assert_eq!((options.mss, options.window_shift), (Some(1460), Some(7)));
        assert_eq!((options.sack_permitted, options.timestamp), (true, Some((9, 7))));
    }

    #[test]
    fn a_shift_above_fourteen_counts_as_fourteen_and_a_zero_mss_as_none() {
        let options = parse(&[3, 3, 200, 2, 4, 0, 0, 0]).expect("well formed");
        assert_eq!((options.window_shift, options.mss), (Some(14), None));
    }

    #[test]
    fn broken_options_are_refused_whole() {
        for bytes in [&[2u8, 4, 5][..], &[2, 0, 0, 0], &[8, 9, 0, 0, 0, 0, 0, 0, 0], &[5, 4, 0, 0], &[3]] {
            assert_eq!(parse(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..44)) {
            let _ = parse(&bytes);
        }
    }
}
