//! What a router says of a spliced session's path is told on to the side that made the segment: its own TCP judges what it
//! means (RFC 5461), and it alone can make shorter ones.

use crate::base::DropReason;
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::flow::LegRef;
use crate::session::Sessions;
use crate::wire::{FlowKey, IcmpErrorKind, TcpEmit, TcpFlags};

/// An error about a segment, as the segment's sender is to be told it.
#[derive(Clone, Debug)]
pub struct PathNews {
    /// The flow as the sender's frames arrive.
    pub key: FlowKey,
    /// Its header, for the error to quote.
    pub segment: TcpEmit,
    /// What is wrong.
    pub kind: IcmpErrorKind,
}

impl Sessions {
    /// The longest packet that goes on from a spliced leg's peer.
    pub fn splice_mtu(&self, at: LegRef) -> u16 {
        let own = self.own(at);
        self.splices.records[own.session() as usize].lanes[own.side().index()].mtu
    }

    /// An ICMP error of this kind quotes a segment of tuple `sent` with number `seq`; what its true sender is to be told, `None`
    /// where the session is not spliced. Headers are of one length on both sides, for a spliced session has but one family.
    ///
    /// Longer packets than what fits are not sent on from then on, and their sender is told again. Nothing else changes: a
    /// session ends by what its two ends say.
    ///
    /// # Errors
    /// Why nobody is told: the quoted number is not in flight (RFC 5927 4).
    pub fn path_news(
        &mut self,
        sent: &FlowKey,
        seq: u32,
        kind: IcmpErrorKind,
    ) -> Option<Result<PathNews, DropReason>> {
        let key = sent.reversed();
        let at = self.find(&key, self.hash(&key)).filter(|at| self.is_spliced(*at))?;
        Some(self.news_of(at, seq, kind))
    }

    fn news_of(&mut self, at: LegRef, seq: u32, kind: IcmpErrorKind) -> Result<PathNews, DropReason> {
        let own = self.own(at);
        let record = &mut self.splices.records[own.session() as usize];
        let sent_v4 = record.key(own.side()).src.is_v4();
        let side = own.side().other();
        let lane = &mut record.lanes[side.index()];
        let theirs = seq.wrapping_sub(lane.seq_add);
        if theirs.wrapping_sub(lane.una) >= lane.in_flight() {
            return Err(DropReason::IcmpUnsolicited);
        }
        let kind = match kind {
            IcmpErrorKind::TooBig { mtu } => {
                // RFC 1191 5: a router of old says 0.
                let floor = if sent_v4 { PATH_MTU_V4_MIN } else { PATH_MTU_V6_MIN };
                let mtu = mtu.clamp(floor as u32, u32::from(u16::MAX));
                lane.mtu = lane.mtu.min(mtu as u16);
                IcmpErrorKind::TooBig { mtu }
            }
            other @ (IcmpErrorKind::Unreachable(_)
            | IcmpErrorKind::TimeExceeded
            | IcmpErrorKind::ParameterProblem) => other,
        };
        let key = record.key(side);
        let (from, to) = (key.src_endpoint(), key.dst_endpoint());
        let ack = record.lanes[side.other().index()].una;
        let ack = ack.wrapping_add(record.lanes[side.other().index()].seq_add);
        Ok(PathNews { key, segment: TcpEmit::bare(from, to, TcpFlags(TcpFlags::ACK), (theirs, ack)), kind })
    }
}
