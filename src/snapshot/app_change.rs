//! A few apps changed among many: first in the compiled snapshot, without compiling anew, then, once that is kept, in the
//! spec.
//!
//! ```text
//!  AppChange --Compiler::edit_apps--> AppsEdited --kept--> commit_apps, AppsEdited::apply --> published
//!                 |                        `-- not kept: abandon_apps, and nothing was
//!                 `-- not by an edit (`Whole`): compile it all
//! ```

use super::app_check::check_edit;
use super::compile::{Compiled, Compiler, LimitError};
use super::frozen::Snapshot;
use super::live_spec::{LiveSpec, ZoneSpec};
use super::reports::AppReport;
use crate::base::limits::APP_EDITS_MAX;
use crate::base::{AccountSlot, AppSlot, Epoch, ZoneSlot};
use crate::table::{
    AppId, AppProbe, AppSpec, AppState, AppTurn, Fill, MergedPlaces, OriginBook, Placed, ScopeName, Standing,
};
use crate::tls::AppTls;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// One app put in the place of whatever its zone has under its id, or taken away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppChange {
    /// Its zone.
    pub zone: ScopeName,
    /// Its id.
    pub id: AppId,
    /// The app; `None`: there is to be none.
    pub app: Option<AppSpec>,
}

/// Why changes of apps are compiled with everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whole {
    /// There is no such zone.
    NoZone,
    /// An app has another zone.
    Moved,
    /// An app is changed twice at once.
    Repeated,
    /// More apps at once than edits are for.
    Many,
    /// Many edits wait for being merged.
    Full,
    /// Addresses of the edge pool come or go.
    Pool,
    /// An app wants TLS that it cannot have.
    Tls,
}

/// Why there was no edit.
#[derive(Debug)]
pub enum NoEdit {
    /// It is to be compiled whole.
    Whole(Whole),
    /// A limit was met.
    Limit(LimitError),
}

/// What an edit came to. Nothing is in force before it is published.
#[derive(Debug)]
pub struct AppsEdited {
    /// To be published.
    pub snapshot: Arc<Snapshot>,
    /// Whether it concerns an app whose origins are asked for by name, are several or are to be probed.
    pub moves_origins: bool,
    changed: Vec<Changed>,
}

/// A change as it was carried out.
#[derive(Debug)]
struct Changed {
    id: AppId,
    zone: ZoneSlot,
    /// The app and what became of it; `None`: it is gone.
    now: Option<(AppSpec, AppReport)>,
    /// How its slot stood before.
    stood: Standing,
}

