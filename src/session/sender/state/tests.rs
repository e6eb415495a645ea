//! What a sender makes of acknowledgements, silence and time.

use super::*;

const MSS: u32 = 1_000;

const fn ms(count: u64) -> Instant {
    Instant::from_nanos(count * 1_000_000)
}

const fn sent(una: u32, max: u32) -> Sent {
    Sent { una, max, mss: MSS }
}

fn heard<'a>(now: Instant, before_una: u32, sack: &'a SackBlocks, is_repeat: bool) -> Heard<'a> {
    Heard { now, before_una, sack, is_repeat, app_limited: false }
}

/// A sender with ten segments in flight from 0 on, sent at 1 s over 20 ms.
fn busy() -> (Sender, Boards) {
    let mut sender = Sender::vacant();
    sender.begin(Congestion::Bbr, &sent(0, 0), Some(Span::from_millis(20)));
    for at in 0..10 {
        sender.note_sent(MSS, (at + 1) * MSS, true, ms(1_000), at == 0);
    }
    (sender, Boards::new(2))
}

#[test]
fn exactly_the_lost_segment_goes_out_again_and_recovery_ends_where_it_began() {
    let (mut sender, mut boards) = busy();
    for to in 2..=4 {
        let sack = SackBlocks::new(&[(MSS, to * MSS)]);
        sender.hear(&sent(0, 10 * MSS), &heard(ms(1_020), 0, &sack, true), &mut boards);
    }
    assert_eq!(sender.next_again(&sent(0, 10 * MSS), &mut boards), Some((0, MSS, Again::Fast)));
    assert_eq!(sender.in_flight(&sent(0, 10 * MSS)), 6 * MSS);
    sender.note_again((0, MSS), Again::Fast, (&sent(0, 10 * MSS), ms(1_020)), &mut boards);
    assert!(!sender.has_lost());
    sender.hear(&sent(10 * MSS, 10 * MSS), &heard(ms(1_040), 0, &SackBlocks::NONE, false), &mut boards);
    assert!(sender.is_plain() && sender.in_flight(&sent(10 * MSS, 10 * MSS)) == 0);
}

#[test]
fn three_repetitions_tell_where_the_peer_has_no_blocks() {
    let (mut sender, mut boards) = busy();
    for repeat in 0..3 {
        assert!(!sender.has_lost(), "{repeat}");
        sender.hear(&sent(0, 10 * MSS), &heard(ms(1_020), 0, &SackBlocks::NONE, true), &mut boards);
    }
    assert_eq!(sender.next_again(&sent(0, 10 * MSS), &mut boards), Some((0, MSS, Again::Fast)));
    sender.note_again((0, MSS), Again::Fast, (&sent(0, 10 * MSS), ms(1_020)), &mut boards);
    // RFC 6582 3.2: an acknowledgement of a part tells of the next loss.
    sender.hear(&sent(3 * MSS, 10 * MSS), &heard(ms(1_040), 0, &SackBlocks::NONE, false), &mut boards);
    let next = sender.next_again(&sent(3 * MSS, 10 * MSS), &mut boards);
    assert_eq!(next, Some((3 * MSS, 4 * MSS, Again::Fast)));
}

#[test]
fn one_repetition_without_blocks_ends_no_round() {
    const FIRST: u32 = 0xc000_0000;
    let (mut sender, mut boards) = (Sender::vacant(), Boards::new(1));
    sender.begin(Congestion::Bbr, &sent(FIRST, FIRST), Some(Span::from_millis(20)));
    for at in 0..10 {
        sender.note_sent(MSS, FIRST + (at + 1) * MSS, true, ms(1_000), at == 0);
    }
    let flight = |acked: u32| sent(FIRST + acked * MSS, FIRST + 10 * MSS);
    sender.hear(&flight(0), &heard(ms(1_001), FIRST, &SackBlocks::NONE, true), &mut boards);
    assert_eq!((sender.arrived_to(&flight(0)), sender.in_flight(&flight(0))), (FIRST, 10 * MSS));
    sender.hear_plain(&flight(1), &heard(ms(1_020), FIRST, &SackBlocks::NONE, false));
    assert_eq!(sender.arrived_to(&flight(1)), FIRST + MSS);
    assert!(sender.flight == Flight::ALL);
}

