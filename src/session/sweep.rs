//! Walks over all sessions, a bounded number of slots a turn: a new snapshot's judgement, listings, the last goodbye.

use super::end::End;
use super::{Net, SessionView, Sessions, Standing};
use crate::base::limits::SWEEP_PER_TURN_MAX;
use crate::base::{Epoch, Instant};
use crate::flow::LegRef;
use crate::telemetry::Counter;

impl Sessions {
    /// Starts the sweep anew, for a snapshot that came while one was under way.
    pub fn restart_sweep(&mut self) {
        self.sweep_cursor = 0;
        self.splices.sweep_cursor = 0;
    }

    /// Judges the next few sessions under `epoch`, those of which `judge` says something; `true` when all have been looked at
    /// since the sweep began.
    pub fn sweep<N: Net>(
        &mut self,
        epoch: Epoch,
        now: Instant,
        mut judge: impl FnMut(&SessionView) -> Option<Standing>,
        net: &mut N,
    ) -> bool {
        for _ in 0..SWEEP_PER_TURN_MAX {
            let id = self.sweep_cursor;
            let Some(session) = self.sessions.get(id as usize) else {
                return self.sweep_splices(epoch, now, &mut judge, net);
            };
            self.sweep_cursor += 1;
            if let Some(standing) = session.view(id).and_then(|view| judge(&view)) {
                self.stand(id, standing, epoch, now, net);
            }
        }
        false
    }

    /// The session of a leg, for a judge who meets it on the road before the sweep does.
    pub fn view(&self, at: LegRef) -> Option<SessionView> {
        match self.sessions.get(at.session() as usize) {
            Some(session) => session.view(at.session()),
            None => self.splices.records[self.own(at).session() as usize].view(at.session()),
        }
    }

    /// Carries out a judgement on the session of a leg; `true` while the session lives.
    pub fn rejudge<N: Net>(
        &mut self,
        at: LegRef,
        standing: Standing,
        epoch: Epoch,
        now: Instant,
        net: &mut N,
    ) -> bool {
        if self.is_spliced(at) {
            let id = self.own(at).session();
            self.stand_splice(id, standing, epoch, now, net);
            return self.splices.records[id as usize].live;
        }
        self.stand(at.session(), standing, epoch, now, net);
        self.sessions[at.session() as usize].phase.is_some()
    }

    /// Shows the sessions among the `slots` slots from `cursor` on; where to go on, `None` at the end. What a call
    /// costs is bounded by the slots it looks at, vacant ones too.
    pub fn rows(&self, cursor: u32, slots: usize, show: &mut impl FnMut(SessionView)) -> Option<u32> {
        let base = self.sessions.len() as u32;
        if cursor >= base {
            let shift = &mut |view: SessionView| show(SessionView { slot: base + view.slot, ..view });
            return self.splice_rows(cursor - base, slots, shift).map(|next| base + next);
        }
        let rest = self.sessions.get(cursor as usize..).unwrap_or_default();
        for (id, session) in (cursor..).zip(rest.iter().take(slots)) {
            let parked = session.phase.is_some() && !self.seats.has(id);
            session.view(id).into_iter().for_each(|view| show(SessionView { parked, ..view }));
        }
        Some(base.min(cursor + slots as u32))
    }

    /// Resets the next few sessions, for a process that must go; `true` when none is left.
    pub fn end_all<N: Net>(&mut self, now: Instant, net: &mut N) -> bool {
        for _ in 0..SWEEP_PER_TURN_MAX {
            if self.managed() == 0 {
                return self.end_all_splices(now, net);
            }
            let id = self.sweep_cursor % self.sessions.len() as u32;
            self.sweep_cursor = id + 1;
            if self.sessions[id as usize].phase.is_some() {
                self.end(id, End::Drain, None, now, net);
            }
        }
        false
    }

    fn stand<N: Net>(&mut self, id: u32, standing: Standing, epoch: Epoch, now: Instant, net: &mut N) {
        let grace = now + self.settings.removed_app_grace;
        let Some(session) = self.sessions.get_mut(id as usize).filter(|session| session.phase.is_some())
        else {
            return;
        };
        session.epoch = epoch;
        net.page().count(Counter::RejudgedSessions);
        match standing {
            Standing::Keep => session.doom = None,
            Standing::Drain => {
                let doom = *session.doom.get_or_insert(grace);
                self.arm_by(id, doom);
            }
            Standing::Filtered(said) => {
                session.firewall = said;
                self.end(id, End::Firewall, None, now, net);
            }
            Standing::End(status) => self.end(id, End::judged(status), None, now, net),
        }
    }
}
