//! Certificates of zones (`api::certificates`).

use crate::api::certificates::{self, BUNDLE_METHODS, PEM_BYTES_MAX};
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    body, id, id_alone, list, named, object, only, short_text, stamp, text, word,
};
use crate::api::openapi::{Operation, Want};
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::Ssl, Level::Read);
const WRITE: Want = Want::There(Permission::Ssl, Level::Write);

/// What `api::certificates` answers.
pub fn operations() -> Vec<Operation> {
    let all = "/zones/{zone_id}/custom_certificates";
    let one = "/zones/{zone_id}/custom_certificates/{custom_certificate_id}";
    vec![
        Operation::get(all, certificates::list)
            .named(
                "custom_certificates_list",
                "Certificates of a zone, the one with the highest priority first",
            )
            .wants(READ)
            .asks("match", word(["any", "all"]))
            .asks("status", only("active"))
            .directed()
            .pages(certificate())
            .fails(404, &[ApiCode::NotFound]),
        Operation::post(all, certificates::create)
            .named("custom_certificates_create", "Upload a chain and its key; the key is never given back")
            .wants(WRITE)
            .takes(named(
                "CertificateBody",
                body(
                    [("certificate", pem()), ("private_key", pem())],
                    [("bundle_method", word(BUNDLE_METHODS))],
                ),
            ))
            .answers(certificate())
            .fails(403, &[ApiCode::Quota])
            .fails(404, &[ApiCode::NotFound]),
        Operation::put("/zones/{zone_id}/custom_certificates/prioritize", certificates::prioritize)
            .named("custom_certificates_prioritize", "Say which certificate of several for a name is shown")
            .wants(WRITE)
            .takes(priorities())
            .answers(list(certificate()))
            .fails(404, &[ApiCode::NotFound]),
        Operation::get(one, certificates::get)
            .named("custom_certificates_get", "A certificate")
            .wants(READ)
            .answers(certificate())
            .fails(404, &[ApiCode::NotFound]),
        Operation::patch(one, certificates::edit)
            .named("custom_certificates_edit", "Replace chain and key")
            .wants(WRITE)
            .takes(named("CertificatePatch", patch()))
            .answers(certificate())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound]),
        Operation::delete(one, certificates::delete)
            .named("custom_certificates_delete", "Delete a certificate that no app needs")
            .wants(WRITE)
            .answers(id_alone())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn pem() -> Value {
    short_text(PEM_BYTES_MAX)
}

fn patch() -> Value {
    let mut patch = body([], [("bundle_method", word(BUNDLE_METHODS))]);
    patch["properties"]["certificate"] = pem();
    patch["properties"]["private_key"] = pem();
    patch["dependentRequired"] = json!({ "certificate": ["private_key"], "private_key": ["certificate"] });
    patch
}

fn priorities() -> Value {
    let priority = json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX });
    let mut row = body([("priority", priority)], []);
    row["properties"]["id"] = id();
    row["properties"]["ID"] = id();
    row["anyOf"] = json!([{ "required": ["id"] }, { "required": ["ID"] }]);
    body([("certificates", list(row))], [])
}

fn certificate() -> Value {
    let certificate = object(
        [
            ("id", id()),
            ("zone_id", id()),
            ("hosts", list(text())),
            ("status", only("active")),
            ("priority", json!({ "type": "integer" })),
            ("bundle_method", word(BUNDLE_METHODS)),
            ("issuer", text()),
            ("signature", text()),
            ("expires_on", stamp()),
            ("uploaded_on", stamp()),
            ("modified_on", stamp()),
        ],
        [],
    );
    named("CustomCertificate", certificate)
}