#[test]
fn a_tail_that_is_lost_behind_a_repaired_loss_is_probed_too() {
    let (mut sender, mut boards) = busy();
    let flight = |acked: u32| sent(acked * MSS, 10 * MSS);
    for to in 2..=4 {
        let sack = SackBlocks::new(&[(MSS, to * MSS)]);
        sender.hear(&flight(0), &heard(ms(1_020), 0, &sack, true), &mut boards);
    }
    sender.note_again((0, MSS), Again::Fast, (&flight(0), ms(1_020)), &mut boards);
    sender.hear(&flight(4), &heard(ms(1_040), 0, &SackBlocks::NONE, false), &mut boards);
    assert!(sender.recovery == Recovery::Fast && !sender.has_lost());
    let (when, due) = sender.deadline(&flight(4), true);
    assert!(due == Due::Probe && when < ms(1_100), "{due:?} at {when:?}");
}

#[test]
fn a_silent_tail_is_probed_once_and_then_times_out() {
    let (mut sender, mut boards) = busy();
    let flight = sent(0, 10 * MSS);
    assert_eq!(sender.deadline(&flight, true), (ms(1_040), Due::Probe));
    assert_eq!(sender.deadline(&flight, false), (ms(2_000), Due::Timeout));
    sender.act_on(Due::Probe, &flight, &mut boards, ms(1_040));
    assert_eq!(sender.next_again(&flight, &mut boards), Some((9 * MSS, 10 * MSS, Again::Probe)));
    sender.note_again((9 * MSS, 10 * MSS), Again::Probe, (&flight, ms(1_040)), &mut boards);
    // RFC 8985 7.3: the timeout counts from the probe.
    assert_eq!((sender.has_lost(), sender.deadline(&flight, true)), (false, (ms(2_040), Due::Timeout)));
    sender.act_on(Due::Timeout, &flight, &mut boards, ms(2_040));
    assert_eq!(sender.next_again(&flight, &mut boards), Some((0, 10 * MSS, Again::Timeout)));
    assert_eq!((sender.in_flight(&flight), sender.control.window()), (0, MSS));
    assert_eq!(sender.deadline(&flight, true), (ms(4_040), Due::Timeout));
}

#[test]
fn a_lone_gap_is_lost_when_a_quarter_of_the_round_trip_has_passed() {
    let (mut sender, mut boards) = busy();
    let (flight, sack) = (sent(0, 10 * MSS), SackBlocks::new(&[(9 * MSS, 10 * MSS)]));
    sender.hear(&flight, &heard(ms(1_020), 0, &sack, true), &mut boards);
    assert_eq!(sender.deadline(&flight, true), (ms(1_025), Due::Disorder));
    sender.act_on(Due::Disorder, &flight, &mut boards, ms(1_025));
    assert_eq!(sender.next_again(&flight, &mut boards), Some((0, 9 * MSS, Again::Fast)));
}

#[test]
fn a_timeout_does_not_send_again_what_the_peer_has() {
    let (mut sender, mut boards) = busy();
    let (flight, sack) = (sent(0, 10 * MSS), SackBlocks::new(&[(2 * MSS, 4 * MSS)]));
    sender.hear(&flight, &heard(ms(1_020), 0, &sack, true), &mut boards);
    sender.act_on(Due::Timeout, &flight, &mut boards, ms(2_000));
    assert_eq!(sender.next_again(&flight, &mut boards), Some((0, 2 * MSS, Again::Timeout)));
    sender.note_again((0, 2 * MSS), Again::Timeout, (&flight, ms(2_000)), &mut boards);
    assert_eq!(sender.next_again(&flight, &mut boards), Some((4 * MSS, 10 * MSS, Again::Timeout)));
}

#[test]
fn a_board_is_given_back_with_the_last_gap_and_with_the_leg() {
    let (mut sender, _) = busy();
    let mut boards = Boards::new(1);
    let (flight, sack) = (sent(0, 10 * MSS), SackBlocks::new(&[(MSS, 2 * MSS)]));
    sender.hear(&flight, &heard(ms(1_020), 0, &sack, true), &mut boards);
    assert!(!sender.is_plain());
    sender.end(&mut boards);
    boards.take();
    assert_eq!(boards.take_reclaimed(), 0);
}

