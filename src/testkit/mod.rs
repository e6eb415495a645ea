//! What only tests import: frames by hand, naive models, a simulated network, laws.

pub mod net;
