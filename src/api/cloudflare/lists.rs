//! Lists of the other side by the path that answers them: `accounts`, `zones/{zone}/spectrum/apps`, ...

use crate::api::answer::Failure;
use crate::api::fields::wrong;
use crate::control::parse_rfc3339;
use crate::estate::{Id, Stamp};
use serde_json::{Map, Value};

/// One row of a list.
pub type Row = Map<String, Value>;

/// Rows by path.
#[derive(Debug, Default)]
pub struct Lists(Map<String, Value>);

impl Lists {
    /// Reads `lists` of a body: an object of lists of objects.
    ///
    /// # Errors
    /// 400 with the place.
    pub fn read(body: &mut Row) -> Result<Self, Failure> {
        let Some(Value::Object(lists)) = body.remove("lists") else {
            return Err(wrong("lists", "must be an object of lists by their paths"));
        };
        let is_list = |list: &Value| list.as_array().is_some_and(|rows| rows.iter().all(Value::is_object));
        match lists.iter().find(|(_, list)| !is_list(list)) {
            Some((path, _)) => {
                Err(wrong(&format!("lists/{}", path.replace('/', "~1")), "must be a list of objects"))
            }
            None => Ok(Self(lists)),
        }
    }

    /// The rows of a path; none where it was not asked for.
    pub fn rows(&self, path: &str) -> impl Iterator<Item = &Row> {
        let list = self.0.get(path).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object)
    }
}

/// A text of a row; empty where there is none.
pub fn text<'r>(row: &'r Row, key: &str) -> &'r str {
    row.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The id of a row, in Cloudflare's own form.
pub fn id(row: &Row) -> Option<Id> {
    Id::parse(text(row, "id"))
}

/// A time of a row; `now` where there is none.
pub fn stamp(row: &Row, key: &str, now: Stamp) -> Stamp {
    parse_rfc3339(text(row, key)).map_or(now, Stamp)
}
