//! DNS records of zones (`api::dns`).

use crate::api::code::ApiCode;
use crate::api::dns::{self, filter, records, transfer};
use crate::api::openapi::schema::{
    any_of, body, count, described, flag, id, id_alone, list, list_of, named, object, or_null, pattern,
    short_text, some_text, stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::base::limits::DNS_BATCH_MAX;
use crate::estate::{Level, Permission, RecordType};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::Dns, Level::Read);
const WRITE: Want = Want::There(Permission::Dns, Level::Write);

/// What a record may be refused for, beside being there already.
const REFUSALS: [ApiCode; 15] = [
    ApiCode::RecordName,
    ApiCode::RecordType,
    ApiCode::RecordProxied,
    ApiCode::RecordIpv4,
    ApiCode::RecordIpv6,
    ApiCode::RecordCname,
    ApiCode::RecordPriority,
    ApiCode::RecordHost,
    ApiCode::RecordTtl,
    ApiCode::RecordContent,
    ApiCode::HostTaken,
    ApiCode::CnameThere,
    ApiCode::NotDelegated,
    ApiCode::Delegated,
    ApiCode::RecordThere,
];

/// What `api::dns` answers.
pub fn operations() -> Vec<Operation> {
    let one = "/zones/{zone_id}/dns_records/{dns_record_id}";
    vec![
        listed(Operation::get("/zones/{zone_id}/dns_records", records::list)),
        made(Operation::post("/zones/{zone_id}/dns_records", records::create))
            .named("dns_records_create", "Make a DNS record")
            .takes(asked())
            .answers(record()),
        made(Operation::post("/zones/{zone_id}/dns_records/batch", dns::batch))
            .named("dns_records_batch", "Delete, merge, replace and make DNS records, all or none")
            .takes(batch())
            .answers(batched())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NoRecord]),
        Operation::get("/zones/{zone_id}/dns_records/export", transfer::export)
            .named("dns_records_export", "All DNS records of a zone as a zone file, those of apps among them")
            .wants(READ)
            .downloads("text/plain")
            .fails(404, &[ApiCode::NotFound]),
        tried(Operation::post("/zones/{zone_id}/dns_records/import", transfer::import))
            .named(
                "dns_records_import",
                "Make the DNS records of a zone file, all or none; those that are there are passed over",
            )
            .takes_form(form())
            .answers_timed(imported()),
        Operation::get(one, records::get)
            .named("dns_records_get", "A DNS record")
            .wants(READ)
            .answers(record())
            .fails(404, &[ApiCode::NotFound, ApiCode::NoRecord]),
        made(Operation::put(one, records::update))
            .named("dns_records_update", "Replace a DNS record")
            .takes(asked())
            .answers(record())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NoRecord]),
        made(Operation::patch(one, records::edit))
            .named("dns_records_edit", "Merge fields into a DNS record (RFC 7396)")
            .takes(patch())
            .answers(record())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NoRecord]),
        Operation::delete(one, records::delete)
            .named("dns_records_delete", "Delete a DNS record")
            .wants(WRITE)
            .answers(id_alone())
            .fails(400, &[ApiCode::InUse])
            .fails(404, &[ApiCode::NotFound, ApiCode::NoRecord]),
    ]
}

fn listed(operation: Operation) -> Operation {
    let texts = [filter::NAME, filter::CONTENT, filter::COMMENT, filter::TAG].concat();
    let present = ["comment.present", "comment.absent", "tag.present", "tag.absent", "search"];
    let operation =
        texts.into_iter().chain(present).fold(operation, |operation, key| operation.asks(key, some_text()));
    operation
        .named(
            "dns_records_list",
            "DNS records of a zone, those of apps among them; 100 a page where per_page is left out",
        )
        .wants(READ)
        .asks("type", word(filter::TYPES))
        .asks("proxied", flag())
        .asks("match", word(["any", "all"]))
        .asks("tag_match", word(["any", "all"]))
        .asks("order", word(["type", "name", "content", "ttl", "proxied"]))
        .directed()
        .pages(record())
        .fails(404, &[ApiCode::NotFound])
}

fn made(operation: Operation) -> Operation {
    tried(operation).fails(400, &[ApiCode::RecordIdentical])
}

fn tried(operation: Operation) -> Operation {
    operation
        .wants(WRITE)
        .fails(400, &REFUSALS)
        .fails(403, &[ApiCode::Quota])
        .fails(404, &[ApiCode::NotFound])
}

