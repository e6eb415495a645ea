//! The kernel's own clients and origin: 64 bytes there, 64 back, closed; the set-up times that clients saw.

use crate::base::{Clock, OsClock, Span};
use hdrhistogram::Histogram;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Bytes of a request and of a response.
const BYTES: usize = 64;
/// How long a client has patience.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of clients.
pub struct Talks {
    /// Set-up times in microseconds: from `connect` until it is through.
    setups: Histogram<u64>,
    /// Those whose connection failed or was not answered.
    pub failed: u64,
}

impl Talks {
    /// A percentile of the set-up times, in microseconds.
    pub fn setup_us(&self, quantile: f64) -> f64 {
        self.setups.value_at_quantile(quantile) as f64
    }

    /// Clients that were answered.
    pub fn done(&self) -> u64 {
        self.setups.len()
    }
}

/// Answers on `at` until the process ends; the calling thread's namespace counts.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(at: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away is its own business.
            std::thread::spawn(move || answer(stream).ok());
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut room = [0; BYTES];
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_exact(&mut room)?;
    stream.write_all(&room)?;
    stream.read(&mut room).map(drop)
}

/// So many clients a second for so many seconds, each on its own thread; the calling thread's namespace counts.
pub fn visit(edge: SocketAddr, a_second: u64, seconds: u64) -> Talks {
    let clock = OsClock::new();
    let began = clock.now();
    let (tell, told) = channel();
    let pause = Span::from_nanos(1_000_000_000 / a_second);
    for nth in 0..a_second * seconds {
        let due = began + Span::from_nanos(pause.nanos() * nth);
        std::thread::sleep(Duration::from_nanos(due.since(clock.now()).nanos()));
        let tell = tell.clone();
        std::thread::spawn(move || tell.send(ask(edge, &clock)));
    }
    drop(tell);
    let setups = Histogram::new_with_bounds(1, 60_000_000, 3);
    let mut talks = Talks { setups: setups.expect("fixed bounds that the crate accepts"), failed: 0 };
    for outcome in told {
        match outcome {
            Ok(took) => talks.setups.saturating_record(took.micros().max(1)),
            Err(_) => talks.failed += 1,
        }
    }
    talks
}

fn ask(edge: SocketAddr, clock: &OsClock) -> io::Result<Span> {
    let began = clock.now();
    let mut stream = TcpStream::connect_timeout(&edge, PATIENCE)?;
    let took = clock.now().since(began);
    let mut room = [b'?'; BYTES];
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&room)?;
    stream.read_exact(&mut room)?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_answered_and_those_that_nobody_answers_have_failed() {
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        serve(free).expect("a free port");
        let talks = visit(free, 100, 1);
        assert_eq!((talks.done(), talks.failed), (100, 0));
        assert!(talks.setup_us(0.99) >= talks.setup_us(0.5));
        let nobody =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        assert_eq!(visit(nobody, 10, 1).failed, 10);
    }
}
