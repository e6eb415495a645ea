//! Spectrum's analytics of a zone (`api::analytics`).

use crate::analytics::{Dimension, Metric, TimeDelta};
use crate::api::analytics;
use crate::api::code::ApiCode;
use crate::api::openapi::schema::{
    any_of, count, described, id, list, list_of, named, object, only, short_text, stamp, text, whole, word,
};
use crate::api::openapi::{Operation, Want};
use crate::base::limits::ANALYTICS_LIMIT_MAX;
use crate::estate::{Level, Permission};
use serde_json::{Value, json};

const READ: Want = Want::There(Permission::Analytics, Level::Read);

/// What `api::analytics` answers.
pub fn operations() -> Vec<Operation> {
    let by_time = Operation::get("/zones/{zone_id}/spectrum/analytics/events/bytime", analytics::by_time)
        .named("spectrum_analytics_bytime", "Metrics of a zone's connections by intervals of time")
        .needs("time_delta", word(TimeDelta::ALL.map(TimeDelta::name)));
    let current = Operation::get("/zones/{zone_id}/spectrum/analytics/aggregate/current", analytics::current)
        .named("spectrum_analytics_current", "The last minute of the apps that did something");
    vec![
        events(
            Operation::get("/zones/{zone_id}/spectrum/analytics/events/summary", analytics::summary)
                .named("spectrum_analytics_summary", "Metrics of a zone's connections over a range of time"),
        )
        .answers(named("SpectrumSummary", table(list(number()), [], []))),
        events(by_time).answers(named(
            "SpectrumByTime",
            table(
                list(list(number())),
                [("time_intervals", list(list_of(stamp(), (2, 2))))],
                [("time_delta", word(TimeDelta::ALL.map(TimeDelta::name)))],
            ),
        )),
        current
            .wants(READ)
            .asks(
                "appID",
                described("A list: repeated, or with commas", some(id(), analytics::ASKED_APPS_MAX)),
            )
            .asks("colo_name", short_text(64))
            .answers(list(current_row()))
            .fails(404, &[ApiCode::NotFound]),
    ]
}

fn events(operation: Operation) -> Operation {
    let sort = described("`+name` or `-name` of a metric or dimension that is asked for", short_text(20));
    let filters = "Comparisons (== != < > <= >=) of dimensions; AND (;) binds tighter than OR (,)";
    operation
        .wants(READ)
        .asks("metrics", some(metric(), Metric::ALL.len()))
        .asks("dimensions", some(dimension(), Dimension::ALL.len()))
        .asks("filters", described(filters, short_text(4_096)))
        .asks("sort", some(sort, Metric::ALL.len() + Dimension::ALL.len()))
        .asks("limit", whole(1, ANALYTICS_LIMIT_MAX as i64))
        .asks("since", described("Six hours before until where it is left out", time()))
        .asks("until", described("Now where it is left out", time()))
        .fails(404, &[ApiCode::NotFound])
}

/// A list without an item twice: repeated, or with commas.
fn some(item: Value, max: usize) -> Value {
    let mut schema = list_of(item, (1, max));
    schema["uniqueItems"] = true.into();
    schema
}

fn metric() -> Value {
    named("SpectrumMetric", word(Metric::ALL.map(Metric::name)))
}

fn dimension() -> Value {
    named("SpectrumDimension", word(Dimension::ALL.map(Dimension::name)))
}

/// RFC 3339; UTC where it says no zone.
fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn number() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

/// An answer whose rows have such numbers a metric, with what by-time has beside.
fn table<const N: usize, const M: usize>(
    numbers: Value,
    beside: [(&str, Value); N],
    query_beside: [(&str, Value); M],
) -> Value {
    let each = || named("SpectrumNumbers", object([], Metric::ALL.map(|metric| (metric.name(), number()))));
    let row = object([("dimensions", list(text())), ("metrics", numbers)], []);
    let query = object(
        [
            ("dimensions", list(dimension())),
            ("metrics", list(metric())),
            ("sort", list(text())),
            ("limit", whole(1, ANALYTICS_LIMIT_MAX as i64)),
            ("since", stamp()),
            ("until", stamp()),
        ],
        [("filters", text())],
    );
    let answer = object(
        [
            ("rows", count()),
            ("data", list(row)),
            ("data_lag", count()),
            ("min", each()),
            ("max", each()),
            ("totals", each()),
            ("query", with(query, query_beside)),
        ],
        [],
    );
    with(answer, beside)
}

/// With further fields that are always there.
fn with<const N: usize>(mut schema: Value, fields: [(&str, Value); N]) -> Value {
    for (name, field) in fields {
        schema["properties"][name] = field;
        if let Some(required) = schema["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    schema
}

fn current_row() -> Value {
    let fields = [
        ("appID", any_of([id(), only("other")])),
        ("bytesEgress", count()),
        ("bytesIngress", count()),
        ("connections", count()),
        ("durationAvg", number()),
    ];
    named("SpectrumCurrent", object(fields, []))
}
