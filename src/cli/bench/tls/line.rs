//! One client, the edge, one origin: the two hosts' TCP and TLS.

use super::super::peer;
use super::host::Host;
use crate::flow::Side;
use rustls::Connection;
use std::io::{ErrorKind, Read, Write};

/// The two hosts.
pub struct Line {
    /// Client and origin; the latter is not there before the edge calls it.
    hosts: [Option<Host>; 2],
    /// Their TLS; `None` speaks in clear.
    tls: [Option<Connection>; 2],
    /// Plaintext bytes that they have heard.
    heard: [u64; 2],
}

impl Line {
    /// A client, its TLS, and what the origin's will be.
    pub const fn new(client: Host, tls: [Option<Connection>; 2]) -> Self {
        Self { hosts: [Some(client), None], tls, heard: [0; 2] }
    }

    /// The host on this side.
    pub const fn host(&mut self, side: Side) -> Option<&mut Host> {
        self.hosts[side.index()].as_mut()
    }

    /// The edge calls the origin from `egress`.
    pub fn call(&mut self, egress: (u32, u16), first: u32) {
        self.hosts[Side::Origin.index()] = Some(Host::new((peer::ORIGIN, peer::ORIGIN_PORT), egress, first));
    }

    /// Payload of what the host on this side has to send next.
    pub fn due(&self, side: Side) -> Option<usize> {
        self.hosts[side.index()].as_ref()?.due()
    }

    /// Whether both handshakes are done.
    pub fn is_up(&self) -> bool {
        let shaking = |tls: &Connection| tls.is_handshaking();
        self.hosts.iter().all(Option::is_some) && !self.tls.iter().flatten().any(shaking)
    }

    /// Both hosts read what came and write what TLS has to say of it.
    pub fn talk(&mut self) {
        for ((host, tls), heard) in self.hosts.iter_mut().zip(&mut self.tls).zip(&mut self.heard) {
            let Some(host) = host else { continue };
            match tls {
                Some(tls) => *heard += read_records(host, tls),
                None => *heard += host.came.drain(..).len() as u64,
            }
        }
    }

    /// The host on `from` says this.
    pub fn say(&mut self, from: Side, bytes: &[u8]) {
        let Some(host) = &mut self.hosts[from.index()] else { return };
        match &mut self.tls[from.index()] {
            Some(tls) => {
                tls.writer().write_all(bytes).expect("a record fits");
                write_records(host, tls);
            }
            None => host.out().extend_from_slice(bytes),
        }
    }

    /// How many bytes the host on this side has heard since it was last asked.
    pub fn hear(&mut self, side: Side) -> u64 {
        self.talk();
        std::mem::take(&mut self.heard[side.index()])
    }

    /// Gives up the hosts' TLS and their memory.
    pub fn forget(&mut self) {
        self.tls = [None, None];
        self.hosts.iter_mut().flatten().for_each(Host::shrink);
    }
}

/// How many plaintext bytes came.
fn read_records(host: &mut Host, tls: &mut Connection) -> u64 {
    let mut heard = 0;
    let mut came = std::mem::take(&mut host.came);
    let mut left = &came[..];
    while !left.is_empty() {
        tls.read_tls(&mut left).expect("memory is read without errors");
        tls.process_new_packets().expect("the edge speaks TLS");
        heard += read_plaintext(tls);
    }
    came.clear();
    host.came = came;
    write_records(host, tls);
    heard
}

fn read_plaintext(tls: &mut Connection) -> u64 {
    let (mut heard, mut room) = (0, [0; 4_096]);
    loop {
        match tls.reader().read(&mut room) {
            Ok(0) => return heard,
            Ok(read) => heard += read as u64,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "the edge speaks TLS");
                return heard;
            }
        }
    }
}

fn write_records(host: &mut Host, tls: &mut Connection) {
    while tls.wants_write() {
        tls.write_tls(host.out()).expect("memory is written without errors");
    }
}
