//! Spectrum's analytics: what the connections of a zone did, summed up, by time, and over the last minute
//! (`reference/spectrum.md`, section 6.3).

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::office::Office;
use super::query::{self, wrong};
use crate::analytics::{
    Current, CurrentAsk, Dimension, Fault, Filter, Metric, Minute, Moments, Number, Query, Resolution, Sort,
    Table, Tag, TimeDelta,
};
use crate::base::limits::{
    ANALYTICS_INTERVALS_MAX, ANALYTICS_LIMIT_MAX, ANALYTICS_NUMBERS_MAX, ANALYTICS_SCAN_ROWS_MAX,
};
use crate::control::rfc3339;
use crate::estate::{Level, Permission, Zone};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Apps that `appID` may name: as many as the head of a request has room for.
pub const ASKED_APPS_MAX: usize = 500;

const READ: (Permission, Level) = (Permission::Analytics, Level::Read);

/// How long before `until` a range begins that does not say: six hours, in microseconds.
const RANGE_US: u64 = 6 * 3_600 * 1_000_000;
/// The longest range, in minutes: as long as days are kept.
const RANGE_MINUTES_MAX: u64 = 400 * Resolution::Day.minutes();

/// `GET /zones/{zone}/spectrum/analytics/events/summary`.
///
/// # Errors
/// See `Failure`.
pub async fn summary(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let zone = ask.zone(&zone, &office.estate(), READ)?;
    let asked = Asked::read(&ask.query, &zone, office.now().0, None)?;
    events(&office, asked).await
}

/// `GET /zones/{zone}/spectrum/analytics/events/bytime`.
///
/// # Errors
/// See `Failure`.
pub async fn by_time(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let zone = ask.zone(&zone, &office.estate(), READ)?;
    let word = ask.query.word("time_delta", &TimeDelta::ALL.map(TimeDelta::name))?;
    let delta = word.and_then(TimeDelta::of_name).ok_or_else(|| {
        let words = TimeDelta::ALL.map(TimeDelta::name).join(", ");
        wrong(format!("time_delta is missing: it is one of {words}"))
    })?;
    let asked = Asked::read(&ask.query, &zone, office.now().0, Some(delta))?;
    events(&office, asked).await
}

/// `GET /zones/{zone}/spectrum/analytics/aggregate/current`: the apps of which the last minute told something.
///
/// # Errors
/// See `Failure`.
pub async fn current(State(office): State<Arc<Office>>, Path(zone): Path<String>, ask: Ask) -> Answer {
    let zone = ask.zone(&zone, &office.estate(), READ)?;
    let ids = ask.query.list("appID")?;
    if ids.as_ref().is_some_and(|ids| ids.len() > ASKED_APPS_MAX) {
        return Err(wrong(format!("appID names more than {ASKED_APPS_MAX} apps")));
    }
    let apps = ids.map(|ids| ids.into_iter().map(app_id).collect()).transpose()?;
    let colo = ask.query.text("colo_name")?.map(str::to_owned);
    ask.query.close()?;
    let asked = CurrentAsk { zone: tag(&zone), apps, colo };
    let rows = office.terms.analytics.current(asked).await.map_err(failure)?;
    Ok(Success::of(rows.iter().map(current_row).collect::<Value>()))
}

fn app_id(text: &str) -> Result<Tag, Failure> {
    Tag::parse(text).ok_or_else(|| {
        let text = crate::base::outside::quoted(text);
        wrong(format!("appID: {text} is no id of an app, which is 32 lower-case hex digits"))
    })
}

fn current_row(row: &Current) -> Value {
    json!({
        "appID": row.name(),
        "bytesEgress": row.egress,
        "bytesIngress": row.ingress,
        "connections": row.connections,
        "durationAvg": row.duration_avg,
    })
}

/// A question as it was put, and as it is asked.
struct Asked {
    query: Query,
    /// `filters` and `sort`, which are echoed as they came.
    filters: Option<String>,
    sort: Vec<String>,
}

impl Asked {
    fn read(
        words: &query::Query,
        zone: &Zone,
        now_us: u64,
        delta: Option<TimeDelta>,
    ) -> Result<Self, Failure> {
        let metrics = items(words, "metrics", Metric::of_name, &Metric::ALL.map(Metric::name))?;
        let dimensions =
            items(words, "dimensions", Dimension::of_name, &Dimension::ALL.map(Dimension::name))?;
        let metrics = if metrics.is_empty() { Metric::ALL.to_vec() } else { metrics };
        let filters = words.text("filters")?;
        let filter =
            filters.map(Filter::parse).transpose().map_err(|why| wrong(format!("filters: {why}")))?;
        let sort = words.list("sort")?.unwrap_or_default();
        let sorts = sort.iter().map(|text| Sort::parse(text, &metrics, &dimensions));
        let sorts = sorts.collect::<Result<_, _>>().map_err(|why| wrong(format!("sort: {why}")))?;
        let limit = words.whole("limit", 1..=ANALYTICS_LIMIT_MAX)?.unwrap_or(ANALYTICS_LIMIT_MAX);
        let moments = moments(words, now_us)?;
        words.close()?;
        let query =
            Query { zone: tag(zone), metrics, dimensions, filter, sort: sorts, limit, moments, delta };
        // A blank at the head is the + that it was written for.
        let sort = sort.iter().map(|text| text.replacen(' ', "+", 1)).collect();
        Ok(Self { query, filters: filters.map(str::to_owned), sort })
    }

