//! Lookups by hickory: the configured name servers alone, over UDP and then TCP. Neither the system's resolver config
//! nor its hosts file is read, and nothing is cached here: `Names` keeps what was said.

use super::lookup::{Lookup, LookupError, RecordKind, Row, Rows};
use crate::base::Span;
use crate::table::DnsName;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::net::SocketAddr;
use std::time::Duration;

/// The configured name servers.
pub struct NameServers {
    resolver: TokioResolver,
    /// What one lookup may take with all its retries.
    patience: Duration,
}

impl NameServers {
    /// For these servers; a try takes at most `timeout`, and there are `attempts` of them.
    ///
    /// # Errors
    /// hickory's, in words.
    pub fn new(servers: &[SocketAddr], timeout: Span, attempts: usize) -> Result<Self, String> {
        let mut config = ResolverConfig::from_name_servers(Vec::new());
        servers.iter().for_each(|server| config.add_name_server(name_server(*server)));
        let timeout = Duration::from_nanos(timeout.nanos());
        let mut options = ResolverOpts::default();
        (options.timeout, options.attempts) = (timeout, attempts);
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        (options.cache_size, options.positive_max_ttl) = (1, None);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        // Each attempt may go over UDP and once more over TCP.
        let patience = timeout * (2 * attempts as u32 + 1);
        Ok(Self { resolver, patience })
    }
}

impl NameServers {
    /// All TXT records of `name`, which is fully qualified, each as one text (RFC 7208 3.3).
    ///
    /// # Errors
    /// See `LookupError`.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let name = format!("{name}.");
        self.resolver.clear_lookup_cache(name.as_str(), RecordType::TXT);
        let answer = tokio::time::timeout(self.patience, self.resolver.lookup(name, RecordType::TXT)).await;
        let answer = answer.map_err(|_| LookupError::NoAnswer("timed out".into()))?;
        let lookup = answer.map_err(|error| read_error(&error))?;
        let texts = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        if texts.is_empty() { Err(LookupError::Nothing) } else { Ok(texts) }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    // A negative answer of one server is not asked of the next.
    NameServerConfig::new(server.ip(), true, connections.into())
}

impl Lookup for NameServers {
    async fn look_up(&self, name: &DnsName, kind: RecordKind) -> Result<Rows, LookupError> {
        let (name, kind) = (format!("{name}."), record_type(kind));
        self.resolver.clear_lookup_cache(name.as_str(), kind);
        let answer = tokio::time::timeout(self.patience, self.resolver.lookup(name, kind)).await;
        let answer = answer.map_err(|_| LookupError::NoAnswer("timed out".into()))?;
        let lookup = answer.map_err(|error| read_error(&error))?;
        let wanted = lookup.answers().iter().filter(|record| record.record_type() == kind);
        let (rows, ttls): (Vec<Row>, Vec<u32>) =
            wanted.filter_map(|record| Some((row(&record.data)?, record.ttl))).unzip();
        match ttls.into_iter().min() {
            Some(ttl_s) => Ok(Rows { rows, ttl_s }),
            None => Err(LookupError::Nothing),
        }
    }
}

const fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Srv => RecordType::SRV,
    }
}

fn row(data: &RData) -> Option<Row> {
    match data {
        RData::A(v4) => Some(Row::Addr(v4.0.into())),
        RData::AAAA(v6) => Some(Row::Addr(v6.0.into())),
        RData::SRV(srv) => Some(Row::Service {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: DnsName::new(&srv.target.to_ascii()).ok(),
        }),
        _ => None,
    }
}

fn read_error(error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => LookupError::Nothing,
            code => LookupError::NoAnswer(code.to_string()),
        },
        // No socket, no memory: nothing went out.
        NetError::Busy | NetError::Io(_) => LookupError::Ours(error.to_string()),
        error => LookupError::NoAnswer(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TXT record of "abc" and "def", as the answer to `query`.
    fn reply(query: &[u8]) -> Vec<u8> {
        let root = query[12..].iter().position(|byte| *byte == 0).expect("a name ends with the root");
        let mut reply = query[..12 + root + 5].to_vec();
        reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 8]);
        reply.extend(b"\x03abc\x03def");
        reply
    }

    #[test]
    fn a_txt_record_of_several_strings_is_one_text() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let texts = runtime.block_on(async {
            let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            let address = server.local_addr().expect("an address");
            tokio::spawn(async move {
                let mut query = [0; 512];
                while let Ok((length, client)) = server.recv_from(&mut query).await {
                    server.send_to(&reply(&query[..length]), client).await.expect("sent");
                }
            });
            let servers = NameServers::new(&[address], Span::from_secs(5), 2).expect("a resolver");
            servers.texts("cf-validation.113.0.203.in-addr.arpa").await
        });
        assert_eq!(texts, Ok(vec!["abcdef".to_owned()]));
    }
}