#[test]
fn who_never_fills_its_gap_loses_its_board_to_others_and_is_served_without() {
    let (mut idler, mut boards) = (busy().0, Boards::new(1));
    let (flight, sack) = (sent(0, 10 * MSS), SackBlocks::new(&[(MSS, 4 * MSS)]));
    idler.hear(&flight, &heard(ms(1_020), 0, &sack, true), &mut boards);
    assert_eq!(idler.in_flight(&flight), 6 * MSS);
    let mut other = busy().0;
    other.hear(&flight, &heard(ms(1_021), 0, &sack, true), &mut boards);
    assert_eq!(boards.take_reclaimed(), 1);
    assert_eq!(other.next_again(&flight, &mut boards), Some((0, MSS, Again::Fast)));
    let later = sent(MSS, 10 * MSS);
    idler.hear(&later, &heard(ms(1_040), 0, &SackBlocks::NONE, false), &mut boards);
    assert_eq!(idler.next_again(&later, &mut boards), Some((MSS, 2 * MSS, Again::Fast)));
    idler.end(&mut boards);
    assert!(other.next_again(&flight, &mut boards).is_some(), "it gave back nothing of another's");
}

#[test]
fn a_path_that_reordered_once_is_trusted_again_after_sixteen_recoveries() {
    let (mut sender, mut boards) = busy();
    let early = SackBlocks::new(&[(2 * MSS, 3 * MSS)]);
    sender.hear(&sent(0, 10 * MSS), &heard(ms(1_020), 0, &early, true), &mut boards);
    let filled = SackBlocks::new(&[(MSS, 3 * MSS)]);
    sender.hear(&sent(0, 10 * MSS), &heard(ms(1_021), 0, &filled, true), &mut boards);
    sender.hear(&sent(10 * MSS, 10 * MSS), &heard(ms(1_021), 0, &SackBlocks::NONE, false), &mut boards);
    // Three segments behind a gap at once: told at once where order holds, a quarter of the round trip later else.
    let mut loses = |round: u32| {
        let (una, now) = (10 * MSS * (round + 1), ms(2_000 + 100 * u64::from(round)));
        for at in 0..10 {
            sender.note_sent(MSS, una + (at + 1) * MSS, true, now, at == 0);
        }
        let (flight, sack) = (sent(una, una + 10 * MSS), SackBlocks::new(&[(una + MSS, una + 4 * MSS)]));
        sender.hear(&flight, &heard(now + Span::from_millis(20), una, &sack, true), &mut boards);
        let at_once = sender.has_lost();
        sender.act_on(Due::Disorder, &flight, &mut boards, now + Span::from_millis(30));
        assert!(sender.has_lost(), "{round}");
        sender.note_again((una, una + MSS), Again::Fast, (&flight, now), &mut boards);
        let all = sent(una + 10 * MSS, una + 10 * MSS);
        sender.hear(&all, &heard(now + Span::from_millis(50), una, &SackBlocks::NONE, false), &mut boards);
        at_once
    };
    let at_once: Vec<_> = (0..18).map(&mut loses).collect();
    assert_eq!(at_once.iter().position(|&at_once| at_once), Some(16), "{at_once:?}");
    assert!(at_once[17]);
}

#[test]
fn the_timeout_counts_from_when_the_oldest_segment_went_out_again() {
    let (mut sender, mut boards) = busy();
    for to in 2..=4 {
        let sack = SackBlocks::new(&[(MSS, to * MSS)]);
        sender.hear(&sent(0, 10 * MSS), &heard(ms(1_900), 0, &sack, true), &mut boards);
    }
    sender.note_again((0, MSS), Again::Fast, (&sent(0, 10 * MSS), ms(1_900)), &mut boards);
    let timeout = (ms(1_900) + sender.rtt.timeout(), Due::Timeout);
    assert_eq!(sender.deadline(&sent(0, 10 * MSS), true), timeout);
}
