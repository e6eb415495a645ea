//! Walks over all spliced sessions, a bounded number of slots a turn, as over the managed ones.

use crate::base::limits::SWEEP_PER_TURN_MAX;
use crate::base::{Epoch, Instant};
use crate::session::end::End;
use crate::session::{Net, SessionView, Sessions, Standing};
use crate::telemetry::Counter;

impl Sessions {
    /// Judges the next few spliced sessions under `epoch`; `true` when all have been judged since the sweep began.
    pub(in crate::session) fn sweep_splices<N: Net>(
        &mut self,
        epoch: Epoch,
        now: Instant,
        judge: &mut impl FnMut(&SessionView) -> Option<Standing>,
        net: &mut N,
    ) -> bool {
        for _ in 0..SWEEP_PER_TURN_MAX {
            let id = self.splices.sweep_cursor;
            let Some(record) = self.splices.records.get(id as usize) else {
                self.splices.sweep_cursor = 0;
                return true;
            };
            self.splices.sweep_cursor += 1;
            if let Some(standing) = record.view(id).and_then(|view| judge(&view)) {
                self.stand_splice(id, standing, epoch, now, net);
            }
        }
        false
    }

    /// Lets a snapshot's word on a session come true.
    pub(in crate::session) fn stand_splice<N: Net>(
        &mut self,
        id: u32,
        standing: Standing,
        epoch: Epoch,
        now: Instant,
        net: &mut N,
    ) {
        let grace = now + self.settings.removed_app_grace;
        let record = &mut self.splices.records[id as usize];
        if !record.live {
            return;
        }
        record.epoch = epoch;
        net.page().count(Counter::RejudgedSessions);
        match standing {
            Standing::Keep => record.doom = super::record::NEVER,
            Standing::Drain => {
                record.doom = record.doom.min(grace);
                self.arm_splice(id, now);
            }
            Standing::Filtered(said) => {
                record.firewall = said;
                self.end_splice(id, End::Firewall, true, now, net);
            }
            Standing::End(status) => self.end_splice(id, End::judged(status), true, now, net),
        }
    }

    /// Ends the next few spliced sessions; `true` when there is none.
    pub(in crate::session) fn end_all_splices<N: Net>(&mut self, now: Instant, net: &mut N) -> bool {
        for _ in 0..SWEEP_PER_TURN_MAX {
            if self.splices.len() == 0 {
                return true;
            }
            let id = self.splices.sweep_cursor % self.splices.slots();
            self.splices.sweep_cursor = id + 1;
            if self.splices.records[id as usize].live {
                self.end_splice(id, End::Drain, true, now, net);
            }
        }
        self.splices.len() == 0
    }

    /// Shows the sessions among the `slots` slots from `cursor` on; where to go on, `None` at the end.
    pub(in crate::session) fn splice_rows(
        &self,
        cursor: u32,
        slots: usize,
        show: &mut impl FnMut(SessionView),
    ) -> Option<u32> {
        let rest = self.splices.records.get(cursor as usize..).unwrap_or_default();
        for (id, record) in (cursor..).zip(rest.iter().take(slots)) {
            record.view(id).into_iter().for_each(&mut *show);
        }
        (rest.len() > slots).then(|| cursor + slots as u32)
    }
}
