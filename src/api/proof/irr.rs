//! The routing registry: `route` and `route6` objects (RFC 2622, RFC 4012) of a local mirror file. The file is read as a
//! stream, an object at a time; only those of the very prefix count.

use super::checker::Claim;
use crate::estate::{Check, CheckState};
use ipnet::IpNet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The longest line that is looked at, in bytes; the rest of a longer one is passed over.
const LINE_BYTES_MAX: u64 = 1 << 14;
/// Objects of one prefix that are kept.
const ORIGINS_MAX: usize = 1_024;

/// What the mirror holds for a prefix.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The origins of its objects.
    pub origins: Vec<u32>,
    /// Whether one of them bears `cf-validation: TOKEN`.
    pub bears_token: bool,
}

/// The object that is being read.
#[derive(Default)]
struct Object {
    is_route: bool,
    origin: Option<u32>,
    bears_token: bool,
}

/// Reads a mirror.
///
/// # Errors
/// One line: the file cannot be read.
pub fn read(path: &Path, claim: &Claim) -> Result<Found, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let (mut found, mut object, mut line) = (Found::default(), Object::default(), Vec::new());
    while next_line(&mut lines, &mut line).map_err(|error| error.to_string())? {
        let text = String::from_utf8_lossy(&line);
        match text.trim().is_empty() {
            true => found.take(std::mem::take(&mut object), claim.asn),
            false => object.read(&text, claim),
        }
    }
    found.take(object, claim.asn);
    Ok(found)
}

/// Says what the objects mean.
pub fn judge(found: &Found, claim: &Claim) -> Check {
    let (net, asn) = (claim.net, claim.asn);
    if found.origins.contains(&asn) {
        return Check::new(CheckState::Valid, format!("an object has {net} with origin AS{asn}"));
    }
    match found.origins.first() {
        Some(other) => Check::new(
            CheckState::MismatchAsn,
            format!("the object of {net} has origin AS{other}, not AS{asn}"),
        ),
        None => Check::new(CheckState::Missing, format!("irr_entry_not_found: no object of exactly {net}")),
    }
}

/// The next line, at most `LINE_BYTES_MAX` of it; false at the end.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        from.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

impl Found {
    fn take(&mut self, object: Object, asn: u32) {
        if object.is_route && self.origins.len() < ORIGINS_MAX {
            self.origins.extend(object.origin);
            // Anybody may make an object of the prefix in an open registry: the token counts where the origin is the claim's.
            self.bears_token |= object.bears_token && object.origin == Some(asn);
        }
    }
}

impl Object {
    fn read(&mut self, line: &str, claim: &Claim) {
        let Some((key, value)) = line.split_once(':') else { return };
        let value = value.split('#').next().unwrap_or("").trim();
        match key.trim_end().to_ascii_lowercase().as_str() {
            "route" | "route6" => self.is_route = value.parse::<IpNet>().is_ok_and(|net| net == claim.net),
            "origin" => {
                let number = value.get(..2).filter(|start| start.eq_ignore_ascii_case("AS"));
                self.origin = number.and_then(|_| value[2..].parse().ok());
            }
            _ if self.is_route => {
                let mark = format!("cf-validation: {}", claim.token);
                let said = line.trim_end().strip_suffix(&mark);
                self.bears_token |=
                    said.is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t', ':']));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    static FILES: AtomicU32 = AtomicU32::new(0);

    /// A file that goes with its test.
    pub struct Scratch(PathBuf);

    impl Scratch {
        pub fn new(text: &str) -> Self {
            let number = FILES.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("byway-proof-{}-{number}", std::process::id()));
            std::fs::write(&path, text).expect("a temporary file");
            Self(path)
        }

        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const MIRROR: &str = "% a mirror\n\nroute:      203.0.113.0/24\ndescr:      one\norigin:     AS64496\nremarks:    cf-validation: 0123abcd\nsource:     RIPE\n\n\
        route:      203.0.112.0/22\norigin:     AS64500\n\nroute6:     2001:DB8::/48\norigin:     as64497 # theirs\n\n\
        person:     cf-validation: 4567\n";

    fn look(net: &str, asn: u32, token: &str) -> (CheckState, bool) {
        let file = Scratch::new(MIRROR);
        let claim = Claim { net: net.parse().expect("a net"), asn, token: token.into() };
        let found = read(file.path(), &claim).expect("a mirror");
        (judge(&found, &claim).state, found.bears_token)
    }

    #[test]
    fn the_object_of_the_very_prefix_counts() {
        assert_eq!(look("203.0.113.0/24", 64_496, "0123abcd"), (CheckState::Valid, true));
        assert_eq!(look("203.0.113.0/24", 64_500, "0123"), (CheckState::MismatchAsn, false));
        assert_eq!(look("2001:db8::/48", 64_497, "4567"), (CheckState::Valid, false));
        assert_eq!(look("203.0.112.0/24", 64_500, "x"), (CheckState::Missing, false));
    }

    #[test]
    fn long_lines_and_other_letters_do_no_harm() {
        let mut text = "route: 203.0.113.0/24\ndescr: ".to_owned();
        text.push_str(&"x".repeat(100_000));
        text.push_str("\norigin: AS64496\n");
        let file = Scratch::new(&text);
        let claim = Claim { net: "203.0.113.0/24".parse().expect("a net"), asn: 64_496, token: "t".into() };
        assert_eq!(read(file.path(), &claim).expect("a mirror").origins, [64_496]);
        std::fs::write(file.path(), b"route: 203.0.113.0/24\ndescr: \xff\xfe\norigin: AS64496\n")
            .expect("written");
        assert_eq!(read(file.path(), &claim).expect("a mirror").origins, [64_496]);
    }
}
