//! What the API serves, as values: an operation with its handler, its schemas and its codes. The router and the OpenAPI document
//! are both made of the same list (`operations`).

mod document;
mod operation;
pub mod schema;

pub use document::served;
pub use operation::{Operation, Want};
