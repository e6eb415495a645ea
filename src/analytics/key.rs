//! What a row is about: zone, app, event, IP version, site; and the dimensions that queries name them by.

use crate::base::hex128;
use std::fmt;
use std::sync::Arc;

/// The id of a zone or an app: 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tag(u128);

impl Tag {
    /// From its bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Reads 32 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hex128(text).map(Self)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whose numbers they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The zone that may read them, also when the app is gone.
    pub zone: Tag,
    /// The app.
    pub app: Tag,
}

/// What happened. In the order of their names, so that they compare as these do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum EventName {
    /// Access rules refused the client.
    ClientFiltered = 0,
    /// Both legs came up.
    Connect = 1,
    /// A connection ended.
    Disconnect = 2,
    /// The origin could not be reached.
    OriginError = 3,
    /// Bytes of a connection that goes on.
    Progress = 4,
    /// The origin's name has no address.
    ResolveOrigin = 5,
    /// The client's TLS handshake failed.
    TlsError = 6,
}

impl EventName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ClientFiltered,
        Self::Connect,
        Self::Disconnect,
        Self::OriginError,
        Self::Progress,
        Self::ResolveOrigin,
        Self::TlsError,
    ];

    /// Spectrum's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientFiltered => "clientFiltered",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::OriginError => "originError",
            Self::Progress => "progress",
            Self::ResolveOrigin => "resolveOrigin",
            Self::TlsError => "tlsError",
        }
    }

    /// By its number in the store.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// The client's IP version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum IpVersion {
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

impl IpVersion {
    /// Its digit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "4",
            Self::V6 => "6",
        }
    }

    /// By its number.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            4 => Some(Self::V4),
            6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// What one row is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The zone.
    pub zone: Tag,
    /// The app; `None` is all that found no row of its own when there were too many.
    pub app: Option<Tag>,
    /// The event.
    pub event: EventName,
    /// The client's IP version.
    pub ip: IpVersion,
    /// The site.
    pub colo: Arc<str>,
}

/// How apps without a row of their own are named.
pub const OTHER_APPS: &str = "other";

/// What rows can be told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dimension {
    /// What happened.
    Event,
    /// The app.
    AppId,
    /// The site.
    ColoName,
    /// The client's IP version.
    IpVersion,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Event, Self::AppId, Self::ColoName, Self::IpVersion];

    /// Spectrum's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::AppId => "appID",
            Self::ColoName => "coloName",
            Self::IpVersion => "ipVersion",
        }
    }

    /// By its word.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }

    /// What a row has there.
    pub fn of(self, key: &Key) -> Value {
        match self {
            Self::Event => Value::Event(key.event),
            Self::AppId => Value::App(key.app),
            Self::ColoName => Value::Colo(key.colo.clone()),
            Self::IpVersion => Value::Ip(key.ip),
        }
    }

    /// Reads a value of it.
    ///
    /// # Errors
    /// What would be right.
    pub fn read(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Event => {
                let event = EventName::ALL.into_iter().find(|event| event.name() == text);
                let names = EventName::ALL.map(EventName::name).join(", ");
                event.map(Value::Event).ok_or_else(|| format!("event is one of {names}"))
            }
            Self::AppId if text == OTHER_APPS => Ok(Value::App(None)),
            Self::AppId => {
                let app = Tag::parse(text).map(|app| Value::App(Some(app)));
                app.ok_or_else(|| "appID is 32 lower-case hex digits".into())
            }
            Self::ColoName => {
                let plain = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
                plain.then(|| Value::Colo(text.into())).ok_or_else(|| "coloName is a short plain word".into())
            }
            Self::IpVersion => match text {
                "4" => Ok(Value::Ip(IpVersion::V4)),
                "6" => Ok(Value::Ip(IpVersion::V6)),
                _ => Err("ipVersion is 4 or 6".into()),
            },
        }
    }
}

/// What a row has in one dimension. Values of one dimension compare as their words do.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Value {
    /// What happened.
    Event(EventName),
    /// The app.
    App(Option<Tag>),
    /// The site.
    Colo(Arc<str>),
    /// The client's IP version.
    Ip(IpVersion),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => f.write_str(event.name()),
            Self::App(Some(app)) => app.fmt(f),
            Self::App(None) => f.write_str(OTHER_APPS),
            Self::Colo(colo) => f.write_str(colo),
            Self::Ip(ip) => f.write_str(ip.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_compare_as_their_names_and_are_found_by_their_numbers() {
        assert!(EventName::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].name() < pair[1].name()));
        for event in EventName::ALL {
            assert_eq!(EventName::of_number(event as u8), Some(event));
        }
        assert_eq!(EventName::of_number(7), None);
    }

    #[test]
    fn values_read_back_and_wrong_ones_say_what_is_right() {
        for (dimension, text) in [
            (Dimension::Event, "progress"),
            (Dimension::AppId, "0123456789abcdef0123456789abcdef"),
            (Dimension::AppId, "other"),
            (Dimension::ColoName, "FRA"),
            (Dimension::IpVersion, "6"),
        ] {
            assert_eq!(dimension.read(text).map(|value| value.to_string()), Ok(text.to_owned()));
        }
        for (dimension, text) in [
            (Dimension::Event, "Connect"),
            (Dimension::AppId, "0123"),
            (Dimension::ColoName, "a b"),
            (Dimension::IpVersion, "5"),
        ] {
            assert!(dimension.read(text).expect_err(text).contains(dimension.name()));
        }
    }
}
