//! A name server of a few lines: answers A questions for one name over UDP and TCP, as it is told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it says.
#[derive(Clone, Default)]
pub struct Says {
    /// The addresses; none: the name does not exist.
    pub addrs: Vec<Ipv4Addr>,
    /// Whether answers over UDP are cut short, so that the question comes again over TCP.
    pub cut: bool,
}

/// A running name server.
pub struct NameServer {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// On a free port of the loopback; the records' time to live is one second.
    pub fn open(says: Says) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = udp.local_addr().expect("an address");
        let tcp = TcpListener::bind(address).expect("the same port over TCP");
        udp.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        tcp.set_nonblocking(true).expect("set");
        let (says, over) = (Arc::new(Mutex::new(says)), Arc::new(AtomicBool::new(false)));
        let told = (says.clone(), over.clone());
        let over_udp = std::thread::spawn(move || {
            let mut question = [0; 512];
            while !told.1.load(Ordering::Relaxed) {
                let Ok((length, from)) = udp.recv_from(&mut question) else { continue };
                let says = told.0.lock().expect("unpoisoned").clone();
                let _ = udp.send_to(&answer(&question[..length], &says, says.cut), from);
            }
        });
        let told = (says.clone(), over.clone());
        let over_tcp = std::thread::spawn(move || {
            while !told.1.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = tcp.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let (mut length, mut question) = ([0; 2], [0; 512]);
                // A resolver that stays on its connection may ask for ever.
                while !told.1.load(Ordering::Relaxed) && stream.read_exact(&mut length).is_ok() {
                    let length = usize::from(u16::from_be_bytes(length)).min(512);
                    if stream.read_exact(&mut question[..length]).is_err() {
                        break;
                    }
                    let says = told.0.lock().expect("unpoisoned").clone();
                    let answer = answer(&question[..length], &says, false);
                    let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                    let _ = stream.write_all(&framed);
                }
            }
        });
        Self { address, says, over, threads: vec![over_udp, over_tcp] }
    }

    /// What it says from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().expect("unpoisoned") = says;
    }

    /// Goes away.
    pub fn close(self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}

/// RFC 1035 4.1: the question with its answers behind it.
fn answer(question: &[u8], says: &Says, cut: bool) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).expect("a name") + 5;
    let is_a = question[end - 4..end - 2] == [0, 1];
    let addrs = if is_a && !cut { says.addrs.as_slice() } else { &[] };
    let code = if says.addrs.is_empty() { 3 } else { 0 };
    let mut reply = question[..2].to_vec();
    reply.extend([0x84 | u8::from(cut) << 1 | question[2] & 1, 0x80 | code]);
    reply.extend([0, 1, 0, addrs.len() as u8, 0, 0, 0, 0]);
    reply.extend(&question[12..end]);
    for addr in addrs {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        reply.extend(addr.octets());
    }
    reply
}
