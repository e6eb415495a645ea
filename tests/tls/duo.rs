//! A client and an origin of rustls' own around a `Pair` and its `Flow`, in memory.

use byway::base::Addr;
use byway::flow::Side;
use byway::session::tls::{Failure, Flow, Legs, Pair};
use byway::tls::AppTls;
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// Bytes that a leg takes before it is full.
pub const LEG_BYTES: usize = 8 * 1024;

/// What the legs hold: received from, and to be sent to, each side.
#[derive(Default)]
pub struct Wires {
    pub came: [Vec<u8>; 2],
    pub goes: [Vec<u8>; 2],
    /// The most that ever waited to be sent to a side.
    pub most: [usize; 2],
}

impl Legs for Wires {
    fn take(&mut self, side: Side, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        let came = &mut self.came[side.index()];
        // Short runs, as rings that wrap give them.
        let run = came.len().min(1_000);
        let taken = if run == 0 { 0 } else { take(&came[..run]) };
        came.drain(..taken);
        taken
    }

    fn put(&mut self, side: Side, bytes: &[u8]) -> usize {
        let goes = &mut self.goes[side.index()];
        let put = bytes.len().min(LEG_BYTES - goes.len());
        goes.extend_from_slice(&bytes[..put]);
        self.most[side.index()] = self.most[side.index()].max(goes.len());
        put
    }
}

/// Where clients meet the edge.
pub const EDGE_ADDR: [u8; 4] = [198, 51, 100, 10];

/// Who answers behind the edge.
pub enum Far {
    Plain(Vec<u8>),
    Sealed(Box<ServerConnection>),
}

/// The whole line.
pub struct Duo {
    pub client: ClientConnection,
    pub far: Far,
    pub pair: Option<Pair>,
    pub flow: Option<Flow>,
    pub wires: Wires,
}

impl Duo {
    pub fn new(client: ClientConnection, app: &Arc<AppTls>, origin: Option<Arc<ServerConfig>>) -> Self {
        let far = match origin {
            Some(config) => Far::Sealed(Box::new(ServerConnection::new(config).expect("a server"))),
            None => Far::Plain(Vec::new()),
        };
        Self {
            client,
            far,
            pair: Some(Pair::new(app.clone(), Addr::v4(EDGE_ADDR))),
            flow: None,
            wires: Wires::default(),
        }
    }

    /// Makes the handshakes.
    pub fn shake(&mut self) -> Result<(), Failure> {
        for _ in 0..40 {
            self.talk();
            let Some(mut pair) = self.pair.take() else { return Ok(()) };
            for side in [Side::Client, Side::Origin] {
                if pair.wants(side) {
                    pair.inbox[side.index()].append(&mut self.wires.came[side.index()]);
                }
            }
            let result = pair.step(pair.has_hello());
            for (outbox, goes) in pair.outbox.iter_mut().zip(&mut self.wires.goes) {
                goes.append(outbox);
            }
            let done = pair.is_done();
            self.pair = Some(pair);
            result?;
            if done {
                self.talk();
                self.flow = self.pair.take().map(Pair::into_flow);
                return Ok(());
            }
        }
        panic!("the handshakes come to no end");
    }

    /// Client and origin read what was sent to them and write what they have to say.
    pub fn talk(&mut self) {
        let [to_client, to_origin] = &mut self.wires.goes;
        let [from_client, from_origin] = &mut self.wires.came;
        swallow(&mut self.client, to_client);
        while self.client.wants_write() {
            self.client.write_tls(from_client).expect("memory");
        }
        match &mut self.far {
            Far::Plain(heard) => heard.append(to_origin),
            Far::Sealed(origin) => {
                swallow(origin.as_mut(), to_origin);
                while origin.wants_write() {
                    origin.write_tls(from_origin).expect("memory");
                }
            }
        }
    }

    /// The flow carries both ways once.
    pub fn carry(&mut self) -> Result<(), Failure> {
        let flow = self.flow.as_mut().expect("established");
        for side in [Side::Client, Side::Origin] {
            flow.carry(side, &mut self.wires)?;
        }
        Ok(())
    }

    /// Says `up` from the client and `down` from the origin at once; what each side heard.
    pub fn exchange(&mut self, up: &[u8], down: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut at_origin, mut at_client) = (Vec::new(), Vec::new());
        let (mut up_at, mut down_at) = (0, 0);
        for _ in 0..100_000 {
            up_at += self.client.writer().write(&up[up_at..]).expect("memory");
            down_at += match &mut self.far {
                Far::Plain(_) => {
                    self.wires.came[1].extend_from_slice(&down[down_at..]);
                    down.len() - down_at
                }
                Far::Sealed(origin) => origin.writer().write(&down[down_at..]).expect("memory"),
            };
            self.talk();
            self.carry().expect("good TLS");
            self.talk();
            let _ = self.client.reader().read_to_end(&mut at_client);
            match &mut self.far {
                Far::Plain(heard) => at_origin.append(heard),
                Far::Sealed(origin) => {
                    let _ = origin.reader().read_to_end(&mut at_origin);
                }
            }
            if at_origin.len() >= up.len() && at_client.len() >= down.len() {
                break;
            }
        }
        (at_origin, at_client)
    }
}

fn swallow(connection: &mut impl Tls, bytes: &mut Vec<u8>) {
    while !bytes.is_empty() {
        let read = connection.read(&bytes[..]);
        if read == 0 {
            break;
        }
        bytes.drain(..read);
    }
}

/// What client and server connections have in common here.
pub trait Tls {
    fn read(&mut self, bytes: &[u8]) -> usize;
}

impl Tls for ClientConnection {
    fn read(&mut self, mut bytes: &[u8]) -> usize {
        let read = self.read_tls(&mut bytes).unwrap_or(0);
        let _ = self.process_new_packets();
        read
    }
}

impl Tls for ServerConnection {
    fn read(&mut self, mut bytes: &[u8]) -> usize {
        let read = self.read_tls(&mut bytes).unwrap_or(0);
        let _ = self.process_new_packets();
        read
    }
}
