//! Events as JSON lines with the names of Spectrum's `spectrum_events` (Logpush). byway's own fields follow in
//! lower case. A full disk or a vanished folder costs lines, which are counted; it never costs traffic.

use super::config::boot::EventsTarget;
use super::event_file::{EventFile, Rotation};
use super::event_push::{EventPush, PushCounts};
use super::log;
use super::timestamp::WallClock;
use crate::analytics::{Owner, Tag};
use crate::base::outside::plain_json;
use crate::base::{Endpoint, Instant};
use crate::table::AppSpec;
use crate::telemetry::{Event, EventKind};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Bytes gathered before a write.
const CHUNK_BYTES: usize = 64 << 10;

/// What the log says of an app beside what is in the event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppFacts {
    /// The app's id.
    pub id: String,
    /// `tls` of the app.
    pub tls: &'static str,
    /// `proxy_protocol` of the app.
    pub proxy_protocol: &'static str,
    /// Whose its numbers are; `None` where its zone has no id of the API's.
    pub owner: Option<Owner>,
}

impl AppFacts {
    /// Of this app of this zone.
    pub fn of(zone: &str, app: &AppSpec) -> Self {
        let id = app.id.to_string();
        let owner = Tag::parse(zone).zip(Tag::parse(&id)).map(|(zone, app)| Owner { zone, app });
        Self { id, tls: app.tls.name(), proxy_protocol: app.proxy_protocol.name(), owner }
    }
}

/// Where event lines go.
pub struct EventLog {
    target: EventsTarget,
    site: String,
    file: Option<EventFile>,
    push: Option<EventPush>,
    chunk: Vec<u8>,
    lines_in_chunk: u64,
    lost: u64,
    written: u64,
    failing: bool,
}

impl EventLog {
    /// Opens the target. A file that cannot be opened is said, tried again at `reopen`, and its lines are counted
    /// as lost.
    pub fn open(target: EventsTarget, rotation: Rotation, site: &str) -> Self {
        let file = match &target {
            EventsTarget::File(path) => Some(EventFile::new(path.clone(), rotation)),
            EventsTarget::Off | EventsTarget::Stdout => None,
        };
        let mut log = Self {
            target,
            site: site.to_owned(),
            file,
            push: None,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            lines_in_chunk: 0,
            lost: 0,
            written: 0,
            failing: false,
        };
        log.reopen();
        log
    }

    /// Opens the file again under its name (SIGHUP, after logrotate moved it).
    pub fn reopen(&mut self) {
        self.flush();
        self.failing = false;
        self.open_file();
    }

    /// Sends every line to a collector, too.
    pub fn send_to(&mut self, push: EventPush) {
        self.push = Some(push);
    }

    /// What became of what was sent.
    pub fn push_counts(&self) -> PushCounts {
        self.push.as_ref().map(EventPush::counts).unwrap_or_default()
    }

    /// Opens the file again where it is not open or has lost its last name, and lets a batch go that is old enough; to
    /// be called now and then.
    pub fn mend(&mut self, now: Instant) {
        if self.file.as_ref().is_some_and(EventFile::is_lost) {
            self.open_file();
        }
        if let Some(push) = &mut self.push {
            push.turn(now.millis());
        }
    }

