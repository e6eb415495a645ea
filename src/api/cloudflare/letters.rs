//! Letters of authorisation that an account's prefixes name: the API there has no list of them, and gives each as a file. They
//! come before the prefixes, which then name them here, too.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use crate::api::addressing::loa;
use crate::api::answer::Failure;
use crate::api::fields::wrong;
use crate::estate::{Entity, Id, Kind, LoaDocument};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// Takes in those of an account that is `theirs` there.
pub fn take(draft: &mut Draft<'_>, lists: &Lists, (theirs, account): (Id, Id)) {
    for row in lists.rows(&format!("accounts/{theirs}/addressing/loa_documents")) {
        letter(draft, row, account);
    }
}

fn letter(draft: &mut Draft<'_>, row: &Row, account: Id) {
    let own = text(row, "id");
    let what = (Kind::LoaDocument, own, text(row, "filename"));
    let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
    let old = draft.estate.loa_documents.get(id).cloned();
    if old.as_ref().is_some_and(|old| old.account != account) {
        return draft.report.leave_out(what, "its id is that of a letter of another account");
    }
    match read(draft, row, (id, account), old.as_ref()) {
        Ok(new) => {
            let name = new.filename.clone();
            draft.settle(old.map(Entity::LoaDocument), new.into(), &name);
        }
        Err(failure) => draft.refuse(what, &failure),
    }
}

fn read(
    draft: &Draft<'_>,
    row: &Row,
    place: (Id, Id),
    old: Option<&Arc<LoaDocument>>,
) -> Result<LoaDocument, Failure> {
    let file = STANDARD.decode(text(row, "content")).map_err(|_| wrong("content", "must be base64"))?;
    loa::refuse_unread(&file)?;
    let name = Some(text(row, "filename")).filter(|name| !name.is_empty()).map(str::to_owned);
    let made = stamp(row, "created", draft.now);
    let read = loa::written(&draft.estate, place, (&file, name), (made, draft.terms.loa_bytes_per_account))?;
    Ok(match old {
        // The file is all that the other side tells.
        Some(old) => LoaDocument { filename: old.filename.clone(), created: old.created, ..read },
        None => read,
    })
}
