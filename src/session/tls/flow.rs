//! Established TLS: records of one leg become plaintext and records, or plain bytes, of the other. Free of I/O: what
//! legs have received and may send lies behind `Legs`.
//!
//! Bytes are taken in only when nothing decrypted or encrypted waits for the other leg, so a flow never holds more than
//! one record of each form a direction (16 KiB each, RFC 8446 5.1), and a full leg closes the other one's window.
//!
//! ```text
//!  leg -ciphertext-> rustls -plaintext-> rustls -ciphertext-> leg        client <-> origin, `full` and `strict`
//!  leg -ciphertext-> rustls -plaintext-----------------------> leg        client  -> origin, `flexible`
//!  leg -plaintext-----------------------> rustls -ciphertext-> leg        origin  -> client, `flexible`
//! ```
//! How a stream ends: close_notify becomes close_notify (where the other leg is TLS) and FIN. FIN without close_notify
//! is passed on as it is, FIN without close_notify, so that a TLS peer can tell a stream that was cut.
//!
//! Cost: `byway bench session --tls` has a record's instructions in the whole turn, and those outside the cipher. rustls
//! allocates here, about twice a record; nothing else does.

use super::failure::Failure;
use crate::flow::Side;
use rustls::Connection;
use std::io::{self, BufRead, IoSlice, Write};

/// Plaintext that rustls may hold for one leg: a record.
const PLAIN_BYTES_MAX: usize = 16_384;

/// The two legs as a flow reaches them.
pub trait Legs {
    /// Shows the next run of bytes received from `side` to `take`, which says how many it took; those are gone then.
    /// Returns how many; zero when there are none.
    fn take(&mut self, side: Side, take: &mut dyn FnMut(&[u8]) -> usize) -> usize;

    /// Takes as many of `bytes` towards `side` as there is room for; returns how many.
    fn put(&mut self, side: Side, bytes: &[u8]) -> usize;
}

/// One end of a flow.
pub enum End {
    /// In clear.
    Plain,
    /// By TLS.
    Sealed(Box<Connection>),
}

/// Two ends, established.
pub struct Flow {
    ends: [End; 2],
    /// Bytes that were received during the handshake and belong to established records.
    backlog: [Vec<u8>; 2],
    /// Whether the stream of each side is over by close_notify.
    ended: [bool; 2],
    /// Whether close_notify was written to each side.
    told: [bool; 2],
}

/// What one `carry` did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Bytes taken from the leg.
    pub taken: usize,
    /// Bytes put to the other leg.
    pub put: usize,
    /// Bytes put back to the same leg: answers of TLS itself.
    pub answered: usize,
}

/// How the stream of one side stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shut {
    /// More may come.
    Open,
    /// It ended properly, and all of it was put to the other side.
    Ended,
    /// Something of it still waits for room.
    Waiting,
}

impl Flow {
    /// From the ends and what was received beyond their handshakes.
    pub fn new(client: End, origin: End, backlog: [Vec<u8>; 2]) -> Self {
        let mut flow = Self { ends: [client, origin], backlog, ended: [false; 2], told: [false; 2] };
        for end in &mut flow.ends {
            if let End::Sealed(connection) = end {
                connection.set_buffer_limit(Some(PLAIN_BYTES_MAX));
            }
        }
        flow
    }

    /// Carries what has come from `from` to the other side, as far as there is room.
    ///
    /// # Errors
    /// What `from` sent is no TLS. An alert was put back to it; the flow is of no more use.
    pub fn carry(&mut self, from: Side, legs: &mut dyn Legs) -> Result<Moved, Failure> {
        let mut moved = Moved::default();
        let Self { ends, backlog, ended, .. } = self;
        let [client, origin] = ends;
        let (near, far) = match from {
            Side::Client => (client, origin),
            Side::Origin => (origin, client),
        };
        let to = from.other();
        let (backlog, ended) = (&mut backlog[from.index()], &mut ended[from.index()]);
        loop {
            moved.put += drain(far, to, legs);
            if holds_back(far) {
                break;
            }
            let step = match near {
                End::Plain => pass_plain(far, from, backlog, legs),
                End::Sealed(near) => {
                    let step = open_record(near, far, from, ended, backlog, legs);
                    moved.answered += write_out(near, from, legs);
                    step.map_err(|error| Failure::of(&error, from))?
                }
            };
            moved.taken += step.taken;
            moved.put += step.put;
            if !step.moved {
                break;
            }
        }
        Ok(moved)
    }

    /// How the stream from `from` stands.
    pub fn shut(&mut self, from: Side) -> Shut {
        let far_waits = holds_back(&self.ends[from.other().index()]);
        let near_waits =
            !self.backlog[from.index()].is_empty() || holds_plaintext(&mut self.ends[from.index()]);
        match (far_waits || near_waits, self.ended[from.index()]) {
            (true, _) => Shut::Waiting,
            (false, true) => Shut::Ended,
            (false, false) => Shut::Open,
        }
    }