    /// `query` of the answer: what was asked, over the range that was answered.
    fn echo(&self, moments: Moments) -> Value {
        let query = &self.query;
        let mut echo = json!({
            "dimensions": query.dimensions.iter().map(|dimension| dimension.name()).collect::<Vec<_>>(),
            "metrics": query.metrics.iter().map(|metric| metric.name()).collect::<Vec<_>>(),
            "sort": self.sort,
            "limit": query.limit,
            "since": stamp(moments.from),
            "until": stamp(moments.until),
        });
        if let Some(filters) = &self.filters {
            echo["filters"] = filters.as_str().into();
        }
        if let Some(delta) = query.delta {
            echo["time_delta"] = delta.name().into();
        }
        echo
    }
}

/// The items of a list by their names; empty where it is left out.
fn items<T>(
    words: &query::Query,
    name: &'static str,
    of_name: fn(&str) -> Option<T>,
    names: &[&str],
) -> Result<Vec<T>, Failure> {
    let item = |text: &str| {
        of_name(text).ok_or_else(|| {
            let (text, names) = (crate::base::outside::quoted(text), names.join(", "));
            wrong(format!("{name}: {text} is none of {names}"))
        })
    };
    words.list(name)?.unwrap_or_default().into_iter().map(item).collect()
}

/// `since` and `until`, in whole minutes that hold them.
fn moments(words: &query::Query, now_us: u64) -> Result<Moments, Failure> {
    let until = words.time("until")?.unwrap_or(now_us);
    let since = words.time("since")?.unwrap_or(until.saturating_sub(RANGE_US));
    if since >= until {
        return Err(wrong(format!("since, {}, must lie before until, {}", rfc3339(since), rfc3339(until))));
    }
    let until = Minute(until.div_ceil(60_000_000));
    let moments = Moments { from: Minute(since / 60_000_000), until };
    match until.0 - moments.from.0 > RANGE_MINUTES_MAX {
        true => {
            Err(wrong("since lies more than 400 days before until, which is how long rows are kept".into()))
        }
        false => Ok(moments),
    }
}

async fn events(office: &Office, asked: Asked) -> Answer {
    let table = office.terms.analytics.ask(asked.query.clone()).await.map_err(failure)?;
    let mut messages = Vec::new();
    if table.moments != asked.query.moments {
        messages.push(format!(
            "the range was widened to {} until {}: of its ends only longer rows are kept, of hours or days",
            stamp(table.moments.from),
            stamp(table.moments.until)
        ));
    }
    Ok(Success::of(told(&asked, &table)).saying(messages))
}

fn told(asked: &Asked, table: &Table) -> Value {
    let query = &asked.query;
    let by_time = query.delta.is_some();
    let named = |numbers: &[Number]| -> Map<String, Value> {
        let names = query.metrics.iter().map(|metric| metric.name().to_owned());
        names.zip(numbers.iter().copied().map(number)).collect()
    };
    let data = table.rows.iter().map(|row| {
        let metrics = row.metrics.iter().map(|numbers| match by_time {
            true => numbers.iter().copied().map(number).collect(),
            false => numbers.first().copied().map_or(Value::Null, number),
        });
        json!({ "dimensions": row.dimensions, "metrics": metrics.collect::<Vec<Value>>() })
    });
    let mut result = json!({
        "rows": table.rows.len(),
        "data": data.collect::<Vec<_>>(),
        "data_lag": table.lag_s,
        "min": named(&table.min),
        "max": named(&table.max),
        "totals": named(&table.totals),
        "query": asked.echo(table.moments),
    });
    if by_time {
        let intervals = table.intervals.iter();
        result["time_intervals"] =
            intervals.map(|interval| json!([stamp(interval.from), stamp(interval.until)])).collect();
    }
    result
}

fn number(number: Number) -> Value {
    match number {
        Number::Whole(whole) => whole.into(),
        Number::Real(real) => real.into(),
    }
}

fn stamp(minute: Minute) -> String {
    rfc3339(minute.unix_s() * 1_000_000)
}

fn tag(zone: &Zone) -> Tag {
    Tag::from_bits(zone.id.bits())
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Intervals => wrong(format!(
            "time_delta: the range has more than {ANALYTICS_INTERVALS_MAX} intervals of that length: take a longer one, or \
             a later since"
        )),
        Fault::TooFine(Resolution::Day, floor) => {
            wrong(format!("since: rows are kept from {} on: take a later one", stamp(floor)))
        }
        Fault::TooFine(resolution @ (Resolution::Minute | Resolution::Hour), floor) => wrong(format!(
            "time_delta: {} are kept from {} on: take a later since, or a longer time_delta",
            resolution.name(),
            stamp(floor)
        )),
        Fault::Numbers => wrong(format!(
            "dimensions: the answer has more than {ANALYTICS_NUMBERS_MAX} numbers, which are rows, times intervals, times \
             metrics: take fewer of them, a longer time_delta, a shorter range, or filters"
        )),
        Fault::Scan => wrong(format!(
            "since: the range has more than {ANALYTICS_SCAN_ROWS_MAX} rows to read: take a later one, or a longer \
             time_delta"
        )),
        Fault::Book => Failure::unavailable("analytics cannot be read now; try again"),
        Fault::Busy => Failure::unavailable("many ask for analytics; try again"),
        Fault::Ending => Failure::unavailable("byway is ending"),
    }
}
