//! Letters of authorisation: PDF files of an account, uploaded as a form and given back as they came.

use super::words::{READ, WRITE, not_found, quota};
use crate::api::answer::{Answer, ErrorItem, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::code::ApiCode;
use crate::api::form::Upload;
use crate::api::list::Listed;
use crate::api::office::{Office, Plan, internal};
use crate::base::limits::LOA_BYTES_MAX;
use crate::control::rfc3339;
use crate::estate::{Change, Entity, Estate, Id, LoaDocument, Stamp};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;

/// The form's field.
const FIELD: &str = "loa_document";
/// What every PDF file begins with (ISO 32000-1, 7.5.2).
const PDF: &[u8] = b"%PDF-";

fn bad_form(why: &dyn std::fmt::Display) -> Failure {
    let error = ErrorItem::new(ApiCode::AddressingCidr, format!("invalid_loa_form: {why}"));
    Failure::of(StatusCode::BAD_REQUEST, error)
}

/// `POST .../loa_documents`: `multipart/form-data` with `loa_document`, with or without a file name.
///
/// # Errors
/// See `Failure`.
pub async fn create(
    State(office): State<Arc<Office>>,
    Path(account): Path<String>,
    Upload { ask, form }: Upload,
) -> Answer {
    let errand = ask.errand()?;
    ask.account(&account, &office.estate(), WRITE)?;
    let [field] = form.fields([FIELD]).await.map_err(|error| bad_form(&error))?;
    let field = field.ok_or_else(|| bad_form(&format_args!("the form has no field {FIELD}")))?;
    refuse_unread(&field.bytes)?;
    let (id, quota_bytes) = (office.new_id()?, office.terms.loa_bytes_per_account);
    office
        .change(errand, move |estate, now| {
            let account = ask.account(&account, estate, WRITE)?.id;
            let letter = (&*field.bytes, field.file_name);
            let document = written(estate, (id, account), letter, (now, quota_bytes))?;
            let mut change = Change::default();
            let answer = Success::of(document_json(&document)).status(StatusCode::CREATED);
            change.make(document);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// A file that is no letter: too long, or no PDF.
///
/// # Errors
/// 400 with 1001.
pub fn refuse_unread(file: &[u8]) -> Result<(), Failure> {
    if file.len() > LOA_BYTES_MAX {
        return Err(bad_form(&format_args!("the file has more than {LOA_BYTES_MAX} bytes")));
    }
    if !file.starts_with(PDF) {
        return Err(bad_form(&"the file is no PDF"));
    }
    Ok(())
}

/// A file as a letter of an account, beside those that it has under other ids.
///
/// # Errors
/// 403: the account's quota of bytes is used up.
pub fn written(
    estate: &Estate,
    (id, account): (Id, Id),
    (file, name): (&[u8], Option<String>),
    (now, quota_bytes): (Stamp, u64),
) -> Result<LoaDocument, Failure> {
    let others = estate.loa_documents.iter().filter(|other| other.account == account && other.id != id);
    let (held, size_bytes) = (others.map(|other| other.size_bytes).sum::<u64>(), file.len() as u64);
    if held + size_bytes > quota_bytes {
        return Err(quota(format_args!("{held} of {quota_bytes} bytes of letters")));
    }
    let name = name.filter(|name| name.len() <= 255 && name.chars().all(crate::base::outside::is_plain));
    let filename = name.unwrap_or_else(|| format!("{id}.pdf"));
    let content = STANDARD.encode(file);
    Ok(LoaDocument { id, account, filename, size_bytes, created: now, content })
}

/// `GET .../loa_documents`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &account, &ask)).await
}

fn page(estate: &Estate, account: &str, ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    let account = ask.account(account, estate, READ)?.id;
    let mut rows: Vec<_> = estate.loa_documents.iter().filter(|one| one.account == account).collect();
    rows.sort_by_key(|document| (document.created, document.id));
    Ok(page.list(rows, document_json))
}

/// `GET .../loa_documents/{id}/download`: the file.
///
/// # Errors
/// See `Failure`.
pub async fn download(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Result<Response, Failure> {
    ask.query.close()?;
    let estate = office.estate();
    let account = ask.account(&account, &estate, READ)?.id;
    let document = document_of(&estate, account, &id)?;
    let file = STANDARD.decode(&document.content).map_err(internal)?;
    let pdf = HeaderValue::from_static("application/pdf");
    Ok(([(header::CONTENT_TYPE, pdf)], file).into_response())
}

fn document_of(estate: &Estate, account: Id, id: &str) -> Result<Arc<LoaDocument>, Failure> {
    let document = estate.loa_documents.get(path_id(id)?).filter(|one| one.account == account);
    document.cloned().ok_or_else(not_found)
}

/// `DELETE .../loa_documents/{id}`: byway's own; not while a prefix names it, nor on trial.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let account = ask.account(&account, estate, WRITE)?.id;
            let document = document_of(estate, account, &id)?;
            if let Some(prefix) = estate.prefixes.iter().find(|prefix| prefix.loa == Some(document.id)) {
                let why = format_args!("prefix {} names it", prefix.id);
                return Err(super::words::conflict("loa_document_in_use", why));
            }
            let mut change = Change::default();
            let answer = Some(Success::of(json!({ "id": document.id.to_string() })));
            change.remove(Entity::LoaDocument(document));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

fn document_json(document: &LoaDocument) -> Value {
    json!({
        "id": document.id.to_string(),
        "account_id": document.account.to_string(),
        "filename": document.filename,
        "size_bytes": document.size_bytes,
        "created": rfc3339(document.created.micros()),
        "auto_generated": false,
        "verified": false,
        "verified_at": null,
    })
}
