//! TLS under bytes of the fuzzer's choice from both sides, in handshakes and after them: nothing panics, the laws hold
//! after each step, and what a peer's own TLS hears is always a beginning of what the other peer said.
//!
//! An input is the app's mode and a list of steps: honest talk of rustls on either end, data, records that were tampered
//! with, bytes of the fuzzer's own, ends of streams, pauses. rustls draws random numbers, so that an input takes the same
//! road each time, but not with the same bytes.
#![no_main]

use byway::base::Span;
use byway::session::tls::CryptoSettings;
use byway::table::TlsMode;
use byway::testkit::edge::LabApp;
use byway::testkit::line::{Line, Stack, spec};
use byway::testkit::tls::{self, EDGE};
use byway_fuzz::Input;
use libfuzzer_sys::fuzz_target;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::sync::Arc;

/// Steps of one input.
const STEPS_MAX: usize = 48;
/// Sessions of the fuzzed edge.
const SESSIONS: u32 = 8;
const ALPN: &[&[u8]] = &[b"h2"];
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

struct World {
    line: Line,
    sealed: bool,
    client: Stack,
    origin: Option<Stack>,
    server: Arc<ServerConfig>,
    /// Plaintext that client and origin said.
    said: [Vec<u8>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Client,
    Origin,
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut world = World::new(input.byte());
    for _ in 0..STEPS_MAX {
        if input.0.is_empty() {
            break;
        }
        world.step(&mut input);
        world.judge();
    }
});

impl World {
    /// The low bits choose the mode and the versions.
    fn new(kind: u8) -> Self {
        let mode = [TlsMode::Flexible, TlsMode::Full, TlsMode::Strict, TlsMode::Full][usize::from(kind & 3)];
        let versions = if kind & 4 == 0 { &BOTH[..1] } else { &BOTH[1..] };
        let table = spec(&[(LabApp::WEB, mode)]);
        let terms = CryptoSettings { jobs_max: 4, handshake_timeout: Span::from_secs(10) };
        let sessions = |settings: &mut byway::worker::Settings| settings.session.sessions_max = SESSIONS;
        let mut line = Line::new(&table, sessions, terms);
        let name = ServerName::try_from("lab.example.com").expect("a name");
        let client = ClientConnection::new(tls::client(versions, ALPN), name).expect("a client");
        let client = Stack::new(line.call(80), client);
        let server = tls::server(EDGE, versions, ALPN);
        Self {
            line,
            sealed: mode != TlsMode::Flexible,
            client,
            origin: None,
            server,
            said: Default::default(),
        }
    }

    /// One thing that somebody does.
    fn step(&mut self, input: &mut Input<'_>) {
        let [kind, size] = input.take();
        let who = if kind & 0x80 == 0 { Who::Client } else { Who::Origin };
        match kind & 7 {
            0 => self.talk(usize::from(size & 31) + 1),
            1 | 2 => self.speak(who, usize::from(size) * 97),
            3 => self.tamper(who, input),
            4 => self.shout(who, &(0..size & 127).map(|_| input.byte()).collect::<Vec<_>>()),
            5 => self.part(who, size),
            6 => self.line.crypto_works = size & 1 == 0,
            _ => self.line.after(Span::from_millis(u64::from(size) * u64::from(size) / 4)),
        }
        self.line.step();
    }

    /// Both ends talk honestly for some steps.
    fn talk(&mut self, steps: usize) {
        for _ in 0..steps {
            self.client.talk(&mut self.line);
            self.meet();
            if let Some(origin) = &mut self.origin {
                origin.talk(&mut self.line);
            }
            self.line.step();
        }
    }

    /// The origin's TLS comes with the first call.
    fn meet(&mut self) {
        if let (true, None, Some(place)) = (self.sealed, &self.origin, self.line.origin()) {
            let server = ServerConnection::new(self.server.clone()).expect("a server");
            self.origin = Some(Stack::new(place, server));
        }
    }

    /// Says data; an origin in clear says it as it is.
    fn speak(&mut self, who: Who, len: usize) {
        let data: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        let stack = match who {
            Who::Client => Some(&mut self.client),
            Who::Origin => self.origin.as_mut(),
        };
        match (stack, who, self.line.origin()) {
            (Some(stack), ..) => {
                let taken = stack.say(&data);
                self.said[who as usize].extend_from_slice(&data[..taken]);
            }
            (None, Who::Origin, Some(place)) if !self.sealed => {
                self.said[1].extend_from_slice(&data);
                self.line.say(place, &data);
            }
            (None, ..) => {}
        }
    }

    /// Sends what an end wants to say with a byte changed, a piece cut out, or twice.
    fn tamper(&mut self, who: Who, input: &mut Input<'_>) {
        let [how, at, value] = input.take();
        self.meet();
        let stack = match (who, &mut self.origin) {
            (Who::Client, _) => &mut self.client,
            (Who::Origin, Some(origin)) => origin,
            (Who::Origin, None) => return,
        };
        let mut bytes = stack.answer(&mut self.line);
        let place = usize::from(at) * bytes.len() / 256;
        match how & 3 {
            0 => bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
            1 => drop(bytes.drain(place..bytes.len().min(place + usize::from(value)))),
            2 => bytes.extend_from_within(place..),
            _ => bytes.insert(place, value),
        }
        self.line.say(stack.end, &bytes);
    }

    /// Bytes of the fuzzer's own.
    fn shout(&mut self, who: Who, bytes: &[u8]) {
        match (who, self.line.origin()) {
            (Who::Client, _) => self.line.say(self.client.end, bytes),
            (Who::Origin, Some(place)) => {
                if !self.sealed {
                    self.said[1].extend_from_slice(bytes);
                }
                self.line.say(place, bytes);
            }
            (Who::Origin, None) => {}
        }
    }

    /// Ends a stream in one of the ways that there are, or renews keys.
    fn part(&mut self, who: Who, how: u8) {
        let end = match who {
            Who::Client => Some(self.client.end),
            Who::Origin => self.line.origin(),
        };
        let stack = match (who, &mut self.origin) {
            (Who::Client, _) => Some(&mut self.client),
            (Who::Origin, origin) => origin.as_mut(),
        };
        match (how & 3, stack, end) {
            (0, Some(stack), _) => stack.tls.send_close_notify(),
            (1, _, Some(end)) => self.line.close(end),
            (2, _, Some(end)) => self.line.abort(end),
            (3, Some(stack), _) => drop(stack.tls.refresh_traffic_keys()),
            _ => {}
        }
    }

    /// Whoever hears anything hears it from the beginning and in order.
    fn judge(&self) {
        assert!(self.said[1].starts_with(&self.client.heard), "the client heard what nobody said");
        let heard = match (&self.origin, self.line.origin()) {
            (Some(origin), _) => &origin.heard,
            (None, Some(place)) if !self.sealed => &self.line.ends[place].heard,
            (None, _) => return,
        };
        assert!(self.said[0].starts_with(heard), "the origin heard what nobody said");
    }
}
