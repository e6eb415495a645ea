//! Address -> autonomous system and country, in one step.
//!
//! ```text
//!  heads:   | 0 | 1 | 1 | 4 | ...      for each value of the first 16 bits: the first span that starts there
//!             |       |
//!  starts:  | s0 | s1  s2  s3 | ...    where spans start, in order; a span reaches to the next one's start
//!  whences: | w0 | w1  w2  w3 | ...    what is known of each
//! ```
//!
//! Databases of networks (ASN, country) and the list of Tor's exits are laid over each other once, on the control side,
//! into disjoint spans of equal answers; a lookup is one pair of heads and a binary search among the spans that share
//! the first 16 bits. It allocates nothing. Figures are in ARCHITECTURE.md, record 11; `tests/bench/lookup.rs` counts
//! them (`whence4`, `whence6`).

use crate::base::{Addr, AsNumber, Country, Whence};

/// A network by its first address and the length within its own family, and what is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetOf<T> {
    /// The first address.
    pub first: Addr,
    /// Its length: at most 32 for IPv4.
    pub length: u8,
    /// What is known of it.
    pub value: T,
}

/// What is laid over each other; `None`: there is no such source.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Autonomous systems. Networks of one layer do not overlap; of two that do, the first in order counts.
    pub asn: Option<Vec<NetOf<AsNumber>>>,
    /// Countries.
    pub country: Option<Vec<NetOf<Country>>>,
    /// Exits of Tor, whose country is `T1`.
    pub tor: Option<Vec<NetOf<()>>>,
}

/// Which sources there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// Autonomous systems.
    pub asn: bool,
    /// Countries.
    pub country: bool,
    /// Exits of Tor.
    pub tor: bool,
}

/// The map, frozen.
#[derive(Debug, Default)]
pub struct WhenceMap {
    v4: Spans<u32>,
    v6: Spans<u128>,
    sources: Sources,
}

#[derive(Debug)]
struct Spans<B> {
    heads: Box<[u32]>,
    starts: Box<[B]>,
    whences: Box<[Whence]>,
}

impl<B> Default for Spans<B> {
    fn default() -> Self {
        Self { heads: Box::default(), starts: Box::default(), whences: Box::default() }
    }
}

impl Sources {
    /// Whether a rule about this country has what it needs.
    pub fn know(self, country: Country) -> bool {
        if country == Country::TOR { self.tor } else { self.country }
    }
}

impl WhenceMap {
    /// Lays the layers over each other.
    pub fn build(layers: &Layers) -> Self {
        let sources = Sources {
            asn: layers.asn.is_some(),
            country: layers.country.is_some(),
            tor: layers.tor.is_some(),
        };
        let v4 = Spans::build(&steps(layers, true), |bits| bits as u32, |bits| (bits >> 16) as u16);
        let v6 = Spans::build(&steps(layers, false), |bits| bits, |bits| (bits >> 112) as u16);
        Self { v4, v6, sources }
    }

    /// Where `addr` comes from; unknown where nobody says.
    #[inline]
    pub fn find(&self, addr: Addr) -> Whence {
        match addr.to_v4_bits() {
            Some(bits) => self.v4.find(bits, bits >> 16),
            None => self.v6.find(addr.bits(), (addr.bits() >> 112) as u32),
        }
    }

    /// Which sources it was made of.
    pub const fn sources(&self) -> Sources {
        self.sources
    }

    /// How many spans there are, IPv4 and IPv6.
    pub fn len(&self) -> (usize, usize) {
        (self.v4.starts.len(), self.v6.starts.len())
    }

    /// Whether it knows nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Bytes that it takes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes() + self.v6.heap_bytes()
    }

    /// The first address of span `number`, counted over both families and round and round; for questions of tests.
    pub fn start(&self, number: u64) -> Option<Addr> {
        let (v4, v6) = self.len();
        let place = number.checked_rem((v4 + v6) as u64)? as usize;
        match self.v4.starts.get(place) {
            Some(bits) => Some(Addr::v4(bits.to_be_bytes())),
            None => self.v6.starts.get(place - v4).map(|bits| Addr::from_bits(*bits)),
        }
    }
}

impl<B: Copy + Ord> Spans<B> {
    /// From steps in order, the first of which is at zero.
    fn build(steps: &[(u128, Whence)], bits: impl Fn(u128) -> B, head: impl Fn(u128) -> u16) -> Self {
        if steps.is_empty() {
            return Self::default();
        }
        let mut heads = vec![0_u32; (1 << 16) + 1];
        for (start, _) in steps {
            heads[usize::from(head(*start)) + 1] += 1;
        }
        for place in 1..heads.len() {
            heads[place] += heads[place - 1];
        }
        Self {
            heads: heads.into(),
            starts: steps.iter().map(|(start, _)| bits(*start)).collect(),
            whences: steps.iter().map(|(_, whence)| *whence).collect(),
        }
    }

    #[inline]
    fn find(&self, bits: B, head: u32) -> Whence {
        let head = head as usize;
        let Some(&[first, end]) = self.heads.get(head..head + 2).and_then(|pair| pair.first_chunk()) else {
            return Whence::UNKNOWN;
        };
        let near = self.starts.get(first as usize..end as usize).unwrap_or(&[]);
        let after = first as usize + near.partition_point(|start| *start <= bits);
        // The span before the first one that starts behind the address; there is one, since one starts at zero.
        after.checked_sub(1).and_then(|place| self.whences.get(place)).copied().unwrap_or(Whence::UNKNOWN)
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.starts) + size_of_val(&*self.whences)
    }
}

/// One layer of one family as steps: from this address on this holds, until the next step.
struct Steps<T> {
    list: Vec<(u128, Option<T>)>,
    at: usize,
}

