//! Simulated clients and origins that talk by UDP, and the laws that they hold the edge to.
//!
//! A datagram arrives unchanged or not at all, at an origin of its app and at its own port, with the header that the
//! app asks for; a reply arrives at the client that it is for, without one. An unproven client hears at most so many
//! bytes as the app allows for those that it sent. What a blocked client sends after the block reaches nobody.

use super::chat::{Answer, BARE, Chat, Form, Mark, Service, simple_header, v2_header};
use super::packet::{Datagram, Fragments, Packet, read};
use crate::base::{Addr, Endpoint, Instant};
use crate::testkit::frames::eth;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What became of datagrams, by number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Sent by clients.
    pub sent: u64,
    /// Of these, those that reached an origin, each counted once.
    pub reached: u64,
    /// Replies sent by origins, with the header that they should have.
    pub replied: u64,
    /// Of these, those that reached their client, each counted once.
    pub heard: u64,
    /// Errors that clients got about datagrams which were too long.
    pub too_long: u64,
    /// Errors that origins and clients sent.
    pub refusals: u64,
    /// Empty datagrams that reached an origin, and empty replies that reached a client.
    pub empty: u64,
    /// Of the plain chats alone: sent, reached and heard, each datagram counted once.
    pub plain: [u64; 3],
}

/// One chat and how far it is.
struct Record {
    chat: Chat,
    service: usize,
    sent_at: Vec<Instant>,
    replied: bool,
    reached: HashSet<u16>,
    heard: HashSet<Mark>,
    /// Bytes of IP packets sent, and heard, by the client.
    sent_bytes: u64,
    heard_bytes: u64,
}

/// All clients and origins.
pub struct Datagrams {
    /// The hardware address that they share with the host beside them.
    pub mac: [u8; 6],
    gateway: [u8; 6],
    services: Vec<Service>,
    records: Vec<Record>,
    by_tuple: HashMap<(Endpoint, Endpoint), u32>,
    timers: BTreeSet<(Instant, u32)>,
    out: Vec<Vec<u8>>,
    fragments: Fragments,
    fault: Option<String>,
    /// Whether the link may repeat frames: the edge may have taken twice what a client sent once.
    pub link_repeats: bool,
    /// Clients that are blocked, and since when.
    pub blocked: HashMap<Addr, Instant>,
    /// What became of everything.
    pub tally: Tally,
}

impl Datagrams {
    /// Machines at `mac` that send everything to `gateway`.
    pub fn new(mac: [u8; 6], gateway: [u8; 6], services: Vec<Service>) -> Self {
        Self {
            mac,
            gateway,
            services,
            records: Vec::new(),
            by_tuple: HashMap::new(),
            timers: BTreeSet::new(),
            out: Vec::new(),
            fragments: Fragments::default(),
            fault: None,
            link_repeats: false,
            blocked: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Begins a chat now.
    ///
    /// # Panics
    /// When its edge port belongs to no service.
    pub fn begin(&mut self, chat: Chat, now: Instant) {
        let holds = |service: &Service| (service.port..service.port + service.ports).contains(&chat.far.port);
        let service = self.services.iter().position(holds).expect("a service");
        let id = self.records.len() as u32;
        self.records.push(Record {
            chat,
            service,
            sent_at: Vec::new(),
            replied: false,
            reached: HashSet::new(),
            heard: HashSet::new(),
            sent_bytes: 0,
            heard_bytes: 0,
        });
        self.by_tuple.insert((chat.near, chat.far), id);
        self.timers.insert((now, id));
    }

    /// Whether every client has said everything.
    pub fn is_quiet(&self) -> bool {
        self.timers.is_empty()
    }

    /// When the next client speaks.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The first law that was broken, told once.
    pub fn fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Lets the clients speak that are due.
    pub fn tick(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.timers.pop_first() else { return };
            self.speak(id, now);
        }
    }

    /// The frames that they send.
    pub fn sent(&mut self) -> std::vec::Drain<'_, Vec<u8>> {
        self.out.drain(..)
    }

