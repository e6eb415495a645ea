//! Events to an HTTP collector: batches of JSON lines, put on disk first and taken from there by a thread of its own.
//!
//! ```text
//!  lines --> batch (count, bytes, time) --> spool folder --oldest first--> POST --2xx--> gone
//!                                           | too full: the oldest go        `-- else: again, later and later
//! ```
//! The spool is the queue: it outlives a restart and is bounded in bytes. A batch may arrive twice, when its answer got
//! lost; each carries its name in `X-Byway-Batch`. A batch that is refused for good (4xx, but for 408 and 429) is dropped
//! and counted.

use super::event_tls::Wrap;
use super::{log, privileges};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::ClientConfig;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::{Connector, TcpConnector};

/// What is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushSettings {
    /// Where to POST, `https://collector/path`.
    pub url: String,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// Lines of a batch.
    pub batch_lines: u64,
    /// A batch that is not full goes after this long.
    pub batch_ms: u64,
    /// Bytes that may wait on disk.
    pub spool_bytes: u64,
}

/// The largest batch, in bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long one POST may take.
const POST: Duration = Duration::from_secs(10);
/// The first and the longest pause after a failure.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];
/// Pause of the thread when nothing waits.
const IDLE: Duration = Duration::from_millis(100);

/// What both sides count.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
}

/// The writer's side.
pub struct EventPush {
    settings: PushSettings,
    folder: PathBuf,
    batch: Vec<u8>,
    lines: u64,
    begun_ms: u64,
    next: u64,
    /// Names and sizes of what waits, oldest first; what the thread has sent is still here until the next `spool`.
    lost: u64,
    /// Whether the last batch found no room on disk.
    failing: bool,
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What happened to batches and lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushCounts {
    /// Batches that the collector took.
    pub sent: u64,
    /// Attempts that failed and are made again.
    pub failures: u64,
    /// Batches that the collector refused for good.
    pub refused: u64,
    /// Batches lost: the spool was full, or could not be written.
    pub lost: u64,
}

impl EventPush {
    /// Starts the thread. Batches of an earlier run that wait in `folder` go first; `trust` is for https.
    ///
    /// # Errors
    /// The folder cannot be made, or the thread not started.
    pub fn start(settings: PushSettings, folder: PathBuf, trust: Arc<ClientConfig>) -> io::Result<Self> {
        Self::start_with(settings, folder, agent(trust, DefaultResolver::default()))
    }

    fn start_with(settings: PushSettings, folder: PathBuf, agent: ureq::Agent) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let next = waiting(&folder).last().map_or(0, |(number, _)| number + 1);
        let shared = Arc::new(Shared::default());
        let to = To { agent, url: settings.url.clone(), gzip: settings.gzip };
        let (theirs, place) = (shared.clone(), folder.clone());
        let thread = std::thread::Builder::new().name("events-push".into()).spawn(move || {
            // It speaks to a collector and reads its spool: that wants no rights.
            let _ = privileges::shed();
            send_all(&to, &place, &theirs);
        })?;
        let batch = Vec::new();
        let (lines, begun_ms, lost, thread) = (0, 0, 0, Some(thread));
        let failing = false;
        Ok(Self { settings, folder, batch, lines, begun_ms, next, lost, failing, shared, thread })
    }

    /// Takes one line with its end in.
    pub fn push(&mut self, line: &[u8], now_ms: u64) {
        if self.batch.is_empty() {
            self.begun_ms = now_ms;
        }
        self.batch.extend_from_slice(line);
        self.lines += 1;
        if self.lines >= self.settings.batch_lines || self.batch.len() >= BATCH_BYTES_MAX {
            self.spool();
        }
    }

