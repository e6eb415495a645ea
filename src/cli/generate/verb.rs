//! `byway gen`: from its arguments to a run on a port. Nothing has a default that would send anywhere by itself: the port,
//! the addresses and the next hop are named, and destinations that are no laboratory's need a word more.

use super::conn::Talk;
use super::fleet::{Fleet, FleetPlan};
use super::flood::{Flood, FloodPlan, Kind};
use super::link::{Link, NextHop};
use super::pace::{Bounds, Pace};
use super::pool::{Order, Pool};
use super::report::{self, Traffic};
use crate::base::{Clock, Instant, OsClock, Span};
use crate::cli::command::{fail, tell, tell_json};
use crate::cli::show::fields;
use crate::port::Port;
use crate::wire::Mac;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

/// Nets that belong to nobody out there: for benchmarks (RFC 2544, 5180), documents (RFC 5737, 3849) and private ones.
const LABORATORIES: [&str; 12] = [
    "198.18.0.0/15",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "2001:2::/48",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
];
/// How long the next hop may take to answer.
const RESOLVE: Span = Span::from_secs(5);
/// How long answers are still taken in after the last frame.
const LINGER: Span = Span::from_millis(100);
/// Turns without work before a nap, and how long it is.
const IDLE_TURNS: u32 = 64;
const NAP: std::time::Duration = std::time::Duration::from_micros(50);

/// What to generate.
#[derive(Subcommand, Debug)]
pub enum GenCommand {
    /// First SYNs from ranges of sources.
    Syn(FloodArgs),
    /// Datagrams from ranges of sources.
    Udp(FloodArgs),
    /// Clients that open connections at a rate, ask, are answered and close.
    Clients(ClientArgs),
    /// Origins that answer such clients until told to end.
    Origins(OriginArgs),
}

/// Where to send from, and by whom.
#[derive(Args, Debug)]
pub struct PortArgs {
    /// A DPDK device string or PCI address, as in a boot config: `net_af_packet,iface=eth1`.
    #[arg(long, value_name = "DEVICE")]
    port: String,
    /// The next hop's address, asked for by ARP or NDP.
    #[arg(long, value_name = "IP", required_unless_present = "mac")]
    via: Option<IpAddr>,
    /// The next hop's hardware address, instead of `--via`.
    #[arg(long, value_name = "MAC", conflicts_with = "via", value_parser = mac)]
    mac: Option<Mac>,
    /// An address of its own on the link: asks for `--via`, and is answered for.
    #[arg(long, value_name = "IP")]
    own: Option<IpAddr>,
    /// The CPU to run on; else the last of those allowed.
    #[arg(long, value_name = "N")]
    cpu: Option<u16>,
    /// Destinations may be public addresses: yours, or you have leave.
    #[arg(long)]
    public: bool,
    /// Answer with one JSON object.
    #[arg(long)]
    json: bool,
}