impl<T: Copy> Steps<T> {
    fn of(layer: Option<&Vec<NetOf<T>>>, v4: bool) -> Self {
        let nets = layer.into_iter().flatten().filter(|net| net.first.is_v4() == v4);
        let mut nets: Vec<(u128, u128, T)> = nets.map(|net| bounds(net, v4)).collect();
        nets.sort_by_key(|(first, _, _)| *first);
        let mut list: Vec<(u128, Option<T>)> = Vec::with_capacity(nets.len());
        // One past the end of the last net; `None` at the end of the family's space.
        let mut end = Some(0);
        for (first, last, value) in nets {
            let Some(free) = end else { break };
            if last < free {
                continue;
            }
            let first = first.max(free);
            if list.last().is_some_and(|(start, _)| *start == first) {
                list.pop();
            }
            list.push((first, Some(value)));
            end = last.checked_add(1);
            list.extend(end.map(|end| (end, None)));
        }
        Self { list, at: 0 }
    }

    /// Where the next step is.
    fn next(&self) -> Option<u128> {
        self.list.get(self.at).map(|(start, _)| *start)
    }

    /// What holds from `start` on, which is no later than the next step.
    fn pass(&mut self, start: u128) -> Option<T> {
        if self.next() == Some(start) {
            self.at += 1;
        }
        self.at.checked_sub(1).and_then(|at| self.list[at].1)
    }
}

/// First and last address of a net within its family's space.
fn bounds<T: Copy>(net: &NetOf<T>, v4: bool) -> (u128, u128, T) {
    let (bits, first) = if v4 { (32, net.first.bits() as u32 as u128) } else { (128, net.first.bits()) };
    let host_bits = bits - u32::from(net.length).min(bits);
    let hosts = if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 };
    (first & !hosts, first | hosts, net.value)
}

/// All layers of one family over each other: steps in order, the first at zero, neighbours different.
fn steps(layers: &Layers, v4: bool) -> Vec<(u128, Whence)> {
    let mut asn = Steps::of(layers.asn.as_ref(), v4);
    let mut country = Steps::of(layers.country.as_ref(), v4);
    let mut tor = Steps::of(layers.tor.as_ref(), v4);
    let mut merged: Vec<(u128, Whence)> = Vec::new();
    let mut next = Some(0).filter(|_| [asn.next(), country.next(), tor.next()].iter().any(Option::is_some));
    while let Some(start) = next {
        let (asn_here, country_here, tor_here) = (asn.pass(start), country.pass(start), tor.pass(start));
        let country_here = if tor_here.is_some() { Some(Country::TOR) } else { country_here };
        let whence = Whence {
            asn: asn_here.unwrap_or(AsNumber::UNKNOWN),
            country: country_here.unwrap_or(Country::UNKNOWN),
        };
        if merged.last().is_none_or(|(_, before)| *before != whence) {
            merged.push((start, whence));
        }
        next = [asn.next(), country.next(), tor.next()].into_iter().flatten().min();
    }
    // The end of IPv4's space is a step within 128 bits, and no address.
    merged.retain(|(start, _)| !v4 || *start <= u128::from(u32::MAX));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn net<T>(text: &str, value: T) -> NetOf<T> {
        let net: ipnet::IpNet = text.parse().expect("a net");
        NetOf { first: net.addr().into(), length: net.prefix_len(), value }
    }

    fn country(text: &str) -> Country {
        Country::new(text).expect("a country")
    }

    fn ask(map: &WhenceMap, text: &str) -> (u32, String) {
        let whence = map.find(text.parse::<IpAddr>().expect("an address").into());
        (whence.asn.0, whence.country.as_str().to_owned())
    }

    #[test]
    fn layers_lie_over_each_other_and_tor_over_the_country() {
        let map = WhenceMap::build(&Layers {
            asn: Some(vec![net("10.0.0.0/8", AsNumber(7)), net("2001:db8::/32", AsNumber(9))]),
            country: Some(vec![
                net("10.1.0.0/16", country("DE")),
                net("10.2.0.0/16", country("FR")),
                net("255.255.255.255/32", country("US")),
                net("8000::/1", country("JP")),
            ]),
            tor: Some(vec![net("10.1.2.3/32", ()), net("10.1.2.0/30", ()), net("2001:db8::5/128", ())]),
        });
        for (text, asn, country) in [
            ("0.0.0.0", 0, "XX"),
            ("9.255.255.255", 0, "XX"),
            ("10.0.0.0", 7, "XX"),
            ("10.1.0.0", 7, "DE"),
            ("10.1.2.3", 7, "T1"),
            ("10.1.2.4", 7, "DE"),
            ("10.1.255.255", 7, "DE"),
            ("10.2.0.1", 7, "FR"),
            ("10.3.0.0", 7, "XX"),
            ("11.0.0.0", 0, "XX"),
            ("255.255.255.254", 0, "XX"),
            ("255.255.255.255", 0, "US"),
            ("::", 0, "XX"),
            ("2001:db8::4", 9, "XX"),
            ("2001:db8::5", 9, "T1"),
            ("2001:db8::6", 9, "XX"),
            ("2001:db9::", 0, "XX"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, "JP"),
        ] {
            assert_eq!(ask(&map, text), (asn, country.to_owned()), "{text}");
        }
        assert_eq!(map.sources(), Sources { asn: true, country: true, tor: true });
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        let map = WhenceMap::build(&Layers::default());
        assert!(map.is_empty() && map.sources() == Sources::default() && map.start(3).is_none());
        assert_eq!(ask(&map, "192.0.2.1"), (0, "XX".into()));
        assert_eq!(ask(&map, "2001:db8::1"), (0, "XX".into()));
    }
}
