//! TLS between a peer's talk and its socket: rustls without I/O, as clients and origins of the simulation have it.

use rustls::{ClientConnection, Connection, ServerConnection};
use std::io::{Read, Write};

/// Length of a record's header, and the kind of records that hold application data.
const RECORD_HEADER_LEN: usize = 5;
const APPLICATION_DATA: u8 = 23;

/// One end of a TLS connection.
pub struct Seal {
    tls: Connection,
    closed: bool,
    said_goodbye: bool,
    /// Records of application data by direction: heard, said.
    records: [Records; 2],
}

impl Seal {
    /// A client's end.
    pub fn client(tls: ClientConnection) -> Self {
        Self::new(tls.into())
    }

    /// An origin's end.
    pub fn origin(tls: ServerConnection) -> Self {
        Self::new(tls.into())
    }

    fn new(tls: Connection) -> Self {
        Self { tls, closed: false, said_goodbye: false, records: Default::default() }
    }

    /// Whether the other end said that nothing more comes (close_notify).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Records of application data heard and said, those of the handshake among them where TLS 1.3 hides them.
    pub fn records(&self) -> u64 {
        self.records.iter().map(|records| records.count).sum()
    }

    /// Takes bytes from the socket; the plain text is added to `plain`. `false` when TLS is broken.
    pub fn hear(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> bool {
        self.records[0].see(bytes);
        while !bytes.is_empty() && !self.closed {
            if !matches!(self.tls.read_tls(&mut bytes), Ok(1..)) {
                return false;
            }
            let Ok(state) = self.tls.process_new_packets() else { return false };
            self.closed = state.peer_has_closed();
            let at = plain.len();
            plain.resize(at + state.plaintext_bytes_to_read(), 0);
            if self.tls.reader().read_exact(&mut plain[at..]).is_err() {
                return false;
            }
        }
        true
    }

    /// Takes plain text to be said; how much of it.
    pub fn say(&mut self, plain: &[u8]) -> usize {
        self.tls.writer().write(plain).unwrap_or(0)
    }

    /// Says once that nothing more comes; `false` as long as the handshake is under way, and what is said waits for it.
    pub fn say_goodbye(&mut self) -> bool {
        if !self.tls.is_handshaking() && !std::mem::replace(&mut self.said_goodbye, true) {
            self.tls.send_close_notify();
        }
        self.said_goodbye
    }

    /// Whether there are bytes for the socket.
    pub fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Writes bytes for the socket into `room`; how many.
    pub fn write(&mut self, room: &mut [u8]) -> usize {
        let len = self.tls.write_tls(&mut &mut room[..]).unwrap_or(0);
        self.records[1].see(&room[..len]);
        len
    }
}

/// Counts records of application data in a stream of bytes.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    /// Bytes of the record at hand that are still to come.
    rest: usize,
    count: u64,
}

impl Records {
    fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skip = self.rest.min(bytes.len());
            self.rest -= skip;
            bytes = &bytes[skip..];
            let wanted = RECORD_HEADER_LEN - self.header.len();
            let (head, tail) = bytes.split_at(wanted.min(bytes.len()));
            self.header.extend_from_slice(head);
            bytes = tail;
            if let [kind, _, _, high, low] = self.header[..] {
                self.count += u64::from(kind == APPLICATION_DATA);
                self.rest = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
            }
        }
    }
}