/// When it ends.
#[derive(Args, Debug)]
pub struct BoundArgs {
    /// Frames or connections a second; `max`: as fast as can be.
    #[arg(long, value_name = "N|max", value_parser = rate)]
    rate: Rate,
    /// In all.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long at most.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

/// Arguments of floods.
#[derive(Args, Debug)]
pub struct FloodArgs {
    #[command(flatten)]
    port: PortArgs,
    #[command(flatten)]
    bounds: BoundArgs,
    /// The sources: an address or a net.
    #[arg(long, value_name = "NET", value_parser = net)]
    from: IpNet,
    /// Their ports.
    #[arg(long, value_name = "LOW-HIGH", default_value = "1024-65535", value_parser = ports)]
    from_ports: RangeInclusive<u16>,
    /// The destinations: an address or a net.
    #[arg(long, value_name = "NET", value_parser = net)]
    to: IpNet,
    /// Their ports.
    #[arg(long, value_name = "LOW-HIGH", value_parser = ports)]
    to_ports: RangeInclusive<u16>,
    /// In which order both are gone through.
    #[arg(long, value_enum, default_value = "step")]
    order: Order,
    /// Bytes of payload.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1_400))]
    payload: u16,
    /// Of random orders.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What clients and origins say to each other; both must be told the same.
#[derive(Args, Debug)]
pub struct TalkArgs {
    /// Bytes of a request.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    request: u32,
    /// Bytes of a response.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    response: u32,
    /// Connections open at once at most.
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    at_once: u32,
}

/// Arguments of clients.
#[derive(Args, Debug)]
pub struct ClientArgs {
    #[command(flatten)]
    port: PortArgs,
    #[command(flatten)]
    bounds: BoundArgs,
    #[command(flatten)]
    talk: TalkArgs,
    /// Their addresses, which are answered for by ARP and NDP.
    #[arg(long, value_name = "NET", value_parser = net)]
    from: IpNet,
    /// Their ports.
    #[arg(long, value_name = "LOW-HIGH", default_value = "1024-65535", value_parser = ports)]
    from_ports: RangeInclusive<u16>,
    /// Whom they connect to.
    #[arg(long, value_name = "NET", value_parser = net)]
    to: IpNet,
    /// Its ports.
    #[arg(long, value_name = "LOW-HIGH", value_parser = ports)]
    to_ports: RangeInclusive<u16>,
    /// In which order their own endpoints are gone through.
    #[arg(long, value_enum, default_value = "step")]
    order: Order,
    /// Requests of a connection (keep-alive).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

/// Arguments of origins.
#[derive(Args, Debug)]
pub struct OriginArgs {
    #[command(flatten)]
    port: PortArgs,
    #[command(flatten)]
    talk: TalkArgs,
    /// Their addresses, which are answered for by ARP and NDP.
    #[arg(long, value_name = "NET", value_parser = net)]
    listen: IpNet,
    /// Their ports.
    #[arg(long, value_name = "LOW-HIGH", value_parser = ports)]
    listen_ports: RangeInclusive<u16>,
    /// How long at most.
    #[arg(long, value_name = "S", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rate(Option<u64>);

/// Runs it; a report when it is over, or at SIGINT or SIGTERM.
pub fn run(command: GenCommand) -> ExitCode {
    let (port, json) = {
        let args = command.port();
        (args.port.clone(), args.json)
    };
    let cpu = command.port().cpu;
    let outcome =
        command.check().and_then(|()| on_port(&port, cpu, move |port, stop| command.go(port, &stop)));
    match outcome {
        Ok(value) if json => tell_json(&value),
        Ok(value) => tell(fields(&value)),
        Err(why) => fail(why),
    }
}

impl GenCommand {
    fn port(&self) -> &PortArgs {
        match self {
            Self::Syn(args) | Self::Udp(args) => &args.port,
            Self::Clients(args) => &args.port,
            Self::Origins(args) => &args.port,
        }
    }

    /// Refuses what would reach others than a laboratory's hosts, and what cannot be.
    fn check(&self) -> Result<(), String> {
        let (from, to) = match self {
            Self::Syn(args) | Self::Udp(args) => (args.from, args.to),
            Self::Clients(args) => (args.from, args.to),
            Self::Origins(args) => return families(args.listen, self.port()),
        };
        if from.addr().is_ipv4() != to.addr().is_ipv4() {
            return Err(format!("--from {from} and --to {to} are of two families"));
        }
        if !self.port().public && !is_of_a_laboratory(to) {
            let nets = LABORATORIES.join(", ");
            return Err(format!(
                "--to {to} is public, and a flood there hurts others: take one of {nets}, or say --public where it is yours"
            ));
        }
        families(from, self.port())
    }

