//! What a worker does with a segment that has no session: memory, a cookie, a session out of one, or a refusal.

use crate::world::{Sent, World};
use byway::base::{DropReason, Fate};
use byway::session::CookieFailure;
use byway::wire::TcpSegment;

impl World {
    /// Table and firewall let it pass.
    pub(super) fn admit(&mut self, segment: &TcpSegment, frame: &mut [u8]) -> Fate {
        if !segment.flags.is_first_syn() {
            return self.bear_cookie(segment, frame);
        }
        let (sessions, net, now) = (&mut self.sessions, &mut self.net, self.now);
        let origins = net.origins.iter().copied();
        let offer = sessions.offer(origins, segment.key.src, now);
        if !sessions.answers_by_cookie(&segment.key) {
            self.admission.offer = offer;
            return sessions.open(&self.admission, segment, frame, now, net);
        }
        let path = (sessions.hash(&segment.key), net.mtu, offer.unwrap_or_else(|| sessions.full_offer()));
        match sessions.cookie(segment, frame, path, now) {
            Ok(syn_ack) => {
                let mut packet = vec![0xee; syn_ack.packet_len()];
                syn_ack.emit(&mut packet).expect("as long as it says");
                net.to_client.push_back(Sent { at: now, packet });
                Fate::Sent
            }
            Err(reason) => Fate::Dropped(reason),
        }
    }

    fn bear_cookie(&mut self, segment: &TcpSegment, frame: &mut [u8]) -> Fate {
        let (sessions, net, now) = (&mut self.sessions, &mut self.net, self.now);
        if !sessions.may_bear_cookie(segment, now) {
            return Fate::Dropped(DropReason::OutOfState);
        }
        let hash = sessions.hash(&segment.key);
        match sessions.read_cookie(segment, (frame, hash), now, net) {
            Ok(found) => sessions
                .revive(&self.admission, &found, (segment, frame), now, net)
                .unwrap_or_else(Fate::Dropped),
            Err(CookieFailure::Early) => Fate::Dropped(DropReason::SynCookieBad),
            Err(CookieFailure::Forged | CookieFailure::Expired | CookieFailure::Replayed) => {
                Fate::Dropped(DropReason::OutOfState)
            }
        }
    }
}
