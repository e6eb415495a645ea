//! The IPv4 nets of length 24 that onboarded prefixes are made of: whether an address lies in one takes three loads, and one where
//! none is near. No IPv4 prefix is longer (`Prefix::new`), so the answer is exact.

use super::prefix::Prefix;
use crate::base::BlockSet;

/// A bit for each of a block's 256 nets.
type Nets = [u64; 4];

/// The nets, by block of length 16.
#[derive(Debug)]
pub(super) struct NetSet {
    blocks: BlockSet,
    /// The place in `nets` of each block; zero for the empty one.
    places: Box<[u16]>,
    nets: Vec<Nets>,
}

impl NetSet {
    /// The nets of `prefixes`; those of IPv6 have none.
    pub fn new<'a>(prefixes: impl Iterator<Item = &'a Prefix>) -> Self {
        let mut set =
            Self { blocks: BlockSet::default(), places: vec![0; 1 << 16].into(), nets: vec![[0; 4]] };
        for prefix in prefixes {
            let ends = (prefix.first().to_v4_bits(), prefix.last().to_v4_bits());
            if let (Some(first), Some(last)) = ends {
                set.blocks.note(prefix.first(), prefix.last());
                (first >> 8..=last >> 8).for_each(|net| set.note(net));
            }
        }
        set
    }

    fn note(&mut self, net: u32) {
        let place = &mut self.places[(net >> 8) as usize];
        if *place == 0 {
            // At most one for each of 65,535 blocks: prefixes do not hold all of IPv4.
            *place = self.nets.len().min(usize::from(u16::MAX)) as u16;
            self.nets.push([0; 4]);
        }
        self.nets[usize::from(*place)][(net >> 6 & 3) as usize] |= 1 << (net & 63);
    }

    /// The blocks that they lie in.
    pub const fn blocks(&self) -> &BlockSet {
        &self.blocks
    }

    /// Whether the address with these bits lies in one of the nets.
    #[inline(always)]
    pub fn holds(&self, bits: u32) -> bool {
        if !self.blocks.may_hold_v4(bits) {
            return false;
        }
        let place = self.places.get((bits >> 16) as usize).copied().unwrap_or(0);
        let nets = self.nets.get(usize::from(place));
        nets.is_some_and(|nets| nets[(bits >> 14 & 3) as usize] >> (bits >> 8 & 63) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    #[test]
    fn an_address_is_held_where_a_prefix_contains_it() {
        let texts = ["198.51.100.0/24", "198.51.104.0/22", "20.0.0.0/7", "2001:db8::/32", "203.0.113.0/24"];
        let prefix = |text: &&str| Prefix::new(text.parse().expect("a net"), true).expect("a prefix");
        let prefixes: Vec<Prefix> = texts.iter().map(prefix).collect();
        let set = NetSet::new(prefixes.iter());
        let mut rng = crate::base::Rng::new(7);
        for _ in 0..20_000 {
            // Near a prefix's ends as often as anywhere.
            let near = prefixes[rng.below(5) as usize].first().bits() as u32;
            let reach = 8 + rng.below(17);
            let bits = near.wrapping_add(rng.below(1 << reach) as u32).wrapping_sub(1 << 10);
            let addr = Addr::v4(bits.to_be_bytes());
            assert_eq!(set.holds(bits), prefixes.iter().any(|prefix| prefix.contains(addr)), "{addr}");
        }
    }
}
