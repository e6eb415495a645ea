//! What the office reads of its store beside changes (history, audit log), what puts an older version back, and copies.

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::back::{back_to, in_reach, may_go_back};
use super::code::ApiCode;
use super::history::{self, HistoryAsk};
use super::office::{Errand, Office, Plan, internal, locked};
use super::query::Page;
use crate::base::limits::VERSIONS_BACK_MAX;
use crate::control::log;
use crate::estate::Estate;
use crate::vault::{AuditAsk, AuditPage, ToldEdit, Vault, VaultError, Version, back_up};
use axum::http::StatusCode;
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

impl Office {
    /// The last changes, each as JSON.
    ///
    /// # Errors
    /// 503: the store cannot be read.
    pub async fn history(&self, ask: HistoryAsk) -> Result<Vec<String>, Failure> {
        let turn = self.audits.clone().acquire_owned().await;
        self.read_beside(move |vault| {
            let _turn = turn;
            history::told(vault, ask)
        })
        .await
    }

    /// A version, and a page of its edits; `None`: there is no such version.
    ///
    /// # Errors
    /// 503: the store cannot be read.
    pub async fn edits(&self, number: u64, page: Page) -> Result<Option<(Version, Vec<ToldEdit>)>, Failure> {
        let turn = self.audits.clone().acquire_owned().await;
        self.read_vault(move |vault| {
            let _turn = turn;
            history::page_of(vault, number, page)
        })
        .await
    }

    /// What the audit log has to say of a question.
    ///
    /// # Errors
    /// 503: the store cannot be read.
    pub async fn audit(&self, ask: AuditAsk) -> Result<AuditPage, Failure> {
        let turn = self.audits.clone().acquire_owned().await;
        self.read_vault(move |vault| {
            // Also where whoever asked has gone meanwhile.
            let _turn = turn;
            vault.audit(&ask)
        })
        .await
    }

    async fn read_vault<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.read_beside(move |vault| read(locked(vault).as_mut())).await
    }

    /// Reads beside the API's thread, which takes the store by itself, for as long as it must.
    async fn read_beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Mutex<Box<dyn Vault>>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, Failure> {
        let vault = self.vault.clone();
        match tokio::task::spawn_blocking(move || read(&vault)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                log::error(format_args!("api: {error}"));
                Err(Failure::unavailable("the store cannot be read"))
            }
            Err(_) => Err(internal("the store's reader ended")),
        }
    }

    /// Puts everything but users, tokens and letters back to what it was after version `number`.
    ///
    /// # Errors
    /// 400 where one cannot go back so far; else as `change`.
    pub async fn roll_back(self: &Arc<Self>, errand: Errand, number: u64, ask: Ask) -> Answer {
        let versions = self.read_vault(|vault| vault.history(None, VERSIONS_BACK_MAX)).await?;
        in_reach(number, &versions)?;
        let (newest, reserved) =
            (versions.first().map(|version| version.number), self.terms.reserved.clone());
        let since: Vec<u64> =
            versions.iter().map(|version| version.number).filter(|version| *version > number).collect();
        let ways = self.read_beside(move |vault| {
            let way = |version: &u64| Ok((*version, locked(vault).ways_back(*version)?));
            since.iter().map(way).collect::<Result<Vec<_>, VaultError>>()
        });
        let ways = ways.await?;
        let plan = move |estate: &Estate, _| {
            let change = back_to(&ways, estate, &reserved)?;
            may_go_back(&ask, &change)?;
            let answer = json!({ "version": number, "changes": change.edits().len() });
            Ok(Plan { change, answer: Some(Success::of(answer)), ..Plan::default() })
        };
        let office = self.clone();
        let rolling = tokio::spawn(async move {
            let pen = office.turn(&errand).await?;
            let last = office.read_vault(|vault| vault.history(None, 1)).await?;
            if last.first().map(|version| version.number) != newest {
                return Err(Failure::unavailable("something was changed meanwhile; nothing was taken back"));
            }
            office.change_under(&pen, errand, plan).await
        });
        rolling.await.unwrap_or_else(|_| Err(internal("a change ended in the middle")))
    }

    /// A whole copy of the store at `to`, one after another; others change what they like meanwhile.
    ///
    /// # Errors
    /// 400 where the copy cannot be made there.
    pub async fn backup(&self, to: PathBuf) -> Result<(), Failure> {
        let (vault, turn) = (self.vault.clone(), self.copies.clone().acquire_owned().await);
        let copied = tokio::task::spawn_blocking(move || {
            // Also where whoever asked has gone meanwhile.
            let _turn = turn;
            back_up(&vault, &to)
        });
        match copied.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Failure::new(StatusCode::BAD_REQUEST, ApiCode::BadField, error.to_string()))
            }
            Err(_) => Err(internal("the copy ended in the middle")),
        }
    }
}
