//! From one question of an app to lookups of single record kinds and back to one answer.
//!
//! ```text
//!  ""    A and AAAA at once; one of the two may have nothing
//!  A     A            AAAA   AAAA
//!  SRV   SRV, then A and AAAA of each target (the first ones by priority and weight)
//! ```
//! Does not know time, retries or caches: `Names` does.

use crate::base::Addr;
use crate::base::limits::{ORIGINS_PER_APP_MAX, SRV_TARGETS_MAX};
use crate::table::{DnsName, OriginDnsKind, OriginName, OriginRecord};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// A kind of record that byway asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Services (RFC 2782).
    Srv,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// Of A and AAAA.
    Addr(Addr),
    /// Of SRV.
    Service {
        /// The lowest is used first.
        priority: u16,
        /// The share among records of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host; `None` for the root, which says that there is no such service here.
        target: Option<DnsName>,
    },
}

/// What one lookup brought: at least one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    /// The records.
    pub rows: Vec<Row>,
    /// The smallest time to live among them, in seconds.
    pub ttl_s: u32,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LookupError {
    /// The name servers say that there is nothing (RFC 2308: NXDOMAIN, or no data of this kind).
    Nothing,
    /// No name server gave a usable answer in time.
    NoAnswer(String),
    /// The question could not be sent: an error on our side.
    Ours(String),
}

/// A way to ask for records of one kind.
pub trait Lookup: Send + Sync + 'static {
    /// All records of `kind` under `name`, which is fully qualified.
    fn look_up(
        &self,
        name: &DnsName,
        kind: RecordKind,
    ) -> impl Future<Output = Result<Rows, LookupError>> + Send;
}

/// The answer to an app's question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// At least one, sorted, none twice, at most `ORIGINS_PER_APP_MAX`.
    pub records: Arc<[OriginRecord]>,
    /// The smallest time to live that was met, in seconds.
    pub ttl_s: u32,
    /// Whether a part of the question went without an answer, so that it is worth asking again soon.
    pub partial: bool,
    /// Records beyond the bound, which were left out.
    pub left_out: usize,
}

/// Asks what `question` needs.
///
/// # Errors
/// When no part of it brought a record.
pub async fn resolve(dns: &impl Lookup, question: &OriginName) -> Result<Answer, LookupError> {
    let mut gathered = Gathered::default();
    match question.kind {
        OriginDnsKind::A => gathered.addresses(dns.look_up(&question.name, RecordKind::A).await, None),
        OriginDnsKind::Aaaa => gathered.addresses(dns.look_up(&question.name, RecordKind::Aaaa).await, None),
        OriginDnsKind::Both => gathered.both(dns, &question.name, None).await,
        OriginDnsKind::Srv => services(dns, &question.name, &mut gathered).await?,
    }
    gathered.end()
}

/// What an SRV record adds to the addresses of its target.
#[derive(Clone, Copy)]
struct Service {
    priority: u16,
    weight: u16,
    port: u16,
}

async fn services(dns: &impl Lookup, name: &DnsName, gathered: &mut Gathered) -> Result<(), LookupError> {
    let found = dns.look_up(name, RecordKind::Srv).await?;
    gathered.ttl_s = Some(found.ttl_s);
    let mut services: Vec<(Service, DnsName)> = found.rows.into_iter().filter_map(service).collect();
    services.sort_by_key(|(service, target)| {
        (service.priority, std::cmp::Reverse(service.weight), target.clone(), service.port)
    });
    gathered.left_out += services.len().saturating_sub(SRV_TARGETS_MAX);
    services.truncate(SRV_TARGETS_MAX);
    for (service, target) in services {
        gathered.both(dns, &target, Some(service)).await;
    }
    Ok(())
}

fn service(row: Row) -> Option<(Service, DnsName)> {
    match row {
        // RFC 2782: port 0 and the root name no service.
        Row::Service { priority, weight, port, target } if port != 0 => {
            Some((Service { priority, weight, port }, target?))
        }
        Row::Service { .. } | Row::Addr(_) => None,
    }
}

#[derive(Default)]
struct Gathered {
    records: Vec<OriginRecord>,
    ttl_s: Option<u32>,
    left_out: usize,
    error: Option<LookupError>,
}

impl Gathered {
    async fn both(&mut self, dns: &impl Lookup, name: &DnsName, service: Option<Service>) {
        let (v4, v6) = tokio::join!(dns.look_up(name, RecordKind::A), dns.look_up(name, RecordKind::Aaaa));
        self.addresses(v4, service);
        self.addresses(v6, service);
    }

    fn addresses(&mut self, found: Result<Rows, LookupError>, service: Option<Service>) {
        match found {
            Ok(found) => {
                self.ttl_s = Some(self.ttl_s.map_or(found.ttl_s, |ttl_s| ttl_s.min(found.ttl_s)));
                let addrs = found.rows.into_iter().filter_map(|row| match row {
                    Row::Addr(addr) => Some(addr),
                    Row::Service { .. } => None,
                });
                self.records.extend(addrs.map(|addr| OriginRecord {
                    addr,
                    priority: service.map_or(0, |service| service.priority),
                    weight: service.map_or(0, |service| service.weight),
                    port: service.map(|service| service.port),
                }));
            }
            Err(LookupError::Nothing) => {}
            Err(error) => self.error = Some(error),
        }
    }

