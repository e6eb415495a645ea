//! Zone files (RFC 1035 5.1) in the form that Cloudflare documents for its export and import: comment, tags and `proxied` of a
//! record stand in the remark behind it. Text to bodies of records and records to text; knows no estate and changes nothing.
//!
//! hickory's own reader of zone files is built anyway and does not fit: it drops remarks, tells no line of a record, and opens the
//! files that `$INCLUDE` names.

mod entries;
mod reader;
mod remark;
mod writer;

pub use entries::{Entries, Fault};
pub use reader::{Read, Reader, Wrong};
pub use writer::{head, title, written};
