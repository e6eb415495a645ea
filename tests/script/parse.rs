//! A line of a script to a step.

/// Which peer a step is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Client,
    Origin,
}

/// A segment as scripts write it; what is `None` is left to the default or not looked at.
#[derive(Clone, Default, Debug)]
pub struct Written {
    pub flags: u8,
    pub seq: i64,
    pub ack: Option<i64>,
    pub len: usize,
    pub win: Option<u32>,
    /// The urgent pointer of what a peer sends; byway sends none.
    pub urgent: u16,
    pub options: Option<Vec<Opt>>,
}

/// A TCP option as scripts write it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opt {
    Mss(u16),
    Shift(u8),
    SackOk,
    Sack(u32, u32),
    /// `None`: any value.
    Stamp(Option<u32>, Option<u32>),
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub enum Step {
    Set(Vec<(String, String)>),
    Connect {
        client: String,
        origin: String,
    },
    Send {
        after_ms: u64,
        peer: Peer,
        segment: Written,
        drop: Option<String>,
    },
    Expect {
        after_ms: u64,
        peer: Peer,
        segment: Written,
    },
    Icmp {
        after_ms: u64,
        peer: Peer,
        mtu: Option<u16>,
        seq: i64,
        drop: Option<String>,
    },
    Event {
        kind: String,
        status: u16,
    },
    Count {
        what: String,
        number: usize,
    },
    Counter {
        name: String,
        value: u64,
    },
    /// The client calls once more, from its next port.
    Again,
    Room(usize),
    Wait(u64),
}

pub fn step(line: &str) -> Result<Option<Step>, String> {
    let line = line.split('#').next().unwrap_or("").trim();
    let words: Vec<&str> = line.split_whitespace().collect();
    let step = match words.as_slice() {
        [] | ["only", _] => return Ok(None),
        ["set", pairs @ ..] => Step::Set(pairs.iter().map(|pair| key_value(pair)).collect::<Result<_, _>>()?),
        ["connect", rest @ ..] => Step::Connect { client: after(rest, "c"), origin: after(rest, "o") },
        ["event", kind, status] => Step::Event { kind: (*kind).into(), status: number(status)? as u16 },
        ["counter", name, value] => Step::Counter { name: (*name).into(), value: number(value)? as u64 },
        ["again"] => Step::Again,
        ["room", frames] => Step::Room(number(frames)? as usize),
        [what @ ("sessions" | "half_open" | "time_wait" | "quarantine" | "spliced" | "parked"), count] => {
            Step::Count { what: (*what).into(), number: number(count)? as usize }
        }
        [time] if time.starts_with('+') => Step::Wait(millis(time)?),
        [time, verb, rest @ ..] if time.starts_with('+') => {
            return moving(millis(time)?, verb, rest).map(Some);
        }
        _ => return Err(format!("not understood: {line}")),
    };
    Ok(Some(step))
}

fn moving(after_ms: u64, verb: &str, words: &[&str]) -> Result<Step, String> {
    let peer = if verb.starts_with('c') { Peer::Client } else { Peer::Origin };
    let drop = words
        .iter()
        .position(|word| *word == "=>")
        .and_then(|at| words.get(at + 1))
        .map(|name| name.to_string());
    let words = &words[..words.iter().position(|word| *word == "=>").unwrap_or(words.len())];
    match &verb[1..] {
        ">" => Ok(Step::Send { after_ms, peer, segment: segment(words)?, drop }),
        "<" => Ok(Step::Expect { after_ms, peer, segment: segment(words)? }),
        "!" => {
            let field = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
            let mtu = field("mtu=").map(number).transpose()?.map(|mtu| mtu as u16);
            let seq = field("seq=").map(number).transpose()?.unwrap_or(0);
            Ok(Step::Icmp { after_ms, peer, mtu, seq, drop })
        }
        _ => Err(format!("no such verb: {verb}")),
    }
}

fn segment(words: &[&str]) -> Result<Written, String> {
    let mut written = Written::default();
    let (flags, fields) = words.split_first().ok_or("a segment needs flags")?;
    for flag in flags.chars() {
        written.flags |= match flag {
            'F' => 1,
            'S' => 2,
            'R' => 4,
            'P' => 8,
            '.' => 16,
            'U' => 32,
            'E' => 64,
            'W' => 128,
            '-' => 0,
            _ => return Err(format!("no such flag: {flag}")),
        };
    }
    for field in fields {
        if let Some(list) = field.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            written.options = Some(options(list)?);
            continue;
        }
        let (key, value) = key_value(field)?;
        match key.as_str() {
            "seq" => written.seq = number(&value)?,
            "ack" => written.ack = Some(number(&value)?),
            "len" => written.len = number(&value)? as usize,
            "win" => written.win = Some(number(&value)? as u32),
            "urg" => written.urgent = number(&value)? as u16,
            _ => return Err(format!("no such field: {key}")),
        }
    }
    Ok(written)
}

/// Options in a list without blanks: `mss=1460,ws=7,sackok,ts=1:0,sack=5:9,raw=0102`.
pub fn options(list: &str) -> Result<Vec<Opt>, String> {
    list.split(',').filter(|word| !word.is_empty()).map(option).collect()
}

fn option(word: &str) -> Result<Opt, String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let pair = || value.split_once(':').ok_or(format!("a pair is missing in {word}"));
    let stamp =
        |text: &str| if text == "*" { Ok(None) } else { number(text).map(|number| Some(number as u32)) };
    Ok(match key {
        "mss" => Opt::Mss(number(value)? as u16),
        "ws" => Opt::Shift(number(value)? as u8),
        "sackok" => Opt::SackOk,
        "sack" => Opt::Sack(number(pair()?.0)? as u32, number(pair()?.1)? as u32),
        "ts" => Opt::Stamp(stamp(pair()?.0)?, stamp(pair()?.1)?),
        "raw" => Opt::Raw(
            (0..value.len() / 2)
                .map(|at| {
                    u8::from_str_radix(&value[at * 2..at * 2 + 2], 16).map_err(|error| error.to_string())
                })
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(format!("no such option: {word}")),
    })
}

/// The `<...>` that follows `name`, without its brackets.
fn after(words: &[&str], name: &str) -> String {
    let at = words.iter().position(|word| *word == name);
    at.and_then(|at| words.get(at + 1))
        .map_or_else(|| "mss=1460,sackok,ws=7".to_string(), |list| list.trim_matches(['<', '>']).to_string())
}

fn key_value(pair: &str) -> Result<(String, String), String> {
    let (key, value) = pair.split_once('=').ok_or(format!("not key=value: {pair}"))?;
    Ok((key.into(), value.into()))
}

fn millis(time: &str) -> Result<u64, String> {
    let time = time.trim_start_matches('+');
    let (digits, scale) = match (time.strip_suffix("ms"), time.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1_000),
        (None, None) => (time, 1),
    };
    Ok(number(digits)? as u64 * scale)
}

pub fn number(text: &str) -> Result<i64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("not a number: {text}"))
}
