//! What TLS needs and never changes while a connection lives: certificates by name, ticket keys by zone, trust in
//! origins; compiled for each app, read by crypto threads.

mod app;
mod certificate;
mod origin;
mod table;
mod zone;

pub use app::{AppTls, MinTls, Mode, Wanted, Wrong};
pub use certificate::{Certificate, CertificateFault, chain_alone};
pub use origin::{Trust, TrustFault};
pub use table::{Material, TlsTable, ZoneMaterial};
pub use zone::{Tickets, ZoneCertificates};
