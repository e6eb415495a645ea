//! The PROXY protocol, versions 1 and 2 (haproxy's `proxy-protocol.txt`): who the client is, told ahead of its bytes.
//!
//! ```text
//!  v1  PROXY TCP4 <src> <dst> <src port> <dst port> CR LF                       one line, at most 107 bytes
//!  v2  0                12        13       14    16                 +8 or +32   +4
//!      +----------------+---------+--------+-----+------------------+-----------+------
//!      | signature      | 2 | cmd | family | len | src addr, dst    | src, dst  | TLVs
//!      |                | 4   4   | and    |     | addr (4 or 16    | port      |
//!      |                |         | proto  |     | bytes each)      |           |
//!      +----------------+---------+--------+-----+------------------+-----------+------
//! ```
//!
//! What is written is what the client's packets bore: its address and port, and the edge address and port that it
//! reached, in the client's own family whatever the origin's is.

use super::field::{be16, octets, put, put16};
use super::flow_key::Protocol;
use crate::base::{Addr, Endpoint};
use arrayvec::ArrayVec;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header that byway writes; also the longest line that version 1 allows.
pub const HEADER_LEN_MAX: usize = 107;
/// Bytes in front of the addresses of version 2; all of a LOCAL header.
pub const V2_LEN_MIN: usize = 16;
/// A version 2 header with IPv4 addresses.
pub const V2_LEN_V4: usize = V2_LEN_MIN + 12;
/// A version 2 header with IPv6 addresses.
pub const V2_LEN_V6: usize = V2_LEN_MIN + 36;
/// The header of a connection that has no client, as a health probe: version 2's LOCAL.
pub const V2_LOCAL: [u8; V2_LEN_MIN] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
/// The same in version 1.
pub const V1_LOCAL: &[u8] = b"PROXY UNKNOWN\r\n";

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of a header.
pub type HeaderBytes = ArrayVec<u8, HEADER_LEN_MAX>;

/// A client's connection or datagram, as a header tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client.
    pub src: Endpoint,
    /// What the client reached.
    pub dst: Endpoint,
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Who the client is.
    Client(ProxyHeader),
    /// Nobody: version 2's LOCAL and its families that are not the Internet's, version 1's UNKNOWN.
    Nobody,
}

/// Why bytes are not a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyFault {
    /// They could be the front of one: more are needed.
    Short,
    /// They are none, whatever follows.
    Malformed,
}

impl ProxyHeader {
    /// The header in version 1; `None` for UDP, which version 1 does not know.
    pub fn emit_v1(&self) -> Option<HeaderBytes> {
        if self.protocol == Protocol::Udp {
            return None;
        }
        let mut line = HeaderBytes::new();
        let (src, dst) = (self.src.port, self.dst.port);
        let written = if self.is_v4() {
            write!(line, "PROXY TCP4 {} {} {src} {dst}\r\n", self.src.addr, self.dst.addr)
        } else {
            let [from, to] = [self.src.addr, self.dst.addr].map(|addr| Ipv6Addr::from_bits(addr.bits()));
            write!(line, "PROXY TCP6 {from} {to} {src} {dst}\r\n")
        };
        // Never: two addresses of 39 bytes and two ports of 5 make 104. Half a line would be worse than none.
        written.is_ok().then_some(line)
    }

    /// The header in version 2, without options.
    pub fn emit_v2(&self) -> HeaderBytes {
        let mut bytes = [0; V2_LEN_V6];
        put(&mut bytes, 0, SIGNATURE);
        let v4 = self.is_v4();
        let transport = match self.protocol {
            Protocol::Tcp => 1,
            Protocol::Udp => 2,
        };
        let len = self.v2_len();
        put(&mut bytes, 12, [0x21, if v4 { 0x10 } else { 0x20 } | transport]);
        put16(&mut bytes, 14, (len - V2_LEN_MIN) as u16);
        let ports = len - 4;
        if v4 {
            put(&mut bytes, 16, (self.src.addr.bits() as u32).to_be_bytes());
            put(&mut bytes, 20, (self.dst.addr.bits() as u32).to_be_bytes());
        } else {
            put(&mut bytes, 16, self.src.addr.bits().to_be_bytes());
            put(&mut bytes, 32, self.dst.addr.bits().to_be_bytes());
        }
        put16(&mut bytes, ports, self.src.port);
        put16(&mut bytes, ports + 2, self.dst.port);
        bytes[..len].iter().copied().collect()
    }

    /// Bytes of the header in version 2.
    pub const fn v2_len(&self) -> usize {
        if self.is_v4() { V2_LEN_V4 } else { V2_LEN_V6 }
    }

