//! What clients do in a run: connections over TCP and TLS, chats over UDP, floods; and what strangers send.

use super::Sim;
use crate::scene::false_claim;
use byway::base::{Addr, Endpoint, Instant, Rng, Span};
use byway::testkit::apps::{
    FLEETING, FLEXIBLE, FLOODED, FULL, RANGE, RANGE_PORTS, RULED, SEVERAL, STRICT, UNSTEADY_ORIGIN,
};
use byway::testkit::edge::{EDGE_IPS, EDGE_MAC, addr};
use byway::testkit::net::{Absence, Answer, Chat, Ending, Seal, Talk};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

/// Client addresses of a family.
const CLIENTS: u64 = 200;
/// Of the datagrams of the first moment some die waiting for a next hop with too many others.
const AT_FIRST: Instant = Instant::from_nanos(100_000_000);
/// Clients of one flood, each with one datagram.
const FLOOD: u32 = 450;

/// The client address of this number, of either family.
pub fn client(number: u64, v6: bool) -> Addr {
    let base = if v6 { addr("2001:2:1::") } else { addr("10.0.0.0") };
    Addr::from_bits(base.bits() | u128::from(number % CLIENTS + 1))
}

impl Sim {
    /// Starts the next connection, and now and then what else there is.
    pub fn start(&mut self) {
        let id = self.started;
        self.started += 1;
        let v6 = self.rng.below(2) == 1;
        let near = Endpoint { addr: client(u64::from(id), v6), port: 2_000 + id as u16 };
        let port = self.choose_port(near.addr);
        let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port };
        let large = self.rng.below(50) == 0;
        let bytes = |rng: &mut Rng| rng.below(if large { 60_000 } else { 3_000 }) as u32;
        let (up, down) = (bytes(&mut self.rng), bytes(&mut self.rng));
        let ending = Ending::ALL[self.rng.below(4) as usize];
        let (talk, now) = (Talk { id, up, down, ending }, self.world.now);
        self.places.push((near.addr, port));
        match self.seal(port) {
            Some(seal) => self.world.hosts[0].1.connect_sealed((near, far), talk, seal, now),
            None => self.world.hosts[0].1.connect(near, far, talk, now),
        }
        if id % 4 == 1 {
            self.begin_chat(id);
        }
        if id % 400 == 399 {
            self.flood(id);
        }
        self.change_tables(id);
        if id % 70 == 69 {
            self.move_origin();
        }
    }

    /// Blocked clients stay away from the app that they are blocked from: what is held against rules are live sessions.
    fn choose_port(&mut self, near: Addr) -> u16 {
        match self.rng.below(50) {
            0 => [FLEXIBLE, FULL, STRICT][self.rng.below(3) as usize],
            1..=5 if !self.blocked.contains(&near) => RULED,
            6..=10 => SEVERAL,
            11..=15 => RANGE + self.rng.below(u64::from(RANGE_PORTS)) as u16,
            _ => 80 + self.rng.below(2) as u16,
        }
    }

    fn seal(&mut self, port: u16) -> Option<Seal> {
        if !matches!(port, FLEXIBLE | FULL | STRICT) {
            return None;
        }
        let config = self.tls_clients[self.rng.below(2) as usize].clone();
        let name = ServerName::try_from("lab.example.com").expect("a name");
        Some(Seal::client(ClientConnection::new(config, name).expect("a client")))
    }

    fn begin_chat(&mut self, id: u32) {
        const PORTS: [u16; 8] = [53, 54, 55, 56, 57, 59, 200, 250];
        let v6 = self.rng.below(2) == 1;
        let near = Endpoint { addr: client(self.rng.below(CLIENTS), v6), port: 20_000 + id as u16 };
        let port = PORTS[self.rng.below(8) as usize];
        let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port };
        let up = 12 + self.rng.below(600) as u16;
        let plain = Chat {
            near,
            far,
            count: 1 + self.rng.below(7) as u16,
            up,
            down: 12 + self.rng.below(u64::from(up)) as u16,
            gap: Span::from_millis(1 + self.rng.below(200)),
            may_fragment: false,
            answer: Answer::Replies(1),
            leaves: false,
            grows: false,
            is_plain: !matches!(port, 54 | FLEETING) && self.world.now > AT_FIRST,
        };
        let odd = Chat { is_plain: false, ..plain };
        let chat = match self.rng.below(12) {
            0 => Chat { count: 1, up: 40, down: 100, ..odd },
            1 => Chat { answer: Answer::Silence, ..odd },
            2 => Chat { answer: Answer::Refusal, ..odd },
            3 => Chat { count: 1, up: 60, down: 1_200, answer: Answer::Replies(20), ..odd },
            4 | 5 => {
                let may_fragment = self.rng.below(2) == 1;
                Chat { up: if v6 { 1_452 } else { 1_472 }, down: 1_400, may_fragment, count: 6, ..odd }
            }
            6 => Chat { up: 0, ..odd },
            7 => Chat { answer: Answer::Replies(3), leaves: true, ..odd },
            8 => Chat { up: 1_460, grows: true, count: 8, ..odd },
            9 => Chat { gap: Span::from_millis([6_500, 61_500][self.rng.below(2) as usize]), ..odd },
            _ => plain,
        };
        self.chat(chat, Span::ZERO);
    }

    fn chat(&mut self, chat: Chat, after: Span) {
        let at = self.world.now + after;
        self.world.datagrams.as_mut().expect("there").begin(chat, at);
    }

    /// One datagram from each of many clients, who never say more and never hear anything; no more at once than a port's
    /// ring holds beside what else there is.
    fn flood(&mut self, id: u32) {
        for number in 0..FLOOD {
            let near = Endpoint {
                addr: Addr::from_bits(addr("10.77.0.0").bits() | u128::from((id / 400) << 10 | number)),
                port: 30_000 + self.rng.below(30_000) as u16,
            };
            let far = Endpoint { addr: addr(EDGE_IPS[0]), port: FLOODED };
            let (answer, gap) = (Answer::Silence, Span::ZERO);
            let (count, up, down) = (1, 12, 12);
            let (may_fragment, leaves, grows, is_plain) = (false, false, false, false);
            let chat =
                Chat { near, far, count, up, down, gap, may_fragment, answer, leaves, grows, is_plain };
            self.chat(chat, Span::from_micros(u64::from(number / 50) * 500));
        }
    }

    /// The unsteady origin goes, and comes back.
    fn move_origin(&mut self) {
        let absence = if self.seed.is_multiple_of(2) { Absence::Refuses } else { Absence::Silent };
        let host = &mut self.world.hosts[0].1;
        host.absent = host.absent.is_none().then(|| (addr(UNSTEADY_ORIGIN), absence));
    }

    /// What strangers send: noise, and every now and then a claim of the gateway's address.
    pub fn disturb(&mut self) {
        if self.rng.below(20) == 0 {
            let len = 14 + self.rng.below(120) as usize;
            let mut frame: Vec<u8> = (0..len).map(|_| self.rng.next_u32() as u8).collect();
            frame[..6].copy_from_slice(&EDGE_MAC);
            let kinds = [[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06], [0x81, 0x00]];
            frame[12..14].copy_from_slice(&kinds[self.rng.below(4) as usize]);
            self.world.wires[0].send(&frame);
        }
        if self.rng.below(2_000) == 0 {
            self.world.wires[0].send(&false_claim());
        }
    }
}
