//! A table on trial: in force in the place of the table file for a while, kept beside it over restarts, and gone by itself
//! unless it is confirmed in time. The table file stays as it is until then, so that going back is reading it again.
//!
//! ```text
//!  apply FILE --> compiled --> trial.json (synced) --> published --> confirm: the table file has the text now; trial.json goes
//!                                                         `--------> time is over, or revert: trial.json goes; the file is read
//! ```

use super::store::Store;
use super::watch::{Look, look};
use crate::base::TrialTime;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The trial's name in the state folder.
const NAME: &str = "trial.json";

/// A table that waits to be confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// When its time is over, in seconds since the Unix epoch.
    pub until_unix_s: u64,
    /// How long it has, in seconds.
    pub within_s: u32,
    /// How the table file looked when the trial began.
    pub file: Look,
    /// The table.
    pub text: String,
}

/// The trial of a state folder, if there is one.
#[derive(Debug, Default)]
pub struct Trials {
    store: Option<Store>,
    held: Option<Trial>,
}

impl Trials {
    /// Of the state folder `folder`, with a trial from before the start.
    ///
    /// # Errors
    /// The system's; `InvalidData` where the file is none of byway's.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let store = Store::named(folder, NAME);
        let held = match store.load()? {
            None => None,
            Some(stored) => Some(serde_json::from_str(&stored.text).map_err(io::Error::from)?),
        };
        Ok(Self { store: Some(store), held })
    }

    /// Where the trial of `folder` is kept.
    pub fn path_in(folder: &Path) -> PathBuf {
        Store::named(folder, NAME).path()
    }

    /// Where the trial is kept; `None` where byway keeps no state.
    pub fn path(&self) -> Option<PathBuf> {
        self.store.as_ref().map(Store::path)
    }

    /// The table on trial.
    pub const fn held(&self) -> Option<&Trial> {
        self.held.as_ref()
    }

    /// Begins one, in the place of the table file `file`.
    ///
    /// # Errors
    /// The system's; nothing is on trial then.
    pub fn begin(&mut self, file: &Path, text: String, (now_s, within_s): (u64, u32)) -> io::Result<()> {
        let store = self.store.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let trial = Trial { until_unix_s: now_s + u64::from(within_s), within_s, file: look(file), text };
        store.save(&serde_json::to_string(&trial).map_err(io::Error::from)?)?;
        self.held = Some(trial);
        Ok(())
    }

    /// Ends it, whatever came of it; `true` where there was one.
    ///
    /// # Errors
    /// The system's; it has ended for this process all the same.
    pub fn end(&mut self) -> io::Result<bool> {
        let Some(_) = self.held.take() else { return Ok(false) };
        match self.store.as_ref().map(|store| std::fs::remove_file(store.path())) {
            None | Some(Ok(())) => Ok(true),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Some(Err(error)) => Err(error),
        }
    }
}

impl Trial {
    /// Whether its time is over.
    pub const fn is_over(&self, now_s: u64) -> bool {
        TrialTime { until_unix_s: self.until_unix_s, within_s: self.within_s }.is_over(now_s)
    }

    /// Whether the table file is not what it was when the trial began.
    pub fn is_overtaken(&self, file: &Path) -> bool {
        look(file) != self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_trial_is_there_after_a_restart_until_it_ends() {
        let folder = std::env::temp_dir().join(format!("byway-trial-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("t.json");
        fs::write(&file, "old").expect("written");
        let mut trials = Trials::open(&folder).expect("none yet");
        assert_eq!(trials.held(), None);
        trials.begin(&file, "new".into(), (1_000, 60)).expect("begun");
        let again = Trials::open(&folder).expect("there");
        assert_eq!(again.held(), trials.held());
        let trial = again.held().expect("one");
        assert_eq!((trial.text.as_str(), trial.is_overtaken(&file)), ("new", false));
        for (now_s, is_over) in [(1_000, false), (1_059, false), (1_060, true), (9_999, true), (900, true)] {
            assert_eq!(trial.is_over(now_s), is_over, "{now_s}");
        }
        fs::write(&file, "other").expect("written");
        assert!(trial.is_overtaken(&file));
        assert!(trials.end().expect("ended") && !trials.end().expect("none left"));
        assert_eq!(Trials::open(&folder).expect("none").held(), None);
        fs::write(Trials::path_in(&folder), "{}").expect("written");
        assert!(Trials::open(&folder).is_err());
        fs::remove_dir_all(&folder).expect("removed");
        assert!(trials.begin(&file, "new".into(), (1, 1)).is_err(), "no folder");
        assert_eq!(trials.held(), None);
    }
}
