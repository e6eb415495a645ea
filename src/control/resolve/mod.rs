//! Origins by name: what is asked of the name servers, what they said, how long that holds, and where it is kept.

mod cache;
mod hickory;
mod lookup;
mod names;
mod resolver;

pub use cache::{Kept, OriginCache};
pub use hickory::NameServers;
pub use lookup::{Answer, Lookup, LookupError, RecordKind, Row, Rows, resolve};
pub use names::{NameState, NameTerms, Names};
pub use resolver::Resolver;
