//! Letters of authorisation of an account (`api::addressing::loa`).

use crate::api::addressing::loa;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{body, count, id, id_alone, named, object, only, stamp, text};
use crate::api::openapi::{Operation, Want};
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::IpPrefixes, Level::Read);
const WRITE: Want = Want::There(Permission::IpPrefixes, Level::Write);

/// What `api::addressing::loa` answers.
pub fn operations() -> Vec<Operation> {
    let all = "/accounts/{account_id}/addressing/loa_documents";
    let one = "/accounts/{account_id}/addressing/loa_documents/{loa_document_id}";
    let form = body([("loa_document", json!({ "type": "string", "format": "binary" }))], []);
    vec![
        Operation::get(all, loa::list)
            .named("loa_documents_list", "Letters of authorisation of an account")
            .wants(READ)
            .pages(document())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post(all, loa::create)
            .named("loa_documents_create", "Upload a letter of authorisation, a PDF file")
            .wants(WRITE)
            .takes_form(form)
            .creates(document())
            .fails(400, &[ApiCode::AddressingCidr])
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::get(
            "/accounts/{account_id}/addressing/loa_documents/{loa_document_id}/download",
            loa::download,
        )
        .named("loa_documents_get", "The file")
        .wants(READ)
        .downloads("application/pdf")
        .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
        Operation::delete(one, loa::delete)
            .named("loa_documents_delete", "Delete a letter that no prefix names")
            .wants(WRITE)
            .answers(id_alone())
            .fails(400, &[ApiCode::AddressingState, ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound, ApiCode::AddressingNotFound]),
    ]
}

fn document() -> Value {
    let document = object(
        [
            ("id", id()),
            ("account_id", id()),
            ("filename", text()),
            ("size_bytes", count()),
            ("created", stamp()),
            ("auto_generated", only(false)),
            ("verified", only(false)),
            ("verified_at", json!({ "type": "null" })),
        ],
        [],
    );
    named("LoaDocument", document)
}