    /// Lets a batch go that has waited long enough; to be called now and then.
    pub fn turn(&mut self, now_ms: u64) {
        if !self.batch.is_empty() && now_ms.saturating_sub(self.begun_ms) >= self.settings.batch_ms {
            self.spool();
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> PushCounts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        PushCounts {
            sent: read(&self.shared.sent),
            failures: read(&self.shared.failures),
            refused: read(&self.shared.refused),
            lost: self.lost,
        }
    }

    /// Puts the batch on disk; where there is no room the oldest ones make some.
    fn spool(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.lines = 0;
        let mut waiting = waiting(&self.folder);
        let mut bytes: u64 = waiting.iter().map(|(_, bytes)| bytes).sum();
        while bytes.saturating_add(batch.len() as u64) > self.settings.spool_bytes && !waiting.is_empty() {
            let (oldest, freed) = waiting.remove(0);
            // The thread may have sent it in between.
            if fs::remove_file(name(&self.folder, oldest)).is_ok() {
                self.lost += 1;
            }
            bytes -= freed;
        }
        let beside = self.folder.join("new");
        let put =
            fs::write(&beside, &batch).and_then(|()| fs::rename(&beside, name(&self.folder, self.next)));
        match put {
            Ok(()) => (self.next, self.failing) = (self.next + 1, false),
            Err(error) => self.lose(&beside, &error),
        }
    }

    /// Counts a batch that the disk did not take, and says so once until it takes one again. Half of it would only keep
    /// the room that is wanted.
    fn lose(&mut self, beside: &Path, error: &io::Error) {
        let _ = fs::remove_file(beside);
        self.lost += 1;
        if !self.failing {
            let folder = self.folder.display();
            log::error(format_args!(
                "events: {folder}: {error}; batches are lost and counted until it takes them"
            ));
        }
        self.failing = true;
    }
}

impl Drop for EventPush {
    /// What is gathered is put on disk; what the collector has not taken by now is sent at the next start.
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.spool();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A POST under way ends within its time.
            let _ = thread.join();
        }
    }
}

fn name(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.jsonl"))
}

/// What waits on disk with its size, oldest first.
fn waiting(folder: &Path) -> Vec<(u64, u64)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let one = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.strip_suffix(".jsonl")?.parse().ok()?;
        Some((number, entry.metadata().ok()?.len()))
    };
    let mut waiting: Vec<_> = entries.filter_map(one).collect();
    waiting.sort_unstable();
    waiting
}

/// Where batches go, and how.
struct To {
    agent: ureq::Agent,
    url: String,
    gzip: bool,
}

/// Straight to the collector, whatever proxy the environment names.
fn agent(trust: Arc<ClientConfig>, resolver: impl Resolver) -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(POST)).http_status_as_error(false);
    let connector = ().chain(TcpConnector::default()).chain(Wrap(trust));
    ureq::Agent::with_parts(config.proxy(None).build(), connector, resolver)
}

/// The thread: the oldest batch first, until told to stop and nothing can be sent at once.
fn send_all(to: &To, folder: &Path, shared: &Shared) {
    let (mut pause, mut failing) = (BACK_OFF[0], false);
    loop {
        let oldest = waiting(folder).first().copied();
        let stop = shared.stop.load(Ordering::Relaxed);
        let Some((number, _)) = oldest else {
            if stop {
                return;
            }
            std::thread::sleep(IDLE);
            continue;
        };
        let path = name(folder, number);
        match post(to, &path) {
            Sent::Taken => {
                shared.sent.fetch_add(1, Ordering::Relaxed);
                let _ = fs::remove_file(&path);
                if failing {
                    log::info("events: the collector takes batches again");
                }
                (pause, failing) = (BACK_OFF[0], false);
            }
            Sent::Refused(status) => {
                log::error(format_args!("events: the collector refuses a batch with status {status}"));
                shared.refused.fetch_add(1, Ordering::Relaxed);
                let _ = fs::remove_file(&path);
            }
            Sent::Gone => {}
            Sent::Later(_) if stop => return,
            Sent::Later(why) => {
                shared.failures.fetch_add(1, Ordering::Relaxed);
                if !failing {
                    log::warning(format_args!(
                        "events: the collector takes no batch: {why}; they wait and are tried again"
                    ));
                }
                failing = true;
                rest(pause, shared);
                pause = (pause * 2).min(BACK_OFF[1]);
            }
        }
    }
}

/// Sleeps in short pieces, so that an end is heard of soon.
fn rest(pause: Duration, shared: &Shared) {
    let mut left = pause;
    while left > Duration::ZERO && !shared.stop.load(Ordering::Relaxed) {
        let piece = left.min(IDLE);
        std::thread::sleep(piece);
        left -= piece;
    }
}

enum Sent {
    Taken,
    Refused(u16),
    /// Why not now.
    Later(String),
    /// It went in between, to make room.
    Gone,
}