    /// Reads a header of either version at the front of `bytes`; how long it is.
    ///
    /// # Errors
    /// See `ProxyFault`.
    pub fn parse(bytes: &[u8]) -> Result<(Told, usize), ProxyFault> {
        match bytes.first() {
            None => Err(ProxyFault::Short),
            Some(b'P') => parse_v1(bytes),
            Some(_) => parse_v2(bytes),
        }
    }

    /// A mapped address beside an IPv6 one is written as IPv6.
    const fn is_v4(&self) -> bool {
        self.src.addr.is_v4() && self.dst.addr.is_v4()
    }
}

fn parse_v1(bytes: &[u8]) -> Result<(Told, usize), ProxyFault> {
    const START: &[u8] = b"PROXY ";
    let window = &bytes[..bytes.len().min(HEADER_LEN_MAX)];
    let common = window.len().min(START.len());
    if window[..common] != START[..common] {
        return Err(ProxyFault::Malformed);
    }
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        let full = window.len() == HEADER_LEN_MAX;
        return Err(if full { ProxyFault::Malformed } else { ProxyFault::Short });
    };
    let line = std::str::from_utf8(&window[..end]).ok().and_then(|line| line.strip_suffix('\r'));
    let rest = line.and_then(|line| line.strip_prefix("PROXY ")).ok_or(ProxyFault::Malformed)?;
    let told = if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        Told::Nobody
    } else {
        Told::Client(parse_line(rest).ok_or(ProxyFault::Malformed)?)
    };
    Ok((told, end + 1))
}

fn parse_line(rest: &str) -> Option<ProxyHeader> {
    let mut words = rest.split(' ');
    let read: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let (src, dst) = (read(words.next()?)?, read(words.next()?)?);
    let (src_port, dst_port) = (read_port(words.next()?)?, read_port(words.next()?)?);
    let end = |ip: IpAddr, port| Endpoint { addr: ip.into(), port };
    let header = ProxyHeader { protocol: Protocol::Tcp, src: end(src, src_port), dst: end(dst, dst_port) };
    words.next().is_none().then_some(header)
}

/// Decimal, without sign and leading zeros.
fn read_port(word: &str) -> Option<u16> {
    let plain = word == "0" || !word.starts_with(['0', '+']);
    plain.then(|| word.parse().ok()).flatten()
}

fn parse_v2(bytes: &[u8]) -> Result<(Told, usize), ProxyFault> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] != SIGNATURE[..common] {
        return Err(ProxyFault::Malformed);
    }
    let front = bytes.first_chunk::<V2_LEN_MIN>().ok_or(ProxyFault::Short)?;
    let len = V2_LEN_MIN + usize::from(be16(front, 14));
    let body = bytes.get(V2_LEN_MIN..len);
    let told = match (front[12], front[13]) {
        (0x20, _) => Told::Nobody,
        (0x21, kind @ (0x11 | 0x12)) if len >= V2_LEN_V4 => {
            let body = body.and_then(|body| body.first_chunk::<12>()).ok_or(ProxyFault::Short)?;
            let addr = |at| Addr::v4(octets(body, at));
            Told::Client(client(kind, (addr(0), be16(body, 8)), (addr(4), be16(body, 10))))
        }
        (0x21, kind @ (0x21 | 0x22)) if len >= V2_LEN_V6 => {
            let body = body.and_then(|body| body.first_chunk::<36>()).ok_or(ProxyFault::Short)?;
            let addr = |at| Addr::v6(octets(body, at));
            Told::Client(client(kind, (addr(0), be16(body, 32)), (addr(16), be16(body, 34))))
        }
        // UNSPEC and UNIX: sound, and of nobody on the Internet.
        (0x21, 0x00 | 0x31 | 0x32) => Told::Nobody,
        _ => return Err(ProxyFault::Malformed),
    };
    if body.is_none() { Err(ProxyFault::Short) } else { Ok((told, len)) }
}

