//! One line about a frame, for failing tests and logs.

use crate::wire::{
    ArpPacket, ChecksumState, Family, IcmpMessage, MacText, NdpMessage, Parsed, RxHints, TcpOptions,
    TcpSegment, parse,
};

/// What a frame is, in one line: what `wire` would drop says so and why; checksums that are off are only remarked on.
pub fn pretty(frame: &[u8]) -> String {
    let trusting = RxHints { ip: ChecksumState::Good, l4: ChecksumState::Good };
    let (text, sums) = match parse(frame, &trusting) {
        Ok(parsed) => (describe(frame, &parsed), parse(frame, &RxHints::default()).err()),
        Err(reason) => (format!("dropped as {}, {} bytes", reason.name(), frame.len()), None),
    };
    let macs = frame.first_chunk::<12>().map(|macs| {
        let (dst, src) = macs.split_at(6);
        let text = |mac: &[u8]| mac.try_into().map(MacText).expect("six bytes");
        format!("{} > {} ", text(src), text(dst))
    });
    let sums = sums.map(|reason| format!(" ({})", reason.name()));
    format!("{}{text}{}", macs.unwrap_or_default(), sums.unwrap_or_default())
}

fn describe(frame: &[u8], parsed: &Parsed) -> String {
    match *parsed {
        Parsed::Tcp(segment) => tcp(frame, &segment),
        Parsed::Udp { key, payload_offset, ip_end } => {
            format!("UDP {} > {} len {}", key.src_endpoint(), key.dst_endpoint(), ip_end - payload_offset)
        }
        Parsed::Icmp { src, dst, ip_offset: _, icmp_offset, ip_end } => {
            let message = &frame[usize::from(icmp_offset)..usize::from(ip_end)];
            let text = match IcmpMessage::parse(message, Family::of(src)) {
                Ok(IcmpMessage::Other) => format!("type {} code {}", message[0], message[1]),
                Ok(known) => known.to_string(),
                Err(reason) => reason.name().to_owned(),
            };
            format!("ICMP {src} > {dst} {text}")
        }
        Parsed::Arp { offset } => match ArpPacket::parse(&frame[usize::from(offset)..]) {
            Ok(packet) => packet.to_string(),
            Err(reason) => reason.name().to_owned(),
        },
        Parsed::Ndp { src, dst, icmp_offset, ip_end } => {
            let message = &frame[usize::from(icmp_offset)..usize::from(ip_end)];
            match NdpMessage::parse(message, src, dst) {
                Ok(message) => format!("{src} > {dst} {message}"),
                Err(reason) => reason.name().to_owned(),
            }
        }
    }
}

fn tcp(frame: &[u8], segment: &TcpSegment) -> String {
    let TcpSegment { key, seq, ack, window, flags, .. } = *segment;
    let (start, end) = segment.options();
    let options = match TcpOptions::parse(&frame[start..end]) {
        Ok(TcpOptions::NONE) => String::new(),
        Ok(options) => format!(" <{options}>"),
        Err(_) => " <broken options>".to_owned(),
    };
    let (src, dst, len) = (key.src_endpoint(), key.dst_endpoint(), segment.payload_len());
    format!("TCP {src} > {dst} [{flags}] seq {seq} ack {ack} win {window} len {len}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::frames::eth;

    #[test]
    fn a_line_tells_what_a_frame_is() {
        let options = TcpOptions { mss: Some(1460), ..TcpOptions::NONE };
        let syn = eth().ip4("192.0.2.1", "198.51.100.10").tcp(4000, 22).seq(7).syn().options(options);
        let line = "02:00:00:00:00:aa > 02:00:00:00:00:01 TCP 192.0.2.1:4000 > 198.51.100.10:22 [S] seq 7 ack 0 win 65535 \
                    len 0 <mss 1460>";
        assert_eq!(pretty(&syn.clone().bytes()), line);
        assert_eq!(pretty(&syn.bad_checksum().bytes()), format!("{line} (tcp_checksum_bad)"));
        let udp = eth().ip6("2001:db8::1", "2001:db8::2").udp(53, 4000).payload(b"abc").bytes();
        assert!(
            pretty(&udp).ends_with(" UDP [2001:db8::1]:53 > [2001:db8::2]:4000 len 3"),
            "{}",
            pretty(&udp)
        );
        let echo = eth().ip4("192.0.2.1", "198.51.100.10").echo(1, 2, b"x").bytes();
        assert!(pretty(&echo).ends_with(" ICMP 192.0.2.1 > 198.51.100.10 echo request"), "{}", pretty(&echo));
        assert!(
            pretty(&echo[..20]).ends_with(" dropped as frame_truncated, 20 bytes"),
            "{}",
            pretty(&echo[..20])
        );
        assert_eq!(pretty(&[]), "dropped as frame_truncated, 0 bytes");
    }
}