    fn go<P: Port>(&self, port: P, stop: &Receiver<()>) -> Result<Value, String> {
        let clock = OsClock::new();
        match self {
            Self::Syn(args) => args.flood(Kind::Syn, port, (&clock, stop)),
            Self::Udp(args) => args.flood(Kind::Udp, port, (&clock, stop)),
            Self::Clients(args) => {
                let from = Pool::new(args.from, &args.from_ports);
                let link = args.port.link(port, Some(from.clone()), &clock)?;
                let (order, to) = (args.order, Pool::new(args.to, &args.to_ports));
                let plan = FleetPlan::Clients { from, order, to, at_once: args.talk.at_once as usize };
                let pace = Pace::new(args.bounds.bounds(), clock.now());
                let mut fleet = Fleet::new(link, plan, args.talk.talk(args.requests), (pace, 1));
                drive(&mut fleet, &clock, stop);
                let traffic = traffic(&fleet.link, &fleet.pace, clock.now());
                Ok(report::fleet(&traffic, (&fleet.tally, fleet.open_now()), Some(&fleet.setups)))
            }
            Self::Origins(args) => {
                let listen = Pool::new(args.listen, &args.listen_ports);
                let link = args.port.link(port, Some(listen.clone()), &clock)?;
                let plan = FleetPlan::Origins { listen, at_once: args.talk.at_once as usize };
                let bounds = Bounds { rate: None, count: None, length: Span::from_secs(args.seconds) };
                let mut fleet =
                    Fleet::new(link, plan, args.talk.talk(0), (Pace::new(bounds, clock.now()), 2));
                drive(&mut fleet, &clock, stop);
                let traffic = traffic(&fleet.link, &fleet.pace, clock.now());
                Ok(report::fleet(&traffic, (&fleet.tally, fleet.open_now()), None))
            }
        }
    }
}

fn is_of_a_laboratory(net: IpNet) -> bool {
    let nets = LABORATORIES.iter().filter_map(|text| text.parse::<IpNet>().ok());
    nets.into_iter().any(|laboratory| laboratory.contains(&net))
}

fn families(own: IpNet, port: &PortArgs) -> Result<(), String> {
    let Some(via) = port.via else { return Ok(()) };
    let asker = port.own.map_or(own.addr(), |own| own);
    if asker.is_ipv4() == via.is_ipv4() {
        Ok(())
    } else {
        Err(format!("--via {via} is not of the family of {asker}, which asks for it: give --own"))
    }
}

impl FloodArgs {
    fn flood<P: Port>(
        &self,
        kind: Kind,
        port: P,
        (clock, stop): (&OsClock, &Receiver<()>),
    ) -> Result<Value, String> {
        let link = self.port.link(port, None, clock)?;
        let plan = FloodPlan {
            kind,
            from: Pool::new(self.from, &self.from_ports),
            to: Pool::new(self.to, &self.to_ports),
            order: self.order,
            payload: self.payload,
            seed: self.seed,
        };
        let mut flood = Flood::new(link, plan, Pace::new(self.bounds.bounds(), clock.now()));
        drive(&mut flood, clock, stop);
        let ended = clock.now();
        while clock.now().since(ended) < LINGER {
            flood.turn(clock.now());
        }
        Ok(report::flood(&traffic(&flood.link, &flood.pace, ended), &flood.answers))
    }
}

impl PortArgs {
    /// The port with its next hop known. Addresses of `hosts` are answered for, beside `--own`.
    fn link<P: Port>(&self, port: P, hosts: Option<Pool>, clock: &OsClock) -> Result<Link<P>, String> {
        let any = 1..=1;
        let own: Vec<Pool> = self.own.map(|ip| Pool::of_host(ip, &any)).into_iter().chain(hosts).collect();
        let next_hop = match (self.mac, self.via) {
            (Some(mac), _) => NextHop::Mac(mac),
            (None, Some(via)) if own.is_empty() => {
                return Err(format!(
                    "--via {via} is asked for by an address of one's own: give --own, or --mac"
                ));
            }
            (None, Some(via)) => NextHop::Ip(via.into()),
            (None, None) => return Err("give --via or --mac".into()),
        };
        let mut link = Link::new(port, own, next_hop);
        let began = clock.now();
        while !link.is_up(clock.now()) {
            link.flush();
            link.receive(|_, _| {});
            if clock.now().since(began) > RESOLVE {
                let via = self.via.map(|via| via.to_string()).unwrap_or_default();
                return Err(format!(
                    "{via} does not answer on {}: is the link up, the address right?",
                    self.port
                ));
            }
            std::thread::sleep(NAP);
        }
        (link.sent, link.sent_bytes, link.received) = (0, 0, 0);
        Ok(link)
    }
}

impl BoundArgs {
    fn bounds(&self) -> Bounds {
        Bounds { rate: self.rate.0, count: self.count, length: Span::from_secs(self.seconds) }
    }
}

impl TalkArgs {
    fn talk(&self, rounds: u32) -> Talk {
        Talk { request: self.request, response: self.response, rounds }
    }
}

/// Something that is turned until it is over.
trait Turns {
    fn turn(&mut self, now: Instant) -> u64;
    fn is_over(&self, now: Instant) -> bool;
}

impl<P: Port> Turns for Flood<P> {
    fn turn(&mut self, now: Instant) -> u64 {
        self.turn(now)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.pace.is_over(now)
    }
}

impl<P: Port> Turns for Fleet<P> {
    fn turn(&mut self, now: Instant) -> u64 {
        self.turn(now)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.is_over(now)
    }
}

fn drive(run: &mut impl Turns, clock: &impl Clock, stop: &Receiver<()>) {
    let mut idle = 0;
    loop {
        let now = clock.now();
        if run.is_over(now) || stop.try_recv().is_ok() {
            return;
        }
        idle = if run.turn(now) > 0 { 0 } else { idle + 1 };
        if idle > IDLE_TURNS {
            std::thread::sleep(NAP);
        }
    }
}

fn traffic<P: Port>(link: &Link<P>, pace: &Pace, now: Instant) -> Traffic {
    Traffic {
        sent: link.sent,
        sent_bytes: link.sent_bytes,
        received: link.received,
        elapsed: pace.elapsed(now),
    }
}

#[cfg(feature = "dpdk")]
use super::device::on_port;

#[cfg(not(feature = "dpdk"))]
fn on_port(
    _device: &str,
    _cpu: Option<u16>,
    _body: impl FnOnce(crate::port::mem::MemPort, Receiver<()>) -> Result<Value, String>,
) -> Result<Value, String> {
    Err("this byway was built without the `dpdk` feature, which all ports of `gen` need".into())
}

fn rate(text: &str) -> Result<Rate, String> {
    match text.parse::<u64>() {
        _ if text == "max" => Ok(Rate(None)),
        Ok(rate @ 1..=1_000_000_000) => Ok(Rate(Some(rate))),
        Ok(_) | Err(_) => Err("is neither a number from 1 to 1000000000 nor `max`".into()),
    }
}

fn net(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| "is no address and no net like 198.18.64.0/18".into())
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.parse::<u16>(), high.parse::<u16>()) {
        (Ok(low), Ok(high)) if 0 < low && low <= high => Ok(low..=high),
        _ => Err("is no port and no range like 1024-65535".into()),
    }
}

fn mac(text: &str) -> Result<Mac, String> {
    let bytes: Vec<u8> = text.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.try_into().map_err(|_| "is no hardware address like 02:00:00:00:00:01".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(subcommand)]
        command: GenCommand,
    }

