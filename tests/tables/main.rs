//! Table files, compiled tables and access rules, held against naive models on inputs made from a seed.

mod app_edits;
mod edits;
mod live;
mod origins;
mod promises;
mod size;
mod tenants;
mod whence;
