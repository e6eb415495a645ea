//! Query parameters, read strictly: an unknown name, an empty value or a value said twice is an error and never means
//! "all" (`reference/spectrum.md`, section 3.4).

use super::answer::{ErrorItem, Failure, Success};
use super::code::ApiCode;
use super::list::List;
use crate::control::{parse_rfc3339, rfc3339};
use crate::estate::Id;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;

/// The parameters of a request; those that were asked for are known.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
    known: RefCell<Vec<&'static str>>,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// From 1.
    pub page: usize,
    /// Items of a page; `None`: everything is on page 1.
    pub per_page: Option<usize>,
}

/// Which way a list goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// Items of a page at most.
pub const PER_PAGE_MAX: usize = 1_000;
/// The last page that one may ask for.
pub const PAGE_MAX: usize = i32::MAX as usize;

impl Query {
    /// Reads what stands behind the `?`.
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        Self { pairs, known: RefCell::default() }
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// It is empty, or said twice.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Failure> {
        self.known.borrow_mut().push(name);
        let mut values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(wrong(format!("{name} is said twice")));
        }
        if value.is_empty() {
            return Err(wrong(format!("{name} is empty: give it a value, or leave it out")));
        }
        Ok(Some(value))
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// It is none.
    pub fn whole(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten().filter(|number| bounds.contains(number));
        let (low, high) = (bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| wrong(format!("{name} must be a whole number from {low} to {high}")))
    }

    /// A list, in either spelling: `name=a,b`, or `name=a&name=b`. A `+` at the head of an item may come as the blank that
    /// it stands for in a URL.
    ///
    /// # Errors
    /// An item is empty, or said twice.
    pub fn list(&self, name: &'static str) -> Result<Option<Vec<&str>>, Failure> {
        self.known.borrow_mut().push(name);
        let values = self.pairs.iter().filter(|(key, _)| key == name);
        let items: Vec<&str> = values.flat_map(|(_, value)| value.split(',')).collect();
        if items.iter().any(|item| item.trim().is_empty()) {
            return Err(wrong(format!("{name} has an empty item: give it a value, or leave it out")));
        }
        let twice = items.iter().enumerate().find(|(at, item)| items[..*at].contains(item));
        if let Some((_, item)) = twice {
            let item = crate::base::outside::quoted(item);
            return Err(wrong(format!("{name} has {item} twice")));
        }
        Ok(Some(items).filter(|items| !items.is_empty()))
    }

    /// True or false.
    ///
    /// # Errors
    /// It is neither word.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Failure> {
        match self.text(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(wrong(format!("{name} must be true or false"))),
        }
    }

    /// One of some words.
    ///
    /// # Errors
    /// It is none of them.
    pub fn word(&self, name: &'static str, words: &[&'static str]) -> Result<Option<&'static str>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().copied().find(|word| *word == text);
        found.map(Some).ok_or_else(|| wrong(format!("{name} must be one of {}", words.join(", "))))
    }

    /// An id.
    ///
    /// # Errors
    /// It is none.
    pub fn id(&self, name: &'static str) -> Result<Option<Id>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        Id::parse(text).map(Some).ok_or_else(|| wrong(format!("{name} must be an id of 32 hex digits")))
    }

    /// A time, or the beginning of a day; UTC where it says no zone. A blank before an offset is the `+` that it was written
    /// for.
    ///
    /// # Errors
    /// It is none.
    pub fn time(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let day = format!("{text}T00:00:00Z");
        let spellings = [text.to_owned(), format!("{text}Z"), text.replacen(' ', "+", 1), day];
        let read = spellings.iter().find_map(|text| parse_rfc3339(text));
        read.map(Some).ok_or_else(|| {
            wrong(format!("{name} must be a time of RFC 3339 from 1970 on, as {}", rfc3339(0)))
        })
    }

    /// `page` and `per_page`.
    ///
    /// # Errors
    /// One of them is no number within its bounds.
    pub fn page(&self) -> Result<Page, Failure> {
        let page = self.whole("page", 1..=PAGE_MAX)?.unwrap_or(1);
        let per_page = self.whole("per_page", 1..=PER_PAGE_MAX)?;
        Ok(Page { page, per_page })
    }

    /// `direction`; `asc` where it is left out.
    ///
    /// # Errors
    /// It is another word.
    pub fn direction(&self) -> Result<Direction, Failure> {
        let word = self.word("direction", &["asc", "desc"])?;
        Ok(if word == Some("desc") { Direction::Desc } else { Direction::Asc })
    }

    /// Refuses what nobody has asked for.
    ///
    /// # Errors
    /// The names that mean nothing here.
    pub fn close(&self) -> Result<(), Failure> {
        let known = self.known.borrow();
        let unknown = self.pairs.iter().find(|(key, _)| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some((key, _)) => Err(wrong(format!("{} means nothing here", crate::base::outside::quoted(key)))),
        }
    }
}

