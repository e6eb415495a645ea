//! A smaller path MTU on one side of a spliced session is the other side's to know: it makes the segments.

use crate::base::DropReason;
use crate::base::limits::{PATH_MTU_V4_MIN, PATH_MTU_V6_MIN};
use crate::flow::LegRef;
use crate::session::Sessions;
use crate::wire::{FlowKey, TcpEmit, TcpFlags};

/// The segment that was too long, as its sender knows it.
#[derive(Clone, Debug)]
pub struct TooBig {
    /// The flow as the sender's frames arrive.
    pub key: FlowKey,
    /// Its header, for the error to quote.
    pub segment: TcpEmit,
    /// The longest packet that fits.
    pub mtu: u16,
}

impl Sessions {
    /// The longest packet that goes on from a spliced leg's peer.
    pub fn splice_mtu(&self, at: LegRef) -> u16 {
        let own = self.own(at);
        self.splices.records[own.session() as usize].lanes[own.side().index()].mtu
    }

    /// An ICMP error says that a segment of tuple `sent` with number `seq` does not fit through `mtu` bytes; what its true
    /// sender is to be told, `None` where the session is not spliced. Headers are of one length on both sides, for a spliced
    /// session has but one family.
    ///
    /// Longer packets are not sent on from then on, and their sender is told again.
    ///
    /// # Errors
    /// Why nobody is told: the quoted number is not in flight (RFC 5927 4), or no path is that narrow.
    pub fn too_big(&mut self, sent: &FlowKey, seq: u32, mtu: u16) -> Option<Result<TooBig, DropReason>> {
        let key = sent.reversed();
        let at = self.find(&key, self.hash(&key)).filter(|at| self.is_spliced(*at))?;
        Some(self.too_big_for(at, seq, mtu))
    }

    fn too_big_for(&mut self, at: LegRef, seq: u32, mtu: u16) -> Result<TooBig, DropReason> {
        let own = self.own(at);
        let sent_v4 = self.splices.records[own.session() as usize].key(own.side()).src.is_v4();
        let record = &mut self.splices.records[own.session() as usize];
        let side = own.side().other();
        let lane = &mut record.lanes[side.index()];
        let theirs = seq.wrapping_sub(lane.seq_add);
        if theirs.wrapping_sub(lane.una) >= lane.in_flight() {
            return Err(DropReason::IcmpUnsolicited);
        }
        let floor = if sent_v4 { PATH_MTU_V4_MIN } else { PATH_MTU_V6_MIN };
        let mtu = usize::from(mtu).max(floor) as u16;
        lane.mtu = lane.mtu.min(mtu);
        let key = record.key(side);
        let (from, to) = (key.src_endpoint(), key.dst_endpoint());
        let ack = record.lanes[side.other().index()].una;
        let ack = ack.wrapping_add(record.lanes[side.other().index()].seq_add);
        Ok(TooBig { key, segment: TcpEmit::bare(from, to, TcpFlags(TcpFlags::ACK), (theirs, ack)), mtu })
    }
}