    fn end(mut self) -> Result<Answer, LookupError> {
        if self.records.is_empty() {
            return Err(self.error.unwrap_or(LookupError::Nothing));
        }
        self.records.sort_unstable();
        self.records.dedup();
        let left_out = self.left_out + self.records.len().saturating_sub(ORIGINS_PER_APP_MAX);
        self.records.truncate(ORIGINS_PER_APP_MAX);
        let partial = self.error.is_some();
        Ok(Answer { records: self.records.into(), ttl_s: self.ttl_s.unwrap_or(0), partial, left_out })
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("the name has no such record"),
            Self::NoAnswer(why) => write!(f, "no name server answered: {why}"),
            Self::Ours(why) => write!(f, "the question could not be put: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[derive(Default)]
    struct Fake(HashMap<(String, RecordKind), Result<Rows, LookupError>>);

    impl Lookup for Fake {
        async fn look_up(&self, name: &DnsName, kind: RecordKind) -> Result<Rows, LookupError> {
            self.0.get(&(name.to_string(), kind)).cloned().unwrap_or(Err(LookupError::Nothing))
        }
    }

    impl Fake {
        fn says(mut self, name: &str, kind: RecordKind, ttl_s: u32, rows: Vec<Row>) -> Self {
            self.0.insert((name.into(), kind), Ok(Rows { rows, ttl_s }));
            self
        }

        fn fails(mut self, name: &str, kind: RecordKind) -> Self {
            self.0.insert((name.into(), kind), Err(LookupError::NoAnswer("timed out".into())));
            self
        }

        fn ask(&self, name: &str, kind: OriginDnsKind) -> Result<Answer, LookupError> {
            let question = OriginName { name: name_of(name), kind };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(resolve(self, &question))
        }
    }

    fn name_of(text: &str) -> DnsName {
        DnsName::new(text).expect("a name")
    }

    fn v4(last: u8) -> Row {
        Row::Addr(Addr::v4([192, 0, 2, last]))
    }

    fn v6() -> Row {
        Row::Addr("2001:db8::1".parse::<std::net::Ipv6Addr>().expect("an address").into())
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Row {
        Row::Service { priority, weight, port, target: DnsName::new(target).ok() }
    }

    #[test]
    fn both_families_make_one_answer_with_the_smaller_ttl() {
        let dns = Fake::default().says("o.x", RecordKind::A, 300, vec![v4(2), v4(1), v4(2)]);
        let dns = dns.says("o.x", RecordKind::Aaaa, 60, vec![v6()]);
        let answer = dns.ask("o.x", OriginDnsKind::Both).expect("an answer");
        let addrs: Vec<String> = answer.records.iter().map(|record| record.addr.to_string()).collect();
        assert_eq!(addrs, ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        assert_eq!((answer.ttl_s, answer.partial, answer.left_out), (60, false, 0));
        assert_eq!(dns.ask("o.x", OriginDnsKind::A).expect("an answer").records.len(), 2);
        assert_eq!(dns.ask("o.x", OriginDnsKind::Aaaa).expect("an answer").records.len(), 1);
        assert_eq!(dns.ask("other.x", OriginDnsKind::Both), Err(LookupError::Nothing));
    }

    #[test]
    fn one_family_without_an_answer_makes_a_partial_one_and_two_make_none() {
        let dns = Fake::default().says("o.x", RecordKind::A, 300, vec![v4(1)]).fails("o.x", RecordKind::Aaaa);
        assert!(dns.ask("o.x", OriginDnsKind::Both).expect("an answer").partial);
        let dns = Fake::default().fails("o.x", RecordKind::A);
        assert!(matches!(dns.ask("o.x", OriginDnsKind::Both), Err(LookupError::NoAnswer(_))));
    }

    #[test]
    fn services_bring_ports_priorities_and_weights() {
        let rows = vec![srv(20, 0, 9, "b.x"), srv(10, 5, 7, "a.x"), srv(10, 1, 0, "a.x"), srv(1, 1, 1, "")];
        let dns = Fake::default()
            .says("_s._tcp.x", RecordKind::Srv, 500, rows)
            .says("a.x", RecordKind::A, 400, vec![v4(1), v4(2)])
            .says("b.x", RecordKind::Aaaa, 450, vec![v6()]);
        let answer = dns.ask("_s._tcp.x", OriginDnsKind::Srv).expect("an answer");
        let seen: Vec<_> =
            answer.records.iter().map(|record| (record.priority, record.weight, record.port)).collect();
        assert_eq!(seen, [(10, 5, Some(7)), (10, 5, Some(7)), (20, 0, Some(9))]);
        assert_eq!(answer.ttl_s, 400);
        let refused = Fake::default().says("_s._tcp.x", RecordKind::Srv, 500, vec![srv(0, 0, 0, "")]);
        assert_eq!(refused.ask("_s._tcp.x", OriginDnsKind::Srv), Err(LookupError::Nothing));
    }

    #[test]
    fn records_and_targets_beyond_the_bound_are_left_out_and_counted() {
        let many: Vec<Row> = (0..100).map(v4).collect();
        let answer = Fake::default().says("o.x", RecordKind::A, 1, many).ask("o.x", OriginDnsKind::A);
        let answer = answer.expect("an answer");
        assert_eq!((answer.records.len(), answer.left_out), (ORIGINS_PER_APP_MAX, 36));
        let services: Vec<Row> = (1..=20).map(|port| srv(port, 0, port, "a.x")).collect();
        let dns = Fake::default().says("s.x", RecordKind::Srv, 1, services);
        let dns = dns.says("a.x", RecordKind::A, 1, vec![v4(1)]);
        let answer = dns.ask("s.x", OriginDnsKind::Srv).expect("an answer");
        assert_eq!((answer.records.len(), answer.left_out), (SRV_TARGETS_MAX, 20 - SRV_TARGETS_MAX));
    }
}
