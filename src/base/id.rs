//! Identities as types of their own, so that no bare number crosses a room's border.

use std::fmt;

/// Reads 32 lower-case hex digits, as ids of zones, apps and tokens are written; `None` for anything else.
pub fn hex128(text: &str) -> Option<u128> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = text.len() == 32 && text.bytes().all(hex);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub $inner);

        impl $name {
            /// As an index.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A worker, 0 first, in the order of the configured lcores.
    WorkerId(u8)
}
id! {
    /// A port of the boot config, in its order.
    PortId(u8)
}
id! {
    /// An app's place in counters and snapshots. Control hands slots out; one app keeps its slot over reloads, and
    /// a slot comes back only when no worker holds a session of its app any more.
    AppSlot(u32)
}
id! {
    /// A firewall rule's place in counters, kept over reloads like an `AppSlot`.
    RuleSlot(u32)
}
id! {
    /// A zone's place in one snapshot: the scope of access rules.
    ZoneSlot(u32)
}
id! {
    /// A next hop as the worker's neighbour table numbers it. Flow records hold this and never a MAC, so that a
    /// gateway's change of address moves live flows.
    Hop(u16)
}

id! {
    /// An account's place in counters, kept over reloads like an `AppSlot`.
    AccountSlot(u32)
}

/// The number of a published snapshot; grows by one with each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
