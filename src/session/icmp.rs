//! ICMP errors about segments of ours: a smaller path MTU, an origin that cannot be reached.

use super::end::End;
use super::leg::before;
use super::{Net, PathError, Sessions};
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::base::{DropReason, Fate, Instant};
use crate::flow::LegRef;
use crate::telemetry::Counter;
use crate::wire::FlowKey;
use smoltcp::socket::tcp::State;

impl Sessions {
    /// Acts on an ICMP error that quotes a segment of ours: `sent` is the quoted tuple (we are the source), `seq` its
    /// sequence number. RFC 5927: only what is in flight counts; RFC 5461: only a connect fails hard.
    pub fn icmp_error<N: Net>(
        &mut self,
        sent: &FlowKey,
        seq: u32,
        error: PathError,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let key = sent.reversed();
        let unsolicited = Fate::Dropped(DropReason::IcmpUnsolicited);
        let Some(at) = self.find(&key, self.hash(&key)) else {
            return match error {
                PathError::TooBig { .. } => unsolicited,
                PathError::Unreachable => self.probe_error(&key, seq, now),
            };
        };
        if self.is_spliced(at) {
            // `path_news` is asked first.
            return Fate::Dropped(DropReason::IcmpIgnored);
        }
        let leg = self.leg(at);
        if before(seq, leg.snd_una) || !before(seq, leg.snd_max) {
            return unsolicited;
        }
        match error {
            PathError::TooBig { mtu } => self.shrink_path(at, mtu, net),
            PathError::Unreachable if leg.state == State::SynSent => {
                self.connect_failed(at.session(), End::OriginUnreachable, now, net);
                Fate::Absorbed
            }
            PathError::Unreachable => Fate::Dropped(DropReason::IcmpIgnored),
        }
    }

    /// Moves a leg to an interface whose packets fit through `mtu` and sends what is in flight again.
    fn shrink_path<N: Net>(&mut self, at: LegRef, mtu: u16, net: &mut N) -> Fate {
        let v4 = self.leg(at).key.src.is_v4();
        let floor = if v4 { PATH_MTU_V4_MIN } else { PATH_MTU_V6_MIN };
        let class = self.stack.class_for(usize::from(mtu).max(floor));
        let mtu = self.stack.mtu(class);
        let leg = self.leg_mut(at);
        if class <= leg.class || usize::from(mtu) < floor {
            return Fate::Dropped(DropReason::IcmpIgnored);
        }
        leg.class = class;
        leg.fit_mss(mtu);
        if leg.is_synchronised() {
            self.resend_all(at);
        }
        net.page().count(Counter::PathMtuReductions);
        self.mark(at.session());
        Fate::Absorbed
    }
}