    fn open_file(&mut self) {
        let Some(file) = &mut self.file else { return };
        match file.open() {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    let path = file.path().display();
                    log::error(format_args!("events: {path}: {error}; events are lost until it opens"));
                }
                self.failing = true;
            }
        }
    }

    /// Lines that could not be written.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Lines written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether lines are being lost right now.
    pub fn failing(&self) -> bool {
        self.failing
    }

    /// Takes one event in; it is written by the next `flush`, or sooner when the chunk is full.
    pub fn push(&mut self, event: &Event, app: &AppFacts, clock: &WallClock) {
        if self.target == EventsTarget::Off && self.push.is_none() {
            return;
        }
        let line = line(event, app, &self.site, clock);
        let start = self.chunk.len();
        self.chunk.extend_from_slice(plain_json(line.to_string()).as_bytes());
        self.chunk.push(b'\n');
        if let Some(push) = &mut self.push {
            push.push(&self.chunk[start..], event.at.millis());
        }
        if self.target == EventsTarget::Off {
            return self.chunk.clear();
        }
        self.lines_in_chunk += 1;
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// Writes what was taken in.
    pub fn flush(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        match self.write_chunk() {
            Ok(()) => (self.written, self.failing) = (self.written + self.lines_in_chunk, false),
            Err(error) => self.lose(&error),
        }
        self.chunk.clear();
        self.lines_in_chunk = 0;
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        match (&self.target, &mut self.file) {
            (EventsTarget::Off, _) => Ok(()),
            (EventsTarget::Stdout, _) => io::stdout().write_all(&self.chunk),
            (EventsTarget::File(_), Some(file)) => file.write(&self.chunk),
            (EventsTarget::File(_), None) => Err(io::Error::other("the file is not open")),
        }
    }

    /// Counts the chunk as lost, and says so once until writing works again.
    fn lose(&mut self, error: &io::Error) {
        self.lost += self.lines_in_chunk;
        if !self.failing {
            log::error(format_args!("events cannot be written: {error}; lost ones are counted"));
            self.failing = true;
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// One event as a JSON object.
pub fn line(event: &Event, app: &AppFacts, site: &str, clock: &WallClock) -> Value {
    let tls = event.tls.as_deref().cloned().unwrap_or_default();
    let over = matches!(
        event.kind,
        EventKind::Disconnect | EventKind::TlsError | EventKind::OriginError | EventKind::ResolveOrigin
    );
    let rtt = |span: Option<crate::base::Span>| span.map_or(0, |span| span.nanos());
    let stamp = |at: Option<Instant>| at.map_or(Value::Null, |at| clock.rfc3339(at).into());
    let ip = |end: Option<Endpoint>| end.map_or_else(String::new, |end| end.addr.to_string());
    let mut line = json!({
        "Application": app.id,
        "ClientAsn": event.whence.asn.0,
        "ClientBytes": event.client_bytes,
        "ClientCountry": event.whence.country.as_str(),
        "ClientIP": ip(Some(event.client)),
        "ClientMatchedIpFirewall": event.firewall.name(),
        "ClientPort": event.client.port,
        "ClientProto": event.transport.name(),
        "ClientTcpRtt": rtt(event.client_rtt),
        "ClientTlsCipher": tls.client.cipher,
        "ClientTlsClientHelloServerName": tls.sni.as_str(),
        "ClientTlsProtocol": tls.client.version.name(),
        "ClientTlsStatus": tls.client.status.name(),
        "ColoCode": site,
        "ConnectTimestamp": stamp(event.connected_at),
        "DisconnectTimestamp": stamp(over.then_some(event.at)),
        "Event": event.kind.name(),
        "IpFirewall": event.ip_firewall,
        "OriginBytes": event.origin_bytes,
        "OriginIP": ip(event.origin),
        "OriginPort": event.origin.map_or(0, |end| end.port),
        "OriginProto": event.transport.name(),
        "OriginTcpRtt": rtt(event.origin_rtt),
        "OriginTlsCipher": tls.origin.cipher,
        "OriginTlsFingerprint": tls.fingerprint.map_or_else(String::new, hex),
        "OriginTlsMode": app.tls,
        "OriginTlsProtocol": tls.origin.version.name(),
        "OriginTlsStatus": tls.origin.status.name(),
        "ProxyProtocol": app.proxy_protocol,
        "Status": event.status as u16,
        "Timestamp": clock.rfc3339(event.at),
    });
    if let Value::Object(fields) = &mut line {
        own_fields(event, fields);
    }
    line
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fields that Spectrum does not have.
fn own_fields(event: &Event, fields: &mut Map<String, Value>) {
    fields.insert("edge_ip".into(), event.edge.addr.to_string().into());
    fields.insert("edge_port".into(), event.edge.port.into());
    if let Some(egress) = event.egress {
        fields.insert("egress_ip".into(), egress.addr.to_string().into());
        fields.insert("egress_port".into(), egress.port.into());
    }
    if let Some(reason) = event.reason {
        fields.insert("reason".into(), reason.name().into());
    }
    if event.is_aggregate() {
        fields.insert("client_net".into(), net_of(event.client).into());
    }
    fields.insert("count".into(), event.count.into());
    fields.insert("worker".into(), event.worker.0.into());
}

/// The net of refused sources that one event tells of (see `worker::filtered`).
fn net_of(client: Endpoint) -> String {
    let (length, ip) = (if client.addr.is_v4() { 24 } else { 48 }, client.addr.to_ip());
    ipnet::IpNet::new(ip, length).map_or_else(|_| ip.to_string(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, AppSlot, AsNumber, Country, RuleSlot, Span, Whence, WorkerId};
    use crate::telemetry::{FirewallMatch, Status};
    use std::path::PathBuf;

    const NEVER: Rotation = Rotation { bytes_max: 0, kept: 0 };

    fn event() -> Event {
        let end = |last: u8, port| Endpoint { addr: Addr::v4([192, 0, 2, last]), port };
        Event {
            kind: EventKind::Disconnect,
            status: Status::NormalClose,
            worker: WorkerId(1),
            at: Instant::from_nanos(2_000_000_000),
            transport: crate::telemetry::Transport::Tcp,
            app: AppSlot(0),
            client: end(7, 40_000),
            whence: Whence { asn: AsNumber(64_496), country: Country::UNKNOWN },
            edge: end(8, 22),
            origin: Some(end(9, 2222)),
            egress: Some(end(10, 5000)),
            client_bytes: 11,
            origin_bytes: 12,
            connected_at: Some(Instant::from_nanos(1_000_000_000)),
            client_rtt: Some(Span::from_micros(3)),
            origin_rtt: None,
            firewall: FirewallMatch::WhitelistIp(RuleSlot(4)),
            ip_firewall: true,
            proven: true,
            count: 1,
            reason: None,
            tls: None,
        }
    }

    fn facts() -> AppFacts {
        AppFacts { id: "4590\"x".into(), tls: "off", proxy_protocol: "off", owner: None }
    }

    fn clock() -> WallClock {
        WallClock::from_unix_micros(0, Instant::ZERO)
    }

    #[test]
    fn a_disconnect_carries_spectrums_names() {
        let line = line(&event(), &facts(), "FRA", &clock());
        for (name, value) in [
            ("Application", json!("4590\"x")),
            ("Event", json!("disconnect")),
            ("Status", json!(200)),
            ("ClientIP", json!("192.0.2.7")),
            ("ClientPort", json!(40_000)),
            ("OriginIP", json!("192.0.2.9")),
            ("ClientAsn", json!(64_496)),
            ("ClientCountry", json!("XX")),
            ("ClientTcpRtt", json!(3_000)),
            ("OriginTcpRtt", json!(0)),
            ("ClientMatchedIpFirewall", json!("WHITELIST_IP")),
            ("ConnectTimestamp", json!("1970-01-01T00:00:01.000000Z")),
            ("DisconnectTimestamp", json!("1970-01-01T00:00:02.000000Z")),
            ("ColoCode", json!("FRA")),
            ("edge_port", json!(22)),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
    }

    #[test]
    fn hostile_words_reach_no_terminal_and_read_back_the_same() {
        let id = "a\u{1b}[2J\u{9b}\u{202e}\n\u{2028}";
        let folder = std::env::temp_dir().join(format!("byway-hostile-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("e.jsonl");
        let mut log = EventLog::open(EventsTarget::File(path.clone()), NEVER, "");
        log.push(&event(), &AppFacts { id: id.into(), ..facts() }, &clock());
        drop(log);
        let text = std::fs::read_to_string(&path).expect("written");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!(text.trim_end().chars().all(crate::base::outside::is_plain), "{text}");
        let read: Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(read["Application"], id);
    }

    /// The dataset's fields, as its page lists them.
    const FIELDS: [&str; 31] = [
        "Application",
        "ClientAsn",
        "ClientBytes",
        "ClientCountry",
        "ClientIP",
        "ClientMatchedIpFirewall",
        "ClientPort",
        "ClientProto",
        "ClientTcpRtt",
        "ClientTlsCipher",
        "ClientTlsClientHelloServerName",
        "ClientTlsProtocol",
        "ClientTlsStatus",
        "ColoCode",
        "ConnectTimestamp",
        "DisconnectTimestamp",
        "Event",
        "IpFirewall",
        "OriginBytes",
        "OriginIP",
        "OriginPort",
        "OriginProto",
        "OriginTcpRtt",
        "OriginTlsCipher",
        "OriginTlsFingerprint",
        "OriginTlsMode",
        "OriginTlsProtocol",
        "OriginTlsStatus",
        "ProxyProtocol",
        "Status",
        "Timestamp",
    ];

    #[test]
    fn every_event_has_spectrums_31_fields_and_own_ones_are_lower_case() {
        for kind in
            [EventKind::Connect, EventKind::Disconnect, EventKind::ClientFiltered, EventKind::OriginError]
        {
            let refused = kind == EventKind::ClientFiltered;
            let egress = event().egress.filter(|_| !refused);
            let line = line(&Event { kind, egress, proven: !refused, ..event() }, &facts(), "FRA", &clock());
            let keys: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
            let (theirs, own): (Vec<_>, Vec<_>) =
                keys.into_iter().partition(|key: &&str| key.starts_with(char::is_uppercase));
            assert_eq!(theirs, FIELDS, "{kind:?}");
            assert!(own.iter().all(|key| *key == key.to_lowercase()), "{own:?}");
            assert_eq!(line["client_net"].as_str(), refused.then_some("192.0.2.0/24"));
        }
    }

    #[test]
    fn a_connect_has_no_disconnect_time() {
        let line = line(&Event { kind: EventKind::Connect, ..event() }, &facts(), "", &clock());
        assert_eq!((&line["DisconnectTimestamp"], &line["ColoCode"]), (&Value::Null, &"".into()));
    }

    #[test]
    fn a_rotated_file_is_opened_again_under_its_name() {
        let folder = std::env::temp_dir().join(format!("byway-events-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("e.jsonl");
        let mut log = EventLog::open(EventsTarget::File(path.clone()), NEVER, "");
        log.push(&event(), &facts(), &clock());
        log.flush();
        std::fs::rename(&path, folder.join("e.1")).expect("renamed");
        log.reopen();
        log.push(&event(), &facts(), &clock());
        log.flush();
        let text = std::fs::read_to_string(&path).expect("there again");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!((text.lines().count(), log.written(), log.lost()), (1, 2, 0));
        let read: Value = serde_json::from_str(text.trim()).expect("one JSON object a line");
        assert_eq!(read["Event"], "disconnect");
    }

    #[test]
    fn a_removed_file_is_made_again() {
        let path = std::env::temp_dir().join(format!("byway-events-gone-{}", std::process::id()));
        let mut log = EventLog::open(EventsTarget::File(path.clone()), NEVER, "");
        std::fs::remove_file(&path).expect("it was made");
        log.mend(Instant::ZERO);
        log.push(&event(), &facts(), &clock());
        log.flush();
        let text = std::fs::read_to_string(&path).expect("there again");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_vanished_folder_costs_lines_and_nothing_else() {
        let nowhere = PathBuf::from("/nonexistent/byway/e.jsonl");
        let mut log = EventLog::open(EventsTarget::File(nowhere), NEVER, "");
        log.push(&event(), &facts(), &clock());
        log.flush();
        assert_eq!((log.written(), log.lost(), log.failing()), (0, 1, true));
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let mut log = EventLog::open(EventsTarget::File("/dev/full".into()), NEVER, "");
        log.push(&event(), &facts(), &clock());
        log.flush();
        assert_eq!((log.written(), log.lost(), log.failing()), (0, 1, true));
    }
}