    /// Takes a frame from the link.
    pub fn receive(&mut self, frame: &[u8]) {
        if frame.get(..6) != Some(&self.mac[..]) {
            return;
        }
        let result = match read(frame, &mut self.fragments) {
            Some(Packet::Udp(datagram)) => match self.by_tuple.get(&(datagram.dst, datagram.src)) {
                Some(id) => self.hear(*id, &datagram),
                None => self.serve(&datagram),
            },
            Some(Packet::Error(kind, sent)) => self.learn(kind, sent),
            None => Ok(()),
        };
        self.fault = self.fault.take().or(result.err());
    }

    fn speak(&mut self, id: u32, now: Instant) {
        let record = &mut self.records[id as usize];
        let Chat { near, far, count, gap, may_fragment, is_plain, .. } = record.chat;
        let seq = record.sent_at.len() as u16;
        let payload = Mark { id, seq, copy: 0, is_reply: false }.payload(record.chat.len_of(seq));
        let ip = eth().dst(self.gateway).src(self.mac).ip(near.addr, far.addr);
        let ip = if may_fragment { ip.fragment_field(0) } else { ip };
        let frame = ip.udp(near.port, far.port).payload(&payload).bytes();
        record.sent_bytes += frame.len() as u64 - 14;
        record.sent_at.push(now);
        self.tally.sent += 1;
        self.tally.plain[0] += u64::from(is_plain);
        self.out.push(frame);
        if seq + 1 < count {
            self.timers.insert((now + gap, id));
        }
    }

    /// A datagram at an origin.
    fn serve(&mut self, datagram: &Datagram) -> Result<(), String> {
        let Datagram { src, dst, payload, .. } = datagram;
        let holds = |service: &Service| {
            let ports = service.origin_port..service.origin_port + service.ports;
            service.origins.contains(&dst.addr) && ports.contains(&dst.port)
        };
        let service = self.services.iter().position(holds);
        let service = service.ok_or_else(|| format!("a datagram at {dst}, where no origin is"))?;
        let (form, at) = (self.services[service].form, payload_at(self.services[service].form, payload));
        let body = payload.get(at..).ok_or_else(|| format!("a datagram at {dst} without its header"))?;
        if body.is_empty() {
            self.tally.empty += 1;
            self.reply(*dst, *src, &payload[..if form == Form::Simple { at } else { 0 }]);
            return Ok(());
        }
        let mark = Mark::read(body).filter(|mark| !mark.is_reply);
        let mark = mark.ok_or_else(|| format!("a datagram at {dst} that nobody sent so"))?;
        self.check_served(mark, service, datagram, &payload[..at])?;
        let chat = self.records[mark.id as usize].chat;
        let header = if form == Form::Simple { simple_header(chat.near, chat.far) } else { Vec::new() };
        if self.records[mark.id as usize].reached.insert(mark.seq) {
            self.tally.reached += 1;
            self.tally.plain[1] += u64::from(chat.is_plain);
        }
        match chat.answer {
            Answer::Silence => {}
            Answer::Refusal => self.refuse(datagram),
            Answer::Replies(replies) => {
                self.records[mark.id as usize].replied = true;
                for copy in 0..replies {
                    let said = Mark { copy, is_reply: true, ..mark }.payload(chat.down);
                    self.tally.replied += 1;
                    self.reply(*dst, *src, &[&header[..], &said].concat());
                }
                if form == Form::Simple && mark.seq % 4 == 3 {
                    self.reply(*dst, *src, &Mark { copy: BARE, is_reply: true, ..mark }.payload(chat.down));
                }
            }
        }
        Ok(())
    }

    fn check_served(
        &self,
        mark: Mark,
        service: usize,
        datagram: &Datagram,
        header: &[u8],
    ) -> Result<(), String> {
        let Datagram { dst, .. } = datagram;
        let record = self.records.get(mark.id as usize).ok_or("a datagram of no client")?;
        let (chat, own) = (record.chat, &self.services[service]);
        let offset = chat.far.port.wrapping_sub(own.port);
        if record.service != service || dst.port != own.origin_port + offset {
            return Err(format!("a datagram for {} went to {dst}", chat.far));
        }
        let expected = match own.form {
            Form::Plain => Vec::new(),
            Form::Simple => simple_header(chat.near, chat.far),
            Form::V2First if header.is_empty() => Vec::new(),
            Form::V2First | Form::V2Every => v2_header(chat.near, chat.far),
        };
        if header != expected {
            return Err(format!("{dst} is told of another client than {}: {header:?}", chat.near));
        }
        let sent_at = record.sent_at.get(usize::from(mark.seq)).ok_or("a datagram from the future")?;
        let blocked = self.blocked.get(&chat.near.addr).filter(|_| own.ip_firewall);
        match blocked.is_some_and(|since| sent_at > since) {
            true => Err(format!("{} is blocked, and heard at {dst}", chat.near)),
            false => Ok(()),
        }
    }

