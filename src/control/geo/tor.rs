//! The list of Tor's exits: an address or a net a line, `#` begins a comment.

use crate::base::Addr;
use crate::control::config::Problem;
use crate::firewall::NetOf;
use ipnet::IpNet;
use std::net::IpAddr;

/// Lines that are told of when they are wrong.
const TOLD_MAX: usize = 10;

/// Reads the list.
///
/// # Errors
/// The first lines that are neither an address nor a net.
pub fn read_tor(text: &str) -> Result<Vec<NetOf<()>>, Vec<Problem>> {
    let (mut nets, mut problems) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        let net = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        match net {
            _ if word.is_empty() => {}
            Ok(net) => {
                nets.push(NetOf { first: Addr::from(net.network()), length: net.prefix_len(), value: () });
            }
            Err(_) if problems.len() < TOLD_MAX => problems.push(Problem {
                place: String::new(),
                line: Some(at + 1),
                text: "is neither an address nor a net".into(),
                code: None,
            }),
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(nets) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_nets_comments_and_gaps_are_read_and_the_rest_is_told_by_line() {
        let nets = read_tor("# exits\n192.0.2.1\n\n2001:db8::/64 # a net\n").expect("right");
        let told: Vec<_> = nets.iter().map(|net| (net.first.to_string(), net.length)).collect();
        assert_eq!(told, [("192.0.2.1".to_owned(), 32), ("2001:db8::".to_owned(), 64)]);
        let problems = read_tor("192.0.2.1\nexit.example.com\n").expect_err("a name is no address");
        assert_eq!((problems.len(), problems[0].line), (1, Some(2)));
    }
}