impl Page {
    /// Answers this page of a list, each item as `row` writes it when its turn comes.
    pub fn list<T: Send + Sync + 'static>(
        self,
        items: Vec<&Arc<T>>,
        mut row: impl FnMut(&T) -> Value + Send + 'static,
    ) -> List {
        let (items, info) = self.cut(items);
        let items: Vec<Arc<T>> = items.into_iter().cloned().collect();
        List::new(items.into_iter().map(move |item| row(&item)), info)
    }

    /// Answers this page at once: for lists whose pages have a bound.
    pub fn answer<T>(self, items: Vec<T>, row: impl FnMut(T) -> Value) -> Success {
        let (items, info) = self.cut(items);
        let rows: Value = items.into_iter().map(row).collect();
        Success { info: Some(info), ..Success::of(rows) }
    }

    /// The items of this page, and `result_info`.
    fn cut<T>(self, items: Vec<T>) -> (Vec<T>, Value) {
        let total = items.len();
        let (from, per_page) = self.span();
        let items: Vec<T> = items.into_iter().skip(from).take(per_page).collect();
        let info = self.info(items.len(), total);
        (items, info)
    }

    /// How many items are passed over, and how many are wanted.
    pub fn span(self) -> (usize, usize) {
        match self.per_page {
            Some(per_page) => ((self.page - 1).saturating_mul(per_page), per_page),
            None if self.page == 1 => (0, usize::MAX),
            None => (usize::MAX, 0),
        }
    }

    /// `result_info` of a page with `count` items of `total`.
    pub fn info(self, count: usize, total: usize) -> Value {
        let per_page = self.per_page.unwrap_or(total.max(1));
        json!({
            "page": self.page,
            "per_page": per_page,
            "count": count,
            "total_count": total,
            "total_pages": total.div_ceil(per_page),
        })
    }
}

/// 400 about a parameter, which `message` names.
pub fn wrong(message: String) -> Failure {
    Failure::of(StatusCode::BAD_REQUEST, ErrorItem::new(ApiCode::BadQuery, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_a_repeated_and_an_unknown_parameter_are_refused() {
        for text in ["page=", "page=1&page=2", "page=0", "page=-1", "page=1e3", "page=+1"] {
            assert!(Query::parse(text).page().is_err(), "{text}");
        }
        let query = Query::parse("page=2&pending_delete=");
        assert_eq!(query.page(), Ok(Page { page: 2, per_page: None }));
        let refused = query.close().expect_err("unknown");
        assert!(refused.errors[0].message.contains("pending_delete"), "{refused:?}");
        assert_eq!(Query::parse("").close(), Ok(()));
        assert_eq!(Query::parse("dry_run=yes").flag("dry_run").map_err(|f| f.status.as_u16()), Err(400));
    }

    #[test]
    fn a_list_reads_the_same_in_both_spellings() {
        let list = |text: &str| {
            let query = Query::parse(text);
            let list = query.list("m").map(|list| list.map(|list| list.join("|")));
            list.map_err(|failure| failure.errors[0].message.clone())
        };
        for text in ["m=a,b,-c", "m=a&m=b&m=-c", "m=a,b&m=-c", "m=a%2Cb,-c"] {
            assert_eq!(list(text), Ok(Some("a|b|-c".into())), "{text}");
        }
        assert_eq!(list("x=a"), Ok(None));
        for text in ["m=", "m=a,", "m=a&m=", "m=,", "m=a,a", "m=a&m=a"] {
            assert!(list(text).expect_err(text).starts_with("m has "), "{text}");
        }
    }

    #[test]
    fn without_per_page_everything_is_on_page_one_and_later_pages_are_empty() {
        let cut = |page, per_page| Page { page, per_page }.cut((0..32).collect::<Vec<_>>());
        assert_eq!(cut(1, None).0.len(), 32);
        assert_eq!(cut(2, None).0.len(), 0);
        assert_eq!(cut(2, Some(20)).0, (20..32).collect::<Vec<_>>());
        assert_eq!(cut(3, Some(20)).1["count"], 0);
        assert_eq!(cut(usize::MAX, Some(1_000)).0, Vec::<i32>::new());
        let info = cut(2, Some(20)).1;
        assert_eq!((info["total_count"].clone(), info["total_pages"].clone()), (32.into(), 2.into()));
    }
}