    /// A reply at a client.
    fn hear(&mut self, id: u32, datagram: &Datagram) -> Result<(), String> {
        let record = &mut self.records[id as usize];
        let chat = record.chat;
        if datagram.payload.is_empty() {
            self.tally.empty += 1;
            return Ok(());
        }
        let mark = Mark::read(&datagram.payload).filter(|mark| mark.is_reply && mark.id == id);
        let mark = mark.ok_or_else(|| format!("a reply to {} that nobody sent so", chat.near))?;
        if mark.copy == BARE {
            return Err(format!("{} hears a reply that bore no header", chat.near));
        }
        let is_gone =
            chat.leaves && !record.heard.is_empty() && record.sent_at.len() == usize::from(chat.count);
        if record.heard.insert(mark) {
            self.tally.heard += 1;
            self.tally.plain[2] += u64::from(chat.is_plain);
            record.heard_bytes += datagram.packet.len() as u64;
        }
        let amplification = u64::from(self.services[record.service].amplification);
        let (times, proof_min) = if self.link_repeats { (2, 2) } else { (1, 3) };
        let may_be_proven = record.sent_at.len() >= proof_min && record.replied;
        let allowed = amplification * record.sent_bytes * times;
        if amplification > 0 && !may_be_proven && record.heard_bytes > allowed {
            return Err(format!("{} hears {} bytes, of {allowed}", chat.near, record.heard_bytes));
        }
        if is_gone {
            self.refuse(datagram);
        }
        Ok(())
    }

    /// An ICMP error at a client or an origin: it must be about a datagram of theirs.
    fn learn(&mut self, kind: u8, (from, to): (Endpoint, Endpoint)) -> Result<(), String> {
        let id = self.by_tuple.get(&(from, to));
        let id = id.ok_or_else(|| format!("an ICMP error about {from} > {to}, which nobody sent"))?;
        let record = &self.records[*id as usize];
        // Only a client that has proven itself is told, and of nothing but that.
        let is_too_long = kind == if from.addr.is_v4() { 3 } else { 2 };
        if !is_too_long || !record.replied {
            return Err(format!("{from} is told of an error of type {kind}"));
        }
        self.tally.too_long += 1;
        Ok(())
    }

    fn reply(&mut self, from: Endpoint, to: Endpoint, payload: &[u8]) {
        let ip = eth().dst(self.gateway).src(self.mac).ip(from.addr, to.addr);
        self.out.push(ip.udp(from.port, to.port).payload(payload).bytes());
    }

    /// Says that nobody is on that port: with the beginning of the datagram, as hosts do.
    fn refuse(&mut self, datagram: &Datagram) {
        let Datagram { src, dst, packet, .. } = datagram;
        let (kind, code) = if dst.addr.is_v4() { (3, 3) } else { (1, 4) };
        let quoted = &packet[..packet.len().min(512)];
        let ip = eth().dst(self.gateway).src(self.mac).ip(dst.addr, src.addr);
        self.tally.refusals += 1;
        self.out.push(ip.icmp(kind, code, [0; 4], quoted).bytes());
    }
}

/// Where the client's own payload begins.
fn payload_at(form: Form, payload: &[u8]) -> usize {
    let v2 = || match payload.get(13) {
        Some(0x12) => 28,
        _ => 52,
    };
    match form {
        Form::Plain => 0,
        Form::Simple => 38,
        Form::V2First if !payload.starts_with(b"\r\n\r\n\0\r\nQUIT\n") => 0,
        Form::V2First | Form::V2Every => v2(),
    }
}