    /// Whether the side speaks TLS.
    pub const fn is_sealed(&self, side: Side) -> bool {
        matches!(self.ends[side.index()], End::Sealed(_))
    }

    /// Tells the side `to` that its stream is over: writes close_notify where it speaks TLS; returns the bytes put, and
    /// whether all of it found room.
    pub fn tell_end(&mut self, to: Side, legs: &mut dyn Legs) -> (usize, bool) {
        let end = &mut self.ends[to.index()];
        if let End::Sealed(connection) = end
            && !std::mem::replace(&mut self.told[to.index()], true)
        {
            connection.send_close_notify();
        }
        let put = drain(end, to, legs);
        (put, !holds_back(end))
    }
}

/// What one step did.
struct Step {
    taken: usize,
    put: usize,
    /// Whether anything at all moved.
    moved: bool,
}

/// Plain bytes go on into the other end's records. (Two plain ends are no flow.)
fn pass_plain(far: &mut End, from: Side, backlog: &mut Vec<u8>, legs: &mut dyn Legs) -> Step {
    let End::Sealed(far) = far else { return Step { taken: 0, put: 0, moved: false } };
    let (eaten, taken) = take(backlog, from, legs, &mut |bytes| far.writer().write(bytes).unwrap_or(0));
    Step { taken, put: write_out(far, from.other(), legs), moved: eaten != 0 }
}

/// Decrypted bytes go on first; only when there are none is the next run of records taken in.
fn open_record(
    near: &mut Connection,
    far: &mut End,
    from: Side,
    ended: &mut bool,
    backlog: &mut Vec<u8>,
    legs: &mut dyn Legs,
) -> Result<Step, rustls::Error> {
    let mut reader = near.reader();
    let plain = match reader.fill_buf() {
        Ok([]) => {
            *ended = true;
            &[][..]
        }
        Ok(plain) => plain,
        Err(_) => &[],
    };
    if *ended {
        // Whatever follows close_notify means nothing (RFC 8446 6.1).
        let (eaten, taken) = take(backlog, from, legs, &mut |bytes| bytes.len());
        return Ok(Step { taken, put: 0, moved: eaten != 0 });
    }
    if !plain.is_empty() {
        let (given, put) = give(far, from.other(), plain, legs);
        reader.consume(given);
        return Ok(Step { taken: 0, put, moved: given != 0 });
    }
    let mut read = |mut bytes: &[u8]| near.read_tls(&mut bytes).unwrap_or(0);
    let (eaten, taken) = take(backlog, from, legs, &mut read);
    if eaten != 0 {
        near.process_new_packets()?;
    }
    Ok(Step { taken, put: 0, moved: eaten != 0 })
}

/// Takes from the backlog, whose bytes were counted when they came in, else from the leg. How many, and how many of
/// them from the leg.
fn take(
    backlog: &mut Vec<u8>,
    from: Side,
    legs: &mut dyn Legs,
    eat: &mut dyn FnMut(&[u8]) -> usize,
) -> (usize, usize) {
    if backlog.is_empty() {
        let taken = legs.take(from, eat);
        return (taken, taken);
    }
    let eaten = eat(backlog);
    backlog.drain(..eaten);
    if backlog.is_empty() {
        *backlog = Vec::new();
    }
    (eaten, 0)
}

/// Gives plaintext to an end: how much it took, and how many bytes went to its leg.
fn give(far: &mut End, to: Side, plain: &[u8], legs: &mut dyn Legs) -> (usize, usize) {
    match far {
        End::Plain => {
            let put = legs.put(to, plain);
            (put, put)
        }
        End::Sealed(far) => {
            let taken = far.writer().write(plain).unwrap_or(0);
            (taken, write_out(far, to, legs))
        }
    }
}

fn drain(end: &mut End, side: Side, legs: &mut dyn Legs) -> usize {
    match end {
        End::Plain => 0,
        End::Sealed(connection) => write_out(connection, side, legs),
    }
}

/// Whether records of this end still wait for room.
fn holds_back(end: &End) -> bool {
    match end {
        End::Plain => false,
        End::Sealed(connection) => connection.wants_write(),
    }
}

/// Whether this end holds decrypted bytes that nobody took.
fn holds_plaintext(end: &mut End) -> bool {
    match end {
        End::Plain => false,
        End::Sealed(connection) => connection.reader().fill_buf().is_ok_and(|plain| !plain.is_empty()),
    }
}

/// Moves records that are ready to the leg; returns the bytes.
fn write_out(connection: &mut Connection, side: Side, legs: &mut dyn Legs) -> usize {
    let mut put = 0;
    while connection.wants_write() {
        match connection.write_tls(&mut Writing(legs, side)) {
            Ok(0) | Err(_) => break,
            Ok(written) => put += written,
        }
    }
    put
}

/// A leg as rustls writes to it.
struct Writing<'a>(&'a mut dyn Legs, Side);

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.put(self.1, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        for slice in slices {
            let put = self.0.put(self.1, slice);
            written += put;
            if put < slice.len() {
                break;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
