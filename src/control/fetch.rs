//! JSON and files from another server's API, by GET and nothing else: over TLS under byway's own trust, without redirects, which
//! would carry a token elsewhere, and in bounds of time and size.

use super::event_tls::Wrap;
use rustls::ClientConfig;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::HeaderMap;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// A client of one API.
pub struct Fetcher {
    agent: ureq::Agent,
    base: String,
    authorization: String,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Its status.
    pub status: u16,
    /// `Retry-After` in seconds, where it was a number.
    pub retry_after_s: Option<u64>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Fetcher {
    /// Of the API at `base`, as bearer of `token`.
    ///
    /// # Errors
    /// `base` is no URL that a token may be sent to, in one line.
    pub fn new(base: &str, token: &str, trust: Arc<ClientConfig>) -> Result<Self, String> {
        let uri: ureq::http::Uri = base.parse().map_err(|error| format!("{base}: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback =
            host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if is_loopback => {}
            Some("http") => {
                return Err(format!("{base}: without TLS the token could be read on the way: write https"));
            }
            Some(_) | None => {
                return Err(format!("{base}: write a URL such as https://api.cloudflare.com/client/v4"));
            }
        }
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let config = config.max_redirects(0).max_redirects_will_error(false).proxy(None).build();
        let connector = ().chain(TcpConnector::default()).chain(Wrap(trust));
        let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
        Ok(Self {
            agent,
            base: base.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
        })
    }

    /// Where it asks.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for what lies at `path` below the base, in the form that `accept` names.
    ///
    /// # Errors
    /// Nothing came, or too much, in one line.
    pub fn get(&self, path: &str, accept: &str) -> Result<Fetched, String> {
        let request = self.agent.get(format!("{}/{path}", self.base)).header("Accept", accept);
        let answer =
            request.header("Authorization", &self.authorization).call().map_err(|error| error.to_string())?;
        let (status, retry_after_s) = (answer.status().as_u16(), retry_after(answer.headers()));
        let mut body = Vec::new();
        let read = answer.into_body().into_reader().take(ANSWER_BYTES_MAX + 1).read_to_end(&mut body);
        read.map_err(|error| error.to_string())?;
        match body.len() as u64 <= ANSWER_BYTES_MAX {
            true => Ok(Fetched { status, retry_after_s, body }),
            false => Err(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Trust;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_machine() {
        let of = |base: &str| {
            let trust = Trust::new(None).expect("the web's").strict();
            Fetcher::new(base, "token", trust).map(|fetcher| fetcher.base().to_owned())
        };
        for base in ["https://api.example/client/v4", "http://127.0.0.1:8480/client/v4", "http://[::1]:1/x"] {
            assert_eq!(of(base), Ok(base.to_owned()));
        }
        assert_eq!(of("https://api.example/client/v4/"), Ok("https://api.example/client/v4".into()));
        for base in
            ["http://api.example/client/v4", "http://192.0.2.1/", "ftp://127.0.0.1/", "api.example", ""]
        {
            assert!(of(base).is_err(), "{base}");
        }
    }
}
