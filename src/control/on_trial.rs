//! What a workshop does with a table on trial: loads it, begins and ends the trial.

use super::config::Problem;
use super::store::read_text;
use super::trial::Trial;
use super::workshop::{LoadError, Loaded, Source, Workshop};
use super::{log, rfc3339};
use crate::base::OsClock;
use std::path::Path;

impl Workshop {
    /// The first table of a process: one that was put on trial before the start and has time left, or the table file.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn load_first(&mut self) -> Result<Loaded, LoadError> {
        let Some(trial) = self.trials.held().cloned() else { return self.load_file() };
        if trial.is_over(now_s()) {
            self.end_trial("was not confirmed in time");
            return self.load_file();
        }
        match self.load_trial(&trial) {
            Ok(loaded) => {
                let until = rfc3339(trial.until_unix_s * 1_000_000);
                log::warning(format_args!("a table is on trial until {until}: `byway confirm` keeps it"));
                Ok(loaded)
            }
            Err(error) => {
                error.lines().iter().for_each(log::error);
                self.end_trial("cannot be put in force any more");
                self.load_file()
            }
        }
    }

    /// The table on trial, or the table file where there is none or its time is over.
    ///
    /// # Errors
    /// See `LoadError`.
    pub(super) fn load_tables(&mut self) -> Result<Loaded, LoadError> {
        match self.trials.held().cloned() {
            None => self.load_file(),
            Some(trial) if trial.is_over(now_s()) => self.revert(),
            Some(trial) => self.load_trial(&trial),
        }
    }

    fn load_trial(&mut self, trial: &Trial) -> Result<Loaded, LoadError> {
        let kept = self.trials.path().unwrap_or_default();
        self.load_text(&kept, &trial.text, (Source::Trial { until_unix_s: trial.until_unix_s }, true))
    }

    /// Puts the table file `file` on trial for so many seconds.
    ///
    /// # Errors
    /// See `LoadError`; nothing has changed then.
    pub fn apply(&mut self, file: &Path, within_s: u32) -> Result<Loaded, LoadError> {
        if let Some(trial) = self.trials.held() {
            let until = rfc3339(trial.until_unix_s * 1_000_000);
            let text = format!("another table is on trial until {until}: `byway confirm` it, or --revert");
            return Err(LoadError::Bad(file.to_owned(), one(text)));
        }
        // Going back is reading the table file, which would be no way back.
        if std::fs::canonicalize(self.path()).is_ok_and(|path| path == file) {
            let text = "is the table file itself, which is read when it changes: apply another file";
            return Err(LoadError::Bad(file.to_owned(), one(text.into())));
        }
        let text = read_text(file).map_err(|error| LoadError::Read(file.to_owned(), error))?;
        let now_s = now_s();
        let until_unix_s = now_s + u64::from(within_s);
        let loaded = self.load_text(file, &text, (Source::Trial { until_unix_s }, true))?;
        let path = self.path().to_owned();
        let begun = self.trials.begin(&path, text, (now_s, within_s));
        begun.map_err(|error| LoadError::Store(self.trials.path().unwrap_or_default(), error))?;
        Ok(loaded)
    }

    /// Ends the trial for good: the table file must have its text by now.
    ///
    /// # Errors
    /// See `LoadError`; the trial goes on then.
    pub fn confirm(&mut self) -> Result<Loaded, LoadError> {
        let Some(trial) = self.trials.held() else { return Err(self.no_trial()) };
        let text = read_text(self.path()).map_err(|error| LoadError::Read(self.path().to_owned(), error))?;
        if text != trial.text {
            let text = "is not the table on trial: `byway confirm` writes it there first";
            return Err(LoadError::Bad(self.path().to_owned(), one(text.into())));
        }
        let loaded = self.load_file()?;
        self.end_trial("is confirmed");
        Ok(loaded)
    }

    /// Ends the trial: the table file counts again, or where that went bad meanwhile the last good table.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn revert(&mut self) -> Result<Loaded, LoadError> {
        let Some(trial) = self.trials.held() else { return Err(self.no_trial()) };
        let why = if trial.is_over(now_s()) { "was not confirmed in time" } else { "is taken back" };
        self.end_trial(why);
        self.load_file().or_else(|error| {
            error.lines().iter().for_each(log::error);
            match self.load_last_good() {
                Ok(Some(loaded)) => Ok(loaded),
                Ok(None) | Err(_) => Err(error),
            }
        })
    }

    fn no_trial(&self) -> LoadError {
        LoadError::Bad(self.path().to_owned(), one("no table is on trial".into()))
    }

    fn end_trial(&mut self, why: &str) {
        log::warning(format_args!("the table on trial {why}"));
        if let Err(error) = self.trials.end() {
            log::error(format_args!("{}: {error}", self.trials.path().unwrap_or_default().display()));
        }
    }
}

fn now_s() -> u64 {
    OsClock::unix_micros() / 1_000_000
}

fn one(text: String) -> Vec<Problem> {
    vec![Problem { place: String::new(), line: None, text, code: None }]
}
