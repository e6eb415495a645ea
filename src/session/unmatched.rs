//! Segments that belong to no session.

use super::{Net, Sessions};
use crate::base::{Fate, Instant};
use crate::wire::{FlowKey, TcpSegment};

impl Sessions {
    /// Whether `unmatched` may have something to say of a flow with this hash: a probe, or one that is over.
    #[inline]
    pub fn remembers(&self, key: &FlowKey, hash: u64) -> bool {
        self.graveyard.holds(key, hash) || self.probes.hold(key)
    }

    /// Gives a segment without a session to the flows that are over; `None` when it is none of theirs, or a SYN that
    /// may open such a flow anew (then `open` follows, if table and firewall agree).
    pub fn unmatched<N: Net>(
        &mut self,
        segment: &TcpSegment,
        frame: &[u8],
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        if let Some(fate) = self.meet_probe(segment, now, net) {
            return Some(fate);
        }
        self.graveyard.meet(segment, frame, &mut self.allowance, now, net)
    }
}
