//! ICMP errors about datagrams of ours. Anybody can send one: only a quote of a live tuple counts, and a refusal only
//! from the very host that is said to refuse.

use super::end::End;
use super::sessions::Sessions;
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::base::{Addr, DropReason, Fate, Instant};
use crate::flow::{LegRef, Side};
use crate::session::Net;
use crate::telemetry::Counter;
use crate::wire::FlowKey;

/// What an ICMP error says of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpError {
    /// Nobody is on that port.
    PortUnreachable,
    /// It was longer than `mtu` bytes allow; zero from an old router.
    TooBig {
        /// The next hop's MTU, as reported.
        mtu: u32,
    },
}

impl Sessions {
    /// Acts on an error from `from` that quotes a datagram of ours: `sent` is its tuple (we are the source).
    pub fn icmp_error<N: Net>(
        &mut self,
        sent: &FlowKey,
        from: Addr,
        error: IcmpError,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let key = sent.reversed();
        let Some(at) = self.find(&key, self.hash(&key)) else {
            return Fate::Dropped(DropReason::IcmpUnsolicited);
        };
        match error {
            // RFC 1122 3.2.2.1 lets hosts alone send this one.
            IcmpError::PortUnreachable if from != key.src => Fate::Dropped(DropReason::IcmpUnsolicited),
            IcmpError::PortUnreachable => {
                let end = match at.side() {
                    Side::Client => End::ClientRefused,
                    Side::Origin => End::OriginRefused,
                };
                self.end(at.session(), end, now, net);
                Fate::Absorbed
            }
            IcmpError::TooBig { mtu } => self.shrink_path(at, mtu, net),
        }
    }

    /// The next datagram that is too long for the path is fragmented, or its sender told.
    fn shrink_path<N: Net>(&mut self, at: LegRef, mtu: u32, net: &mut N) -> Fate {
        let session = &mut self.sessions[at.session() as usize];
        let v4 = session.tuples[at.side().index()].is_v4();
        let floor = if v4 { PATH_MTU_V4_MIN } else { PATH_MTU_V6_MIN };
        let mtu = (mtu as usize).clamp(floor, usize::from(u16::MAX)) as u16;
        let known = &mut session.mtus[at.side().index()];
        if mtu >= *known {
            return Fate::Dropped(DropReason::IcmpIgnored);
        }
        *known = mtu;
        net.page().count(Counter::PathMtuReductions);
        Fate::Absorbed
    }
}
