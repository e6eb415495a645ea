//! Sessions: TCP's, a client leg and an origin leg relayed by smoltcp with a guard in front; UDP's in a room of their own.

mod allowance;
mod answer;
mod balance;
mod calling;
mod closing;
mod end;
mod ending;
mod gate;
mod guard;
mod handshake;
mod icmp;
mod isn;
mod leg;
mod net;
mod outgoing;
mod packet;
mod pair;
mod probe;
mod receive;
mod service;
mod sessions;
mod settings;
mod stack;
mod sweep;
mod time_wait;
mod timers;
pub mod udp;
mod unmatched;
mod view;

pub use balance::{Balance, Choice, NoChoice, OriginNews, OriginPlace};
pub use isn::self_test;
pub use net::Net;
pub use sessions::Sessions;
pub use settings::{ComesHome, Congestion, Settings};
pub use view::{Admission, PathError, Phase, SessionView, Standing};
