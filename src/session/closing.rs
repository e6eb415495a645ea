//! How a leg closes: FINs in and out, and the states between them (RFC 9293 3.6).
//!
//! ```text
//!  Established --peer's FIN--> CloseWait --ours--> LastAck --acknowledged--> Closed
//!       `--our FIN--> FinWait1 --acknowledged--> FinWait2 --peer's FIN--> TimeWait
//!                        `--peer's FIN--> Closing --acknowledged--> TimeWait
//! ```
//! smoltcp takes part only where the peer's FIN comes with bytes that it is shown; a FIN alone is counted like a byte that
//! it never saw.

use super::leg::{Leg, flag};
use smoltcp::socket::tcp::State;

impl Leg {
    /// Takes the peer's FIN, which comes alone and in order, past smoltcp.
    pub const fn take_fin(&mut self) {
        self.peer_closed();
        self.set(flag::ACK_NOW);
        self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
        self.rcv_right = self.rcv_right.wrapping_add(1);
        self.skipped = self.skipped.wrapping_add(1);
    }

    /// The peer has said that it sends no more.
    pub const fn peer_closed(&mut self) {
        self.enter(match self.state {
            State::Established => State::CloseWait,
            State::FinWait1 => State::Closing,
            State::FinWait2 => State::TimeWait,
            state @ (State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait) => state,
        });
    }

    /// No more bytes come from the other leg: our FIN follows the last of them.
    pub const fn close(&mut self) {
        self.set(flag::FIN_OUT);
        self.enter(match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            state @ (State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait) => state,
        });
    }

    /// Our FIN is acknowledged.
    pub const fn fin_acknowledged(&mut self) {
        self.enter(match self.state {
            State::FinWait1 => State::FinWait2,
            State::Closing => State::TimeWait,
            State::LastAck => State::Closed,
            state @ (State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait) => state,
        });
    }
}
