//! The control loop's bench on the stand: compiles for real, without workers.

use byway::control::{Install, Installed, LoadError, Loaded, Workshop};
use byway::snapshot::NoEdit;

/// What is in force, and the bench of who puts more in force: as the loop of a process does, without workers.
pub struct Force {
    /// Compiles.
    pub workshop: Workshop,
    /// What is in force.
    pub loaded: Loaded,
}

impl Force {
    /// Compiles and keeps a table, or only tries it.
    pub fn install(&mut self, install: Install) -> Installed {
        let Install { whole, apps, keep, asked, on_trial, reply: _ } = install;
        let Self { workshop, loaded } = self;
        if keep.is_some() {
            workshop.hold_addresses(on_trial);
        }
        let edited = apps.and_then(|apps| match workshop.edit(loaded, &apps) {
            Ok(edited) => Some(edited),
            Err(NoEdit::Whole(_)) => None,
            Err(NoEdit::Limit(limit)) => panic!("an edit meets no limit here: {limit}"),
        });
        let Some(keep) = keep else {
            let tried = match edited {
                Some(edited) => {
                    workshop.compiler.abandon_apps(&edited);
                    Ok(edited.states(&asked))
                }
                None => workshop.try_spec(whole()).map(|tried| tried.compiled.apps.states(&asked)),
            };
            return tried.map_or_else(|error| Installed::Refused(error.problems()), Installed::Right);
        };
        let done = match edited {
            Some(edited) => workshop.keep_edit(edited, whole, keep).map(|edited| {
                workshop.compiler.commit_apps(&edited);
                edited.apply(&mut loaded.spec, &mut loaded.compiled);
            }),
            None => workshop.install(whole, keep).map(|next| {
                workshop.compiler.commit(&next.compiled);
                *loaded = next;
            }),
        };
        match done {
            Ok(()) => {
                let state = |id| loaded.compiled.apps.find(id).map(|report| (id, report.state.clone()));
                let states = asked.into_iter().filter_map(state).collect();
                Installed::InForce { epoch: loaded.compiled.snapshot.epoch, states }
            }
            Err(LoadError::Keep(_, why)) => Installed::NotKept(why),
            Err(error) => Installed::Refused(error.problems()),
        }
    }
}
