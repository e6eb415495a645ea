//! TCP option bytes, held against smoltcp's reading; what was read is written and read again.
#![no_main]

use byway::wire::TcpOptions;
use libfuzzer_sys::fuzz_target;
use smoltcp::wire::TcpOption;

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > 40 {
        return;
    }
    let ours = TcpOptions::parse(bytes);
    let theirs = foreign(bytes);
    assert_eq!(ours.is_ok(), theirs.is_some(), "{bytes:?}");
    let (Ok(ours), Some(theirs)) = (ours, theirs) else { return };
    assert_eq!(TcpOptions { sack: ours.sack, ..theirs }, ours);
    let blocks = |options: &TcpOptions| options.sack.as_slice().iter().take(3).copied().collect::<Vec<_>>();
    assert_eq!(blocks(&ours), blocks(&theirs));
    let mut written = vec![0; ours.emit_len()];
    ours.emit(&mut written);
    assert!(written.len() <= 40 && written.len() % 4 == 0);
    let again = TcpOptions::parse(&written).expect("what we write we read");
    // Blocks may find no room beside the others.
    assert!(ours.sack.as_slice().starts_with(again.sack.as_slice()));
    assert_eq!(TcpOptions { sack: ours.sack, ..again }, ours);
});

fn foreign(mut bytes: &[u8]) -> Option<TcpOptions> {
    let mut options = TcpOptions::NONE;
    while !bytes.is_empty() {
        let (rest, option) = TcpOption::parse(bytes).ok()?;
        match option {
            TcpOption::EndOfList => break,
            // We name timestamps of a wrong length; smoltcp passes over them.
            TcpOption::Unknown { kind: 8, .. } => return None,
            TcpOption::NoOperation | TcpOption::Unknown { .. } => {}
            TcpOption::MaxSegmentSize(mss) => options.mss = Some(mss),
            TcpOption::WindowScale(shift) => options.window_shift = Some(shift.min(14)),
            TcpOption::SackPermitted => options.sack_permitted = true,
            TcpOption::SackRange(ranges) => {
                let blocks: Vec<_> = ranges.iter().flatten().copied().collect();
                options.sack = byway::wire::SackBlocks::new(&blocks);
            }
            TcpOption::TimeStamp { tsval, tsecr } => options.timestamp = Some((tsval, tsecr)),
        }
        bytes = rest;
    }
    Some(options)
}