fn client(kind: u8, src: (Addr, u16), dst: (Addr, u16)) -> ProxyHeader {
    let protocol = if kind & 0x0f == 1 { Protocol::Tcp } else { Protocol::Udp };
    let end = |(addr, port)| Endpoint { addr, port };
    ProxyHeader { protocol, src: end(src), dst: end(dst) }
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PROXY {} > {}", self.src, self.dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(protocol: Protocol, src: &str, dst: &str) -> ProxyHeader {
        let end = |text: &str| text.parse::<std::net::SocketAddr>().expect("an endpoint").into();
        ProxyHeader { protocol, src: end(src), dst: end(dst) }
    }

    fn four(protocol: Protocol) -> ProxyHeader {
        header(protocol, "203.0.113.9:50000", "198.51.100.10:22")
    }

    fn six(protocol: Protocol) -> ProxyHeader {
        header(protocol, "[2001:db8:9::1]:50000", "[2001:db8::1]:22")
    }

    #[test]
    fn version_1_is_byte_exact() {
        let line = four(Protocol::Tcp).emit_v1().expect("TCP");
        assert_eq!(&line[..], b"PROXY TCP4 203.0.113.9 198.51.100.10 50000 22\r\n");
        let line = six(Protocol::Tcp).emit_v1().expect("TCP");
        assert_eq!(&line[..], b"PROXY TCP6 2001:db8:9::1 2001:db8::1 50000 22\r\n");
        assert_eq!(four(Protocol::Udp).emit_v1(), None);
        let wide = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert_eq!(header(Protocol::Tcp, wide, wide).emit_v1().map(|line| line.len()), Some(104));
    }

    #[test]
    fn version_2_is_byte_exact() {
        let front = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21";
        let v4 = b"\xcb\x00\x71\x09\xc6\x33\x64\x0a\xc3\x50\x00\x16";
        let src = b"\x20\x01\x0d\xb8\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
        let dst = b"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
        let v6 = [&src[..], dst, b"\xc3\x50\x00\x16"].concat();
        for (protocol, v4_kind, v6_kind) in [(Protocol::Tcp, 0x11, 0x21), (Protocol::Udp, 0x12, 0x22)] {
            let expected = [&front[..], &[v4_kind, 0, 12], v4].concat();
            assert_eq!(four(protocol).emit_v2()[..], expected);
            let expected = [&front[..], &[v6_kind, 0, 36], &v6].concat();
            assert_eq!(six(protocol).emit_v2()[..], expected);
        }
        assert_eq!(V2_LOCAL, *b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x20\x00\x00\x00");
    }

    #[test]
    fn headers_of_nobody_and_options_are_read() {
        assert_eq!(ProxyHeader::parse(&V2_LOCAL), Ok((Told::Nobody, 16)));
        assert_eq!(ProxyHeader::parse(V1_LOCAL), Ok((Told::Nobody, 15)));
        assert_eq!(ProxyHeader::parse(b"PROXY UNKNOWN ff ff\r\nGET"), Ok((Told::Nobody, 21)));
        let mut bytes = four(Protocol::Tcp).emit_v2();
        bytes[15] += 3;
        bytes.try_extend_from_slice(b"\x04\x00\x00more").expect("room");
        assert_eq!(ProxyHeader::parse(&bytes), Ok((Told::Client(four(Protocol::Tcp)), 31)));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for line in [
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
            "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXIES",
        ] {
            assert_eq!(ProxyHeader::parse(line.as_bytes()), Err(ProxyFault::Malformed), "{line:?}");
        }
        assert_eq!(ProxyHeader::parse(&[b'P'; 200]), Err(ProxyFault::Malformed));
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat();
        assert_eq!(ProxyHeader::parse(&endless[..106]), Err(ProxyFault::Short));
        assert_eq!(ProxyHeader::parse(&endless), Err(ProxyFault::Malformed));
        for (at, value) in [(0, b'G'), (11, 0), (12, 0x11), (12, 0x22), (13, 0x13), (13, 0x41), (15, 11)] {
            let mut bytes = four(Protocol::Tcp).emit_v2();
            bytes[at] = value;
            assert_eq!(ProxyHeader::parse(&bytes), Err(ProxyFault::Malformed), "{at} {value}");
        }
    }

    fn endpoint(v4: bool) -> impl Strategy<Value = Endpoint> {
        (any::<u128>(), any::<u16>()).prop_map(move |(bits, port)| {
            let addr = if v4 { Addr::v4((bits as u32).to_be_bytes()) } else { Addr::from_bits(bits) };
            Endpoint { addr, port }
        })
    }

    fn any_header() -> impl Strategy<Value = ProxyHeader> {
        any::<[bool; 3]>().prop_flat_map(|[src_v4, dst_v4, tcp]| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            (endpoint(src_v4), endpoint(dst_v4)).prop_map(move |(src, dst)| ProxyHeader {
                protocol,
                src,
                dst,
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same_and_no_front_of_it_is_taken(header in any_header(), tail: Vec<u8>) {
            for bytes in [header.emit_v1(), Some(header.emit_v2())].into_iter().flatten() {
                let len = bytes.len();
                let stream = [&bytes[..], &tail].concat();
                prop_assert_eq!(ProxyHeader::parse(&stream), Ok((Told::Client(header), len)));
                for cut in 0..len {
                    prop_assert_eq!(ProxyHeader::parse(&stream[..cut]), Err(ProxyFault::Short));
                }
            }
        }

        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, signed: bool) {
            if signed {
                bytes.splice(..0, SIGNATURE);
            }
            if let Ok((_, len)) = ProxyHeader::parse(&bytes) {
                prop_assert!(len <= bytes.len());
            }
        }
    }
}