    fn line(text: &str) -> Result<GenCommand, String> {
        let words = std::iter::once("gen").chain(text.split_whitespace());
        Line::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
    }

    const SYN: &str =
        "syn --port net_null --mac 02:00:00:00:00:01 --rate 5 --from 198.18.64.0/18 --to-ports 80";

    #[test]
    fn nothing_is_sent_anywhere_by_default() {
        for missing in [
            "--port net_null",
            "--mac 02:00:00:00:00:01",
            "--rate 5",
            "--from 198.18.64.0/18",
            "--to-ports 80",
        ] {
            let text = format!("{} --to 198.51.100.10", SYN.replace(missing, ""));
            assert!(line(&text).is_err(), "{missing}");
        }
        assert!(line(SYN).is_err(), "--to");
    }

    #[test]
    fn public_destinations_want_a_word_more() {
        let check = |to: &str| line(&format!("{SYN} --to {to}")).expect("a right line").check();
        assert_eq!(check("198.51.100.10"), Ok(()));
        assert_eq!(check("10.1.2.0/24"), Ok(()));
        assert!(check("8.8.8.8").expect_err("public").contains("--public"));
        assert!(check("0.0.0.0/0").is_err());
        assert_eq!(check("8.8.8.8 --public"), Ok(()));
        assert!(check("2001:db8::1").expect_err("two families").contains("two families"));
    }

    #[test]
    fn a_next_hop_of_another_family_needs_an_address_of_ones_own() {
        let text = SYN.replace("--mac 02:00:00:00:00:01", "--via fe80::1");
        assert!(line(&format!("{text} --to 10.0.0.1")).expect("right").check().is_err());
        assert!(line(&format!("{text} --to 10.0.0.1 --own fe80::2")).expect("right").check().is_ok());
    }
}
