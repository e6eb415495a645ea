//! The boot config's own kinds of values: names, devices, hardware addresses, ranges of ports.

use super::read::{Read, shown, text};
use super::spec::{DeviceSpec, EventsTarget};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// A value, or "" for off.
pub fn or_off<T>(read: impl Fn(&DeValue) -> Read<T>) -> impl Fn(&DeValue) -> Read<Option<T>> {
    move |value| if value.as_str() == Some("") { Ok(None) } else { read(value).map(Some) }
}

/// A path that is not empty.
pub fn filled(value: &DeValue) -> Read<String> {
    text(value)
        .and_then(|path| if path.is_empty() { Err("is empty; should be a path".into()) } else { Ok(path) })
}

/// Where events go: "", "-" or a path.
pub fn events(value: &DeValue, folder: &Path) -> Read<EventsTarget> {
    Ok(match text(value)?.as_str() {
        "" => EventsTarget::Off,
        "-" => EventsTarget::Stdout,
        path => EventsTarget::File(folder.join(PathBuf::from(path))),
    })
}

/// The URL of a collector.
pub fn push_url(value: &DeValue) -> Read<String> {
    let url = text(value)?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or("");
    let printable = url.len() <= 1_024 && url.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && !rest.is_empty() && !rest.starts_with('/') {
        return Ok(url);
    }
    Err(format!("{} is not a URL like \"https://collector.example.com/events\"", shown(value)))
}

fn plain(name: &str) -> bool {
    name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A port's name.
pub fn name(value: &DeValue) -> Read<String> {
    let rule = "should be 1 to 32 letters, digits, '-', '_' or '.'";
    text(value).and_then(|name| if plain(&name) && !name.is_empty() { Ok(name) } else { Err(rule.into()) })
}

/// A site's name; may be empty.
pub fn site(value: &DeValue) -> Read<String> {
    text(value).and_then(|site| {
        if plain(&site) { Ok(site) } else { Err("should be a short plain name like \"FRA\"".into()) }
    })
}

/// A user's name.
pub fn user(value: &DeValue) -> Read<String> {
    text(value).and_then(|user| {
        if plain(&user) { Ok(user) } else { Err("should be a user's name, or \"\" to stay".into()) }
    })
}

/// The virtual devices that byway drives.
const DRIVERS: &[&str] = &[
    "net_af_packet",
    "net_af_xdp",
    "net_tap",
    "net_memif",
    "net_virtio_user",
    "net_vhost",
    "net_pcap",
    "net_ring",
    "net_null",
];

/// A PCI address or a virtual device.
pub fn device(value: &DeValue) -> Read<DeviceSpec> {
    let text = text(value)?;
    if is_pci(&text) {
        return Ok(DeviceSpec::Pci(
            if text.len() == 7 { format!("0000:{text}") } else { text }.to_ascii_lowercase(),
        ));
    }
    let (driver, args) = text.split_once(',').unwrap_or((&text, ""));
    let bare = driver.trim_end_matches(|digit: char| digit.is_ascii_digit());
    if DRIVERS.contains(&bare) && !text.chars().any(char::is_control) {
        return Ok(DeviceSpec::Virtual { driver: driver.to_owned(), args: args.to_owned() });
    }
    let known = DRIVERS[..6].join(", ");
    Err(format!(
        "{} is neither a PCI address like \"0000:01:00.0\" nor one of {known} with its arguments",
        shown(value)
    ))
}

/// `0000:01:00.0`, or `01:00.0` for short.
fn is_pci(text: &str) -> bool {
    let shape = |pattern: &str| {
        pattern.len() == text.len()
            && pattern
                .bytes()
                .zip(text.bytes())
                .all(|(p, c)| if p == b'h' { c.is_ascii_hexdigit() } else { p == c })
    };
    shape("hhhh:hh:hh.h") || shape("hh:hh.h")
}

/// A station's hardware address.
pub fn mac(value: &DeValue) -> Read<[u8; 6]> {
    let wrong = || format!("{} is not a hardware address like \"02:00:00:00:00:01\"", shown(value));
    let text = text(value)?;
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|pair| if pair.len() == 2 { u8::from_str_radix(pair, 16).ok() } else { None })
        .collect();
    let mac: [u8; 6] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    if mac[0] & 1 == 1 || mac == [0; 6] {
        Err(format!("{} is not a single station's address", shown(value)))
    } else {
        Ok(mac)
    }
}

/// `low-high`, port 0 left out.
pub fn port_range(value: &DeValue) -> Read<RangeInclusive<u16>> {
    let wrong = || format!("{} is not a range of ports like \"1024-65535\"", shown(value));
    let text = text(value)?;
    let (low, high) = text.split_once('-').ok_or_else(wrong)?;
    match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
        (Ok(low), Ok(high)) if 0 < low && low <= high => Ok(low..=high),
        _ => Err(wrong()),
    }
}

/// A net, or one address as the net of its own.
pub fn net_or_address(value: &DeValue) -> Read<IpNet> {
    let text = text(value)?;
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| format!("{} is not a net like \"192.0.2.0/24\" or \"2001:db8::/32\"", shown(value)))
}

/// A net of one family whose host bits are zero.
pub fn of_family(net: IpNet, v4: bool) -> Read<IpNet> {
    match (net.addr().is_ipv4(), v4) {
        (true, true) | (false, false) => canonical(net),
        (true, false) => Err(format!("{net} is IPv4; write it into the list ipv4")),
        (false, true) => Err(format!("{net} is IPv6; write it into the list ipv6")),
    }
}

/// A net whose host bits are zero.
pub fn canonical(net: IpNet) -> Read<IpNet> {
    if net.trunc() == net {
        Ok(net)
    } else {
        Err(format!("{net} has bits beyond its length; did you mean {}?", net.trunc()))
    }
}
