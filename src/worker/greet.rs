//! A first SYN answered by a cookie on the quick road: IPv4, a live app in clear, nothing odd. What the long road of `cookie`
//! asks is asked here, of what the burst has looked up already; where it would refuse, or do more, the frame goes there unchanged.
//!
//! Cost: `byway bench session`, rows `syn_cookie*`; beside `macswap`, `byway bench forward --scenario synflood`.

use super::core::Worker;
use super::serve::offer_of;
use crate::base::{AppSlot, Epoch, Fate, Hop, Instant};
use crate::flow::Tenant;
use crate::port::{Frame, Port, TxMeta};
use crate::session::{Net, Offer};
use crate::table::TlsMode;
use crate::telemetry::{Counter, FirewallMatch};
use crate::wire::{Fixed4, FlowKey, ethernet};

/// What clients of one app and port are offered, looked up once for all that come at a time.
#[derive(Clone, Copy)]
pub(super) struct Offered {
    to: OfferedTo,
    offer: Offer,
}

/// All that an offer to a client of IPv4 depends on: the app and its port, the snapshot, what origins are known to take, the time.
type OfferedTo = (AppSlot, u16, Epoch, u32, Instant);

impl<P: Port> Worker<P> {
    /// Answers a first SYN of a client that the tables let pass, in the frame that it came in.
    ///
    /// # Errors
    /// The frame, unchanged, where the long road has to look at it.
    #[inline]
    pub(super) fn greet(
        &mut self,
        mut frame: P::Frame,
        (fixed, key, hash): (Fixed4, &FlowKey, u64),
        (slot, said): (AppSlot, FirewallMatch),
    ) -> Result<Fate, P::Frame> {
        let Some(segment) = fixed.segment(frame.bytes()) else { return Err(frame) };
        if !segment.flags.is_first_syn() || !self.sessions.answers_by_cookie(key) {
            return Err(frame);
        }
        let Some((hop, offer)) = self.invite_plainly(slot, key) else { return Err(frame) };
        let path = (hash, self.exit.mtu(hop), offer);
        let syn_ack = self.sessions.cookie(&segment, frame.bytes(), path, self.exit.now);
        let Some(syn_ack) = syn_ack.ok().filter(|syn_ack| syn_ack.is_summed()) else { return Err(frame) };
        if !frame.set_len(syn_ack.frame_len()) {
            return Err(frame);
        }
        syn_ack.emit_summed(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        frame.set_tx_meta(TxMeta::default());
        said.rule().into_iter().for_each(|rule| self.exit.page.rule_hit(rule));
        self.exit.page.count(Counter::CookiesSent);
        self.exit.page.count(Counter::SoftwareChecksums);
        Ok(self.exit.forward(hop, key.src, frame))
    }

    /// The way to a client and what it is offered; `None` where anything is in the way, or its app wants a certificate.
    #[inline]
    fn invite_plainly(&mut self, slot: AppSlot, key: &FlowKey) -> Option<(Hop, Offer)> {
        let snapshot = &**self.reader.current();
        let app = snapshot.table.app(slot).filter(|app| app.tls == TlsMode::Off)?;
        let tenant = Tenant { app: slot, account: app.account };
        let refused = self.sessions.foresee(tenant, app.limits, key.src, self.exit.now).is_some();
        if snapshot.draining || refused {
            return None;
        }
        let to = (slot, key.dst_port, snapshot.epoch, self.sessions.offers_known(), self.exit.now);
        let offer = match &self.offered {
            Some(offered) if offered.to == to => offered.offer,
            Some(_) | None => {
                let offer = offer_of(&self.sessions, app, key, self.exit.now);
                let offer = offer.unwrap_or_else(|| self.sessions.full_offer());
                self.offered = Some(Offered { to, offer });
                offer
            }
        };
        Some((self.exit.lookup_hop(key.src)?, offer))
    }
}
