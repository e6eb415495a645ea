//! What only tests import: frames by hand, naive models, a simulated network, laws.

pub mod apps;
pub mod edge;
pub mod foreign;
pub mod frames;
pub mod laws;
pub mod line;
pub mod mmdb;
pub mod model;
pub mod net;
pub mod pretty;
pub mod tables;
pub mod tls;
