//! How many connections an app lets in, and each of its clients: byway's own part of an app.

/// Limits of one app; each holds on each worker, and 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub connections: u32,
    /// New connections a second.
    pub new_per_s: u32,
    /// Connections of one client address (IPv6: of one /64) at once.
    pub client_connections: u32,
    /// New connections of one client address a second.
    pub client_new_per_s: u32,
}

impl ConnectionLimits {
    /// No limit.
    pub const OFF: Self = Self { connections: 0, new_per_s: 0, client_connections: 0, client_new_per_s: 0 };
    /// The largest value of each.
    pub const MAX: u32 = 1 << 30;

    /// The limits by the names that config files have for them.
    pub const fn named(&self) -> [(&'static str, u32); 4] {
        [
            ("connections", self.connections),
            ("new_per_s", self.new_per_s),
            ("client_connections", self.client_connections),
            ("client_new_per_s", self.client_new_per_s),
        ]
    }
}