/// A change as it is understood: nothing is claimed yet.
struct Turn<'a> {
    change: &'a AppChange,
    zone: (ZoneSlot, &'a ZoneSpec),
    account: AccountSlot,
    old: Option<(&'a AppSpec, Option<AppSlot>)>,
    state: Option<AppState>,
}

impl Compiler {
    /// `last`, which is in force and came of `spec`, after `changes`. Costs by their number and by how much was edited
    /// since the last compile or merge. Claims slots: `commit_apps` or `abandon_apps` is to follow.
    ///
    /// # Errors
    /// See `NoEdit`; nothing has changed then.
    pub fn edit_apps(
        &mut self,
        last: &Compiled,
        spec: &LiveSpec,
        changes: &[AppChange],
    ) -> Result<AppsEdited, NoEdit> {
        if changes.len() > APP_EDITS_MAX {
            return Err(NoEdit::Whole(Whole::Many));
        }
        if last.snapshot.table.fill() == Fill::Full {
            return Err(NoEdit::Whole(Whole::Full));
        }
        let mut seen = HashSet::new();
        if changes.iter().any(|change| !seen.insert(change.id)) {
            return Err(NoEdit::Whole(Whole::Repeated));
        }
        let turns = changes.iter().map(|change| self.understand(change, (last, spec)));
        let turns = turns.collect::<Result<Vec<_>, _>>().map_err(NoEdit::Whole)?;
        let changed = self.claim_apps(&turns)?;
        match self.turned(&turns, &changed, (last, spec)) {
            Ok(snapshot) => {
                let moves_origins = turns.iter().any(Turn::moves_origins);
                Ok(AppsEdited { snapshot, moves_origins, changed })
            }
            Err(why) => {
                self.unclaim(&changed);
                Err(why)
            }
        }
    }

    fn understand<'a>(
        &self,
        change: &'a AppChange,
        (last, spec): (&Compiled, &'a LiveSpec),
    ) -> Result<Turn<'a>, Whole> {
        let mut zones = (0..).map(ZoneSlot).zip(spec.zones());
        let found = zones.find(|(_, (_, zone))| zone.id == change.zone);
        let (slot, zone) = found.map(|(slot, (_, zone))| (slot, zone)).ok_or(Whole::NoZone)?;
        let ground = last.apps.zone(slot).ok_or(Whole::NoZone)?;
        let old = match last.apps.place(change.id) {
            None => None,
            Some((at, place)) if at == slot => {
                let held = ground.apps.get(place).and_then(|report| report.slot);
                zone.apps.get(place).map(|app| (app, held))
            }
            Some(_) => return Err(Whole::Moved),
        };
        let state = change
            .app
            .as_ref()
            .map(|app| AppState::of(app, ground.blocks_blindly, spec.allow_partial, self.origins.resolves));
        Ok(Turn { change, zone: (slot, zone), account: ground.account, old, state })
    }

    /// Claims slots for whoever is to be in force, all or none.
    fn claim_apps(&mut self, turns: &[Turn<'_>]) -> Result<Vec<Changed>, NoEdit> {
        let mut changed = Vec::with_capacity(turns.len());
        for turn in turns {
            let (id, (zone, _)) = (turn.change.id, turn.zone);
            let stood = self.apps.standing(&id);
            let now = match (&turn.change.app, &turn.state) {
                (Some(app), Some(state)) => {
                    let slot = match state.is_in_force().then(|| self.apps.claim_live(id)).transpose() {
                        Ok(slot) => slot.map(AppSlot),
                        Err(full) => {
                            self.unclaim(&changed);
                            return Err(NoEdit::Limit(LimitError::AppSlots(full)));
                        }
                    };
                    Some((app.clone(), AppReport { id, zone, slot, state: state.clone() }))
                }
                (Some(_) | None, _) => None,
            };
            changed.push(Changed { id, zone, now, stood });
        }
        Ok(changed)
    }

    /// Gives back what `claim_apps` claimed.
    fn unclaim(&mut self, changed: &[Changed]) {
        for changed in changed {
            match changed.stood {
                Standing::Live => {}
                Standing::Retired => self.apps.retire(&changed.id),
                Standing::Nobody => {
                    self.apps.retire(&changed.id);
                    self.apps.release(&changed.id);
                }
            }
        }
    }

    fn turned(
        &self,
        turns: &[Turn<'_>],
        changed: &[Changed],
        (last, spec): (&Compiled, &LiveSpec),
    ) -> Result<Arc<Snapshot>, NoEdit> {
        let app_turns: Vec<AppTurn<'_>> =
            turns.iter().zip(changed).map(|(turn, changed)| app_turn(turn, changed)).collect();
        let table = last.snapshot.table.edited(&app_turns, &self.origins, self.secret);
        let table = Arc::new(table.map_err(|crowded| NoEdit::Limit(crowded.into()))?);
        let tls = tls_changes(turns, changed, last).map_err(NoEdit::Whole)?;
        let tls = match tls.is_empty() {
            true => last.snapshot.tls.clone(),
            false => Arc::new(last.snapshot.tls.with(tls)),
        };
        let epoch = Epoch(self.epoch.0 + 1);
        let snapshot = Snapshot { epoch, table, tls, ..Snapshot::clone(&last.snapshot) };
        // Sessions of an app that comes back may be on their way out.
        let back = changed.iter().filter(|changed| changed.stood == Standing::Retired);
        let back = back.filter_map(|changed| changed.now.as_ref()?.1.slot);
        let old = app_turns.iter().filter_map(|turn| turn.old).map(|old| old.slot);
        let snapshot = snapshot.with_edited(old.chain(back));
        check_edit((spec, &last.apps), &app_turns, &snapshot, self.secret[0] ^ epoch.0)
            .map_err(|disagreement| NoEdit::Limit(LimitError::Disagreement(Box::new(disagreement))))?;
        Ok(Arc::new(snapshot))
    }

    /// `edited` was kept and is published: its slots are in force, and whoever went is retired.
    pub fn commit_apps(&mut self, edited: &AppsEdited) {
        for changed in &edited.changed {
            if changed.now.as_ref().is_none_or(|(_, report)| report.slot.is_none()) {
                self.apps.retire(&changed.id);
            }
        }
        self.epoch = edited.snapshot.epoch;
    }

    /// `edited` was not kept: nothing of it will be published.
    pub fn abandon_apps(&mut self, edited: &AppsEdited) {
        self.unclaim(&edited.changed);
    }

    /// The work of putting all edits of apps in `last` into a base of their own, for a thread beside the road.
    pub fn merge_places_job(&self, last: &Snapshot) -> impl FnOnce() -> MergedPlaces + Send + use<> {
        last.table.merge_job(self.secret)
    }

    /// `last` over the base of `merged`, with what was edited meanwhile; `None` when everything was compiled anew
    /// meanwhile. To be committed as `rebase` is.
    ///
    /// # Errors
    /// See `LimitError`.
    pub fn rebase_places(
        &self,
        last: &Snapshot,
        merged: MergedPlaces,
    ) -> Result<Option<Arc<Snapshot>>, LimitError> {
        let epoch = Epoch(self.epoch.0 + 1);
        let table = last.table.rebased(merged, self.secret)?;
        Ok(table.map(|table| Arc::new(Snapshot { epoch, table: Arc::new(table), ..last.clone() })))
    }
}

impl Turn<'_> {
    fn moves_origins(&self) -> bool {
        let mut apps = self.old.map(|(app, _)| app).into_iter().chain(&self.change.app);
        apps.any(|app| OriginBook::moves(app) || app.probe == Some(AppProbe::On))
    }
}

/// What was in force of an app, and what is to be.
fn app_turn<'a>(turn: &Turn<'a>, changed: &'a Changed) -> AppTurn<'a> {
    let (account, zone) = (turn.account, changed.zone);
    let place = |spec: &'a AppSpec, slot| Placed { spec, addrs: spec.edge_addrs(), slot, account, zone };
    let now = changed.now.as_ref();
    AppTurn {
        old: turn.old.and_then(|(app, slot)| Some(place(app, slot?))),
        new: now.and_then(|(app, report)| Some(place(app, report.slot?))),
    }
}

/// The TLS of an app as it is to be.
type TlsChange = (AppSlot, Option<Arc<AppTls>>);

/// What changes of the TLS of apps.
fn tls_changes(turns: &[Turn<'_>], changed: &[Changed], last: &Compiled) -> Result<Vec<TlsChange>, Whole> {
    let mut changes = Vec::new();
    let Some(material) = &last.material else { return Ok(changes) };
    for (turn, changed) in turns.iter().zip(changed) {
        if let Some(old) = turn.old.and_then(|(_, slot)| slot)
            && last.snapshot.tls.app(old).is_some()
        {
            changes.push((old, None));
        }
        let Some((app, report)) = &changed.now else { continue };
        let Some(wanted) = app.wanted_tls(material.min_tls) else { continue };
        let tls = material.app(turn.zone.1.id.as_str(), &wanted).map_err(|_| Whole::Tls)?;
        changes.extend(report.slot.map(|slot| (slot, Some(Arc::new(tls)))));
    }
    Ok(changes)
}

impl AppsEdited {
    /// What becomes of those of `asked` that it changes.
    pub fn states(&self, asked: &[AppId]) -> Vec<(AppId, AppState)> {
        let now = self.changed.iter().filter_map(|changed| changed.now.as_ref());
        let asked = now.filter(|(_, report)| asked.contains(&report.id));
        asked.map(|(_, report)| (report.id, report.state.clone())).collect()
    }

    /// The slots of the apps that are in force after it, each with its zone and app.
    pub fn in_force(&self) -> impl Iterator<Item = (AppSlot, ZoneSlot, &AppSpec)> {
        let now = self.changed.iter().filter_map(|changed| changed.now.as_ref());
        now.filter_map(|(app, report)| report.slot.map(|slot| (slot, report.zone, app)))
    }

    /// Puts what was changed into the spec in force and into what came of it. A new app comes last in its zone; the last
    /// one takes the place of one that went.
    pub fn apply(self, spec: &mut LiveSpec, compiled: &mut Compiled) {
        for Changed { id, zone, now, .. } in self.changed {
            let mut zones = spec.accounts.iter_mut().flat_map(|account| &mut account.zones);
            let Some(zone) = zones.nth(zone.index()) else { continue };
            let place = compiled.apps.place(id).map(|(_, place)| place);
            match (place, now) {
                (Some(place), Some((app, report))) => {
                    zone.apps[place] = app;
                    compiled.apps.put(report);
                }
                (None, Some((app, report))) => {
                    zone.apps.push(app);
                    compiled.apps.put(report);
                }
                (Some(place), None) => {
                    zone.apps.swap_remove(place);
                    compiled.apps.remove(id);
                }
                (None, None) => {}
            }
        }
        compiled.snapshot = self.snapshot;
    }
}

impl Whole {
    /// Why, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoZone => "its zone is not in the table",
            Self::Moved => "an app has another zone",
            Self::Repeated => "an app is changed twice",
            Self::Many => "many apps change at once",
            Self::Full => "many edits wait for being merged",
            Self::Pool => "addresses of the edge pool come or go",
            Self::Tls => "an app wants TLS that it cannot have",
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