fn post(to: &To, path: &Path) -> Sent {
    let batch = match fs::read(path) {
        Ok(batch) => batch,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Sent::Gone,
        Err(error) => return Sent::Later(error.to_string()),
    };
    let label = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    let mut request = to.agent.post(&to.url).header("Content-Type", "application/x-ndjson");
    request = request.header("X-Byway-Batch", label);
    let sent = if to.gzip {
        gzip(&batch)
            .map_err(ureq::Error::Io)
            .and_then(|small| request.header("Content-Encoding", "gzip").send(&small[..]))
    } else {
        request.send(&batch[..])
    };
    match sent.map(|answer| answer.status().as_u16()) {
        Ok(200..=299) => Sent::Taken,
        Ok(status @ (408 | 429)) => Sent::Later(format!("status {status}")),
        Ok(status @ 400..=499) => Sent::Refused(status),
        Ok(status) => Sent::Later(format!("status {status}")),
        Err(error) => Sent::Later(error.to_string()),
    }
}

fn gzip(batch: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(batch)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::tls::{self, AUTHORITY, Pems};
    use crate::tls::Trust;
    use flate2::read::GzDecoder;
    use rustls::{ServerConnection, StreamOwned};
    use std::io::{BufRead, BufReader, Read};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Mutex;
    use std::time::Instant;
    use ureq::unversioned::resolver::ResolvedSocketAddrs;
    use ureq::unversioned::transport::NextTimeout;

    /// A collector that answers with each of `statuses` in turn, then 200, inside TLS where it has a certificate; its
    /// URL, its address, and what it took.
    fn collector(statuses: &'static [u16], shows: Option<Pems>) -> (String, SocketAddr, Taken) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let url = match shows {
            None => format!("http://{address}/events"),
            Some(_) => format!("https://lab.example.com:{}/events", address.port()),
        };
        let taken = Taken::default();
        let bodies = taken.clone();
        std::thread::spawn(move || {
            let mut statuses = statuses.iter().copied();
            for stream in listener.incoming().flatten() {
                let _ = match shows {
                    None => answer(stream, &mut statuses, &bodies),
                    Some(pems) => {
                        let config = tls::server(pems, rustls::ALL_VERSIONS, &[]);
                        let server = ServerConnection::new(config).expect("a server");
                        answer(StreamOwned::new(server, stream), &mut statuses, &bodies)
                    }
                };
            }
        });
        (url, address, taken)
    }

    type Taken = Arc<Mutex<Vec<String>>>;

    /// Answers the requests of one connection.
    fn answer(
        stream: impl Read + Write,
        statuses: &mut impl Iterator<Item = u16>,
        bodies: &Taken,
    ) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut line, mut length, mut gzip) = (String::new(), 0, false);
            while stream.read_line(&mut line)? > 0 && line != "\r\n" {
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                gzip |= lower.trim() == "content-encoding: gzip";
                line.clear();
            }
            if line.is_empty() {
                return Ok(());
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let mut text = String::from_utf8_lossy(&body).into_owned();
            if gzip {
                text.clear();
                GzDecoder::new(&body[..]).read_to_string(&mut text)?;
            }
            let status = statuses.next().unwrap_or(200);
            if status == 200 {
                bodies.lock().expect("one thread").push(text);
            }
            write!(stream.get_mut(), "HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")?;
            stream.get_mut().flush()?;
        }
    }

    /// Names that all lead to one address.
    #[derive(Debug)]
    struct Fixed(SocketAddr);

    impl Resolver for Fixed {
        fn resolve(
            &self,
            _: &ureq::http::Uri,
            _: &ureq::config::Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut all = self.empty();
            all.push(self.0);
            Ok(all)
        }
    }

    fn trust() -> Arc<ClientConfig> {
        Trust::new(Some(AUTHORITY)).expect("a good bundle").strict()
    }

    fn settings(url: &str, gzip: bool, spool_bytes: u64) -> PushSettings {
        PushSettings { url: url.to_owned(), gzip, batch_lines: 3, batch_ms: 50, spool_bytes }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("byway-push-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn push(name: &str, url: &str, spool_bytes: u64) -> (EventPush, PathBuf) {
        let folder = folder(name);
        (
            EventPush::start(settings(url, false, spool_bytes), folder.clone(), trust()).expect("started"),
            folder,
        )
    }

    /// A collector behind https that shows `pems`, and a push to it.
    fn secure(pems: Pems, gzip: bool, folder: &Path) -> (EventPush, Taken) {
        let (url, address, taken) = collector(&[], Some(pems));
        let agent = agent(trust(), Fixed(address));
        let push = EventPush::start_with(settings(&url, gzip, 1 << 20), folder.to_owned(), agent);
        (push.expect("started"), taken)
    }

    #[test]
    fn over_https_batches_arrive_compressed_or_not() {
        for gzip in [false, true] {
            let folder = folder(&format!("tls-{gzip}"));
            let (mut push, taken) = secure(tls::EDGE, gzip, &folder);
            (0..6).for_each(|n| push.push(format!("{n}\n").as_bytes(), 0));
            wait("two batches", || push.counts().sent == 2);
            assert_eq!(*taken.lock().expect("whole"), ["0\n1\n2\n", "3\n4\n5\n"], "gzip {gzip}");
            drop(push);
            fs::remove_dir_all(folder).expect("removed");
        }
    }

    #[test]
    fn a_collector_with_a_wrong_certificate_gets_nothing_and_its_batches_wait_for_a_right_one() {
        for (name, pems) in [("self", tls::SELF), ("expired", tls::EXPIRED), ("other", tls::OTHER)] {
            let folder = folder(&format!("tls-{name}"));
            let (mut push, taken) = secure(pems, false, &folder);
            (0..3).for_each(|n| push.push(format!("{n}\n").as_bytes(), 0));
            wait("an attempt", || push.counts().failures > 0);
            let (url, address, _) = collector(&[], Some(pems));
            let to = To { agent: agent(trust(), Fixed(address)), url, gzip: false };
            let Sent::Later(why) = post(&to, &super::name(&folder, 0)) else { panic!("{name} is taken") };
            assert!(why.contains("certificate"), "{name}: {why}");
            assert_eq!((push.counts().sent, push.counts().lost, waiting(&folder).len()), (0, 0, 1), "{name}");
            assert!(taken.lock().expect("whole").is_empty());
            drop(push);
            let (push, taken) = secure(tls::EDGE, false, &folder);
            wait("the batch that waited", || push.counts().sent == 1);
            assert_eq!(*taken.lock().expect("whole"), ["0\n1\n2\n"], "{name}");
            drop(push);
            fs::remove_dir_all(folder).expect("removed");
        }
    }

    fn wait(what: &str, holds: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < until, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn batches_go_by_count_and_by_time_in_order() {
        let (url, _, taken) = collector(&[], None);
        let (mut push, folder) = push("order", &url, 1 << 20);
        for n in 0..7 {
            push.push(format!("{n}\n").as_bytes(), 1_000);
        }
        push.turn(1_049);
        wait("two full batches", || push.counts().sent == 2);
        push.turn(1_050);
        wait("the rest", || push.counts().sent == 3);
        assert_eq!(*taken.lock().expect("whole"), ["0\n1\n2\n", "3\n4\n5\n", "6\n"]);
        drop(push);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn failures_are_tried_again_and_a_refusal_for_good_is_counted() {
        let (url, _, taken) = collector(&[503, 429, 400], None);
        let (mut push, folder) = push("again", &url, 1 << 20);
        (0..6).for_each(|n| push.push(format!("{n}\n").as_bytes(), 0));
        wait("the second batch", || push.counts().sent == 1);
        assert_eq!(push.counts(), PushCounts { sent: 1, failures: 2, refused: 1, lost: 0 });
        assert_eq!(*taken.lock().expect("whole"), ["3\n4\n5\n"]);
        drop(push);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn without_a_collector_the_spool_stays_bounded_and_the_next_run_sends_it() {
        let (mut first, folder) = push("spool", "http://127.0.0.1:1/", 40);
        (0..300).for_each(|n| first.push(format!("{n:03}\n").as_bytes(), 0));
        let kept: u64 = waiting(&folder).iter().map(|(_, bytes)| bytes).sum();
        assert!(kept <= 40 && first.counts().lost == 97, "{kept} bytes, {:?}", first.counts());
        drop(first);
        let (url, _, taken) = collector(&[], None);
        let second = EventPush::start(settings(&url, false, 40), folder.clone(), trust()).expect("started");
        wait("what was left", || second.counts().sent == 3);
        assert_eq!(taken.lock().expect("whole").concat().lines().last(), Some("299"));
        drop(second);
        fs::remove_dir_all(folder).expect("removed");
    }
}
