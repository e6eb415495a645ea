//! What only tests import: frames by hand, naive models, a simulated network, laws.

pub mod frames;
pub mod net;
pub mod pretty;