fn kind() -> Value {
    word(RecordType::ALL.map(RecordType::name))
}

fn port() -> Value {
    whole(0, 65_535)
}

/// A record as it is answered.
fn record() -> Value {
    let settings = object([], [("ipv4_only", flag()), ("ipv6_only", flag()), ("flatten_cname", flag())]);
    let apps = described("the first of them", list(id()));
    let count = whole(1, u32::MAX.into());
    let meta = object(
        [],
        [
            ("auto_added", flag()),
            ("read_only", flag()),
            ("spectrum_apps", apps),
            ("spectrum_apps_count", count),
        ],
    );
    let srv = object([("priority", port()), ("weight", port()), ("port", port()), ("target", text())], []);
    let caa = object([("flags", whole(0, 255)), ("tag", text()), ("value", text())], []);
    let record = object(
        [
            ("id", id()),
            ("name", text()),
            ("type", kind()),
            ("content", text()),
            ("proxiable", flag()),
            ("proxied", flag()),
            ("ttl", ttl()),
            ("settings", settings),
            ("meta", described("`read_only` where Spectrum apps have the record", meta)),
            ("comment", or_null(text())),
            ("tags", list(text())),
            ("created_on", stamp()),
            ("modified_on", stamp()),
        ],
        [
            ("comment_modified_on", stamp()),
            ("tags_modified_on", stamp()),
            ("priority", port()),
            ("data", any_of([srv, caa])),
        ],
    );
    named("DnsRecord", record)
}

fn ttl() -> Value {
    described("seconds; 1: automatic", any_of([json!({ "const": 1 }), whole(30, 86_400)]))
}

/// A record as a client sends it.
fn asked() -> Value {
    named("DnsRecordBody", body([("name", short_text(300)), ("type", kind())], fields()))
}

/// Fields of a record that are to be merged; `null` takes one away.
fn patch() -> Value {
    named("DnsRecordPatch", patch_with([]))
}

fn patch_with<const N: usize>(required: [(&str, Value); N]) -> Value {
    let mut patch = body(required, fields());
    patch["properties"]["name"] = short_text(300);
    patch["properties"]["type"] = kind();
    patch
}

fn fields() -> [(&'static str, Value); 8] {
    let data = body(
        [],
        [
            ("priority", port()),
            ("weight", port()),
            ("port", port()),
            ("target", short_text(300)),
            ("flags", any_of([whole(0, 255), pattern("^[0-9]{1,3}$")])),
            ("tag", short_text(15)),
            ("value", json!({ "type": "string", "maxLength": 1_024 })),
        ],
    );
    let settings = body([], [("ipv4_only", flag()), ("ipv6_only", flag()), ("flatten_cname", flag())]);
    [
        ("content", json!({ "type": "string", "maxLength": 16_384 })),
        ("priority", port()),
        ("data", data),
        ("ttl", ttl()),
        ("proxied", flag()),
        ("comment", json!({ "type": "string", "maxLength": 500 })),
        ("tags", list_of(short_text(133), (0, 20))),
        ("settings", settings),
    ]
}

fn batch() -> Value {
    let of = |item: Value| list_of(item, (0, DNS_BATCH_MAX));
    let mut put = body([("id", id()), ("name", short_text(300)), ("type", kind())], fields());
    put["title"] = "DnsRecordPut".into();
    let lists = [
        ("deletes", of(body([("id", id())], []))),
        ("patches", of(named("DnsRecordBatchPatch", patch_with([("id", id())])))),
        ("puts", of(put)),
        ("posts", of(asked())),
    ];
    named("DnsRecordBatch", body([], lists))
}

fn batched() -> Value {
    let lists = ["deletes", "patches", "puts", "posts"].map(|key| (key, list(record())));
    named("DnsRecordsDone", object(lists, []))
}

/// The form of an import.
fn form() -> Value {
    let file =
        described("a zone file (RFC 1035) of at most 4 MiB", json!({ "type": "string", "format": "binary" }));
    let proxied = described("of records whose tags do not say cf-proxied", word(["true", "false"]));
    body([("file", file)], [("proxied", proxied)])
}

fn imported() -> Value {
    named("DnsRecordsImported", object([("recs_added", count()), ("total_records_parsed", count())], []))
}
