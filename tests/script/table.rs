//! Every combination of window shifts, timestamps and selective acknowledgements that two peers may come to, spliced:
//! each is a script of its own, made here, whose numbers follow from RFC 7323 alone.

use crate::world;

/// What byway announces to a client that knows of shifts: `window_shift` of the scripts' settings.
const OURS: u8 = 7;
/// The largest shift that the origin is told: 64 KiB of buffer are told in 64 steps at least.
const COARSEST: u8 = 10;
/// Windows that the peers announce, as they stand in the header.
const WINDOWS: [u32; 6] = [0, 1, 127, 128, 8_191, 65_535];

/// What the two SYNs and the SYN-ACK of the origin carry.
#[derive(Clone, Copy, Debug)]
struct Combination {
    client: Option<u8>,
    origin: Option<u8>,
    stamps: bool,
    sack: bool,
}

impl Combination {
    fn options(self, shift: Option<u8>, stamp: u32) -> String {
        let mut list = vec!["mss=1460".to_string()];
        list.extend(self.sack.then(|| "sackok".into()));
        list.extend(shift.map(|shift| format!("ws={shift}")));
        list.extend(self.stamps.then(|| format!("ts={stamp}:0")));
        list.join(",")
    }

    /// RFC 7323, 2.2: shifts count where both SYNs of a leg have one. Byway's to the client is its own, that to the
    /// origin the client's as far as it is fine enough.
    fn shifts(self) -> [(u8, u8); 2] {
        let towards_origin = match (self.client, self.origin) {
            (Some(client), Some(_)) => client.min(COARSEST),
            (Some(_) | None, Some(_) | None) => 0,
        };
        let of_client = self.client.unwrap_or(0);
        let of_origin = if self.client.is_some() { self.origin.unwrap_or(0) } else { 0 };
        let towards_client = if self.client.is_some() { OURS } else { 0 };
        [(of_client, towards_origin), (of_origin, towards_client)]
    }

    fn script(self) -> String {
        let (client, origin) = (self.options(self.client, 100), self.options(self.origin, 9_000));
        let mut text = format!(
            "set spliced=1 sessions_max=1 half_open_max=1\nconnect c <{client}> o <{origin}>\nspliced 1\n"
        );
        let told = |window: u32, (from, to): (u8, u8)| ((u64::from(window) << from) >> to).min(65_535);
        let [up, down] = self.shifts();
        let mut stamp = 200;
        // Each peer's stamp goes to the other and comes back as it was.
        let stamps = |value: &str, echo: &str| match self.stamps {
            true => format!(" <ts={value}:{echo}>"),
            false => String::new(),
        };
        for (n, window) in WINDOWS.into_iter().enumerate() {
            let (seq, next) = (1 + n * 10, 11 + n * 10);
            stamp += 1;
            text += &format!(
                "+1ms c> P. seq={seq} ack=1 len=10 win={window}{}\n+0 o< P. seq={seq} ack=1 len=10 win={}\n\
                 +1ms o> . seq=1 ack={next} win={window}{}\n+0 c< . seq=1 ack={next} win={}{}\n",
                stamps(&stamp.to_string(), "*"),
                told(window, up),
                stamps(&(stamp + 9_000).to_string(), "*"),
                told(window, down),
                stamps("*", &stamp.to_string()),
            );
        }
        if self.sack {
            let (c, o) = match self.stamps {
                true => ("<ts=300:*,sack=1001:2001>", "<ts=*:*,sack=1001:2001>"),
                false => ("<sack=1001:2001>", "<sack=1001:2001>"),
            };
            let data = stamps("9300", "*");
            text += &format!(
                "+1ms o> P. seq=1 ack=61 len=1000 win=65535{data}\n+0 c< P. seq=1 ack=61 len=1000\n\
                 +0 o> P. seq=1001 ack=61 len=1000 win=65535{data}\n+0 c< P. seq=1001 ack=61 len=1000\n\
                 +1ms c> . seq=61 ack=1 win=65535 {c}\n+0 o< . seq=61 ack=1 {o}\n"
            );
        }
        text + "spliced 1\nsessions 1\n"
    }
}

#[test]
fn every_combination_of_options_is_spliced_and_its_windows_told_in_the_other_sides_shift() {
    let shifts = || std::iter::once(None).chain((0..=14).map(Some));
    let mut failures = Vec::new();
    for (client, origin) in shifts().flat_map(|client| shifts().map(move |origin| (client, origin))) {
        for (stamps, sack) in [(false, false), (true, false), (false, true), (true, true)] {
            let made = Combination { client, origin, stamps, sack };
            for v6 in [false, true] {
                if let Err(error) = world::run(&made.script(), v6, crate::Form::Fresh) {
                    failures.push(format!("{made:?}, IPv6 {v6}: {error}"));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of them:\n{}",
        failures.len(),
        failures[..failures.len().min(8)].join("\n")
    );
}
