//! Lists and files from a server: page by page, again where it was busy or out of reach, in bounds.

use super::walk::{Missing, Source, one_of, pdf, result_of};
use crate::base::{Clock, Instant, OsClock, Span};
use crate::control::{Fetched, Fetcher};
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows of a page.
const PER_PAGE: usize = 50;
/// Pages of one list.
const PAGES_MAX: usize = 20_000;
/// How often one page is asked for.
const TRIES_MAX: u32 = 8;
/// The longest pause that a server may ask for, and the first of byway's own, in seconds.
const PAUSE_S: [u64; 2] = [1, 300];
/// How long it may take in all.
const LIFE: Span = Span::from_secs(3_600);
/// Bytes of all replies together.
const BYTES_MAX: usize = 240 << 20;

/// A server's lists.
pub struct Live {
    fetcher: Fetcher,
    clock: OsClock,
    until: Instant,
    bytes: usize,
    save: Option<PathBuf>,
    pause: fn(Duration),
}

impl Live {
    /// Of `fetcher`; replies are kept below `save`, which must not exist.
    ///
    /// # Errors
    /// The folder cannot be made, in one line.
    pub fn new(fetcher: Fetcher, save: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = save {
            std::fs::create_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let clock = OsClock::new();
        let until = clock.now() + LIFE;
        let save = save.map(Path::to_owned);
        Ok(Self { fetcher, clock, until, bytes: 0, save, pause: std::thread::sleep })
    }

    /// With another way to wait.
    #[cfg(test)]
    pub fn waiting_by(self, pause: fn(Duration)) -> Self {
        Self { pause, ..self }
    }

    /// One page.
    fn page(&mut self, path: &str) -> Result<Value, Missing> {
        let body = self.body(path, "application/json")?;
        serde_json::from_slice(&body)
            .map_err(|error| Missing::Broken(format!("the reply is not JSON: {error}")))
    }

    /// What lies at a path; waits where the server says so.
    fn body(&mut self, path: &str, accept: &str) -> Result<Vec<u8>, Missing> {
        let mut tries = 0;
        loop {
            tries += 1;
            let again = match self.fetcher.get(path, accept) {
                Ok(fetched) if fetched.status == 200 => return self.counted(fetched.body),
                Ok(fetched) if matches!(fetched.status, 429 | 500..=599) => fetched,
                Ok(fetched) => return Err(refused(&fetched)),
                Err(why) => Fetched { status: 0, retry_after_s: None, body: why.into_bytes() },
            };
            let pause =
                again.retry_after_s.unwrap_or(PAUSE_S[0] << (tries - 1)).clamp(PAUSE_S[0], PAUSE_S[1]);
            let is_late = self.clock.now() + Span::from_secs(pause) > self.until;
            if tries >= TRIES_MAX || is_late {
                return Err(Missing::Broken(told(&again)));
            }
            (self.pause)(Duration::from_secs(pause));
        }
    }

    fn counted(&mut self, body: Vec<u8>) -> Result<Vec<u8>, Missing> {
        self.bytes += body.len();
        if self.bytes > BYTES_MAX {
            let text =
                format!("the replies are more than {BYTES_MAX} bytes: import some, by --account or --zone");
            return Err(Missing::Broken(text));
        }
        if self.clock.now() > self.until {
            return Err(Missing::Broken("it takes too long: import some, by --account or --zone".into()));
        }
        Ok(body)
    }

    fn keep(&self, path: &str, pages: &[Value]) -> Result<(), Missing> {
        let text: String = pages.iter().map(|page| format!("{page}\n")).collect();
        self.keep_file(&format!("{path}.json"), text.as_bytes())
    }

    fn keep_file(&self, name: &str, bytes: &[u8]) -> Result<(), Missing> {
        let Some(folder) = &self.save else { return Ok(()) };
        let file = folder.join(name);
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let kept = made.and_then(|()| std::fs::write(&file, bytes));
        kept.map_err(|error| Missing::Broken(format!("{}: {error}", file.display())))
    }
}

impl Source for Live {
    fn rows(&mut self, path: &str, is_paged: bool) -> Result<Vec<Value>, Missing> {
        let (mut rows, mut pages, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for page in 1..=PAGES_MAX {
            let query =
                if is_paged { format!("{path}?page={page}&per_page={PER_PAGE}") } else { path.to_owned() };
            let envelope = self.page(&query)?;
            let of_page = result_of(&envelope).map_err(Missing::Broken)?;
            let is_new = |row: &&Value| row["id"].as_str().is_none_or(|id| seen.insert(id.to_owned()));
            let fresh: Vec<Value> = of_page.iter().filter(is_new).cloned().collect();
            // A server that ignores `page` would be asked for ever.
            let is_last = !is_paged || of_page.is_empty() || fresh.is_empty() || is_last(&envelope, page);
            rows.extend(fresh);
            let total = envelope["result_info"]["total_count"].as_u64();
            pages.push(envelope);
            if is_last {
                if is_paged && total.is_some_and(|total| total != rows.len() as u64) {
                    let text = "the list changed while it was read: import again";
                    return Err(Missing::Broken(text.into()));
                }
                self.keep(path, &pages)?;
                return Ok(rows);
            }
        }
        Err(Missing::Broken(format!("the list has more than {PAGES_MAX} pages")))
    }

    fn one(&mut self, path: &str) -> Result<Value, Missing> {
        let envelope = self.page(path)?;
        let one = one_of(&envelope).map_err(Missing::Broken)?.clone();
        self.keep(path, &[envelope])?;
        Ok(one)
    }

    fn file(&mut self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Missing> {
        let file = pdf(self.body(path, "application/pdf")?, bytes_max)?;
        // It goes on in base64.
        self.bytes += file.len() / 2;
        self.keep_file(&format!("{path}.pdf"), &file)?;
        Ok(file)
    }
}

/// What the server says of it; where it says nothing, a page that is empty is the last one.
fn is_last(envelope: &Value, page: usize) -> bool {
    envelope["result_info"]["total_pages"].as_u64().is_some_and(|pages| page as u64 >= pages)
}

fn refused(fetched: &Fetched) -> Missing {
    match fetched.status {
        403 => Missing::Forbidden(told(fetched)),
        // Such as of what this account has not, or this kind of token cannot have.
        400 | 401 | 404 | 405 => Missing::Refused(told(fetched)),
        _ => Missing::Broken(told(fetched)),
    }
}

/// What went wrong, on one line.
fn told(fetched: &Fetched) -> String {
    if fetched.status == 0 {
        return crate::base::outside::OneLine(String::from_utf8_lossy(&fetched.body)).to_string();
    }
    let body: Value = serde_json::from_slice(&fetched.body).unwrap_or_default();
    let error = &body["errors"][0];
    let message = error["message"].as_str().unwrap_or("it says no reason");
    format!("status {}: {} ({})", fetched.status, crate::base::outside::OneLine(message), error["code"])
}
