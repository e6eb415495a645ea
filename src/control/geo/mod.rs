//! Where addresses come from: databases and lists on disk, read beside the control loop and lowered for the workers.

mod files;
mod mmdb;
mod tor;

pub use files::GeoFiles;
pub use mmdb::{MmdbError, read_asns, read_countries};
pub use tor::read_tor;
