//! Walks over all UDP sessions, a bounded number of slots a turn: a new snapshot's judgement, listings, the last goodbye.

use super::end::End;
use super::sessions::Sessions;
use crate::base::limits::SWEEP_PER_TURN_MAX;
use crate::base::{Epoch, Instant};
use crate::flow::LegRef;
use crate::session::{Net, SessionView, Standing};
use crate::telemetry::Counter;

impl Sessions {
    /// Starts the sweep anew, for a snapshot that came while one was under way.
    pub fn restart_sweep(&mut self) {
        self.sweep_cursor = 0;
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
                return true;
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
        self.sessions[at.session() as usize].view(at.session())
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
        self.stand(at.session(), standing, epoch, now, net);
        self.sessions[at.session() as usize].live
    }

    /// Shows the sessions among the `slots` slots from `cursor` on; where to go on, `None` at the end. What a call
    /// costs is bounded by the slots it looks at, vacant ones too.
    pub fn rows(&self, cursor: u32, slots: usize, show: &mut impl FnMut(SessionView)) -> Option<u32> {
        let rest = self.sessions.get(cursor as usize..).unwrap_or_default();
        for (id, session) in (cursor..).zip(rest.iter().take(slots)) {
            session.view(id).into_iter().for_each(&mut *show);
        }
        (rest.len() > slots).then(|| cursor + slots as u32)
    }

    /// Ends the next few sessions, for a process that must go; `true` when none is left.
    pub fn end_all<N: Net>(&mut self, now: Instant, net: &mut N) -> bool {
        for _ in 0..SWEEP_PER_TURN_MAX {
            if self.is_empty() {
                return true;
            }
            let id = self.sweep_cursor % self.sessions.len() as u32;
            self.sweep_cursor = id + 1;
            self.end(id, End::Drain, now, net);
        }
        self.is_empty()
    }

    fn stand<N: Net>(&mut self, id: u32, standing: Standing, epoch: Epoch, now: Instant, net: &mut N) {
        let grace = now + self.settings.removed_app_grace;
        let Some(session) = self.sessions.get_mut(id as usize).filter(|session| session.live) else { return };
        session.epoch = epoch;
        net.page().count(Counter::RejudgedSessions);
        match standing {
            Standing::Keep => session.doom = None,
            Standing::Drain => {
                let doom = *session.doom.get_or_insert(grace);
                if self.wheel.armed_at(id).is_none_or(|armed| doom < armed) {
                    self.wheel.arm(id, doom);
                }
            }
            Standing::Filtered(said) => {
                session.firewall = said;
                self.end(id, End::Firewall, now, net);
            }
            Standing::End(status) => self.end(id, End::judged(status), now, net),
        }
    }
}
